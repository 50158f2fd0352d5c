//! A part of a statement: one test.

use crate::compare::endpoints::Endpoint;
use crate::compare::sample::Sample;
use crate::findings::defaults::ALPHA;

/// One endpoint over seeds, and its tests. A statement holds if all of its parts do.
#[derive(Debug, Clone)]
pub(crate) struct Part {
    pub(crate) endpoint: String,
    /// The examples that it is measured on.
    pub(crate) group: &'static str,
    /// Of a part about one layer.
    pub(crate) layer: Option<String>,
    pub(crate) sample: Sample,
    /// p-value of the claim; of a claim without a sign two-sided.
    pub(crate) p_for: f64,
    /// p-value against it.
    pub(crate) p_against: f64,
    /// How far the mean lies inside the claim; negative: outside.
    pub(crate) margin: f64,
    /// Its smallest effect of interest, as a multiple of the statement's; none: "not observed" is
    /// never concluded from its interval.
    pub(crate) scale: Option<f64>,
    /// Whether its p-values stand beside a statement, too.
    pub(crate) is_test: bool,
}

impl Part {
    /// The mean exceeds `null`.
    pub(crate) fn above(endpoint: &Endpoint, sample: Sample, null: f64) -> Self {
        Self::named(endpoint.name, endpoint.group, sample, null)
    }

    /// The same of an endpoint that takes more than one run.
    pub(crate) fn named(
        endpoint: &str,
        group: &'static str,
        sample: Sample,
        null: f64,
    ) -> Self {
        Self {
            endpoint: endpoint.into(),
            group,
            layer: None,
            p_for: sample.p_above(null),
            p_against: sample.p_below(null),
            margin: sample.mean().unwrap_or(f64::NAN) - null,
            scale: Some(1.0),
            is_test: false,
            sample,
        }
    }

    /// The mean is not 0.
    pub(crate) fn either(endpoint: &Endpoint, sample: Sample) -> Self {
        let part = Self::above(endpoint, sample, 0.0);
        let p = (2.0 * part.p_for.min(part.p_against)).min(1.0);
        Self { p_for: p, p_against: 1.0, margin: part.margin.abs(), ..part }
    }

    /// The mean is 1: its interval contains 1 and lies above 0. Against it: it is below or above
    /// 1.
    pub(crate) fn one(endpoint: &str, group: &'static str, sample: Sample) -> Self {
        let part = Self::named(endpoint, group, sample, 0.0);
        let [above, below] = [part.sample.p_above(1.0), part.sample.p_below(1.0)];
        let is_outside = above.min(below) <= ALPHA / 2.0;
        let from_one = part.sample.mean().map_or(f64::NAN, |mean| (mean - 1.0).abs());
        Self {
            p_for: if is_outside { 1.0 } else { part.p_for },
            p_against: above.min(below),
            margin: if is_outside { -from_one } else { part.margin },
            scale: None,
            ..part
        }
    }

    /// The same, of one layer.
    pub(crate) fn of_layer(self, layer: &str) -> Self {
        Self { layer: Some(layer.into()), ..self }
    }

    /// The same, from which "not observed" is never concluded: its unit is not that of the
    /// smallest effect of interest.
    pub(crate) fn without_scale(self) -> Self {
        Self { scale: None, ..self }
    }

    /// The same in another unit: `scale` times the statement's smallest effect of interest is its
    /// own.
    pub(crate) fn with_scale(self, scale: f64) -> Self {
        Self { scale: Some(scale), ..self }
    }

    /// The same with the p-value of a test of its own.
    pub(crate) fn tested(self, p: f64) -> Self {
        Self { p_for: p, p_against: 1.0, is_test: true, ..self }
    }
}
