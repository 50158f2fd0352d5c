//! P6: synchrony of layers by architecture.

use super::conditions::{constant_schedule, first};
use super::definition::{Definition, Reading, Source, VARIANTS, two_arms};
use super::part::Part;
use super::question::Question;
use crate::compare::endpoints::ASYNCHRONY;
use crate::compare::runs::{Arm, layers_of};
use crate::compare::sample::Pairing;
use crate::findings::seeds::Direction;

/// Relative asynchrony, ResNet's (`plus`) less the vision transformer's (`minus`).
pub(super) const P6: Definition = Definition {
    id: "P6",
    text: "the vision transformer's layers evolve synchronously, ResNet's do not",
    source: Source::V2,
    direction: Direction::Positive,
    d: Some(0.04),
    unit: "",
    pairing: Pairing::None,
    needs: two_arms(1),
    differ: &["*"],
    variants: VARIANTS,
    condition: |question| first(&[as_many_layers(question), constant_schedule(question)]),
    readings: &[(Reading::AsStated, |question| {
        vec![Part::above(&ASYNCHRONY, question.sample(&ASYNCHRONY), 0.0)]
    })],
    beside: |_| vec![],
};

/// Asynchrony depends on how many layers there are.
fn as_many_layers(question: &Question<'_>) -> Option<String> {
    let count = |arm: &Arm| {
        arm.runs.first().map_or(0, |run| layers_of(run, question.layers).len())
    };
    let (plus, minus) = (question.plus(), question.minus());
    (count(plus) != count(minus)).then(|| {
        let [a, b] = [count(plus), count(minus)];
        format!("{} has {a} layers, {} has {b}", plus.name, minus.name)
    })
}
