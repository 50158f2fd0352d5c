//! Curves over the epochs of a run: the panel that they lie in, the curve cut at its edge,
//! and the key of layers beside it.

use super::axes::{EpochAxis, LinearAxis, tick_label};
use super::metrics;
use super::svg::{Anchor, Area, Escaped, FRAME, GRID, LABEL, Px, Stroke, Svg, TICK};
use super::text;
use super::time::{TICK_LENGTH, Timeline, name_below};
use super::viridis;

/// Between a tick and its number.
pub(super) const TICK_GAP: f64 = 1.5;

/// A panel of curves over the epochs.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CurvePanel {
    /// The run's time.
    pub(crate) timeline: Timeline,
    /// Where it lies.
    pub(crate) area: Area,
    /// Its vertical axis.
    pub(crate) values: LinearAxis,
}

impl CurvePanel {
    /// What lies below the curves: a grid of at most `most` steps, the run's marks.
    pub(crate) fn open(&self, svg: &mut Svg, most: usize) {
        value_ticks(svg, self.area, self.values, most, true);
        self.timeline.mark_lines(svg, self.area);
    }

    /// A curve through points (epoch, value).
    pub(crate) fn curve(
        &self,
        svg: &mut Svg,
        points: impl Iterator<Item = (f64, f64)>,
        stroke: Stroke,
    ) {
        let line = curve(points, self.timeline.across(self.area), self.values);
        svg.polyline(&line, stroke);
    }

    /// A band between two curves through points (epoch, lower, upper), held at the axis' ends.
    pub(crate) fn band(&self, svg: &mut Svg, points: &[(f64, f64, f64)], colour: &str) {
        if points.len() < 2 {
            return;
        }
        let (x, values) = (self.timeline.across(self.area), self.values);
        let place = |epoch: f64, value: f64| {
            let value = value.clamp(values.from, values.end);
            format!("{} {}", Px(x.at(epoch)), Px(values.at(value)))
        };
        let above = points.iter().map(|&(epoch, _, upper)| place(epoch, upper));
        let below = points.iter().rev().map(|&(epoch, lower, _)| place(epoch, lower));
        let band: Vec<String> = above.chain(below).collect();
        let band = band.join("L");
        svg.raw(format_args!(
            "<path d=\"M{band}z\" fill=\"{colour}\" fill-opacity=\"0.1\"/>"
        ));
    }

    /// What lies over the curves: the frame, the axis of epochs, the page's epoch cursor.
    pub(crate) fn close(&self, svg: &mut Svg) {
        svg.frame(self.area);
        self.timeline.ticks_below(svg, self.area, true);
        name_below(svg, self.area);
        self.timeline.cursor(svg, self.area, None);
    }
}

/// Grid lines and ticks of a vertical linear axis.
pub(crate) fn value_ticks(
    svg: &mut Svg,
    area: Area,
    axis: LinearAxis,
    most: usize,
    labels: bool,
) {
    for value in axis.ticks(most) {
        let y = axis.at(value);
        if y < area.bottom() - 0.5 && y > area.top + 0.5 {
            svg.line((area.left, y), (area.right(), y), GRID);
        }
        svg.line((area.left - TICK_LENGTH, y), (area.left, y), FRAME);
        if labels {
            let place = (area.left - TICK_LENGTH - TICK_GAP, y + 2.1);
            svg.text(place, Anchor::End, TICK, &tick_label(value));
        }
    }
}

/// A curve in drawing coordinates, cut where it leaves the top of the axis.
pub(crate) fn curve(
    points: impl Iterator<Item = (f64, f64)>,
    x: EpochAxis,
    y: LinearAxis,
) -> Vec<(f64, f64)> {
    let mut drawn: Vec<(f64, f64)> = vec![];
    let mut previous: Option<(f64, f64)> = None;
    for (epoch, value) in points {
        let here = (x.at(epoch), value);
        if let Some(before) = previous
            && (before.1 > y.end) != (value > y.end)
        {
            // Where the line between the two crosses the upper end of the axis.
            let share = (y.end - before.1) / (value - before.1);
            let cut = (before.0 + share * (here.0 - before.0), y.at(y.end));
            drawn.push(cut);
        }
        let visible = value <= y.end;
        drawn.push(if visible { (here.0, y.at(value)) } else { (f64::NAN, f64::NAN) });
        previous = value.is_finite().then_some(here);
    }
    drawn
}

/// Colour and class of item `index` of `count` on an ordered scale (depth, time). The class is
/// one of d0 … d11, by which the page recolours the line for dark screens.
#[derive(Debug, Clone)]
pub(crate) struct Shade {
    /// `#rrggbb`.
    pub(crate) colour: String,
    /// The class.
    pub(crate) class: String,
}

impl Shade {
    /// That of an item among `count`.
    pub(crate) fn of(index: usize, count: usize) -> Self {
        let last = count.saturating_sub(1).max(1);
        let class = format!("d{}", (index * 11 + last / 2) / last);
        Self { colour: viridis::hex(viridis::ordered(index, count)), class }
    }

    /// A solid line of this shade.
    pub(crate) fn stroke(&self, width: f64) -> Stroke<'_> {
        Stroke { class: &self.class, colour: &self.colour, width, dash: "" }
    }
}

/// What belongs to a layer, by which the page shows one layer alone.
pub(crate) fn of_layer(svg: &mut Svg, layer: &str, draw: impl FnOnce(&mut Svg)) {
    svg.raw(format_args!("<g data-of=\"{}\">", Escaped(layer)));
    draw(svg);
    svg.raw("</g>");
}

/// What names a layer in a key, by which a reader asks for that layer alone.
pub(crate) fn key_of(svg: &mut Svg, layer: &str, draw: impl FnOnce(&mut Svg)) {
    svg.raw(format_args!("<g data-key=\"{}\">", Escaped(layer)));
    draw(svg);
    svg.raw("</g>");
}

/// Height of a line of a key: text of one is not drawn over that of another.
const KEY_ROW: f64 = 7.4;
/// Width of a key's sample with its gap, and after a name.
const KEY_SAMPLE: f64 = 12.0;
const KEY_GAP: f64 = 7.0;

/// Names of layers beside their colours, the deepest on top, in as many columns as it takes;
/// `area` is that of the first panel. Returns where the key ends at the right.
pub(crate) fn layer_key(svg: &mut Svg, layers: &[&str], left: f64, area: Area) -> f64 {
    svg.text((left, area.top - 5.0), Anchor::Start, LABEL, "layer");
    let rows = ((area.height / KEY_ROW) as usize).max(1);
    let step = (area.height / layers.len() as f64).clamp(KEY_ROW, 9.0);
    let names = text::shortened(layers);
    let indices: Vec<usize> = (0..layers.len()).rev().collect();
    let mut left = left;
    for column in indices.chunks(rows) {
        for (row, &index) in column.iter().enumerate() {
            let place = (left, area.top + 4.0 + row as f64 * step);
            key_entry(svg, layers, index, (place, &names[index]));
        }
        let width = |index: &usize| metrics::width(&names[*index], TICK);
        left += KEY_SAMPLE + KEY_GAP + column.iter().map(width).fold(0.0, f64::max);
    }
    left
}

/// The same in rows between `[left, right]`, the first layer first. Returns where the key ends at
/// the bottom.
pub(crate) fn layer_key_below(
    svg: &mut Svg,
    layers: &[&str],
    top: f64,
    [left, right]: [f64; 2],
) -> f64 {
    let names = text::shortened(layers);
    svg.text((left, top), Anchor::Start, LABEL, "layer");
    let from = left + metrics::width("layer", LABEL) + KEY_GAP;
    let width = KEY_SAMPLE + KEY_GAP + metrics::widest(&names, TICK);
    let per_row = (((right - from + KEY_GAP) / width) as usize).max(1);
    for (index, name) in names.iter().enumerate() {
        let (row, column) = (index / per_row, index % per_row);
        let place = (from + column as f64 * width, top + row as f64 * KEY_ROW);
        key_entry(svg, layers, index, (place, name));
    }
    top + names.len().div_ceil(per_row).saturating_sub(1) as f64 * KEY_ROW + 5.0
}

/// A layer's sample and its name.
fn key_entry(
    svg: &mut Svg,
    layers: &[&str],
    index: usize,
    ((x, y), name): ((f64, f64), &str),
) {
    let shade = Shade::of(index, layers.len());
    key_of(svg, layers[index], |svg| {
        svg.line((x, y - 2.0), (x + 9.0, y - 2.0), shade.stroke(2.2));
        svg.text((x + KEY_SAMPLE, y), Anchor::Start, TICK, name);
    });
}

/// Samples of lines with their names: in a row below a figure, and where it ends at the bottom.
pub(crate) fn line_key_below(
    svg: &mut Svg,
    lines: &[(&str, Stroke)],
    top: f64,
    [left, right]: [f64; 2],
) -> f64 {
    let (mut x, mut y) = (left, top);
    for (name, stroke) in lines {
        let width = 18.0 + metrics::width(name, TICK);
        if x > left && x + width > right {
            (x, y) = (left, y + KEY_ROW);
        }
        svg.line((x, y - 2.0), (x + 14.0, y - 2.0), *stroke);
        svg.text((x + 18.0, y), Anchor::Start, TICK, name);
        x += width + KEY_GAP;
    }
    y + 5.0
}

/// Lines and slanted names of layers, shortened, on an axis of depth; of names without room every
/// second, third, … is written.
pub(crate) fn layer_ticks(
    svg: &mut Svg,
    area: Area,
    names: &[String],
    x: impl Fn(usize) -> f64,
) {
    let bottom = area.bottom();
    let apart = if names.len() > 1 { x(1) - x(0) } else { SLANTED };
    let every = ((SLANTED / apart).ceil() as usize).max(1);
    for (index, name) in names.iter().enumerate() {
        let x = x(index);
        svg.line((x, area.top), (x, bottom), GRID);
        svg.line((x, bottom), (x, bottom + TICK_LENGTH), FRAME);
        // The deepest layer is always named.
        if (names.len() - 1 - index).is_multiple_of(every) {
            // The first name must not leave the figure.
            let name = metrics::fitted(name, TICK, (x + 1.0) / SLOPE);
            svg.text_turned(((x + 2.0, bottom + 7.5), -45), Anchor::End, TICK, &name);
        }
    }
}

/// Between neighbors, slanted names need so much along the axis.
const SLANTED: f64 = 8.2;
/// Height and width of a slanted text of length 1.
const SLOPE: f64 = 0.71;

/// The height that slanted names of layers, shortened, take below an axis of depth.
pub(crate) fn slant_of(names: &[String]) -> f64 {
    metrics::widest(names, TICK) * SLOPE
}

/// The names of consecutive rows without repetition: layers, as tables in depth order have them.
pub(crate) fn distinct<'a>(names: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let mut distinct: Vec<&str> = names.collect();
    distinct.dedup();
    distinct
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_curve_is_cut_at_the_upper_end() {
        let x = EpochAxis { end: 1.0, start: 0.0, length: 1.0 };
        let y = LinearAxis { from: 0.0, end: 1.0, start: 10.0, length: -10.0 };
        let e = std::f64::consts::E - 1.0;
        let drawn = curve([(0.0, 2.0), (e, 0.0)].into_iter(), x, y);
        assert!(drawn[0].0.is_nan());
        assert!((drawn[1].0 - 0.5).abs() < 1e-12 && drawn[1].1.abs() < 1e-12);
        assert!((drawn[2].0 - 1.0).abs() < 1e-12 && (drawn[2].1 - 10.0).abs() < 1e-12);
        let gap = curve([(0.0, f64::NAN), (e, 0.5)].into_iter(), x, y);
        assert!(gap[0].0.is_nan() && gap.len() == 2);
    }
}
