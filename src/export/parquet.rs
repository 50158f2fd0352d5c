//! Parquet files of tables: one row group, one page a column, uncompressed, plain encoding.
//!
//! <https://github.com/apache/parquet-format>: `PAR1`, the pages, the metadata in Thrift's compact
//! protocol, its length, `PAR1`. This corner of the format takes fewer lines than the general
//! crate takes seconds to build, and every reader knows it.

use std::path::{Path, PathBuf};

use super::format::Format;
use super::source::{Source, write_all};
use crate::error::{Error, Result};
use crate::run_dir::{Columns, Values};

pub(super) const FORMAT: Format = Format {
    name: "parquet",
    about: "All tables, with types",
    files: "the same, steps INT64, numbers DOUBLE, text UTF-8, empty fields null",
    opened_by: "pandas.read_parquet(\"OUT/matrices.parquet\")",
    takes_layers: false,
    takes_epochs: false,
    write,
};

fn write(source: &Source, out: &Path) -> Result<Vec<PathBuf>> {
    let tables = source.tables()?.into_iter();
    let file = |table: Columns| Ok((format!("{}.parquet", table.name), bytes(&table)?));
    write_all(out, tables.map(file))
}

const MAGIC: &[u8] = b"PAR1";

/// Thrift's compact types.
const I32: u8 = 5;
const I64: u8 = 6;
const BINARY: u8 = 8;
const LIST: u8 = 9;
const STRUCT: u8 = 12;

/// Parquet's numbers of encodings, codecs and types.
const PLAIN: i64 = 0;
const RLE: i64 = 3;
const UNCOMPRESSED: i64 = 0;
const OPTIONAL: i64 = 1;
const UTF8: i64 = 0;

/// A column as it lies in the file.
struct Chunk<'a> {
    name: &'a str,
    kind: i64,
    /// Position and length of page header and page.
    start: usize,
    length: usize,
}

/// The bytes of a Parquet file with the table's columns, each optional.
///
/// # Errors
/// If a column takes more than 2 GiB, the format's limit of a page.
fn bytes(table: &Columns) -> Result<Vec<u8>> {
    let mut out = MAGIC.to_vec();
    let mut chunks = vec![];
    for (name, column) in &table.columns {
        let page = page(column);
        let Ok(size) = i32::try_from(page.len()) else {
            return Err(Error::usage(
                &table.name,
                format!("has {} bytes in `{name}`", page.len()),
            )
            .expected("at most 2 GiB a column")
            .fix("export to csv"));
        };
        let start = out.len();
        out.extend(page_header(i64::from(size), table.n_rows as i64));
        out.extend(page);
        chunks.push(Chunk { name, kind: kind(column), start, length: out.len() - start });
    }
    let footer = footer(&chunks, table.n_rows as i64);
    out.extend(&footer);
    out.extend((footer.len() as u32).to_le_bytes());
    out.extend(MAGIC);
    Ok(out)
}

/// INT64, DOUBLE or `BYTE_ARRAY`.
fn kind(column: &Values) -> i64 {
    match column {
        Values::Whole(_) => 2,
        Values::Number(_) => 5,
        Values::Text(_) => 6,
    }
}

/// Which rows have a value, then the values.
fn page(column: &Values) -> Vec<u8> {
    let (present, values): (Vec<bool>, Vec<u8>) = match column {
        Values::Whole(values) => (
            values.iter().map(Option::is_some).collect(),
            values.iter().flatten().flat_map(|value| value.to_le_bytes()).collect(),
        ),
        Values::Number(values) => (
            values.iter().map(Option::is_some).collect(),
            values.iter().flatten().flat_map(|value| value.to_le_bytes()).collect(),
        ),
        Values::Text(values) => {
            let text = |text: &String| {
                let length = (text.len() as u32).to_le_bytes();
                length.into_iter().chain(text.bytes()).collect::<Vec<u8>>()
            };
            (
                values.iter().map(Option::is_some).collect(),
                values.iter().flatten().flat_map(text).collect(),
            )
        }
    };
    let mut levels = vec![];
    for run in present.chunk_by(|a, b| a == b) {
        varint((run.len() as u64) << 1, &mut levels);
        levels.push(u8::from(run[0]));
    }
    let length = (levels.len() as u32).to_le_bytes();
    length.into_iter().chain(levels).chain(values).collect()
}

fn page_header(size: i64, n_rows: i64) -> Vec<u8> {
    let mut data = Struct::default();
    data.integer(1, I32, n_rows);
    data.integer(2, I32, PLAIN);
    data.integer(3, I32, RLE);
    data.integer(4, I32, RLE);
    let mut header = Struct::default();
    header.integer(1, I32, 0); // a data page
    header.integer(2, I32, size);
    header.integer(3, I32, size);
    header.nested(5, data);
    header.finish()
}

fn footer(chunks: &[Chunk<'_>], n_rows: i64) -> Vec<u8> {
    let mut root = Struct::default();
    root.text(4, "schema");
    root.integer(5, I32, chunks.len() as i64);
    let mut schema = vec![root.finish()];
    let mut columns = vec![];
    for chunk in chunks {
        let mut element = Struct::default();
        element.integer(1, I32, chunk.kind);
        element.integer(3, I32, OPTIONAL);
        element.text(4, chunk.name);
        if chunk.kind == 6 {
            element.integer(6, I32, UTF8);
        }
        schema.push(element.finish());
        columns.push(column_chunk(chunk, n_rows));
    }
    let size = chunks.iter().map(|chunk| chunk.length as i64).sum();
    let mut group = Struct::default();
    group.list(1, STRUCT, &columns);
    group.integer(2, I64, size);
    group.integer(3, I64, n_rows);
    let mut file = Struct::default();
    file.integer(1, I32, 1); // the format's version
    file.list(2, STRUCT, &schema);
    file.integer(3, I64, n_rows);
    file.list(4, STRUCT, &[group.finish()]);
    file.text(6, "stratagram");
    file.finish()
}

fn column_chunk(chunk: &Chunk<'_>, n_rows: i64) -> Vec<u8> {
    let mut name = vec![];
    varint(chunk.name.len() as u64, &mut name);
    name.extend(chunk.name.bytes());
    let encodings = [PLAIN, RLE].map(|encoding| {
        let mut bytes = vec![];
        varint(zigzag(encoding), &mut bytes);
        bytes
    });
    let mut meta = Struct::default();
    meta.integer(1, I32, chunk.kind);
    meta.list(2, I32, &encodings);
    meta.list(3, BINARY, &[name]);
    meta.integer(4, I32, UNCOMPRESSED);
    meta.integer(5, I64, n_rows);
    meta.integer(6, I64, chunk.length as i64);
    meta.integer(7, I64, chunk.length as i64);
    meta.integer(9, I64, chunk.start as i64);
    let mut column = Struct::default();
    column.integer(2, I64, chunk.start as i64);
    column.nested(3, meta);
    column.finish()
}

/// A structure in Thrift's compact protocol; fields come in rising order.
#[derive(Default)]
struct Struct {
    bytes: Vec<u8>,
    last: u8,
}

impl Struct {
    fn field(&mut self, id: u8, kind: u8) {
        self.bytes.push((id - self.last) << 4 | kind);
        self.last = id;
    }

    fn integer(&mut self, id: u8, kind: u8, value: i64) {
        self.field(id, kind);
        varint(zigzag(value), &mut self.bytes);
    }

    fn text(&mut self, id: u8, text: &str) {
        self.field(id, BINARY);
        varint(text.len() as u64, &mut self.bytes);
        self.bytes.extend(text.bytes());
    }

    fn list(&mut self, id: u8, kind: u8, items: &[Vec<u8>]) {
        self.field(id, LIST);
        if items.len() < 15 {
            self.bytes.push((items.len() as u8) << 4 | kind);
        } else {
            self.bytes.push(0xf0 | kind);
            varint(items.len() as u64, &mut self.bytes);
        }
        self.bytes.extend(items.concat());
    }

    fn nested(&mut self, id: u8, inner: Struct) {
        self.field(id, STRUCT);
        self.bytes.extend(inner.finish());
    }

    fn finish(mut self) -> Vec<u8> {
        self.bytes.push(0);
        self.bytes
    }
}

fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)) as u64
}

/// Seven bits a byte, the lowest first.
fn varint(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run_dir::Row as _;
    use crate::run_dir::tables::LayerRow;

    /// `tests/python/check_export.py` reads this file with pyarrow; here its bytes are
    /// those.
    #[test]
    fn a_small_table_has_the_bytes_that_pyarrow_has_read() {
        let path = std::path::Path::new("tests/python/small.csv");
        let text = std::fs::read_to_string(path).unwrap();
        let table = Columns::parse(path, &LayerRow::TABLE, text).unwrap();
        let expected = std::fs::read("tests/python/small.parquet").unwrap();
        assert!(bytes(&table).unwrap() == expected, "see tests/python/check_export.py");
    }

    #[test]
    fn numbers_are_those_of_thrift() {
        let mut out = vec![];
        for value in [0, 1, 127, 128, 300] {
            varint(value, &mut out);
        }
        assert_eq!(out, [0, 1, 127, 0x80, 1, 0xac, 2]);
        assert_eq!([0, -1, 1, -2].map(zigzag), [0, 1, 2, 3]);
    }
}
