//! CSV tables of a run directory, by column.

use std::path::Path;

use super::read::text_of;
use crate::error::{Error, Result};

/// A CSV file in memory.
#[derive(Debug)]
pub(super) struct Table<'a> {
    path: &'a Path,
    names: csv::StringRecord,
    rows: Vec<csv::StringRecord>,
}

impl<'a> Table<'a> {
    /// Reads a table; nothing where there is no such file.
    pub(super) fn read(path: &'a Path) -> Result<Option<Self>> {
        let Some(text) = text_of(path)? else { return Ok(None) };
        let mut reader = csv::Reader::from_reader(text.as_bytes());
        let wrong =
            |error: csv::Error| Error::data(path, format!("is no table: {error}"));
        let names = reader.headers().map_err(wrong)?.clone();
        let rows = reader.records().collect::<csv::Result<Vec<_>>>().map_err(wrong)?;
        Ok(Some(Self { path, names, rows }))
    }

    /// The number of rows.
    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    /// A column as text.
    pub(super) fn texts(&self, name: &str) -> Result<Vec<String>> {
        let column = self.column(name)?;
        Ok(self.rows.iter().map(|row| row[column].to_owned()).collect())
    }

    /// A column of numbers, none of them missing.
    pub(super) fn numbers(&self, name: &str) -> Result<Vec<f64>> {
        let values = self.parsed(self.column(name)?, name)?;
        match values.iter().position(|value| !value.is_finite()) {
            None => Ok(values),
            Some(row) => Err(self.cell_error(row, name, "is empty or not finite")),
        }
    }

    /// A column of numbers; empty fields, and a column that is not there, are NaN.
    pub(super) fn numbers_or_nan(&self, name: &str) -> Result<Vec<f64>> {
        match self.names.iter().position(|found| found == name) {
            None => Ok(vec![f64::NAN; self.rows.len()]),
            Some(column) => self.parsed(column, name),
        }
    }

    fn column(&self, name: &str) -> Result<usize> {
        self.names.iter().position(|found| found == name).ok_or_else(|| {
            Error::data(self.path, format!("has no column `{name}`"))
                .expected("the columns of docs/FORMAT.md")
        })
    }

    fn parsed(&self, column: usize, name: &str) -> Result<Vec<f64>> {
        let parse = |(index, row): (usize, &csv::StringRecord)| match &row[column] {
            "" => Ok(f64::NAN),
            text => text.parse().map_err(|_| {
                self.cell_error(index, name, &format!("is `{text}`, no number"))
            }),
        };
        self.rows.iter().enumerate().map(parse).collect()
    }

    fn cell_error(&self, row: usize, name: &str, found: &str) -> Error {
        // Line 1 is the header.
        Error::data(self.path, format!("line {}, column `{name}`: {found}", row + 2))
            .expected("a number")
    }
}
