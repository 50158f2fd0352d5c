//! P8: relative depth.

use super::conditions::noisy;
use super::definition::{Definition, KAPPA_VARIANTS, Needs, Reading, Source};
use super::part::Part;
use crate::compare::endpoints::DEPTH_MOVEMENT;
use crate::compare::sample::Pairing;
use crate::findings::seeds::Direction;

/// Spearman's correlation of depth with movement from the first minimum to the end.
pub(super) const P8: Definition = Definition {
    id: "P8",
    text: "the patterns depend on relative depth",
    source: Source::V1,
    direction: Direction::Positive,
    d: Some(0.3),
    unit: "",
    pairing: Pairing::Seed,
    needs: Needs { plus: true, minus: false, arms: 0, also: 0 },
    differ: &[],
    variants: KAPPA_VARIANTS,
    condition: noisy,
    readings: &[(Reading::AsStated, |question| {
        vec![Part::above(&DEPTH_MOVEMENT, question.sample(&DEPTH_MOVEMENT), 0.0)]
    })],
    beside: |_| vec![],
};
