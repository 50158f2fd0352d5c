//! The header of a `.npy` file: what its elements are, in which order and shape.

use std::io::{BufReader, Read};
use std::path::Path;

use super::element::{Element, read_error};
use super::{MAX_AXES, open, printable, show};
use crate::error::{Error, Result};

pub(super) const MAGIC: &[u8; 6] = b"\x93NUMPY";

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

/// The header of a file and the number of bytes before the elements, which are as many as
/// the header says.
pub(super) fn header_of(path: &Path) -> Result<(Header, u64)> {
    let (file, length) = open(path)?;
    checked_header(&mut BufReader::new(file), length, path, "")
}

/// The header of the file of `length` bytes in `reader`, and the number of bytes before the
/// elements; errors begin with `path` and `place`.
pub(super) fn checked_header(
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
                let width: usize =
                    width.ok_or((ascii(descr), "a width behind U or S"))?;
                if width == 0 {
                    // No byte of the file bounds how many there are.
                    return Ok(Descr::Other("texts of no characters".into()));
                }
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

#[cfg(test)]
mod tests {
    use super::*;

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
