//! The numbers that activations come in.

use super::gram::spare::Kept;

/// A type that activations come in: `f32` or `f64`.
pub trait Feature: Copy + PartialOrd + Into<f64> + Send + Sync + Kept {
    /// The spacing of numbers after 1.
    const SPACING: f64;
    /// The nearest number of this type.
    fn nearest(value: f64) -> Self;
}

impl Feature for f32 {
    const SPACING: f64 = f32::EPSILON as f64;
    #[inline]
    fn nearest(value: f64) -> Self {
        value as Self
    }
}

impl Feature for f64 {
    const SPACING: f64 = f64::EPSILON;
    #[inline]
    fn nearest(value: f64) -> Self {
        value
    }
}
