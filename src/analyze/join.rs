//! Parts → signatures → matrices: one array a (measure, group, layer), and one table of all
//! cells. The rows of one layer are held at a time.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::array_file::{Array, Values, npy_bytes, read_npy, read_npz_members};
use crate::error::{Error, Result};
use crate::observer::Progress;
use crate::run_dir::{Checkpoint, RunDir, write_atomic};
use crate::similarity::regions::Similarity;
use crate::similarity::{EpochMatrix, Measure, Settings, Undefined, drs};

use super::decisions::{AGREEMENT, AT_IMAGES};
use super::plan::Plan;
use super::plane_set::PlaneSet;
use super::{floor, joined, tables};

/// The header of `matrices.csv`.
pub(super) const MATRICES_HEADER: &str =
    "layer,measure,estimator,group,step_i,step_j,epoch_i,epoch_j,value,se,reason\n";

/// The header of `noise.csv`.
pub(super) const NOISE_HEADER: &str = "layer,measure,estimator,group,noise_floor\n";

/// Which signatures a matrix compares.
#[derive(Clone, Copy)]
pub(super) struct Place<'a> {
    pub(super) of: Rows<'a>,
    pub(super) measure: &'a str,
    pub(super) estimator: &'static str,
    pub(super) group: &'a str,
    pub(super) layer: &'a str,
}

/// What the rows of a place are.
#[derive(Clone, Copy)]
pub(super) enum Rows<'a> {
    /// Representations.
    Of(Measure),
    /// Classes at all points of planes.
    Planes(&'a PlaneSet<'a>),
    /// Classes of inputs, in clusters of so many.
    Classes(usize),
}

impl Place<'_> {
    /// The name of its rows in the parts.
    pub(super) fn name(&self) -> String {
        format!("{}/{}/{}", self.measure, self.group, self.layer)
    }
}

/// Joins the rows of all checkpoints and compares them.
pub(super) fn join(plan: &Plan, checkpoints: &[Checkpoint]) -> Result<()> {
    let places = places(plan);
    let old_reasons = joined::undefined_rows(plan.run)?;
    let known = joined::matrices(plan.run, &joined::steps(plan.run)?)?;
    let mut table = MATRICES_HEADER.to_string();
    let mut floors = NOISE_HEADER.to_string();
    for (done, place) in places.iter().enumerate() {
        plan.observer.progress(&Progress {
            stage: "compare",
            done: done as u64,
            total: places.len() as u64,
            detail: place.name(),
        });
        let (rows, new_reasons) = join_rows(plan, checkpoints, place)?;
        let reasons: Vec<Option<String>> = checkpoints
            .iter()
            .map(|c| {
                let key = (place.name(), c.step);
                new_reasons.get(&c.step).or(old_reasons.get(&key)).cloned()
            })
            .collect();
        let known = known.get(&place.name());
        let sizes = Sizes { n: plan.groups[0].1.len(), settings: plan.settings() };
        let (matrix, floor) = compare(&sizes, place, &rows, &reasons, known);
        add_floor(&mut floors, place, floor);
        let mut matrices = vec![(*place, matrix)];
        if let (Rows::Planes(set), Values::U8(classes)) = (place.of, &rows.values) {
            let rows: Vec<&[u8]> = classes.chunks(rows.shape[1]).collect();
            matrices.extend(compare_regions(plan, (place, set), &rows)?);
        }
        for (place, matrix) in &matrices {
            write_matrix(plan.run, place, matrix)?;
            add_cells(&mut table, place, checkpoints, matrix, &reasons);
        }
    }
    let (run, rows) = (plan.run, |name| tables::joined(plan.run, checkpoints, name));
    write_atomic(&run.geometry_table(), rows("geometry")?.as_bytes())?;
    write_atomic(&run.layers_table(), rows("layers")?.as_bytes())?;
    let of_regions = rows("floor")?;
    let means = floor::means(&of_regions);
    for place in &places {
        let mean = means.get(&(place.group.to_owned(), place.layer.to_owned()));
        if let (Rows::Planes(_), Some(mean)) = (place.of, mean) {
            add_floor(&mut floors, place, Some(*mean));
        }
    }
    write_atomic(&run.floor_table(), of_regions.as_bytes())?;
    write_atomic(&run.matrices_table(), table.as_bytes())?;
    write_atomic(&run.noise_table(), floors.as_bytes())?;
    tables::write_representations(plan, checkpoints)?;
    tables::write_probes(plan, checkpoints)?;
    tables::write_depth(plan, checkpoints)
}

/// Every array of signatures: one a (measure, group, layer); of decisions on planes, at their
/// images and on test images, one a layer and the output; of those by probes of another λ, one
/// a layer.
fn places<'a>(plan: &'a Plan) -> Vec<Place<'a>> {
    let layers = || plan.layers.iter().map(|layer| layer.name.as_str());
    let config = &plan.experiment.analysis;
    let mut places = vec![];
    for &measure in &config.measures {
        let estimator =
            if measure.has_estimator() { config.cka.estimator.name() } else { "" };
        for (group, _) in &plan.groups {
            places.extend(layers().map(|layer| Place {
                of: Rows::Of(measure),
                measure: measure.name(),
                estimator,
                group: group.name(),
                layer,
            }));
        }
    }
    let mut decided = |of, measure, group| {
        places.extend(plan.classifiers().map(|layer| Place {
            of,
            measure,
            estimator: "",
            group,
            layer,
        }));
    };
    for set in &plan.planes {
        decided(Rows::Planes(set), Similarity::Agreement.name(), set.group);
        decided(Rows::Classes(3), AT_IMAGES, set.group);
    }
    decided(Rows::Classes(1), AGREEMENT, "test");
    for set in &plan.planes {
        for measure in &plan.penalty_measures {
            places.extend(layers().map(|layer| Place {
                of: Rows::Classes(set.grids[0].len()),
                measure,
                estimator: "",
                group: set.group,
                layer,
            }));
        }
    }
    places
}

/// The signatures of all checkpoints, `[E, S]`: rows joined earlier, then those of the parts;
/// and the reasons of undefined new rows, by step.
fn join_rows(
    plan: &Plan,
    checkpoints: &[Checkpoint],
    place: &Place,
) -> Result<(Array, BTreeMap<u64, String>)> {
    let path = plan.run.signatures(place.measure, place.group, place.layer);
    let mut rows = if path.exists() { Some(read_npy(&path)?) } else { None };
    let n_joined = rows.as_ref().map_or(0, |rows| rows.shape[0]);
    let mut reasons = BTreeMap::new();
    let name = place.name();
    for checkpoint in checkpoints {
        let path = plan.run.part(checkpoint.step);
        if !path.exists() {
            continue;
        }
        let reason = format!("reason/{name}");
        let part = read_npz_members(&path, |member| member == name || member == reason)?;
        if let Some(Values::U8(text)) = part.get(&reason).map(|array| &array.values) {
            reasons.insert(checkpoint.step, String::from_utf8_lossy(text).into_owned());
        }
        // Rows of an interrupted join stand in the array already.
        let is_new = rows.as_ref().is_none_or(|rows| rows.shape[0] < checkpoints.len());
        if is_new {
            let row = part.get(&name).ok_or_else(|| {
                Error::data(&path, format!("holds no `{name}`"))
                    .fix("analyze again with --force")
            })?;
            append_row(&mut rows, row);
        }
    }
    let rows =
        rows.filter(|rows| rows.shape[0] == checkpoints.len()).ok_or_else(|| {
            Error::data(&path, format!("and its parts hold {n_joined} rows and more"))
                .expected(format!("{} in all", checkpoints.len()))
                .fix("analyze again with --force")
        })?;
    write_atomic(&path, &npy_bytes(&rows))?;
    Ok((rows, reasons))
}

pub(super) fn append_row(rows: &mut Option<Array>, row: &Array) {
    let Some(rows) = rows else {
        *rows = Some(Array::new(&[1, row.values.len()], row.values.clone()));
        return;
    };
    match (&mut rows.values, &row.values) {
        (Values::F32(all), Values::F32(row)) => all.extend_from_slice(row),
        (Values::U8(all), Values::U8(row)) => all.extend_from_slice(row),
        _ => panic!("signatures are f32 or u8"),
    }
    rows.shape[0] += 1;
}

/// What signatures are of.
pub(super) struct Sizes {
    /// Examples in each group.
    pub(super) n: usize,
    pub(super) settings: Settings,
}

/// The matrix of a place, of which the first epochs may be known, and its noise floor where
/// the measure has one.
pub(super) fn compare(
    sizes: &Sizes,
    place: &Place,
    rows: &Array,
    reasons: &[Option<String>],
    known: Option<&EpochMatrix>,
) -> (EpochMatrix, Option<f64>) {
    let length = rows.shape[1];
    match (&rows.values, place.of) {
        (Values::F32(values), Rows::Of(measure)) => {
            // The reasons themselves stand in the table; any marks the row.
            let signatures: Vec<_> = values
                .chunks(length)
                .zip(reasons)
                .map(|(row, reason)| match reason {
                    None => Ok(row),
                    Some(_) => Err(Undefined::DeadLayer),
                })
                .collect();
            let (n, settings) = (sizes.n, sizes.settings);
            let floor = measure.noise_floor(&signatures, n, &settings);
            let matrix = match known {
                Some(known) => measure.grown(known, &signatures, n, &settings),
                None => measure.matrix(&signatures, n, &settings),
            };
            (matrix, floor)
        }
        (Values::U8(values), of) => {
            let rows: Vec<&[u8]> = values.chunks(length).collect();
            let cluster = match of {
                Rows::Planes(set) => set.grids[0].len(),
                Rows::Classes(cluster) => cluster,
                Rows::Of(_) => panic!("{}: signatures are f32", place.name()),
            };
            (drs::matrix(&rows, cluster), None)
        }
        _ => panic!("{}: signatures are f32, decisions u8", place.name()),
    }
}

/// The other similarities of regions; that of each class goes to its own file.
fn compare_regions<'a>(
    plan: &Plan,
    (place, set): (&Place<'a>, &PlaneSet),
    rows: &[&[u8]],
) -> Result<Vec<(Place<'a>, EpochMatrix)>> {
    let found = set.points.matrices(rows);
    let shape = [plan.data.n_classes, rows.len(), rows.len()];
    let classes = found.class_iou.iter().map(|iou| *iou as f32).collect();
    let path = plan.run.class_iou(place.group, place.layer);
    write_atomic(&path, &npy_bytes(&Array::new(&shape, Values::F32(classes))))?;
    let others = Similarity::ALL.into_iter().filter(|s| *s != Similarity::Agreement);
    Ok(others
        .map(|s| (Place { measure: s.name(), ..*place }, found.matrix(s).clone()))
        .collect())
}

pub(super) fn write_matrix(
    run: &RunDir,
    place: &Place,
    matrix: &EpochMatrix,
) -> Result<()> {
    let n = matrix.n_epochs;
    let values = matrix.values.iter().map(|v| *v as f32).collect();
    let path = run.matrix(place.measure, place.group, place.layer);
    write_atomic(&path, &npy_bytes(&Array::new(&[n, n], Values::F32(values))))
}

/// Adds the noise floor of a matrix, where it has one, to the table of them.
pub(super) fn add_floor(floors: &mut String, place: &Place, floor: Option<f64>) {
    let Some(floor) = floor else { return };
    let Place { measure, estimator, group, layer, .. } = place;
    let _ = writeln!(floors, "{layer},{measure},{estimator},{group},{}", number(floor));
}

/// A number of a table; empty where undefined.
pub(super) fn number(x: f64) -> String {
    if x.is_nan() { String::new() } else { x.to_string() }
}

/// Adds the cells i ≤ j of one matrix to the table; all of them where (i, j) is not (j, i).
pub(super) fn add_cells(
    table: &mut String,
    place: &Place,
    checkpoints: &[Checkpoint],
    matrix: &EpochMatrix,
    reasons: &[Option<String>],
) {
    let Place { measure, estimator, group, layer, .. } = place;
    let symmetric = match place.of {
        Rows::Of(measure) => measure.is_symmetric(),
        _ => true,
    };
    for (i, a) in checkpoints.iter().enumerate() {
        let first = if symmetric { i } else { 0 };
        for (j, b) in checkpoints.iter().enumerate().skip(first) {
            let cell = i * checkpoints.len() + j;
            let value = number(matrix.values[cell]);
            let se = matrix.se.as_ref().map_or_else(String::new, |se| number(se[cell]));
            let own = || matrix.reasons[cell].map(|reason| reason.to_string());
            let reason = reasons[i].clone().or(reasons[j].clone()).or_else(own);
            let _ = writeln!(
                table,
                "{layer},{measure},{estimator},{group},{},{},{},{},{value},{se},\"{}\"",
                a.step,
                b.step,
                a.epoch,
                b.epoch,
                reason.unwrap_or_default(),
            );
        }
    }
}
