//! Linear probes: accuracy by layer over the epochs, and by depth at a few epochs.

use crate::report::figure::axes::{LinearAxis, epoch_label};
use crate::report::figure::curves::{
    Marks, across, curve, epoch_ticks_below, mark_lines, sensitive, value_ticks,
};
use crate::report::figure::svg::{
    Anchor, Area, FRAME, GRID, LABEL, Px, Stroke, Svg, TICK, TITLE,
};
use crate::report::figure::viridis;
use crate::report::model::{ProbeRow, RunResults};
use crate::report::words;

/// What a panel shows: its title, a second line, the column, and of which probes.
struct Quantity {
    title: &'static str,
    detail: String,
    value: fn(&ProbeRow) -> f64,
    rows: fn(&RunResults) -> &[ProbeRow],
}

fn own(run: &RunResults) -> &[ProbeRow] {
    &run.probes
}

/// The panels from left to right.
fn quantities(run: &RunResults) -> Vec<Quantity> {
    let trained = |rows: &[ProbeRow]| {
        let trained = rows.first().map_or("", |row| trained(&row.labels));
        format!("test images; trained on {trained} labels")
    };
    let test = |rows: fn(&RunResults) -> &[ProbeRow]| Quantity {
        title: "Test accuracy",
        detail: trained(rows(run)),
        value: |row| row.test_accuracy,
        rows,
    };
    let mut quantities = vec![test(own)];
    if !run.other_probes.is_empty() {
        quantities.push(test(|run| &run.other_probes));
    }
    quantities.push(Quantity {
        title: "Memorization",
        detail: "noisy labels, corrupted images held out".into(),
        value: |row| row.heldout_corrupted_noisy,
        rows: own,
    });
    quantities.push(Quantity {
        title: "Recovery",
        detail: "true labels, corrupted images held out".into(),
        value: |row| row.heldout_corrupted_true,
        rows: own,
    });
    quantities
}

fn trained(labels: &str) -> &'static str {
    match labels {
        "clean" => "true",
        _ => "noisy",
    }
}

const LEFT: f64 = 30.0;
const WIDTH: f64 = 128.0;
const HEIGHT: f64 = 92.0;
const GAP: f64 = 18.0;

/// Probe accuracies as an SVG file; nothing where the run has no probes.
pub fn probes_figure(run: &RunResults) -> Option<String> {
    let layers = layers(run);
    if layers.is_empty() {
        return None;
    }
    let mut svg = Svg::default();
    let longest =
        layers.iter().map(|layer| words::text_width(&words::short(layer), 6.0, false));
    let slant = longest.fold(0.0, f64::max) * 0.75;
    let quantities = quantities(run);
    let key_left = LEFT + quantities.len() as f64 * (WIDTH + GAP) - 4.0;
    let time_top = 24.0;
    let depth_top = time_top + HEIGHT + 48.0;
    for (index, quantity) in quantities.iter().enumerate() {
        let left = LEFT + index as f64 * (WIDTH + GAP);
        let area = Area { left, top: time_top, width: WIDTH, height: HEIGHT };
        let axis = value_axis(run, area, quantity);
        svg.text((left, time_top - 14.0), Anchor::Start, TITLE, quantity.title);
        svg.text((left, time_top - 5.0), Anchor::Start, TICK, &quantity.detail);
        over_time(&mut svg, run, &layers, (area, axis, quantity));
        let area = Area { top: depth_top, ..area };
        let axis = value_axis(run, area, quantity);
        by_depth(&mut svg, run, &layers, (area, axis, quantity));
        pixels(&mut svg, run, (area, axis, quantity));
    }
    layer_key(&mut svg, &layers, key_left, time_top);
    epoch_key(&mut svg, run, key_left, depth_top);
    let size = (key_left + 74.0, depth_top + HEIGHT + slant + 14.0);
    let title = "Linear probes by layer";
    Some(svg.finish(size, title, &probes_caption(run)))
}

/// The caption of the figure.
pub(crate) fn probes_caption(run: &RunResults) -> String {
    let trained = run.probes.first().map_or("", |row| trained(&row.labels));
    let pixels =
        if run.pixels.is_empty() { "" } else { " Dotted: the same probe on the pixels." };
    let starts = run.probes.first().is_some_and(|row| row.epoch == 0.0);
    let random = if starts && !run.experiment.contains_key("init") {
        " Epoch 0 is the randomly initialized net."
    } else {
        ""
    };
    let other = if run.other_probes.is_empty() {
        String::new()
    } else {
        " Beside it the probes trained on the other labels.".into()
    };
    format!(
        "Accuracy of linear probes trained on the {trained} labels of each layer’s \
         representation, over the epochs (top; dashed: perfect fit) and by depth at a few \
         epochs (bottom).{other}{pixels}{random} Memorization: how often a probe that has \
         not seen an image gives its wrong training label; recovery: its true one \
         (cross-validated). {}",
        words::seed_words(run)
    )
}

/// Layers in depth order, as the rows have them.
fn layers(run: &RunResults) -> Vec<&str> {
    let mut layers: Vec<&str> = vec![];
    for row in &run.probes {
        if layers.last() != Some(&row.layer.as_str()) {
            layers.push(&row.layer);
        }
    }
    layers
}

/// 0 to 1; for test accuracies the part that they use once training has begun.
fn value_axis(run: &RunResults, area: Area, quantity: &Quantity) -> LinearAxis {
    let others = run.other_probes.iter().chain(&run.pixels);
    let rows = run.probes.iter().chain(others).map(quantity.value);
    let lowest = rows.filter(|value| value.is_finite()).fold(1.0, f64::min);
    let from = match quantity.title {
        "Test accuracy" => ((lowest * 10.0 - 0.2).floor() / 10.0).clamp(0.0, 0.9),
        _ => 0.0,
    };
    LinearAxis::up(area, from, 1.0)
}

/// Colour and class of item `index` of `count` on an ordered scale. The class is one of
/// d0 … d11, by which the page recolours the line for dark screens.
pub(crate) fn ordered(index: usize, count: usize) -> (String, String) {
    let last = count.saturating_sub(1).max(1);
    let class = format!("d{}", (index * 11 + last / 2) / last);
    (viridis::hex(viridis::ordered(index, count)), class)
}

fn over_time(
    svg: &mut Svg,
    run: &RunResults,
    layers: &[&str],
    (area, axis, quantity): (Area, LinearAxis, &Quantity),
) {
    let x = across(run, area);
    value_ticks(svg, area, axis, (5, true));
    mark_lines(svg, area, x, Marks::of(run));
    for (index, layer) in layers.iter().enumerate() {
        let rows = (quantity.rows)(run).iter().filter(|row| row.layer == *layer);
        let points = rows.map(|row| (row.epoch, (quantity.value)(row)));
        let (colour, class) = ordered(index, layers.len());
        let stroke = Stroke { class: &class, colour: &colour, width: 1.1, dash: "" };
        svg.polyline(&curve(points, x, axis), stroke);
    }
    pixels(svg, run, (area, axis, quantity));
    absent(svg, run, area, quantity);
    svg.frame(area);
    epoch_ticks_below(svg, area, x, true);
    let place = (area.left + area.width / 2.0, area.bottom() + 17.0);
    svg.text(place, Anchor::Middle, LABEL, "epoch");
    sensitive(svg, area, x, None);
}

/// The level of the probe on the pixels, across the panel of the same labels.
fn pixels(
    svg: &mut Svg,
    run: &RunResults,
    (area, axis, quantity): (Area, LinearAxis, &Quantity),
) {
    let same = |row: &&ProbeRow| {
        (quantity.rows)(run).first().is_some_and(|first| first.labels == row.labels)
    };
    let value = run.pixels.iter().find(same).map_or(f64::NAN, quantity.value);
    if value.is_finite() {
        let y = axis.at(value);
        let dotted = Stroke { class: "fit", colour: "#16181d", width: 0.7, dash: "1 2" };
        svg.line((area.left, y), (area.right(), y), dotted);
    }
}

/// Says so where a quantity does not exist: without corrupted labels nothing is memorized.
fn absent(svg: &mut Svg, run: &RunResults, area: Area, quantity: &Quantity) {
    if (quantity.rows)(run).iter().all(|row| !(quantity.value)(row).is_finite()) {
        let place = (area.left + area.width / 2.0, area.top + area.height / 2.0);
        svg.text(place, Anchor::Middle, TICK, "not recorded in this run");
    }
}

/// The epochs of the lower row: initialization, the turns of the test error, the end.
pub(crate) fn chosen_epochs(run: &RunResults) -> Vec<(f64, String)> {
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

fn by_depth(
    svg: &mut Svg,
    run: &RunResults,
    layers: &[&str],
    (area, axis, quantity): (Area, LinearAxis, &Quantity),
) {
    value_ticks(svg, area, axis, (5, true));
    let step = area.width / layers.len() as f64;
    let at = |index: usize| area.left + (index as f64 + 0.5) * step;
    for (index, layer) in layers.iter().enumerate() {
        let (x, bottom) = (at(index), area.bottom());
        svg.line((x, area.top), (x, bottom), GRID);
        svg.line((x, bottom), (x, bottom + 2.5), FRAME);
        svg.raw(format_args!(
            "<g transform=\"translate({} {}) rotate(-45)\">",
            Px(x + 2.0),
            Px(bottom + 7.5)
        ));
        svg.text((0.0, 0.0), Anchor::End, TICK, &words::short(layer));
        svg.raw("</g>");
    }
    let chosen = chosen_epochs(run);
    for (index, (epoch, _)) in chosen.iter().enumerate() {
        let value = |layer: &&str| {
            let of = |row: &&ProbeRow| {
                row.layer == **layer && (row.epoch - epoch).abs() < 1e-9
            };
            (quantity.rows)(run).iter().find(of).map_or(f64::NAN, quantity.value)
        };
        let points: Vec<(f64, f64)> = layers
            .iter()
            .enumerate()
            .map(|(place, layer)| (at(place), axis.at(value(layer))))
            .collect();
        let look = ordered(index, chosen.len());
        svg.polyline(&points, thin(&look));
        for (x, y) in points.into_iter().filter(|(_, y)| y.is_finite()) {
            marker(svg, (x, y), index, &look);
        }
    }
    absent(svg, run, area, quantity);
    svg.frame(area);
}

fn thin((colour, class): &(String, String)) -> Stroke<'_> {
    Stroke { class, colour, width: 1.0, dash: "" }
}

/// Circle, square, triangle, diamond, inverted triangle: by position in time.
fn marker(svg: &mut Svg, (x, y): (f64, f64), index: usize, look: &(String, String)) {
    let shape = match index % 5 {
        0 => "m-1.9 0a1.9 1.9 0 1 0 3.8 0a1.9 1.9 0 1 0 -3.8 0z",
        1 => "m-1.7 -1.7h3.4v3.4h-3.4z",
        2 => "m0 -2.3l2.2 3.9h-4.4z",
        3 => "m0 -2.4l2.4 2.4l-2.4 2.4l-2.4 -2.4z",
        _ => "m0 2.3l2.2 -3.9h-4.4z",
    };
    let (colour, class) = look;
    svg.raw(format_args!(
        "<path class=\"marker {class}\" fill=\"{colour}\" d=\"M{} {}{shape}\"/>",
        Px(x),
        Px(y)
    ));
}

/// Names of the layers beside their colours, the deepest on top.
pub(crate) fn layer_key(svg: &mut Svg, layers: &[&str], left: f64, top: f64) {
    svg.text((left, top - 5.0), Anchor::Start, LABEL, "layer");
    let step = (HEIGHT / layers.len() as f64).min(9.0);
    for (row, index) in (0..layers.len()).rev().enumerate() {
        let y = top + 4.0 + row as f64 * step;
        let (colour, class) = ordered(index, layers.len());
        let stroke = Stroke { class: &class, colour: &colour, width: 2.2, dash: "" };
        svg.line((left, y - 2.0), (left + 9.0, y - 2.0), stroke);
        svg.text((left + 12.0, y), Anchor::Start, TICK, &words::short(layers[index]));
    }
}

fn epoch_key(svg: &mut Svg, run: &RunResults, left: f64, top: f64) {
    let chosen = chosen_epochs(run);
    for (index, (_, name)) in chosen.iter().enumerate() {
        let y = top + 6.0 + index as f64 * 9.5;
        let look = ordered(index, chosen.len());
        svg.line((left, y - 2.0), (left + 9.0, y - 2.0), thin(&look));
        marker(svg, (left + 4.5, y - 2.0), index, &look);
        svg.text((left + 12.0, y), Anchor::Start, TICK, name);
    }
}
