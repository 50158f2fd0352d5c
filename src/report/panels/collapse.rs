//! Neural collapse: whether the representations of each class come together in one point, and the
//! points in the corners of a simplex, of examples with a right and with a wrong label.

use std::collections::BTreeSet;

use super::numbers::{csv, number};
use super::panel::{Block, Figure, Panel, Section};
use crate::report::figure::axes::{LinearAxis, ceiling};
use crate::report::figure::curves::{CurvePanel, Shade, distinct, of_layer};
use crate::report::figure::grid::Grid;
use crate::report::figure::svg::{Anchor, Area, LABEL, Svg};
use crate::report::model::RunResults;
use crate::report::words;
use crate::run_dir::RunFile;
use crate::run_dir::tables::CollapseRow;

/// The panel.
pub(super) const PANEL: Panel = Panel {
    id: "collapse",
    title: "Neural collapse by layer",
    section: Section::Layers,
    shows: &[RunFile::Collapse, RunFile::Phases],
    blocks: |run| {
        let sets = sets(run);
        if sets.is_empty() {
            return vec![];
        }
        let figure = |file: String, sets: &[Set<'_>]| {
            let caption = caption(run, sets);
            let figure = Figure::new(file, drawing(run, sets, &caption), caption);
            Block::Figure(figure.with_numbers(numbers(sets)))
        };
        let figures = if run.sheet.is_paper {
            // One would be longer than a page.
            let one = |set: &Set<'_>| {
                figure(format!("{}-{}", PANEL.id, set.slug), std::slice::from_ref(set))
            };
            sets.iter().map(one).collect()
        } else {
            vec![figure(PANEL.id.into(), &sets)]
        };
        let summary = "Neural collapse: classes that become points (NC1–NC4)";
        Block::folded(summary, figures).into_iter().collect()
    },
};

/// The rows of a group by one kind of labels.
struct Set<'a> {
    title: String,
    /// Part of the name of its file.
    slug: String,
    rows: Vec<&'a CollapseRow>,
}

/// A group, its labels, and what its row of the figure is called.
const SETS: [(&str, &str, &str); 4] = [
    ("train-clean", "clean", "training, right labels"),
    ("train-corrupted", "noisy", "training, wrong labels as given"),
    ("train-corrupted", "clean", "wrong labels, by their true ones"),
    ("test", "clean", "test"),
];

fn sets(run: &RunResults) -> Vec<Set<'_>> {
    let known =
        SETS.iter().map(|(group, labels, title)| (*group, *labels, String::from(*title)));
    let places = run.collapse.iter().map(|row| (&*row.group, &*row.labels));
    let is_known = |place: &(&str, &str)| SETS.iter().any(|set| (set.0, set.1) == *place);
    let others: BTreeSet<_> = places.filter(|place| !is_known(place)).collect();
    let others = others.into_iter().map(|(group, labels)| {
        let title = if labels == "clean" {
            group.into()
        } else {
            format!("{group}, {labels} labels")
        };
        (group, labels, title)
    });
    let set = |(group, labels, title): (&str, &str, String)| {
        let is_of = |row: &&CollapseRow| row.group == group && row.labels == labels;
        let slug = words::slug(&format!("{group}-{labels}"));
        Set { title, slug, rows: run.collapse.iter().filter(is_of).collect() }
    };
    let is_shown = |set: &Set<'_>| set.rows.iter().any(|row| row.nc1.0.is_finite());
    known.chain(others).map(set).filter(is_shown).collect()
}

/// What a column of the figure shows.
struct Column {
    title: &'static str,
    detail: &'static str,
    value: fn(&CollapseRow) -> f64,
}

const COLUMNS: [Column; 5] = [
    Column {
        title: "NC1",
        detail: "log₁₀ of within / between",
        value: |row| row.nc1.0.log10(),
    },
    Column {
        title: "NC2: norms",
        detail: "spread of class means",
        value: |row| row.nc2_norms.0,
    },
    Column {
        title: "NC2: angles",
        detail: "distance from a simplex",
        value: |row| row.nc2_simplex.0,
    },
    Column { title: "NC3", detail: "classifier and means", value: |row| row.nc3.0 },
    Column { title: "NC4", detail: "nearest mean ≠ answer", value: |row| row.nc4.0 },
];

const LEFT: f64 = 26.0;
/// Height of the name of a set.
const ROW_HEAD: f64 = 10.0;
const WIDTH: f64 = 86.0;
const HEIGHT: f64 = 66.0;
const GAP: f64 = 22.0;
const ROW_GAP: f64 = 36.0;

fn drawing(run: &RunResults, sets: &[Set<'_>], caption: &str) -> String {
    let layers = distinct(run.collapse.iter().map(|row| row.layer.as_str()));
    let mut svg = Svg::on(run.sheet);
    let details = COLUMNS.each_ref().map(|column| column.detail);
    let grid = Grid::new(run.sheet, &details, LEFT, (WIDTH, HEIGHT), GAP).moved(ROW_HEAD);
    for (index, column) in COLUMNS.iter().enumerate() {
        grid.head_above(
            &mut svg,
            index,
            (column.title, column.detail),
            if run.sheet.is_paper { 0.0 } else { ROW_HEAD },
        );
        let range = range(column, sets);
        for (row, set) in sets.iter().enumerate() {
            let first = grid.area(index);
            let area = Area { top: first.top + row as f64 * (HEIGHT + ROW_GAP), ..first };
            if index == 0 {
                let above = if run.sheet.is_paper { 8.0 } else { area.top - 4.0 };
                svg.text((area.left, above), Anchor::Start, LABEL, &set.title);
            }
            let values = LinearAxis::up(area, range.0, range.1);
            let panel = CurvePanel { timeline: run.timeline(), area, values };
            panel.open(&mut svg, 4);
            for (at, layer) in layers.iter().enumerate() {
                let rows = set.rows.iter().filter(|row| row.layer == *layer);
                let points = rows.map(|row| (row.epoch.0, (column.value)(row)));
                let stroke = Shade::of(at, layers.len());
                of_layer(&mut svg, layer, |svg| {
                    panel.curve(svg, points, stroke.stroke(1.1));
                });
            }
            panel.close(&mut svg);
        }
    }
    let bottom = grid.bottom() + (sets.len() - 1) as f64 * (HEIGHT + ROW_GAP);
    let size = grid.layer_key(&mut svg, &layers, bottom);
    svg.finish(size, PANEL.title, caption)
}

fn numbers(sets: &[Set<'_>]) -> String {
    let row = |row: &&CollapseRow| {
        let CollapseRow { nc1, nc2_norms, nc2_simplex, nc3, nc4, .. } = row;
        let values = [nc1.0, nc2_norms.0, nc2_simplex.0, nc3.0, nc4.0].map(number);
        let [nc1, norms, simplex, nc3, nc4] = values;
        let [layer, group, labels] =
            [&row.layer, &row.group, &row.labels].map(String::clone);
        [layer, number(row.epoch.0), group, labels, nc1, norms, simplex, nc3, nc4]
    };
    let columns = [
        "layer",
        "epoch",
        "group",
        "labels",
        "nc1",
        "nc2_norms",
        "nc2_simplex",
        "nc3",
        "nc4",
    ];
    csv(columns, sets.iter().flat_map(|set| &set.rows).map(row))
}

/// The range of a column's axis, the same in all rows: powers of ten whole, others from 0.
fn range(column: &Column, sets: &[Set<'_>]) -> (f64, f64) {
    let values = sets.iter().flat_map(|set| &set.rows).map(|row| (column.value)(row));
    let values: Vec<f64> = values.filter(|value| value.is_finite()).collect();
    let least = values.iter().copied().fold(0.0, f64::min);
    let most = values.iter().copied().fold(0.0, f64::max);
    if least < 0.0 {
        (least.floor(), most.ceil())
    } else {
        (0.0, if most > 1.0 { most * 1.05 } else { ceiling(most) })
    }
}

fn caption(run: &RunResults, sets: &[Set<'_>]) -> String {
    let fewest = sets.iter().flat_map(|set| &set.rows).map(|row| row.fewest).min();
    format!(
        "Neural collapse (Papyan, Han and Donoho 2020) of every layer at each checkpoint, on the \
         examples of the matrices, at least {} of each class; which labels make the classes stands \
         above each row. NC1: variability within classes over that between, tr(Σ_W Σ_B⁺)/C. NC2: \
         standard deviation over mean of the norms of the centered class means, and their cosines’ \
         mean distance from −1/(C − 1). NC3: squared distance between the classifier and the class \
         means, both of norm 1, at the layer that it reads. NC4: the share of examples whose nearest \
         class mean is not the net’s answer. All are 0 in a collapsed net. Few examples of a class \
         raise NC1 and NC2; compare layers and epochs, and groups of equal sizes. {}",
        fewest.unwrap_or(0),
        words::seed_words(run)
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run_dir::{Maybe, Number, Quoted};

    fn row(group: &str, labels: &str, nc1: f64) -> CollapseRow {
        CollapseRow {
            layer: "fc".into(),
            step: 8,
            epoch: Number(1.0),
            group: group.into(),
            labels: labels.into(),
            fewest: 20,
            nc1: Maybe(nc1),
            nc2_norms: Maybe(0.1),
            nc2_angles: Maybe(0.2),
            nc2_simplex: Maybe(0.3),
            nc3: Maybe(f64::NAN),
            nc4: Maybe(0.0),
            reason: Quoted(String::new()),
        }
    }

    #[test]
    fn a_row_for_each_group_and_labels_that_have_values() {
        let mut run = RunResults::default();
        assert!((PANEL.blocks)(&run).is_empty());
        run.collapse = vec![
            row("test", "clean", 0.01),
            row("train-corrupted", "noisy", 30.0),
            row("held-out", "clean", 0.1),
            row("train-clean", "clean", f64::NAN),
        ];
        let sets = sets(&run);
        let titles: Vec<&str> = sets.iter().map(|set| &*set.title).collect();
        assert_eq!(titles, ["training, wrong labels as given", "test", "held-out"]);
        assert_eq!(range(&COLUMNS[0], &sets), (-2.0, 2.0));
        assert_eq!(range(&COLUMNS[3], &sets).0, 0.0);
    }
}
