//! A column of the explanation: a layer as a trail, its matrix, its speed, its roughness.

use crate::report::figure::axes::LinearAxis;
use crate::report::figure::curves::{Shade, value_ticks};
use crate::report::figure::heatmap::EpochMap;
use crate::report::figure::log_axis::LogAxis;
use crate::report::figure::svg::{Anchor, Area, Px, Stroke, Svg, TICK, TITLE};
use crate::report::figure::time::{Timeline, name_below};
use crate::report::found::Point;

/// Width of a column, and side of its map.
pub(super) const SIDE: f64 = 84.0;
const TRAIL: f64 = 56.0;
const CURVE: f64 = 42.0;
/// Between the pieces of a column.
const GAP: f64 = 7.0;
const TOP: f64 = 24.0;

const INK: Stroke = Stroke { class: "line-ink", colour: "#16181d", width: 1.1, dash: "" };
const TRAIL_LINE: Stroke =
    Stroke { class: "line-weights", colour: "#8a8f98", width: 0.6, dash: "" };
const WEIGHTS: Stroke =
    Stroke { class: "line-weights", colour: "#8a8f98", width: 1.1, dash: "" };

/// A layer and where it is drawn.
pub(super) struct Column<'a> {
    pub(super) name: &'a str,
    pub(super) detail: &'a str,
    pub(super) trail: Vec<[f64; 2]>,
    /// The extent of the trail's panel: least and greatest of both coordinates.
    pub(super) extent: [[f64; 2]; 2],
    pub(super) timeline: Timeline,
    pub(super) epochs: &'a [f64],
    pub(super) similarity: &'a dyn Fn(usize, usize) -> f64,
    pub(super) speed: Vec<Point>,
    pub(super) roughness: Vec<Point>,
    pub(super) weights: Vec<Point>,
    /// The greatest speed of the axis.
    pub(super) fastest: f64,
    /// The ends of the axis of roughness.
    pub(super) range: (f64, f64),
    /// Whether the axes have numbers.
    pub(super) is_labelled: bool,
}

/// Where the four pieces begin, and where the last ends.
pub(super) fn tops() -> [f64; 5] {
    let map = TOP + TRAIL + GAP;
    let speed = map + SIDE + GAP;
    let roughness = speed + CURVE + GAP;
    [TOP, map, speed, roughness, roughness + CURVE]
}

impl Column<'_> {
    /// Draws the column whose left edge is at `left`.
    pub(super) fn draw(&self, svg: &mut Svg, left: f64, hatch: &str) {
        let [trail, map, speed, roughness, _] = tops();
        let area = |top: f64, height: f64| Area { left, top, width: SIDE, height };
        svg.text((left, 9.0), Anchor::Start, TITLE, self.name);
        svg.text((left, 17.5), Anchor::Start, TICK, self.detail);
        self.draw_trail(svg, area(trail, TRAIL));
        let square = area(map, SIDE);
        let epoch_map = EpochMap {
            timeline: self.timeline,
            epochs: self.epochs,
            area: square,
            hatch,
        };
        epoch_map.draw(svg, self.similarity);
        self.timeline.ticks_left(svg, square, self.is_labelled);
        self.draw_speed(svg, area(speed, CURVE));
        let last = area(roughness, CURVE);
        self.draw_roughness(svg, last);
        self.timeline.ticks_below(svg, last, true);
        name_below(svg, last);
    }

    /// The checkpoints as dots, dark to light in time.
    fn draw_trail(&self, svg: &mut Svg, area: Area) {
        let [[x0, x1], [y0, y1]] = self.extent;
        let scale = (area.width / (x1 - x0)).min(area.height / (y1 - y0));
        let (mid_x, mid_y) = (f64::midpoint(x0, x1), f64::midpoint(y0, y1));
        let place = |[x, y]: [f64; 2]| {
            let centre = (area.left + area.width / 2.0, area.top + area.height / 2.0);
            (centre.0 + scale * (x - mid_x), centre.1 - scale * (y - mid_y))
        };
        let places: Vec<(f64, f64)> = self.trail.iter().copied().map(place).collect();
        svg.polyline(&places, TRAIL_LINE);
        for (index, (x, y)) in places.iter().enumerate() {
            let Shade { colour, class } = Shade::of(index, places.len());
            svg.raw(format_args!(
                "<circle class=\"marker {class}\" fill=\"{colour}\" cx=\"{}\" cy=\"{}\" r=\"1.6\"/>",
                Px(*x),
                Px(*y)
            ));
        }
        svg.frame(area);
    }

    fn draw_speed(&self, svg: &mut Svg, area: Area) {
        let axis = LinearAxis::up(area, 0.0, self.fastest);
        value_ticks(svg, area, axis, 2, self.is_labelled);
        self.timeline.mark_lines(svg, area);
        self.line(svg, area, &self.speed, INK, |value| axis.at(value));
        svg.frame(area);
        self.timeline.ticks_below(svg, area, false);
    }

    fn draw_roughness(&self, svg: &mut Svg, area: Area) {
        let axis = LogAxis::up(area, self.range);
        axis.draw_ticks(svg, area, self.is_labelled);
        self.timeline.mark_lines(svg, area);
        self.line(svg, area, &self.weights, WEIGHTS, |value| axis.at(value));
        self.line(svg, area, &self.roughness, INK, |value| axis.at(value));
        svg.frame(area);
    }

    fn line(
        &self,
        svg: &mut Svg,
        area: Area,
        points: &[Point],
        stroke: Stroke,
        y: impl Fn(f64) -> f64,
    ) {
        let x = self.timeline.across(area);
        let places: Vec<(f64, f64)> =
            points.iter().map(|point| (x.at(point.epoch), y(point.value))).collect();
        svg.polyline(&places, stroke);
    }
}
