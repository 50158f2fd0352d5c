//! The tables as they are.

use std::path::{Path, PathBuf};

use super::format::Format;
use super::source::{Source, write_all};
use crate::error::Result;

pub(super) const FORMAT: Format = Format {
    name: "csv",
    about: "All tables",
    files: "the tables as they are",
    opened_by: "pandas.read_csv(\"OUT/matrices.csv\")",
    takes_layers: false,
    takes_epochs: false,
    write,
};

fn write(source: &Source, out: &Path) -> Result<Vec<PathBuf>> {
    let tables = source.tables()?.into_iter();
    let file = |table: crate::run_dir::Columns| {
        Ok((format!("{}.csv", table.name), table.text.into_bytes()))
    };
    write_all(out, tables.map(file))
}
