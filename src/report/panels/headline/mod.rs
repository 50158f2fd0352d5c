//! The figure that carries the claim: test and train error over log epochs, and below, on
//! the same axis, epoch × epoch maps of the first, a middle and the last layer, with CKA
//! above the diagonal and the similarity of decision regions (DRS) below it.

mod columns;
mod errors;
mod layout;
mod maps;

use super::numbers::{csv, number};
use super::panel::{Block, Drawing, Figure, FigureLayout, Panel, Section};
use crate::report::figure::text::join;
use crate::report::model::{HistoryRow, MatrixSet, RunResults, Statistics};
use crate::report::words;
use crate::run_dir::RunFile;
use columns::columns;
pub(crate) use columns::leading_matrices;
use layout::Layout;

/// The panel.
pub(super) const PANEL: Panel = Panel {
    id: "headline",
    title: "Errors over the epochs, and similarity of layers with themselves",
    section: Section::Headline,
    shows: &[RunFile::History, RunFile::Phases, RunFile::Axis, RunFile::Matrix],
    blocks,
};

fn blocks(run: &RunResults) -> Vec<Block> {
    let mut blocks = vec![];
    if run.history.is_empty() && run.epochs.is_empty() {
        return vec![Block::absent("There is neither a history nor a matrix to show.")];
    }
    if run.history.is_empty() {
        let reason = "history.csv is absent or empty: there are no error curves.";
        blocks.push(Block::absent(reason));
    }
    let columns = columns(run);
    if columns.is_empty() {
        blocks.push(Block::absent(
            "There are no matrices yet, so only the errors are shown; `stratagram analyze` \
             writes them.",
        ));
    }
    let drawing = |layout: Layout| {
        let file = layout.file(PANEL.id, run.sheet);
        let (svg, size) = layout::draw(run, &columns, layout, &format!("hatch-{file}"));
        let svg = svg.finish(size, &words::title(run), &caption(run));
        Drawing { file, svg }
    };
    blocks.push(Block::Figure(Figure {
        layout: FigureLayout::Headline,
        drawings: Layout::all(run.sheet).into_iter().map(drawing).collect(),
        caption: caption(run),
        numbers: Some(numbers(run)),
    }));
    blocks
}

/// The errors; those of the maps are saved where the maps are.
fn numbers(run: &RunResults) -> String {
    let row = |row: &HistoryRow| {
        [
            row.epoch,
            row.test_error,
            row.test_error_running,
            row.train_error,
            row.train_error_clean,
            row.train_error_corrupted,
        ]
        .map(number)
    };
    let columns = [
        "epoch",
        "test_error",
        "test_error_running_bn",
        "train_error",
        "train_error_clean",
        "train_error_corrupted",
    ];
    csv(columns, run.history.iter().map(row))
}

/// The caption of the headline figure.
fn caption(run: &RunResults) -> String {
    let mut parts = vec![format!("{}.", words::title(run))];
    let test_error = match run.statistics() {
        Statistics::Recorded | Statistics::Absent => "Test error",
        Statistics::Running => "Test error with running BatchNorm statistics",
        Statistics::Recomputed => {
            "Test error with recomputed BatchNorm statistics (solid) and with running ones (dotted)"
        }
    };
    parts.push(format!(
        "{test_error}, and train error, over epochs on a scale of ln(1 + epoch); the fall from \
         chance at the left may leave the panel."
    ));
    let layers: Vec<&str> = columns(run).iter().map(|column| column.layer).collect();
    let [cka, drs] = leading_matrices(run);
    // Of a recording, the output alone may have decision regions.
    let shown = |set: &&MatrixSet| layers.iter().any(|layer| set.layer(layer).is_some());
    let drs = drs.filter(shown);
    if let (false, Some(which)) =
        (layers.is_empty(), measures([cka, drs], words::inputs(run)))
    {
        let layers: Vec<String> = layers.iter().map(|&layer| layer.to_owned()).collect();
        parts.push(format!(
            "Below, each layer ({}) against itself over the epochs: {which}. Cells reach \
             halfway to the neighbouring checkpoints.",
            join(&layers)
        ));
    }
    let marks = words::marks(run, "circles and triangles");
    if !marks.is_empty() {
        parts.push(marks.trim_end().to_owned());
    }
    parts.push(words::seed_words(run));
    parts.join(" ")
}

fn measures([cka, drs]: [Option<&MatrixSet>; 2], inputs: &str) -> Option<String> {
    let cka =
        cka.map(|set| format!("{} ({} {inputs})", words::measure_name(set), set.group));
    let drs = drs.map(|set| {
        format!(
            "similarity of the decision regions of linear probes, DRS (planes through \
                 {} {inputs})",
            set.group
        )
    });
    match (cka, drs) {
        (Some(cka), Some(drs)) => Some(format!("{cka} above the diagonal, {drs} below")),
        (one, other) => one.or(other),
    }
}
