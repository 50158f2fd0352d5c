//! What a measure is: properties that are declared once, in the measure's own file, and two
//! steps, reduce once and compare all. The list of measures is in [`super::measures`].

use super::epoch_matrix::{EpochMatrix, Pairs};
use super::{Estimator, Feature, Undefined};

/// What a measure may be invariant to, when it is done to one of the two representations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Invariance {
    /// Multiplying all features by one number above 0.
    Scaling,
    /// Adding a vector to the features of all examples.
    Translation,
    /// Another order of the features.
    FeatureOrder,
    /// Orthogonal maps of the features.
    Orthogonal,
    /// Invertible linear maps of the features.
    Linear,
}

impl Invariance {
    /// Every invariance once.
    pub const ALL: [Self; 5] = [
        Self::Scaling,
        Self::Translation,
        Self::FeatureOrder,
        Self::Orthogonal,
        Self::Linear,
    ];

    /// Its name in tables.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Scaling => "scaling",
            Self::Translation => "translation",
            Self::FeatureOrder => "feature order",
            Self::Orthogonal => "orthogonal maps",
            Self::Linear => "linear maps",
        }
    }
}

/// A setting that some measures read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Setting {
    /// [`Settings::estimator`].
    Estimator,
    /// [`Settings::threshold`].
    Threshold,
    /// [`Settings::variance`].
    Variance,
    /// [`Settings::neighbours`].
    Neighbours,
}

/// Settings of the measures; each reads those that concern it ([`Properties::settings`]).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Settings {
    /// Estimator of HSIC.
    pub estimator: Estimator,
    /// Bandwidth over the root of the median squared distance.
    pub threshold: f64,
    /// Share of the variance that is kept.
    pub variance: f64,
    /// Neighbors of each example.
    pub neighbours: usize,
    /// Whether standard errors are computed; without them there are values alone.
    pub errors: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            estimator: Estimator::Debiased,
            threshold: 0.5,
            variance: 0.99,
            neighbours: 10,
            errors: true,
        }
    }
}

/// What is known of a measure before it has seen any data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Properties {
    /// The name on the command line, in experiment files and in file names.
    pub name: &'static str,
    /// The name in captions, in the middle of a sentence.
    pub title: &'static str,
    /// One line for help and tables, with the source.
    pub summary: &'static str,
    /// What it is invariant to; to the rest it is sensitive. The same order of examples on
    /// both sides never matters, except to minibatch estimators.
    pub invariances: &'static [Invariance],
    /// Whether (i, j) and (j, i) are the same.
    pub is_symmetric: bool,
    /// Whether equal representations have the least value, 0, instead of the greatest, 1.
    pub is_distance: bool,
    /// The settings that it reads.
    pub settings: &'static [Setting],
    /// How its standard error over examples is estimated.
    pub error: &'static str,
    /// What a signature is, and its shape, for n examples with p features.
    pub signature: &'static str,
}

impl Properties {
    /// A symmetric similarity without settings, invariant to rotations and offsets; the texts
    /// are still to be filled in.
    pub(crate) const SIMILARITY: Self = Self {
        name: "",
        title: "",
        summary: "",
        invariances: &[
            Invariance::Scaling,
            Invariance::Translation,
            Invariance::FeatureOrder,
            Invariance::Orthogonal,
        ],
        is_symmetric: true,
        is_distance: false,
        settings: &[],
        error: "",
        signature: "",
    };

    /// Whether the measure reads a setting.
    pub fn reads(&self, setting: Setting) -> bool {
        self.settings.contains(&setting)
    }
}

/// A measure: a constant in its own file, and one line of the list in [`super::measures`].
/// Measures of one family differ in their properties and in the value of one procedure.
pub(crate) struct Definition<P> {
    pub(crate) properties: Properties,
    pub(crate) procedure: P,
}

/// The two steps of a measure.
pub(crate) trait Procedure {
    /// Reduces the representation of one layer at one epoch to what comparisons need.
    fn signature<T: Feature>(
        &self,
        features: &[T],
        n: usize,
        p: usize,
        settings: &Settings,
    ) -> Result<Vec<f32>, Undefined>;

    /// The length of the signature of n examples with p features.
    fn signature_len(&self, n: usize, p: usize, settings: &Settings) -> usize;

    /// Compares signatures.
    fn compare(&self, epochs: &Epochs<'_>) -> EpochMatrix;

    /// What the choice of examples alone makes of a matrix, where it can be estimated.
    fn noise_floor(&self, _epochs: &Epochs<'_>) -> Option<f64> {
        None
    }
}

/// The signatures of all epochs, and which of them are compared.
pub(crate) struct Epochs<'a> {
    pub(crate) signatures: &'a [Result<&'a [f32], Undefined>],
    pub(crate) n: usize,
    pub(crate) settings: &'a Settings,
    pub(crate) pairs: Pairs,
    /// The matrix of the first epochs, whose cells are not computed again.
    pub(crate) known: Option<&'a EpochMatrix>,
}

impl Epochs<'_> {
    /// Compares pair by pair; `compare` gives a value and its standard error, NaN where it has
    /// none.
    pub(crate) fn pairwise(
        &self,
        compare: impl Fn(&[f32], &[f32]) -> (f64, f64) + Sync,
    ) -> EpochMatrix {
        EpochMatrix::pairwise(self.signatures, self.pairs, self.known, compare)
    }
}
