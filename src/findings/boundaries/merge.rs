//! Boundaries: bursts and the settling, merged where they are one, with what happened near
//! them (sections 1.5 and 1.6).

use serde::{Deserialize, Serialize};

use super::bursts::{Bursts, span};
use super::event::Event;
use super::schedule::Schedule;
use super::settling::{Settling, Steps};
use crate::findings::axis::epoch_of;
use crate::findings::defaults::{ALPHA, MIN_STEP, TOLERANCE};

/// Log time that a boundary must leave on each side.
const EDGE_TIME: f64 = 0.4;
/// Checkpoints that it must leave on each side.
const EDGE_CHECKPOINTS: usize = 3;

/// What happens at a boundary.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum BoundaryKind {
    /// The layer moves faster than before and after.
    #[serde(rename = "burst")]
    Burst,
    /// Its roughness falls.
    #[serde(rename = "settling")]
    Settling,
    /// Its roughness rises.
    #[serde(rename = "unsettling")]
    Unsettling,
    /// Its roughness falls where it moves fast: one boundary, not two.
    #[serde(rename = "burst+settling")]
    BurstAndSettling,
}

impl BoundaryKind {
    /// The name used in files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Burst => "burst",
            Self::Settling => "settling",
            Self::Unsettling => "unsettling",
            Self::BurstAndSettling => "burst+settling",
        }
    }

    /// Whether its roughness falls.
    pub fn settles(self) -> bool {
        matches!(self, Self::Settling | Self::BurstAndSettling)
    }
}

/// What a boundary follows from, where that is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Cause {
    /// The learning rate changes by at least half as much (in e-folds) across it.
    Schedule,
}

/// One boundary of one layer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Boundary {
    /// What happens.
    pub kind: BoundaryKind,
    /// When: of a burst its peak, of a settling its steepest cut.
    #[serde(serialize_with = "crate::phases::whole")]
    pub epoch: f64,
    /// Start of the run of cuts that are at least half as high.
    #[serde(serialize_with = "crate::phases::whole")]
    pub from: f64,
    /// Its end.
    #[serde(serialize_with = "crate::phases::whole")]
    pub to: f64,
    /// ln(1 + epoch).
    pub log_time: f64,
    /// Prominence of a burst, step of a settling, in e-folds.
    pub size: f64,
    /// Its p-value.
    pub p: f64,
    /// Whether it is too near an end of the axis to separate phases: fewer than 3
    /// checkpoints or less than 0.4 of log time on a side.
    pub edge: bool,
    /// ln of the learning rate after over before it; none without a history.
    pub schedule_step: Option<f64>,
    /// `schedule` where `|schedule_step|` ≥ |size|/2.
    pub cause: Option<Cause>,
    /// The nearest event.
    pub event: Option<String>,
    /// Log time from that event to the boundary: positive where the event comes first.
    pub event_distance: Option<f64>,
    /// How many of the four other detectors have a cut within ln 1.5.
    pub detectors_within: usize,
}

impl Boundary {
    /// Whether it may be called after its event: that is within ln 1.5.
    pub fn is_at_event(&self) -> bool {
        self.event_distance.is_some_and(|distance| distance.abs() <= TOLERANCE)
    }
}

/// What the tests of one layer found, and what is known of its run.
#[derive(Debug, Clone, Copy)]
pub struct Found<'a> {
    /// Log times of the checkpoints.
    pub x: &'a [f64],
    /// Times of the cuts of the log speed.
    pub times: &'a [f64],
    /// The log speed.
    pub log_speed: &'a [f64],
    /// Its bursts.
    pub bursts: &'a Bursts,
    /// The steps of its roughness.
    pub steps: &'a Steps,
    /// What happened in the run.
    pub events: &'a [Event],
    /// Its learning rates.
    pub schedule: Option<&'a Schedule>,
    /// The cuts (log times) of the other detectors.
    pub detectors: [&'a [f64]; 4],
}

/// The boundaries of a layer in the order of time.
///
/// A burst within ln 1.5 of a more prominent one is part of that. A settling (p ≤ 0.05 and
/// |step| ≥ ln 2) within ln 1.5 of a burst belongs to the burst: where drift is diffusive, a
/// burst changes the roughness, too. If the roughness falls there, the kind is
/// `burst+settling`; a rise is the burst's own.
pub fn boundaries(found: &Found<'_>) -> Vec<Boundary> {
    let mut merged: Vec<Boundary> = vec![];
    for burst in &found.bursts.accepted {
        let half = found.log_speed[burst.cut] - burst.prominence / 2.0;
        let ends = span(found.times.len(), burst.cut, |cut| found.log_speed[cut] >= half);
        let mark = Mark {
            time: found.times[burst.cut],
            ends: ends.map(|cut| found.times[cut]),
            size: burst.prominence,
            p: burst.p,
        };
        if near(&merged, mark.time).is_none() {
            merged.push(found.boundary(BoundaryKind::Burst, mark));
        }
    }
    let settling = found.steps.settling();
    if settling.p <= ALPHA && settling.step.abs() >= MIN_STEP {
        add_settling(&mut merged, found, settling);
    }
    merged.sort_by(|a, b| a.log_time.total_cmp(&b.log_time));
    merged
}

fn add_settling(merged: &mut Vec<Boundary>, found: &Found<'_>, settling: Settling) {
    if let Some(burst) = near(merged, settling.time) {
        if settling.step < 0.0 {
            merged[burst].kind = BoundaryKind::BurstAndSettling;
        }
        return;
    }
    let times = &found.steps.times;
    let direction = settling.step.signum();
    let ends = span(times.len(), settling.cut, |cut| {
        found.steps.observed[cut] * direction >= settling.step.abs() / 2.0
    });
    let kind = if settling.step < 0.0 {
        BoundaryKind::Settling
    } else {
        BoundaryKind::Unsettling
    };
    let ends = ends.map(|cut| times[cut]);
    let mark = Mark { time: settling.time, ends, size: settling.step, p: settling.p };
    merged.push(found.boundary(kind, mark));
}

/// The boundary nearest to `time`, if it is within ln 1.5.
fn near(merged: &[Boundary], time: f64) -> Option<usize> {
    let distance = |at: &usize| (merged[*at].log_time - time).abs();
    (0..merged.len())
        .filter(|at| distance(at) <= TOLERANCE)
        .min_by(|a, b| distance(a).total_cmp(&distance(b)))
}

/// A burst or settling before it is described.
#[derive(Clone, Copy)]
struct Mark {
    time: f64,
    ends: [f64; 2],
    size: f64,
    p: f64,
}

impl Found<'_> {
    fn boundary(&self, kind: BoundaryKind, mark: Mark) -> Boundary {
        let event = self.nearest_event(mark.time);
        let schedule_step = self.schedule.and_then(|s| s.step_at(mark.time));
        let caused =
            schedule_step.is_some_and(|step| step.abs() >= mark.size.abs() / 2.0);
        let has_near =
            |cuts: &[f64]| cuts.iter().any(|cut| (cut - mark.time).abs() <= TOLERANCE);
        Boundary {
            kind,
            epoch: epoch_of(mark.time),
            from: epoch_of(mark.ends[0]),
            to: epoch_of(mark.ends[1]),
            log_time: mark.time,
            size: mark.size,
            p: mark.p,
            edge: self.is_edge(mark.time),
            schedule_step,
            cause: caused.then_some(Cause::Schedule),
            event: event.map(|(event, _)| event.name.clone()),
            event_distance: event.map(|(_, distance)| distance),
            detectors_within: self.detectors.iter().filter(|cuts| has_near(cuts)).count(),
        }
    }

    fn is_edge(&self, time: f64) -> bool {
        let (first, last) = (self.x[0], self.x[self.x.len() - 1]);
        let before = self.x.iter().filter(|x| **x < time).count();
        time - first < EDGE_TIME
            || last - time < EDGE_TIME
            || before.min(self.x.len() - before) < EDGE_CHECKPOINTS
    }

    /// The event nearest to `time` and the log time from it, the first among equals.
    fn nearest_event(&self, time: f64) -> Option<(&Event, f64)> {
        self.events
            .iter()
            .filter_map(|event| Some((event, time - event.epoch?.ln_1p())))
            .min_by(|a, b| a.1.abs().total_cmp(&b.1.abs()))
    }
}
