//! P5: distinctness of phases by architecture.

use super::definition::{Definition, Reading, Source, VARIANTS, two_arms};
use super::part::Part;
use crate::compare::endpoints::{BURST, DISTINCTNESS, EXCESS_DISTINCTNESS, STEP};
use crate::compare::sample::Pairing;
use crate::findings::seeds::Direction;

/// Mean over layers of Λ, of these vision transformers against these residual nets.
pub(super) const P5: Definition = Definition {
    id: "P5",
    text: "the phases are more distinguishable for the vision transformer than for ResNet",
    source: Source::V2,
    direction: Direction::Positive,
    d: Some(0.2),
    unit: "e-folds",
    pairing: Pairing::None,
    needs: two_arms(1),
    differ: &["*"],
    variants: VARIANTS,
    condition: |_| None,
    readings: &[
        (Reading::AsStated, |question| {
            vec![Part::above(&DISTINCTNESS, question.sample(&DISTINCTNESS), 0.0)]
        }),
        (Reading::BeyondWeights, |question| {
            let sample = question.sample(&EXCESS_DISTINCTNESS);
            vec![Part::above(&EXCESS_DISTINCTNESS, sample, 0.0)]
        }),
    ],
    beside: |question| {
        [&BURST, &STEP]
            .map(|endpoint| Part::above(endpoint, question.sample(endpoint), 0.0))
            .into()
    },
};
