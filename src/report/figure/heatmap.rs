//! Epoch × epoch maps: every cell at its true extent in ln(1 + epoch), origin lower left,
//! viridis 0..1; and the figures that show all layers of one measure.

use std::fmt::Write;

use super::axes::cell_edges;
use super::curves::{Marks, across, epoch_ticks_below, epoch_ticks_left, upwards};
use super::svg::{Anchor, Area, FRAME, LABEL, Px, Stroke, Svg, TICK, TITLE};
use super::viridis;
use crate::report::model::{MatrixSet, RunResults};

/// Width of the colour bar and its numbers.
const BAR: f64 = 30.0;

/// A colour's cells as one path: the file stays small, and the picture sharp at any size.
pub(crate) struct Painter {
    levels: Vec<String>,
    undefined: String,
}

impl Default for Painter {
    fn default() -> Self {
        Self { levels: vec![String::new(); 256], undefined: String::new() }
    }
}

impl Painter {
    /// Adds the rectangle between two corners (left, top), (right, bottom).
    pub(crate) fn cell(
        &mut self,
        value: f64,
        (x0, y0): (f64, f64),
        (x1, y1): (f64, f64),
    ) {
        let data = if value.is_nan() {
            &mut self.undefined
        } else {
            &mut self.levels[viridis::level(value)]
        };
        let (x0, y0, x1, y1) = (Px(x0), Px(y0), Px(x1), Px(y1));
        let _ = write!(data, "M{x0} {y0}H{x1}V{y1}H{x0}z");
    }

    pub(crate) fn finish(self, svg: &mut Svg, hatch: &str) {
        svg.raw("<g shape-rendering=\"crispEdges\">");
        for (level, data) in self.levels.iter().enumerate() {
            if !data.is_empty() {
                let fill = viridis::hex(viridis::colour(level as f64 / 255.0));
                svg.raw(format_args!("<path fill=\"{fill}\" d=\"{data}\"/>"));
            }
        }
        svg.raw("</g>");
        if !self.undefined.is_empty() {
            let data = &self.undefined;
            svg.raw(format_args!("<path fill=\"#c3c7cd\" d=\"{data}\"/>"));
            svg.raw(format_args!("<path fill=\"url(#{hatch})\" d=\"{data}\"/>"));
        }
    }
}

/// The hatching of undefined cells; `id` is unique in the page.
pub(crate) fn define_hatch(svg: &mut Svg, id: &str) {
    svg.raw(format_args!(
        "<defs><pattern id=\"{id}\" width=\"3\" height=\"3\" patternUnits=\"userSpaceOnUse\" patternTransform=\"rotate(45)\"><path d=\"M0 0V3\" stroke=\"#6a707b\" stroke-width=\"1.4\"/></pattern></defs>"
    ));
}

/// Fills an area with the cells of a matrix. `value(i, j)` is the similarity of the
/// checkpoints i (across) and j (upwards); NaN is drawn hatched. Neighbours of one colour in
/// a row are one rectangle.
pub(crate) fn cells(
    svg: &mut Svg,
    run: &RunResults,
    area: Area,
    hatch: &str,
    value: impl Fn(usize, usize) -> f64,
) {
    let (x, y) = (across(run, area), upwards(run, area));
    let edges = cell_edges(&run.epochs);
    let n = run.epochs.len();
    let mut painter = Painter::default();
    let look = |i, j| {
        let value = value(i, j);
        if value.is_nan() { None } else { Some(viridis::level(value)) }
    };
    for j in 0..n {
        let mut from = 0;
        for i in 1..=n {
            if i == n || look(i, j) != look(from, j) {
                let lower_left = (x.at_log(edges[from]), y.at_log(edges[j + 1]));
                let upper_right = (x.at_log(edges[i]), y.at_log(edges[j]));
                painter.cell(value(from, j), lower_left, upper_right);
                from = i;
            }
        }
    }
    painter.finish(svg, hatch);
}

/// Perfect fit as dashed lines in both directions, readable on every colour: dark dashes on
/// a white line.
pub(crate) fn fit_lines(svg: &mut Svg, run: &RunResults, area: Area) {
    let Some(epoch) = Marks::of(run).perfect_fit else { return };
    let (x, y) = (across(run, area).at(epoch), upwards(run, area).at(epoch));
    let white = Stroke { class: "fit-pale", colour: "#ffffff", width: 0.9, dash: "" };
    let dark = Stroke { class: "fit-dark", colour: "#16181d", width: 0.9, dash: "3 2" };
    for stroke in [white, dark] {
        svg.line((x, area.top), (x, area.bottom()), stroke);
        svg.line((area.left, y), (area.right(), y), stroke);
    }
}

/// Small triangles outside the upper and the right edge at minimum, peak and second minimum.
pub(crate) fn turn_ticks(svg: &mut Svg, run: &RunResults, area: Area) {
    let (x, y) = (across(run, area), upwards(run, area));
    let mut data = String::new();
    for epoch in Marks::of(run).turns.into_iter().flatten() {
        let (at_x, at_y) = (Px(x.at(epoch)), Px(y.at(epoch)));
        let _ = write!(data, "M{at_x} {}l-1.7 -3.2h3.4z", Px(area.top - 0.6));
        let _ = write!(data, "M{} {at_y}l3.2 -1.7v3.4z", Px(area.right() + 0.6));
    }
    if !data.is_empty() {
        svg.raw(format_args!("<path class=\"turn\" fill=\"#16181d\" d=\"{data}\"/>"));
    }
}

/// The colour bar of the similarities, at the left edge of an area of its own.
pub(crate) fn colour_bar(svg: &mut Svg, left: f64, top: f64, height: f64) {
    colour_bar_of(svg, (left, top), height, (0.0, 1.0));
    svg.text_upwards((left + 25.0, top + height / 2.0), "similarity");
}

/// A colour bar whose ends stand for the values `low` and `high`, without a name.
pub(crate) fn colour_bar_of(
    svg: &mut Svg,
    (left, top): (f64, f64),
    height: f64,
    (low_end, high_end): (f64, f64),
) {
    let width = 6.0;
    let steps = 64;
    svg.raw("<g shape-rendering=\"crispEdges\">");
    for step in 0..steps {
        let low = f64::from(step) / f64::from(steps);
        let fill = viridis::hex(viridis::colour(low + 0.5 / f64::from(steps)));
        svg.raw(format_args!(
            "<rect fill=\"{fill}\" x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\"/>",
            Px(left),
            Px(top + height * (1.0 - low) - height / f64::from(steps)),
            Px(width),
            Px(height / f64::from(steps) + 0.2)
        ));
    }
    svg.raw("</g>");
    svg.frame(Area { left, top, width, height });
    for value in [0.0, 0.5, 1.0] {
        let y = top + height * (1.0 - value);
        svg.line((left + width, y), (left + width + 2.0, y), FRAME);
        let value = low_end + value * (high_end - low_end);
        // Two decimals are enough beside a bar.
        let text = super::axes::tick_label((value * 100.0).round() / 100.0);
        svg.text((left + width + 3.5, y + 2.1), Anchor::Start, TICK, &text);
    }
}

/// All layers of a measure in depth order, `per_row` maps in a row.
pub fn layers_figure(run: &RunResults, set: &MatrixSet) -> String {
    let (per_row, side, gap) = (4usize, 104.0, 12.0);
    let (left, top) = (30.0, 14.0);
    let row_height = side + 26.0;
    let columns = per_row.min(set.layers.len()).max(1);
    let rows = set.layers.len().div_ceil(per_row);
    let mut svg = Svg::default();
    let hatch = format!("hatch-{}-{}", slug(&set.measure), slug(&set.group));
    define_hatch(&mut svg, &hatch);
    for (index, matrix) in set.layers.iter().enumerate() {
        let (column, row) = (index % per_row, index / per_row);
        let area = Area {
            left: left + column as f64 * (side + gap),
            top: top + row as f64 * row_height,
            width: side,
            height: side,
        };
        // Rows below: only panels with nothing beneath them carry the numbers of the axis.
        let lowest = index + per_row >= set.layers.len();
        svg.text((area.left, area.top - 5.0), Anchor::Start, TITLE, &matrix.layer);
        cells(&mut svg, run, area, &hatch, |i, j| matrix.value(i, j));
        fit_lines(&mut svg, run, area);
        svg.frame(area);
        turn_ticks(&mut svg, run, area);
        epoch_ticks_below(&mut svg, area, across(run, area), true);
        epoch_ticks_left(&mut svg, area, upwards(run, area), column == 0);
        if lowest {
            let place = (area.left + side / 2.0, area.bottom() + 16.5);
            svg.text(place, Anchor::Middle, LABEL, "epoch");
        }
        if column == 0 {
            svg.text_upwards((8.0, area.top + side / 2.0), "epoch");
        }
    }
    let bar_left = left + columns as f64 * (side + gap) + 2.0;
    colour_bar(&mut svg, bar_left, top, side);
    let size = (bar_left + BAR, top + rows as f64 * row_height);
    let (title, caption) = crate::report::words::layers_caption(run, set);
    svg.finish(size, &title, &caption)
}

/// A name as part of a file name or identifier: letters, digits, dots and dashes stay.
pub(crate) fn slug(name: &str) -> String {
    let keep = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_');
    let text: String = name.chars().map(|c| if keep(c) { c } else { '_' }).collect();
    text.trim_start_matches('.').to_owned()
}
