//! Convergence: how similar each layer is to its previous, its last and all its later
//! checkpoints, and from when on it is stable.

use std::fmt::Write as _;

use super::numbers::{csv, number};
use super::panel::{Block, Figure, Panel, Section};
use crate::findings::convergence::stabilization;
use crate::report::figure::axes::{LinearAxis, epoch_label};
use crate::report::figure::curves::{CurvePanel, Shade, of_layer};
use crate::report::figure::grid::Grid;
use crate::report::figure::svg::{Escaped, Svg};
use crate::report::found::FoundKind;
use crate::report::model::RunResults;
use crate::report::words;
use crate::run_dir::RunFile;
use crate::run_dir::tables::ConvergenceRow;

/// The panel.
pub(super) const PANEL: Panel = Panel {
    id: "convergence",
    title: "Convergence of every layer",
    section: Section::Layers,
    shows: &[RunFile::Convergence, RunFile::Phases],
    blocks: |run| {
        let Some(kind) = run.found().into_iter().next() else { return vec![] };
        let layers = layers(run, &kind);
        if layers.iter().all(|layer| layer.rows.is_empty()) {
            return vec![];
        }
        let caption = caption(run, &kind, &layers);
        let figure = Figure::new(PANEL.id, drawing(run, &layers, &caption), caption)
            .with_numbers(numbers(&layers));
        let blocks = vec![Block::Figure(figure), Block::Html(table(&layers))];
        let summary =
            "Convergence: similarity to the previous, the last and all later checkpoints";
        Block::folded(summary, blocks).into_iter().collect()
    },
};

/// Similarities of neighboring checkpoints that count as stable, for so many steps.
const STABLE: [(f64, usize); 3] = [(0.9, 3), (0.95, 3), (0.99, 3)];

/// The rows of a layer.
struct Layer<'a> {
    name: &'a str,
    rows: Vec<&'a ConvergenceRow>,
}

fn layers<'a>(run: &'a RunResults, kind: &FoundKind<'a>) -> Vec<Layer<'a>> {
    let of = |name: &'a str| {
        let is_of = |row: &&ConvergenceRow| {
            row.layer == name && row.measure == kind.measure && row.group == kind.group
        };
        Layer { name, rows: run.convergence.iter().filter(is_of).collect() }
    };
    kind.names().into_iter().map(of).collect()
}

impl Layer<'_> {
    fn stable_from(&self, (tau, k): (f64, usize)) -> Option<f64> {
        let previous: Vec<f64> = self.rows.iter().map(|row| row.to_previous.0).collect();
        let epoch: Vec<f64> = self.rows.iter().map(|row| row.epoch.0).collect();
        stabilization(&previous, &epoch, (tau, k))
    }
}

/// What a column of the figure shows.
struct Column {
    title: &'static str,
    detail: &'static str,
    value: fn(&ConvergenceRow) -> f64,
}

const COLUMNS: [Column; 3] = [
    Column {
        title: "To the previous",
        detail: "the checkpoint before",
        value: |row| row.to_previous.0,
    },
    Column {
        title: "To the last",
        detail: "the end of training",
        value: |row| row.to_final.0,
    },
    Column {
        title: "Mean future",
        detail: "all later checkpoints",
        value: |row| row.mean_future.0,
    },
];

const LEFT: f64 = 30.0;
const WIDTH: f64 = 128.0;
const HEIGHT: f64 = 92.0;
const GAP: f64 = 18.0;

fn drawing(run: &RunResults, layers: &[Layer<'_>], caption: &str) -> String {
    let values = layers
        .iter()
        .flat_map(|layer| &layer.rows)
        .flat_map(|row| COLUMNS.map(|column| (column.value)(row)));
    let least = values.filter(|value| value.is_finite()).fold(1.0, f64::min);
    let from = ((least * 10.0).floor() / 10.0).min(0.9);
    let mut svg = Svg::on(run.sheet);
    let details = COLUMNS.each_ref().map(|column| column.detail);
    let grid = Grid::new(run.sheet, &details, LEFT, (WIDTH, HEIGHT), GAP);
    for (index, Column { title, detail, value }) in COLUMNS.iter().enumerate() {
        let area = grid.area(index);
        grid.head(&mut svg, index, title, detail);
        let values = LinearAxis::up(area, from, 1.0);
        let panel = CurvePanel { timeline: run.timeline(), area, values };
        panel.open(&mut svg, 5);
        for (index, layer) in layers.iter().enumerate() {
            let points = layer.rows.iter().map(|row| (row.epoch.0, value(row)));
            let shade = Shade::of(index, layers.len());
            of_layer(&mut svg, layer.name, |svg| {
                panel.curve(svg, points, shade.stroke(1.1));
            });
        }
        panel.close(&mut svg);
    }
    let names: Vec<&str> = layers.iter().map(|layer| layer.name).collect();
    let size = grid.layer_key(&mut svg, &names, grid.bottom());
    svg.finish(size, PANEL.title, caption)
}

fn numbers(layers: &[Layer<'_>]) -> String {
    let rows = layers.iter().flat_map(|layer| {
        layer.rows.iter().map(|row| {
            let values = COLUMNS.map(|column| number((column.value)(row)));
            let [previous, last, future] = values;
            [layer.name.to_owned(), number(row.epoch.0), previous, last, future]
        })
    });
    csv(["layer", "epoch", "to_previous", "to_final", "mean_future"], rows)
}

/// Stabilization epochs.
fn table(layers: &[Layer<'_>]) -> String {
    let mut html = String::from(
        "<div class=\"table\"><table class=\"penalties\" data-file=\"stabilization\"><thead><tr><th>stable from epoch</th>",
    );
    for (tau, k) in STABLE {
        let _ = write!(html, "<th>similarity ≥ {tau} for {k} steps</th>");
    }
    html += "</tr></thead><tbody>\n";
    for layer in layers.iter().filter(|layer| !layer.rows.is_empty()) {
        let _ = write!(html, "<tr><th>{}</th>", Escaped(layer.name));
        for rule in STABLE {
            let epoch = layer.stable_from(rule).map_or("–".into(), epoch_label);
            let _ = write!(html, "<td>{epoch}</td>");
        }
        html += "</tr>\n";
    }
    html + "</tbody></table></div>\n"
}

fn caption(run: &RunResults, kind: &FoundKind<'_>, layers: &[Layer<'_>]) -> String {
    let checkpoints = layers.iter().map(|layer| layer.rows.len()).max().unwrap_or(0);
    format!(
        "Similarity of every layer at each checkpoint to itself at the one before, at the last one, \
         and on average (weighted by log time) at all later ones, by {}. n: {} layers, {checkpoints} \
         checkpoints. A similarity of 1 is no change. Similarity to the previous checkpoint depends on \
         how far apart the two are; compare runs only on the same list. The table gives the first epoch \
         from which on so many neighboring checkpoints in a row are that similar. {}{}",
        kind.in_words(),
        layers.len(),
        words::marks(run, "thin lines"),
        words::seed_words(run)
    )
}
