//! Why a row has nothing defined at a place, in the recorder's words.

use std::path::Path;

use crate::array_file::{Values, read_npz_member};
use crate::error::Result;

/// Why a row has nothing defined at a place.
pub(super) fn read(row: &Path, name: &str) -> Result<Option<String>> {
    let reason = read_npz_member(row, &format!("reason/{name}"))?;
    Ok(reason.map(|reason| match reason.values {
        Values::U8(text) => printable(&text),
        _ => "undefined".into(),
    }))
}

/// A recorder's text, for a field of a table in quotes.
fn printable(text: &[u8]) -> String {
    let text = String::from_utf8_lossy(text).replace(['"', '\n', '\r'], " ");
    text.chars().filter(|c| !c.is_control()).take(200).collect()
}
