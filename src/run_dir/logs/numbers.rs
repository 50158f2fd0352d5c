//! Fields as numbers.

/// Words for "nothing".
const NOTHING: [&str; 10] =
    ["", "-", "na", "n/a", "#n/a", "nan", "null", "none", "undefined", "."];

/// A number of a log.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Number {
    /// NaN of an empty field.
    pub(super) value: f64,
    /// Whether it has a percent sign.
    pub(super) is_percent: bool,
}

/// A field as a number: an empty one and the usual words for "none" are NaN; a single comma is
/// a decimal comma where `commas` says so or the field is quoted, a percent sign is told. None
/// where it is no number.
pub(super) fn number(field: &str, commas: bool) -> Option<Number> {
    let field = field.trim();
    if NOTHING.contains(&field.to_lowercase().as_str()) {
        return Some(Number { value: f64::NAN, is_percent: false });
    }
    let bare = field.strip_suffix('%').map_or(field, str::trim_end);
    let is_percent = bare.len() < field.len();
    let value = bare.parse().ok().or_else(|| {
        let one = bare.matches(',').count() == 1 && !bare.contains('.');
        // A field with a comma in a table of commas was quoted; 1,024 is then ambiguous.
        let thousands = !commas && is_grouped(bare);
        (one && !thousands).then(|| bare.replace(',', ".").parse().ok()).flatten()
    })?;
    Some(Number { value, is_percent })
}

/// Whether it reads like a whole number with its thousands apart: `1,024`, not `0,123`.
fn is_grouped(field: &str) -> bool {
    let digits = |part: &str, n: usize| {
        part.len() == n && part.bytes().all(|byte| byte.is_ascii_digit())
    };
    field.split_once(',').is_some_and(|(whole, rest)| {
        digits(rest, 3) && digits(whole, whole.len()) && whole != "0"
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_in_many_ways() {
        let value = |field: &str, commas| number(field, commas).map(|n| n.value);
        for (field, commas, expected) in [
            ("0.25", false, Some(0.25)),
            (" .25 ", false, Some(0.25)),
            ("2.5e-1", false, Some(0.25)),
            ("0,25", true, Some(0.25)),
            ("0,25", false, Some(0.25)),
            ("0,125", false, Some(0.125)),
            ("1,024", true, Some(1.024)),
            ("1,024", false, None),
            ("1.234,5", true, None),
            ("25 %", false, Some(25.0)),
            ("high", false, None),
        ] {
            assert_eq!(value(field, commas), expected, "{field}");
        }
        for nothing in ["", "nan", "NaN", "N/A", "None"] {
            assert!(value(nothing, false).unwrap().is_nan(), "{nothing}");
        }
        assert!(number("25%", false).unwrap().is_percent);
    }
}
