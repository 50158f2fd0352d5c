//! Verdicts: families are corrected, parts are joined, variants weaken.

use super::asked::Subject;
use super::evaluate::Evaluated;
use super::statements::{Part, Reading, Source};
use crate::findings::seeds::{Direction, Judgement, Statement, Variant, Verdict, holm};

/// Statements that are corrected together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Family {
    Stated(Source),
    BeyondWeights,
}

fn family(evaluated: &Evaluated<'_>) -> Option<Family> {
    let Subject::Statement(definition) = evaluated.asked.subject else { return None };
    Some(match evaluated.reading? {
        Reading::AsStated => Family::Stated(definition.source),
        Reading::BeyondWeights => Family::BeyondWeights,
    })
}

/// Whether a statement claims a sign.
pub(crate) fn direction(evaluated: &Evaluated<'_>) -> Direction {
    match evaluated.asked.subject {
        Subject::Statement(definition) => definition.direction,
        Subject::Endpoint(_) => Direction::Either,
    }
}

/// Holm's p-values of each statement in its family, in the claimed direction and, separately,
/// in the opposite one (1 of a claim without a sign); none of exploratory ones.
pub(crate) fn adjusted(all: &[Evaluated<'_>]) -> Vec<Option<[f64; 2]>> {
    let mut adjusted: Vec<Option<[f64; 2]>> = vec![None; all.len()];
    let families =
        [Family::Stated(Source::V1), Family::Stated(Source::V2), Family::BeyondWeights];
    for own in families {
        let members: Vec<usize> =
            (0..all.len()).filter(|&at| family(&all[at]) == Some(own)).collect();
        let signed: Vec<usize> = members
            .iter()
            .copied()
            .filter(|&at| direction(&all[at]) == Direction::Positive)
            .collect();
        let p = |members: &[usize], side: usize| -> Vec<f64> {
            holm(&members.iter().map(|&at| all[at].p()[side]).collect::<Vec<_>>())
        };
        for (&at, p) in members.iter().zip(p(&members, 0)) {
            adjusted[at] = Some([p, 1.0]);
        }
        for (&at, p) in signed.iter().zip(p(&signed, 1)) {
            adjusted[at].as_mut().expect("a member of the family")[1] = p;
        }
    }
    adjusted
}

/// The verdict on a statement with these corrected p-values.
///
/// A statement of several parts is consistent if all parts are, contradicted if one is, and not
/// observed if one is not.
pub(crate) fn judge(evaluated: &Evaluated<'_>, adjusted: [f64; 2]) -> Judgement {
    let several = evaluated.parts.len() > 1;
    let mut judged: Vec<Judgement> = vec![];
    for part in &evaluated.parts {
        let Judgement { verdict, reason } = statement(evaluated, part, adjusted).judge();
        let of =
            part.layer.as_ref().map_or(String::new(), |layer| format!(" of {layer}"));
        let reason =
            if several { format!("{}{of}: {reason}", part.endpoint) } else { reason };
        judged.push(Judgement { verdict, reason });
    }
    let is = |verdict| move |judged: &&Judgement| judged.verdict == verdict;
    let find = |verdict| judged.iter().find(is(verdict));
    let decides = find(Verdict::Contradicted)
        .or_else(|| find(Verdict::NotObserved))
        .or_else(|| find(Verdict::CannotBeJudged))
        .or_else(|| judged.iter().find(|judged| judged.reason.contains("but not by")))
        .or_else(|| judged.first());
    decides.cloned().unwrap_or_else(|| Judgement {
        verdict: Verdict::CannotBeJudged,
        reason: "no runs".into(),
    })
}

fn statement(evaluated: &Evaluated<'_>, part: &Part, adjusted: [f64; 2]) -> Statement {
    Statement {
        seeds: part.sample.n(),
        missing: part.sample.missing,
        condition: evaluated.condition.clone(),
        direction: direction(evaluated),
        mean: part.margin,
        interval: part.sample.interval(),
        smallest: evaluated.asked.smallest().zip(part.scale).map(|(d, scale)| d * scale),
        adjusted,
        variants: variants(evaluated),
    }
}

/// The variants that have a value.
fn variants(evaluated: &Evaluated<'_>) -> Vec<Variant> {
    let variant = |(lens, part): &(super::runs::Lens, Part)| {
        Some(Variant {
            name: lens.name().into(),
            n: part.sample.n(),
            mean: part.sample.mean()?,
            interval: part.sample.interval(),
            same_sign: same_sign(evaluated, part)?,
        })
    };
    evaluated.variants.iter().filter_map(variant).collect()
}

/// Whether a variant's mean has the sign of the statement's; none where one has no mean.
pub(crate) fn same_sign(evaluated: &Evaluated<'_>, variant: &Part) -> Option<bool> {
    let own = evaluated.parts.first()?.sample.mean()?;
    Some(own * variant.sample.mean()? > 0.0)
}
