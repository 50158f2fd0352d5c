//! What panels over time share: frames, epoch axes, the marks of the training's phases, and
//! curves cut at the panel's edge.

use super::axes::{EpochAxis, LinearAxis, epoch_label, tick_label};
use super::svg::{Anchor, Area, Escaped, FRAME, GRID, Px, Stroke, Svg, TICK};
use crate::report::model::RunResults;

/// Length of a tick.
const TICK_LENGTH: f64 = 2.5;
/// Width of a digit at a tick.
const DIGIT: f64 = 3.4;

/// The perfect-fit line over curves.
pub(crate) const FIT: Stroke =
    Stroke { class: "fit", colour: "#16181d", width: 0.8, dash: "3 2" };

/// The epochs that every panel marks.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Marks {
    pub(crate) perfect_fit: Option<f64>,
    /// Minimum, peak and second minimum of the test error.
    pub(crate) turns: [Option<f64>; 3],
}

impl Marks {
    pub(crate) fn of(run: &RunResults) -> Self {
        let phases = &run.phases;
        Self {
            perfect_fit: phases.perfect_fit,
            turns: [phases.min, phases.peak, phases.second_min],
        }
    }
}

/// The horizontal axis of an area.
pub(crate) fn across(run: &RunResults, area: Area) -> EpochAxis {
    EpochAxis::new(run.last_epoch(), area.left, area.width)
}

/// The vertical epoch axis of an area, upwards.
pub(crate) fn upwards(run: &RunResults, area: Area) -> EpochAxis {
    EpochAxis::new(run.last_epoch(), area.bottom(), -area.height)
}

/// Ticks below an area at epochs 0, 1, 2, 5, …, with or without their numbers.
pub(crate) fn epoch_ticks_below(
    svg: &mut Svg,
    area: Area,
    axis: EpochAxis,
    labels: bool,
) {
    let bottom = area.bottom();
    for epoch in axis.ticks(3.0, DIGIT) {
        let x = axis.at(epoch);
        svg.line((x, bottom), (x, bottom + TICK_LENGTH), FRAME);
        if labels {
            let place = (x, bottom + TICK_LENGTH + 6.0);
            svg.text(place, Anchor::Middle, TICK, &epoch_label(epoch));
        }
    }
}

/// Ticks left of an area at epochs 0, 1, 2, 5, ….
pub(crate) fn epoch_ticks_left(svg: &mut Svg, area: Area, axis: EpochAxis, labels: bool) {
    for epoch in axis.ticks(7.5, 0.0) {
        let y = axis.at(epoch);
        svg.line((area.left - TICK_LENGTH, y), (area.left, y), FRAME);
        if labels {
            let place = (area.left - TICK_LENGTH - 1.5, y + 2.1);
            svg.text(place, Anchor::End, TICK, &epoch_label(epoch));
        }
    }
}

/// Grid lines and ticks of a vertical linear axis.
pub(crate) fn value_ticks(
    svg: &mut Svg,
    area: Area,
    axis: LinearAxis,
    (most, labels): (usize, bool),
) {
    for value in axis.ticks(most) {
        let y = axis.at(value);
        if y < area.bottom() - 0.5 && y > area.top + 0.5 {
            svg.line((area.left, y), (area.right(), y), GRID);
        }
        svg.line((area.left - TICK_LENGTH, y), (area.left, y), FRAME);
        if labels {
            let place = (area.left - TICK_LENGTH - 1.5, y + 2.1);
            svg.text(place, Anchor::End, TICK, &tick_label(value));
        }
    }
}

/// Hairlines at the turns and the dashed line of perfect fit, over the height of an area.
pub(crate) fn mark_lines(svg: &mut Svg, area: Area, axis: EpochAxis, marks: Marks) {
    let hair = Stroke { class: "hair", colour: "#b9bec6", width: 0.5, dash: "" };
    for epoch in marks.turns.into_iter().flatten() {
        let x = axis.at(epoch);
        svg.line((x, area.top), (x, area.bottom()), hair);
    }
    if let Some(epoch) = marks.perfect_fit {
        let x = axis.at(epoch);
        svg.line((x, area.top), (x, area.bottom()), FIT);
    }
}

/// The invisible rectangle by which the page's script knows a panel and places the epoch
/// cursor there. A map of the headline names its layer, for the values under the pointer.
pub(crate) fn sensitive(svg: &mut Svg, area: Area, axis: EpochAxis, map: Option<&str>) {
    let layer =
        map.map_or_else(String::new, |name| format!(" data-layer=\"{}\"", Escaped(name)));
    svg.raw(format_args!(
        "<rect class=\"panel\" data-end=\"{:.6}\"{layer} x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" fill=\"none\" pointer-events=\"all\"/>",
        axis.end,
        Px(area.left),
        Px(area.top),
        Px(area.width),
        Px(area.height)
    ));
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
