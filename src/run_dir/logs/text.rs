//! The text of a log, however it was saved.

/// The characters of a file: UTF-8, or UTF-16 as Excel's "Unicode text" has it, with a byte
/// order mark or without one. What is no UTF-8 stands in columns that nobody reads here (an
/// author's name in Latin-1), and becomes a placeholder.
pub(super) fn decode(bytes: &[u8]) -> String {
    match bytes {
        [0xFF, 0xFE, rest @ ..] => utf16(rest, u16::from_le_bytes),
        [0xFE, 0xFF, rest @ ..] => utf16(rest, u16::from_be_bytes),
        [0xEF, 0xBB, 0xBF, rest @ ..] => String::from_utf8_lossy(rest).into_owned(),
        // Every second byte of digits and commas in UTF-16 is 0.
        [first, 0, _, 0, ..] if *first != 0 => utf16(bytes, u16::from_le_bytes),
        [0, first, 0, _, ..] if *first != 0 => utf16(bytes, u16::from_be_bytes),
        _ => String::from_utf8_lossy(bytes).into_owned(),
    }
}

fn utf16(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> String {
    let units = bytes.chunks_exact(2).map(|pair| unit([pair[0], pair[1]]));
    let text =
        char::decode_utf16(units).map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER));
    text.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_text_has_many_encodings() {
        let text = "epoch,é\n0,½\n";
        let units: Vec<u16> = text.encode_utf16().collect();
        let little: Vec<u8> = units.iter().flat_map(|unit| unit.to_le_bytes()).collect();
        let big: Vec<u8> = units.iter().flat_map(|unit| unit.to_be_bytes()).collect();
        for (mark, bytes) in [
            (&[0xEF, 0xBB, 0xBF][..], text.as_bytes()),
            (&[], text.as_bytes()),
            (&[0xFF, 0xFE], &little),
            (&[], &little),
            (&[0xFE, 0xFF], &big),
            (&[], &big),
        ] {
            assert_eq!(decode(&[mark, bytes].concat()), text, "{mark:?}");
        }
        assert_eq!(decode(b"ep\xe9,1"), "ep\u{fffd},1");
    }
}
