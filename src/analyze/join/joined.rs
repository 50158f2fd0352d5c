//! What an earlier analysis has joined, and what is still wanted of each checkpoint.
//!
//! `matrices/axis.csv` is written last and is the sign that all files hold all its steps.

use super::known::Known;
use crate::analyze::part::Wanted;
use crate::analyze::plan::Plan;
use crate::analyze::store::Stamp;
use crate::error::Result;
use crate::run_dir::tables::AxisRow;
use crate::run_dir::{Checkpoint, Number, Place, RunDir, RunFile};
use crate::similarity::Measure;

/// Steps and epochs of the checkpoints whose rows are in the joined files.
pub(crate) fn axis(run: &RunDir) -> Result<Vec<(u64, f64)>> {
    Ok(run.rows::<AxisRow>()?.into_iter().map(|row| (row.step, row.epoch.0)).collect())
}

/// Whether the joined files are of these checkpoints.
pub(crate) fn is_axis_of(run: &RunDir, checkpoints: &[Checkpoint]) -> Result<bool> {
    let axis = axis(run)?;
    Ok(axis.iter().map(|(step, _)| *step).eq(checkpoints.iter().map(|c| c.step)))
}

/// Writes `matrices/axis.csv`, then removes the parts.
pub(crate) fn finish(run: &RunDir, checkpoints: &[Checkpoint]) -> Result<()> {
    let row = |c: &Checkpoint| AxisRow { step: c.step, epoch: Number(c.epoch) };
    run.write_rows(&checkpoints.iter().map(row).collect::<Vec<_>>())?;
    run.remove_files(&[RunFile::Part, RunFile::LayerPart], |_| true)
}

/// Of how many of the first checkpoints each kind of result is joined.
#[derive(Debug)]
pub(crate) struct Joined {
    /// `representations.csv`, `collapse.csv`.
    pub(crate) representations: usize,
    /// `probes.csv`, `prediction_depth.csv`.
    pub(crate) probes: usize,
    /// All that is made of decisions.
    pub(crate) decisions: usize,
    measures: Vec<(Measure, usize)>,
    /// The matrices of these, where they are joined.
    pub(crate) known: Known,
    is_whole: bool,
}

impl Joined {
    /// What a run holds of these checkpoints.
    pub(crate) fn of(
        plan: &Plan,
        checkpoints: &[Checkpoint],
        stamp: &Stamp,
    ) -> Result<Self> {
        let run = plan.run;
        let is_axis = is_axis_of(run, checkpoints)?;
        let axis = axis(run)?;
        let same = |(own, c): &(&(u64, f64), &Checkpoint)| own.0 == c.step;
        let n_axis = axis.iter().zip(checkpoints).take_while(same).count();
        let has = |file: RunFile| file.path(run.root()).is_file();
        let of = |is_there: bool| if is_there { n_axis } else { 0 };
        let tables = [RunFile::Geometry, RunFile::Layers, RunFile::Floor];
        let known = known_of(run, checkpoints, stamp);
        let n_of = |&measure: &Measure| {
            let is_known = |place| known.get(place).is_some() && is_joined(run, place);
            let is_whole = plan.places_of(measure).all(is_known);
            (measure, if is_whole { known.steps.len() } else { 0 })
        };
        let measures = &plan.experiment.analysis.measures;
        let has_matrices = measures
            .iter()
            .flat_map(|measure| plan.places_of(*measure))
            .all(|place| is_joined(run, place));
        let has_representations = has(RunFile::Representations) && has(RunFile::Collapse);
        let has_probes = has(RunFile::Probes) && has(RunFile::PredictionDepth);
        let has_decisions = tables.into_iter().all(has) && has_decisions(plan);
        // Why rows of them are undefined, only the known matrices say.
        let is_known = plan.places_of_decisions().all(|place| known.get(place).is_some());
        let n_decided = of(has_decisions && is_known).min(known.steps.len());
        Ok(Self {
            representations: of(has_representations),
            probes: of(has_probes),
            decisions: n_decided,
            measures: measures.iter().map(n_of).collect(),
            is_whole: is_axis
                && has_representations
                && has_probes
                && has_decisions
                && has_matrices
                && has(RunFile::Matrices)
                && has(RunFile::Noise)
                && RunFile::Part.list(run.root())?.is_empty(),
            known,
        })
    }

    /// Of how many checkpoints the signatures of a measure are joined.
    pub(crate) fn of_measure(&self, measure: Measure) -> usize {
        self.measures.iter().find(|(own, _)| *own == measure).map_or(0, |(_, n)| *n)
    }

    /// Whether all results are there, of all checkpoints.
    pub(crate) fn is_whole(&self) -> bool {
        self.is_whole
    }

    /// What is wanted of the checkpoint at this position.
    pub(crate) fn wanted(&self, at: usize) -> Wanted {
        let measures = self.measures.iter().filter(|(_, n)| at >= *n);
        Wanted {
            measures: measures.map(|(measure, _)| *measure).collect(),
            representations: at >= self.representations,
            probes: at >= self.probes,
            decisions: at >= self.decisions,
        }
    }
}

/// The matrices that a run knows, if they are over the first of these checkpoints.
fn known_of(run: &RunDir, checkpoints: &[Checkpoint], stamp: &Stamp) -> Known {
    let known = Known::read(run, stamp);
    let is_prefix = known.steps.len() <= checkpoints.len()
        && known.steps.iter().zip(checkpoints).all(|(own, c)| *own == c.step);
    if is_prefix { known } else { Known::default() }
}

/// Whether the files of a place are there.
fn is_joined(run: &RunDir, Place { measure, group, layer }: Place<'_>) -> bool {
    run.signatures(measure, group, layer).is_file()
        && run.matrix(measure, group, layer).is_file()
}

/// Whether the signatures of all decisions are there.
fn has_decisions(plan: &Plan) -> bool {
    let signatures = |place: Place<'_>| {
        plan.run.signatures(place.measure, place.group, place.layer).is_file()
    };
    plan.places_of_decisions().all(signatures)
}
