//! What a statement's runs give: its parts, its variants, and whether its condition holds.

use super::asked::{Asked, Subject};
use super::comparable::check;
use super::runs::{Arm, Lens, Run, Without, check_patterns};
use super::statements::{Definition, Part, Parts, Question, Reading};
use crate::error::Result;

/// One reading of a statement, before its family is corrected.
#[derive(Debug)]
pub(crate) struct Evaluated<'a> {
    pub(crate) asked: &'a Asked,
    /// None of an exploratory endpoint.
    pub(crate) reading: Option<Reading>,
    pub(crate) arms: Vec<&'a Arm>,
    pub(crate) parts: Vec<Part>,
    /// The first part in other ways.
    pub(crate) variants: Vec<(Lens, Part)>,
    /// Numbers that stand beside it.
    pub(crate) beside: Vec<Part>,
    /// Why it cannot be judged whatever the numbers are.
    pub(crate) condition: Option<String>,
}

impl Evaluated<'_> {
    /// p-values of the claim and against it: a statement holds if all its parts do.
    pub(crate) fn p(&self) -> [f64; 2] {
        let each = |p: fn(&Part) -> f64| self.parts.iter().map(p);
        let against = each(|part| part.p_against).fold(1.0, f64::min);
        let all = self.parts.len().max(1) as f64;
        let claimed = each(|part| part.p_for).reduce(f64::max).unwrap_or(1.0);
        [claimed, (all * against).min(1.0)]
    }
}

/// Evaluates a statement on its arms; `place` names the comparison in errors.
///
/// # Errors
/// If its runs cannot be compared.
pub(crate) fn evaluate<'a>(
    place: &str,
    asked: &'a Asked,
    arms: &'a [Arm],
) -> Result<Vec<Evaluated<'a>>> {
    let mut question = question(asked, arms, None);
    let runs = question.all_arms().into_iter().flat_map(|arm| &arm.runs);
    check_patterns(place, &asked.layers, &runs.collect::<Vec<_>>())?;
    question.end = check(place, asked, &question)?;
    match asked.subject {
        Subject::Endpoint(endpoint) => {
            let part = Part::above(endpoint, question.sample(endpoint), 0.0);
            Ok(vec![Evaluated {
                asked,
                reading: None,
                arms: question.all_arms(),
                parts: vec![part],
                variants: vec![],
                beside: vec![],
                condition: None,
            }])
        }
        Subject::Statement(definition) => {
            let also = also(place, asked, arms)?;
            let readings = definition.readings.iter();
            Ok(readings
                .map(|&(reading, parts)| {
                    read(definition, asked, (&question, &also), (reading, parts))
                })
                .collect())
        }
    }
}

fn read<'a>(
    definition: &'static Definition,
    asked: &'a Asked,
    (question, also): (&Question<'a>, &[Question<'a>]),
    (reading, parts): (Reading, Parts),
) -> Evaluated<'a> {
    let own = parts(question);
    let sign = own.first().map_or(f64::NAN, |part| part.margin);
    let condition = (definition.condition)(question)
        .or_else(|| other_sign(definition, also, parts, sign));
    let variants = lenses(definition, asked, question).into_iter().filter_map(|lens| {
        let part = parts(&question.through(lens.clone())).into_iter().next()?;
        Some((lens, part))
    });
    let is_first = definition.readings[0].0 == reading;
    Evaluated {
        asked,
        reading: Some(reading),
        arms: question.all_arms(),
        variants: variants.collect(),
        beside: if is_first { (definition.beside)(question) } else { vec![] },
        condition,
        parts: own,
    }
}

/// Why further pairs of arms do not have the same sign.
fn other_sign(
    definition: &'static Definition,
    also: &[Question<'_>],
    parts: Parts,
    sign: f64,
) -> Option<String> {
    let needed = definition.needs.also;
    if also.len() < needed {
        let words = if needed == 1 { "pair" } else { "pairs" };
        return Some(format!(
            "{} of {needed} further {words} of arms under `also`",
            also.len()
        ));
    }
    also.iter().find_map(|question| {
        let part = parts(question).into_iter().next();
        let other = part.map_or(f64::NAN, |part| part.margin);
        let names = [question.plus(), question.minus()].map(|arm| arm.name.as_str());
        let differs = format!("the sign differs for {} less {}", names[0], names[1]);
        let same = sign * other > 0.0;
        if other.is_nan() {
            return Some(format!("no seeds for {} less {}", names[0], names[1]));
        }
        (!same).then_some(differs)
    })
}

/// The variants that are asked for, or those of the statement that a run has matrices of.
fn lenses(
    definition: &'static Definition,
    asked: &Asked,
    question: &Question<'_>,
) -> Vec<Lens> {
    let lens = |name: &str| Lens::of_variant(name);
    if let Some(names) = &asked.variants {
        return names.iter().filter_map(|name| lens(name)).collect();
    }
    let runs = || question.all_arms().into_iter().flat_map(|arm| &arm.runs);
    let has = |lens: &Lens| match lens.without {
        Without::Dominant => runs().any(Run::has_grams),
        _ => runs().any(|run| run.has_measure(&lens.measure)),
    };
    definition.variants.iter().filter_map(|name| lens(name)).filter(has).collect()
}

/// The further pairs of arms, each checked.
fn also<'a>(place: &str, asked: &'a Asked, arms: &'a [Arm]) -> Result<Vec<Question<'a>>> {
    let pairs = asked.also.iter().map(|pair| {
        let mut question = question(asked, arms, Some(pair));
        question.end = check(place, asked, &question)?;
        Ok(question)
    });
    pairs.collect()
}

/// The question of a statement, or of one of its further pairs.
fn question<'a>(
    asked: &'a Asked,
    arms: &'a [Arm],
    pair: Option<&'a [String; 2]>,
) -> Question<'a> {
    let find = |name: &String| -> &'a Arm {
        arms.iter().find(|arm| arm.name == *name).expect("arms are checked when read")
    };
    let (plus, minus) = match pair {
        Some([plus, minus]) => (Some(find(plus)), Some(find(minus))),
        None => (asked.plus.as_ref().map(find), asked.minus.as_ref().map(find)),
    };
    let others = if pair.is_none() { &asked.arms[..] } else { &[] };
    Question {
        plus,
        minus,
        arms: others.iter().map(find).collect(),
        pairing: asked.pairing(),
        layers: &asked.layers,
        lens: Lens::primary(),
        end: None,
    }
}
