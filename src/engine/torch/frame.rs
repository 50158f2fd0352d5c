//! Frames: a u32 length, that many bytes of a JSON object, and the arrays that its `arrays` lists
//! as `[name, type, shape]`, raw, row-major, little-endian, one after the other.

use std::io::{Error, ErrorKind, Read, Result, Write};

use serde_json::{Map, Value, json};

use crate::array_file::{Array, NamedArrays, Values};

/// The version of the frames and of the requests in them.
pub(super) const PROTOCOL: u64 = 1;

/// A longer header is no header: the stream is of something else.
const LONGEST_HEADER: usize = 1 << 28;

/// The most that one array may hold, in bytes.
const LONGEST_ARRAY: usize = 1 << 40;

/// A frame's header and arrays.
pub(super) type Frame = (Map<String, Value>, NamedArrays);

/// Writes one frame and sends it off.
///
/// # Panics
/// On arrays of truth values, of which requests have none.
pub(super) fn write(
    stream: &mut impl Write,
    mut header: Map<String, Value>,
    arrays: &NamedArrays,
) -> Result<()> {
    let listed = arrays.0.iter().map(|(name, array)| {
        let kind = match array.values {
            Values::F32(_) => "f32",
            Values::F64(_) => "f64",
            Values::U8(_) => "u8",
            Values::I64(_) => "i64",
            Values::Bool(_) => unreachable!("{name} is of truth values"),
        };
        json!([name, kind, array.shape])
    });
    header.insert("arrays".into(), listed.collect());
    let text = serde_json::to_vec(&header)?;
    stream.write_all(&(text.len() as u32).to_le_bytes())?;
    stream.write_all(&text)?;
    for (_, array) in &arrays.0 {
        match &array.values {
            Values::F32(values) => write_values(stream, values, f32::to_le_bytes),
            Values::F64(values) => write_values(stream, values, f64::to_le_bytes),
            Values::I64(values) => write_values(stream, values, i64::to_le_bytes),
            Values::U8(values) => stream.write_all(values),
            Values::Bool(_) => Ok(()),
        }?;
    }
    stream.flush()
}

/// Writes numbers in pieces, so that no copy of all of them is held.
fn write_values<T: Copy, const N: usize>(
    stream: &mut impl Write,
    values: &[T],
    bytes: impl Fn(T) -> [u8; N],
) -> Result<()> {
    for part in values.chunks(1 << 14) {
        let piece: Vec<u8> = part.iter().flat_map(|value| bytes(*value)).collect();
        stream.write_all(&piece)?;
    }
    Ok(())
}

/// Reads one frame.
///
/// # Errors
/// If the stream ends, or holds something else.
pub(super) fn read(stream: &mut impl Read) -> Result<Frame> {
    let mut length = [0; 4];
    stream.read_exact(&mut length)?;
    let length = u32::from_le_bytes(length) as usize;
    if length > LONGEST_HEADER {
        return Err(foreign("a header of its length"));
    }
    let mut text = vec![0; length];
    stream.read_exact(&mut text)?;
    let mut header: Map<String, Value> = serde_json::from_slice(&text)?;
    let listed = header.remove("arrays").unwrap_or_default();
    let listed: Vec<(String, String, Vec<usize>)> = serde_json::from_value(listed)?;
    let mut arrays = NamedArrays::default();
    for (name, kind, shape) in listed {
        let values = read_values(stream, &kind, &shape)?;
        arrays.push(name, Array::new(&shape, values));
    }
    Ok((header, arrays))
}

fn read_values(stream: &mut impl Read, kind: &str, shape: &[usize]) -> Result<Values> {
    let n = shape.iter().try_fold(1_usize, |n, length| n.checked_mul(*length));
    let n = n.filter(|n| *n <= LONGEST_ARRAY / 8).ok_or_else(|| foreign("its shape"))?;
    let mut bytes = |size: usize| -> Result<Vec<u8>> {
        // Grows with what arrives: a wrong length takes no memory.
        let mut bytes = Vec::new();
        stream.take((size * n) as u64).read_to_end(&mut bytes)?;
        if bytes.len() < size * n {
            Err(ErrorKind::UnexpectedEof.into())
        } else {
            Ok(bytes)
        }
    };
    Ok(match kind {
        "f32" => Values::F32(numbers(&bytes(4)?, f32::from_le_bytes)),
        "f64" => Values::F64(numbers(&bytes(8)?, f64::from_le_bytes)),
        "i64" => Values::I64(numbers(&bytes(8)?, i64::from_le_bytes)),
        "u8" => Values::U8(bytes(1)?),
        _ => return Err(foreign("its type")),
    })
}

fn numbers<T, const N: usize>(bytes: &[u8], number: impl Fn([u8; N]) -> T) -> Vec<T> {
    bytes.as_chunks::<N>().0.iter().map(|bytes| number(*bytes)).collect()
}

fn foreign(what: &str) -> Error {
    Error::new(ErrorKind::InvalidData, format!("something that is no frame, by {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(text: &str) -> Map<String, Value> {
        serde_json::from_str(text).unwrap()
    }

    fn arrays() -> NamedArrays {
        NamedArrays(vec![
            ("a".into(), Array::f32(&[2, 1], vec![0.5, -1.0])),
            ("b".into(), Array::i64(&[], vec![-7])),
            ("none".into(), Array::u8(&[0, 4], vec![])),
            ("c".into(), Array::f64(&[1], vec![1e300])),
        ])
    }

    #[test]
    fn a_frame_is_read_back() {
        let mut bytes = vec![];
        let sent = header(r#"{"do": "x", "key": 18446744073709551615}"#);
        write(&mut bytes, sent.clone(), &arrays()).unwrap();
        assert_eq!(read(&mut &bytes[..]).unwrap(), (sent, arrays()));
        for length in 0..bytes.len() {
            assert!(read(&mut &bytes[..length]).is_err(), "{length} bytes");
        }
    }

    #[test]
    fn the_bytes_are_those_of_the_worker() {
        let mut bytes = vec![];
        let array = NamedArrays(vec![("a".into(), Array::u8(&[2], vec![3, 4]))]);
        write(&mut bytes, header(r#"{"do": "x"}"#), &array).unwrap();
        let text = br#"{"do":"x","arrays":[["a","u8",[2]]]}"#;
        let expected = [&(text.len() as u32).to_le_bytes()[..], text, &[3, 4]].concat();
        assert_eq!(bytes, expected);
    }

    #[test]
    fn what_is_no_frame_is_an_error() {
        for text in [
            "[]",
            "nonsense",
            r#"{"arrays": 3}"#,
            r#"{"arrays": [["a", "f16", [1]]]}"#,
            r#"{"arrays": [["a", "u8", [-1]]]}"#,
            r#"{"arrays": [["a", "u8", [4294967296, 4294967296, 4294967296]]]}"#,
        ] {
            let length = (text.len() as u32).to_le_bytes();
            let bytes = [&length[..], text.as_bytes()].concat();
            assert!(read(&mut &bytes[..]).is_err(), "{text}");
        }
        assert!(read(&mut &b"HTTP/1.1 200 OK"[..]).is_err());
    }
}
