//! Error curves from the logs of training tools: a run's `history.csv`, or what Lightning, Keras,
//! Weights and Biases, `TensorBoard`, a spreadsheet or anyone's script writes.
//!
//! What is derived, merged or dropped on the way is said ([`Log::notes`]); what may be meant in
//! two ways is refused with the line and the fix.

use std::fs;
use std::path::Path;

mod columns;
mod fields;
mod merge;
mod names;
mod numbers;
mod options;
mod series;
mod table;
mod text;
mod units;

use super::run::RunDir;
use crate::error::{Error, Result};
use crate::phases::{Axis, Curves};
use columns::Choice;
use fields::Fields;
use merge::{Entry, check_times, merge};
pub use options::{Curve, LogOptions};
use table::Table;

/// The curves of a log, and what was done to read them.
#[derive(Debug, Clone, PartialEq)]
pub struct Log {
    /// The curves.
    pub curves: Curves,
    /// A sentence for each thing that was derived, merged or dropped.
    pub notes: Vec<String>,
}

impl RunDir {
    /// Whether there is a `history.csv` with both errors, as that of a recording need not have.
    pub(crate) fn has_errors(&self) -> bool {
        let path = self.history();
        let Ok(table) = Table::header_of(&path) else { return false };
        let columns = Choice::new(&path, &table).columns(&[]);
        columns.is_ok_and(|columns| columns.train.is_some() && columns.test.is_some())
    }

    /// The error curves of `history.csv`.
    ///
    /// # Errors
    /// If the file cannot be read or is no such table.
    pub fn curves(&self) -> Result<Curves> {
        read_curves(&self.history())
    }
}

/// Reads error curves by the names of a table's columns.
///
/// # Errors
/// As [`read_log`].
pub fn read_curves(path: &Path) -> Result<Curves> {
    Ok(read_log(Some(path), &LogOptions::default())?.curves)
}

/// Reads error curves from a log, or from files with one curve each.
///
/// # Errors
/// If a file cannot be read or is no such table, or if something in it may be meant in two ways.
pub fn read_log(log: Option<&Path>, options: &LogOptions) -> Result<Log> {
    let mut notes = vec![];
    let fields = match log {
        Some(path) => {
            Fields::of_log(path, &Table::read(path, &mut notes)?, options, &mut notes)?
        }
        None => Fields::of_files(options, &mut notes)?,
    };
    let curves = curves(fields, options, &mut notes)?;
    Ok(Log { curves, notes })
}

/// Anyone's error curves as the text of a `history.csv`: the table as it is if it has errors
/// under our names and nothing was done to read it, else its epochs with the errors found.
///
/// # Errors
/// As [`read_log`]; also if the log counts steps and not epochs.
pub fn history_text(path: &Path) -> Result<String> {
    let log = read_log(Some(path), &LogOptions::default())?;
    let bytes =
        fs::read(path).map_err(|error| Error::io(path, "cannot be read", error))?;
    if log.curves.axis() == Axis::Step {
        return Err(Error::data(path, "counts steps and not epochs")
            .expected("a column `epoch`, as the times of activations are epochs")
            .fix("add one: epoch = step / steps per epoch"));
    }
    let text = String::from_utf8(bytes);
    match text {
        Ok(text) if log.notes.is_empty() && has_own_names(&text) => Ok(text),
        _ => Ok(table_of(&log.curves)),
    }
}

fn has_own_names(text: &str) -> bool {
    let header = text.lines().next().unwrap_or_default();
    let has = |name: &str| header.split(',').any(|column| column.trim() == name);
    has("epoch") && has("train_error") && has("test_error")
}

fn table_of(curves: &Curves) -> String {
    let number =
        |value: f64| if value.is_nan() { String::new() } else { value.to_string() };
    let rows = curves.epoch().iter().zip(curves.train_error()).zip(curves.test_error());
    let rows = rows.map(|((epoch, train), test)| {
        format!("{epoch},{},{}\n", number(*train), number(*test))
    });
    "epoch,train_error,test_error\n".to_owned() + &rows.collect::<String>()
}

/// One row per epoch, or per step where epochs are not known or hold several rows.
fn curves(
    fields: Fields,
    options: &LogOptions,
    notes: &mut Vec<String>,
) -> Result<Curves> {
    let Fields { path, entries, has_epochs, has_steps } = fields;
    let (mut axis, mut rows) = (Axis::Epoch, vec![]);
    if has_epochs {
        let mut said = vec![];
        match merge(entries.clone(), &mut said) {
            Ok(merged) => {
                rows = merged;
                notes.append(&mut said);
            }
            Err(conflict) if !has_steps => return Err(conflict.error(&path, "epoch")),
            Err(_) => {
                notes.push("epochs have several rows: their steps are the axis".into());
                axis = Axis::Step;
            }
        }
    } else {
        axis = Axis::Step;
    }
    if axis == Axis::Step {
        let by_step =
            entries.into_iter().map(|entry| Entry { time: entry.step, ..entry });
        rows = merge(by_step.collect(), notes)
            .map_err(|conflict| conflict.error(&path, "step"))?;
        axis = in_epochs(&mut rows, options, notes);
    }
    check_times(&path, axis.name(), &rows)?;
    columns_of(&rows, axis).map_err(|error| error.inside(&path.display().to_string()))
}

/// Makes epochs of steps where it is known how many an epoch has.
fn in_epochs(rows: &mut [Entry], options: &LogOptions, notes: &mut Vec<String>) -> Axis {
    let Some(steps) = options.steps_per_epoch else {
        notes.push(
            "no epochs are known: times are steps (--steps-per-epoch makes epochs)"
                .into(),
        );
        return Axis::Step;
    };
    notes.push(format!("epoch = step/{steps}"));
    rows.iter_mut().for_each(|row| row.time = row.step / steps);
    Axis::Epoch
}

fn columns_of(rows: &[Entry], axis: Axis) -> Result<Curves> {
    let column =
        |at: usize| -> Vec<f64> { rows.iter().map(|row| row.values[at]).collect() };
    let known = |at: usize| rows.iter().any(|row| !row.values[at].is_nan());
    let times = rows.iter().map(|row| row.time).collect();
    let mut curves = Curves::new(times, column(0), column(1))?.on(axis);
    if rows.iter().any(|row| !row.step.is_nan()) {
        curves = curves.with_step(rows.iter().map(|row| row.step).collect());
    }
    if known(2) {
        curves = curves.with_train_error_corrupted(column(2))?;
    }
    if known(3) {
        curves = curves.with_n_test(column(3));
    }
    if known(4) {
        curves = curves.with_train_loss(column(4));
    }
    Ok(curves)
}
