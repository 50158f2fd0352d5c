//! Endpoints: numbers that are compared over seeds. One file each, or a few that belong
//! together; [`ALL`] is the list.

mod asynchrony;
mod bottom_up;
mod coherence;
mod depth_contrast;
mod depth_spearman;
mod descent;
mod distinctness;
mod drop_at_fit;
mod endpoint;
mod settling_offset;
mod visible;

pub(crate) use asynchrony::ASYNCHRONY;
pub(crate) use depth_contrast::{DEPTH_CONTRAST, DEPTH_CONTRAST_OF_SEEDS};
pub(crate) use depth_spearman::DEPTH_MOVEMENT;
pub(crate) use distinctness::{BURST, DISTINCTNESS, EXCESS_DISTINCTNESS, STEP};
pub(crate) use drop_at_fit::{MEMORIZED_DROP, MEMORIZED_EXCESS};
pub(crate) use endpoint::{Endpoint, Value};
pub(crate) use visible::{VISIBLE, VISIBLE_LINEAR};

/// All endpoints, in the order of pages and tables. Each may be asked for as an exploratory
/// statement: interval, no verdict.
pub(crate) const ALL: [&Endpoint; 21] = [
    &DISTINCTNESS,
    &BURST,
    &STEP,
    &EXCESS_DISTINCTNESS,
    &VISIBLE,
    &VISIBLE_LINEAR,
    &drop_at_fit::DROP,
    &drop_at_fit::EXCESS,
    &MEMORIZED_DROP,
    &MEMORIZED_EXCESS,
    &settling_offset::SETTLING_OFFSET,
    &ASYNCHRONY,
    &coherence::EXCESS_COHERENCE,
    &DEPTH_CONTRAST,
    &DEPTH_CONTRAST_OF_SEEDS,
    &DEPTH_MOVEMENT,
    &bottom_up::SETTLED_BY_DEPTH,
    &bottom_up::HALF_TIME_BY_DEPTH,
    &descent::RISE,
    &descent::FALL,
    &descent::READOUT,
];

/// The endpoint of that name.
pub(crate) fn of_name(name: &str) -> Option<&'static Endpoint> {
    ALL.into_iter().find(|endpoint| endpoint.name == name)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_are_unique_and_find_their_endpoint() {
        let names: BTreeSet<&str> = ALL.iter().map(|endpoint| endpoint.name).collect();
        assert_eq!(names.len(), ALL.len());
        for name in names {
            assert_eq!(of_name(name).unwrap().name, name);
        }
        assert!(of_name("no endpoint").is_none());
    }
}
