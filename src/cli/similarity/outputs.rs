//! The files that `stratagram similarity` writes beside what it prints.

use std::path::{Path, PathBuf};

use crate::activations::Comparison;
use crate::error::Result;
use crate::report::LabelledMatrix;
use crate::run_dir::write_atomic;

/// Files to write.
#[derive(Debug, clap::Args)]
pub(super) struct Outputs {
    /// Also write row,column,value,se,reason.
    #[arg(long, value_name = "PATH")]
    csv: Option<PathBuf>,
    /// Also write the values as an array.
    #[arg(long, value_name = "PATH")]
    npy: Option<PathBuf>,
    /// Also draw a heatmap.
    #[arg(long, value_name = "PATH")]
    svg: Option<PathBuf>,
    /// Also draw it as pixels.
    #[arg(long, value_name = "PATH")]
    png: Option<PathBuf>,
}

impl Outputs {
    /// Writes the files that were asked for; of several layers each has its name in front, and
    /// the table is one.
    pub(super) fn write(&self, comparisons: &[Comparison]) -> Result<()> {
        if let Some(path) = &self.csv {
            let table = |(at, one): (usize, &Comparison)| one.to_csv(at == 0);
            let table: String = comparisons.iter().enumerate().map(table).collect();
            write_atomic(path, table.as_bytes())?;
        }
        for one in comparisons {
            let title = one.title();
            let figure = LabelledMatrix {
                title: &title,
                rows: &one.rows,
                columns: one.columns(),
                values: &one.values,
                range: (0.0, one.top()),
            };
            if let Some(path) = &self.npy {
                write_atomic(&place(path, one), &one.to_npy())?;
            }
            if let Some(path) = &self.svg {
                write_atomic(&place(path, one), figure.to_svg().as_bytes())?;
            }
            if let Some(path) = &self.png {
                write_atomic(&place(path, one), &figure.to_png()?)?;
            }
        }
        Ok(())
    }
}

fn place(path: &Path, one: &Comparison) -> PathBuf {
    let Some(layer) = &one.layer else { return path.to_owned() };
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!("{layer}-{name}"))
}
