//! What a statement is: a sentence of an abstract, and how runs decide on it.

use serde::Serialize;

use super::part::Part;
use super::question::Question;
use crate::compare::sample::Pairing;
use crate::findings::seeds::Direction;

/// The version of the paper whose abstract a statement is from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Source {
    /// 2024: "How Does Perfect Fitting Affect Representation Learning?"
    V1,
    /// 2025: "How Do the Architecture and Optimizer Affect Representation Learning?"
    V2,
}

/// What a verdict is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Reading {
    /// What the sentence says of the matrices.
    #[serde(rename = "as stated")]
    AsStated,
    /// What is left when the same curve of the weights is subtracted.
    #[serde(rename = "beyond the weights")]
    BeyondWeights,
}

impl Reading {
    /// The words used in files and on pages.
    pub fn name(self) -> &'static str {
        match self {
            Self::AsStated => "as stated",
            Self::BeyondWeights => "beyond the weights",
        }
    }
}

/// The keys that a statement needs in a comparison file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Needs {
    /// The arm that is claimed to have more.
    pub(crate) plus: bool,
    /// The arm that it is compared with.
    pub(crate) minus: bool,
    /// At least so many `arms`.
    pub(crate) arms: usize,
    /// At least so many further pairs under `also`, or the statement cannot be judged.
    pub(crate) also: usize,
}

/// Two arms, and further pairs of them.
pub(crate) const fn two_arms(also: usize) -> Needs {
    Needs { plus: true, minus: true, arms: 0, also }
}

/// What computes the parts of a statement, each of which must hold.
pub(crate) type Parts = fn(&Question<'_>) -> Vec<Part>;

/// A sentence of an abstract.
#[derive(Debug)]
pub(crate) struct Definition {
    /// `P1` …
    pub(crate) id: &'static str,
    pub(crate) text: &'static str,
    pub(crate) source: Source,
    /// Whether it claims a sign.
    pub(crate) direction: Direction,
    /// The smallest effect of interest, unless the comparison file declares another; none: "not
    /// observed at this scale" is never said.
    pub(crate) d: Option<f64>,
    pub(crate) unit: &'static str,
    pub(crate) pairing: Pairing,
    pub(crate) needs: Needs,
    /// Settings in which its arms may differ.
    pub(crate) differ: &'static [&'static str],
    /// Other ways to measure it.
    pub(crate) variants: &'static [&'static str],
    /// Why it cannot be judged whatever the numbers are.
    pub(crate) condition: fn(&Question<'_>) -> Option<String>,
    /// As stated, and where weights may explain it beyond them.
    pub(crate) readings: &'static [(Reading, Parts)],
    /// Numbers that stand beside it without a verdict.
    pub(crate) beside: Parts,
}

/// Variants of statements about movement, where decision regions agree by chance.
pub(super) const KAPPA_VARIANTS: &[&str] =
    &["shape", "drs-kappa", "cka-biased", "every-other", "without-dominant"];
/// Variants of statements about curves.
pub(super) const VARIANTS: &[&str] =
    &["shape", "drs", "cka-biased", "every-other", "without-dominant"];
