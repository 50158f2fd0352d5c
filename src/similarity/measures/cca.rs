//! Canonical correlations of the spaces that two representations span over the examples:
//! their mean, the mean of their squares, and SVCCA (Raghu et al. 2017).

use crate::similarity::errors::influence::{
    Matched, on_correlation, singular_values, standard_error,
};
use crate::similarity::gram::bases::Basis;
use crate::similarity::gram::centred::Centred;
use crate::similarity::gram::dot::widened;
use crate::similarity::measure::{
    Definition, Epochs, Procedure, Properties, Setting, Settings,
};
use crate::similarity::{EpochMatrix, Feature, Invariance, Undefined};

const BASE: Properties = Properties {
    error: "infinitesimal jackknife",
    signature: "orthonormal basis, unused columns 0, `[n, min(n, p)]`",
    ..Properties::SIMILARITY
};

/// Mean canonical correlation.
pub(super) const CCA: Definition<Correlations> = Definition {
    properties: Properties {
        name: "cca",
        title: "mean CCA",
        summary: "mean canonical correlation",
        invariances: &Invariance::ALL,
        ..BASE
    },
    procedure: Correlations { mean: Mean::Plain, keeps_all: true },
};

/// Mean squared canonical correlation.
pub(super) const CCA_R2: Definition<Correlations> = Definition {
    properties: Properties {
        name: "cca-r2",
        title: "mean squared CCA",
        summary: "mean squared canonical correlation, R²_CCA (Kornblith et al. 2019)",
        invariances: &Invariance::ALL,
        ..BASE
    },
    procedure: Correlations { mean: Mean::Squares, keeps_all: true },
};

/// SVCCA.
pub(super) const SVCCA: Definition<Correlations> = Definition {
    properties: Properties {
        name: "svcca",
        title: "SVCCA",
        summary: "mean canonical correlation of the leading directions (Raghu et al. 2017)",
        settings: &[Setting::Variance],
        error: "infinitesimal jackknife with the directions kept",
        ..BASE
    },
    procedure: Correlations { mean: Mean::Plain, keeps_all: false },
};

/// What is made of canonical correlations, and of which directions.
pub(super) struct Correlations {
    mean: Mean,
    /// Whether all directions count, or those of [`Settings::variance`].
    keeps_all: bool,
}

impl Procedure for Correlations {
    fn signature<T: Feature>(
        &self,
        features: &[T],
        n: usize,
        p: usize,
        settings: &Settings,
    ) -> Result<Vec<f32>, Undefined> {
        let variance = if self.keeps_all { 1.0 } else { settings.variance };
        signature(features, n, p, variance)
    }

    fn signature_len(&self, n: usize, p: usize, _settings: &Settings) -> usize {
        n * n.min(p)
    }

    fn compare(&self, epochs: &Epochs<'_>) -> EpochMatrix {
        let Epochs { n, settings, .. } = *epochs;
        epochs.pairwise(|a, b| compare(a, b, n, self.mean, settings.errors))
    }
}

/// An orthonormal basis of the leading directions of centred features, `[n, min(n, p)]`; the
/// columns beyond those kept are 0.
///
/// Kept are the fewest left singular vectors whose squared singular values make up `variance`
/// of their sum (0.99 for SVCCA), or with `variance = 1` all above rounding (plain CCA). With
/// about as many directions as examples everything correlates: use it for n ≫ directions.
///
/// *Shapes* `features: [n, p]`, row-major.
///
/// Cost about 4n·p·min(n, p) multiply-adds in f64.
///
/// # Errors
/// Fewer than 4 examples, a feature that is not finite, or a dead layer.
///
/// # Panics
/// If `features.len() != n * p`, or `variance` is not in (0, 1].
pub fn signature<T: Feature>(
    features: &[T],
    n: usize,
    p: usize,
    variance: f64,
) -> Result<Vec<f32>, Undefined> {
    assert!(variance > 0.0 && variance <= 1.0, "{variance} of the variance");
    let basis = Basis::of(&Centred::of(features, n, p)?)?;
    let kept = basis.kept(variance);
    let r = basis.values.len();
    Ok((0..n * r)
        .map(|k| if k % r < kept { basis.vectors[(k / r, k % r)] as f32 } else { 0.0 })
        .collect())
}

impl Basis {
    /// The fewest leading directions that make up `variance` of the sum of squares.
    fn kept(&self, variance: f64) -> usize {
        let squares = |count: usize| -> f64 {
            self.values[..count].iter().map(|value| value * value).sum()
        };
        let wanted = variance * squares(self.values.len());
        (1..self.rank).find(|&count| squares(count) >= wanted).unwrap_or(self.rank)
    }
}

/// What is made of the canonical correlations ρ, k of them in the smaller space.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mean {
    /// Σρ/k.
    Plain,
    /// Σρ²/k, `R²_CCA` of Kornblith et al. (2019).
    Squares,
}

/// The mean of the canonical correlations, singular values of `UᵀV`, and with `errors` its
/// standard error over examples, by the infinitesimal jackknife; else NaN.
///
/// The influence of an example on ρ² is twice ρ times that on ρ. Of SVCCA the
/// directions that are kept count as given.
///
/// Cost n·p·q multiply-adds and the singular values `[p, q]`, in f64; errors 2n·p·q and the
/// singular vectors.
pub(crate) fn compare(
    a: &[f32],
    b: &[f32],
    n: usize,
    mean: Mean,
    errors: bool,
) -> (f64, f64) {
    let kept = |signature: &[f32]| {
        let r = signature.len() / n;
        let is_zero = |j: &usize| signature.iter().skip(*j).step_by(r).all(|x| *x == 0.0);
        (0..r).find(is_zero).unwrap_or(r)
    };
    let (k, l) = (kept(a), kept(b));
    let (a, b) = (widened(a, n), widened(b, n));
    let (a, b) = (a.subcols(0, k), b.subcols(0, l));
    let size = k.min(l) as f64;
    if !errors {
        let of_rho = |rho: &f64| if mean == Mean::Plain { *rho } else { rho * rho };
        return (singular_values(a, b).iter().map(of_rho).sum::<f64>() / size, f64::NAN);
    }
    let matched = Matched::of(a, b);
    let rho = |i: usize| matched.values[i];
    let (sum, influences) = match mean {
        Mean::Plain => {
            (matched.sums.0, matched.per_example(|i, h, g| on_correlation(rho(i), h, g)))
        }
        Mean::Squares => {
            let of_square = |i, h, g| 2.0 * rho(i) * on_correlation(rho(i), h, g);
            (matched.sums.1, matched.per_example(of_square))
        }
    };
    (sum / size, standard_error(&influences) / size)
}
