//! The shape of decision regions over the epochs: one panel a quantity, one curve a layer.

use super::probes::{layer_key, ordered};
use crate::report::figure::axes::{LinearAxis, ceiling};
use crate::report::figure::curves::{
    Marks, across, curve, epoch_ticks_below, mark_lines, sensitive, value_ticks,
};
use crate::report::figure::svg::{Anchor, Area, LABEL, Px, Stroke, Svg, TICK, TITLE};
use crate::report::model::{GeometryRow, RunResults};
use crate::report::words;

/// A panel: the quantity's name in `geometry.csv`, title and second line.
const PANELS: [(&str, &str, &str); 4] = [
    ("fragments", "Fragments", "connected regions of a plane"),
    ("shares", "Three classes", "area of the images’ labels"),
    ("region", "Clean images", "area of the region around one"),
    ("memorized-island", "Memorized islands", "area around wrong labels"),
];

const LEFT: f64 = 26.0;
const TOP: f64 = 24.0;
const WIDTH: f64 = 94.0;
const HEIGHT: f64 = 92.0;
const GAP: f64 = 20.0;
/// Standard errors to either side of a curve: 95 % of a normal distribution.
const BAND: f64 = 1.96;

/// One panel's rows.
struct Panel<'a> {
    titles: (&'a str, &'a str),
    group: &'a str,
    rows: Vec<&'a GeometryRow>,
}

/// Curves of the regions' shapes as an SVG file; nothing where the run has none.
pub fn geometry_figure(run: &RunResults) -> Option<String> {
    let panels = panels(run);
    if panels.is_empty() {
        return None;
    }
    let mut layers: Vec<&str> = vec![];
    for row in &run.geometry {
        if layers.last() != Some(&row.layer.as_str()) {
            layers.push(&row.layer);
        }
    }
    let mut svg = Svg::default();
    for (index, panel) in panels.iter().enumerate() {
        let left = LEFT + index as f64 * (WIDTH + GAP);
        let area = Area { left, top: TOP, width: WIDTH, height: HEIGHT };
        svg.text((left, TOP - 14.0), Anchor::Start, TITLE, panel.titles.0);
        let detail = format!("{}, {}", panel.titles.1, panel.group);
        svg.text((left, TOP - 5.0), Anchor::Start, TICK, &detail);
        draw(&mut svg, run, &layers, (area, panel));
    }
    let key = LEFT + panels.len() as f64 * (WIDTH + GAP) - 6.0;
    layer_key(&mut svg, &layers, key, TOP);
    let size = (key + 66.0, TOP + HEIGHT + 22.0);
    Some(svg.finish(size, "Shape of decision regions", &geometry_caption(run)))
}

/// The caption of the figure.
pub(crate) fn geometry_caption(run: &RunResults) -> String {
    format!("{CAPTION} {}", words::seed_words(run))
}

const CAPTION: &str = "Shape of the decision regions of linear probes on each layer, and of the net itself \
     (output), over the epochs: means over planes with 95 % intervals over planes, never over \
     seeds; dashed: perfect fit. Regions touch at sides or corners. A memorized island is the \
     region of the wrong label around its image, of area 0 where the image is given another \
     class. Areas are fractions of the plane.";

/// Panels that the run has, each on the first group of triplets with the quantity.
fn panels(run: &RunResults) -> Vec<Panel<'_>> {
    let mut panels = vec![];
    for (quantity, title, detail) in PANELS {
        let of = |row: &&GeometryRow| row.quantity == quantity;
        // The most telling group: triplets chosen for a wrong label have one on every plane.
        let named = |name: &str| run.geometry.iter().filter(of).find(|r| r.group == name);
        let first = || run.geometry.iter().find(of);
        let is_island = quantity == "memorized-island";
        let chosen = named("corrupted").filter(|_| is_island).or_else(first);
        let Some(group) = chosen.map(|row| row.group.as_str()) else { continue };
        let rows = run.geometry.iter().filter(of).filter(|row| row.group == group);
        panels.push(Panel { titles: (title, detail), group, rows: rows.collect() });
    }
    panels
}

fn draw(svg: &mut Svg, run: &RunResults, layers: &[&str], (area, panel): (Area, &Panel)) {
    let x = across(run, area);
    let upper = |row: &&&GeometryRow| row.value + BAND * row.se.max(0.0);
    let largest = panel.rows.iter().map(|row| upper(&row)).fold(0.0, f64::max);
    let end = if largest > 1.0 { largest * 1.05 } else { ceiling(largest) };
    let axis = LinearAxis::up(area, 0.0, end);
    value_ticks(svg, area, axis, (5, true));
    mark_lines(svg, area, x, Marks::of(run));
    for (index, layer) in layers.iter().enumerate() {
        let rows: Vec<_> = panel.rows.iter().filter(|row| row.layer == *layer).collect();
        let (colour, class) = ordered(index, layers.len());
        let edge = |sign: f64, row: &&&GeometryRow| {
            let value = (row.value + sign * BAND * row.se).clamp(0.0, end);
            format!("{} {}", Px(x.at(row.epoch)), Px(axis.at(value)))
        };
        let known = rows.iter().copied().filter(|row| row.se.is_finite());
        let above: Vec<String> = known.clone().map(|row| edge(1.0, &row)).collect();
        let below: Vec<String> = known.rev().map(|row| edge(-1.0, &row)).collect();
        if above.len() > 1 {
            let band = [above, below].concat().join("L");
            svg.raw(format_args!(
                "<path d=\"M{band}z\" fill=\"{colour}\" fill-opacity=\"0.1\"/>"
            ));
        }
        let points = rows.iter().map(|row| (row.epoch, row.value));
        let stroke = Stroke { class: &class, colour: &colour, width: 1.1, dash: "" };
        svg.polyline(&curve(points, x, axis), stroke);
    }
    svg.frame(area);
    epoch_ticks_below(svg, area, x, true);
    let place = (area.left + area.width / 2.0, area.bottom() + 17.0);
    svg.text(place, Anchor::Middle, LABEL, "epoch");
    sensitive(svg, area, x, None);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(layer: &str, epoch: f64, group: &str, quantity: &str) -> GeometryRow {
        GeometryRow {
            layer: layer.into(),
            epoch,
            group: group.into(),
            quantity: quantity.into(),
            value: 3.0,
            se: 0.5,
        }
    }

    #[test]
    fn islands_are_those_of_corrupted_triplets_and_absent_panels_are_left_out() {
        let mut run = RunResults::default();
        assert!(geometry_figure(&run).is_none());
        for group in ["train", "corrupted"] {
            for epoch in [0.0, 1.0] {
                run.geometry.push(row("fc", epoch, group, "fragments"));
                run.geometry.push(row("fc", epoch, group, "memorized-island"));
            }
        }
        let found: Vec<_> = panels(&run).iter().map(|p| (p.titles.0, p.group)).collect();
        assert_eq!(found, [("Fragments", "train"), ("Memorized islands", "corrupted")]);
        assert!(geometry_figure(&run).unwrap().matches("fill-opacity").count() == 2);
    }
}
