//! What an earlier analysis has joined: which checkpoints, and what its tables say of them.
//!
//! `matrices/axis.csv` is written last and is the sign that all files hold all its steps.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use crate::error::{Error, Result};
use crate::run_dir::{Checkpoint, RunDir, write_atomic};
use crate::similarity::{EpochMatrix, Measure};

/// Steps of the checkpoints whose rows are in the joined files.
pub(super) fn steps(run: &RunDir) -> Result<Vec<u64>> {
    let mut steps = vec![];
    for record in records(&run.axis_table())? {
        steps.push(step(&run.axis_table(), &record, 0)?);
    }
    Ok(steps)
}

/// Epochs of the same checkpoints.
pub(super) fn epochs(run: &RunDir) -> Result<Vec<f64>> {
    let path = run.axis_table();
    let epoch = |record: &csv::StringRecord| record.get(1)?.parse().ok();
    records(&path)?.iter().map(epoch).collect::<Option<_>>().ok_or_else(|| {
        Error::data(&path, "is no table of steps and epochs").expected("step,epoch")
    })
}

/// The reason of every undefined signature, by "measure/group/layer" and step.
pub(super) fn undefined_rows(run: &RunDir) -> Result<BTreeMap<(String, u64), String>> {
    let path = run.matrices_table();
    let mut reasons = BTreeMap::new();
    // Columns: layer,measure,estimator,group,step_i,step_j,epoch_i,epoch_j,value,se,reason.
    for record in records(&path)? {
        let (i, j) = (step(&path, &record, 4)?, step(&path, &record, 5)?);
        let reason = record.get(10).unwrap_or_default();
        if i == j && !reason.is_empty() {
            let key = format!("{}/{}/{}", &record[1], &record[3], &record[0]);
            reasons.insert((key, i), reason.to_string());
        }
    }
    Ok(reasons)
}

/// The matrices of representations over the joined `steps`, by "measure/group/layer", with
/// every digit that they were worked out with.
pub(super) fn matrices(
    run: &RunDir,
    steps: &[u64],
) -> Result<BTreeMap<String, EpochMatrix>> {
    let path = run.matrices_table();
    let n = steps.len();
    let mut matrices = BTreeMap::new();
    for record in records(&path)? {
        let Some(measure) = Measure::from_name(&record[1]) else { continue };
        let place = |column| Ok(steps.binary_search(&step(&path, &record, column)?).ok());
        // A row of a step that is not joined is left from an interrupted join.
        let (Some(i), Some(j)) = (place(4)?, place(5)?) else { continue };
        let key = format!("{}/{}/{}", &record[1], &record[3], &record[0]);
        let matrix = matrices.entry(key).or_insert_with(|| EpochMatrix {
            n_epochs: n,
            values: vec![f64::NAN; n * n],
            se: None,
            reasons: vec![None; n * n],
        });
        let number = |column: usize| record[column].parse().unwrap_or(f64::NAN);
        let (value, error) = (number(8), number(9));
        let mirrored = if measure.is_symmetric() { j * n + i } else { i * n + j };
        for at in [i * n + j, mirrored] {
            matrix.values[at] = value;
            if !error.is_nan() {
                matrix.se.get_or_insert_with(|| vec![f64::NAN; n * n])[at] = error;
            }
        }
    }
    Ok(matrices)
}

/// The header and rows of a table with steps in its second column that belong to `steps`;
/// empty if there is none.
pub(super) fn rows(path: &Path, steps: &[u64]) -> Result<String> {
    let records = records(path)?;
    if records.is_empty() {
        return Ok(String::new());
    }
    let text = read(path)?.unwrap_or_default();
    let mut lines = text.lines();
    let mut kept = lines.next().unwrap_or_default().to_string() + "\n";
    for (line, record) in lines.zip(&records) {
        if steps.contains(&step(path, record, 1)?) {
            kept += line;
            kept.push('\n');
        }
    }
    Ok(kept)
}

/// Writes `matrices/axis.csv`, then removes the parts.
pub(super) fn finish(run: &RunDir, checkpoints: &[Checkpoint]) -> Result<()> {
    let mut axis = "step,epoch\n".to_string();
    for checkpoint in checkpoints {
        let _ = writeln!(axis, "{},{}", checkpoint.step, checkpoint.epoch);
    }
    write_atomic(&run.axis_table(), axis.as_bytes())?;
    remove_directory(&run.parts_dir())
}

/// Removes everything that the analysis wrote; the sign that it is complete goes first.
pub(super) fn remove(run: &RunDir) -> Result<()> {
    for file in [
        run.axis_table(),
        run.matrices_table(),
        run.probes_table(),
        run.prediction_depth_table(),
        run.representations_table(),
        run.noise_table(),
        run.geometry_table(),
        run.layers_table(),
        run.floor_table(),
        run.phases(),
    ] {
        match fs::remove_file(&file) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(Error::io(&file, "cannot be removed", error));
            }
            _ => {}
        }
    }
    for directory in ["matrices", "signatures", "probes", "regions", "iou"] {
        remove_directory(&run.root().join(directory))?;
    }
    Ok(())
}

pub(super) fn remove_directory(path: &Path) -> Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(Error::io(path, "cannot be removed", error))
        }
        _ => Ok(()),
    }
}

/// The text of a file that may be missing.
fn read(path: &Path) -> Result<Option<String>> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Error::io(path, "cannot be read", error)),
    }
}

/// The rows of a table below its header; none if the file is missing.
fn records(path: &Path) -> Result<Vec<csv::StringRecord>> {
    let text = read(path)?.unwrap_or_default();
    let rows = csv::Reader::from_reader(text.as_bytes()).into_records();
    rows.collect::<std::result::Result<_, _>>().map_err(|error| {
        Error::data(path, format!("is no table: {error}"))
            .fix("analyze again with --force")
    })
}

/// The step in column `column` of a row.
fn step(path: &Path, record: &csv::StringRecord, column: usize) -> Result<u64> {
    let field = record.get(column).unwrap_or_default();
    field.parse().map_err(|_| {
        Error::data(path, format!("has the step `{field}`"))
            .expected("a whole number")
            .fix("analyze again with --force")
    })
}
