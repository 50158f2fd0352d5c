//! A run's results in the formats of other tools.
//!
//! Reads only the files of a run directory (docs/FORMAT.md). The same run gives the same bytes.

mod parquet;
mod table;
mod tensorboard;

use std::fs;
use std::path::{Path, PathBuf};

use crate::array_file::{Array, NamedArrays, npz_bytes};
use crate::error::{Error, Result};
use crate::report::RunResults;
use crate::run_dir::{RunDir, link_or_copy, write_atomic};

use table::Table;

/// The tables of a run directory that are tidy: one row an observation.
const TABLES: [&str; 6] = [
    "history.csv",
    "timing.csv",
    "matrices.csv",
    "representations.csv",
    "noise.csv",
    "probes.csv",
];

/// A format to export to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// The checkpoints, as PyTorch loads them.
    Safetensors,
    /// Matrices and curves as NumPy opens them.
    Npz,
    /// The tables as they are.
    Csv,
    /// The tables with types.
    Parquet,
    /// Curves and matrices as an event file.
    Tensorboard,
}

/// Writes the run in `root` to the folder `out` in a format; gives the files written.
///
/// # Errors
/// If `root` is no run, it has nothing of the kind yet, `out` is the run itself, or the operating
/// system refuses.
pub fn export(root: &Path, format: Format, out: &Path) -> Result<Vec<PathBuf>> {
    let run = RunDir::open(root)?;
    let real = |path: &Path| path.canonicalize().ok();
    if real(out).is_some_and(|out| real(root).is_some_and(|root| out.starts_with(root))) {
        return Err(Error::usage(out.display().to_string(), "is in the run itself")
            .expected("a folder elsewhere")
            .fix("choose one with --out"));
    }
    let files = match format {
        Format::Safetensors => return checkpoints(&run, out),
        Format::Npz => arrays(root)?,
        Format::Csv | Format::Parquet => tables(root, format)?,
        Format::Tensorboard => {
            let bytes = tensorboard::events(&RunResults::read(root)?, &tables_of(root)?);
            vec![("events.out.tfevents.0000000000.stratagram".to_owned(), bytes)]
        }
    };
    if files.is_empty() {
        return Err(Error::data(root, "has nothing to export yet")
            .expected("a run that was trained or analysed")
            .fix(format!("stratagram analyze {}", root.display())));
    }
    let mut written = vec![];
    for (name, bytes) in files {
        let path = out.join(name);
        write_atomic(&path, &bytes)?;
        written.push(path);
    }
    Ok(written)
}

/// The checkpoints under their own names, linked where the file system allows it.
fn checkpoints(run: &RunDir, out: &Path) -> Result<Vec<PathBuf>> {
    let mut written = vec![];
    for checkpoint in run.checkpoints()? {
        let to = out.join(checkpoint.path.file_name().unwrap_or_default());
        link_or_copy(&checkpoint.path, &to)?;
        written.push(to);
    }
    if written.is_empty() {
        return Err(Error::data(run.root(), "has no checkpoint")
            .expected("a run whose training has begun"));
    }
    Ok(written)
}

/// `matrices.npz`: `MEASURE/GROUP/LAYER` `[E, E]`, `step` and `epoch` `[E]`; `history.npz`: the
/// columns of the history.
fn arrays(root: &Path) -> Result<Vec<(String, Vec<u8>)>> {
    let mut files = vec![];
    let results = RunResults::read(root)?;
    if !results.matrices.is_empty() {
        let n = results.epochs.len();
        let mut arrays = NamedArrays::default();
        let steps = results.steps.iter().map(|&step| step as i64).collect();
        arrays.push("step", Array::i64(&[n], steps));
        arrays.push("epoch", Array::f64(&[n], results.epochs.clone()));
        for set in &results.matrices {
            for matrix in &set.layers {
                let name = format!("{}/{}/{}", set.kind, set.group, matrix.layer);
                // The run directory holds them as f32.
                let values = matrix.values.iter().map(|&value| value as f32).collect();
                arrays.push(name, Array::f32(&[n, n], values));
            }
        }
        files.push(("matrices.npz".to_owned(), npz_bytes(&arrays)));
    }
    for table in tables_of(root)?.iter().filter(|table| table.name == "history") {
        files.push(("history.npz".to_owned(), npz_bytes(&table.arrays())));
    }
    Ok(files)
}

fn tables(root: &Path, format: Format) -> Result<Vec<(String, Vec<u8>)>> {
    let file = |table: Table| {
        Ok(match format {
            Format::Parquet => {
                (format!("{}.parquet", table.name), parquet::bytes(&table)?)
            }
            _ => (format!("{}.csv", table.name), table.text.into_bytes()),
        })
    };
    tables_of(root)?.into_iter().map(file).collect()
}

/// Those tables that are there.
fn tables_of(root: &Path) -> Result<Vec<Table>> {
    let mut tables = vec![];
    for name in TABLES {
        let path = root.join(name);
        if path.exists() {
            let text = fs::read_to_string(&path)
                .map_err(|error| Error::io(&path, "cannot be read", error))?;
            tables.push(Table::parse(&path, text)?);
        }
    }
    Ok(tables)
}
