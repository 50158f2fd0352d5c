//! Error curves from a CSV table: a run's `history.csv` or anyone's log.

use std::fs;
use std::path::Path;

use csv::StringRecord;

use super::run::RunDir;
use crate::error::{Error, Result};
use crate::phases::Curves;

/// The columns that are read; others may hold anything.
const COLUMNS: [&str; 11] = [
    "epoch",
    "train_error",
    "train_acc",
    "train_accuracy",
    "test_error",
    "test_acc",
    "test_accuracy",
    "step",
    "train_loss",
    "train_error_corrupted",
    "n_test",
];

/// The errors that curves need, each with the names that its column may have.
const ERRORS: [(&str, &[&str]); 2] = [
    ("train_error", &["train_error", "train_acc", "train_accuracy"]),
    ("test_error", &["test_error", "test_acc", "test_accuracy"]),
];

impl RunDir {
    /// Whether there is a `history.csv` with both errors, as that of a recording need not have.
    pub(crate) fn has_errors(&self) -> bool {
        let reader =
            csv::ReaderBuilder::new().trim(csv::Trim::All).from_path(self.history());
        let header = reader.and_then(|mut reader| reader.headers().cloned());
        header.is_ok_and(|header| ERRORS.iter().all(|(_, names)| has_any(&header, names)))
    }

    /// The error curves of `history.csv`.
    ///
    /// # Errors
    /// If the file cannot be read or is no such table.
    pub fn curves(&self) -> Result<Curves> {
        read_curves(&self.history())
    }
}

/// Reads error curves by the names of a table's columns; empty fields are NaN.
///
/// # Errors
/// If the file cannot be read or is no such table.
pub fn read_curves(path: &Path) -> Result<Curves> {
    let text =
        fs::read(path).map_err(|error| Error::io(path, "cannot be read", error))?;
    let mut reader =
        csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(text.as_slice());
    let malformed = |error: csv::Error| Error::data(path, format!("is no CSV: {error}"));
    let header = reader.headers().map_err(malformed)?.clone();
    check_header(path, &header)?;
    let records: Vec<StringRecord> =
        reader.records().collect::<std::result::Result<_, _>>().map_err(malformed)?;
    if records.is_empty() {
        return Err(Error::data(path, "has a header but no rows"));
    }
    let mut columns = Vec::new();
    for name in COLUMNS {
        if let Some(index) = header.iter().position(|found| found == name) {
            columns.push((name, column(path, name, index, &records)?));
        }
    }
    let values = |name: &str| {
        columns.iter().find(|(found, _)| *found == name).map(|(_, values)| values.clone())
    };
    Curves::from_columns(values).map_err(|error| {
        let placed = Error::data(path, format!("cannot be used: {error}"));
        match error.help() {
            Some(fix) => placed.fix(fix),
            None => placed,
        }
    })
}

fn has_any(header: &StringRecord, names: &[&str]) -> bool {
    header.iter().any(|found| names.contains(&found))
}

/// Anyone's error curves as the text of a `history.csv`: the table as it is if it has errors,
/// else its epochs with the errors that its accuracies give.
///
/// # Errors
/// As [`read_curves`].
pub fn history_text(path: &Path) -> Result<String> {
    let curves = read_curves(path)?;
    let text = fs::read_to_string(path)
        .map_err(|error| Error::io(path, "cannot be read", error))?;
    let header = text.lines().next().unwrap_or_default();
    let has = |name: &str| header.split(',').any(|column| column.trim() == name);
    if has("train_error") && has("test_error") {
        return Ok(text);
    }
    let number =
        |value: f64| if value.is_nan() { String::new() } else { value.to_string() };
    let rows = curves.epoch().iter().zip(curves.train_error()).zip(curves.test_error());
    let rows = rows.map(|((epoch, train), test)| {
        format!("{epoch},{},{}\n", number(*train), number(*test))
    });
    Ok("epoch,train_error,test_error\n".to_owned() + &rows.collect::<String>())
}

fn check_header(path: &Path, header: &StringRecord) -> Result<()> {
    let needed = [("epoch", &["epoch"][..])].into_iter().chain(ERRORS);
    let missing = needed.into_iter().find(|(_, names)| !has_any(header, names));
    let Some((name, _)) = missing else { return Ok(()) };
    let found: Vec<&str> = header.iter().collect();
    Err(Error::data(path, format!("has no column `{name}`; it has {}", found.join(", ")))
        .expected("epoch, train_error, test_error (or train_acc, test_acc)")
        .fix("rename the columns in the first line"))
}

fn column(
    path: &Path,
    name: &str,
    index: usize,
    records: &[StringRecord],
) -> Result<Vec<f64>> {
    records.iter().map(|record| number(path, name, &record[index], record)).collect()
}

/// A field as a number; an empty one, and the usual words for "none", as NaN.
fn number(path: &Path, name: &str, field: &str, record: &StringRecord) -> Result<f64> {
    if matches!(field, "" | "-" | "NA" | "N/A" | "null" | "None") {
        return Ok(f64::NAN);
    }
    field.parse().map_err(|_| {
        let line = record.position().map_or(0, csv::Position::line);
        Error::data(path, format!("has `{field}` under `{name}` in line {line}"))
            .expected("a number or an empty field")
    })
}
