//! `effects.csv`: one row per statement, endpoint, variant and seed.

use serde::Serialize;

use crate::compare::evaluate::Evaluated;
use crate::compare::runs::Lens;
use crate::compare::sample::SeedValues;
use crate::compare::statements::Part;

/// The columns of `effects.csv`.
pub(super) const COLUMNS: [&str; 12] = [
    "statement",
    "endpoint",
    "variant",
    "measure",
    "group",
    "layer",
    "plus",
    "minus",
    "seed",
    "value_plus",
    "value_minus",
    "difference",
];

/// One row of `effects.csv`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Effect {
    /// The statement with its name; an endpoint's name where that is asked for.
    pub statement: String,
    /// What is measured.
    pub endpoint: String,
    /// `primary`, the name of a variant, or `beside` for numbers without a verdict.
    pub variant: String,
    /// The measure.
    pub measure: String,
    /// The examples.
    pub group: String,
    /// Of a value of one layer; empty for means over layers.
    pub layer: String,
    /// The first arm, or all over which a slope is taken.
    pub plus: String,
    /// The second arm; empty without one.
    pub minus: String,
    /// The seed.
    pub seed: String,
    /// The value of the first arm.
    pub value_plus: Option<f64>,
    /// The value of the second arm.
    pub value_minus: Option<f64>,
    /// Their difference; empty where runs are not paired.
    pub difference: Option<f64>,
}

/// The rows of a statement.
pub(crate) fn rows(evaluated: &Evaluated<'_>) -> Vec<Effect> {
    let primary = Lens::primary();
    let own = evaluated.parts.iter().map(|part| (primary.name(), &primary, part));
    let variants =
        evaluated.variants.iter().map(|(lens, part)| (lens.name(), lens, part));
    let beside = evaluated.beside.iter().map(|part| ("beside", &primary, part));
    own.chain(variants)
        .chain(beside)
        .flat_map(|(variant, lens, part)| of_part(evaluated, (variant, lens), part))
        .collect()
}

fn of_part(
    evaluated: &Evaluated<'_>,
    (variant, lens): (&str, &Lens),
    part: &Part,
) -> Vec<Effect> {
    let asked = evaluated.asked;
    let is_difference = part.sample.rows.iter().any(|row| row.minus.is_some());
    let (plus, minus) = match (&asked.plus, &asked.minus) {
        (Some(plus), Some(minus)) if is_difference => (plus.clone(), minus.clone()),
        (Some(plus), None) => (plus.clone(), String::new()),
        _ => {
            let names: Vec<&str> =
                evaluated.arms.iter().map(|arm| arm.name.as_str()).collect();
            (names.join(" "), String::new())
        }
    };
    let row = |seed: &SeedValues| Effect {
        statement: asked.title(),
        endpoint: part.endpoint.clone(),
        variant: variant.into(),
        measure: lens.measure.clone(),
        group: lens.group(part.group).into(),
        layer: part.layer.clone().unwrap_or_default(),
        plus: plus.clone(),
        minus: minus.clone(),
        seed: seed.seed.clone(),
        value_plus: seed.plus,
        value_minus: seed.minus,
        difference: seed.difference(),
    };
    part.sample.rows.iter().map(row).collect()
}
