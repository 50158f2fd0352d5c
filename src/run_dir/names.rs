//! Names that are parts of paths: of layers, measures and groups, and of steps.

use crate::error::{Error, Result};

/// `step-000000336`.
pub(super) fn step_name(step: u64) -> String {
    format!("step-{step:09}")
}

/// The step of a name that [`step_name`] gave.
pub(super) fn parse_step_name(name: &str) -> Option<u64> {
    let step = name.strip_prefix("step-")?.parse().ok()?;
    (step_name(step) == name).then_some(step)
}

/// Checks that `name` may be a part of a path: 1 to 80 of the characters A-Z a-z 0-9 . _ -,
/// beginning with no dot, and no device of Windows. The names of nets' nodes are such; names
/// that come from files are checked by this where they enter.
///
/// # Errors
/// If it is not.
///
/// # Example
/// ```
/// use stratagram::run_dir::check_name;
/// assert!(check_name("layer3.1.conv2").is_ok());
/// assert!(check_name("../../home").is_err());
/// ```
pub fn check_name(name: &str) -> Result<()> {
    if is_plain(name) && name.len() <= 80 && !is_reserved(name) {
        return Ok(());
    }
    let shown: String = name.chars().take(80).flat_map(char::escape_default).collect();
    Err(Error::usage(format!("the name `{shown}`"), "cannot be a file name").expected(
        "1 to 80 of the characters A-Z a-z 0-9 . _ - (not beginning with a dot)",
    ))
}

/// Whether a name has the characters of [`check_name`].
pub(super) fn is_plain(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    !name.is_empty() && !name.starts_with('.') && name.chars().all(plain)
}

/// Names that stand for devices on Windows, with any extension.
fn is_reserved(name: &str) -> bool {
    let stem = name.split('.').next().unwrap_or_default().to_ascii_uppercase();
    let numbered = stem.strip_prefix("COM").or_else(|| stem.strip_prefix("LPT"));
    matches!(stem.as_str(), "CON" | "PRN" | "AUX" | "NUL")
        || numbered.is_some_and(|n| n.len() == 1 && n.as_bytes()[0].is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn step_names_go_both_ways() {
        for step in [0, 336, 999_999_999, 1_000_000_000] {
            assert_eq!(parse_step_name(&step_name(step)), Some(step));
        }
        for name in
            ["step-", "step-1", "step-00000000x", "step-+00000001", "xstep-000000001"]
        {
            assert_eq!(parse_step_name(name), None, "{name}");
        }
    }

    #[test]
    fn names_cannot_leave_the_directory() {
        for name in ["layer3.1.conv2", "fc", "cka-biased", "A_b-9", "conv", "com"] {
            assert!(check_name(name).is_ok(), "{name}");
        }
        let long = "x".repeat(81);
        for name in [
            "",
            ".",
            "..",
            "../x",
            "a/b",
            "a\\b",
            "/etc",
            "a\0b",
            "ä",
            "a b",
            "\u{202e}x",
            "\x1b[31m",
            "con",
            "NUL.npy",
            "com1",
            "lpt9.x",
            ".hidden",
            &long,
        ] {
            let error = check_name(name).unwrap_err();
            assert!(!error.to_string().contains(['\0', '\x1b']), "{error}");
        }
    }
}
