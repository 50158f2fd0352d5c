//! `norms/`: what the signatures of CKA leave out of their Gram matrices.

use super::table::Join;
use crate::analyze::store;
use crate::array_file::Array;
use crate::error::Result;
use crate::run_dir::{Checkpoint, RunDir};
use crate::similarity::Measure;

/// Adds the rows of new checkpoints to those of every group and layer.
pub(super) fn join(join: &Join) -> Result<()> {
    let plan = join.plan;
    let n_joined = join.joined.of_measure(Measure::Cka);
    let is_measured = plan.experiment.analysis.measures.contains(&Measure::Cka);
    if !is_measured || n_joined == join.checkpoints.len() {
        return Ok(());
    }
    for (group, examples) in &plan.groups {
        for layer in plan.layer_names() {
            let place = (group.name(), layer);
            let width = examples.len() + 1;
            let mut numbers = earlier(plan.run, place, (n_joined, width))?;
            for row in &join.checkpoints[n_joined..] {
                let own = store::norms(&plan.run.part(row.step), place)?;
                numbers.extend(or_undefined(own, width));
            }
            write(plan.run, place, width, numbers)?;
        }
    }
    Ok(())
}

/// Writes the rows of one place of a recording, unless an earlier version recorded them all.
pub(crate) fn join_recorded(
    run: &RunDir,
    place: (&str, &str),
    rows: &[Checkpoint],
    width: usize,
) -> Result<()> {
    let found = rows.iter().map(|row| store::norms(&row.path, place));
    let found: Vec<Option<Vec<f64>>> = found.collect::<Result<_>>()?;
    if found.iter().all(Option::is_none) {
        return Ok(());
    }
    let numbers = found.into_iter().flat_map(|own| or_undefined(own, width)).collect();
    write(run, place, width, numbers)
}

/// The first `n` rows of a place's file; rows of an earlier version, which has none, are NaN.
fn earlier(
    run: &RunDir,
    (group, layer): (&str, &str),
    (n, width): (usize, usize),
) -> Result<Vec<f64>> {
    let rows = run.read_norms(group, layer)?;
    let rows = rows.filter(|rows| rows.shape[0] >= n && rows.shape[1] == width);
    let undefined = || vec![f64::NAN; n * width];
    Ok(rows.map_or_else(undefined, |rows| rows.to_f64()[..n * width].to_vec()))
}

fn or_undefined(numbers: Option<Vec<f64>>, width: usize) -> Vec<f64> {
    let whole = numbers.filter(|numbers| numbers.len() == width);
    whole.unwrap_or_else(|| vec![f64::NAN; width])
}

fn write(
    run: &RunDir,
    (group, layer): (&str, &str),
    width: usize,
    numbers: Vec<f64>,
) -> Result<()> {
    let shape = [numbers.len() / width, width];
    run.write_norms(group, layer, &Array::f64(&shape, numbers))
}
