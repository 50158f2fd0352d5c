//! Tables that grow row by row: `history.csv`, `timing.csv`.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::atomic::{write_atomic, write_error};
use crate::error::{Error, Result};

/// A CSV file whose first column is the step; every row is appended in one write, so that a
/// crash costs at most the last row. Fields are numbers, so nothing is ever quoted.
#[derive(Debug)]
pub struct CsvLog {
    path: PathBuf,
    file: File,
    n_columns: usize,
    steps: Vec<u64>,
}

impl CsvLog {
    /// A new table with these columns, replacing what is there.
    ///
    /// # Errors
    /// If the operating system refuses.
    pub fn create(path: &Path, columns: &[&str]) -> Result<Self> {
        write_atomic(path, (columns.join(",") + "\n").as_bytes())?;
        Self::append_to(path, columns, Vec::new())
    }

    /// An existing table, with every row after step `last` and a torn last line cut away.
    ///
    /// # Errors
    /// If the file is missing, has other columns, or a whole line in it is no row.
    pub fn continue_after(path: &Path, columns: &[&str], last: u64) -> Result<Self> {
        let bytes =
            fs::read(path).map_err(|error| Error::io(path, "cannot be read", error))?;
        let text = String::from_utf8_lossy(&bytes);
        let (kept, steps) = kept_rows(&text, columns, last).map_err(|found| {
            Error::data(path, found)
                .expected(format!("rows of {}", columns.join(",")))
                .fix("start anew with --fresh")
        })?;
        if kept.len() < bytes.len() {
            write_atomic(path, kept.as_bytes())?;
        }
        Self::append_to(path, columns, steps)
    }

    fn append_to(path: &Path, columns: &[&str], steps: Vec<u64>) -> Result<Self> {
        let file = OpenOptions::new()
            .append(true)
            .open(path)
            .map_err(|error| Error::io(path, "cannot be opened", error))?;
        Ok(Self { path: path.to_owned(), file, n_columns: columns.len(), steps })
    }

    /// The steps of all rows.
    pub fn steps(&self) -> &[u64] {
        &self.steps
    }

    /// Appends the row of `step`; `fields` are those after the step.
    ///
    /// # Errors
    /// If the operating system refuses; the table then has no part of the row.
    ///
    /// # Panics
    /// If the number of fields is not that of the columns, or a field needs quotes.
    pub fn append(&mut self, step: u64, fields: &[String]) -> Result<()> {
        assert_eq!(fields.len() + 1, self.n_columns, "fields of {}", self.path.display());
        let line = format!("{step},{}\n", fields.join(","));
        assert_eq!(line.matches([',', '"', '\n']).count(), self.n_columns, "{line:?}");
        self.write_line(line.as_bytes())
            .map_err(|error| write_error(&self.path, error))?;
        self.steps.push(step);
        Ok(())
    }

    fn write_line(&mut self, line: &[u8]) -> io::Result<()> {
        let length = self.file.metadata()?.len();
        self.file.write_all(line).inspect_err(|_| {
            // A full disk may have taken half a line.
            let _ = self.file.set_len(length);
        })
    }

    /// Forces all rows to disk.
    ///
    /// # Errors
    /// If the operating system refuses.
    pub fn sync(&mut self) -> Result<()> {
        self.file.sync_data().map_err(|error| write_error(&self.path, error))
    }
}

/// The header and the rows up to step `last`, and these rows' steps.
fn kept_rows<'a>(
    text: &'a str,
    columns: &[&str],
    last: u64,
) -> std::result::Result<(&'a str, Vec<u64>), String> {
    let mut length = 0;
    let mut steps = Vec::new();
    for (i, line) in text.split_inclusive('\n').enumerate() {
        // Only the last line can lack its end.
        let Some(row) = line.strip_suffix('\n') else { break };
        if i == 0 {
            if row != columns.join(",") {
                return Err("has other columns".into());
            }
        } else {
            let step = row_step(row, columns.len())
                .ok_or_else(|| format!("line {} is no row", i + 1))?;
            if step > last {
                break;
            }
            if steps.last() >= Some(&step) {
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

    const COLUMNS: [&str; 3] = ["step", "loss", "error"];

    fn fields(values: [f64; 2]) -> Vec<String> {
        values.map(|value| value.to_string()).to_vec()
    }

    #[test]
    fn a_torn_line_and_later_rows_are_cut() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("x.csv");
        let mut log = CsvLog::create(&path, &COLUMNS).unwrap();
        for step in [0, 8, 16] {
            log.append(step, &fields([0.5, 0.25])).unwrap();
        }
        log.sync().unwrap();
        let whole = fs::read_to_string(&path).unwrap();
        assert_eq!(whole, "step,loss,error\n0,0.5,0.25\n8,0.5,0.25\n16,0.5,0.25\n");
        for torn in whole.len() - 11..=whole.len() {
            fs::write(&path, &whole[..torn]).unwrap();
            let mut log = CsvLog::continue_after(&path, &COLUMNS, 8).unwrap();
            assert_eq!(log.steps(), [0, 8]);
            log.append(16, &fields([0.5, 0.25])).unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), whole);
        }
    }

    #[test]
    fn damage_is_an_error() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("x.csv");
        let refused = |text: &str, part: &str| {
            fs::write(&path, text).unwrap();
            let error = CsvLog::continue_after(&path, &COLUMNS, 8).unwrap_err();
            assert!(error.to_string().contains(part), "{error}");
        };
        refused("", "no header");
        refused("step,loss", "no header");
        refused("step,loss\n", "other columns");
        refused("step,loss,error\n0,1\n", "line 2 is no row");
        refused("step,loss,error\n0,1,2\nx,1,2\n", "line 3 is no row");
        refused("step,loss,error\n4,1,2\n4,1,2\n", "order of steps");
        fs::remove_file(&path).unwrap();
        assert!(CsvLog::continue_after(&path, &COLUMNS, 8).is_err());
    }
}
