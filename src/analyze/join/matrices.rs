//! Matrices in files: one array per (measure, group, layer), and one table of all cells.

use crate::error::Result;
use crate::run_dir::tables::{CellRow, NoiseRow};
use crate::run_dir::{Checkpoint, Maybe, Number, Place, Quoted, RunDir};
use crate::similarity::EpochMatrix;

/// Which matrix, and how its cells stand in the table.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Heading<'a> {
    pub(crate) place: Place<'a>,
    /// Empty where the measure has none.
    pub(crate) estimator: &'static str,
    /// Whether (j, i) is (i, j) and left out.
    pub(crate) is_symmetric: bool,
}

impl<'a> Heading<'a> {
    /// Of a comparison of decisions.
    pub(crate) fn of_decisions(measure: &'a str, group: &'a str, layer: &'a str) -> Self {
        let place = Place { measure, group, layer };
        Self { place, estimator: "", is_symmetric: true }
    }
}

/// The tables of all matrices, as they fill.
pub(crate) struct Matrices<'a> {
    run: &'a RunDir,
    checkpoints: &'a [Checkpoint],
    cells: Vec<CellRow>,
    floors: Vec<NoiseRow>,
}

impl<'a> Matrices<'a> {
    pub(crate) fn new(run: &'a RunDir, checkpoints: &'a [Checkpoint]) -> Self {
        Self { run, checkpoints, cells: vec![], floors: vec![] }
    }

    /// Writes a matrix and adds its cells; `reasons` say why rows are undefined.
    pub(crate) fn add(
        &mut self,
        heading: Heading<'_>,
        matrix: &EpochMatrix,
        reasons: &[Option<String>],
    ) -> Result<()> {
        let n = matrix.n_epochs;
        self.run.write_matrix(heading.place, &matrix.values)?;
        for i in 0..n {
            let first = if heading.is_symmetric { i } else { 0 };
            for j in first..n {
                self.cells.push(self.cell(heading, matrix, reasons, (i, j)));
            }
        }
        Ok(())
    }

    fn cell(
        &self,
        heading: Heading<'_>,
        matrix: &EpochMatrix,
        reasons: &[Option<String>],
        (i, j): (usize, usize),
    ) -> CellRow {
        let Heading { place: Place { measure, group, layer }, estimator, .. } = heading;
        let (a, b) = (&self.checkpoints[i], &self.checkpoints[j]);
        let own = || matrix.reason(i, j).map(|reason| reason.to_string());
        let of_rows = reasons[i].as_ref().or(reasons[j].as_ref()).cloned();
        CellRow {
            layer: layer.to_owned(),
            measure: measure.to_owned(),
            estimator: estimator.to_owned(),
            group: group.to_owned(),
            step_i: a.step,
            step_j: b.step,
            epoch_i: Number(a.epoch),
            epoch_j: Number(b.epoch),
            value: Maybe(matrix.value(i, j)),
            se: Maybe(matrix.error(i, j).unwrap_or(f64::NAN)),
            reason: Quoted(of_rows.or_else(own).unwrap_or_default()),
        }
    }

    /// Adds the noise floor of a matrix.
    pub(crate) fn add_floor(&mut self, heading: Heading<'_>, floor: f64) {
        let Heading { place: Place { measure, group, layer }, estimator, .. } = heading;
        self.floors.push(NoiseRow {
            layer: layer.to_owned(),
            measure: measure.to_owned(),
            estimator: estimator.to_owned(),
            group: group.to_owned(),
            noise_floor: Maybe(floor),
        });
    }

    /// Writes `matrices.csv` and `noise.csv`.
    pub(crate) fn write(&self) -> Result<()> {
        self.run.write_rows(&self.cells)?;
        self.run.write_rows(&self.floors)
    }
}
