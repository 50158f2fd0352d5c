//! What a fit is asked for and what it gives: solvers, options, and the classifier.

use super::product::{Columns, LANES, Matrix, Scalar, n_blocks};
use super::recipe::Recipe;
use crate::array_file::{Array, NamedArrays, Values};
use crate::error::{Error, ErrorKind, Result};

/// What a probe minimizes, and how far.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Solver {
    /// Mean log loss + λ/2·‖W‖², to its unique optimum.
    Logistic,
    /// ½·mean squared error on ±1 targets, summed over the classes, + λ/2·‖W‖², in closed
    /// form.
    Ridge,
    /// The logistic objective by SGD with momentum for some epochs.
    Sgd {
        /// Epochs, batches, rate.
        recipe: Recipe,
        /// Momentum.
        momentum: f64,
    },
    /// The logistic objective by Adam for some epochs.
    Adam(Recipe),
}

impl Solver {
    /// Whether a fit takes the features as they are, so that it needs
    /// `Design::unrotated`: Adam's steps depend on the axes, and batches are cheaper.
    pub fn takes_batches(&self) -> bool {
        matches!(self, Self::Sgd { .. } | Self::Adam(_))
    }
}

/// How a probe is fitted.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FitOptions {
    /// λ, the strength of the penalty λ/2·‖W‖² in standardized units; positive.
    pub l2: f64,
    /// The fit ends where no entry of the gradient is larger than this.
    pub tolerance: f64,
    /// … or after this many iterations, which the fit then says.
    pub max_iterations: usize,
    /// The other solvers than `Logistic` have an end of their own.
    pub solver: Solver,
}

impl Default for FitOptions {
    fn default() -> Self {
        Self { l2: 1e-3, tolerance: 1e-6, max_iterations: 1000, solver: Solver::Logistic }
    }
}

/// A fitted classifier, and how the fit ended.
#[derive(Debug, Clone)]
pub struct Fit {
    /// The classifier in f32, as it is stored and applied.
    pub probe: Probe,
    /// `[n_classes, d]`, on the features as given.
    pub weight: Vec<f64>,
    /// `[n_classes]`; −∞ for a class without an example.
    pub bias: Vec<f64>,
    /// What the solver minimizes.
    pub objective: f64,
    /// The largest entry of the gradient, in standardized features.
    pub gradient_norm: f64,
    /// Steps taken.
    pub iterations: usize,
    /// Whether the gradient is within the tolerance.
    pub converged: bool,
}

/// Predictions of the examples by probes that have not seen them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldOut {
    /// The class of each example.
    pub predictions: Vec<u8>,
    /// Steps of all fits together.
    pub iterations: usize,
    /// Fits that ended before the gradient was within the tolerance.
    pub n_unconverged: usize,
    /// Fits whose objective overflows: their predictions mean nothing.
    pub n_diverged: usize,
}

/// A linear classifier on a layer's features as they are.
#[derive(Debug, Clone, PartialEq)]
pub struct Probe {
    /// Number of classes.
    pub n_classes: usize,
    /// Number of features.
    pub n_features: usize,
    /// `[n_classes, n_features]`; standardization is folded in.
    pub weight: Vec<f32>,
    /// `[n_classes]`; −∞ for a class without an example.
    pub bias: Vec<f32>,
}

impl Fit {
    /// The class of each example of `features` `[n, d]`, as [`Probe::predict`] but by the
    /// weights in f64 and in the precision of the features.
    ///
    /// # Panics
    /// As [`Probe::predict`].
    pub fn predict<T: Scalar>(&self, features: &[T], n: usize) -> Vec<u8> {
        let logits = logits(&self.weight, &self.bias, features, n);
        classes(&logits, n, self.bias.len())
    }
}

impl Probe {
    /// Whether every weight is a number that f32 holds; a bias may be −∞, which is that of a
    /// class without an example.
    pub fn is_finite(&self) -> bool {
        let is_bias = |bias: &f32| bias.is_finite() || *bias == f32::NEG_INFINITY;
        self.weight.iter().all(|weight| weight.is_finite())
            && self.bias.iter().all(is_bias)
    }

    /// W·x + b of each example of `features` `[n, n_features]`: `[n, n_classes]`.
    ///
    /// An example's logits do not depend on the other examples. Cost: 16
    /// multiply-adds a feature of each example, for up to 16 classes.
    ///
    /// # Panics
    /// If `features` is not `[n, n_features]`, or a logit is NaN or +∞.
    pub fn logits(&self, features: &[f32], n: usize) -> Vec<f32> {
        let columns = self.columns(features, n);
        (0..n * self.n_classes)
            .map(|at| {
                let (i, class) = (at / self.n_classes, at % self.n_classes);
                columns[class / LANES * n + i][class % LANES] as f32
            })
            .collect()
    }

    /// The class with the largest logit of each example of `features` `[n, n_features]`, the
    /// lowest class among equal ones.
    ///
    /// # Panics
    /// If `features` is not `[n, n_features]`, or a logit is NaN or +∞.
    ///
    /// # Example
    /// ```
    /// use stratagram::probe::Probe;
    /// let probe = Probe {
    ///     n_classes: 2,
    ///     n_features: 2,
    ///     weight: vec![1.0, 0.0, 0.0, 1.0],
    ///     bias: vec![0.0, 0.5],
    /// };
    /// // Logits (3, 1.5), (0, 2.5) and, equal, (1, 1).
    /// let classes = probe.predict(&[3.0, 1.0, 0.0, 2.0, 1.0, 0.5], 3);
    /// assert_eq!(classes, [0, 1, 0]);
    /// ```
    pub fn predict(&self, features: &[f32], n: usize) -> Vec<u8> {
        classes(&self.columns(features, n), n, self.n_classes)
    }

    fn columns(&self, features: &[f32], n: usize) -> Columns {
        assert_eq!(self.weight.len(), self.n_classes * self.n_features, "weights");
        logits(&self.weight, &self.bias, features, n)
    }

    /// `weight` and `bias`, as in a `torch.nn.Linear`.
    pub fn to_arrays(&self) -> NamedArrays {
        let weight = Array {
            shape: vec![self.n_classes, self.n_features],
            values: Values::F32(self.weight.clone()),
        };
        let bias =
            Array { shape: vec![self.n_classes], values: Values::F32(self.bias.clone()) };
        NamedArrays(vec![("weight".into(), weight), ("bias".into(), bias)])
    }

    /// Reads what [`Probe::to_arrays`] wrote.
    ///
    /// # Errors
    /// If `weight` or `bias` is missing, not f32, or their shapes do not match.
    pub fn from_arrays(arrays: &NamedArrays) -> Result<Self> {
        let find = |name: &str| match arrays.get(name) {
            Some(Array { shape, values: Values::F32(values) }) => {
                Ok((shape.clone(), values.clone()))
            }
            Some(_) => Err(damaged(name, "is not of f32")),
            None => Err(damaged(name, "is missing")),
        };
        let (weight_shape, weight) = find("weight")?;
        let (bias_shape, bias) = find("bias")?;
        match (&weight_shape[..], &bias_shape[..]) {
            (&[n_classes, n_features], &[n])
                if n == n_classes && n_classes > 0 && n_features > 0 =>
            {
                Ok(Self { n_classes, n_features, weight, bias })
            }
            _ => Err(damaged(
                "weight and bias",
                &format!("have shapes {weight_shape:?} and {bias_shape:?}"),
            )
            .expected("[classes, features] and [classes]")),
        }
    }
}

fn damaged(member: &str, found: &str) -> Error {
    Error::new(ErrorKind::Data, format!("`{member}` of a probe"), found)
}

/// X·Wᵀ + b, padded.
fn logits<T: Scalar, W: Scalar>(
    weight: &[W],
    bias: &[W],
    features: &[T],
    n: usize,
) -> Columns {
    let d = weight.len() / bias.len();
    assert_eq!(features.len(), n * d, "features [{n}, {d}]");
    let mut columns = vec![[0.0; LANES]; n_blocks(bias.len()) * d];
    for (class, row) in weight.chunks(d).enumerate() {
        for (j, value) in row.iter().enumerate() {
            columns[class / LANES * d + j][class % LANES] = value.to_f64();
        }
    }
    let mut logits = Matrix::dense(n, d, features).times(&columns);
    for (block, bias) in bias.chunks(LANES).enumerate() {
        for (i, row) in logits[block * n..(block + 1) * n].iter_mut().enumerate() {
            for (value, bias) in row.iter_mut().zip(bias) {
                *value += bias.to_f64();
                assert!(*value < f64::INFINITY, "a logit of example {i} is {value}");
            }
        }
    }
    logits
}

fn classes(logits: &Columns, n: usize, n_classes: usize) -> Vec<u8> {
    let value = |i: usize, class: usize| logits[class / LANES * n + i][class % LANES];
    (0..n)
        .map(|i| first_largest((0..n_classes).map(|class| (class, value(i, class)))))
        .collect()
}

/// The class of the largest value, the first of equal ones.
pub(super) fn first_largest(values: impl Iterator<Item = (usize, f64)>) -> u8 {
    let mut best = (0, f64::NEG_INFINITY);
    for (class, value) in values {
        if value > best.1 {
            best = (class, value);
        }
    }
    best.0 as u8
}
