//! The axis of time that all panels of a run share: how long it is, the epochs that every
//! panel marks, ticks, and the rectangle by which the page's script knows a panel.

use super::axes::{EpochAxis, epoch_label};
use super::metrics;
use super::svg::{Anchor, Area, Escaped, FRAME, LABEL, Px, Stroke, Svg, TICK};

/// Length of a tick.
pub(crate) const TICK_LENGTH: f64 = 2.5;
/// Width of a digit at a tick.
const DIGIT: f64 = 3.4;

/// The perfect-fit line over curves.
const FIT: Stroke = Stroke { class: "fit", colour: "#16181d", width: 0.8, dash: "3 2" };

/// Lines at the turns of the test error, where they have names.
const DOTTED: Stroke =
    Stroke { class: "frame", colour: "#8a8f98", width: 0.6, dash: "1 1.6" };

/// The time of a run.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Timeline {
    /// The last epoch.
    pub(crate) last: f64,
    /// The epoch of perfect fit.
    pub(crate) perfect_fit: Option<f64>,
    /// Minimum, peak and second minimum of the test error.
    pub(crate) turns: [Option<f64>; 3],
}

impl Timeline {
    /// The horizontal axis of an area.
    pub(crate) fn across(&self, area: Area) -> EpochAxis {
        EpochAxis::new(self.last, area.left, area.width)
    }

    /// The vertical epoch axis of an area, upwards.
    pub(crate) fn upwards(&self, area: Area) -> EpochAxis {
        EpochAxis::new(self.last, area.bottom(), -area.height)
    }

    /// Hairlines at the turns and the dashed line of perfect fit, over the height of an area.
    pub(crate) fn mark_lines(&self, svg: &mut Svg, area: Area) {
        let axis = self.across(area);
        let hair = Stroke { class: "hair", colour: "#b9bec6", width: 0.5, dash: "" };
        for epoch in self.turns.into_iter().flatten() {
            let x = axis.at(epoch);
            svg.line((x, area.top), (x, area.bottom()), hair);
        }
        if let Some(epoch) = self.perfect_fit {
            let x = axis.at(epoch);
            svg.line((x, area.top), (x, area.bottom()), FIT);
        }
    }

    /// Dotted lines at minimum, peak and second minimum (m, p, q) and the dashed line of
    /// perfect fit, each with its name above the area.
    pub(crate) fn named_lines(&self, svg: &mut Svg, area: Area) {
        let axis = self.across(area);
        let mut names: Vec<(f64, String)> = vec![];
        let room = |names: &str| metrics::width(names, TICK) / 2.0 + 2.5;
        for (epoch, name) in self.turns.into_iter().zip(["m", "p", "q"]) {
            let Some(epoch) = epoch else { continue };
            let x = axis.at(epoch);
            svg.line((x, area.top), (x, area.bottom()), DOTTED);
            match names.last_mut() {
                // Side by side rather than over each other.
                Some((last, names)) if x - *last < room(names) => *names += name,
                _ => names.push((x, name.to_owned())),
            }
        }
        for (x, name) in names {
            svg.text((x, area.top - 2.5), Anchor::Middle, TICK, &name);
        }
        if let Some(epoch) = self.perfect_fit {
            let x = axis.at(epoch);
            svg.line((x, area.top), (x, area.bottom()), FIT);
            svg.text((x, area.top - 8.5), Anchor::Middle, TICK, "fit");
        }
    }

    /// Ticks below an area at epochs 0, 1, 2, 5, …, with or without their numbers.
    pub(crate) fn ticks_below(&self, svg: &mut Svg, area: Area, labels: bool) {
        let (axis, bottom) = (self.across(area), area.bottom());
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
    pub(crate) fn ticks_left(&self, svg: &mut Svg, area: Area, labels: bool) {
        let axis = self.upwards(area);
        for epoch in axis.ticks(7.5, 0.0) {
            let y = axis.at(epoch);
            svg.line((area.left - TICK_LENGTH, y), (area.left, y), FRAME);
            if labels {
                let place = (area.left - TICK_LENGTH - 1.5, y + 2.1);
                svg.text(place, Anchor::End, TICK, &epoch_label(epoch));
            }
        }
    }

    /// The invisible rectangle by which the page's script knows a panel and places the epoch
    /// cursor there. A map of the headline names its layer, for the values under the pointer.
    pub(crate) fn cursor(&self, svg: &mut Svg, area: Area, map: Option<&str>) {
        let layer = map.map_or_else(String::new, |name| {
            format!(" data-layer=\"{}\"", Escaped(name))
        });
        svg.raw(format_args!(
            "<rect class=\"panel\" data-end=\"{:.6}\"{layer} x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" fill=\"none\" pointer-events=\"all\"/>",
            self.across(area).end,
            Px(area.left),
            Px(area.top),
            Px(area.width),
            Px(area.height)
        ));
    }
}

/// The word below an axis of epochs.
pub(crate) fn name_below(svg: &mut Svg, area: Area) {
    let place = (area.left + area.width / 2.0, area.bottom() + 17.0);
    svg.text(place, Anchor::Middle, LABEL, "epoch");
}
