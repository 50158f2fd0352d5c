//! Parameter updates with the semantics of `torch.optim`.

use rayon::prelude::*;

use crate::engine::Update;

/// Values that a task updates.
pub(super) const CHUNK: usize = 1 << 13;

/// What the optimizer remembers, one vector for each trained parameter.
#[derive(Debug, Clone, Default, PartialEq)]
pub(in crate::engine) enum State {
    /// Before the first step, and for SGD without momentum.
    #[default]
    Empty,
    /// SGD's momentum buffers.
    Sgd(Vec<Vec<f32>>),
    /// Adam's first and second moments and the number of steps of each parameter.
    #[allow(missing_docs)]
    Adam { first: Vec<Vec<f32>>, second: Vec<Vec<f32>>, steps: Vec<i64> },
}

/// A trained parameter and its gradient.
pub(in crate::engine) struct Trained<'a> {
    pub(in crate::engine) values: &'a mut [f32],
    pub(in crate::engine) gradient: &'a [f32],
    /// It and its buffers stay as they are, as where PyTorch finds no gradient.
    pub(in crate::engine) frozen: bool,
    /// What the rate is multiplied by, as in a parameter group of its own.
    pub(in crate::engine) scale: f64,
}

/// The coefficient of `torch.nn.utils.clip_grad_norm_` and the total norm that it comes from:
///
/// ```text
/// norm = √(Σ g²) over all gradients      c = min(1, max_norm/(norm + 10⁻⁶))
/// ```
///
/// Sums of blocks of fixed size are added in f64 in a fixed order.
pub(in crate::engine) fn clip_coefficient<'a>(
    gradients: impl Iterator<Item = &'a [f32]>,
    max_norm: f64,
) -> (f64, f64) {
    let square = |&g: &f32| f64::from(g) * f64::from(g);
    let of = |gradient: &[f32]| -> f64 {
        let chunks = gradient.par_chunks(CHUNK);
        let sums: Vec<f64> = chunks.map(|chunk| chunk.iter().map(square).sum()).collect();
        sums.iter().sum()
    };
    let norm = gradients.map(of).sum::<f64>().sqrt();
    // A norm that is NaN makes the coefficient NaN, as in PyTorch; `f64::min` would hide it.
    let coefficient = max_norm / (norm + 1e-6);
    (if coefficient > 1.0 { 1.0 } else { coefficient }, norm)
}

/// Updates `parameters` in place from their gradients.
pub(in crate::engine) fn apply(
    update: &Update,
    state: &mut State,
    parameters: &mut [Trained],
) {
    match *update {
        Update::Sgd { lr, momentum, weight_decay, nesterov } => {
            let sgd = |parameter: &Trained| Sgd {
                lr: (lr * parameter.scale) as f32,
                momentum: momentum as f32,
                weight_decay: weight_decay as f32,
                nesterov,
            };
            if momentum == 0.0 {
                for parameter in parameters.iter_mut().filter(|p| !p.frozen) {
                    sgd(parameter).plain(parameter.values, parameter.gradient);
                }
                return;
            }
            if !matches!(state, State::Sgd(_)) {
                *state = State::Sgd(zeros(parameters));
            }
            let State::Sgd(buffers) = state else { unreachable!() };
            let pairs = parameters.iter_mut().zip(buffers);
            for (parameter, buffer) in pairs.filter(|(p, _)| !p.frozen) {
                sgd(parameter).with_momentum(
                    parameter.values,
                    parameter.gradient,
                    buffer,
                );
            }
        }
        Update::Adam { lr, betas, eps, weight_decay, decoupled } => {
            let correction = [1.0; 2];
            let adam = Adam { lr, betas, eps, weight_decay, decoupled, correction };
            adam.apply(state, parameters);
        }
    }
}

fn zeros(parameters: &[Trained]) -> Vec<Vec<f32>> {
    parameters.iter().map(|parameter| vec![0.0; parameter.values.len()]).collect()
}

/// `g ← g + λw; v ← μv + g; w ← w − lr·v` (Nesterov: `w ← w − lr·(g + μv)`).
struct Sgd {
    lr: f32,
    momentum: f32,
    weight_decay: f32,
    nesterov: bool,
}

impl Sgd {
    fn plain(&self, values: &mut [f32], gradient: &[f32]) {
        let chunks = values.par_chunks_mut(CHUNK).zip(gradient.par_chunks(CHUNK));
        chunks.for_each(|(values, gradient)| {
            for (w, &g) in values.iter_mut().zip(gradient) {
                *w -= self.lr * (g + self.weight_decay * *w);
            }
        });
    }

    fn with_momentum(&self, values: &mut [f32], gradient: &[f32], buffer: &mut [f32]) {
        let chunks = values.par_chunks_mut(CHUNK).zip(gradient.par_chunks(CHUNK));
        chunks.zip(buffer.par_chunks_mut(CHUNK)).for_each(
            |((values, gradient), buffer)| {
                for ((w, &g), v) in values.iter_mut().zip(gradient).zip(buffer) {
                    let g = g + self.weight_decay * *w;
                    *v = self.momentum * *v + g;
                    let step = if self.nesterov { g + self.momentum * *v } else { *v };
                    *w -= self.lr * step;
                }
            },
        );
    }
}

/// `m ← β₁m + (1−β₁)g; v ← β₂v + (1−β₂)g²; w ← w − lr·m̂/(√v̂ + eps)`, where m̂ and v̂ are
/// divided by 1 − βᵗ; weight decay adds λw to g, or (decoupled) shrinks w by lr·λ first.
#[derive(Clone, Copy)]
struct Adam {
    lr: f64,
    betas: [f64; 2],
    eps: f64,
    weight_decay: f64,
    decoupled: bool,
    correction: [f64; 2],
}

impl Adam {
    /// Updates all parameters, each with the correction for its own number of steps.
    fn apply(&self, state: &mut State, parameters: &mut [Trained]) {
        if !matches!(state, State::Adam { .. }) {
            let [first, second] = [zeros(parameters), zeros(parameters)];
            *state = State::Adam { first, second, steps: vec![0; parameters.len()] };
        }
        let State::Adam { first, second, steps } = state else { unreachable!() };
        let moments = first.iter_mut().zip(second).zip(steps);
        for (parameter, ((first, second), step)) in
            parameters.iter_mut().zip(moments).filter(|(p, _)| !p.frozen)
        {
            *step += 1;
            let correction = self.betas.map(|beta| 1.0 - beta.powf(*step as f64));
            let adam = Self { lr: self.lr * parameter.scale, correction, ..*self };
            adam.update(parameter.values, parameter.gradient, first, second);
        }
    }

    fn update(
        &self,
        values: &mut [f32],
        gradient: &[f32],
        first: &mut [f32],
        second: &mut [f32],
    ) {
        let chunks = values.par_chunks_mut(CHUNK).zip(gradient.par_chunks(CHUNK));
        let moments = first.par_chunks_mut(CHUNK).zip(second.par_chunks_mut(CHUNK));
        chunks.zip(moments).for_each(|((values, gradient), (first, second))| {
            let moments = first.iter_mut().zip(second);
            for ((w, &g), (m, v)) in values.iter_mut().zip(gradient).zip(moments) {
                self.update_one(w, f64::from(g), m, v);
            }
        });
    }

    #[inline]
    fn update_one(&self, w: &mut f32, gradient: f64, first: &mut f32, second: &mut f32) {
        let mut value = f64::from(*w);
        let mut g = gradient;
        if self.decoupled {
            value *= 1.0 - self.lr * self.weight_decay;
        } else {
            g += self.weight_decay * value;
        }
        let [b1, b2] = self.betas;
        let m = b1 * f64::from(*first) + (1.0 - b1) * g;
        let v = b2 * f64::from(*second) + (1.0 - b2) * g * g;
        let scale = (v / self.correction[1]).sqrt() + self.eps;
        *w = (value - self.lr * (m / self.correction[0]) / scale) as f32;
        *first = m as f32;
        *second = v as f32;
    }
}
