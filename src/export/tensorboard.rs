//! Event files of `TensorBoard`: curves as scalars, matrices as pictures.
//!
//! A file is a row of `TFRecords` (length, its checksum, data, its checksum; CRC-32C, masked), each an
//! `Event` in protocol buffers (tensorflow/core/util/event.proto, framework/summary.proto). The
//! wall time of an event is its step in seconds, so that the same run gives the same bytes.

use std::path::{Path, PathBuf};

use super::format::Format;
use super::source::{Source, write_all};
use crate::error::Result;
use crate::report::{LabelledMatrix, RunResults};
use crate::run_dir::{Columns, Values};

pub(super) const FORMAT: Format = Format {
    name: "tensorboard",
    about: "Curves, and pictures of the matrices",
    files: "one event file: history, probes and representations as scalars, matrices as pictures; wall time is the step",
    opened_by: "tensorboard --logdir OUT",
    takes_layers: false,
    takes_epochs: false,
    write,
};

fn write(source: &Source, out: &Path) -> Result<Vec<PathBuf>> {
    let bytes = events(&RunResults::read(source.root())?, &source.tables()?)?;
    write_all(out, [Ok(("events.out.tfevents.0000000000.stratagram".to_owned(), bytes))])
}

/// Columns of a table that are no curves.
const NO_CURVES: [&str; 2] = ["step", "epoch"];

/// The event file of a run.
fn events(results: &RunResults, tables: &[Columns]) -> Result<Vec<u8>> {
    let mut out = vec![];
    let mut first = Message::default();
    first.double(1, 0.0);
    first.bytes(3, b"brain.Event:2");
    record(&first.0, &mut out);
    for table in tables {
        match &*table.name {
            "history" | "probes" | "representations" => scalars(table, &mut out),
            _ => {}
        }
    }
    let last = results.steps.last().copied().unwrap_or_default();
    let names: Vec<String> = results.epochs.iter().map(f64::to_string).collect();
    for set in &results.matrices {
        for matrix in &set.layers {
            let tag = format!("{}/{}/{}", set.kind, set.group, matrix.layer);
            let picture = LabelledMatrix {
                title: &tag,
                rows: &names,
                columns: &names,
                values: &matrix.values,
                range: (0.0, 1.0),
            };
            let png = picture.to_png()?;
            let side = |at: usize| {
                let bytes: [u8; 4] = png[at..at + 4].try_into().expect("a PNG's header");
                u64::from(u32::from_be_bytes(bytes))
            };
            let mut image = Message::default();
            image.varint(1, side(20));
            image.varint(2, side(16));
            image.varint(3, 3); // RGB
            image.bytes(4, &png);
            let mut value = Message::default();
            value.bytes(1, tag.as_bytes());
            value.bytes(4, &image.0);
            record(&event(last, &value), &mut out);
        }
    }
    Ok(out)
}

/// A scalar for every number of a table, called `TABLE/TEXT/COLUMN`, where TEXT is that of the
/// row, such as the layer.
fn scalars(table: &Columns, out: &mut Vec<u8>) {
    let Some(steps) = table.numbers("step") else { return };
    for row in 0..table.n_rows {
        let Some(step) = steps[row] else { continue };
        for (name, column) in &table.columns {
            let value = match column {
                Values::Number(values) => values[row],
                Values::Whole(values) => values[row].map(|value| value as f64),
                Values::Text(_) => None,
            };
            let Some(value) = value.filter(|_| !NO_CURVES.contains(&name.as_str()))
            else {
                continue;
            };
            let mut parts = vec![&*table.name];
            parts.extend(texts(table, row));
            parts.push(name);
            let mut scalar = Message::default();
            scalar.bytes(1, parts.join("/").as_bytes());
            scalar.float(2, value as f32);
            record(&event(step as u64, &scalar), out);
        }
    }
}

/// The texts of a row, in the order of columns.
fn texts(table: &Columns, row: usize) -> Vec<&str> {
    let mut texts = vec![];
    for (_, column) in &table.columns {
        if let Values::Text(values) = column {
            texts.extend(values[row].as_deref());
        }
    }
    texts
}

/// An `Event` with one `Summary.Value`.
fn event(step: u64, value: &Message) -> Vec<u8> {
    let mut summary = Message::default();
    summary.bytes(1, &value.0);
    let mut event = Message::default();
    event.double(1, step as f64);
    event.varint(2, step);
    event.bytes(5, &summary.0);
    event.0
}

/// A message of protocol buffers.
#[derive(Default)]
struct Message(Vec<u8>);

impl Message {
    fn key(&mut self, field: u8, wire: u8) {
        self.0.push(field << 3 | wire);
    }

    fn raw_varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }

    fn varint(&mut self, field: u8, value: u64) {
        self.key(field, 0);
        self.raw_varint(value);
    }

    fn double(&mut self, field: u8, value: f64) {
        self.key(field, 1);
        self.0.extend(value.to_le_bytes());
    }

    fn float(&mut self, field: u8, value: f32) {
        self.key(field, 5);
        self.0.extend(value.to_le_bytes());
    }

    fn bytes(&mut self, field: u8, bytes: &[u8]) {
        self.key(field, 2);
        self.raw_varint(bytes.len() as u64);
        self.0.extend(bytes);
    }
}

fn record(data: &[u8], out: &mut Vec<u8>) {
    let length = (data.len() as u64).to_le_bytes();
    out.extend(length);
    out.extend(masked(crc32c(&length)).to_le_bytes());
    out.extend(data);
    out.extend(masked(crc32c(data)).to_le_bytes());
}

/// The checksum as `TFRecords` keep it, so that a checksum of checksums is no fixed point.
fn masked(crc: u32) -> u32 {
    crc.rotate_right(15).wrapping_add(0xa282_ead8)
}

/// CRC-32C (Castagnoli), reflected polynomial 0x82f63b78.
fn crc32c(bytes: &[u8]) -> u32 {
    let step = |crc: u32, byte: &u8| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            (crc >> 1) ^ (0x82f6_3b78 & 0_u32.wrapping_sub(crc & 1))
        })
    };
    !bytes.iter().fold(!0, step)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run_dir::Row as _;
    use crate::run_dir::tables::HistoryRow;

    #[test]
    fn checksums_are_those_of_rfc_3720() {
        assert_eq!(crc32c(b"123456789"), 0xe306_9283);
        assert_eq!(crc32c(&[0; 32]), 0x8a91_36aa);
        assert_eq!(crc32c(&[0xff; 32]), 0x62a8_ab43);
        // The length of TensorFlow's first record, "brain.Event:2" at time 0.
        assert_eq!(masked(crc32c(b"")), 0xa282_ead8);
    }

    #[test]
    fn a_scalar_is_an_event_of_protocol_buffers() {
        let text = "step,epoch,test_error\n8,1,0.5\n".to_owned();
        let table =
            Columns::parse("history.csv".as_ref(), &HistoryRow::TABLE, text).unwrap();
        let mut out = vec![];
        scalars(&table, &mut out);
        // wall_time 8.0, step 8, summary { value { tag, simple_value 0.5 } }
        let mut expected =
            vec![0x09, 0, 0, 0, 0, 0, 0, 0x20, 0x40, 0x10, 8, 0x2a, 27, 0x0a, 25];
        expected.extend(b"\x0a\x12history/test_error\x15\0\0\0\x3f");
        let length = expected.len();
        assert_eq!(out[..8], (length as u64).to_le_bytes());
        assert_eq!(out[12..12 + length], expected);
        assert_eq!(out.len(), length + 16);
    }
}
