//! NumPy's `.npy`: one array (format versions 1 to 3).
//!
//! A magic string, the length of a header, the header (a Python dictionary of three entries)
//! and the elements. The header is read by a scanner of its own that never recurses: readers
//! that parse it as a general Python value take exponential time on nested brackets.

use std::io::{BufReader, Read};
use std::path::Path;

use super::element::read_error;
use super::npy_header::{Descr, Header, MAGIC, checked_header};
use super::{Array, Values, open};
use crate::error::{Error, Result};

/// An array of a file of any kind.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Member {
    /// Numbers.
    Array(Array),
    /// Texts, in row-major order.
    Texts(Vec<String>),
    /// What is no data, such as pickled objects, in words.
    Other(String),
}

/// Reads a `.npy` file; arrays in Fortran order are transposed to row-major order.
///
/// Floats of 2, 4 and 8 bytes, integers of 1 to 8 bytes and booleans are read, in both orders of
/// bytes. An unnamed type of two bytes (`V2`) is bfloat16, which NumPy writes so.
///
/// # Errors
/// If the file cannot be read, is not such a file, has another element type (pickled Python
/// objects among them), or is longer or shorter than its header says.
pub fn read_npy(path: &Path) -> Result<Array> {
    let (file, length) = open(path)?;
    read_from(&mut BufReader::new(file), length, path, "")
}

/// Reads a `.npy` file of numbers or of text.
///
/// # Errors
/// As [`read_npy`]; objects and types that are not read are no error.
pub(crate) fn read_npy_member(path: &Path) -> Result<Member> {
    let (file, length) = open(path)?;
    read_member(&mut BufReader::new(file), length, path, "")
}

/// Reads the `.npy` of `length` bytes in `reader`; errors begin with `path` and `place`.
pub(super) fn read_from(
    reader: &mut dyn Read,
    length: u64,
    path: &Path,
    place: &str,
) -> Result<Array> {
    read_member(reader, length, path, place)?.into_array(path, place)
}

impl Member {
    /// The numbers.
    ///
    /// # Errors
    /// If it is of text or of objects.
    pub(super) fn into_array(self, path: &Path, place: &str) -> Result<Array> {
        let found = match self {
            Self::Array(array) => return Ok(array),
            Self::Texts(_) => "text".to_owned(),
            Self::Other(what) => what,
        };
        let wrong = Error::data(path, format!("{place}has elements of {found}"));
        Err(wrong.expected("numbers: f2, f4, f8, i1 to i8, u1 to u8 or b1"))
    }
}

/// As [`read_from`], of whatever kind.
pub(super) fn read_member(
    reader: &mut dyn Read,
    length: u64,
    path: &Path,
    place: &str,
) -> Result<Member> {
    let (Header { descr, fortran_order, shape }, _) =
        checked_header(reader, length, path, place)?;
    let failed = |error| read_error(path, place, error);
    match descr {
        Descr::Other(what) => {
            // To the end, where the checksum is compared.
            std::io::copy(reader, &mut std::io::sink()).map_err(failed)?;
            Ok(Member::Other(what))
        }
        Descr::Text { width, is_wide, is_big_endian } => {
            let n = shape.iter().product();
            let size = width * if is_wide { 4 } else { 1 };
            let mut bytes = vec![0; n * size];
            reader.read_exact(&mut bytes).map_err(failed)?;
            let text = |at| text(&bytes[at * size..][..size], is_wide, is_big_endian);
            Ok(Member::Texts((0..n).map(text).collect()))
        }
        Descr::Numbers { element, is_big_endian } => {
            let n = shape.iter().product();
            let size = element.size();
            let values = if is_big_endian {
                element.read(n, &mut Reversed { reader, size })
            } else {
                element.read(n, reader)
            };
            let values = values.map_err(failed)?;
            let values =
                if fortran_order { to_row_major(&shape, &values) } else { values };
            Ok(Member::Array(Array { shape, values }))
        }
    }
}

/// A text of fixed width, without the zeros behind it.
fn text(bytes: &[u8], is_wide: bool, is_big_endian: bool) -> String {
    let text: String = if is_wide {
        let of = if is_big_endian { u32::from_be_bytes } else { u32::from_le_bytes };
        let codes = bytes.as_chunks::<4>().0.iter().map(|code| of(*code));
        codes.map(|code| char::from_u32(code).unwrap_or('\u{fffd}')).collect()
    } else {
        String::from_utf8_lossy(bytes).into_owned()
    };
    text.trim_end_matches('\0').to_owned()
}

/// Elements of `size` bytes, each with its bytes in the other order.
struct Reversed<'a> {
    reader: &'a mut dyn Read,
    size: usize,
}

impl Read for Reversed<'_> {
    /// Fills whole elements: all readers ask for some.
    fn read(&mut self, bytes: &mut [u8]) -> std::io::Result<usize> {
        self.reader.read_exact(bytes)?;
        bytes.chunks_mut(self.size).for_each(<[u8]>::reverse);
        Ok(bytes.len())
    }
}

fn to_row_major(shape: &[usize], values: &Values) -> Values {
    match values {
        Values::F32(values) => Values::F32(transposed(shape, values)),
        Values::F64(values) => Values::F64(transposed(shape, values)),
        Values::U8(values) => Values::U8(transposed(shape, values)),
        Values::I64(values) => Values::I64(transposed(shape, values)),
        Values::Bool(values) => Values::Bool(transposed(shape, values)),
    }
}

/// Column-major `values` of the given shape in row-major order.
fn transposed<T: Copy>(shape: &[usize], values: &[T]) -> Vec<T> {
    let mut index = vec![0; shape.len()];
    let mut at = 0; // position of `index` in column-major order
    let mut strides = Vec::with_capacity(shape.len());
    let mut stride = 1;
    for &length in shape {
        strides.push(stride);
        stride *= length;
    }
    let mut result = Vec::with_capacity(values.len());
    for _ in 0..values.len() {
        result.push(values[at]);
        for axis in (0..shape.len()).rev() {
            index[axis] += 1;
            at += strides[axis];
            if index[axis] < shape[axis] {
                break;
            }
            at -= shape[axis] * strides[axis];
            index[axis] = 0;
        }
    }
    result
}

/// The bytes of a `.npy` file (version 1.0), as `numpy.save` writes them up to the length of
/// the padding.
///
/// # Panics
/// If the header is longer than the format allows, which takes thousands of axes.
///
/// # Example
/// ```
/// use stratagram::array_file::{Array, npy_bytes};
/// let bytes = npy_bytes(&Array::f32(&[2, 1], vec![1.0, 2.0]));
/// assert_eq!(bytes.len(), 128 + 8);
/// assert!(bytes[10..].starts_with(b"{'descr': '<f4', 'fortran_order': False, 'shape': (2, 1), }"));
/// ```
pub fn npy_bytes(array: &Array) -> Vec<u8> {
    let descr = match array.values {
        Values::F32(_) => "<f4",
        Values::F64(_) => "<f8",
        Values::U8(_) => "|u1",
        Values::I64(_) => "<i8",
        Values::Bool(_) => "|b1",
    };
    let lengths: Vec<String> = array.shape.iter().map(usize::to_string).collect();
    let comma = if lengths.len() == 1 { "," } else { "" };
    let mut header = format!(
        "{{'descr': '{descr}', 'fortran_order': False, 'shape': ({}{comma}), }}",
        lengths.join(", ")
    );
    // The elements start at a multiple of 64 bytes; the header ends with a newline.
    let padded = (10 + header.len() + 1).next_multiple_of(64) - 10;
    header.extend(std::iter::repeat_n(' ', padded - header.len() - 1));
    header.push('\n');
    let mut bytes = MAGIC.to_vec();
    bytes.extend([1, 0]);
    let length = u16::try_from(header.len()).expect("at most 32 axes fit into 64 kB");
    bytes.extend(length.to_le_bytes());
    bytes.extend(header.as_bytes());
    bytes.extend(array.values.to_bytes());
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8]) -> Result<Array> {
        read_from(&mut &bytes[..], bytes.len() as u64, "x.npy".as_ref(), "")
    }

    #[test]
    fn what_is_written_is_read_back() {
        for array in [
            Array::f32(&[], vec![f32::MIN_POSITIVE]),
            Array::f32(&[0, 3], vec![]),
            Array::f64(&[3], vec![1.0, -0.0, f64::INFINITY]),
            Array::u8(&[2, 2], vec![0, 1, 254, 255]),
            Array::i64(&[1, 2, 1], vec![i64::MIN, i64::MAX]),
            Array::bool(&[2], vec![true, false]),
        ] {
            let bytes = npy_bytes(&array);
            assert_eq!(read(&bytes).unwrap(), array);
        }
    }

    #[test]
    fn fortran_order_is_transposed() {
        // numpy.asfortranarray(numpy.arange(6).reshape(1, 2, 3)), element (0, i, j) = 3i + j
        let column_major = [0, 3, 1, 4, 2, 5];
        let mut bytes = npy_bytes(&Array::u8(&[1, 2, 3], column_major.to_vec()));
        let text = String::from_utf8_lossy(&bytes[10..128]).replace("False", "True ");
        bytes.splice(10..128, text.into_bytes());
        assert_eq!(read(&bytes).unwrap(), Array::u8(&[1, 2, 3], vec![0, 1, 2, 3, 4, 5]));
    }

    /// A file of these elements, and what is read of it.
    fn member(descr: &str, n: usize, elements: &[u8]) -> Result<Member> {
        let mut header = format!(
            "{{'descr': '{descr}', 'fortran_order': False, 'shape': ({n},), }}\n"
        );
        header.insert_str(header.len() - 1, &" ".repeat(128 - 10 - header.len()));
        let bytes = [b"\x93NUMPY\x01\0\x76\0", header.as_bytes(), elements].concat();
        read_member(&mut &bytes[..], bytes.len() as u64, "x.npy".as_ref(), "")
    }

    #[test]
    fn both_orders_of_bytes_and_bfloat16_are_read() {
        let array = |descr: &str, n: usize, elements: &[u8]| {
            member(descr, n, elements).unwrap().into_array("x".as_ref(), "").unwrap()
        };
        let expected = Array::f32(&[2], vec![1.0, -2.5]);
        let big = [1.0_f32, -2.5].map(f32::to_be_bytes).concat();
        assert_eq!(array(">f4", 2, &big), expected);
        assert_eq!(array(">i2", 1, &[1, 0]), Array::i64(&[1], vec![256]));
        assert_eq!(array(">f8", 1, &1.5_f64.to_be_bytes()), Array::f64(&[1], vec![1.5]));
        for descr in ["<V2", "|V2"] {
            assert_eq!(array(descr, 2, &[0x80, 0x3f, 0x20, 0xc0]), expected, "{descr}");
        }
    }

    #[test]
    fn texts_are_read_and_objects_are_said() {
        let wide: Vec<u8> =
            "ab\0é\0\0".chars().flat_map(|c| (c as u32).to_le_bytes()).collect();
        let texts = |texts: [&str; 2]| Member::Texts(texts.map(str::to_owned).to_vec());
        assert_eq!(member("<U3", 2, &wide).unwrap(), texts(["ab", "é"]));
        assert_eq!(member("|S2", 2, b"xyz\0").unwrap(), texts(["xy", "z"]));
        assert!(member("<U3", 2, &wide[1..]).is_err());
        assert!(member("<U99999999999999999999", 2, &wide).is_err());
        let object = member("|O", 2, b"pickle").unwrap();
        let error = object.into_array("x.npy".as_ref(), "").unwrap_err().to_string();
        assert!(error.contains("pickled Python code"), "{error}");
        // Neither takes memory for what the header alone says.
        let none = member("<U0", 1 << 60, &[]).unwrap();
        assert_eq!(none, Member::Other("texts of no characters".into()));
        let complex = member("<c8", 1, &[0; 8]).unwrap();
        assert_eq!(complex, Member::Other("the type `<c8`".into()));
    }
}
