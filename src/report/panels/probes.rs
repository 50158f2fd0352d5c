//! Linear probes: accuracy by layer over the epochs, and by depth at a few epochs.

use super::numbers::{csv, number};
use super::panel::{Block, Figure, Panel, Section};
use crate::report::figure::axes::{LinearAxis, epoch_label};
use crate::report::figure::curves::{
    CurvePanel, Shade, distinct, layer_ticks, of_layer, slant_of, value_ticks,
};
use crate::report::figure::grid::Grid;
use crate::report::figure::metrics;
use crate::report::figure::svg::{Anchor, Area, Px, Stroke, Svg, TICK};
use crate::report::figure::text::shortened;
use crate::report::model::{ProbeRow, RunResults};
use crate::report::words;
use crate::run_dir::RunFile;

/// The panel.
pub(super) const PANEL: Panel = Panel {
    id: "probes",
    title: "Accuracy of linear probes",
    section: Section::Probes,
    shows: &[RunFile::Probes, RunFile::Phases],
    blocks: |run| {
        if !run.probes.is_empty() {
            let figure = Figure::new(PANEL.id, drawing(run), caption(run));
            return vec![Block::Figure(figure.with_numbers(numbers(run)))];
        }
        vec![Block::absent(if run.is_recorded() {
            "No probes were recorded: given probes=…, the recorder fits a linear probe of each layer."
        } else {
            "probes.csv is absent or empty: no probe was trained in this run."
        })]
    },
};

/// What a column of the figure shows.
struct Quantity<'a> {
    title: &'static str,
    detail: String,
    /// The value of a row.
    value: fn(&ProbeRow) -> f64,
    /// Of these probes.
    rows: &'a [ProbeRow],
    /// The lower end of its axis.
    from: f64,
}

/// The columns from left to right.
fn quantities(run: &RunResults) -> Vec<Quantity<'_>> {
    let mut quantities = vec![test_accuracy(run, &run.probes)];
    if !run.other_probes.is_empty() {
        quantities.push(test_accuracy(run, &run.other_probes));
    }
    let held_out = |title, detail: &str, value| Quantity {
        title,
        detail: detail.into(),
        value,
        rows: &run.probes,
        from: 0.0,
    };
    let noisy = "noisy labels, corrupted images held out";
    let memorized: fn(&ProbeRow) -> f64 = |row| row.heldout_corrupted_noisy;
    quantities.push(held_out("Memorization", noisy, memorized));
    let truth = "true labels, corrupted images held out";
    quantities.push(held_out("Recovery", truth, |row| row.heldout_corrupted_true));
    quantities
}

/// Test accuracy, on the part of the axis that all probes of the run use.
fn test_accuracy<'a>(run: &RunResults, rows: &'a [ProbeRow]) -> Quantity<'a> {
    let trained = rows.first().map_or("", |row| trained_on(run, &row.labels));
    let others = run.other_probes.iter().chain(&run.pixels);
    let values = run.probes.iter().chain(others).map(|row| row.test_accuracy);
    let lowest = values.filter(|value| value.is_finite()).fold(1.0, f64::min);
    Quantity {
        title: "Test accuracy",
        detail: format!("test images; trained on {trained} labels"),
        value: |row| row.test_accuracy,
        rows,
        from: ((lowest * 10.0 - 0.2).floor() / 10.0).clamp(0.0, 0.9),
    }
}

/// Which labels a probe was trained on; of a recording's it is not known what they are.
fn trained_on(run: &RunResults, labels: &str) -> &'static str {
    match labels {
        _ if run.is_recorded() => "given",
        "clean" => "true",
        _ => "noisy",
    }
}

const LEFT: f64 = 30.0;
const WIDTH: f64 = 128.0;
const HEIGHT: f64 = 92.0;
const GAP: f64 = 18.0;

/// Probe accuracies of a run that has probes.
fn drawing(run: &RunResults) -> String {
    let layers = distinct(run.probes.iter().map(|row| row.layer.as_str()));
    let names = shortened(&layers);
    let mut svg = Svg::on(run.sheet);
    let quantities = quantities(run);
    let details: Vec<&str> = quantities.iter().map(|q| q.detail.as_str()).collect();
    let grid = Grid::new(run.sheet, &details, LEFT, (WIDTH, HEIGHT), GAP);
    let slanted = slant_of(&names) + 14.0;
    let lower = grid.below(slanted - Grid::BELOW + 4.0);
    for (index, quantity) in quantities.iter().enumerate() {
        let column = Column { run, layers: &layers, names: &names, quantity };
        grid.head(&mut svg, index, quantity.title, &quantity.detail);
        column.over_time(&mut svg, grid.area(index));
        if run.sheet.is_paper {
            lower.head(&mut svg, index, quantity.title, &quantity.detail);
        }
        column.by_depth(&mut svg, lower.area(index));
    }
    let bottom = lower.bottom();
    let size = if run.sheet.is_paper {
        let (right, bottom) = grid.layer_key(&mut svg, &layers, bottom);
        (right, epoch_key_below(&mut svg, run, bottom + 5.0))
    } else {
        epoch_key(&mut svg, run, (grid.right() + 14.0, lower.area(0).top));
        grid.layer_key(&mut svg, &layers, bottom)
    };
    svg.finish(size, "Linear probes by layer", &caption(run))
}

fn numbers(run: &RunResults) -> String {
    let row = |row: &ProbeRow| {
        let held_out = [row.heldout_corrupted_noisy, row.heldout_corrupted_true];
        let [noisy, truth] = held_out.map(number);
        let (layer, labels) = (row.layer.clone(), row.labels.clone());
        let accuracy = number(row.test_accuracy);
        [layer, number(row.epoch), labels, number(row.l2), accuracy, noisy, truth]
    };
    let columns = [
        "layer",
        "epoch",
        "labels",
        "l2",
        "test_accuracy",
        "heldout_corrupted_noisy",
        "heldout_corrupted_true",
    ];
    let rows = run.probes.iter().chain(&run.other_probes).chain(&run.pixels);
    csv(columns, rows.map(row))
}

/// The caption of the figure.
fn caption(run: &RunResults) -> String {
    let trained = run.probes.first().map_or("", |row| trained_on(run, &row.labels));
    let pixels =
        if run.pixels.is_empty() { "" } else { " Dotted: the same probe on the pixels." };
    let starts = run.probes.first().is_some_and(|row| row.epoch == 0.0);
    let is_own = !run.is_recorded() && !run.is_imported();
    let random = if starts && is_own && !run.experiment.contains_key("init") {
        " Epoch 0 is the randomly initialized net."
    } else {
        ""
    };
    let other = if run.other_probes.is_empty() {
        String::new()
    } else {
        " Beside it the probes trained on the other labels.".into()
    };
    let by = if run.is_recorded() { "by layer" } else { "by depth" };
    format!(
        "Accuracy of linear probes trained on the {trained} labels of each layer’s \
         representation, over the epochs (top; dashed: perfect fit) and {by} at a few epochs \
         (bottom).{other}{pixels}{random} Memorization: how often a probe that has \
         not seen an image gives its wrong training label; recovery: its true one \
         (cross-validated). {}",
        words::seed_words(run)
    )
}

/// One quantity of all layers.
struct Column<'a> {
    run: &'a RunResults,
    layers: &'a [&'a str],
    /// The same, short.
    names: &'a [String],
    quantity: &'a Quantity<'a>,
}

impl Column<'_> {
    fn axis(&self, area: Area) -> LinearAxis {
        LinearAxis::up(area, self.quantity.from, 1.0)
    }

    fn over_time(&self, svg: &mut Svg, area: Area) {
        let timeline = self.run.timeline();
        let panel = CurvePanel { timeline, area, values: self.axis(area) };
        panel.open(svg, 5);
        for (index, layer) in self.layers.iter().enumerate() {
            let rows = self.quantity.rows.iter().filter(|row| row.layer == *layer);
            let points = rows.map(|row| (row.epoch, (self.quantity.value)(row)));
            let shade = Shade::of(index, self.layers.len());
            of_layer(svg, layer, |svg| panel.curve(svg, points, shade.stroke(1.1)));
        }
        self.pixels(svg, area);
        self.absent(svg, area);
        panel.close(svg);
    }

    fn by_depth(&self, svg: &mut Svg, area: Area) {
        let axis = self.axis(area);
        value_ticks(svg, area, axis, 5, true);
        let step = area.width / self.layers.len() as f64;
        let at = |index: usize| area.left + (index as f64 + 0.5) * step;
        layer_ticks(svg, area, self.names, at);
        let chosen = chosen_epochs(self.run);
        for (index, (epoch, _)) in chosen.iter().enumerate() {
            let value = |layer: &&str| {
                let of = |row: &&ProbeRow| {
                    row.layer == **layer && (row.epoch - epoch).abs() < 1e-9
                };
                let row = self.quantity.rows.iter().find(of);
                row.map_or(f64::NAN, self.quantity.value)
            };
            let places = self.layers.iter().enumerate();
            let points: Vec<(f64, f64)> =
                places.map(|(place, layer)| (at(place), axis.at(value(layer)))).collect();
            let shade = Shade::of(index, chosen.len());
            svg.polyline(&points, shade.stroke(1.0));
            for (x, y) in points.into_iter().filter(|(_, y)| y.is_finite()) {
                marker(svg, (x, y), index, &shade);
            }
        }
        self.absent(svg, area);
        svg.frame(area);
        self.pixels(svg, area);
    }

    /// The level of the probe on the pixels, across the panel of the same labels.
    fn pixels(&self, svg: &mut Svg, area: Area) {
        let Quantity { rows, value, .. } = self.quantity;
        let same = |row: &&ProbeRow| {
            rows.first().is_some_and(|first| first.labels == row.labels)
        };
        let level = self.run.pixels.iter().find(same).map_or(f64::NAN, value);
        if level.is_finite() {
            let y = self.axis(area).at(level);
            let dotted =
                Stroke { class: "fit", colour: "#16181d", width: 0.7, dash: "1 2" };
            svg.line((area.left, y), (area.right(), y), dotted);
        }
    }

    /// Says so where a quantity does not exist: without corrupted labels nothing is memorized.
    fn absent(&self, svg: &mut Svg, area: Area) {
        let Quantity { rows, value, .. } = self.quantity;
        if rows.iter().all(|row| !value(row).is_finite()) {
            let middle = (area.left + area.width / 2.0, area.top + area.height / 2.0);
            let lines =
                metrics::lines("not recorded in this run", TICK, area.width - 4.0);
            for (at, line) in lines.iter().enumerate() {
                let place = (middle.0, middle.1 + 8.0 * at as f64);
                svg.text(place, Anchor::Middle, TICK, line);
            }
        }
    }
}

/// The epochs of the lower row: initialization, the turns of the test error, the end.
fn chosen_epochs(run: &RunResults) -> Vec<(f64, String)> {
    let phases = &run.phases;
    let recorded: Vec<f64> = {
        let mut epochs: Vec<f64> = run.probes.iter().map(|row| row.epoch).collect();
        epochs.sort_by(f64::total_cmp);
        epochs.dedup();
        epochs
    };
    let (Some(&first), Some(&last)) = (recorded.first(), recorded.last()) else {
        return vec![];
    };
    let wanted = [
        (Some(first), ""),
        (phases.min, "min"),
        (phases.peak, "peak"),
        (phases.second_min, "2nd min"),
        (Some(last), ""),
    ];
    let mut chosen: Vec<(f64, String)> = vec![];
    let nearest = |wanted: f64| {
        let distance = |epoch: &f64| (epoch.ln_1p() - wanted.ln_1p()).abs();
        recorded.iter().copied().min_by(|a, b| distance(a).total_cmp(&distance(b)))
    };
    for (epoch, name) in wanted {
        if let Some((wanted, found)) = epoch.and_then(|e| Some((e, nearest(e)?)))
            && chosen.iter().all(|(other, _)| (*other - found).abs() > 1e-9)
        {
            let name = match name {
                "" => String::new(),
                name if (wanted - found).abs() < 1e-9 => format!(" ({name})"),
                name => format!(" (≈ {name})"),
            };
            chosen.push((found, format!("epoch {}{name}", epoch_label(found))));
        }
    }
    chosen.sort_by(|a, b| a.0.total_cmp(&b.0));
    chosen
}

/// Circle, square, triangle, diamond, inverted triangle: by position in time.
fn marker(svg: &mut Svg, (x, y): (f64, f64), index: usize, shade: &Shade) {
    let shape = match index % 5 {
        0 => "m-1.9 0a1.9 1.9 0 1 0 3.8 0a1.9 1.9 0 1 0 -3.8 0z",
        1 => "m-1.7 -1.7h3.4v3.4h-3.4z",
        2 => "m0 -2.3l2.2 3.9h-4.4z",
        3 => "m0 -2.4l2.4 2.4l-2.4 2.4l-2.4 -2.4z",
        _ => "m0 2.3l2.2 -3.9h-4.4z",
    };
    let Shade { colour, class } = shade;
    svg.raw(format_args!(
        "<path class=\"marker {class}\" fill=\"{colour}\" d=\"M{} {}{shape}\"/>",
        Px(x),
        Px(y)
    ));
}

fn epoch_key(svg: &mut Svg, run: &RunResults, (left, top): (f64, f64)) {
    let chosen = chosen_epochs(run);
    for index in 0..chosen.len() {
        epoch_entry(svg, &chosen, index, (left, top + 6.0 + index as f64 * 9.5));
    }
}

/// The same in rows below a figure. Returns where they end.
fn epoch_key_below(svg: &mut Svg, run: &RunResults, top: f64) -> f64 {
    let chosen = chosen_epochs(run);
    let (mut x, mut y) = (3.0, top);
    for (index, (_, name)) in chosen.iter().enumerate() {
        let width = 12.0 + metrics::width(name, TICK);
        if x > 3.0 && x + width > run.sheet.width - 3.0 {
            (x, y) = (3.0, y + 8.0);
        }
        epoch_entry(svg, &chosen, index, (x, y));
        x += width + 7.0;
    }
    y + 5.0
}

/// The sample of an epoch and its name.
fn epoch_entry(
    svg: &mut Svg,
    chosen: &[(f64, String)],
    index: usize,
    (left, y): (f64, f64),
) {
    let shade = Shade::of(index, chosen.len());
    svg.line((left, y - 2.0), (left + 9.0, y - 2.0), shade.stroke(1.0));
    marker(svg, (left + 4.5, y - 2.0), index, &shade);
    svg.text((left + 12.0, y), Anchor::Start, TICK, &chosen[index].1);
}
