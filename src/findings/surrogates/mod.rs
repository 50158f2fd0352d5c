//! Surrogates: random paths with a layer's local speeds, jitter, persistence and dimensions,
//! but without boundaries (section 1.3).
//!
//! A surrogate is fractional Brownian motion in log time — Hurst exponent 0.5: diffusion; up
//! to 0.98: a straight line; below 0.5 in decision regions, where the share of points that
//! change class grows with the distance and not with its square — whose increments are
//! multiplied by the observed local speed, in d₁ dimensions, plus independent jitter in
//! d ≥ d₁ dimensions.
//!
//! What is kept of it is the *fluctuation* of each curve around its mean over the draws. The
//! null hypotheses put fluctuations around a smooth curve fitted to the observed one: the
//! marginal rate of change is kept, whatever its trend, and only peaks and steps are in
//! question. A p-value answers: would a path that moves as fast, scatters as much and turns
//! as often, but without a boundary, show this?

mod dimension;
mod draws;
mod model;
mod normals;

pub use dimension::{drift_dimension, jitter_dimension};
pub use draws::{Fluctuations, fluctuations};
pub use model::{PathModel, persistence};
pub(crate) use normals::Normals;
