//! Error curves as characters.

use super::look::{Look, MARGIN, RESET, labels};
use crate::observer::epoch_label;
use crate::phases::{Curves, Phases};

const CURVE_LINES: usize = 12;
const TEST_COLOUR: &str = "\x1b[38;2;228;87;70m";
const TRAIN_COLOUR: &str = "\x1b[38;2;76;120;168m";

/// Test and train error over ln(1 + epoch), 0 at the left edge, with perfect fit (F), first
/// minimum (m), peak (p) and second minimum (q) marked on the axis.
pub(super) fn draw(curves: &Curves, phases: &Phases, look: Look) -> String {
    let columns = look.width.saturating_sub(MARGIN + 1).max(20);
    let values = curves.test_error().iter().chain(curves.train_error());
    let highest = values.copied().filter(|v| v.is_finite()).fold(0.1, f64::max);
    let top = (highest * 10.0).ceil() / 10.0;
    // A braille character is two dots wide and four high.
    let dots = if look.unicode { (2, 4) } else { (1, 1) };
    let test = raster(curves.epoch(), curves.test_error(), columns, dots, top);
    let train = raster(curves.epoch(), curves.train_error(), columns, (1, 1), top);
    let drawn = |line: usize| {
        let label = if line == 0 { format!("{top:.2}") } else { String::new() };
        let characters: String = (0..columns)
            .map(|column| mark(test[line][column], train[line][column], look))
            .collect();
        format!("{label:>6} {characters}").trim_end().to_owned() + "\n"
    };
    let picture: String = (0..CURVE_LINES).map(drawn).collect();
    let last = curves.epoch().last().copied().unwrap_or(0.0);
    let position = |epoch: f64| column_of(epoch, last, columns);
    picture
        + &axis(&marks(phases), position, columns, look)
        + &epoch_labels(last, columns)
}

/// What the lines and the marks are.
pub(super) fn legend(look: Look) -> String {
    let (test, train) = if look.unicode { ("⠒⠒", "··") } else { ("**", "..") };
    format!(
        "       {test} test error  {train} train error  over ln(1 + epoch)\n       F perfect \
         fit  m minimum  p peak  q second minimum\n"
    )
}

/// One character of the plot from the dots of the two curves; the test error is on top.
fn mark(test: u8, train: u8, look: Look) -> String {
    let (character, colour) = match (test, train, look.unicode) {
        (0, 0, _) => return " ".into(),
        (0, _, true) => ('·', TRAIN_COLOUR),
        (0, _, false) => ('.', TRAIN_COLOUR),
        (bits, _, true) => (braille(bits), TEST_COLOUR),
        (_, _, false) => ('*', TEST_COLOUR),
    };
    if look.colour { format!("{colour}{character}{RESET}") } else { character.into() }
}

fn braille(bits: u8) -> char {
    char::from_u32(0x2800 + u32::from(bits)).expect("256 braille characters")
}

/// Column of an epoch among `columns`, on the axis ln(1 + epoch).
fn column_of(epoch: f64, last: f64, columns: usize) -> usize {
    if last <= 0.0 {
        return 0;
    }
    (epoch.ln_1p() / last.ln_1p() * (columns - 1) as f64).round() as usize
}

/// The dots of a curve: for each line and column the bits of a braille character
/// (`dots = (2, 4)`) or one bit (`dots = (1, 1)`).
fn raster(
    epoch: &[f64],
    value: &[f64],
    columns: usize,
    dots: (usize, usize),
    top: f64,
) -> Vec<Vec<u8>> {
    const BITS: [[u8; 4]; 2] = [[0x01, 0x02, 0x04, 0x40], [0x08, 0x10, 0x20, 0x80]];
    let (wide, high) = (columns * dots.0, CURVE_LINES * dots.1);
    let mut picture = vec![vec![0; columns]; CURVE_LINES];
    let last = epoch.last().copied().unwrap_or(0.0);
    let row = |v: f64| ((1.0 - v / top) * (high - 1) as f64).round() as usize;
    let points: Vec<(usize, f64)> = std::iter::zip(epoch, value)
        .filter(|(_, v)| v.is_finite())
        .map(|(&e, &v)| (column_of(e, last, wide), v))
        .collect();
    let mut dot = |x: usize, y: usize| {
        picture[y / dots.1][x / dots.0] |= BITS[x % dots.0][y % dots.1];
    };
    if let [(x, v)] = points[..] {
        dot(x, row(v));
    }
    for pair in points.windows(2) {
        let [(x0, v0), (x1, v1)] = [pair[0], pair[1]];
        let mut before = row(v0);
        for x in x0..=x1 {
            let part = (x - x0) as f64 / (x1 - x0).max(1) as f64;
            let y = row(if x0 == x1 { v1 } else { v0 + part * (v1 - v0) });
            for y in before.min(y)..=before.max(y) {
                dot(x, y);
            }
            before = y;
        }
    }
    picture
}

fn marks(phases: &Phases) -> Vec<(char, f64)> {
    let double_descent = &phases.double_descent;
    [
        ('m', double_descent.min),
        ('p', double_descent.peak),
        ('q', double_descent.second_min),
        ('F', phases.perfect_fit.epoch),
    ]
    .into_iter()
    .filter_map(|(mark, epoch)| Some((mark, epoch?)))
    .collect()
}

fn axis(
    marks: &[(char, f64)],
    position: impl Fn(f64) -> usize,
    columns: usize,
    look: Look,
) -> String {
    let (corner, rule) = if look.unicode { ('└', '─') } else { ('+', '-') };
    let mut line = vec![rule; columns];
    for &(mark, epoch) in marks {
        line[position(epoch)] = mark;
    }
    format!("{:>6}{corner}{}\n", "0.00", line.into_iter().collect::<String>())
}

/// 0, 1, 10, 100, … and the last epoch, each under its column.
fn epoch_labels(last: f64, columns: usize) -> String {
    let powers = (0..).map(|i| 10f64.powi(i)).take_while(|&epoch| epoch < last);
    let ticks: Vec<(usize, String)> = std::iter::once(0.0)
        .chain(powers)
        .chain(Some(last).filter(|&last| last > 0.0))
        .map(|epoch| (column_of(epoch, last, columns), epoch_label(epoch)))
        .collect();
    format!("{}{}\n", " ".repeat(MARGIN), labels(&ticks, columns))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: Look = Look { width: 40, colour: false, unicode: false };

    #[test]
    fn curves_start_high_and_end_low() {
        let epoch: Vec<f64> = (0..50).map(f64::from).collect();
        let falling: Vec<f64> = epoch.iter().map(|t| 0.9 * (-t / 5.0).exp()).collect();
        let run = Curves::new(epoch, falling.clone(), falling).unwrap();
        let text = draw(&run, &Phases::of(&run), PLAIN);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), CURVE_LINES + 2);
        assert!(lines[0].starts_with("  0.90 *"), "{text}");
        assert!(lines[CURVE_LINES - 1].ends_with('*'), "{text}");
        // Perfect fit at 35 (5·ln 900 = 34.01), which is ln 36/ln 50 of the axis.
        assert_eq!(
            lines[12].find('F'),
            Some(MARGIN + column_of(35.0, 49.0, 32)),
            "{text}"
        );
        assert_eq!(lines[13].trim_start(), "0    1             10         49");
    }

    #[test]
    fn gaps_single_rows_and_empty_curves_are_drawn() {
        let nan = f64::NAN;
        let unicode = Look { unicode: true, ..PLAIN };
        for values in [vec![], vec![0.5], vec![nan, nan], vec![0.5, nan, 0.1]] {
            let epoch: Vec<f64> = (0..values.len()).map(|e| e as f64).collect();
            let run = Curves::new(epoch, values.clone(), values.clone()).unwrap();
            for look in [PLAIN, unicode] {
                let text = draw(&run, &Phases::of(&run), look);
                let drawn = text
                    .lines()
                    .take(CURVE_LINES)
                    .any(|line| line.chars().skip(MARGIN).any(|c| c != ' '));
                assert_eq!(drawn, values.iter().any(|v| v.is_finite()), "{text}");
            }
        }
    }
}
