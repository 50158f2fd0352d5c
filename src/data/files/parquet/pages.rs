//! Pages of a Parquet column: decompression, levels, plain and dictionary values.
//!
//! Errors are sentences in words: the caller knows file and offset.

use std::io::Read;
use std::sync::Arc;

use super::thrift;

/// One page may unpack to this, 256 MiB …
const LARGEST_PAGE: usize = 1 << 28;
/// … and to this many times its length, beyond [`FREE_SIZE`]: pictures hardly compress.
const MAX_RATIO: usize = 200;
/// What every page may unpack to.
const FREE_SIZE: usize = 16 << 20;

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Physical {
    Int32,
    Int64,
    /// Floats, of which whole numbers are classes.
    Float,
    Double,
    ByteArray,
}

impl Physical {
    /// The type of a number in the metadata, if it is one that is read.
    pub(super) fn of(number: i64) -> Option<Self> {
        match number {
            1 => Some(Self::Int32),
            2 => Some(Self::Int64),
            4 => Some(Self::Float),
            5 => Some(Self::Double),
            6 => Some(Self::ByteArray),
            _ => None,
        }
    }

    /// Bytes of a number.
    fn width(self) -> usize {
        if matches!(self, Self::Int32 | Self::Float) { 4 } else { 8 }
    }

    /// The number in its bytes.
    fn number(self, bytes: &[u8]) -> Result<i64, String> {
        let mut wide = [0; 8];
        wide[..bytes.len()].copy_from_slice(bytes);
        let low = u64::from_le_bytes(wide);
        let value = match self {
            Self::Int32 => return Ok(i64::from(low as u32 as i32)),
            Self::Float => f64::from(f32::from_bits(low as u32)),
            Self::Double => f64::from_bits(low),
            Self::Int64 | Self::ByteArray => return Ok(low as i64),
        };
        let is_whole = value.fract() == 0.0 && value.abs() < 1e9;
        is_whole.then_some(value as i64).ok_or_else(|| format!("the class {value}"))
    }
}

/// A column's values, one a row.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Values {
    Integers(Vec<i64>),
    /// Shared: a dictionary's value may be that of many rows.
    Bytes(Vec<Arc<[u8]>>),
}

impl Values {
    fn new(physical: Physical) -> Self {
        match physical {
            Physical::ByteArray => Self::Bytes(Vec::new()),
            _ => Self::Integers(Vec::new()),
        }
    }

    pub(super) fn len(&self) -> usize {
        match self {
            Self::Integers(values) => values.len(),
            Self::Bytes(values) => values.len(),
        }
    }
}

/// How a column chunk is stored.
pub(super) struct Chunk<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) physical: Physical,
    pub(super) codec: i64,
    /// The definition level of a value that is there.
    pub(super) max_definition: u32,
    pub(super) n_values: usize,
}

impl Chunk<'_> {
    /// Gives the values of each page to `each`, until all are there. An error comes with the
    /// offset of its page in the chunk.
    pub(super) fn pages(
        &self,
        mut each: impl FnMut(Values) -> Result<(), String>,
    ) -> Result<(), (usize, String)> {
        let mut dictionary = None;
        let (mut at, mut done) = (0, 0);
        while done < self.n_values {
            let (header, length) =
                thrift::parse(&self.bytes[at..]).map_err(|why| (at, why))?;
            let start = at + length;
            let failed = |why: String| (at, why);
            let size = header.count(3).unwrap_or(usize::MAX);
            let page = self.bytes[start..]
                .get(..size)
                .ok_or_else(|| failed("a page that is longer than its column".into()))?;
            let left = self.n_values - done;
            match header.integer(1) {
                Some(0 | 3) => {
                    let values = self
                        .data_page(&header, page, dictionary.as_ref(), left)
                        .map_err(failed)?;
                    done += values.len();
                    each(values).map_err(failed)?;
                }
                Some(2) => {
                    dictionary =
                        Some(self.dictionary_page(&header, page).map_err(failed)?);
                }
                Some(1) => {}
                _ => return Err(failed("a page of unknown type".into())),
            }
            at = start + size;
        }
        Ok(())
    }

    fn dictionary_page(
        &self,
        header: &thrift::Value<'_>,
        page: &[u8],
    ) -> Result<Values, String> {
        let content = self.unpack(page, unpacked_size(header)?)?;
        let count = header.field(7).and_then(|header| header.count(1));
        self.plain(&content, count.ok_or("a dictionary without a length")?)
    }

    /// A page of version 1 or 2, of at most `left` rows.
    fn data_page(
        &self,
        header: &thrift::Value<'_>,
        page: &[u8],
        dictionary: Option<&Values>,
        left: usize,
    ) -> Result<Values, String> {
        let second = header.integer(1) == Some(3);
        let own =
            header.field(if second { 8 } else { 5 }).ok_or("a page without a header")?;
        let count = own.count(1).filter(|count| *count <= left).ok_or_else(|| {
            format!("a page with more than the {left} values that are left")
        })?;
        let size = unpacked_size(header)?;
        let encoding = own.integer(if second { 4 } else { 2 });
        let unpacked;
        let (levels, content): (&[u8], &[u8]) = if second {
            let repetition = own.count(6).unwrap_or(0);
            let length = own.count(5).unwrap_or(0);
            let end = repetition.checked_add(length).filter(|end| *end <= page.len());
            let end = end.ok_or("levels that are longer than their page")?;
            let plain = own.field(7) == Some(&thrift::Value::Bool(false));
            let rest = size.checked_sub(end).ok_or("levels longer than their page")?;
            let content = &page[end..];
            unpacked = if plain { content.to_vec() } else { self.unpack(content, rest)? };
            (&page[repetition..end], &unpacked)
        } else {
            unpacked = self.unpack(page, size)?;
            if self.max_definition > 0 {
                if own.integer(3) != Some(3) {
                    return Err("levels that are not run-length encoded".into());
                }
                let (length, rest) = split_length(&unpacked)?;
                (&rest[..length], &rest[length..])
            } else {
                (&[], &unpacked)
            }
        };
        if self.max_definition > 0 {
            let width = u32::BITS - self.max_definition.leading_zeros();
            let levels = hybrid(levels, width, count)?;
            if let Some(row) = levels.iter().position(|l| *l != self.max_definition) {
                return Err(format!("nothing in row {row} of the page"));
            }
        }
        match encoding {
            Some(0) => self.plain(content, count),
            Some(2 | 8) => look_up(dictionary, content, count),
            other => Err(format!(
                "values in encoding {}; plain and dictionary values are read \
                 (pyarrow.parquet.write_table with its defaults)",
                other.unwrap_or(-1)
            )),
        }
    }

    /// Decompresses to exactly `size` bytes.
    fn unpack(&self, bytes: &[u8], size: usize) -> Result<Vec<u8>, String> {
        let limit = bytes.len().saturating_mul(MAX_RATIO).saturating_add(FREE_SIZE);
        if size > limit.min(LARGEST_PAGE) {
            return Err(format!(
                "a page that unpacks from {} to {size} bytes",
                bytes.len()
            ));
        }
        let damaged = |error: &dyn std::fmt::Display| {
            format!("a page that cannot be decompressed ({error})")
        };
        let read = |reader: &mut dyn Read| {
            let mut content = Vec::new();
            let length = reader.take(size as u64 + 1).read_to_end(&mut content);
            length.map(|_| content).map_err(|error| damaged(&error))
        };
        let content = match self.codec {
            0 => bytes.to_vec(),
            1 => {
                let declared =
                    snap::raw::decompress_len(bytes).map_err(|e| damaged(&e))?;
                if declared != size {
                    return Err(format!("a page of {declared} bytes instead of {size}"));
                }
                snap::raw::Decoder::new()
                    .decompress_vec(bytes)
                    .map_err(|e| damaged(&e))?
            }
            2 => read(&mut flate2::read::MultiGzDecoder::new(bytes))?,
            6 => read(
                &mut ruzstd::decoding::StreamingDecoder::new(bytes)
                    .map_err(|e| damaged(&e))?,
            )?,
            codec => return Err(unread(codec)),
        };
        if content.len() != size {
            return Err(format!("a page of {} bytes instead of {size}", content.len()));
        }
        Ok(content)
    }

    /// Values one after the other.
    fn plain(&self, mut bytes: &[u8], count: usize) -> Result<Values, String> {
        let mut values = Values::new(self.physical);
        // Every value takes four bytes or more.
        if count > bytes.len() / 4 {
            return Err(format!("{count} values in {} bytes", bytes.len()));
        }
        for _ in 0..count {
            match &mut values {
                Values::Bytes(values) => {
                    let (length, rest) = split_length(bytes)?;
                    values.push(rest[..length].into());
                    bytes = &rest[length..];
                }
                Values::Integers(values) => {
                    let (value, rest) = bytes
                        .split_at_checked(self.physical.width())
                        .ok_or("values that end too early")?;
                    values.push(self.physical.number(value)?);
                    bytes = rest;
                }
            }
        }
        Ok(values)
    }
}

/// What is said of a compression that is not read.
fn unread(codec: i64) -> String {
    let name = match codec {
        3 => "LZO",
        4 => "Brotli",
        5 | 7 => "LZ4",
        _ => "an unknown method",
    };
    format!(
        "compressed with {name} ({codec}), which is not read; none, snappy, gzip and zstd are: \
         write the file again with compression=\"zstd\""
    )
}

fn unpacked_size(header: &thrift::Value<'_>) -> Result<usize, String> {
    header.count(2).ok_or_else(|| "a page of negative length".into())
}

/// A length of four bytes, and what follows: at least that much.
fn split_length(bytes: &[u8]) -> Result<(usize, &[u8]), String> {
    let (length, rest) = bytes.split_first_chunk().ok_or("values that end too early")?;
    let length = u32::from_le_bytes(*length) as usize;
    if length > rest.len() {
        return Err(format!("a value of {length} bytes where {} are left", rest.len()));
    }
    Ok((length, rest))
}

/// Values of a dictionary by their numbers.
fn look_up(
    dictionary: Option<&Values>,
    bytes: &[u8],
    count: usize,
) -> Result<Values, String> {
    let dictionary = dictionary.ok_or("dictionary values before their dictionary")?;
    let (&width, rest) = bytes.split_first().ok_or("values that end too early")?;
    let numbers = hybrid(rest, u32::from(width), count)?;
    let past = numbers.iter().find(|number| **number as usize >= dictionary.len());
    if let Some(number) = past {
        return Err(format!("value {number} of a dictionary of {}", dictionary.len()));
    }
    let numbers = numbers.into_iter().map(|number| number as usize);
    Ok(match dictionary {
        Values::Integers(values) => {
            Values::Integers(numbers.map(|number| values[number]).collect())
        }
        Values::Bytes(values) => {
            Values::Bytes(numbers.map(|number| values[number].clone()).collect())
        }
    })
}

/// Parquet's mixture of runs and bit-packed groups of eight, `width` bits a number.
fn hybrid(bytes: &[u8], width: u32, count: usize) -> Result<Vec<u32>, String> {
    const EARLY: &str = "run lengths that end too early";
    if width > 32 {
        return Err(format!("numbers of {width} bits"));
    }
    let mut numbers = Vec::new();
    let mut at = 0;
    while numbers.len() < count {
        let mut header = 0u64;
        for shift in (0..).step_by(7) {
            let byte = *bytes.get(at).ok_or(EARLY)?;
            at += 1;
            if shift > 28 {
                return Err("a run length that does not end".into());
            }
            header |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                break;
            }
        }
        let left = count - numbers.len();
        let length = (header >> 1) as usize;
        if header & 1 == 0 {
            let size = width.div_ceil(8) as usize;
            let value = bytes[at..].get(..size).ok_or(EARLY)?;
            at += size;
            let value =
                value.iter().rev().fold(0, |sum, byte| sum << 8 | u32::from(*byte));
            if length == 0 {
                return Err("a run of nothing".into());
            }
            numbers.extend(std::iter::repeat_n(value, length.min(left)));
        } else {
            let groups = bytes[at..].get(..length * width as usize).ok_or(EARLY)?;
            at += groups.len();
            if length == 0 {
                return Err("a run of nothing".into());
            }
            let number = |i: usize| {
                (0..width as usize).fold(0u32, |sum, bit| {
                    let position = i * width as usize + bit;
                    sum | u32::from(groups[position / 8] >> (position % 8) & 1) << bit
                })
            };
            numbers.extend((0..(8 * length).min(left)).map(number));
        }
    }
    Ok(numbers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_and_groups_as_the_format_describes_them() {
        // Parquet's own example: 0…7 in three bits each are 88 C6 FA.
        assert_eq!(
            hybrid(&[0x03, 0x88, 0xc6, 0xfa], 3, 8).unwrap(),
            (0..8).collect::<Vec<_>>()
        );
        assert_eq!(hybrid(&[0x0a, 4], 3, 5).unwrap(), [4; 5]);
        assert_eq!(
            hybrid(&[0x04, 1, 0x03, 0b0000_0110], 1, 6).unwrap(),
            [1, 1, 0, 1, 1, 0]
        );
        assert_eq!(hybrid(&[0x08], 0, 4).unwrap(), [0; 4]);
    }

    #[test]
    fn whole_numbers_of_floats_are_classes() {
        let float = |x: f32| Physical::Float.number(&x.to_le_bytes());
        assert_eq!((float(3.0), float(-1.0)), (Ok(3), Ok(-1)));
        assert_eq!(float(0.5), Err("the class 0.5".into()));
        assert!(float(f32::NAN).is_err());
        assert_eq!(Physical::Double.number(&7.0_f64.to_le_bytes()), Ok(7));
        assert_eq!(Physical::Int32.number(&(-2_i32).to_le_bytes()), Ok(-2));
        assert_eq!(Physical::Int64.number(&(-2_i64).to_le_bytes()), Ok(-2));
    }

    #[test]
    fn hostile_runs_are_refused_or_end_at_the_count() {
        assert!(hybrid(&[], 1, 1).is_err());
        assert!(hybrid(&[0x00, 1], 1, 1).is_err());
        assert!(hybrid(&[0x01], 1, 1).is_err());
        assert!(hybrid(&[0xff; 9], 1, 1).is_err());
        assert!(hybrid(&[0x03, 1], 40, 1).is_err());
        assert_eq!(hybrid(&[0xfe, 0xff, 0xff, 0xff, 0x0f, 1], 1, 3).unwrap(), [1; 3]);
    }
}
