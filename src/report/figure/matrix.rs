//! One labelled matrix, evenly spaced: the heatmap of `stratagram similarity`.

use super::axes::tick_label;
use super::canvas::{ADVANCE, Canvas, Direction, TEXT};
use super::heatmap::{Painter, colour_bar_of, define_hatch};
use super::svg::{Anchor, Area, LABEL, Px, Svg, TICK, TITLE};
use super::viridis;

/// A matrix with the names of its rows and columns.
#[derive(Debug, Clone)]
pub struct LabelledMatrix<'a> {
    /// What it shows, above the figure.
    pub title: &'a str,
    /// Names of the rows.
    pub rows: &'a [String],
    /// Names of the columns.
    pub columns: &'a [String],
    /// `[rows, columns]`; NaN where undefined.
    pub values: &'a [f64],
    /// The values at the two ends of the colour scale.
    pub range: (f64, f64),
}

/// Points along the longer side of the map.
const SIDE: f64 = 260.0;
/// Pixels along the longer side of the map in a PNG, and between its parts.
const PIXELS: usize = 640;
const GAP: usize = 12;
/// The most names along one axis; of more every k-th is written.
const NAMES: usize = 24;

impl LabelledMatrix<'_> {
    /// The figure as SVG: first row at the bottom, undefined cells hatched.
    ///
    /// # Panics
    /// If the values are not `[rows, columns]`.
    pub fn to_svg(&self) -> String {
        let (m, k) = (self.rows.len(), self.columns.len());
        assert_eq!(self.values.len(), m * k, "values [{m}, {k}]");
        let cell = SIDE / m.max(k).max(1) as f64;
        let left = 14.0 + 3.2 * longest(self.rows) as f64;
        let area =
            Area { left, top: 18.0, width: cell * k as f64, height: cell * m as f64 };
        let mut svg = Svg::default();
        define_hatch(&mut svg, "hatch");
        svg.text((area.left, 11.0), Anchor::Start, TITLE, self.title);
        let mut painter = Painter::default();
        for (at, value) in self.values.iter().enumerate() {
            let (row, column) = (at / k, at % k);
            let (x, y) =
                (area.left + column as f64 * cell, area.bottom() - row as f64 * cell);
            painter.cell(self.relative(*value), (x, y - cell), (x + cell, y));
        }
        painter.finish(&mut svg, "hatch");
        svg.frame(area);
        self.names_in_svg(&mut svg, area, cell);
        let bar = area.right() + 10.0;
        colour_bar_of(&mut svg, (bar, area.top), area.height.min(104.0), self.range);
        let below = area.bottom() + 12.0 + 3.2 * longest(self.columns) as f64;
        if self.values.iter().any(|value| value.is_nan()) {
            svg.text(
                (area.left, below + 8.0),
                Anchor::Start,
                LABEL,
                "hatched: undefined",
            );
        }
        svg.finish((bar + 44.0, below + 12.0), self.title, self.title)
    }

    /// The same figure as PNG, every cell a square of whole pixels.
    ///
    /// # Panics
    /// If the values are not `[rows, columns]`.
    pub fn to_png(&self) -> Vec<u8> {
        let (m, k) = (self.rows.len(), self.columns.len());
        assert_eq!(self.values.len(), m * k, "values [{m}, {k}]");
        let cell = (PIXELS / m.max(k).max(1)).max(1);
        let (width, height) = (k * cell, m * cell);
        let (left, top) = (ADVANCE * longest(self.rows) + 2 * GAP, TEXT + 2 * GAP);
        let below = top + height + ADVANCE * longest(self.columns) + 2 * GAP;
        let bar = (left + width + 2 * GAP, height.min(PIXELS / 2));
        let right = bar.0 + GAP + 8 * ADVANCE;
        let total = right.max(left + ADVANCE * self.title.chars().count() + GAP);
        let mut canvas = Canvas::new(total, below + TEXT + GAP);
        canvas.text((left, GAP), Direction::Right, self.title);
        for (at, value) in self.values.iter().enumerate() {
            let corner = (left + at % k * cell, top + (m - 1 - at / k) * cell);
            let colour = viridis::channels(viridis::colour(self.relative(*value)));
            canvas.fill(corner, (cell, cell), |x, y| match value.is_nan() {
                true if (x + y) % 8 < 2 => [0x8d, 0x93, 0x9c],
                true => [0xe3, 0xe5, 0xe8],
                false => colour,
            });
        }
        canvas.frame((left, top), (width, height));
        self.names_in_png(&mut canvas, (left, top), cell);
        self.bar((bar.0, top), bar.1, &mut canvas);
        if self.values.iter().any(|value| value.is_nan()) {
            canvas.text((left, below), Direction::Right, "hatched: undefined");
        }
        canvas.to_png()
    }

    fn names_in_svg(&self, svg: &mut Svg, area: Area, cell: f64) {
        for (row, name) in every(self.rows) {
            let y = area.bottom() - (row as f64 + 0.5) * cell + 2.0;
            svg.text((area.left - 4.0, y), Anchor::End, TICK, name);
        }
        for (column, name) in every(self.columns) {
            let x = area.left + (column as f64 + 0.5) * cell + 2.0;
            let y = area.bottom() + 4.0;
            svg.raw(format_args!(
                "<g transform=\"translate({} {}) rotate(-90)\">",
                Px(x),
                Px(y)
            ));
            svg.text((0.0, 0.0), Anchor::End, TICK, name);
            svg.raw("</g>");
        }
    }

    fn names_in_png(
        &self,
        canvas: &mut Canvas,
        (left, top): (usize, usize),
        cell: usize,
    ) {
        let m = self.rows.len();
        for (row, name) in every(self.rows) {
            let middle = top + (2 * (m - row) - 1) * cell / 2;
            let x = left - GAP - ADVANCE * name.chars().count();
            canvas.text((x, middle.saturating_sub(TEXT / 2)), Direction::Right, name);
        }
        for (column, name) in every(self.columns) {
            let middle = left + (2 * column + 1) * cell / 2;
            let y = top + m * cell + GAP + ADVANCE * name.chars().count();
            canvas.text((middle.saturating_sub(TEXT / 2), y), Direction::Up, name);
        }
    }

    /// The colour bar.
    fn bar(&self, (left, top): (usize, usize), height: usize, canvas: &mut Canvas) {
        canvas.fill((left, top), (GAP, height), |_, y| {
            let share = 1.0 - (y - top) as f64 / height as f64;
            viridis::channels(viridis::colour(share))
        });
        canvas.frame((left, top), (GAP, height));
        for (share, y) in [(1.0, 0), (0.5, height / 2), (0.0, height)] {
            let (low, high) = self.range;
            let value = low + share * (high - low);
            let text = tick_label((value * 100.0).round() / 100.0);
            let y = (top + y).saturating_sub(TEXT / 2);
            canvas.text((left + GAP + GAP / 2, y), Direction::Right, &text);
        }
    }

    /// The place of a value on the colour scale.
    fn relative(&self, value: f64) -> f64 {
        let (low, high) = self.range;
        (value - low) / (high - low)
    }
}

/// Characters of the longest name.
fn longest(names: &[String]) -> usize {
    names.iter().map(|name| name.chars().count()).max().unwrap_or(0)
}

/// At most [`NAMES`] names, evenly spaced.
fn every(names: &[String]) -> impl Iterator<Item = (usize, &String)> {
    names.iter().enumerate().step_by(names.len().div_ceil(NAMES).max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matrix(values: &[f64]) -> (String, Vec<u8>) {
        let rows = ["a<b".to_string(), "c".into()];
        let columns = ["x".to_string(), "y".into(), "z".into()];
        let matrix = LabelledMatrix {
            title: "cka",
            rows: &rows,
            columns: &columns,
            values,
            range: (0.0, 1.0),
        };
        (matrix.to_svg(), matrix.to_png())
    }

    #[test]
    fn cells_have_their_colours_and_names_are_escaped() {
        let (svg, png) = matrix(&[0.0, 0.5, 1.0, f64::NAN, 0.25, 0.75]);
        for part in ["a&lt;b", "#440154", "#fde725", "hatched: undefined", ">z<"] {
            assert!(svg.contains(part), "{part}");
        }
        let mut reader =
            png::Decoder::new(std::io::Cursor::new(png)).read_info().unwrap();
        let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
        let frame = reader.next_frame(&mut pixels).unwrap();
        let pixel = |x: usize, y: usize| {
            let at = 3 * (y * frame.width as usize + x);
            [pixels[at], pixels[at + 1], pixels[at + 2]]
        };
        // The first row is at the bottom, the first column at the left.
        let cell = PIXELS / 3;
        let (left, top) = (3 * ADVANCE + 2 * GAP, TEXT + 2 * GAP);
        assert_eq!(pixel(left, top + 2 * cell - 1), [0x44, 0x01, 0x54]);
        assert_eq!(pixel(left + 3 * cell - 1, top + 2 * cell - 1), [0xfd, 0xe7, 0x25]);
        assert!([[0x8d, 0x93, 0x9c], [0xe3, 0xe5, 0xe8]].contains(&pixel(left, top)));
        // The name `c` stands left of the second row: its lowest line of dots.
        let y = top + cell / 2 - TEXT / 2 + TEXT - 1;
        let dots = (GAP..left - GAP).filter(|&x| pixel(x, y) == [0x22; 3]).count();
        assert_eq!(dots, 3 * 2);
        assert!(!matrix(&[0.0; 6]).0.contains("hatched"));
    }
}
