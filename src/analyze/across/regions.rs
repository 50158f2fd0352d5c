//! The same layer of two runs at the same epochs: how far regions are reproduced under another
//! seed, the reference for how far they move over the epochs of one run.

use crate::analyze::join::joined;
use crate::analyze::plan::plane_set::PlaneSet;
use crate::array_file::{Array, Values};
use crate::data::Data;
use crate::error::{Error, Result};
use crate::run_dir::{MatrixFile, Place, RunDir};
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
    let [ours, theirs] =
        [Decided::read(run, layer, group)?, Decided::read(other, layer, group)?];
    let mut shared = vec![];
    let (mut a, mut b, mut is_undefined) = (vec![], vec![], vec![]);
    for (epoch, (row, is_own)) in ours.epochs.iter().zip(ours.rows()) {
        let mut others = theirs.epochs.iter().zip(theirs.rows());
        let same = others.find(|(other, _)| other.total_cmp(epoch).is_eq());
        if let Some((_, (other, is_theirs))) = same {
            shared.push(*epoch);
            a.push(row);
            b.push(other);
            is_undefined.push(is_own || is_theirs);
        }
    }
    if shared.is_empty() {
        return Err(Error::usage(place(other), "shares no epoch with the first run"));
    }
    let mut compared = set.points.pairs(&a, &b);
    for (comparison, _) in compared.iter_mut().zip(is_undefined).filter(|(_, is)| *is) {
        comparison.values.fill(f64::NAN);
        comparison.se.fill(f64::NAN);
        comparison.class_iou.fill(f64::NAN);
    }
    Ok(shared.into_iter().zip(compared).collect())
}

/// What a layer decides at each epoch.
struct Decided {
    epochs: Vec<f64>,
    /// `[E, T·G²]`, classes.
    rows: Array,
    /// Of each epoch, whether its row means nothing.
    undefined: Vec<bool>,
}

impl Decided {
    fn read(run: &RunDir, layer: &str, group: &str) -> Result<Self> {
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
            let undefined = undefined(run, place, epochs.len())?;
            return Ok(Self { epochs, rows, undefined });
        }
        let path = run.signatures(place.measure, place.group, place.layer);
        Err(Error::data(&path, format!("has the shape {:?}", rows.shape))
            .expected(format!("classes of {} checkpoints", epochs.len()))
            .fix("analyze again with --force"))
    }

    /// Each epoch's classes, and whether they mean nothing.
    fn rows(&self) -> impl Iterator<Item = (&[u8], bool)> {
        let Values::U8(values) = &self.rows.values else { panic!("decisions are u8") };
        values.chunks(self.rows.shape[1]).zip(self.undefined.iter().copied())
    }
}

/// Which epochs of a place are undefined: those that do not equal themselves.
fn undefined(run: &RunDir, place: Place<'_>, n_epochs: usize) -> Result<Vec<bool>> {
    let Place { measure, group, layer } = place;
    let mut files = MatrixFile::list(run.root())?.into_iter();
    let matrix = files.find(|own| {
        (&own.measure[..], &own.group[..], &own.layer[..]) == (measure, group, layer)
    });
    let Some(matrix) = matrix else { return Ok(vec![false; n_epochs]) };
    let values = matrix.read(n_epochs)?;
    Ok(values.into_iter().step_by(n_epochs + 1).map(f64::is_nan).collect())
}
