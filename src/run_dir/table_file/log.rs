//! Tables that grow row by row: `history.csv`, `timing.csv`.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::marker::PhantomData;
use std::path::{Path, PathBuf};

use super::row::{Row, header_line, lines};
use crate::disk::open_own;
use crate::error::{Error, Result};
use crate::run_dir::atomic::write_error;
use crate::run_dir::checksums::{Running, checked, list_rows, write_file};

/// A row whose first column is a step.
pub trait StepRow: Row {
    /// Whether a step may have several rows.
    const REPEATS: bool = false;

    /// The step.
    ///
    /// # Panics
    /// If the row has none.
    fn step(&self) -> u64;
}

/// A table that grows; every row is appended in one write, so that a crash costs at most the
/// last row.
#[derive(Debug)]
pub struct TableLog<R> {
    path: PathBuf,
    file: File,
    steps: Vec<u64>,
    sum: Running,
    row: PhantomData<fn(&R)>,
}

impl<R: StepRow> TableLog<R> {
    /// A new table, replacing what is there.
    ///
    /// # Errors
    /// If the operating system refuses.
    pub fn create(root: &Path) -> Result<Self> {
        let header = header_line(R::TABLE.columns);
        write_file(&R::TABLE.file.path(root), header.as_bytes())?;
        Self::append_to(root, &header, Vec::new())
    }

    /// An existing table, with every row after step `last` and a torn last line cut away.
    ///
    /// # Errors
    /// If the file is missing, has other columns, or a whole line in it is not a row.
    pub fn continue_after(root: &Path, last: u64) -> Result<Self> {
        let path = R::TABLE.file.path(root);
        let header = header_line(R::TABLE.columns);
        let bytes = read(&path)?;
        let text = String::from_utf8_lossy(&bytes);
        let (kept, steps) =
            kept_rows(&text, (&header, R::REPEATS), last).map_err(|found| {
                Error::data(&path, found)
                    .expected(format!("rows of {}", header.trim_end()))
                    .fix("start over with --fresh")
            })?;
        if kept.len() < bytes.len() {
            write_file(&path, kept.as_bytes())?;
        }
        Self::append_to(root, kept, steps)
    }

    /// The table of another run with its rows up to step `last`.
    ///
    /// # Errors
    /// As [`TableLog::continue_after`].
    pub fn taken_over(from: &Path, root: &Path, last: u64) -> Result<Self> {
        write_file(&R::TABLE.file.path(root), &read(&R::TABLE.file.path(from))?)?;
        Self::continue_after(root, last)
    }

    fn append_to(root: &Path, there: &str, steps: Vec<u64>) -> Result<Self> {
        let path = R::TABLE.file.path(root);
        let file = open_own(OpenOptions::new().append(true), &path)
            .map_err(|error| Error::io(&path, "cannot be opened", error))?;
        let mut sum = Running::default();
        sum.add(there.as_bytes());
        Ok(Self { path, file, steps, sum, row: PhantomData })
    }

    /// The steps of all rows.
    pub fn steps(&self) -> &[u64] {
        &self.steps
    }

    /// Appends a row.
    ///
    /// # Errors
    /// If the operating system refuses; the table then has no part of the row.
    pub fn append(&mut self, row: &R) -> Result<()> {
        self.append_all(std::slice::from_ref(row))
    }

    /// Appends rows in one write.
    ///
    /// # Errors
    /// If the operating system refuses; the table then has no part of the rows.
    pub fn append_all(&mut self, rows: &[R]) -> Result<()> {
        let lines = lines(rows);
        self.write_line(&lines).map_err(|error| write_error(&self.path, error))?;
        self.sum.add(&lines);
        self.steps.extend(rows.iter().map(StepRow::step));
        Ok(())
    }

    fn write_line(&mut self, line: &[u8]) -> io::Result<()> {
        let length = self.file.metadata()?.len();
        self.file.write_all(line).inspect_err(|_| {
            // A full disk may have taken half a line.
            let _ = self.file.set_len(length);
        })
    }

    /// Forces all rows to disk, and lists their checksum.
    ///
    /// # Errors
    /// If the operating system refuses.
    pub fn sync(&mut self) -> Result<()> {
        self.file.sync_data().map_err(|error| write_error(&self.path, error))?;
        list_rows(&self.path, &self.sum)
    }
}

fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(checked(path)?).map_err(|error| Error::io(path, "cannot be read", error))
}

/// The header and the rows up to step `last`, and these rows' steps.
fn kept_rows<'a>(
    text: &'a str,
    (header, repeats): (&str, bool),
    last: u64,
) -> std::result::Result<(&'a str, Vec<u64>), String> {
    let mut length = 0;
    let mut steps = Vec::new();
    for (i, line) in text.split_inclusive('\n').enumerate() {
        // Only the last line can lack its end.
        if !line.ends_with('\n') {
            break;
        }
        if i == 0 {
            if line != header {
                return Err("has other columns".into());
            }
        } else {
            let n_columns = header.split(',').count();
            let step = row_step(line, n_columns)
                .ok_or_else(|| format!("line {} is not a row", i + 1))?;
            if step > last {
                break;
            }
            let is_repeated = repeats && steps.last() == Some(&step);
            if steps.last() >= Some(&step) && !is_repeated {
                return Err(format!("line {} is not in the order of steps", i + 1));
            }
            steps.push(step);
        }
        length += line.len();
    }
    if length == 0 {
        return Err("has no header".into());
    }
    Ok((&text[..length], steps))
}

fn row_step(row: &str, n_columns: usize) -> Option<u64> {
    let mut fields = row.split(',');
    let step = fields.next()?.parse().ok()?;
    (fields.count() + 1 == n_columns).then_some(step)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run_dir::Fixed;
    use crate::run_dir::RunFile;
    use crate::run_dir::tables::TimingRow;

    fn row(step: u64) -> TimingRow {
        TimingRow { step, seconds: Fixed(0.5), examples_per_second: Fixed(0.25) }
    }

    #[test]
    fn a_torn_line_and_later_rows_are_cut() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path();
        let path = RunFile::Timing.path(root);
        let mut log = TableLog::create(root).unwrap();
        for step in [0, 8, 16] {
            log.append(&row(step)).unwrap();
        }
        log.sync().unwrap();
        let whole = fs::read_to_string(&path).unwrap();
        let header = "step,seconds,examples_per_second\n";
        let rows = "0,0.500000,0.2\n8,0.500000,0.2\n16,0.500000,0.2\n";
        assert_eq!(whole, format!("{header}{rows}"));
        for torn in whole.len() - 15..=whole.len() {
            fs::write(&path, &whole[..torn]).unwrap();
            let mut log = TableLog::continue_after(root, 8).unwrap();
            assert_eq!(log.steps(), [0, 8]);
            log.append(&row(16)).unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), whole);
        }
        let other = directory.path().join("other");
        let log = TableLog::<TimingRow>::taken_over(root, &other, 0).unwrap();
        assert_eq!(log.steps(), [0]);
    }

    #[test]
    fn damage_is_an_error() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path();
        let path = RunFile::Timing.path(root);
        let again = || TableLog::<TimingRow>::continue_after(root, 8);
        let header = "step,seconds,examples_per_second\n";
        let refused = |text: &str, part: &str| {
            fs::write(&path, text).unwrap();
            let error = again().unwrap_err();
            assert!(error.to_string().contains(part), "{error}");
        };
        refused("", "no header");
        refused("step,seconds", "no header");
        refused("step,seconds\n", "other columns");
        refused(&format!("{header}0,1\n"), "line 2 is not a row");
        refused(&format!("{header}0,1,2\nx,1,2\n"), "line 3 is not a row");
        refused(&format!("{header}4,1,2\n4,1,2\n"), "order of steps");
        fs::remove_file(&path).unwrap();
        assert!(again().is_err());
    }
}
