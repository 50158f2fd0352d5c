//! How many dimensions a representation uses: three measures of the spectrum of its centred
//! features.

use crate::similarity::gram::bases::compact;
use crate::similarity::gram::centred::Centred;
use crate::similarity::{Feature, Undefined};

/// Dimensions of one representation; λ are squared singular values σ of the centred features.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Dimensions {
    /// exp(−Σ p ln p), p = σ/Σσ (Roy and Vetterli 2007).
    pub effective_rank: f64,
    /// (Σλ)²/Σλ².
    pub participation_ratio: f64,
    /// Σλ/λ₁.
    pub stable_rank: f64,
}

impl Dimensions {
    /// The dimensions of features.
    ///
    /// *Shapes* `features: [n, p]`, row-major.
    ///
    /// Cost about 3n·p·min(n, p) multiply-adds in f64.
    ///
    /// # Errors
    /// Fewer than 4 examples, a feature that is not finite, or a dead layer.
    ///
    /// # Panics
    /// If `features.len() != n * p`.
    ///
    /// # Example
    /// ```
    /// use stratagram::similarity::Dimensions;
    /// // Two features, uncorrelated, of equal variance.
    /// let square = [1.0f32, 1.0, 1.0, -1.0, -1.0, 1.0, -1.0, -1.0];
    /// let dimensions = Dimensions::of(&square, 4, 2)?;
    /// assert!((dimensions.effective_rank - 2.0).abs() < 1e-12);
    /// assert!((dimensions.participation_ratio - 2.0).abs() < 1e-12);
    /// assert!((dimensions.stable_rank - 2.0).abs() < 1e-12);
    /// # Ok::<(), stratagram::similarity::Undefined>(())
    /// ```
    pub fn of<T: Feature>(features: &[T], n: usize, p: usize) -> Result<Self, Undefined> {
        let matrix = compact(&Centred::of(features, n, p)?);
        let values = matrix.singular_values().map_err(|_| Undefined::NoDecomposition)?;
        let sum: f64 = values.iter().sum();
        let squares: f64 = values.iter().map(|s| s * s).sum();
        let fourth: f64 = values.iter().map(|s| s.powi(4)).sum();
        let shares = values.iter().map(|s| s / sum).filter(|share| *share > 0.0);
        let entropy: f64 = shares.map(|share| -share * share.ln()).sum();
        Ok(Self {
            effective_rank: entropy.exp(),
            participation_ratio: squares * squares / fourth,
            stable_rank: squares / (values[0] * values[0]),
        })
    }
}
