//! The measures that compare activations, one per file, and the list of them.
//!
//! A measure declares its properties and its two steps in its own file; a line of the list
//! below makes it a [`Measure`]. Experiment files, `--help`, error messages, captions and the
//! tables of the documentation iterate [`Measure::ALL`].

pub mod alignment;
pub mod cca;
pub mod cka;
pub mod cknna;
pub mod jaccard_knn;
pub(crate) mod kernel;
pub mod neighbours;
pub mod procrustes;
pub mod pwcca;
pub mod rbf;
pub mod rsa;

use serde::{Deserialize, Serialize};

use super::epoch_matrix::Pairs;
use super::measure::{Epochs, Procedure, Properties, Setting};
use super::{EpochMatrix, Feature, Invariance, Settings, Undefined};

/// Makes the enum of all measures from the constants that define them. Every step is a `match`
/// over the list, so that what a measure computes is compiled for it alone.
macro_rules! measures {
    ($($variant:ident = $file:ident :: $definition:ident,)*) => {
        /// The measures that compare activations.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        #[derive(Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        #[non_exhaustive]
        pub enum Measure {
            $(#[doc = concat!("See [`", stringify!($file), "`].")] $variant,)*
        }

        impl Measure {
            /// All measures, in the order in which they are listed to users.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// Their names, in the same order.
            pub const NAMES: &[&str] = &[$($file::$definition.properties.name),*];

            /// What the measure declares of itself.
            pub const fn properties(self) -> &'static Properties {
                match self { $(Self::$variant => &$file::$definition.properties,)* }
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
                match self {
                    $(Self::$variant => {
                        $file::$definition.procedure.signature(features, n, p, settings)
                    })*
                }
            }

            /// The length of the signature of n examples with p features.
            pub fn signature_len(self, n: usize, p: usize, settings: &Settings) -> usize {
                match self {
                    $(Self::$variant => {
                        $file::$definition.procedure.signature_len(n, p, settings)
                    })*
                }
            }

            fn compare(self, epochs: &Epochs<'_>) -> EpochMatrix {
                match self {
                    $(Self::$variant => $file::$definition.procedure.compare(epochs),)*
                }
            }

            fn floor(self, epochs: &Epochs<'_>) -> Option<f64> {
                match self {
                    $(Self::$variant => $file::$definition.procedure.noise_floor(epochs),)*
                }
            }
        }
    };
}

measures! {
    Cka = cka::CKA,
    CkaRbf = rbf::CKA_RBF,
    Procrustes = procrustes::PROCRUSTES,
    ProcrustesDistance = procrustes::PROCRUSTES_DISTANCE,
    Shape = procrustes::SHAPE,
    Cca = cca::CCA,
    CcaR2 = cca::CCA_R2,
    Svcca = cca::SVCCA,
    Pwcca = pwcca::PWCCA,
    MutualKnn = neighbours::MUTUAL_KNN,
    Cknna = cknna::CKNNA,
    JaccardKnn = jaccard_knn::JACCARD_KNN,
    Rsa = rsa::RSA,
    RsaPearson = rsa::RSA_PEARSON,
}

impl Measure {
    /// The name on the command line, in experiment files and in file names.
    pub const fn name(self) -> &'static str {
        self.properties().name
    }

    /// The measure of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|measure| measure.name() == name)
    }

    /// What the measure is invariant to; to the rest it is sensitive.
    pub const fn invariances(self) -> &'static [Invariance] {
        self.properties().invariances
    }

    /// Whether (i, j) and (j, i) are the same.
    pub const fn is_symmetric(self) -> bool {
        self.properties().is_symmetric
    }

    /// Whether equal representations have the least value, 0, instead of the greatest, 1.
    pub const fn is_distance(self) -> bool {
        self.properties().is_distance
    }

    /// Whether an [`Estimator`](super::Estimator) of HSIC is behind the measure.
    pub fn has_estimator(self) -> bool {
        self.properties().reads(Setting::Estimator)
    }

    /// The names of the measures that read a setting, as a list in a sentence.
    ///
    /// # Example
    /// ```
    /// use stratagram::similarity::{Measure, Setting};
    /// assert_eq!(Measure::that_read(Setting::Estimator), "cka, cka-rbf");
    /// ```
    pub fn that_read(setting: Setting) -> String {
        let reads = |measure: &&Self| measure.properties().reads(setting);
        let names: Vec<&str> =
            Self::ALL.iter().filter(reads).map(|measure| measure.name()).collect();
        names.join(", ")
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
        let pairs = self.pairs();
        self.cells(&Epochs { signatures, n, settings, pairs, known: None })
    }

    /// The matrix of all `signatures` where that of the first epochs is `known`: only the
    /// new rows and columns are computed, and the bits are those of [`Measure::matrix`].
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
        let (pairs, known) = (self.pairs(), Some(known));
        self.cells(&Epochs { signatures, n, settings, pairs, known })
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
        let pairs = Pairs::Across(split);
        self.cells(&Epochs { signatures, n, settings, pairs, known: None })
    }

    /// How much the choice of examples alone moves a cell of the matrix of these signatures;
    /// `None` for measures that cannot tell.
    ///
    /// # Panics
    /// As [`Measure::matrix`].
    pub fn noise_floor(
        self,
        signatures: &[Result<&[f32], Undefined>],
        n: usize,
        settings: &Settings,
    ) -> Option<f64> {
        let pairs = self.pairs();
        self.floor(&Epochs { signatures, n, settings, pairs, known: None })
    }

    fn pairs(self) -> Pairs {
        if self.is_symmetric() { Pairs::Mirrored } else { Pairs::Ordered }
    }

    fn cells(self, epochs: &Epochs<'_>) -> EpochMatrix {
        let mut matrix = self.compare(epochs);
        matrix.se = matrix.se.filter(|_| epochs.settings.errors);
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

impl TryFrom<String> for Measure {
    type Error = String;

    fn try_from(name: String) -> Result<Self, String> {
        Self::from_name(&name).ok_or_else(|| {
            let known = Self::NAMES.join(", ");
            format!("no measure is called `{name}`; expected one of {known}")
        })
    }
}

impl From<Measure> for String {
    fn from(measure: Measure) -> Self {
        measure.name().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_measure_is_found_by_its_name() {
        for (&measure, &name) in Measure::ALL.iter().zip(Measure::NAMES) {
            assert_eq!(Measure::from_name(name), Some(measure));
            let json = serde_json::to_string(&measure).unwrap();
            assert_eq!(json, format!("\"{name}\""));
            assert_eq!(serde_json::from_str::<Measure>(&json).unwrap(), measure);
        }
        assert_eq!(Measure::from_name("ckka"), None);
        let error = serde_json::from_str::<Measure>("\"ckka\"").unwrap_err().to_string();
        assert!(error.contains("no measure is called `ckka`"), "{error}");
        assert!(error.contains("rsa-pearson"), "{error}");
    }

    #[test]
    fn every_measure_declares_all_of_itself() {
        for measure in Measure::ALL {
            let Properties { name, title, summary, error, signature, .. } =
                measure.properties();
            for text in [name, title, summary, error, signature] {
                assert!(!text.is_empty(), "{measure:?}");
            }
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
