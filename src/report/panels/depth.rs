//! Prediction depth: from which layer on the neighbours of a training image say what the net
//! says, for images with a right and with a wrong label.

use super::numbers::{csv, number};
use super::panel::{Block, Figure, Panel, Section};
use crate::report::figure::axes::LinearAxis;
use crate::report::figure::curves::{CurvePanel, line_key_below};
use crate::report::figure::svg::{Anchor, Area, Stroke, Svg, TICK, TITLE};
use crate::report::model::{DepthRow, RunResults};
use crate::report::words;
use crate::run_dir::RunFile;

/// The panel.
pub(super) const PANEL: Panel = Panel {
    id: "prediction-depth",
    title: "Prediction depth",
    section: Section::Probes,
    shows: &[RunFile::PredictionDepth, RunFile::Phases],
    blocks: |run| {
        let figure =
            |svg| Figure::new(PANEL.id, svg, caption(run)).with_numbers(numbers(run));
        drawing(run).into_iter().map(|svg| Block::Figure(figure(svg))).collect()
    },
};

/// One curve of the figure: the rows of a group.
struct Group {
    name: &'static str,
    key: &'static str,
    class: &'static str,
    colour: &'static str,
    dash: &'static str,
}

const GROUPS: [Group; 2] = [
    Group {
        name: "train-clean",
        key: "right label",
        class: "depth0",
        colour: "#0072b2",
        dash: "",
    },
    Group {
        name: "train-corrupted",
        key: "wrong label",
        class: "depth1",
        colour: "#d55e00",
        dash: "4 2",
    },
];

/// The curves' names and looks.
fn keys() -> [(&'static str, Stroke<'static>); 2] {
    GROUPS.each_ref().map(|group| {
        let Group { key, class, colour, dash, .. } = *group;
        (key, Stroke { class, colour, width: 1.3, dash })
    })
}

/// Mean prediction depths over the epochs; nothing where the run has none.
fn drawing(run: &RunResults) -> Option<String> {
    let most = run.depths.first()?.n_layers;
    let width = if run.sheet.is_paper { run.sheet.width - 36.0 } else { 274.0 };
    let area = Area { left: 30.0, top: 24.0, width, height: 110.0 };
    let values = LinearAxis::up(area, 0.0, most);
    let panel = CurvePanel { timeline: run.timeline(), area, values };
    let mut svg = Svg::on(run.sheet);
    svg.text((area.left, 10.0), Anchor::Start, TITLE, PANEL.title);
    let detail = "layers until the neighbours agree with the net";
    svg.text((area.left, 19.0), Anchor::Start, TICK, detail);
    panel.open(&mut svg, 6);
    let keys = keys();
    for (index, group) in GROUPS.iter().enumerate() {
        let rows = || run.depths.iter().filter(|row| row.group == group.name);
        if rows().next().is_none() {
            continue;
        }
        let at =
            |offset: f64| move |row: &DepthRow| (row.epoch, row.mean + offset * row.se);
        let line = keys[index].1;
        let thin = Stroke { width: 0.4, dash: "", ..line };
        for (offset, stroke) in [(-2.0, thin), (2.0, thin), (0.0, line)] {
            panel.curve(&mut svg, rows().map(at(offset)), stroke);
        }
        if !run.sheet.is_paper {
            let top = area.top + 8.0 + 10.0 * index as f64;
            line_key_below(
                &mut svg,
                &keys[index..=index],
                top,
                [area.right() + 8.0, 1e9],
            );
        }
    }
    panel.close(&mut svg);
    let mut size = (area.right() + 78.0, area.bottom() + 24.0);
    if run.sheet.is_paper {
        let ends = [area.left, run.sheet.width];
        size.1 = line_key_below(&mut svg, &keys, area.bottom() + 27.0, ends);
    }
    Some(svg.finish(size, PANEL.title, &caption(run)))
}

fn numbers(run: &RunResults) -> String {
    let row = |row: &DepthRow| {
        let [epoch, n, mean, se] = [row.epoch, row.n, row.mean, row.se].map(number);
        [row.group.clone(), epoch, n, mean, se]
    };
    csv(["group", "epoch", "n", "mean_depth", "se"], run.depths.iter().map(row))
}

fn caption(run: &RunResults) -> String {
    let n = |group: &Group| {
        let row = run.depths.iter().find(|row| row.group == group.name);
        row.map_or(0.0, |row| row.n)
    };
    let layers = run.depths.first().map_or(0.0, |row| row.n_layers);
    format!(
        "Mean prediction depth (Baldock et al. 2021) of {} training images with a right and \
         {} with a wrong label: the first layer, counted from 0, from which on the 30 \
         nearest training images of every deeper layer vote for the class that the net \
         gives; {layers} where those of the deepest layer do not. Thin lines: two standard \
         errors over images. {}",
        n(&GROUPS[0]),
        n(&GROUPS[1]),
        words::seed_words(run)
    )
}
