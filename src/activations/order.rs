//! The order of files and arrays: epoch-2 before epoch-10.

use std::cmp::Ordering;

/// Compares names with runs of digits as numbers; names of equal numbers by their bytes.
pub(super) fn numeric_order(a: &str, b: &str) -> Ordering {
    let (mut left, mut right) = (runs(a), runs(b));
    loop {
        let order = match (left.next(), right.next()) {
            (None, None) => return a.cmp(b),
            (x, y) if x.is_none() || y.is_none() => x.is_some().cmp(&y.is_some()),
            (x, y) => compare_runs(x.unwrap_or_default(), y.unwrap_or_default()),
        };
        if order != Ordering::Equal {
            return order;
        }
    }
}

/// Splits into runs of digits and runs of other characters.
fn runs(name: &str) -> impl Iterator<Item = &str> {
    let mut rest = name;
    std::iter::from_fn(move || {
        let digit = rest.chars().next()?.is_ascii_digit();
        let end = rest.find(|c: char| c.is_ascii_digit() != digit).unwrap_or(rest.len());
        let (run, after) = rest.split_at(end);
        rest = after;
        Some(run)
    })
}

fn compare_runs(a: &str, b: &str) -> Ordering {
    let is_number = |run: &str| run.starts_with(|c: char| c.is_ascii_digit());
    if is_number(a) && is_number(b) {
        let (a, b) = (a.trim_start_matches('0'), b.trim_start_matches('0'));
        return a.len().cmp(&b.len()).then_with(|| a.cmp(b));
    }
    a.cmp(b)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_ordered_as_numbers() {
        let mut names = ["epoch-10", "epoch-2", "epoch-002b", "epoch", "a/9/x", "a/10/x"];
        names.sort_by(|a, b| numeric_order(a, b));
        let expected = ["a/9/x", "a/10/x", "epoch", "epoch-2", "epoch-002b", "epoch-10"];
        assert_eq!(names, expected);
        assert_eq!(numeric_order("x007", "x7"), "x007".cmp("x7"));
        assert_eq!(
            numeric_order("99999999999999999999998", "99999999999999999999999"),
            Ordering::Less
        );
    }
}
