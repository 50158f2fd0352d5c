//! A list of checksums in a file: `file,bytes,sha256`, one line per file, and more while files
//! are being replaced.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::io;
use std::path::Path;

use super::sum::Sum;
use crate::error::{Error, Result};

/// The first line.
pub(super) const HEADER: &str = "file,bytes,sha256\n";
/// A list that is longer is not ours: it would be of half a million files.
const MAX_SIZE: u64 = 64 << 20;

/// The contents that each file may have, in the order in which they were listed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Journal {
    pub(super) sums: BTreeMap<String, Vec<Sum>>,
    /// Bytes of its whole lines; a kill or a full disk may have left half a line behind them.
    pub(super) length: u64,
}

impl Journal {
    /// None if the file does not exist.
    pub(super) fn read(path: &Path) -> Result<Option<Self>> {
        let cannot = |error| Error::io(path, "cannot be read", error);
        let size = match path.metadata() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            file => file.map_err(cannot)?.len(),
        };
        if size > MAX_SIZE {
            return Err(damaged(path, "is too long".into()));
        }
        let bytes = fs::read(path).map_err(cannot)?;
        let text = std::str::from_utf8(&bytes)
            .map_err(|_| damaged(path, "is no text".into()))?;
        Self::parse(text).map(Some).map_err(|found| damaged(path, found))
    }

    fn parse(text: &str) -> std::result::Result<Self, String> {
        let mut journal = Self::default();
        for (at, line) in text.split_inclusive('\n').enumerate() {
            let Some(whole) = line.strip_suffix('\n') else { break };
            if at == 0 {
                if line != HEADER {
                    return Err("has another header".into());
                }
            } else {
                let mut fields = whole.rsplitn(3, ',');
                let (sha256, bytes, name) = (fields.next(), fields.next(), fields.next());
                let sum = sha256
                    .zip(bytes)
                    .and_then(|(sha256, bytes)| Sum::parse(bytes, sha256));
                let name = name.filter(|name| !name.contains(char::is_control));
                let (Some(sum), Some(name)) = (sum, name) else {
                    return Err(format!("has no file and checksum in line {}", at + 1));
                };
                journal.add(name, sum);
            }
            journal.length += line.len() as u64;
        }
        Ok(journal)
    }

    pub(super) fn add(&mut self, name: &str, sum: Sum) {
        match self.sums.get_mut(name) {
            Some(sums) => sums.push(sum),
            None => {
                self.sums.insert(name.to_owned(), vec![sum]);
            }
        }
    }

    pub(super) fn to_text(&self) -> String {
        let mut text = HEADER.to_owned();
        for (name, sums) in &self.sums {
            sums.iter().for_each(|sum| text += &line(name, sum));
        }
        text
    }
}

pub(super) fn line(name: &str, sum: &Sum) -> String {
    let mut line = String::new();
    let _ = writeln!(line, "{name},{},{}", sum.bytes, sum.hex());
    line
}

fn damaged(path: &Path, found: String) -> Error {
    Error::data(path, found).expected("lines file,bytes,sha256").fix(
        "restore it from a backup; without the file nothing is compared with checksums",
    )
}
