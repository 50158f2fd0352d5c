//! Thrift's compact protocol, as far as Parquet's metadata needs it.

/// Structures nest less deep in every real file.
const DEEPEST: usize = 16;

/// A value; text and binary stay in the file's bytes.
#[derive(Debug, PartialEq)]
pub(super) enum Value<'a> {
    Bool(bool),
    Integer(i64),
    Bytes(&'a [u8]),
    List(Vec<Value<'a>>),
    Struct(Vec<(i16, Value<'a>)>),
    /// A map or a float: nothing here needs one.
    Other,
}

impl<'a> Value<'a> {
    /// The field of a structure.
    pub(super) fn field(&self, id: i16) -> Option<&Value<'a>> {
        let Self::Struct(fields) = self else { return None };
        fields.iter().find(|(own, _)| *own == id).map(|(_, value)| value)
    }

    pub(super) fn integer(&self, id: i16) -> Option<i64> {
        match self.field(id)? {
            Self::Integer(value) => Some(*value),
            _ => None,
        }
    }

    /// A number of bytes, rows or values.
    pub(super) fn count(&self, id: i16) -> Option<usize> {
        usize::try_from(self.integer(id)?).ok()
    }

    pub(super) fn bytes(&self, id: i16) -> Option<&'a [u8]> {
        match self.field(id)? {
            Self::Bytes(bytes) => Some(bytes),
            _ => None,
        }
    }

    /// The elements of a list; none where it is missing.
    pub(super) fn list(&self, id: i16) -> &[Value<'a>] {
        match self.field(id) {
            Some(Self::List(list)) => list,
            _ => &[],
        }
    }
}

/// Parses the structure at the start of `bytes`; gives it and its length. Nothing is
/// allocated that the bytes do not hold.
pub(super) fn parse(bytes: &[u8]) -> Result<(Value<'_>, usize), String> {
    let mut parser = Parser { bytes, at: 0 };
    let value = parser.structure(0)?;
    Ok((value, parser.at))
}

struct Parser<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Parser<'a> {
    fn byte(&mut self) -> Result<u8, String> {
        let byte = *self.bytes.get(self.at).ok_or("metadata that ends too early")?;
        self.at += 1;
        Ok(byte)
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], String> {
        let rest = &self.bytes[self.at..];
        let taken = rest.get(..length).ok_or("metadata that ends too early")?;
        self.at += length;
        Ok(taken)
    }

    fn varint(&mut self) -> Result<u64, String> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err("a number in metadata that does not end".into())
    }

    fn zigzag(&mut self) -> Result<i64, String> {
        let value = self.varint()?;
        Ok((value >> 1) as i64 ^ -((value & 1) as i64))
    }

    fn structure(&mut self, depth: usize) -> Result<Value<'a>, String> {
        if depth > DEEPEST {
            return Err("metadata that nests too deep".into());
        }
        let mut fields = Vec::new();
        let mut id = 0i16;
        loop {
            let header = self.byte()?;
            let (step, kind) = (i16::from(header >> 4), header & 0x0f);
            if kind == 0 {
                return Ok(Value::Struct(fields));
            }
            id = if step == 0 { self.zigzag()? as i16 } else { id.saturating_add(step) };
            let value = match kind {
                1 => Value::Bool(true),
                2 => Value::Bool(false),
                kind => self.value(kind, depth)?,
            };
            fields.push((id, value));
        }
    }

    /// A value outside a field's header: a bool is a byte here.
    fn value(&mut self, kind: u8, depth: usize) -> Result<Value<'a>, String> {
        Ok(match kind {
            1 | 2 => Value::Bool(self.byte()? == 1),
            3 => Value::Integer(i64::from(self.byte()? as i8)),
            4..=6 => Value::Integer(self.zigzag()?),
            7 => self.take(8).map(|_| Value::Other)?,
            8 => {
                let length = self.varint()?;
                Value::Bytes(self.take(usize::try_from(length).unwrap_or(usize::MAX))?)
            }
            9 | 10 => {
                let header = self.byte()?;
                let count = match header >> 4 {
                    15 => self.varint()?,
                    count => u64::from(count),
                };
                self.list(count, header & 0x0f, depth)?
            }
            11 => self.map(depth)?,
            12 => self.structure(depth + 1)?,
            other => {
                return Err(format!("metadata with a value of unknown type {other}"));
            }
        })
    }

    fn list(&mut self, count: u64, kind: u8, depth: usize) -> Result<Value<'a>, String> {
        // Every element takes a byte or more.
        if count > (self.bytes.len() - self.at) as u64 || depth > DEEPEST {
            return Err(format!("metadata with an impossible list of {count}"));
        }
        let items = (0..count).map(|_| self.value(kind, depth + 1));
        items.collect::<Result<_, _>>().map(Value::List)
    }

    fn map(&mut self, depth: usize) -> Result<Value<'a>, String> {
        let count = self.varint()?;
        if count > 0 {
            let kinds = self.byte()?;
            if count > (self.bytes.len() - self.at) as u64 || depth > DEEPEST {
                return Err(format!("metadata with an impossible map of {count}"));
            }
            for _ in 0..count {
                self.value(kinds >> 4, depth + 1)?;
                self.value(kinds & 0x0f, depth + 1)?;
            }
        }
        Ok(Value::Other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_structure_by_hand() {
        // 1: i32 -3 (zigzag 5); 2: binary "ab"; 4: list of two i64; 20: true.
        let bytes = [0x15, 5, 0x18, 2, b'a', b'b', 0x29, 0x26, 2, 4, 0x01, 40, 0, 9];
        let (value, length) = parse(&bytes).unwrap();
        assert_eq!(length, 13);
        assert_eq!(value.integer(1), Some(-3));
        assert_eq!(value.count(1), None);
        assert_eq!(value.bytes(2), Some(&b"ab"[..]));
        assert_eq!(value.list(4), [Value::Integer(1), Value::Integer(2)]);
        assert_eq!(value.field(20), Some(&Value::Bool(true)));
    }

    #[test]
    fn hostile_metadata_is_refused() {
        let nested = [0x1c; 100];
        assert!(parse(&nested).unwrap_err().contains("too deep"));
        let lists = [0x19; 100];
        assert!(parse(&lists).is_err());
        assert!(parse(&[0x18, 0xff, 0xff, 0xff, 0xff, 0x0f]).is_err());
        assert!(
            parse(&[0x19, 0xf5, 0xff, 0xff, 0xff, 0x7f]).unwrap_err().contains("list")
        );
        assert!(parse(&[0x15, 0xff]).is_err());
        assert!(parse(&[0x16; 12]).is_err());
    }
}
