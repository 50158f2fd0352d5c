//! What the program prints: results on stdout, errors on stderr.

use std::io::{ErrorKind, Write, stdout};

use clap::builder::Styles;

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

/// Writes an error and what can be done about it to stderr, in the colors of the parser's own
/// errors where the terminal has them.
pub(super) fn print_error(error: &Error) {
    let styles = Styles::styled();
    let (red, green) = (styles.get_error(), styles.get_valid());
    let mut text = format!("{red}error:{red:#} {}\n", printable(&error.to_string()));
    if let Some(help) = error.help() {
        text += &format!("  {green}help:{green:#} {}\n", printable(help));
    }
    // If nobody hears it, the exit code still tells.
    let _ = anstream::stderr().lock().write_all(text.as_bytes());
}

/// Text without the control characters that names in files may hold: a terminal would obey
/// them.
fn printable(text: &str) -> String {
    let is_plain = |c: char| !c.is_control() || c == '\n' || c == '\t';
    text.chars()
        .map(|c| if is_plain(c) { c.to_string() } else { c.escape_default().to_string() })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_are_shown_not_sent() {
        assert_eq!(printable("a\x1b[31mé\n\tb\u{9b}"), "a\\u{1b}[31mé\n\tb\\u{9b}");
    }
}
