//! Tables as lists of rows, each a struct whose fields are the columns.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::cell::{Kind, fits};
use crate::error::{Error, Result};
use crate::run_dir::checksums::{checked, write_file};
use crate::run_dir::files::{RunFile, Writer};

/// A column of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Column {
    /// Its name, in the first line.
    pub name: &'static str,
    /// What it holds.
    pub kind: Kind,
    /// Whether a table may lack it.
    pub is_optional: bool,
    /// Whether its fields are always in quotes.
    pub is_quoted: bool,
}

/// A table of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TableAbout {
    /// Its file.
    pub file: RunFile,
    /// Its columns, in their order.
    pub columns: &'static [Column],
}

/// A row of a table.
pub trait Row: Serialize + DeserializeOwned {
    /// Its table.
    const TABLE: TableAbout;
}

/// Declares a row: the table's file, the columns and what they hold.
macro_rules! row {
    (
        $(#[$about:meta])*
        $row:ident of $file:ident { $($(#[$doc:meta])* $column:ident: $cell:ty,)+ }
    ) => {
        $(#[$about])*
        #[derive(Debug, Clone, PartialEq, Default, serde::Serialize, serde::Deserialize)]
        #[serde(default)]
        pub struct $row {
            $($(#[$doc])* pub $column: $cell,)+
        }

        impl $crate::run_dir::table_file::Row for $row {
            const TABLE: $crate::run_dir::table_file::TableAbout =
                $crate::run_dir::table_file::TableAbout {
                    file: $crate::run_dir::files::RunFile::$file,
                    columns: &[$($crate::run_dir::table_file::Column {
                        name: stringify!($column),
                        kind: <$cell as $crate::run_dir::table_file::Cell>::KIND,
                        is_optional:
                            <$cell as $crate::run_dir::table_file::Cell>::IS_OPTIONAL,
                        is_quoted:
                            <$cell as $crate::run_dir::table_file::Cell>::IS_QUOTED,
                    }),+],
                };
        }
    };
}
pub(crate) use row;

/// The rows of the table of a run; none where the file is absent. Columns are found by their
/// names: a table may have more, and lack optional ones.
///
/// # Errors
/// If the file cannot be read, lacks a column, or a field does not hold what it should.
pub fn read_rows<R: Row>(root: &Path) -> Result<Vec<R>> {
    let path = R::TABLE.file.path(root);
    let Some(text) = text_of(&path)? else { return Ok(vec![]) };
    let damaged = |found: String| {
        let error = Error::data(&path, found);
        match R::TABLE.file.about().writer {
            Writer::Analysis => error.fix("analyze again with --force"),
            _ => error,
        }
    };
    let malformed = |error: csv::Error| damaged(format!("is not a table: {error}"));
    let mut reader =
        csv::ReaderBuilder::new().trim(csv::Trim::Headers).from_reader(text.as_bytes());
    let header = reader.headers().map_err(malformed)?.clone();
    let has = |column: &Column| header.iter().any(|name| name == column.name);
    let mut needed = R::TABLE.columns.iter().filter(|column| !column.is_optional);
    if let Some(missing) = needed.find(|column| !has(column)) {
        return Err(damaged(format!("has no column `{}`", missing.name))
            .expected("the columns of docs/FORMAT.md"));
    }
    let mut rows = vec![];
    let mut record = csv::StringRecord::new();
    while reader.read_record(&mut record).map_err(malformed)? {
        let row = record.deserialize(Some(&header));
        rows.push(row.map_err(|error| match wrong_field::<R>(&header, &record) {
            Some((column, found)) => damaged(found).expected(expected(column)),
            None => malformed(error),
        })?);
    }
    Ok(rows)
}

/// The first field of a record that does not hold what its column should.
fn wrong_field<R: Row>(
    header: &csv::StringRecord,
    record: &csv::StringRecord,
) -> Option<(&'static Column, String)> {
    let line = record.position().map_or(0, csv::Position::line);
    R::TABLE.columns.iter().find_map(|column| {
        let at = header.iter().position(|name| name == column.name)?;
        let field = record.get(at)?;
        let found = format!("has `{field}` under `{}` in line {line}", column.name);
        (!fits(column.kind, column.is_optional, field)).then_some((column, found))
    })
}

fn expected(column: &Column) -> &'static str {
    match (column.kind, column.is_optional) {
        (Kind::Whole, _) => "a whole number",
        (_, false) => "a finite number",
        (_, true) => "a number or an empty field",
    }
}

/// The fields of a table's first column alone, whatever the others hold; none where the file
/// is absent.
///
/// # Errors
/// If the file cannot be read or is not a table.
pub(in crate::run_dir) fn first_column<R: Row>(root: &Path) -> Result<Vec<String>> {
    let path = R::TABLE.file.path(root);
    let text = text_of(&path)?.unwrap_or_default();
    let rows = csv::Reader::from_reader(text.as_bytes()).into_records();
    let first = |row: csv::Result<csv::StringRecord>| row.map(|row| row[0].to_owned());
    let malformed =
        |error: csv::Error| Error::data(&path, format!("is not a table: {error}"));
    rows.map(first).collect::<csv::Result<_>>().map_err(malformed)
}

/// Writes a table of a run whole.
///
/// # Errors
/// If the operating system refuses.
pub fn write_rows<R: Row>(root: &Path, rows: &[R]) -> Result<()> {
    write_file(&R::TABLE.file.path(root), &rows_bytes(rows))
}

/// The bytes of a table.
///
/// # Panics
/// Never: rows are flat, and memory takes what is written.
pub(super) fn rows_bytes<R: Row>(rows: &[R]) -> Vec<u8> {
    let mut out = header_line(R::TABLE.columns).into_bytes();
    out.extend(lines(rows));
    out
}

/// The lines of rows, without the header.
pub(super) fn lines<R: Row>(rows: &[R]) -> Vec<u8> {
    // Fields that are always quoted write their own quotes.
    let has_quotes = R::TABLE.columns.iter().any(|column| column.is_quoted);
    let style =
        if has_quotes { csv::QuoteStyle::Never } else { csv::QuoteStyle::Necessary };
    let mut writer = csv::WriterBuilder::new()
        .has_headers(false)
        .quote_style(style)
        .from_writer(vec![]);
    for row in rows {
        writer.serialize(row).expect("a flat row");
    }
    writer.into_inner().expect("memory takes what is written")
}

/// The text of a table that belongs to no run; `columns` are the fields of the rows.
///
/// # Panics
/// Never: rows are flat, and memory takes what is written.
pub(crate) fn table_text(columns: &[&str], rows: &[impl Serialize]) -> String {
    let mut writer = csv::WriterBuilder::new().has_headers(false).from_writer(vec![]);
    writer.write_record(columns).expect("memory takes what is written");
    for row in rows {
        writer.serialize(row).expect("a flat row");
    }
    let bytes = writer.into_inner().expect("memory takes what is written");
    String::from_utf8(bytes).expect("text and numbers")
}

pub(super) fn header_line(columns: &[Column]) -> String {
    let names: Vec<&str> = columns.iter().map(|column| column.name).collect();
    names.join(",") + "\n"
}

/// The text of a file that may be absent.
pub(super) fn text_of(path: &Path) -> Result<Option<String>> {
    match fs::read_to_string(checked(path)?) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Error::io(path, "cannot be read", error)),
    }
}
