//! What an endpoint is: a number that a run gives.

use crate::compare::runs::View;

/// Examples that were not trained on.
pub(super) const TEST: &str = "test";
/// Training examples with a wrong label.
pub(super) const CORRUPTED: &str = "train-corrupted";

/// A number that a run gives, or why it does not.
pub(crate) type Outcome = Result<f64, String>;

/// A number that is compared over seeds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Endpoint {
    /// In tables, and as the `id` of an exploratory statement.
    pub(crate) name: &'static str,
    /// In a phrase.
    pub(crate) about: &'static str,
    /// The unit; empty for a pure number.
    pub(crate) unit: &'static str,
    /// The examples that it is measured on.
    pub(crate) group: &'static str,
    /// How it is measured.
    pub(crate) value: Value,
}

/// What an endpoint is measured on.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Value {
    /// One run.
    OfRun(fn(&View<'_>) -> Outcome),
    /// A run among other seeds of its arm.
    AmongSeeds(fn(&View<'_>, &[View<'_>]) -> Outcome),
}
