//! Probes trained as papers train them: a number of epochs of SGD or Adam over shuffled
//! batches (Alain and Bengio 2016; Nguyen, Raghu and Kornblith 2020).
//!
//! Where such a probe ends depends on the recipe and its seed, so two of them differ even
//! where two layers do not; the unique optimum has no such noise. They are here to be
//! compared with.

use crate::data::indexed_permutation;

use super::product::{Columns, Matrix, Scalar};
use super::softmax::Targets;
use super::solver::{Problem, Solution, add, scale};

/// How a probe is trained by gradient descent, from W = 0 and b = 0.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Recipe {
    /// Passes over the training examples.
    pub epochs: usize,
    /// Examples a step; the last batch of a pass takes what is left.
    pub batch_size: usize,
    /// The rate, constant.
    pub lr: f64,
    /// Seed of the order of the examples, stream `probe/order` with the epoch's number.
    pub seed: u64,
}

impl Recipe {
    /// 300 epochs, batches of 128 (Nguyen, Raghu and Kornblith 2020), with rate `lr`.
    pub fn with_rate(lr: f64) -> Self {
        Self { epochs: 300, batch_size: 128, lr, seed: 0 }
    }
}

/// How a step follows from the gradient, with the semantics of `torch.optim`.
#[derive(Debug, Clone)]
pub(super) enum Rule {
    /// SGD with momentum.
    Sgd { momentum: f64, velocity: Columns },
    /// Adam with betas 0.9 and 0.999 and ε = 10⁻⁸.
    Adam { first: Columns, second: Columns, step: i32 },
}

impl Rule {
    pub(super) fn sgd(momentum: f64) -> Self {
        Self::Sgd { momentum, velocity: vec![] }
    }

    pub(super) fn adam() -> Self {
        Self::Adam { first: vec![], second: vec![], step: 0 }
    }

    fn step(&mut self, lr: f64, gradient: Columns, theta: &mut Columns) {
        match self {
            Self::Sgd { momentum, velocity } => {
                if velocity.is_empty() {
                    *velocity = gradient;
                } else {
                    scale(*momentum, velocity);
                    add(1.0, &gradient, velocity);
                }
                add(-lr, velocity, theta);
            }
            Self::Adam { first, second, step } => {
                const BETAS: [f64; 2] = [0.9, 0.999];
                const EPS: f64 = 1e-8;
                first.resize(gradient.len(), [0.0; _]);
                second.resize(gradient.len(), [0.0; _]);
                *step += 1;
                let [one, two] = BETAS.map(|beta| 1.0 - beta.powi(*step));
                let moments =
                    first.as_flattened_mut().iter_mut().zip(second.as_flattened_mut());
                let theta = theta.as_flattened_mut().iter_mut();
                for ((t, g), (m, v)) in theta.zip(gradient.as_flattened()).zip(moments) {
                    *m = BETAS[0] * *m + (1.0 - BETAS[0]) * g;
                    *v = BETAS[1] * *v + (1.0 - BETAS[1]) * g * g;
                    *t -= lr / one * *m / ((*v / two).sqrt() + EPS);
                }
            }
        }
    }
}

/// Trains on the examples of positive weight.
///
/// *Cost* for each epoch 2·16 multiply-adds a feature of each example.
pub(super) fn solve<T: Scalar>(
    problem: &Problem<'_, T>,
    mut theta: Columns,
    recipe: &Recipe,
    mut rule: Rule,
) -> Solution {
    let targets = &problem.targets;
    let k = problem.features.n_columns;
    let examples: Vec<usize> =
        (0..targets.labels.len()).filter(|&i| targets.weights[i] > 0.0).collect();
    let mut iterations = 0;
    for epoch in 0..recipe.epochs {
        let order =
            indexed_permutation(recipe.seed, "probe/order", epoch as u64, examples.len());
        for batch in order.chunks(recipe.batch_size) {
            let rows = batch.iter().map(|&at| examples[at]);
            let labels: Vec<u8> = rows.clone().map(|i| targets.labels[i]).collect();
            let values: Vec<T> = rows
                .flat_map(|i| &problem.features.values[i * k..(i + 1) * k])
                .copied()
                .collect();
            let features = Matrix::dense(batch.len(), k, values);
            let targets = Targets {
                labels: &labels,
                weights: vec![1.0 / batch.len() as f64; batch.len()],
                active: targets.active.clone(),
                n_classes: targets.n_classes,
            };
            let batch = Problem { features: &features, targets, ..*problem };
            let gradient = batch.gradient_at(&theta);
            rule.step(recipe.lr, gradient, &mut theta);
            iterations += 1;
        }
    }
    problem.solution_at(theta, iterations)
}
