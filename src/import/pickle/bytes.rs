//! What a pickle's bytes are read as, and what is said where they cannot be.

use super::{Machine, Place, Value};
use crate::error::{Error, Result};

impl<'a> Machine<'a, '_> {
    pub(super) fn refuse(&self, found: &str) -> Error {
        let code = self.bytes.get(self.op).copied().unwrap_or_default();
        let Place { path, member, start } = self.place;
        let inside =
            if member.is_empty() { String::new() } else { format!("{member}, ") };
        let at = start + self.op;
        let opcode = opcode_name(code);
        Error::data(path, format!("{inside}byte {at}: {opcode} {found}"))
            .expected("a pickle as torch.save writes it, of a state_dict")
            .fix(
                "save it alone: torch.save(model.state_dict(), \"epoch-1.pt\"), or \
                 safetensors.torch.save_file(model.state_dict(), \"epoch-1.safetensors\")",
            )
    }

    pub(super) fn slice(&mut self, length: usize) -> Result<&'a [u8]> {
        let end = self.at.checked_add(length).filter(|&end| end <= self.bytes.len());
        let Some(end) = end else {
            let rest = self.bytes.len() - self.at;
            return Err(
                self.refuse(&format!("needs {length} bytes of {rest} that are left"))
            );
        };
        let slice = &self.bytes[self.at..end];
        self.at = end;
        Ok(slice)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        Ok(self.slice(N)?.try_into().expect("N bytes"))
    }

    pub(super) fn line(&mut self) -> Result<&'a str> {
        let rest = &self.bytes[self.at..];
        let end = rest.iter().take(300).position(|&byte| byte == b'\n');
        let end = end.ok_or_else(|| self.refuse("has no end of line"))?;
        self.at += end + 1;
        std::str::from_utf8(&rest[..end])
            .map_err(|_| self.refuse("has a name that is no text"))
    }

    /// Text or bytes behind their length.
    pub(super) fn counted(&mut self, code: u8) -> Result<&'a [u8]> {
        let length = match code {
            0x8c | b'U' | b'C' => self.array::<1>()?[0].into(),
            0x8d | 0x8e | 0x96 => u64::from_le_bytes(self.array()?),
            _ => u32::from_le_bytes(self.array()?).into(),
        };
        self.slice(usize::try_from(length).unwrap_or(usize::MAX))
    }

    pub(super) fn text(&mut self, code: u8) -> Result<Value<'a>> {
        let bytes = self.counted(code)?;
        match std::str::from_utf8(bytes) {
            Ok(text) => Ok(Value::Text(text)),
            Err(_) => Err(self.refuse("is text that is not UTF-8")),
        }
    }

    /// A whole number of up to 255 bytes, little-endian, two's complement.
    pub(super) fn long(&mut self) -> Result<Value<'a>> {
        let [length] = self.array()?;
        let bytes = self.slice(length.into())?;
        if bytes.len() > 8 {
            return Ok(Value::Other);
        }
        let negative = bytes.last().is_some_and(|byte| byte & 0x80 != 0);
        let mut whole = [if negative { 0xff } else { 0 }; 8];
        whole[..bytes.len()].copy_from_slice(bytes);
        Ok(Value::Int(i64::from_le_bytes(whole)))
    }
}

/// An opcode as Python's `pickletools` calls it.
fn opcode_name(code: u8) -> String {
    let name = match code {
        b'.' => "STOP",
        b'(' => "MARK",
        b'0' => "POP",
        b'1' => "POP_MARK",
        b'2' => "DUP",
        b'q' => "BINPUT",
        b'r' => "LONG_BINPUT",
        b'p' => "PUT",
        b'g' => "GET",
        b'h' => "BINGET",
        b'j' => "LONG_BINGET",
        b'a' => "APPEND",
        b'e' => "APPENDS",
        b's' => "SETITEM",
        b'u' => "SETITEMS",
        b'b' => "BUILD",
        b'c' => "GLOBAL",
        b'i' => "INST",
        b'o' => "OBJ",
        b'R' => "REDUCE",
        b'P' => "PERSID",
        b'Q' => "BINPERSID",
        b'X' => "BINUNICODE",
        b't' => "TUPLE",
        0x80 => "PROTO",
        0x81 => "NEWOBJ",
        0x82..=0x84 => "EXT",
        0x8a => "LONG1",
        0x8b => "LONG4",
        0x8c => "SHORT_BINUNICODE",
        0x8d => "BINUNICODE8",
        0x92 => "NEWOBJ_EX",
        0x93 => "STACK_GLOBAL",
        0x94 => "MEMOIZE",
        0x95 => "FRAME",
        _ => return format!("opcode 0x{code:02x}"),
    };
    name.to_owned()
}
