//! One labelled matrix, evenly spaced: the heatmap of `stratagram similarity`.

use super::heatmap::{Painter, colour_bar_of, define_hatch};
use super::regions::png;
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
        let longest = |names: &[String]| {
            names.iter().map(|name| name.chars().count()).max().unwrap_or(0) as f64
        };
        let left = 14.0 + 3.2 * longest(self.rows);
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
        let bar = area.right() + 10.0;
        colour_bar_of(&mut svg, (bar, area.top), area.height.min(104.0), self.range);
        let below = area.bottom() + 12.0 + 3.2 * longest(self.columns);
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

    /// The map alone as PNG, first row at the bottom, undefined cells grey; every cell a
    /// square of whole pixels.
    ///
    /// # Panics
    /// If the values are not `[rows, columns]`.
    pub fn to_png(&self) -> Vec<u8> {
        let (m, k) = (self.rows.len(), self.columns.len());
        assert_eq!(self.values.len(), m * k, "values [{m}, {k}]");
        let cell = (512 / m.max(k).max(1)).max(1);
        let mut rgb = Vec::with_capacity(3 * m * k * cell * cell);
        for y in 0..m * cell {
            let row = m - 1 - y / cell;
            for x in 0..k * cell {
                let value = self.relative(self.values[row * k + x / cell]);
                let colour =
                    if value.is_nan() { 0x00c3_c7cd } else { viridis::colour(value) };
                rgb.extend(viridis::channels(colour));
            }
        }
        png((k * cell, m * cell), &rgb)
    }

    /// The place of a value on the colour scale.
    fn relative(&self, value: f64) -> f64 {
        let (low, high) = self.range;
        (value - low) / (high - low)
    }
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
        assert_eq!((frame.width, frame.height), (3 * 170, 2 * 170));
        // The first row is at the bottom, the first column at the left.
        let bottom = 3 * 3 * 170 * (2 * 170 - 1);
        assert_eq!(pixels[bottom..bottom + 3], [0x44, 0x01, 0x54]);
        assert_eq!(pixels[..3], [0xc3, 0xc7, 0xcd]);
        assert!(!matrix(&[0.0; 6]).0.contains("hatched"));
    }
}
