//! Epoch × epoch matrices as characters.

use super::look::{Look, MARGIN, RESET, labels};
use crate::observer::epoch_label;
use crate::report::figure::viridis;

/// An epoch × epoch matrix, origin lower left: viridis between the two `ends` in colour, else the
/// tenths of the way from the lower to the upper (9 from 0.9 up, - below, ? where undefined).
///
/// `values` is [E, E] in row-major order. More than fit into the width are thinned evenly.
pub(super) fn draw(
    values: &[f64],
    epoch: &[f64],
    (low, high): (f64, f64),
    look: Look,
) -> String {
    let n = epoch.len();
    if n == 0 {
        return String::new();
    }
    let shown = n.min(look.width.saturating_sub(MARGIN + 1));
    let kept: Vec<usize> =
        (0..shown).map(|k| k * n.saturating_sub(1) / (shown - 1).max(1)).collect();
    let at = |row: usize, column: usize| {
        (values[kept[row] * n + kept[column]] - low) / (high - low)
    };
    // In colour each line holds two rows: the upper half of ▀ and its background.
    let rows_per_line = if look.colour && look.unicode { 2 } else { 1 };
    let drawn = |line: usize| {
        let row = line * rows_per_line;
        let upper = |column| (row + 1 < shown).then(|| at(row + 1, column));
        let cell = |column| match (look.colour, rows_per_line) {
            (true, 2) => half_blocks(upper(column), at(row, column)),
            (true, _) => format!("\x1b[48;2;{}m {RESET}", viridis(at(row, column))),
            (false, _) => digit(at(row, column)).to_string(),
        };
        let cells: String = (0..shown).map(cell).collect();
        let labelled = line.is_multiple_of(4);
        let label = if labelled { epoch_label(epoch[kept[row]]) } else { String::new() };
        format!("{label:>6} {cells}\n")
    };
    let lines = shown.div_ceil(rows_per_line);
    let picture: String = (0..lines).rev().map(drawn).collect();
    let ticks: Vec<(usize, String)> = (0..shown)
        .step_by(8)
        .map(|column| (column, epoch_label(epoch[kept[column]])))
        .collect();
    picture + " ".repeat(MARGIN).as_str() + &labels(&ticks, shown) + "\n"
}

fn half_blocks(upper: Option<f64>, lower: f64) -> String {
    match upper {
        Some(upper) => {
            format!("\x1b[38;2;{};48;2;{}m▀{RESET}", viridis(upper), viridis(lower))
        }
        None => format!("\x1b[38;2;{}m▄{RESET}", viridis(lower)),
    }
}

fn digit(value: f64) -> char {
    match value {
        v if v.is_nan() => '?',
        v if v < 0.0 => '-',
        v => char::from(b'0' + (10.0 * v).min(9.0) as u8),
    }
}

/// "r;g;b" of viridis over 0..1; gray where undefined. Only the color is held at the ends of
/// the scale: debiased CKA may lie below 0.
fn viridis(value: f64) -> String {
    let [red, green, blue] =
        if value.is_nan() { [128; 3] } else { viridis::channels(viridis::colour(value)) };
    format!("{red};{green};{blue}")
}

/// What the characters stand for, and between which values.
pub(super) fn key(values: &[f64], ends: (f64, f64), look: Look) -> String {
    let defined = values.iter().copied().filter(|v| v.is_finite());
    let (low, high) = defined
        .fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), v| (l.min(v), h.max(v)));
    let key = match (ends, look.colour) {
        ((0.0, 1.0), true) => "viridis over 0..1, grey undefined".to_owned(),
        ((0.0, 1.0), false) => "first decimal, - below 0, ? undefined".to_owned(),
        ((from, to), true) => format!("viridis over {from:.3}..{to:.3}, grey undefined"),
        ((from, to), false) => {
            format!("tenths of the way from {from:.3} to {to:.3}, ? undefined")
        }
    };
    if low <= high {
        format!("       {key}; values from {low:.3} to {high:.3}\n\n")
    } else {
        format!("       {key}; no value is defined\n\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: Look = Look { width: 40, colour: false, unicode: false };
    const UNIT: (f64, f64) = (0.0, 1.0);

    #[test]
    fn a_matrix_has_its_origin_lower_left() {
        let values = [1.0, 0.55, 0.55, -0.01];
        let text = draw(&values, &[0.0, 12.0], UNIT, PLAIN);
        assert_eq!(text, "       5-\n     0 95\n       0\n");
        let undefined = draw(&[f64::NAN], &[3.0], UNIT, PLAIN);
        assert_eq!(undefined, "     3 ?\n       3\n");
        assert_eq!(draw(&[], &[], UNIT, PLAIN), "");
    }

    #[test]
    fn colors_reach_from_one_end_of_the_range_to_the_other() {
        let values = [1.0, 0.8, 0.8, 1.0];
        let text = draw(&values, &[0.0, 12.0], (0.8, 1.0), PLAIN);
        assert_eq!(text, "       09\n     0 90\n       0\n");
        let key = key(&values, (0.8, 1.0), PLAIN);
        assert!(key.contains("tenths of the way from 0.800 to 1.000"), "{key}");
    }

    #[test]
    fn colours_pair_two_rows_in_a_line() {
        let look = Look { width: 40, colour: true, unicode: true };
        let text = draw(&[0.0, 1.0, 1.0, 0.5], &[0.0, 1.0], UNIT, look);
        // Upper row (epoch 1): 1, .5; lower row (epoch 0): 0, 1.
        let expected = "\x1b[38;2;253;231;37;48;2;68;1;84m▀\x1b[0m\
                        \x1b[38;2;33;145;140;48;2;253;231;37m▀\x1b[0m\n";
        assert!(text.starts_with(&format!("     0 {expected}")), "{text:?}");
        assert_eq!(viridis(f64::NAN), "128;128;128");
        assert_eq!(viridis(-0.5), viridis(0.0));
    }

    #[test]
    fn wide_matrices_are_thinned_to_the_width() {
        let n = 100;
        let epoch: Vec<f64> = (0..n).map(f64::from).collect();
        let text = draw(&vec![1.0; 10_000], &epoch, UNIT, PLAIN);
        assert!(text.lines().all(|line| line.len() <= 40), "{text}");
        assert!(text.lines().count() == 33, "{text}");
    }
}
