//! Verdicts on statements (section 7).

use serde::Serialize;

use super::flips::flip_interval;
use crate::findings::defaults::ALPHA;

/// Seeds below which no interval at 95 % exists.
const FEWEST_SEEDS: usize = 6;
/// Share of seeds that may lack the endpoint.
const MOST_MISSING: f64 = 0.25;

/// What seeds say of a statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Verdict {
    /// Too few seeds, a condition that fails, or an interval that holds both 0 and d.
    #[serde(rename = "cannot be judged")]
    CannotBeJudged,
    /// Adjusted p ≤ 0.05 in the claimed direction.
    #[serde(rename = "consistent with")]
    Consistent,
    /// Adjusted p ≤ 0.05 in the opposite one.
    #[serde(rename = "contradicted")]
    Contradicted,
    /// The interval lies below d, the smallest effect of interest.
    #[serde(rename = "not observed at this scale")]
    NotObserved,
}

impl Verdict {
    /// The words used in files and on pages.
    pub fn name(self) -> &'static str {
        match self {
            Self::CannotBeJudged => "cannot be judged",
            Self::Consistent => "consistent with",
            Self::Contradicted => "contradicted",
            Self::NotObserved => "not observed at this scale",
        }
    }
}

/// Whether a statement claims a sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// The effect is above zero.
    Positive,
    /// The effect is not zero.
    Either,
}

/// The verdict on paired differences `d` that a statement claims to be positive:
/// `adjusted` are the p-values, after Holm, in the claimed and in the opposite direction,
/// `smallest` the smallest effect of interest.
pub fn verdict(d: &[f64], smallest: f64, adjusted: [f64; 2]) -> Verdict {
    let statement = Statement {
        seeds: d.len(),
        missing: 0,
        condition: None,
        direction: Direction::Positive,
        mean: d.iter().sum::<f64>() / d.len() as f64,
        interval: flip_interval(d),
        smallest: Some(smallest),
        adjusted,
        variants: vec![],
    };
    statement.judge().verdict
}

/// The same statement measured another way.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Variant {
    /// What differs.
    pub name: String,
    /// Number of seeds.
    pub n: usize,
    /// Mean effect.
    pub mean: f64,
    /// Its interval.
    pub interval: Option<[f64; 2]>,
    /// Whether its mean has the sign of the primary one.
    pub same_sign: bool,
}

/// What is known of a statement.
#[derive(Debug, Clone, PartialEq)]
pub struct Statement {
    /// Seeds with the endpoint; of two unpaired groups the smaller number.
    pub seeds: usize,
    /// Seeds without it.
    pub missing: usize,
    /// Why its condition fails; none where it holds.
    pub condition: Option<String>,
    /// What it claims.
    pub direction: Direction,
    /// Mean effect.
    pub mean: f64,
    /// Its 95 % interval.
    pub interval: Option<[f64; 2]>,
    /// d, the smallest effect of interest; none: "not observed" is never said.
    pub smallest: Option<f64>,
    /// p-values after Holm, in the claimed and in the opposite direction; of a claim without
    /// a sign the first is two-sided and the second is not used.
    pub adjusted: [f64; 2],
    /// The same measured in other ways.
    pub variants: Vec<Variant>,
}

/// A verdict and why.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Judgement {
    /// The verdict.
    pub verdict: Verdict,
    /// What decided, or what a reader must add to it.
    pub reason: String,
}

impl Statement {
    /// The first verdict that applies: cannot be judged (seeds, condition, endpoints),
    /// consistent, contradicted, not observed, cannot be judged. Variants whose mean has the
    /// other sign can only weaken a "consistent": one is named, two or more turn it into
    /// "cannot be judged".
    pub fn judge(&self) -> Judgement {
        let judged = |verdict, reason: String| Judgement { verdict, reason };
        let Some(interval) = self.interval.filter(|_| self.seeds >= FEWEST_SEEDS) else {
            let reason =
                format!("{} seeds; an interval takes {FEWEST_SEEDS}", self.seeds);
            return judged(Verdict::CannotBeJudged, reason);
        };
        if let Some(reason) = self.unmet() {
            return judged(Verdict::CannotBeJudged, reason);
        }
        let [claimed, opposite] = self.adjusted;
        let either = self.direction == Direction::Either;
        if claimed <= ALPHA && (either || self.mean > 0.0) {
            return self.consistent(claimed);
        }
        if !either && opposite <= ALPHA && self.mean < 0.0 {
            return judged(Verdict::Contradicted, format!("adjusted p = {opposite:.4}"));
        }
        let [low, high] = interval;
        let small = |d: f64| high < d && (!either || low > -d);
        match self.smallest {
            Some(d) if small(d) => judged(
                Verdict::NotObserved,
                format!("the interval, {low:.3} to {high:.3}, excludes an effect of {d}"),
            ),
            Some(d) => judged(
                Verdict::CannotBeJudged,
                format!("the interval, {low:.3} to {high:.3}, holds both 0 and {d}"),
            ),
            None => judged(
                Verdict::CannotBeJudged,
                format!("adjusted p = {claimed:.4} in the claimed direction"),
            ),
        }
    }

    /// Why no verdict can be reached whatever the numbers are.
    fn unmet(&self) -> Option<String> {
        let all = self.seeds + self.missing;
        let lacking = self.missing as f64 > MOST_MISSING * all as f64;
        let lack = || format!("{} of {all} seeds lack the endpoint", self.missing);
        self.condition.clone().or_else(|| lacking.then(lack))
    }

    fn consistent(&self, p: f64) -> Judgement {
        let other: Vec<&str> = self
            .variants
            .iter()
            .filter(|variant| !variant.same_sign)
            .map(|variant| variant.name.as_str())
            .collect();
        let names = other.join(", ");
        let (verdict, reason) = match other.len() {
            0 => (Verdict::Consistent, format!("adjusted p = {p:.4}")),
            1 => {
                (Verdict::Consistent, format!("adjusted p = {p:.4}, but not by {names}"))
            }
            _ => (
                Verdict::CannotBeJudged,
                format!("depends on the measure: the sign differs by {names}"),
            ),
        };
        Judgement { verdict, reason }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn statement(adjusted: [f64; 2], interval: [f64; 2]) -> Statement {
        Statement {
            seeds: 8,
            missing: 0,
            condition: None,
            direction: Direction::Positive,
            mean: f64::midpoint(interval[0], interval[1]),
            interval: Some(interval),
            smallest: Some(0.2),
            adjusted,
            variants: vec![],
        }
    }

    fn variant(name: &str, same_sign: bool) -> Variant {
        Variant { name: name.into(), n: 8, mean: 0.1, interval: None, same_sign }
    }

    #[test]
    fn each_verdict_follows_from_p_and_interval() {
        let of = |adjusted, interval| statement(adjusted, interval).judge().verdict;
        assert_eq!(of([0.03, 1.0], [0.1, 0.5]), Verdict::Consistent);
        assert_eq!(of([1.0, 0.03], [-0.5, -0.1]), Verdict::Contradicted);
        assert_eq!(of([0.6, 0.9], [-0.1, 0.15]), Verdict::NotObserved);
        assert_eq!(of([0.3, 0.9], [-0.1, 0.3]), Verdict::CannotBeJudged);
    }

    #[test]
    fn conditions_and_missing_seeds_come_first() {
        let good = statement([0.01, 1.0], [0.1, 0.5]);
        let failed =
            Statement { condition: Some("no double descent".into()), ..good.clone() };
        assert_eq!(failed.judge().verdict, Verdict::CannotBeJudged);
        let lacking = Statement { missing: 3, ..good.clone() };
        assert_eq!(lacking.judge().reason, "3 of 11 seeds lack the endpoint");
        assert_eq!(Statement { missing: 2, ..good }.judge().verdict, Verdict::Consistent);
    }

    #[test]
    fn variants_only_weaken() {
        let mut statement = statement([0.01, 1.0], [0.1, 0.5]);
        statement.variants = vec![variant("κ", false), variant("biased CKA", true)];
        let judged = statement.judge();
        assert_eq!(judged.verdict, Verdict::Consistent);
        assert!(judged.reason.ends_with("but not by κ"), "{}", judged.reason);
        statement.variants.push(variant("λ × 10", false));
        assert_eq!(statement.judge().verdict, Verdict::CannotBeJudged);
        statement.adjusted = [1.0, 0.5];
        statement.interval = Some([-0.1, 0.1]);
        assert_eq!(statement.judge().verdict, Verdict::NotObserved);
    }

    #[test]
    fn a_claim_without_a_sign_is_small_on_both_sides() {
        let either = |interval| Statement {
            direction: Direction::Either,
            ..statement([0.5, 0.5], interval)
        };
        assert_eq!(either([-0.1, 0.1]).judge().verdict, Verdict::NotObserved);
        assert_eq!(either([-0.3, 0.1]).judge().verdict, Verdict::CannotBeJudged);
    }
}
