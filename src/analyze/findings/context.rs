//! What is known of a run besides its matrices: events, learning rates, double descent.

use super::answers;
use super::source::Source;
use crate::error::Result;
use crate::findings::RunContext;
use crate::findings::axis::{log_time, used_checkpoints};
use crate::findings::boundaries::{Event, PERFECT_FIT, Schedule};
use crate::findings::defaults::DRAWS;
use crate::findings::halves::DoubleDescent;
use crate::phases::{Phases, Verdict};
use crate::run_dir::RunDir;
use crate::run_dir::tables::HistoryRow;

/// Error on clean labels from which on they are learned.
const LEARNED: f64 = 0.1;
/// Fraction of wrong labels given from which on they are being memorized.
const MEMORIZING: f64 = 0.5;

/// What is known of a run.
pub(super) struct Context {
    events: Vec<Event>,
    schedule: Option<Schedule>,
    window: Option<[f64; 2]>,
    pub(super) double_descent: DoubleDescent,
}

impl Context {
    /// Of a run with checkpoints at these epochs.
    pub(super) fn of(run: &RunDir, source: &Source<'_>, epoch: &[f64]) -> Result<Self> {
        let phases =
            if run.has_errors() { Some(Phases::of(&run.curves()?)) } else { None };
        // A recording's table may hold what its program likes; errors alone are needed.
        let history: Vec<HistoryRow> = match run.rows() {
            Err(error) if source.milestones.is_some() => return Err(error),
            history => history.unwrap_or_default(),
        };
        let measured = answers::read(run, source, epoch.len(), phases.as_ref())?;
        let (double_descent, points) = match measured {
            Some(answers) => answers.double_descent(epoch),
            None => (DoubleDescent::unpaired(), on_curve(phases.as_ref())),
        };
        let lr: Vec<f64> = history.iter().map(|row| row.lr.0).collect();
        let at: Vec<f64> = history.iter().map(|row| row.epoch.0).collect();
        let milestones =
            source.milestones.clone().unwrap_or_else(|| milestones(&at, &lr));
        Ok(Self {
            events: events(&history, phases.as_ref(), &milestones),
            schedule: lr
                .iter()
                .any(|rate| rate.is_finite())
                .then(|| Schedule::new(&at, &lr)),
            window: points.map(|points| at_checkpoints(points, epoch)),
            double_descent,
        })
    }

    /// As the findings take it.
    pub(super) fn of_run(&self) -> RunContext<'_> {
        RunContext {
            events: &self.events,
            schedule: self.schedule.as_ref(),
            window: self.window,
            draws: DRAWS,
        }
    }
}

/// First and second minimum of a double descent of the curve.
fn on_curve(phases: Option<&Phases>) -> Option<[f64; 2]> {
    let found = &phases?.double_descent;
    let is_one = found.verdict == Some(Verdict::DoubleDescent);
    found.min.zip(found.second_min).filter(|_| is_one).map(|(min, second)| [min, second])
}

/// The nearest checkpoints used.
fn at_checkpoints(points: [f64; 2], epoch: &[f64]) -> [f64; 2] {
    let used = used_checkpoints(epoch, &vec![true; epoch.len()]);
    let used: Vec<f64> = used.into_iter().map(|i| epoch[i]).collect();
    let x = log_time(&used);
    points.map(|point| {
        let distance = |i: &usize| (x[*i] - point.ln_1p()).abs();
        let nearest = (0..x.len()).min_by(|i, j| distance(i).total_cmp(&distance(j)));
        nearest.map_or(point, |nearest| used[nearest])
    })
}

/// What happened when; none of what never did.
fn events(
    history: &[HistoryRow],
    phases: Option<&Phases>,
    milestones: &[f64],
) -> Vec<Event> {
    let first = |is: &dyn Fn(&HistoryRow) -> bool| {
        history.iter().find(|row| is(row)).map(|row| row.epoch.0)
    };
    let fit = phases.map(|phases| &phases.perfect_fit);
    let corrupted = fit.and_then(|fit| fit.corrupted.as_ref());
    let is_there = |verdict: Option<Verdict>| {
        matches!(verdict, Some(Verdict::DoubleDescent | Verdict::UShape))
    };
    let curve = phases.map(|phases| &phases.double_descent);
    let curve = curve.filter(|curve| is_there(curve.verdict));
    let mut events = vec![
        Event::new("clean-learned", first(&|row| row.train_error_clean.0 <= LEARNED)),
        Event::new("memorizing", first(&|row| row.memorized.0 >= MEMORIZING)),
        Event::new(PERFECT_FIT, fit.and_then(|fit| fit.epoch)),
        Event::new("corrupted-fit", corrupted.and_then(|corrupted| corrupted.epoch)),
        Event::new("min", curve.and_then(|curve| curve.min)),
        Event::new("peak", curve.and_then(|curve| curve.peak)),
        Event::new("second-min", curve.and_then(|curve| curve.second_min)),
    ];
    let named = milestones.iter().zip(1..);
    events.extend(named.map(|(at, i)| Event::new(&format!("milestone-{i}"), Some(*at))));
    events
}

/// Epochs from which on a rate that was constant is another constant, by a factor of at least
/// 1.5.
fn milestones(epoch: &[f64], rate: &[f64]) -> Vec<f64> {
    let changes = |i: &usize| {
        let change = |i: usize| (rate[i + 1] / rate[i]).ln().abs();
        let is_constant = |i: usize| change(i) < 1e-12;
        is_constant(i - 2) && is_constant(*i) && change(i - 1) >= 1.5_f64.ln()
    };
    (2..rate.len().saturating_sub(1)).filter(changes).map(|i| epoch[i]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run_dir::{Maybe, Number};

    #[test]
    fn a_rate_has_milestones_where_it_jumps_from_one_constant_to_another() {
        let epoch: Vec<f64> = (0..9).map(f64::from).collect();
        let rate = [0.1, 0.1, 0.1, 0.01, 0.01, 0.01, 0.001, 0.001, 0.001];
        assert_eq!(milestones(&epoch, &rate), [3.0, 6.0]);
        let decay: Vec<f64> = epoch.iter().map(|e| 0.1 / (1.0 + e)).collect();
        assert_eq!(milestones(&epoch, &decay), [0.0; 0]);
        assert_eq!(milestones(&epoch, &[f64::NAN; 9]), [0.0; 0]);
        assert_eq!(milestones(&[], &[]), [0.0; 0]);
    }

    #[test]
    fn events_are_the_first_rows_that_reach_them() {
        let row = |epoch: f64, clean: f64, memorized: f64| HistoryRow {
            epoch: Number(epoch),
            train_error_clean: Maybe(clean),
            memorized: Maybe(memorized),
            ..HistoryRow::default()
        };
        let history = [row(0.0, 0.9, 0.1), row(3.0, 0.1, 0.2), row(9.0, 0.0, f64::NAN)];
        let events = events(&history, None, &[5.0]);
        let at =
            |name: &str| events.iter().find(|event| event.name == name).unwrap().epoch;
        assert_eq!(at("clean-learned"), Some(3.0));
        assert_eq!((at("memorizing"), at(PERFECT_FIT)), (None, None));
        assert_eq!(at("milestone-1"), Some(5.0));
    }
}
