//! Epoch × epoch maps: every cell at its true extent in ln(1 + epoch), origin lower left,
//! viridis 0..1.

use std::fmt::Write;

use super::axes::{cell_edges, tick_label};
use super::svg::{Anchor, Area, FRAME, Px, Stroke, Svg, TICK};
use super::time::Timeline;
use super::viridis;

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

/// An epoch × epoch map of a run.
#[derive(Debug, Clone, Copy)]
pub(crate) struct EpochMap<'a> {
    /// The run's time.
    pub(crate) timeline: Timeline,
    /// The epoch of each row and column.
    pub(crate) epochs: &'a [f64],
    /// Where it lies.
    pub(crate) area: Area,
    /// The drawing's hatching of undefined cells.
    pub(crate) hatch: &'a str,
}

impl EpochMap<'_> {
    /// Draws the map with its frame and the run's marks. `value(i, j)` is the similarity of
    /// the checkpoints i (across) and j (upwards); NaN is drawn hatched.
    pub(crate) fn draw(&self, svg: &mut Svg, value: impl Fn(usize, usize) -> f64) {
        self.cells(svg, value);
        self.fit_lines(svg);
        svg.frame(self.area);
        self.turn_ticks(svg);
    }

    /// Fills the area. Neighbours of one colour in a row are one rectangle.
    fn cells(&self, svg: &mut Svg, value: impl Fn(usize, usize) -> f64) {
        let (x, y) = (self.timeline.across(self.area), self.timeline.upwards(self.area));
        let edges = cell_edges(self.epochs);
        let n = self.epochs.len();
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
        painter.finish(svg, self.hatch);
    }

    /// Perfect fit as dashed lines in both directions, readable on every colour: dark dashes
    /// on a white line.
    fn fit_lines(&self, svg: &mut Svg) {
        let Some(epoch) = self.timeline.perfect_fit else { return };
        let area = self.area;
        let x = self.timeline.across(area).at(epoch);
        let y = self.timeline.upwards(area).at(epoch);
        let white = Stroke { class: "fit-pale", colour: "#ffffff", width: 0.9, dash: "" };
        let dark =
            Stroke { class: "fit-dark", colour: "#16181d", width: 0.9, dash: "3 2" };
        for stroke in [white, dark] {
            svg.line((x, area.top), (x, area.bottom()), stroke);
            svg.line((area.left, y), (area.right(), y), stroke);
        }
    }

    /// Small triangles outside the upper and the right edge at minimum, peak and second
    /// minimum.
    fn turn_ticks(&self, svg: &mut Svg) {
        let area = self.area;
        let (x, y) = (self.timeline.across(area), self.timeline.upwards(area));
        let mut data = String::new();
        for epoch in self.timeline.turns.into_iter().flatten() {
            let (at_x, at_y) = (Px(x.at(epoch)), Px(y.at(epoch)));
            let _ = write!(data, "M{at_x} {}l-1.7 -3.2h3.4z", Px(area.top - 0.6));
            let _ = write!(data, "M{} {at_y}l3.2 -1.7v3.4z", Px(area.right() + 0.6));
        }
        if !data.is_empty() {
            svg.raw(format_args!("<path class=\"turn\" fill=\"#16181d\" d=\"{data}\"/>"));
        }
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
    // Two decimals are enough beside a bar.
    let label = |at: f64| {
        let value = low_end + at * (high_end - low_end);
        tick_label((value * 100.0).round() / 100.0)
    };
    labelled_colour_bar(svg, (left, top), height, &[0.0, 0.5, 1.0].map(label));
}

/// A colour bar with texts at its lower end, its middle and its upper end.
pub(crate) fn labelled_colour_bar(
    svg: &mut Svg,
    (left, top): (f64, f64),
    height: f64,
    labels: &[String; 3],
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
    for (step, label) in labels.iter().enumerate() {
        let y = top + height * (1.0 - step as f64 / 2.0);
        svg.line((left + width, y), (left + width + 2.0, y), FRAME);
        svg.text((left + width + 3.5, y + 2.1), Anchor::Start, TICK, label);
    }
}
