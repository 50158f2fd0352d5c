//! The same layer of two runs at the same epochs: how far regions are reproduced under another
//! seed, the reference for how far they move over the epochs of one run.

use crate::analyze::join::joined;
use crate::analyze::plan::plane_set::PlaneSet;
use crate::array_file::{Array, Values};
use crate::data::Data;
use crate::error::{Error, Result};
use crate::run_dir::{Place, RunDir};
use crate::similarity::regions::{Comparison, Similarity};

/// Compares the decision regions of a layer, or of the `output`, of two analyzed runs at every
/// epoch that both have, on the triplets of one source.
///
/// Both runs must have the same planes: the same data and `data.seed`, and the same
/// `analysis.drs`; that the triplets are the same is checked. `data` are those of `run`.
///
/// # Errors
/// If a run has no decisions of the layer and source, or the runs differ in their planes or
/// share no epoch.
pub fn compare_runs(
    run: &RunDir,
    other: &RunDir,
    data: &Data,
    (layer, group): (&str, &str),
) -> Result<Vec<(f64, Comparison)>> {
    let drs = [run, other].map(|run| &run.experiment().analysis.drs);
    let place = |run: &RunDir| run.root().display().to_string();
    let grid = drs.map(|drs| (drs.resolution, drs.margin.to_bits()));
    if grid[0] != grid[1] || run.triplets()? != other.triplets()? {
        return Err(Error::usage(place(other), "has other planes than the first run")
            .expected("the same triplets, resolution and margin")
            .fix("give both runs the same [data] and [analysis.drs]"));
    }
    let source = drs[0].source.list().iter().find(|source| source.name() == group);
    let source = source.ok_or_else(|| {
        Error::usage(place(run), format!("has no triplets of the group `{group}`"))
    })?;
    let set = PlaneSet::new(run.experiment(), data, *source)?;
    let [(epochs, rows), (other_epochs, others)] =
        [decisions(run, layer, group)?, decisions(other, layer, group)?];
    let mut shared = vec![];
    let (mut a, mut b) = (vec![], vec![]);
    for (epoch, row) in epochs.iter().zip(classes(&rows)) {
        let mut theirs = other_epochs.iter().zip(classes(&others));
        if let Some((_, other)) = theirs.find(|(other, _)| other.total_cmp(epoch).is_eq())
        {
            shared.push(*epoch);
            a.push(row);
            b.push(other);
        }
    }
    if shared.is_empty() {
        return Err(Error::usage(place(other), "shares no epoch with the first run"));
    }
    Ok(shared.into_iter().zip(set.points.pairs(&a, &b)).collect())
}

/// A layer's epochs, and the array of its decisions `[E, T·G²]`.
fn decisions(run: &RunDir, layer: &str, group: &str) -> Result<(Vec<f64>, Array)> {
    crate::run_dir::check_name(layer)?;
    let place = Place { measure: Similarity::Agreement.name(), group, layer };
    let Some(rows) = run.read_signatures(place)? else {
        return Err(Error::usage(
            run.root().display().to_string(),
            format!("has no decision regions of `{layer}` on {group} triplets"),
        )
        .expected("a layer, or `output`, of a run that is analyzed"));
    };
    let epochs: Vec<f64> = joined::axis(run)?.into_iter().map(|(_, e)| e).collect();
    if rows.shape[0] == epochs.len() && matches!(rows.values, Values::U8(_)) {
        return Ok((epochs, rows));
    }
    let path = run.signatures(place.measure, place.group, place.layer);
    Err(Error::data(&path, format!("has the shape {:?}", rows.shape))
        .expected(format!("classes of {} checkpoints", epochs.len()))
        .fix("analyze again with --force"))
}

fn classes(rows: &Array) -> impl Iterator<Item = &[u8]> {
    let Values::U8(values) = &rows.values else { panic!("decisions are u8") };
    values.chunks(rows.shape[1])
}
