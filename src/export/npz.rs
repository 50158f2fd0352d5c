//! Matrices and curves for NumPy.

use std::path::{Path, PathBuf};

use super::format::Format;
use super::source::{Source, write_all};
use crate::array_file::{Array, NamedArrays, npz_bytes};
use crate::error::Result;
use crate::report::RunResults;

pub(super) const FORMAT: Format = Format {
    name: "npz",
    about: "Matrices and curves for NumPy",
    files: "`matrices.npz` (`MEASURE/GROUP/LAYER`, `step`, `epoch`), `history.npz`",
    opened_by: "numpy.load(\"OUT/matrices.npz\")[\"cka/test/fc\"]",
    takes_layers: true,
    takes_epochs: false,
    write,
};

fn write(source: &Source, out: &Path) -> Result<Vec<PathBuf>> {
    let mut files = vec![];
    let results = RunResults::read(source.root())?;
    if !results.matrices.is_empty() {
        let arrays = matrices(source, &results);
        files.push(("matrices.npz".to_owned(), npz_bytes(&arrays)));
    }
    for table in source.tables()?.iter().filter(|table| table.name == "history") {
        files.push(("history.npz".to_owned(), npz_bytes(&table.arrays())));
    }
    write_all(out, files.into_iter().map(Ok))
}

/// `MEASURE/GROUP/LAYER` `[E, E]`, `step` and `epoch` `[E]`.
fn matrices(source: &Source, results: &RunResults) -> NamedArrays {
    let n = results.epochs.len();
    let mut arrays = NamedArrays::default();
    let steps = results.steps.iter().map(|&step| step as i64).collect();
    arrays.push("step", Array::i64(&[n], steps));
    arrays.push("epoch", Array::f64(&[n], results.epochs.clone()));
    for set in &results.matrices {
        let layers = set.layers.iter();
        for matrix in layers.filter(|m| source.selection.has_layer(&m.layer)) {
            let name = format!("{}/{}/{}", set.kind, set.group, matrix.layer);
            // The run directory holds them as f32.
            let values = matrix.values.iter().map(|&value| value as f32).collect();
            arrays.push(name, Array::f32(&[n, n], values));
        }
    }
    arrays
}
