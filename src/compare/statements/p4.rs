//! P4: distinctness of the phases of memorization by optimizer.

use super::conditions::{first, noisy, same_fit};
use super::definition::{Definition, Reading, Source, VARIANTS, two_arms};
use super::part::Part;
use crate::compare::endpoints::{MEMORIZED_DROP, MEMORIZED_EXCESS};
use crate::compare::sample::Pairing;
use crate::findings::seeds::Direction;

/// Mean over layers of the fall of the roughness on corrupted examples where they are fitted.
pub(super) const P4: Definition = Definition {
    id: "P4",
    text: "the phases of memorization are more distinguishable with SGD than with Adam",
    source: Source::V2,
    direction: Direction::Positive,
    d: Some(0.2),
    unit: "e-folds",
    pairing: Pairing::Seed,
    needs: two_arms(2),
    differ: &["optimizer.*"],
    variants: VARIANTS,
    condition: |question| first(&[noisy(question), same_fit(question)]),
    readings: &[
        (Reading::AsStated, |question| {
            vec![Part::above(&MEMORIZED_DROP, question.sample(&MEMORIZED_DROP), 0.0)]
        }),
        (Reading::BeyondWeights, |question| {
            vec![Part::above(&MEMORIZED_EXCESS, question.sample(&MEMORIZED_EXCESS), 0.0)]
        }),
    ],
    beside: |_| vec![],
};
