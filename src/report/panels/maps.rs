//! Maps of every layer with itself over the epochs: one panel for the measures of
//! representations, one for those of decision regions, each with a choice of examples.

use super::panel::{Block, Figure, MapSet, Maps, Panel, Section};
use crate::report::figure::heatmap::{EpochMap, colour_bar, define_hatch};
use crate::report::figure::metrics::fitted;
use crate::report::figure::sheet::Sheet;
use crate::report::figure::svg::{Anchor, Area, LABEL, Svg, TITLE};
use crate::report::figure::text::{capitalized, shortened};
use crate::report::model::{EpochMatrix, MatrixSet, RunResults};
use crate::report::words;
use crate::run_dir::RunFile;

const SHOWS: [RunFile; 4] =
    [RunFile::Axis, RunFile::Matrix, RunFile::Matrices, RunFile::Phases];

/// The panel of representations.
pub(super) const REPRESENTATIONS: Panel = Panel {
    id: "representation-maps",
    title: "Representations: CKA",
    section: Section::Layers,
    shows: &SHOWS,
    blocks: |run| {
        let sets = sets(run, |set| !set.kind.is_of_decisions());
        if sets.is_empty() {
            return vec![Block::absent(
                "There are no CKA matrices: matrices/cka is absent. `stratagram analyze` \
                 writes it.",
            )];
        }
        vec![Block::Maps(Maps { id: "cka", heading: REPRESENTATIONS.title, sets })]
    },
};

/// The panel of decision regions.
pub(super) const DECISIONS: Panel = Panel {
    id: "region-maps",
    title: "Decision regions: DRS",
    section: Section::Layers,
    shows: &SHOWS,
    blocks: |run| {
        let sets = sets(run, |set| set.kind.is_of_decisions());
        if !sets.is_empty() {
            return vec![Block::Maps(Maps { id: "drs", heading: DECISIONS.title, sets })];
        }
        vec![Block::absent(if run.is_recorded() {
            "No decisions were recorded: given planes=…, the recorder compares the decision \
             regions of the output."
        } else {
            "There are no matrices of decision regions: matrices/drs is absent. `stratagram \
             analyze` writes it."
        })]
    },
};

/// The sets of one kind of measure.
fn sets(run: &RunResults, is_kind: fn(&MatrixSet) -> bool) -> Vec<MapSet> {
    let found = run.matrices.iter().enumerate().filter(|(_, set)| is_kind(set));
    found.map(|(index, set)| MapSet { index, figure: figure(run, set) }).collect()
}

/// All layers of a measure.
fn figure(run: &RunResults, set: &MatrixSet) -> Figure {
    let (title, caption) = words_of(run, set);
    let file =
        format!("{}-{}", words::slug(&set.kind.to_string()), words::slug(&set.group));
    let (svg, size) = drawing(run, set, &format!("hatch-{file}"));
    Figure::new(file, svg.finish(size, &title, &caption), caption)
}

/// Maps in a row.
const PER_ROW: usize = 4;
const SIDE: f64 = 104.0;
const GAP: f64 = 12.0;
const LEFT: f64 = 30.0;
const TOP: f64 = 14.0;
/// Width of the colour bar and its numbers.
const BAR: f64 = 30.0;

/// How many maps a row has, and the length of their sides.
fn tiles(sheet: Sheet) -> (usize, f64) {
    if !sheet.is_paper {
        return (PER_ROW, SIDE);
    }
    let room = sheet.width - LEFT - BAR - 2.0;
    let per_row = if sheet.is_narrow() { 2 } else { PER_ROW };
    (per_row, room / per_row as f64 - GAP)
}

fn drawing(run: &RunResults, set: &MatrixSet, hatch: &str) -> (Svg, (f64, f64)) {
    let (per_row, side) = tiles(run.sheet);
    let columns = per_row.min(set.layers.len()).max(1);
    let rows = set.layers.len().div_ceil(per_row);
    let row_height = side + 26.0;
    let timeline = run.timeline();
    let mut svg = Svg::on(run.sheet);
    define_hatch(&mut svg, hatch);
    let names: Vec<&str> = set.layers.iter().map(|m| m.layer.as_str()).collect();
    let names = shortened(&names);
    for (index, matrix) in set.layers.iter().enumerate() {
        let (column, row) = (index % per_row, index / per_row);
        let area = Area {
            left: LEFT + column as f64 * (side + GAP),
            top: TOP + row as f64 * row_height,
            width: side,
            height: side,
        };
        svg.text(
            (area.left, area.top - 5.0),
            Anchor::Start,
            TITLE,
            &fitted(&names[index], TITLE, side + GAP - 3.0),
        );
        let map = EpochMap { timeline, epochs: &run.epochs, area, hatch };
        map.draw(&mut svg, |i, j| matrix.value(i, j));
        timeline.ticks_below(&mut svg, area, true);
        timeline.ticks_left(&mut svg, area, column == 0);
        // Only maps with nothing beneath them carry the name of the axis.
        if index + per_row >= set.layers.len() {
            let place = (area.left + side / 2.0, area.bottom() + 16.5);
            svg.text(place, Anchor::Middle, LABEL, "epoch");
        }
        if column == 0 {
            svg.text_upwards((8.0, area.top + side / 2.0), "epoch");
        }
    }
    let bar_left = LEFT + columns as f64 * (side + GAP) + 2.0;
    colour_bar(&mut svg, bar_left, TOP, side);
    (svg, (bar_left + BAR, TOP + rows as f64 * row_height))
}

/// Title and caption of the figure of all layers.
fn words_of(run: &RunResults, set: &MatrixSet) -> (String, String) {
    let name = words::measure_name(set);
    let examples = words::examples(run, &set.kind, &set.group);
    let title = format!("{name} of every layer with itself over the epochs, {examples}");
    let n = set.layers.first().map_or(0, EpochMatrix::n_epochs);
    let outside: usize = set.layers.iter().map(EpochMatrix::outside).sum();
    let mut caption = format!(
        "{}, {}; {n} checkpoint{} on ln(1 + epoch), colours from 0 to 1.",
        capitalized(&title),
        words::order_of_layers(run),
        if n == 1 { "" } else { "s" }
    );
    if outside > 0 {
        caption += &format!(
            " {outside} cells lie outside 0–1 and have the colour of that end; their numbers \
             are not changed."
        );
    }
    if set.layers.iter().any(|m| m.values.iter().any(|v| v.is_nan())) {
        caption += " Hatched cells are undefined.";
    }
    caption += &format!(" {}{}", words::marks(run, "triangles"), words::seed_words(run));
    (title, caption)
}
