//! One row per epoch, from logs that write several.

use std::path::Path;

use crate::error::{Error, Result};

/// Columns of values beside the time.
pub(super) const N_VALUES: usize = 5;
/// Their names.
pub(super) const VALUES: [&str; N_VALUES] =
    ["train_error", "test_error", "train_error_corrupted", "n_test", "train_loss"];
/// Of these, the ones that say one thing per row; a loss is logged after any number of batches,
/// and the last of an epoch is taken.
const N_ONCE: usize = 4;

/// A row of a log.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Entry {
    /// Its line in the file.
    pub(super) line: u64,
    /// Epoch or step.
    pub(super) time: f64,
    /// Step beside an epoch; NaN where there is none.
    pub(super) step: f64,
    /// NaN where nothing is logged.
    pub(super) values: [f64; N_VALUES],
}

/// Why the rows of one time cannot be one row.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Conflict {
    time: f64,
    lines: [u64; 2],
    values: [f64; 2],
    column: usize,
}

/// At least this many times per one that is logged twice in a row: else it is no resume.
const TIMES_A_CONFLICT: usize = 10;

/// One row per time, in the order of time.
///
/// Rows of one time whose filled fields do not conflict are merged: Lightning writes one row for
/// training and one for validation. Where time goes back and fields are filled again, training
/// was resumed there: what stands before of that time and later is dropped.
///
/// # Errors
/// If rows next to each other say different things of the same time, and often.
pub(super) fn merge(
    entries: Vec<Entry>,
    notes: &mut Vec<String>,
) -> std::result::Result<Vec<Entry>, Conflict> {
    if entries.is_sorted_by(|a, b| a.time < b.time) {
        return Ok(entries);
    }
    let mut merged: Vec<Entry> = vec![];
    let mut rows_merged = 0;
    for pass in passes(&entries) {
        let (pass, conflicts) = merge_pass(pass);
        rows_merged += pass.n_merged;
        if let Some(conflict) = conflicts.first() {
            if conflicts.len() * TIMES_A_CONFLICT > pass.rows.len() {
                return Err(conflict.clone());
            }
            notes.push(format!(
                "logged twice, the last taken: {}",
                list(conflicts.iter().map(|conflict| conflict.time))
            ));
        }
        rows_merged += append(&mut merged, pass.rows, notes);
    }
    if rows_merged > 0 {
        notes.push(format!("{rows_merged} rows merged with others of the same time"));
    }
    Ok(merged)
}

/// The stretches in which time does not go back.
fn passes(entries: &[Entry]) -> impl Iterator<Item = &[Entry]> {
    entries.chunk_by(|a, b| a.time <= b.time)
}

/// A stretch with one row per time.
struct Pass {
    rows: Vec<Entry>,
    n_merged: usize,
}

fn merge_pass(entries: &[Entry]) -> (Pass, Vec<Conflict>) {
    let mut pass = Pass { rows: vec![], n_merged: 0 };
    let mut conflicts: Vec<Conflict> = vec![];
    for entry in entries {
        match pass.rows.last_mut().filter(|last| last.is_at(entry.time)) {
            None => pass.rows.push(*entry),
            Some(last) => {
                if let Some(column) = last.clash(entry)
                    && conflicts
                        .last()
                        .is_none_or(|known| known.time.total_cmp(&entry.time).is_ne())
                {
                    conflicts.push(Conflict {
                        time: entry.time,
                        lines: [last.line, entry.line],
                        values: [last.values[column], entry.values[column]],
                        column,
                    });
                }
                last.take(entry);
                pass.n_merged += 1;
            }
        }
    }
    (pass, conflicts)
}

/// Adds a stretch to what stands before; returns how many of its rows were merged.
fn append(merged: &mut Vec<Entry>, rows: Vec<Entry>, notes: &mut Vec<String>) -> usize {
    let Some(first) = rows.first().map(|row| row.time) else { return 0 };
    let before = merged.partition_point(|row| row.time < first);
    if before == merged.len() {
        merged.extend(rows);
        return 0;
    }
    let later = merged.split_off(before);
    let at = |time: f64| later.binary_search_by(|row| row.time.total_cmp(&time)).ok();
    let is_again =
        |row: &Entry| at(row.time).is_some_and(|known| later[known].fills_again(row));
    if rows.iter().any(is_again) {
        notes.push(format!(
            "training was resumed at {first}: {} rows of before from there on are dropped",
            later.len()
        ));
        merged.extend(rows);
        return 0;
    }
    let n = later.len() + rows.len();
    let mut all: Vec<Entry> = later.into_iter().chain(rows).collect();
    all.sort_by(|a, b| a.time.total_cmp(&b.time));
    let (pass, _) = merge_pass(&all);
    let n_merged = n - pass.rows.len();
    merged.extend(pass.rows);
    n_merged
}

impl Entry {
    fn is_at(&self, time: f64) -> bool {
        self.time.total_cmp(&time).is_eq()
    }

    /// The first column that both fill, differently.
    fn clash(&self, other: &Self) -> Option<usize> {
        let differ =
            |a: f64, b: f64| !a.is_nan() && !b.is_nan() && a.total_cmp(&b).is_ne();
        (0..N_ONCE).find(|&column| differ(self.values[column], other.values[column]))
    }

    /// Whether both fill one column.
    fn fills_again(&self, other: &Self) -> bool {
        let pairs = self.values.iter().zip(&other.values);
        pairs.into_iter().any(|(a, b)| !a.is_nan() && !b.is_nan())
    }

    /// Takes over what another row of the same time fills.
    fn take(&mut self, other: &Self) {
        for (own, other) in self.values.iter_mut().zip(&other.values) {
            if !other.is_nan() {
                *own = *other;
            }
        }
        self.step = self.step.max(other.step);
        self.line = other.line;
    }
}

impl Conflict {
    /// An error that names the lines.
    pub(super) fn error(&self, path: &Path, time: &str) -> Error {
        let [first, second] = self.lines;
        Error::data(
            path,
            format!(
                "has {time} {} in lines {first} and {second}, with {} {} and {}",
                self.time, VALUES[self.column], self.values[0], self.values[1]
            ),
        )
        .expected(format!("one value per {time}"))
        .fix("one file holds one run; rows within an epoch need a column `step`")
    }
}

/// Up to five times.
fn list(times: impl ExactSizeIterator<Item = f64>) -> String {
    let n = times.len();
    let mut named: Vec<String> = times.take(5).map(|time| time.to_string()).collect();
    if n > named.len() {
        named.push(format!("{} more", n - named.len()));
    }
    named.join(", ")
}

/// Checks what curves ask of times.
///
/// # Errors
/// A negative one, with its line.
pub(super) fn check_times(path: &Path, time: &str, entries: &[Entry]) -> Result<()> {
    match entries.iter().find(|entry| entry.time < 0.0) {
        None => Ok(()),
        Some(entry) => Err(Error::data(
            path,
            format!("has {time} {} in line {}", entry.time, entry.line),
        )
        .expected(format!("a {time} of at least 0"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAN: f64 = f64::NAN;

    fn entries(rows: &[(f64, f64, f64)]) -> Vec<Entry> {
        let entry = |(at, &(time, train, test)): (usize, &(f64, f64, f64))| Entry {
            line: at as u64 + 2,
            time,
            step: NAN,
            values: [train, test, NAN, NAN, NAN],
        };
        rows.iter().enumerate().map(entry).collect()
    }

    fn merged(rows: &[(f64, f64, f64)]) -> (Vec<(f64, String, String)>, Vec<String>) {
        let mut notes = vec![];
        let rows = merge(entries(rows), &mut notes).unwrap();
        let text = |row: &Entry| {
            (row.time, row.values[0].to_string(), row.values[1].to_string())
        };
        (rows.iter().map(text).collect(), notes)
    }

    fn row(time: f64, train: &str, test: &str) -> (f64, String, String) {
        (time, train.into(), test.into())
    }

    #[test]
    fn rows_of_one_time_that_do_not_conflict_are_one() {
        let (rows, notes) =
            merged(&[(0., NAN, 0.9), (0., 0.8, NAN), (1., NAN, 0.5), (1., 0.4, NAN)]);
        assert_eq!(rows, [row(0., "0.8", "0.9"), row(1., "0.4", "0.5")]);
        assert_eq!(notes, ["2 rows merged with others of the same time"]);
        // First all of one column, then all of another, or newest first.
        let (blocks, _) =
            merged(&[(0., NAN, 0.9), (1., NAN, 0.5), (0., 0.8, NAN), (1., 0.4, NAN)]);
        assert_eq!(blocks, rows);
        let (reversed, _) = merged(&[(1., 0.4, 0.5), (0., 0.8, 0.9)]);
        assert_eq!(reversed, rows);
    }

    #[test]
    fn what_was_logged_after_a_resume_replaces_what_was_logged_before() {
        let (rows, notes) = merged(&[
            (0., 0.9, 0.9),
            (1., 0.8, 0.8),
            (2., 0.7, 0.7),
            (3., 0.6, 0.6),
            (1., 0.5, 0.5),
            (2., 0.4, 0.4),
        ]);
        assert_eq!(
            rows,
            [row(0., "0.9", "0.9"), row(1., "0.5", "0.5"), row(2., "0.4", "0.4")]
        );
        assert_eq!(
            notes,
            ["training was resumed at 1: 3 rows of before from there on are dropped"]
        );
        let mut once: Vec<_> = (0..12).map(|t| (f64::from(t), 0.5, 0.5)).collect();
        once.insert(5, (5.0, 0.4, NAN));
        let (rows, notes) = merged(&once);
        assert_eq!((rows.len(), &rows[5]), (12, &row(5., "0.5", "0.5")));
        assert_eq!(notes[0], "logged twice, the last taken: 5");
    }

    #[test]
    fn rows_that_say_different_things_of_one_time_are_refused() {
        let twice = entries(&[(1., 0.5, 0.5), (1., 0.4, 0.5), (2., 0.3, 0.3)]);
        let conflict = merge(twice, &mut vec![]).unwrap_err();
        assert_eq!(
            conflict.error("log.csv".as_ref(), "epoch").to_string(),
            "log.csv has epoch 1 in lines 2 and 3, with train_error 0.5 and 0.4; expected one \
             value per epoch"
        );
    }
}
