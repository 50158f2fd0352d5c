//! The closed set of measures: names, what each is invariant to, and the one interface,
//! reduce once and compare all.

use serde::{Deserialize, Serialize};

use super::epoch_matrix::Pairs;
use super::measures::neighbours::Nearness;
use super::measures::procrustes::Form;
use super::measures::rsa::Correlation;
use super::measures::{cca, cka, kernel, neighbours, procrustes, pwcca, rbf, rsa};
use super::{EpochMatrix, Estimator, Feature, Undefined};

/// The measures that compare activations; each is a file of this module and one arm here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Measure {
    /// Linear centred kernel alignment, [`cka`].
    Cka,
    /// CKA with a Gaussian kernel, [`rbf`].
    CkaRbf,
    /// Procrustes similarity: the nuclear norm of `XᵀY`, [`procrustes`].
    Procrustes,
    /// The least distance over all rotations, √(2 − 2·similarity); 0 for equal ones.
    ProcrustesDistance,
    /// The angular shape metric, arccos(similarity) in [0, π/2]; 0 for equal ones.
    Shape,
    /// Mean canonical correlation, [`cca`].
    Cca,
    /// Mean of the squared canonical correlations, `R²_CCA`, [`cca`].
    CcaR2,
    /// Mean canonical correlation of the directions with 99 % of the variance, [`cca`].
    Svcca,
    /// Projection-weighted canonical correlation with the weights of the first, [`pwcca`].
    Pwcca,
    /// Share of common nearest neighbours by cosine, [`neighbours`].
    MutualKnn,
    /// Spearman's correlation of dissimilarities, [`rsa`].
    Rsa,
    /// Pearson's correlation of dissimilarities, [`rsa`].
    RsaPearson,
}

/// The value of two signatures, and its standard error.
type Compare<'a> = dyn Fn(&[f32], &[f32]) -> (f64, f64) + Sync + 'a;

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

/// Settings of the measures; each reads those that concern it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Settings {
    /// Estimator of HSIC (cka, cka-rbf).
    pub estimator: Estimator,
    /// Bandwidth over the root of the median squared distance (cka-rbf).
    pub threshold: f64,
    /// Share of the variance that is kept (svcca).
    pub variance: f64,
    /// Neighbours (mutual-knn).
    pub neighbours: usize,
    /// Whether standard errors are worked out; without them there are values alone.
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

impl Measure {
    /// All measures, in the order in which they are listed to users.
    pub const ALL: &[Self] = &[
        Self::Cka,
        Self::CkaRbf,
        Self::Procrustes,
        Self::ProcrustesDistance,
        Self::Shape,
        Self::Cca,
        Self::CcaR2,
        Self::Svcca,
        Self::Pwcca,
        Self::MutualKnn,
        Self::Rsa,
        Self::RsaPearson,
    ];

    /// The name on the command line and in file names.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Cka => "cka",
            Self::CkaRbf => "cka-rbf",
            Self::Procrustes => "procrustes",
            Self::ProcrustesDistance => "procrustes-distance",
            Self::Shape => "shape",
            Self::Cca => "cca",
            Self::CcaR2 => "cca-r2",
            Self::Svcca => "svcca",
            Self::Pwcca => "pwcca",
            Self::MutualKnn => "mutual-knn",
            Self::Rsa => "rsa",
            Self::RsaPearson => "rsa-pearson",
        }
    }

    /// The measure of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|measure| measure.name() == name)
    }

    /// What the measure is invariant to; to the rest it is sensitive. The same order of
    /// examples on both sides never matters, but to minibatch estimators.
    pub const fn invariances(self) -> &'static [Invariance] {
        use Invariance::{FeatureOrder, Linear, Orthogonal, Scaling, Translation};
        match self {
            Self::Cka
            | Self::CkaRbf
            | Self::Procrustes
            | Self::ProcrustesDistance
            | Self::Shape
            | Self::Svcca => &[Scaling, Translation, FeatureOrder, Orthogonal],
            Self::Cca | Self::CcaR2 => {
                &[Scaling, Translation, FeatureOrder, Orthogonal, Linear]
            }
            Self::Pwcca => &[Scaling, Translation, FeatureOrder],
            Self::MutualKnn => &[Scaling, FeatureOrder, Orthogonal],
            Self::Rsa | Self::RsaPearson => &[Scaling, FeatureOrder],
        }
    }

    /// Whether (i, j) and (j, i) are the same.
    pub const fn is_symmetric(self) -> bool {
        !matches!(self, Self::Pwcca)
    }

    /// Whether equal representations have the least value, 0, instead of the greatest, 1.
    pub const fn is_distance(self) -> bool {
        matches!(self, Self::ProcrustesDistance | Self::Shape)
    }

    /// Whether an [`Estimator`] of HSIC is behind the measure.
    pub const fn has_estimator(self) -> bool {
        matches!(self, Self::Cka | Self::CkaRbf)
    }

    /// Reduces the representation of one layer at one epoch to what comparisons need.
    ///
    /// *Shapes* `features: [n, p]`, row-major.
    ///
    /// # Errors
    /// Why the representation has no similarity to anything, itself included.
    ///
    /// # Panics
    /// If `features.len() != n * p`, or on a setting out of range.
    pub fn signature<T: Feature>(
        self,
        features: &[T],
        n: usize,
        p: usize,
        settings: &Settings,
    ) -> Result<Vec<f32>, Undefined> {
        let Settings { estimator, threshold, variance, neighbours: k, .. } = *settings;
        match self {
            Self::Cka => cka::signature(features, n, p, estimator),
            Self::CkaRbf => rbf::signature(features, n, p, estimator, threshold),
            Self::Procrustes | Self::ProcrustesDistance | Self::Shape => {
                procrustes::signature(features, n, p)
            }
            Self::Cca | Self::CcaR2 => cca::signature(features, n, p, 1.0),
            Self::Svcca => cca::signature(features, n, p, variance),
            Self::Pwcca => pwcca::signature(features, n, p),
            Self::MutualKnn => neighbours::signature(features, n, p, k, Nearness::Cosine),
            Self::Rsa => rsa::signature(features, n, p, Correlation::Spearman),
            Self::RsaPearson => rsa::signature(features, n, p, Correlation::Pearson),
        }
    }

    /// The length of the signature of n examples with p features.
    pub fn signature_len(self, n: usize, p: usize, settings: &Settings) -> usize {
        let r = n.min(p);
        match self {
            Self::Cka | Self::CkaRbf => kernel::signature_len(n, settings.estimator),
            Self::Procrustes
            | Self::ProcrustesDistance
            | Self::Shape
            | Self::Cca
            | Self::CcaR2
            | Self::Svcca => n * r,
            Self::Pwcca => 1 + r * (n + p),
            Self::MutualKnn => n * settings.neighbours,
            Self::Rsa | Self::RsaPearson => n * (n + 1) / 2,
        }
    }

    /// Compares all pairs of signatures of n examples.
    ///
    /// # Panics
    /// If the signatures are not those of n examples with these settings.
    pub fn matrix(
        self,
        signatures: &[Result<&[f32], Undefined>],
        n: usize,
        settings: &Settings,
    ) -> EpochMatrix {
        self.compare(None, signatures, n, settings, self.pairs())
    }

    /// The matrix of all `signatures` where that of the first epochs is `known`: only the
    /// new rows and columns are worked out, and the bits are those of
    /// [`Measure::matrix`].
    ///
    /// Cost of one new epoch: E comparisons.
    ///
    /// # Panics
    /// As [`Measure::matrix`], or if more epochs are known than there are.
    pub fn grown(
        self,
        known: &EpochMatrix,
        signatures: &[Result<&[f32], Undefined>],
        n: usize,
        settings: &Settings,
    ) -> EpochMatrix {
        self.compare(Some(known), signatures, n, settings, self.pairs())
    }

    fn pairs(self) -> Pairs {
        if self.is_symmetric() { Pairs::Mirrored } else { Pairs::Ordered }
    }

    /// Compares the first `split` signatures with the others: only the cells (i, j) with
    /// i < split ≤ j are sure to be filled.
    ///
    /// # Panics
    /// As [`Measure::matrix`].
    pub fn across(
        self,
        signatures: &[Result<&[f32], Undefined>],
        split: usize,
        n: usize,
        settings: &Settings,
    ) -> EpochMatrix {
        self.compare(None, signatures, n, settings, Pairs::Across(split))
    }

    fn compare(
        self,
        known: Option<&EpochMatrix>,
        signatures: &[Result<&[f32], Undefined>],
        n: usize,
        settings: &Settings,
        pairs: Pairs,
    ) -> EpochMatrix {
        let pairwise = |compare: &Compare<'_>| {
            EpochMatrix::pairwise(signatures, pairs, known, compare)
        };
        let errors = settings.errors;
        let procrustes =
            |form| pairwise(&|a, b| procrustes::compare(a, b, n, form, errors));
        let correlations = |mean| pairwise(&|a, b| cca::compare(a, b, n, mean, errors));
        let mut matrix = match self {
            Self::Cka | Self::CkaRbf => {
                cka::grown(known, signatures, n, settings.estimator, errors)
            }
            Self::Procrustes => procrustes(Form::Similarity),
            Self::ProcrustesDistance => procrustes(Form::Distance),
            Self::Shape => procrustes(Form::Angle),
            Self::Cca | Self::Svcca => correlations(cca::Mean::Plain),
            Self::CcaR2 => correlations(cca::Mean::Squares),
            Self::Pwcca => pairwise(&|a, b| pwcca::compare(a, b, n)),
            Self::MutualKnn => pairwise(&|a, b| neighbours::compare(a, b, n)),
            Self::Rsa | Self::RsaPearson => rsa::grown(known, signatures, n, errors),
        };
        matrix.se = matrix.se.filter(|_| errors);
        matrix
    }

    /// For each epoch the mean similarity of the same layer over all pairs of runs that
    /// differ in their seed alone: the scale to read an epoch matrix by. Two epochs of one
    /// run that are as alike as the same epoch of two runs differ no more than chance makes
    /// them.
    ///
    /// *Shapes* `runs: [R]` of `[E]` signatures of the same n examples. NaN where fewer than
    /// two runs are defined.
    ///
    /// # Panics
    /// If runs differ in their number of epochs, or as [`Measure::matrix`].
    pub fn across_seeds(
        self,
        runs: &[Vec<Result<&[f32], Undefined>>],
        n: usize,
        settings: &Settings,
    ) -> Vec<f64> {
        let n_epochs = runs.first().map_or(0, Vec::len);
        assert!(runs.iter().all(|run| run.len() == n_epochs), "epochs of every run");
        (0..n_epochs)
            .map(|epoch| {
                let of_runs: Vec<_> = runs.iter().map(|run| run[epoch]).collect();
                let matrix = self.matrix(&of_runs, n, settings);
                let r = runs.len();
                let pairs = (0..r * r).filter(|at| at / r != at % r);
                let defined: Vec<f64> =
                    pairs.map(|at| matrix.values[at]).filter(|v| !v.is_nan()).collect();
                defined.iter().sum::<f64>() / defined.len() as f64
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_measure_is_found_by_its_name() {
        for &measure in Measure::ALL {
            assert_eq!(Measure::from_name(measure.name()), Some(measure));
        }
        assert_eq!(Measure::from_name("ckka"), None);
    }

    #[test]
    fn experiments_call_measures_by_the_same_names() {
        for &measure in Measure::ALL {
            let json = serde_json::to_string(&measure).unwrap();
            assert_eq!(json, format!("\"{}\"", measure.name()));
        }
    }

    #[test]
    fn signatures_have_their_lengths() {
        let settings = Settings { neighbours: 3, ..Settings::default() };
        for (n, p) in [(12, 5), (12, 30)] {
            let x: Vec<f32> = (0..n * p).map(|k| ((k * k + 7 * k) % 23) as f32).collect();
            for &measure in Measure::ALL {
                let length = measure.signature(&x, n, p, &settings).unwrap().len();
                assert_eq!(length, measure.signature_len(n, p, &settings), "{measure:?}");
            }
        }
    }
}
