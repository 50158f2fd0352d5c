//! The shape of decision regions over the epochs: a small panel per quantity, a curve per layer.

use super::numbers::{csv, number};
use super::panel::{Block, Figure, Panel, Section};
use crate::report::figure::axes::{LinearAxis, ceiling};
use crate::report::figure::curves::{CurvePanel, Shade, distinct, of_layer};
use crate::report::figure::grid::Grid;
use crate::report::figure::svg::{Area, Svg};
use crate::report::model::{GeometryRow, RunResults};
use crate::report::words;
use crate::run_dir::RunFile;

/// The panel.
pub(super) const PANEL: Panel = Panel {
    id: "geometry",
    title: "Shape of decision regions",
    section: Section::Regions,
    shows: &[RunFile::Geometry, RunFile::Phases],
    blocks: |run| {
        let figure =
            |svg| Figure::new(PANEL.id, svg, caption(run)).with_numbers(numbers(run));
        drawing(run).into_iter().map(|svg| Block::Figure(figure(svg))).collect()
    },
};

/// A quantity of `geometry.csv` and what its curves are headed with.
#[derive(Debug, Clone, Copy)]
struct Quantity {
    name: &'static str,
    title: &'static str,
    detail: &'static str,
    /// The most telling group of triplets where the run has it, else the first is shown.
    group: Option<&'static str>,
}

const QUANTITIES: [Quantity; 4] = [
    Quantity {
        name: "fragments",
        title: "Fragments",
        detail: "connected regions of a plane",
        group: None,
    },
    Quantity {
        name: "shares",
        title: "Three classes",
        detail: "area of the images’ labels",
        group: None,
    },
    Quantity {
        name: "region",
        title: "Clean images",
        detail: "area of the region around one",
        group: None,
    },
    Quantity {
        name: "memorized-island",
        title: "Memorized islands",
        detail: "area around wrong labels",
        // Triplets chosen for a wrong label have one on every plane.
        group: Some("corrupted"),
    },
];

const LEFT: f64 = 26.0;
const WIDTH: f64 = 94.0;
const HEIGHT: f64 = 92.0;
const GAP: f64 = 20.0;
/// Standard errors to either side of a curve: 95 % of a normal distribution.
const BAND: f64 = 1.96;

/// The curves of one quantity.
struct Curves<'a> {
    quantity: Quantity,
    group: &'a str,
    rows: Vec<&'a GeometryRow>,
}

/// Curves of the regions' shapes; nothing where the run has none.
fn drawing(run: &RunResults) -> Option<String> {
    let all = curves(run);
    if all.is_empty() {
        return None;
    }
    let layers = distinct(run.geometry.iter().map(|row| row.layer.as_str()));
    let mut svg = Svg::on(run.sheet);
    let details: Vec<String> = all
        .iter()
        .map(|curves| format!("{}, {}", curves.quantity.detail, curves.group))
        .collect();
    let texts: Vec<&str> = details.iter().map(String::as_str).collect();
    let grid = Grid::new(run.sheet, &texts, LEFT, (WIDTH, HEIGHT), GAP);
    for (index, curves) in all.iter().enumerate() {
        let area = grid.area(index);
        grid.head(&mut svg, index, curves.quantity.title, texts[index]);
        let panel =
            CurvePanel { timeline: run.timeline(), area, values: curves.axis(area) };
        curves.draw(&mut svg, &panel, &layers);
    }
    let size = grid.layer_key(&mut svg, &layers, grid.bottom());
    Some(svg.finish(size, PANEL.title, &caption(run)))
}

fn numbers(run: &RunResults) -> String {
    let row = |row: &GeometryRow| {
        let [epoch, value, se] = [row.epoch, row.value, row.se].map(number);
        [row.layer.clone(), epoch, row.group.clone(), row.quantity.clone(), value, se]
    };
    let columns = ["layer", "epoch", "group", "quantity", "value", "se"];
    let rows = curves(run).into_iter().flat_map(|curves| curves.rows);
    csv(columns, rows.map(row))
}

fn caption(run: &RunResults) -> String {
    format!("{CAPTION} {}", words::seed_words(run))
}

const CAPTION: &str = "Shape of the decision regions of linear probes on each layer, and of the net itself \
     (output), over the epochs: means over planes with 95 % intervals over planes, never over \
     seeds; dashed: perfect fit. Regions touch at sides or corners. A memorized island is the \
     region of the wrong label around its image, of area 0 where the image is given another \
     class. Areas are fractions of the plane.";

/// The quantities that the run has, each of one group of triplets.
fn curves(run: &RunResults) -> Vec<Curves<'_>> {
    let mut found = vec![];
    for quantity in QUANTITIES {
        let rows =
            || run.geometry.iter().filter(move |row| row.quantity == quantity.name);
        let telling = quantity.group.and_then(|name| rows().find(|r| r.group == name));
        let Some(row) = telling.or_else(|| rows().next()) else { continue };
        let group = row.group.as_str();
        let rows = rows().filter(|row| row.group == group).collect();
        found.push(Curves { quantity, group, rows });
    }
    found
}

impl Curves<'_> {
    /// From 0 to a little more than the largest value's interval.
    fn axis(&self, area: Area) -> LinearAxis {
        let upper = |row: &&GeometryRow| row.value + BAND * row.se.max(0.0);
        let largest = self.rows.iter().map(upper).fold(0.0, f64::max);
        let end = if largest > 1.0 { largest * 1.05 } else { ceiling(largest) };
        LinearAxis::up(area, 0.0, end)
    }

    fn draw(&self, svg: &mut Svg, panel: &CurvePanel, layers: &[&str]) {
        panel.open(svg, 5);
        for (index, layer) in layers.iter().enumerate() {
            let rows = || self.rows.iter().filter(|row| row.layer == *layer);
            let shade = Shade::of(index, layers.len());
            let interval = |row: &&GeometryRow| {
                (row.epoch, row.value - BAND * row.se, row.value + BAND * row.se)
            };
            let known: Vec<_> =
                rows().filter(|row| row.se.is_finite()).map(interval).collect();
            let points = rows().map(|row| (row.epoch, row.value));
            of_layer(svg, layer, |svg| {
                panel.band(svg, &known, &shade.colour);
                panel.curve(svg, points, shade.stroke(1.1));
            });
        }
        panel.close(svg);
    }
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
        assert!(drawing(&run).is_none());
        for group in ["train", "corrupted"] {
            for epoch in [0.0, 1.0] {
                run.geometry.push(row("fc", epoch, group, "fragments"));
                run.geometry.push(row("fc", epoch, group, "memorized-island"));
            }
        }
        let found: Vec<_> =
            curves(&run).iter().map(|c| (c.quantity.title, c.group)).collect();
        assert_eq!(found, [("Fragments", "train"), ("Memorized islands", "corrupted")]);
        assert!(drawing(&run).unwrap().matches("fill-opacity").count() == 2);
    }
}
