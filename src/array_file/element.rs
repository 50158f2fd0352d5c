//! The types of elements on disk and their conversion to [`Values`].

use std::io::{self, Read};
use std::path::Path;

use super::Values;
use crate::error::Error;

/// A type of elements in little-endian order on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub(crate) enum Element {
    F16,
    Bf16,
    F32,
    F64,
    I8,
    I16,
    I32,
    I64,
    U8,
    U16,
    U32,
    U64,
    Bool,
}

impl Element {
    /// Bytes of one element.
    pub(crate) fn size(self) -> usize {
        match self {
            Element::I8 | Element::U8 | Element::Bool => 1,
            Element::F16 | Element::Bf16 | Element::I16 | Element::U16 => 2,
            Element::F32 | Element::I32 | Element::U32 => 4,
            Element::F64 | Element::I64 | Element::U64 => 8,
        }
    }

    /// Bytes of an array of the given shape, unless that overflows.
    pub(super) fn array_size(self, shape: &[usize]) -> Option<u64> {
        let lengths = shape.iter().try_fold(1_u64, |n, &l| n.checked_mul(l as u64))?;
        lengths.checked_mul(self.size() as u64)
    }

    /// Reads `n` elements. The caller has checked that so many bytes can be there.
    pub(crate) fn read(self, n: usize, reader: &mut dyn Read) -> io::Result<Values> {
        Ok(match self {
            Element::F16 => {
                Values::F32(collect(n, reader, |b| Ok(from_half(u16::from_le_bytes(b))))?)
            }
            Element::Bf16 => Values::F32(collect(n, reader, |b| {
                Ok(f32::from_bits(u32::from(u16::from_le_bytes(b)) << 16))
            })?),
            Element::F32 => Values::F32(collect_all(n, reader, f32::from_le_bytes)?),
            Element::F64 => Values::F64(collect_all(n, reader, f64::from_le_bytes)?),
            Element::U8 => Values::U8(collect(n, reader, |[b]| Ok(b))?),
            Element::Bool => Values::Bool(collect(n, reader, |[b]| boolean(b))?),
            Element::I8 => integers(n, reader, |b| Ok(i8::from_le_bytes(b).into()))?,
            Element::I16 => integers(n, reader, |b| Ok(i16::from_le_bytes(b).into()))?,
            Element::I32 => integers(n, reader, |b| Ok(i32::from_le_bytes(b).into()))?,
            Element::I64 => integers(n, reader, |b| Ok(i64::from_le_bytes(b)))?,
            Element::U16 => integers(n, reader, |b| Ok(u16::from_le_bytes(b).into()))?,
            Element::U32 => integers(n, reader, |b| Ok(u32::from_le_bytes(b).into()))?,
            Element::U64 => integers(n, reader, |b| signed(u64::from_le_bytes(b)))?,
        })
    }
}

impl Values {
    /// The bytes on disk, little-endian.
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        match self {
            Values::F32(values) => values.iter().flat_map(|v| v.to_le_bytes()).collect(),
            Values::F64(values) => values.iter().flat_map(|v| v.to_le_bytes()).collect(),
            Values::U8(values) => values.clone(),
            Values::I64(values) => values.iter().flat_map(|v| v.to_le_bytes()).collect(),
            Values::Bool(values) => values.iter().map(|&v| u8::from(v)).collect(),
        }
    }
}

fn integers<const SIZE: usize>(
    n: usize,
    reader: &mut dyn Read,
    convert: impl Fn([u8; SIZE]) -> io::Result<i64>,
) -> io::Result<Values> {
    Ok(Values::I64(collect(n, reader, convert)?))
}

/// Reads `n` elements of SIZE bytes, block by block.
fn collect<const SIZE: usize, T>(
    n: usize,
    reader: &mut dyn Read,
    convert: impl Fn([u8; SIZE]) -> io::Result<T>,
) -> io::Result<Vec<T>> {
    let mut values = Vec::new();
    values.try_reserve_exact(n).map_err(|_| io::ErrorKind::OutOfMemory)?;
    let mut block = vec![0; (64 << 10).min(n * SIZE)];
    while values.len() < n {
        let bytes = &mut block[..((n - values.len()) * SIZE).min(64 << 10)];
        reader.read_exact(bytes)?;
        for element in bytes.as_chunks::<SIZE>().0 {
            values.push(convert(*element)?);
        }
    }
    Ok(values)
}

/// [`collect`] where any bytes are an element: as fast as memory is.
fn collect_all<const SIZE: usize, T>(
    n: usize,
    reader: &mut dyn Read,
    convert: impl Fn([u8; SIZE]) -> T,
) -> io::Result<Vec<T>> {
    let mut values = Vec::new();
    values.try_reserve_exact(n).map_err(|_| io::ErrorKind::OutOfMemory)?;
    let mut block = vec![0; (64 << 10).min(n * SIZE)];
    while values.len() < n {
        let bytes = &mut block[..((n - values.len()) * SIZE).min(64 << 10)];
        reader.read_exact(bytes)?;
        values
            .extend(bytes.as_chunks::<SIZE>().0.iter().map(|element| convert(*element)));
    }
    Ok(values)
}

fn boolean(byte: u8) -> io::Result<bool> {
    match byte {
        0 => Ok(false),
        1 => Ok(true),
        _ => Err(invalid(format!("holds {byte} among booleans"))),
    }
}

fn signed(value: u64) -> io::Result<i64> {
    i64::try_from(value).map_err(|_| invalid(format!("holds {value}, over 2⁶³ − 1")))
}

fn invalid(message: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, message)
}

/// IEEE 754 binary16 to binary32, exactly.
fn from_half(bits: u16) -> f32 {
    let magnitude = u32::from(bits & 0x7fff);
    let value = match magnitude >> 10 {
        0 => magnitude as f32 * 2_f32.powi(-24),
        31 => f32::from_bits(0x7f80_0000 | (magnitude & 0x3ff) << 13),
        _ => f32::from_bits((magnitude << 13) + ((127 - 15) << 23)),
    };
    if bits & 0x8000 == 0 { value } else { -value }
}

/// The error of a failed [`Element::read`] in the file `place`.
pub(crate) fn read_error(path: &Path, place: &str, error: io::Error) -> Error {
    let found = |what: &str| Error::data(path, format!("{place}{what}"));
    match error.kind() {
        io::ErrorKind::UnexpectedEof => found("ends early")
            .expected("as many bytes as the shape takes")
            .fix("copy or write the file again"),
        io::ErrorKind::OutOfMemory => found("does not fit into memory"),
        io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput => {
            found(&error.to_string()).expected("undamaged content")
        }
        _ => Error::io(path, "cannot be read", error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_precision_is_that_of_ieee_754() {
        let cases: [(u16, f32); 8] = [
            (0x3c00, 1.0),
            (0xc000, -2.0),
            (0x7bff, 65504.0),
            (0x0400, 6.103_515_6e-5),
            (0x0001, 5.960_464_5e-8),
            (0x3555, 0.333_251_95),
            (0x8000, -0.0),
            (0x7c00, f32::INFINITY),
        ];
        for (bits, value) in cases {
            assert_eq!(from_half(bits).to_bits(), value.to_bits(), "{bits:#x}");
        }
        assert!(from_half(0x7e00).is_nan());
    }

    #[test]
    fn every_integer_type_keeps_its_extreme_values() {
        let read = |element: Element, bytes: &[u8]| {
            element.read(bytes.len() / element.size(), &mut &bytes[..]).unwrap()
        };
        assert_eq!(read(Element::I8, &[0x80, 0x7f]), Values::I64(vec![-128, 127]));
        assert_eq!(read(Element::I16, &[0, 0x80]), Values::I64(vec![-32768]));
        assert_eq!(read(Element::U16, &[0xff, 0xff]), Values::I64(vec![65535]));
        assert_eq!(
            read(Element::I32, &[0, 0, 0, 0x80]),
            Values::I64(vec![-2_147_483_648])
        );
        assert_eq!(read(Element::U32, &[0xff; 4]), Values::I64(vec![4_294_967_295]));
        assert_eq!(read(Element::I64, &[0xff; 8]), Values::I64(vec![-1]));
        assert!(Element::U64.read(1, &mut &[0xff; 8][..]).is_err());
        assert!(Element::Bool.read(1, &mut &[2][..]).is_err());
        assert_eq!(read(Element::Bf16, &[0x80, 0x3f]), Values::F32(vec![1.0]));
    }

    #[test]
    fn arrays_longer_than_a_block_are_read_whole() {
        let values: Vec<f64> = (0..20_000).map(f64::from).collect();
        let bytes = Values::F64(values.clone()).to_bytes();
        let read = Element::F64.read(values.len(), &mut &bytes[..]).unwrap();
        assert_eq!(read, Values::F64(values));
        assert!(Element::F64.read(20_000, &mut &bytes[..159_999]).is_err());
    }
}
