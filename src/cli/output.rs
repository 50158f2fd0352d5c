//! What the program prints: results on stdout, errors on stderr.

use std::io::{ErrorKind, Write, stdout};

use crate::error::{Error, Result};

/// Writes `text` to stdout; it is not an error if the reader has gone away.
pub(super) fn print_result(text: &str) -> Result<()> {
    match stdout().lock().write_all(text.as_bytes()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(Error::io("stdout".as_ref(), "cannot be written", error))
        }
        _ => Ok(()),
    }
}

/// Writes `value` to stdout as JSON.
pub(super) fn print_json(value: &impl serde::Serialize) -> Result<()> {
    let text =
        serde_json::to_string_pretty(value).expect("numbers and text have a JSON form");
    print_result(&(text + "\n"))
}

/// Writes an error and what can be done about it to stderr.
pub(super) fn print_error(error: &Error) {
    eprintln!("error: {error}");
    if let Some(help) = error.help() {
        eprintln!("  help: {help}");
    }
}
