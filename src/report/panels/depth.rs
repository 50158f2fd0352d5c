//! Prediction depth: from which layer on the neighbours of a training image say what the net
//! says, for images with a right and with a wrong label.

use crate::report::figure::axes::LinearAxis;
use crate::report::figure::curves::{
    Marks, across, curve, epoch_ticks_below, mark_lines, sensitive, value_ticks,
};
use crate::report::figure::svg::{Anchor, Area, LABEL, Stroke, Svg, TICK, TITLE};
use crate::report::model::{DepthRow, RunResults};
use crate::report::words;

/// Group, name in the key, colour and dash.
const GROUPS: [(&str, &str, &str, &str); 2] = [
    ("train-clean", "right label", "#0072b2", ""),
    ("train-corrupted", "wrong label", "#d55e00", "4 2"),
];

/// Mean prediction depths over the epochs as an SVG file; nothing where the run has none.
pub fn depth_figure(run: &RunResults) -> Option<String> {
    let most = run.depths.first()?.n_layers;
    let area = Area { left: 30.0, top: 24.0, width: 274.0, height: 110.0 };
    let axis = LinearAxis::up(area, 0.0, most);
    let x = across(run, area);
    let mut svg = Svg::default();
    svg.text((area.left, 10.0), Anchor::Start, TITLE, "Prediction depth");
    let detail = "layers until the neighbours agree with the net";
    svg.text((area.left, 19.0), Anchor::Start, TICK, detail);
    value_ticks(&mut svg, area, axis, (6, true));
    mark_lines(&mut svg, area, x, Marks::of(run));
    for (index, (group, name, colour, dash)) in GROUPS.into_iter().enumerate() {
        let rows = || run.depths.iter().filter(move |row| row.group == group);
        if rows().next().is_none() {
            continue;
        }
        let at =
            |offset: f64| move |row: &DepthRow| (row.epoch, row.mean + offset * row.se);
        let class = format!("depth{index}");
        let line = Stroke { class: &class, colour, width: 1.3, dash };
        let thin = Stroke { class: &class, colour, width: 0.4, dash: "" };
        for (offset, stroke) in [(-2.0, thin), (2.0, thin), (0.0, line)] {
            svg.polyline(&curve(rows().map(at(offset)), x, axis), stroke);
        }
        let y = area.top + 8.0 + 10.0 * index as f64;
        let left = area.right() + 8.0;
        svg.line((left, y - 2.0), (left + 14.0, y - 2.0), line);
        svg.text((left + 17.0, y), Anchor::Start, TICK, name);
    }
    svg.frame(area);
    epoch_ticks_below(&mut svg, area, x, true);
    let place = (area.left + area.width / 2.0, area.bottom() + 17.0);
    svg.text(place, Anchor::Middle, LABEL, "epoch");
    sensitive(&mut svg, area, x, None);
    let size = (area.right() + 74.0, area.bottom() + 24.0);
    Some(svg.finish(size, "Prediction depth", &depth_caption(run)))
}

/// The caption of the figure.
pub(crate) fn depth_caption(run: &RunResults) -> String {
    let n = |group: &str| {
        let row = run.depths.iter().find(|row| row.group == group);
        row.map_or(0.0, |row| row.n)
    };
    let layers = run.depths.first().map_or(0.0, |row| row.n_layers);
    format!(
        "Mean prediction depth (Baldock et al. 2021) of {} training images with a right and \
         {} with a wrong label: the first layer, counted from 0, from which on the 30 \
         nearest training images of every deeper layer vote for the class that the net \
         gives; {layers} where those of the deepest layer do not. Thin lines: two standard \
         errors over images. {}",
        n("train-clean"),
        n("train-corrupted"),
        words::seed_words(run)
    )
}
