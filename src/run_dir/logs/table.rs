//! A log as a header and rows of fields, whatever separates them.

use std::path::Path;

use csv::StringRecord;

use super::text::decode;
use crate::disk;
use crate::error::{Error, Result};
use crate::run_dir::checksums::checked;

/// What may stand between two fields.
const SEPARATORS: [u8; 4] = [b',', b';', b'\t', b'|'];

/// Longer files and lines are no logs.
const LONGEST_LOG: u64 = 1 << 30;
const LONGEST_LINE: usize = 1 << 20;
/// More columns are no log's.
const MOST_COLUMNS: usize = 20_000;

/// A log.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Table {
    pub(super) header: Vec<String>,
    pub(super) rows: Vec<Row>,
    /// What stands between two fields.
    separator: u8,
}

/// A row of a log.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Row {
    /// Its line in the file, from 1.
    pub(super) line: u64,
    pub(super) fields: StringRecord,
}

impl Table {
    /// The table in a file; what was passed over is noted.
    ///
    /// # Errors
    /// If the file cannot be read, there is no row, or one has more or fewer fields than the
    /// first line.
    pub(super) fn read(path: &Path, notes: &mut Vec<String>) -> Result<Self> {
        Self::parse(path, &text_of(path)?, notes)
    }

    /// The table in a file without its rows.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub(super) fn header_of(path: &Path) -> Result<Self> {
        let text = text_of(path)?;
        let line = text.lines().next().unwrap_or_default();
        let separator = separator(line);
        let mut reader = csv::ReaderBuilder::new()
            .delimiter(separator)
            .trim(csv::Trim::All)
            .from_reader(line.as_bytes());
        let header = reader.headers().cloned().unwrap_or_default();
        let header = header.iter().map(str::to_owned).collect();
        Ok(Self { header, rows: vec![], separator })
    }

    /// The table in a text; what was passed over is noted.
    ///
    /// # Errors
    /// If there is no row, or one has more or fewer fields than the first line.
    fn parse(path: &Path, text: &str, notes: &mut Vec<String>) -> Result<Self> {
        let (text, skipped) = without_preamble(text);
        let separator = separator(text);
        let mut reader = csv::ReaderBuilder::new()
            .delimiter(separator)
            .has_headers(false)
            .flexible(true)
            .trim(csv::Trim::All)
            .from_reader(text.as_bytes());
        let mut lines = vec![];
        for record in reader.records() {
            let record = record
                .map_err(|error| Error::data(path, format!("is no table: {error}")))?;
            let line = record.position().map_or(0, csv::Position::line) + skipped;
            lines.push(Row { line, fields: record });
        }
        lines.retain(|row| row.fields.iter().any(|field| !field.is_empty()));
        if lines.is_empty() {
            return Err(Error::data(path, "is empty")
                .expected("a header with `epoch` or `step` and errors or accuracies"));
        }
        let mut header: Vec<String> =
            lines.remove(0).fields.iter().map(str::to_owned).collect();
        if let Some(first) = header.first_mut() {
            *first = first.trim_start_matches('#').trim().to_owned();
        }
        if header.len() > MOST_COLUMNS {
            return Err(Error::data(path, format!("has {} columns", header.len()))
                .expected(format!("at most {MOST_COLUMNS}")));
        }
        let mut table = Self { header, rows: lines, separator };
        table.drop_repeated_headers(notes);
        table.check_lengths(path, text.ends_with('\n'), notes)?;
        if table.rows.is_empty() {
            return Err(Error::data(path, "has a header but no rows"));
        }
        Ok(table)
    }

    /// Whether `0,5` is a half: where another character separates fields.
    pub(super) fn has_decimal_commas(&self) -> bool {
        self.separator != b','
    }

    /// Keras writes the header again when it appends to a log.
    fn drop_repeated_headers(&mut self, notes: &mut Vec<String>) {
        let before = self.rows.len();
        let header = &self.header;
        self.rows.retain(|row| {
            row.fields.get(0) != Some(&header[0]) || !row.fields.iter().eq(header)
        });
        match before - self.rows.len() {
            0 => {}
            1 => notes.push(
                "the header is repeated in another line, which is passed over".into(),
            ),
            n => notes.push(format!(
                "the header is repeated in {n} lines, which are passed over"
            )),
        }
    }

    /// Every row has the header's fields. Empty ones at the end do not count; a last line that
    /// was not finished is passed over.
    fn check_lengths(
        &mut self,
        path: &Path,
        is_finished: bool,
        notes: &mut Vec<String>,
    ) -> Result<()> {
        let n = self.header.len();
        for row in &mut self.rows {
            if row.fields.iter().skip(n).all(str::is_empty) {
                row.fields.truncate(n);
            }
        }
        let wrong = self.rows.iter().position(|row| row.fields.len() != n);
        let Some(at) = wrong else { return Ok(()) };
        let found = self.rows[at].fields.len();
        if at + 1 == self.rows.len() && !is_finished && found < n {
            notes.push(format!(
                "line {}, the last, is not finished and passed over",
                self.rows[at].line
            ));
            self.rows.pop();
            return Ok(());
        }
        let line = self.rows[at].line;
        Err(Error::data(path, format!("has {found} fields in line {line}"))
            .expected(format!("{n}, as in the header"))
            .fix("one file holds one table: split it where the columns change"))
    }
}

fn text_of(path: &Path) -> Result<String> {
    let bytes = disk::read(checked(path)?, LONGEST_LOG)?;
    let longest = bytes.split(|byte| *byte == b'\n').map(<[u8]>::len).max();
    if longest > Some(LONGEST_LINE) {
        return Err(Error::data(path, format!("has a line over {LONGEST_LINE} bytes"))
            .expected("a table of numbers, one row per line"));
    }
    Ok(decode(&bytes))
}

/// The text from its header on, and the lines before: Excel's `sep=;`, comments.
fn without_preamble(text: &str) -> (&str, u64) {
    let (mut rest, mut lines) = (text, 0);
    loop {
        let line = rest.split('\n').next().unwrap_or_default();
        let is_comment =
            line.starts_with('#') && !SEPARATORS.iter().any(|s| has(line, *s));
        let is_hint = line.trim_start_matches('"').to_lowercase().starts_with("sep=");
        if !(is_comment || is_hint || line.trim().is_empty()) || line.len() == rest.len()
        {
            return (rest, lines);
        }
        (rest, lines) = (&rest[line.len() + 1..], lines + 1);
    }
}

fn has(line: &str, separator: u8) -> bool {
    line.as_bytes().contains(&separator)
}

/// What separates the names of the first line: whatever stands most often outside of quotes.
fn separator(text: &str) -> u8 {
    let header = text.split('\n').next().unwrap_or_default();
    let outside = |separator: u8| {
        let mut quoted = false;
        let mut n = 0;
        for byte in header.bytes() {
            quoted ^= byte == b'"';
            n += usize::from(byte == separator && !quoted);
        }
        n
    };
    let mut best = b',';
    for other in SEPARATORS {
        if outside(other) > outside(best) {
            best = other;
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> (Result<Table>, Vec<String>) {
        let mut notes = vec![];
        let table = Table::parse("log.csv".as_ref(), text, &mut notes);
        (table, notes)
    }

    #[test]
    fn any_separator_and_preamble_gives_the_same_table() {
        for text in [
            "epoch,a b\n0,0.5\n1,0.25\n",
            "epoch;a b\r\n0;0.5\r\n1;0.25\r\n",
            "\"epoch\"\t\"a b\"\n0\t0.5\n1\t0.25",
            "sep=;\n\"epoch\";a b\n0;0.5\n1;0.25\n",
            "# made by a tool\n# epoch , a b,\n0,0.5,\n1,0.25,\n",
            "\n epoch | a b \n 0 | 0.5 \n\n 1 | 0.25 \n",
        ] {
            let (table, notes) = parse(text);
            let table = table.unwrap();
            let fields: Vec<[&str; 2]> =
                table.rows.iter().map(|row| [&row.fields[0], &row.fields[1]]).collect();
            assert_eq!(table.header[..2], ["epoch", "a b"], "{text:?}");
            assert_eq!(fields, [["0", "0.5"], ["1", "0.25"]], "{text:?}");
            assert!(notes.is_empty(), "{notes:?}");
        }
    }

    #[test]
    fn what_was_not_written_to_its_end_is_told_from_what_cannot_be_meant() {
        let (table, notes) = parse("epoch,a\n0,1\n1");
        assert_eq!(table.unwrap().rows.len(), 1);
        assert_eq!(notes, ["line 3, the last, is not finished and passed over"]);
        let error = |text: &str| parse(text).0.unwrap_err().to_string();
        assert_eq!(
            error("epoch,a\n0\n1,2\n"),
            "log.csv has 1 fields in line 2; expected 2, as in the header"
        );
        assert!(error("epoch,a\n0,1,2\n").contains("has 3 fields in line 2"));
        assert!(error("epoch,a\n").contains("has a header but no rows"));
        assert!(error("\n").contains("is empty"));
        let (table, notes) = parse("epoch,a\n0,1\nepoch,a\n1,2\n");
        assert_eq!(table.unwrap().rows[1].line, 4);
        assert_eq!(notes.len(), 1);
    }
}
