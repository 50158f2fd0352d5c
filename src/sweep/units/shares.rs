//! What is left of a plan, cut into job arrays.

use std::ops::RangeInclusive;

use super::plan::{UnitKind, UnitPlan};
use super::status::{UnitState, UnitStatus};

/// Tasks of one job array.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    /// What their units do.
    pub kind: UnitKind,
    /// The units that the numbers of tasks count from.
    pub units: RangeInclusive<usize>,
    /// The numbers of the tasks, rising.
    pub tasks: Vec<usize>,
    /// The batch of trainings, by its position, whose task of the same number comes before.
    pub after: Option<usize>,
}

/// Job arrays of at most `most` tasks with `pack` units each, for all units of runs that are
/// neither done nor being worked on. The analysis of a run comes after its training; both have
/// the same number in their arrays.
///
/// # Panics
/// If `pack` or `most` is 0.
pub fn batches(
    plan: &UnitPlan,
    units: &[UnitStatus],
    pack: usize,
    most: usize,
) -> Vec<Batch> {
    assert!(pack > 0 && most > 0, "{pack} units a task, {most} tasks");
    let n = plan.runs.len();
    let is_left =
        |unit: usize| !matches!(units[unit].state, UnitState::Done | UnitState::Running);
    let mut batches = Vec::new();
    for first in (0..n).step_by(pack.saturating_mul(most)) {
        let last = (first + pack.saturating_mul(most)).min(n) - 1;
        let left = |offset: usize| -> Vec<usize> {
            let tasks = 0..=(last - first) / pack;
            let is_due = |task: &usize| {
                let begin = first + task * pack;
                (begin..=last.min(begin + pack - 1)).any(|run| is_left(offset + run))
            };
            tasks.filter(is_due).collect()
        };
        let (training, analysis) = (left(0), left(n));
        let (after, at_once): (Vec<usize>, Vec<usize>) =
            analysis.into_iter().partition(|task| training.binary_search(task).is_ok());
        let of_analysis = first + n..=last + n;
        let position = batches.len();
        let batch = |kind, units, tasks, after| Batch { kind, units, tasks, after };
        let own = [
            batch(UnitKind::Train, first..=last, training, None),
            batch(UnitKind::Analyze, of_analysis.clone(), after, Some(position)),
            batch(UnitKind::Analyze, of_analysis, at_once, None),
        ];
        batches.extend(own.into_iter().filter(|batch| !batch.tasks.is_empty()));
    }
    batches
}

impl Batch {
    /// The numbers of the tasks as schedulers write them: `0-4,7,9-12`.
    pub fn list(&self) -> String {
        let mut ranges: Vec<(usize, usize)> = Vec::new();
        for &task in &self.tasks {
            match ranges.last_mut() {
                Some((_, last)) if *last + 1 == task => *last = task,
                _ => ranges.push((task, task)),
            }
        }
        let text = |&(first, last): &(usize, usize)| {
            if first == last { first.to_string() } else { format!("{first}-{last}") }
        };
        ranges.iter().map(text).collect::<Vec<_>>().join(",")
    }
}

#[cfg(test)]
pub(in crate::sweep) mod tests {
    use super::*;
    use crate::sweep::units::plan::{Unit, UnitRun};
    use crate::sweep::units::{Keep, UnitState::*};

    /// A plan of `n` runs that are in these states, first of all trainings.
    pub(in crate::sweep) fn plan(states: &[UnitState]) -> (UnitPlan, Vec<UnitStatus>) {
        let n = states.len() / 2;
        let run = |at: usize| UnitRun {
            name: format!("run-{at}"),
            experiment: String::new(),
            data_sha256: String::new(),
        };
        let kind = |at: usize| match at {
            at if at < n => UnitKind::Train,
            at if at < 2 * n => UnitKind::Analyze,
            _ => UnitKind::Gather,
        };
        let unit = |at: usize| Unit {
            id: at.to_string(),
            kind: kind(at),
            run: (at < 2 * n).then(|| at % n),
            seconds: 1.0,
        };
        let plan = UnitPlan {
            format: 1,
            stratagram: String::new(),
            git: None,
            heartbeat: 15.0,
            keep: Keep::All,
            runs: (0..n).map(run).collect(),
            units: (0..=2 * n).map(unit).collect(),
            folder: "/data/my runs".into(),
        };
        let states = states.iter().copied().chain([Waiting]);
        let status = |(index, state)| UnitStatus {
            index,
            kind: kind(index),
            run: None,
            state,
            error: None,
            seconds: 0.0,
            estimate: 1.0,
        };
        let units = states.enumerate().map(status).collect();
        (plan, units)
    }

    fn shown(batches: &[Batch]) -> Vec<String> {
        let show = |batch: &Batch| {
            let Batch { kind, units, after, .. } = batch;
            format!("{} {units:?} [{}] after {after:?}", kind.name(), batch.list())
        };
        batches.iter().map(show).collect()
    }

    #[test]
    fn a_new_plan_is_cut_into_arrays_and_packs() {
        let (plan, units) = plan(&[Waiting; 20]);
        assert_eq!(
            shown(&batches(&plan, &units, 1, 1001)),
            ["train 0..=9 [0-9] after None", "analyze 10..=19 [0-9] after Some(0)"]
        );
        assert_eq!(
            shown(&batches(&plan, &units, 2, 3)),
            [
                "train 0..=5 [0-2] after None",
                "analyze 10..=15 [0-2] after Some(0)",
                "train 6..=9 [0-1] after None",
                "analyze 16..=19 [0-1] after Some(2)"
            ]
        );
    }

    #[test]
    fn only_what_is_left_is_submitted_again() {
        // Trainings, then analyses, of five runs.
        let (plan, units) = plan(&[
            Done, Done, Failed, Stopped, Running, //
            Done, Waiting, Waiting, Waiting, Waiting,
        ]);
        assert_eq!(
            shown(&batches(&plan, &units, 1, 1001)),
            [
                "train 0..=4 [2-3] after None",
                "analyze 5..=9 [2-3] after Some(0)",
                "analyze 5..=9 [1,4] after None"
            ]
        );
        let (plan, units) = self::plan(&[Done; 10]);
        assert!(batches(&plan, &units, 1, 10).is_empty());
    }

    #[test]
    fn every_unit_that_is_left_is_in_a_task() {
        let states = [Done, Waiting, Failed, Waiting, Done, Done, Waiting];
        let all: Vec<UnitState> = states.iter().chain(&states).copied().collect();
        let (plan, units) = plan(&all);
        for pack in 1..9 {
            for most in 1..9 {
                let mut covered = [false; 14];
                for batch in batches(&plan, &units, pack, most) {
                    assert!(batch.tasks.last().unwrap() < &most);
                    let share = crate::sweep::units::Share { units: batch.units, pack };
                    for task in batch.tasks {
                        share
                            .of_task(task)
                            .unwrap()
                            .for_each(|unit| covered[unit] = true);
                    }
                }
                let is_left = |at: &usize| all[*at] != Done;
                assert!((0..14).filter(is_left).all(|at| covered[at]), "{pack} {most}");
            }
        }
    }
}
