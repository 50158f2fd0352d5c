//! Boundaries between phases: bursts of speed (section 1.4), settlings of roughness (1.5), and
//! the phases between them (1.6).

mod bursts;
mod event;
mod merge;
mod phases;
mod power_law;
mod schedule;
mod settling;

pub use bursts::{Burst, Bursts, bursts, span};
pub use event::{Event, PERFECT_FIT};
pub(super) use event::{as_map, from_map};
pub use merge::{Boundary, BoundaryKind, Cause, Found, boundaries};
pub use phases::{Phase, phases};
pub use power_law::PowerLaws;
pub use schedule::Schedule;
pub(super) use settling::largest_step;
pub use settling::{Settling, StepCurve, Steps};
