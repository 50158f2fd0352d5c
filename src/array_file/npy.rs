//! NumPy's `.npy`: one array (format versions 1 to 3).
//!
//! A magic string, the length of a header, the header (a Python dictionary of three entries)
//! and the elements. The header is read by a scanner of its own that never recurses: readers
//! that parse it as a general Python value take exponential time on nested brackets.

use std::io::{BufReader, Read};
use std::path::Path;

use super::element::{Element, read_error};
use super::{Array, MAX_AXES, Values, open, printable, show};
use crate::error::{Error, Result};

const MAGIC: &[u8; 6] = b"\x93NUMPY";

/// NumPy's own default limit.
const MAX_HEADER: usize = 10_000;

/// What a header says.
#[derive(Debug, PartialEq)]
pub(super) struct Header {
    pub(super) descr: Descr,
    pub(super) fortran_order: bool,
    pub(super) shape: Vec<usize>,
}

/// What the elements are.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Descr {
    Numbers {
        element: Element,
        is_big_endian: bool,
    },
    /// Text of so many characters of four bytes, or of bytes.
    Text {
        width: usize,
        is_wide: bool,
        is_big_endian: bool,
    },
    /// Pickled objects, or a type that is not read.
    Other(String),
}

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
    let n: usize = shape.iter().product();
    let failed = |error| read_error(path, place, error);
    match descr {
        Descr::Other(what) => {
            // To the end, where the checksum is compared.
            std::io::copy(reader, &mut std::io::sink()).map_err(failed)?;
            Ok(Member::Other(what))
        }
        Descr::Text { width, is_wide, is_big_endian } => {
            let size = width * if is_wide { 4 } else { 1 };
            let mut bytes = vec![0; n * size];
            reader.read_exact(&mut bytes).map_err(failed)?;
            let text = |at| text(&bytes[at * size..][..size], is_wide, is_big_endian);
            Ok(Member::Texts((0..n).map(text).collect()))
        }
        Descr::Numbers { element, is_big_endian } => {
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

/// The header of a file and the number of bytes before the elements, which are as many as
/// the header says.
pub(super) fn header_of(path: &Path) -> Result<(Header, u64)> {
    let (file, length) = open(path)?;
    checked_header(&mut BufReader::new(file), length, path, "")
}

fn checked_header(
    reader: &mut dyn Read,
    length: u64,
    path: &Path,
    place: &str,
) -> Result<(Header, u64)> {
    let wrong = |found: String| Error::data(path, format!("{place}{found}"));
    let (header, header_size) = read_header(reader, length, path, place)?;
    let shape = &header.shape;
    let size = match &header.descr {
        Descr::Numbers { element, .. } => element.array_size(shape),
        Descr::Text { width, is_wide, .. } => {
            let lengths = shape.iter().try_fold(1_u64, |n, &l| n.checked_mul(l as u64));
            let size = (*width as u64).checked_mul(if *is_wide { 4 } else { 1 });
            lengths.zip(size).and_then(|(n, size)| n.checked_mul(size))
        }
        Descr::Other(_) => return Ok((header, header_size)),
    };
    let size =
        size.ok_or_else(|| wrong(format!("has the impossible shape {}", show(shape))))?;
    if header_size + size != length {
        let found = format!("has {} bytes of elements", length - header_size);
        return Err(wrong(found)
            .expected(format!("{size} for the shape {}", show(shape)))
            .fix("copy or write the file again"));
    }
    Ok((header, header_size))
}

/// The header and the number of bytes before the elements.
fn read_header(
    reader: &mut dyn Read,
    length: u64,
    path: &Path,
    place: &str,
) -> Result<(Header, u64)> {
    let wrong = |found: String| Error::data(path, format!("{place}{found}"));
    let mut take = |bytes: &mut [u8]| {
        reader.read_exact(bytes).map_err(|error| read_error(path, place, error))
    };
    let mut start = [0; 8];
    if length < 10 {
        return Err(wrong(format!("has {length} bytes")).expected("a .npy file"));
    }
    take(&mut start)?;
    if &start[..6] != MAGIC {
        return Err(wrong("does not start as a .npy file does".into())
            .expected("the output of numpy.save"));
    }
    let size_bytes = match start[6] {
        1 => 2,
        2 | 3 => 4,
        version => {
            return Err(wrong(format!("has the .npy version {version}"))
                .expected("version 1, 2 or 3"));
        }
    };
    let mut size = [0; 4];
    take(&mut size[..size_bytes])?;
    let size = u32::from_le_bytes(size) as usize;
    let before = (8 + size_bytes + size) as u64;
    if size > MAX_HEADER || before > length {
        return Err(wrong(format!("declares a header of {size} bytes"))
            .expected(format!("at most {MAX_HEADER}, and not beyond the file's end")));
    }
    let mut text = vec![0; size];
    take(&mut text)?;
    let header = parse(&text).map_err(|(found, expected)| {
        wrong(format!("has a header with {found}")).expected(expected)
    })?;
    Ok((header, before))
}

/// What was found and what was expected.
type Fault = (String, &'static str);

/// Parses `{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }`.
fn parse(text: &[u8]) -> std::result::Result<Header, Fault> {
    let mut scanner = Scanner { rest: text };
    let (mut descr, mut fortran_order, mut shape) = (None, None, None);
    scanner.expect(b'{', "a dictionary")?;
    while !scanner.accept(b'}') {
        let key = scanner.string("one of the keys descr, fortran_order, shape")?;
        scanner.expect(b':', "a colon after a key")?;
        let is_new = match key {
            b"descr" => descr.replace(scanner.descr()?).is_none(),
            b"fortran_order" => fortran_order.replace(scanner.boolean()?).is_none(),
            b"shape" => shape.replace(scanner.shape()?).is_none(),
            _ => false,
        };
        if !is_new {
            return Err((
                format!("the key {}", ascii(key)),
                "descr, fortran_order and shape, each once",
            ));
        }
        if !scanner.accept(b',') {
            scanner.expect(b'}', "a comma or the dictionary's end")?;
            break;
        }
    }
    scanner.skip_space();
    if !scanner.rest.is_empty() {
        return Err((
            format!("{} after the dictionary", ascii(scanner.rest)),
            "spaces alone",
        ));
    }
    match (descr, fortran_order, shape) {
        (Some(descr), Some(fortran_order), Some(shape)) => {
            Ok(Header { descr, fortran_order, shape })
        }
        _ => Err(("too few entries".into(), "descr, fortran_order and shape")),
    }
}

/// The first characters of some bytes, printable.
fn ascii(bytes: &[u8]) -> String {
    format!("`{}`", printable(&String::from_utf8_lossy(&bytes[..bytes.len().min(40)])))
}

struct Scanner<'a> {
    rest: &'a [u8],
}

impl<'a> Scanner<'a> {
    fn skip_space(&mut self) {
        self.rest = self.rest.trim_ascii_start();
    }

    fn accept(&mut self, byte: u8) -> bool {
        self.skip_space();
        match self.rest.split_first() {
            Some((&first, rest)) if first == byte => {
                self.rest = rest;
                true
            }
            _ => false,
        }
    }

    fn expect(
        &mut self,
        byte: u8,
        expected: &'static str,
    ) -> std::result::Result<(), Fault> {
        if self.accept(byte) { Ok(()) } else { Err(self.fault(expected)) }
    }

    fn fault(&self, expected: &'static str) -> Fault {
        (ascii(self.rest), expected)
    }

    /// A string in single or double quotes; backslashes have no meaning here.
    fn string(&mut self, expected: &'static str) -> std::result::Result<&'a [u8], Fault> {
        let quote = if self.accept(b'\'') {
            b'\''
        } else if self.accept(b'"') {
            b'"'
        } else {
            return Err(self.fault(expected));
        };
        let end = self.rest.iter().position(|&byte| byte == quote);
        let end = end.ok_or_else(|| self.fault("a closing quote"))?;
        let string = &self.rest[..end];
        self.rest = &self.rest[end + 1..];
        Ok(string)
    }

    fn descr(&mut self) -> std::result::Result<Descr, Fault> {
        let descr = self.string("a plain element type such as '<f4'")?;
        let (order, kind) = match descr {
            [order @ (b'<' | b'>' | b'|' | b'='), kind @ ..] => (*order, kind),
            kind => (b'|', kind),
        };
        let is_big_endian = order == b'>';
        let element = match kind {
            b"f2" => Element::F16,
            b"f4" => Element::F32,
            b"f8" => Element::F64,
            b"i1" => Element::I8,
            b"i2" => Element::I16,
            b"i4" => Element::I32,
            b"i8" => Element::I64,
            b"u1" => Element::U8,
            b"u2" => Element::U16,
            b"u4" => Element::U32,
            b"u8" => Element::U64,
            b"b1" => Element::Bool,
            // What NumPy calls ml_dtypes' bfloat16.
            b"V2" | b"bfloat16" => Element::Bf16,
            b"O" => {
                return Ok(Descr::Other(
                    "objects, which are pickled Python code and never read".into(),
                ));
            }
            [unit @ (b'U' | b'S'), digits @ ..] => {
                let width = std::str::from_utf8(digits).ok().and_then(|d| d.parse().ok());
                let width = width.ok_or((ascii(descr), "a width behind U or S"))?;
                let is_wide = *unit == b'U';
                return Ok(Descr::Text { width, is_wide, is_big_endian });
            }
            _ => return Ok(Descr::Other(format!("the type {}", ascii(descr)))),
        };
        Ok(Descr::Numbers { element, is_big_endian })
    }

    fn boolean(&mut self) -> std::result::Result<bool, Fault> {
        self.skip_space();
        for (word, value) in [(&b"True"[..], true), (b"False", false)] {
            if let Some(rest) = self.rest.strip_prefix(word) {
                self.rest = rest;
                return Ok(value);
            }
        }
        Err(self.fault("True or False"))
    }

    fn shape(&mut self) -> std::result::Result<Vec<usize>, Fault> {
        let mut shape = Vec::new();
        self.expect(b'(', "a tuple of lengths")?;
        while !self.accept(b')') {
            if shape.len() == MAX_AXES {
                return Err(("too many axes".into(), "at most 32"));
            }
            shape.push(self.length()?);
            if !self.accept(b',') {
                // `(3)` is a number in Python, not a tuple, and NumPy never writes it.
                if shape.len() == 1 {
                    return Err(self.fault("a comma after the only length"));
                }
                self.expect(b')', "a comma or the tuple's end")?;
                break;
            }
        }
        Ok(shape)
    }

    fn length(&mut self) -> std::result::Result<usize, Fault> {
        self.skip_space();
        let digits = self.rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let text = std::str::from_utf8(&self.rest[..digits]).unwrap_or_default();
        let length = text.parse().map_err(|_| self.fault("a length, 0 or more"))?;
        self.rest = &self.rest[digits..];
        // Python 2 wrote long integers with an L.
        self.rest = self.rest.strip_prefix(b"L").unwrap_or(self.rest);
        Ok(length)
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

    #[test]
    fn headers_of_other_writers_are_read() {
        let header = |text: &str| parse(text.as_bytes());
        let descr = Descr::Numbers { element: Element::I8, is_big_endian: false };
        let expected = Header { descr, fortran_order: false, shape: vec![3, 4] };
        for text in [
            "{'descr': '|i1', 'fortran_order': False, 'shape': (3, 4), }   \n",
            "{\"shape\": (3L, 4L), \"fortran_order\": False, \"descr\": \"|i1\"}",
            "{'shape':(3,4,),'descr':'<i1','fortran_order':False}",
        ] {
            assert_eq!(header(text).unwrap(), expected, "{text}");
        }
        assert_eq!(
            header("{'descr': '<f8', 'fortran_order': True, 'shape': ()}").unwrap().shape,
            [0; 0]
        );
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
        let complex = member("<c8", 1, &[0; 8]).unwrap();
        assert_eq!(complex, Member::Other("the type `<c8`".into()));
    }

    #[test]
    fn wrong_headers_say_what_was_found() {
        let fault = |text: &str| parse(text.as_bytes()).unwrap_err().0;
        let shape =
            |s: &str| format!("{{'descr':'<f4','fortran_order':False,'shape':{s}}}");
        assert_eq!(fault(&shape("(-1,)")), "`-1,)}`");
        assert_eq!(fault(&shape("(nan,)")), "`nan,)}`");
        assert_eq!(fault(&shape("(1.5,)")), "`.5,)}`");
        assert_eq!(fault(&shape("(99999999999999999999,)")), "`99999999999999999999,)}`");
        assert_eq!(fault(&shape("[[[")), "`[[[}`");
        assert_eq!(fault(&shape(&format!("({})", "1,".repeat(33)))), "too many axes");
        assert!(fault("{'descr': [('a', '<f4')]}").starts_with("`[('a'"));
        assert!(fault("{'descr': '<f4', 'descr': '<f4'}").contains("descr"));
        assert_eq!(fault("{'descr': '<f4'}"), "too few entries");
        assert!(fault(&(shape("(1,)") + " x")).contains("after the dictionary"));
    }
}
