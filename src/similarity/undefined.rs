//! Why a similarity has no value.

use std::fmt;

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
    /// Half of the examples coincide, so that the median distance is 0.
    CoincidingExamples,
    /// An example's features are all equal: it has no correlation with any other.
    ConstantExample,
    /// An example's features are all 0: it has no direction.
    ZeroExample,
    /// All pairs of examples are equally dissimilar.
    EqualDissimilarities,
    /// Not more examples than neighbours.
    TooFewNeighbours {
        /// How many examples there are.
        n: usize,
        /// How many neighbours each is to have.
        k: usize,
    },
    /// The confounder's kernel explains the representation's but for rounding.
    Confounded,
    /// A singular value decomposition did not converge.
    NoDecomposition,
    /// Both classifiers give one and the same class everywhere: agreement is certain by
    /// chance.
    OneClass,
    /// No point of the planes is in the part that is compared.
    NoPoints,
    /// The probe has a weight that overflows: its solver has diverged.
    DivergedProbe,
    /// A class has no example, so it has no mean.
    AbsentClass {
        /// The class.
        class: usize,
    },
    /// The mean of a class is that of all classes' means: it has no direction from there.
    CoincidingMeans,
    /// What the net answers is not known, or not finite.
    NoAnswers,
}

impl fmt::Display for Undefined {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TooFewExamples { n } => {
                return write!(f, "{n} examples; at least 4 are needed");
            }
            Self::TooFewNeighbours { n, k } => {
                return write!(f, "{n} examples; more than {k} neighbours are needed");
            }
            Self::AbsentClass { class } => {
                return write!(f, "class {class} has no example: it has no mean");
            }
            Self::DeadLayer => "dead layer: no feature varies over examples",
            Self::NonFinite => "a feature is NaN or infinite",
            Self::OrthogonalExamples => {
                "the examples are mutually orthogonal: the U-centred Gram matrix is 0"
            }
            Self::CoincidingExamples => {
                "half of the examples coincide: the median distance is 0"
            }
            Self::ConstantExample => {
                "an example's features are all equal: it correlates with none"
            }
            Self::ZeroExample => "an example's features are all 0: it has no direction",
            Self::EqualDissimilarities => "all examples are equally dissimilar",
            Self::Confounded => "nothing is left of it without the confounder",
            Self::OneClass => "one class everywhere: agreement is certain by chance",
            Self::NoPoints => "no point lies in this part of the planes",
            Self::DivergedProbe => "the probe diverged: a weight overflows",
            Self::CoincidingMeans => {
                "the mean of a class is the mean of all classes: it has no direction"
            }
            Self::NoAnswers => "what the net answers is not known or not finite",
            Self::NoDecomposition => "a singular value decomposition did not converge",
        })
    }
}

impl std::error::Error for Undefined {}
