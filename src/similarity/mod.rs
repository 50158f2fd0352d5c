//! How similar a layer's representations are at all pairs of epochs: plain arrays in, an
//! epoch × epoch matrix out.
//!
//! Every measure factors in two steps, as the paper's two do: each (layer, epoch) is
//! reduced once to a *signature*, and all signatures are compared. The rows of all
//! representations are the same examples in the same order. One measure a file: [`cka`]
//! compares Gram matrices of the activations, [`drs`] the decision regions of linear
//! classifiers on them. This module reads and writes no files.

use std::fmt;

use serde::{Deserialize, Serialize};

mod centred;
pub mod cka;
pub mod drs;
mod gram;
mod triangle;

pub use centred::Feature;

/// The estimator of HSIC behind a kernel measure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Estimator {
    /// The unbiased HSIC of Song et al. (2012), by U-centring: independent
    /// representations have similarity 0 in expectation, and values may be negative.
    #[default]
    Debiased,
    /// HSIC with doubly centred Grams (Gretton et al. 2005): between 0 and 1, and the
    /// closer to 1 the more features there are for an example.
    Biased,
}

impl Estimator {
    /// The name in experiment files and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Debiased => "debiased",
            Self::Biased => "biased",
        }
    }
}

/// The measures that compare activations; each is a file of this module and one arm here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Measure {
    /// Linear centred kernel alignment, [`cka`].
    Cka,
}

impl Measure {
    /// All measures, in the order in which they are listed to users.
    pub const ALL: &[Self] = &[Self::Cka];

    /// The name on the command line and in file names.
    pub fn name(self) -> &'static str {
        match self {
            Self::Cka => "cka",
        }
    }

    /// The measure of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|measure| measure.name() == name)
    }

    /// Reduces the representation of one layer at one epoch to what comparisons need.
    ///
    /// *Shapes* `features: [n, p]`, row-major.
    ///
    /// # Errors
    /// Why the representation has no similarity to anything, itself included.
    ///
    /// # Panics
    /// If `features.len() != n * p`.
    pub fn signature<T: Feature>(
        self,
        features: &[T],
        n: usize,
        p: usize,
        estimator: Estimator,
    ) -> Result<Vec<f32>, Undefined> {
        match self {
            Self::Cka => cka::signature(features, n, p, estimator),
        }
    }

    /// Compares all pairs of signatures.
    ///
    /// # Panics
    /// If the signatures differ in length.
    pub fn matrix(self, signatures: &[Result<&[f32], Undefined>]) -> EpochMatrix {
        match self {
            Self::Cka => cka::matrix(signatures),
        }
    }
}

/// Why a similarity has no value.
///
/// # Example
/// ```
/// use stratagram::similarity::{Estimator, Undefined, cka};
/// let reason = cka::signature(&[1.0f32, 2.0, 4.0], 3, 1, Estimator::Debiased).unwrap_err();
/// assert_eq!(reason, Undefined::TooFewExamples { n: 3 });
/// assert_eq!(reason.to_string(), "3 examples; at least 4 are needed");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Undefined {
    /// Fewer than 4 examples: the unbiased estimator divides by n(n − 3).
    TooFewExamples {
        /// How many there are.
        n: usize,
    },
    /// Every feature is the same for all examples, up to the rounding of its mean.
    DeadLayer,
    /// A feature is NaN or infinite.
    NonFinite,
    /// The examples are mutually orthogonal up to one translation, such as when a single
    /// example excites the layer: the U-centred Gram matrix is 0, and with it the debiased
    /// similarity of the layer to itself.
    OrthogonalExamples,
}

impl fmt::Display for Undefined {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooFewExamples { n } => {
                write!(f, "{n} examples; at least 4 are needed")
            }
            Self::DeadLayer => f.write_str("dead layer: no feature varies over examples"),
            Self::NonFinite => f.write_str("a feature is NaN or infinite"),
            Self::OrthogonalExamples => f.write_str(
                "the examples are mutually orthogonal: the U-centred Gram matrix is 0",
            ),
        }
    }
}

impl std::error::Error for Undefined {}

/// The similarities of all pairs of epochs.
///
/// *Shapes* `values`, `se`, `reasons`: `[n_epochs, n_epochs]`, row-major and symmetric.
#[derive(Debug, Clone, PartialEq)]
pub struct EpochMatrix {
    /// Number of epochs E.
    pub n_epochs: usize,
    /// The similarities; NaN where undefined.
    pub values: Vec<f64>,
    /// Standard errors over examples or planes, where the measure has them; never over
    /// seeds.
    pub se: Option<Vec<f64>>,
    /// Why a value is undefined; `None` where it is defined.
    pub reasons: Vec<Option<Undefined>>,
}

impl EpochMatrix {
    /// The similarity of epochs `i` and `j`; NaN where undefined.
    ///
    /// # Panics
    /// If an index is out of range.
    pub fn value(&self, i: usize, j: usize) -> f64 {
        assert!(
            i < self.n_epochs && j < self.n_epochs,
            "({i}, {j}) of {}",
            self.n_epochs
        );
        self.values[i * self.n_epochs + j]
    }

    /// Why the similarity of epochs `i` and `j` is undefined; `None` where it is defined.
    ///
    /// # Panics
    /// If an index is out of range.
    pub fn reason(&self, i: usize, j: usize) -> Option<Undefined> {
        assert!(
            i < self.n_epochs && j < self.n_epochs,
            "({i}, {j}) of {}",
            self.n_epochs
        );
        self.reasons[i * self.n_epochs + j]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn estimators_are_named_in_lower_case_and_debiased_is_the_default() {
        assert_eq!(Estimator::default(), Estimator::Debiased);
        for estimator in [Estimator::Debiased, Estimator::Biased] {
            let json = serde_json::to_string(&estimator).unwrap();
            assert_eq!(json, format!("\"{}\"", estimator.name()));
            assert_eq!(serde_json::from_str::<Estimator>(&json).unwrap(), estimator);
        }
        assert!(serde_json::from_str::<Estimator>("\"unbiased\"").is_err());
    }

    #[test]
    fn every_measure_is_found_by_its_name() {
        for &measure in Measure::ALL {
            assert_eq!(Measure::from_name(measure.name()), Some(measure));
        }
        assert_eq!(Measure::from_name("ckka"), None);
    }
}
