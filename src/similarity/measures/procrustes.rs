//! Orthogonal Procrustes: how far one representation, turned as well as can be, is from
//! another (Ding et al. 2021; the angular shape metric of Williams et al. 2021).

use crate::similarity::errors::influence::{Matched, singular_values, standard_error};
use crate::similarity::gram::bases;
use crate::similarity::gram::centred::Centred;
use crate::similarity::gram::dot::{narrowed, widened};
use crate::similarity::measure::{Definition, Epochs, Procedure, Properties, Settings};
use crate::similarity::{EpochMatrix, Feature, Undefined};

/// What is made of the nuclear norm ‖`XᵀY`‖₊ of centred features with ‖X‖ = ‖Y‖ = 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// The norm itself: 1 where a rotation takes one to the other.
    Similarity,
    /// √(2 − 2‖XᵀY‖₊), the least distance over all rotations.
    Distance,
    /// arccos ‖`XᵀY`‖₊ in [0, π/2], a metric.
    Angle,
}

const BASE: Properties = Properties {
    error: "infinitesimal jackknife",
    signature: "centered features in at most n dimensions, unit norm, `[n, min(n, p)]`",
    ..Properties::SIMILARITY
};

/// Procrustes similarity.
pub(super) const PROCRUSTES: Definition<Form> = Definition {
    properties: Properties {
        name: "procrustes",
        title: "Procrustes similarity",
        summary: "overlap after the best rotation, the nuclear norm of XᵀY (Ding et al. 2021)",
        ..BASE
    },
    procedure: Form::Similarity,
};

/// Procrustes distance.
pub(super) const PROCRUSTES_DISTANCE: Definition<Form> = Definition {
    properties: Properties {
        name: "procrustes-distance",
        title: "Procrustes distance",
        summary: "least distance over all rotations, √(2 − 2·procrustes)",
        is_distance: true,
        ..BASE
    },
    procedure: Form::Distance,
};

/// The angular shape metric.
pub(super) const SHAPE: Definition<Form> = Definition {
    properties: Properties {
        name: "shape",
        title: "angular shape distance",
        summary: "angular shape metric, arccos(procrustes) (Williams et al. 2021)",
        is_distance: true,
        ..BASE
    },
    procedure: Form::Angle,
};

impl Procedure for Form {
    fn signature<T: Feature>(
        &self,
        features: &[T],
        n: usize,
        p: usize,
        _settings: &Settings,
    ) -> Result<Vec<f32>, Undefined> {
        signature(features, n, p)
    }

    fn signature_len(&self, n: usize, p: usize, _settings: &Settings) -> usize {
        n * n.min(p)
    }

    fn compare(&self, epochs: &Epochs<'_>) -> EpochMatrix {
        let Epochs { n, settings, .. } = *epochs;
        epochs.pairwise(|a, b| compare(a, b, n, *self, settings.errors))
    }
}

/// Centred features of unit Frobenius norm, in at most n dimensions: `[n, min(n, p)]`.
///
/// *Shapes* `features: [n, p]`, row-major.
///
/// Cost n·p; where p > n, 2n²p multiply-adds in f64.
///
/// # Errors
/// Fewer than 4 examples, a feature that is not finite, or a dead layer.
///
/// # Panics
/// If `features.len() != n * p`.
pub fn signature<T: Feature>(
    features: &[T],
    n: usize,
    p: usize,
) -> Result<Vec<f32>, Undefined> {
    let mut compact = bases::compact(&Centred::of(features, n, p)?);
    let norm = compact.norm_l2();
    compact *= faer::Scale(norm.recip());
    Ok(narrowed(compact.as_ref()))
}

/// Compares two signatures of n examples: the value, and with `errors` its standard error over
/// examples, by the infinitesimal jackknife; else NaN.
///
/// An example x, y has influence n·(x·R·y − s(‖x‖² + ‖y‖²)/2) on the similarity s, with R
/// the best rotation.
///
/// Cost n·p·q multiply-adds and the singular values `[p, q]`, in f64; errors 2n·p·q and the
/// singular vectors.
///
/// # Panics
/// If the decomposition does not converge on finite numbers.
pub(crate) fn compare(
    a: &[f32],
    b: &[f32],
    n: usize,
    form: Form,
    errors: bool,
) -> (f64, f64) {
    let squares = |signature: &[f32]| -> Vec<f64> {
        let square = |row: &[f32]| row.iter().map(|x| f64::from(*x).powi(2)).sum();
        signature.chunks(signature.len() / n).map(square).collect()
    };
    let (of_a, of_b) = (squares(a), squares(b));
    // Signatures have norm 1 but for the rounding of f32.
    let (norm_a, norm_b) = (of_a.iter().sum::<f64>(), of_b.iter().sum::<f64>());
    let norms = (norm_a * norm_b).sqrt();
    let (a, b) = (widened(a, n), widened(b, n));
    if !errors {
        let cosine = singular_values(a.as_ref(), b.as_ref()).iter().sum::<f64>() / norms;
        return (form.of(cosine).0, f64::NAN);
    }
    let matched = Matched::of(a.as_ref(), b.as_ref());
    let cosine = matched.sums.0 / norms;
    let mut influences = matched.per_example(|_, h, g| h * g / norms);
    for (influence, (a, b)) in influences.iter_mut().zip(of_a.iter().zip(&of_b)) {
        *influence -= cosine * f64::midpoint(a / norm_a, b / norm_b);
    }
    let (value, slope) = form.of(cosine);
    // Equal representations are equal whichever examples there are.
    let error = if slope > 0.0 { standard_error(&influences) * slope } else { 0.0 };
    (value, error)
}

impl Form {
    /// The value for a similarity, and by how much it changes with it; 0 where they are equal.
    fn of(self, cosine: f64) -> (f64, f64) {
        // The norm is at most 1; what is above is rounding.
        let square = 2.0 - 2.0 * cosine;
        let distance = if square < 0.0 { 0.0 } else { square }.sqrt();
        let over = |slope: f64| if slope > 0.0 { slope.recip() } else { 0.0 };
        match self {
            Self::Similarity => (cosine, 1.0),
            Self::Distance => (distance, over(distance)),
            // 2·asin(d/2) = arccos(1 − d²/2), with more digits near 0.
            Self::Angle => {
                let angle = 2.0 * (distance / 2.0).asin();
                (angle, over(angle.sin()))
            }
        }
    }
}
