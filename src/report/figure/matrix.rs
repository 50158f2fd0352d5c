//! One labelled matrix, evenly spaced: the heatmap of `stratagram similarity`.

use super::heatmap::{Painter, colour_bar_of, define_hatch};
use super::svg::{Anchor, Area, LABEL, Svg, TICK, TITLE};
use super::{metrics, output};
use crate::error::Result;

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
/// Pixels per inch of the PNG file.
const DPI: f64 = 180.0;
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
        let left = 10.0 + metrics::widest(self.rows, TICK);
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
        self.names(&mut svg, area, cell);
        let bar = area.right() + 10.0;
        colour_bar_of(&mut svg, (bar, area.top), area.height.min(104.0), self.range);
        let below = area.bottom() + 8.0 + metrics::widest(self.columns, TICK);
        if self.values.iter().any(|value| value.is_nan()) {
            let place = (area.left, below + 8.0);
            svg.text(place, Anchor::Start, LABEL, "hatched: undefined");
        }
        let title = area.left + metrics::width(self.title, TITLE) + 6.0;
        svg.finish((title.max(bar + 44.0), below + 12.0), self.title, self.title)
    }

    /// The same figure as PNG.
    ///
    /// # Errors
    /// If the program is built without the feature `figures`.
    ///
    /// # Panics
    /// If the values are not `[rows, columns]`.
    pub fn to_png(&self) -> Result<Vec<u8>> {
        output::png(&self.to_svg(), DPI)
    }

    fn names(&self, svg: &mut Svg, area: Area, cell: f64) {
        for (row, name) in every(self.rows) {
            let y = area.bottom() - (row as f64 + 0.5) * cell + 2.0;
            svg.text((area.left - 4.0, y), Anchor::End, TICK, name);
        }
        for (column, name) in every(self.columns) {
            let x = area.left + (column as f64 + 0.5) * cell + 2.0;
            let place = ((x, area.bottom() + 4.0), -90);
            svg.text_turned(place, Anchor::End, TICK, name);
        }
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

    fn drawn(values: &[f64]) -> (String, Vec<u8>) {
        let rows = ["a<b".to_string(), "c".into()];
        let columns = ["x".to_string(), "y".into(), "z".into()];
        let matrix = LabelledMatrix {
            title: "cka",
            rows: &rows,
            columns: &columns,
            values,
            range: (0.0, 1.0),
        };
        (matrix.to_svg(), matrix.to_png().unwrap_or_default())
    }

    const VALUES: [f64; 6] = [0.0, 0.5, 1.0, f64::NAN, 0.25, 0.75];

    #[test]
    fn cells_have_their_colours_and_names_are_escaped() {
        let (svg, _) = drawn(&VALUES);
        for part in ["a&lt;b", "#440154", "#fde725", "hatched: undefined", ">z<"] {
            assert!(svg.contains(part), "{part}");
        }
        assert!(!drawn(&[0.0; 6]).0.contains("hatched"));
    }

    #[cfg(feature = "figures")]
    #[test]
    fn the_png_has_the_first_row_at_the_bottom_and_the_first_column_at_the_left() {
        let (_, png) = drawn(&VALUES);
        let mut reader =
            png::Decoder::new(std::io::Cursor::new(png)).read_info().unwrap();
        let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
        let frame = reader.next_frame(&mut pixels).unwrap();
        let pixel = |x: f64, y: f64| {
            let [x, y] = [x, y].map(|points| (points * DPI / 72.0) as usize);
            let at = 3 * (y * frame.width as usize + x);
            [pixels[at], pixels[at + 1], pixels[at + 2]]
        };
        let left = 10.0 + metrics::width("a<b", TICK);
        let cell = SIDE / 3.0;
        let (right, bottom) = (left + SIDE, 18.0 + 2.0 * cell);
        assert_eq!(pixel(left + 2.0, bottom - 2.0), [0x44, 0x01, 0x54]);
        assert_eq!(pixel(right - 2.0, bottom - 2.0), [0xfd, 0xe7, 0x25]);
        // The name `c` stands left of the second row.
        let name =
            (0..200).map(|x| pixel(left - 4.0 - f64::from(x) / 40.0, 18.0 + cell / 2.0));
        assert!(name.min().unwrap()[0] < 0x90, "ink beside the row");
    }
}
