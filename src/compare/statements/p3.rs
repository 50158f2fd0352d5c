//! P3: distinctness of phases by optimizer.

use super::conditions::same_fit;
use super::definition::{Definition, Reading, Source, VARIANTS, two_arms};
use super::part::Part;
use crate::compare::endpoints::{
    BURST, DISTINCTNESS, EXCESS_DISTINCTNESS, STEP, VISIBLE, VISIBLE_LINEAR,
};
use crate::compare::sample::Pairing;
use crate::findings::seeds::Direction;

/// Mean over layers of Λ, at three rates each.
pub(super) const P3: Definition = Definition {
    id: "P3",
    text: "the phases are more distinguishable with SGD than with Adam",
    source: Source::V2,
    direction: Direction::Positive,
    d: Some(0.2),
    unit: "e-folds",
    pairing: Pairing::Seed,
    needs: two_arms(2),
    differ: &["optimizer.*"],
    variants: VARIANTS,
    condition: same_fit,
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
        [&BURST, &STEP, &VISIBLE, &VISIBLE_LINEAR]
            .map(|endpoint| Part::above(endpoint, question.sample(endpoint), 0.0))
            .into()
    },
};
