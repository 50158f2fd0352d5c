//! What the program prints: results on stdout, errors on stderr.

use std::io::{ErrorKind, Write, stderr, stdout};

use clap::builder::Styles;

use crate::error::{Error, Result};

/// Writes `text` to stdout; it is not an error if the reader has gone away.
/// Control characters, which names and fields may hold, are shown.
pub(super) fn print_result(text: &str) -> Result<()> {
    print(&printable(text))
}

/// The same of a text with colors.
pub(super) fn print_in_color(text: &str) -> Result<()> {
    print(&printable_in_color(text))
}

fn print(text: &str) -> Result<()> {
    let mut out = stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
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

/// Writes a line to stderr. That nobody can read it ends no work: what became of that stands in
/// the exit code and in `run.json`.
pub(super) fn say(line: &str) {
    let _ = stderr().lock().write_all((printable(line) + "\n").as_bytes());
}

/// A text without characters that move a terminal's cursor or change its title.
pub(super) fn printable(text: &str) -> String {
    let is_kept = |c: char| c == '\n' || c == '\t' || !c.is_control();
    if text.chars().all(is_kept) {
        return text.to_owned();
    }
    let show = |c: char| {
        if is_kept(c) { c.to_string() } else { c.escape_default().to_string() }
    };
    text.chars().map(show).collect()
}

/// The same with the sequences of colors, `ESC [ 38 ; 5 ; 1 m`, as they are.
fn printable_in_color(text: &str) -> String {
    let mut parts = text.split("\x1b[");
    let mut out = printable(parts.next().unwrap_or_default());
    for part in parts {
        let end = part.find(|c: char| !(c.is_ascii_digit() || c == ';'));
        let is_color = end.is_some_and(|end| part[end..].starts_with('m'));
        out += if is_color { "\x1b[" } else { "\\u{1b}[" };
        out += &printable(part);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_are_shown_not_sent() {
        assert_eq!(printable("a\x1b[31mé\n\tb\u{9b}"), "a\\u{1b}[31mé\n\tb\\u{9b}");
    }

    #[test]
    fn only_colors_reach_the_terminal_and_only_in_color() {
        let title = "\x1b]0;owned\x07";
        assert_eq!(printable(title), "\\u{1b}]0;owned\\u{7}");
        assert_eq!(printable("a\tb\nc µ"), "a\tb\nc µ");
        let red = "\x1b[38;2;1;2;3mred\x1b[0m";
        assert_eq!(printable_in_color(red), red);
        assert_eq!(printable_in_color("\x1b[2Jx\x1b["), "\\u{1b}[2Jx\\u{1b}[");
        assert_eq!(printable_in_color(title), printable(title));
        assert!(!printable(red).contains('\x1b'));
    }
}
