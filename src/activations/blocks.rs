//! Comparing more examples than Gram matrices fit in memory.

use std::io;
use std::ops::Range;

use super::examples::{Examples, check_examples};
use super::inputs::{Features, Reading, read};
use super::lists::{Compared, Lists};
use crate::array_file::NpyColumns;
use crate::error::{Error, Result};
use crate::similarity::{Columns, Settings, blocked_matrix};

/// Features that can be read again and again.
enum Source {
    Memory { values: Vec<f32>, n: usize, p: usize },
    Disk(NpyColumns),
}

impl Columns for Source {
    fn shape(&self) -> (usize, usize) {
        match self {
            Self::Memory { n, p, .. } => (*n, *p),
            Self::Disk(columns) => columns.shape(),
        }
    }

    fn read(&mut self, columns: Range<usize>, panel: &mut [f32]) -> io::Result<()> {
        match self {
            Self::Disk(file) => file.read(columns, panel),
            Self::Memory { values, p, .. } => {
                let rows = panel.chunks_mut(columns.len().max(1));
                for (to, from) in rows.zip(values.chunks(*p)) {
                    to.copy_from_slice(&from[columns.clone()]);
                }
                Ok(())
            }
        }
    }
}

/// The matrix over all files, `rows` examples of every Gram matrix at a time.
///
/// # Errors
/// If a file cannot be read or is not float32, or the examples are not the same.
pub(super) fn compare(
    lists: &Lists<'_>,
    reading: Reading,
    settings: &Settings,
    rows: usize,
) -> Result<Compared> {
    let (mut sources, mut examples, mut n_rows) = (vec![], vec![], 0);
    for (at, file) in lists.all.iter().enumerate() {
        for item in read(file, reading)? {
            let (n, p) = (item.examples.n, item.p);
            sources.push(match item.features {
                Features::F32(values) => Source::Memory { values, n, p },
                Features::Stream(columns) => Source::Disk(columns),
                Features::F64(_) => {
                    return Err(Error::data(file, "does not hold float32")
                        .expected("float32 activations with --block"));
                }
            });
            examples.push(item.examples);
            n_rows += usize::from(at < lists.n_first);
        }
    }
    check_examples(&examples.iter().collect::<Vec<&Examples>>())?;
    let mut matrix =
        blocked_matrix(&mut sources, settings.estimator, rows).map_err(|error| {
            Error::io(lists.all[0], "or a file after it cannot be read", error)
        })?;
    // Errors cost nothing on this route.
    matrix.se = matrix.se.filter(|_| settings.errors);
    Ok(Compared { examples, n_rows, matrix, floor: None })
}
