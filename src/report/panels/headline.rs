//! The figure that carries the claim: test and train error over log epochs, and below, on
//! the same axis, epoch × epoch maps of the first, a middle and the last layer, with CKA
//! above the diagonal and the similarity of decision regions (DRS) below it.

use crate::report::figure::axes::{LinearAxis, ceiling};
use crate::report::figure::curves::{
    Marks, across, curve, epoch_ticks_below, epoch_ticks_left, mark_lines, sensitive,
    upwards, value_ticks,
};
use crate::report::figure::heatmap::{
    cells, colour_bar, define_hatch, fit_lines, turn_ticks,
};
use crate::report::figure::svg::{
    Anchor, Area, LABEL, Px, Stroke, Svg, TICK, TITLE, TextStyle,
};
use crate::report::figure::viridis;
use crate::report::model::{EpochMatrix, HistoryRow, RunResults, Statistics};
use crate::report::words;

/// How the headline is arranged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// One column of a paper (84 mm): everything on a single epoch axis.
    Column,
    /// The width of a page (178 mm): the maps side by side, the curves above each, so that
    /// every map has them on its own axis.
    Page,
}

/// Test error with the statistics of the experiment.
const TEST: Stroke =
    Stroke { class: "line-test", colour: "#0b5fa5", width: 1.4, dash: "" };
/// Test error with running statistics.
const RUNNING: Stroke =
    Stroke { class: "line-test", colour: "#0b5fa5", width: 0.9, dash: "1 1.5" };
/// Train error on images whose label is right.
const CLEAN: Stroke =
    Stroke { class: "line-clean", colour: "#12805c", width: 1.2, dash: "" };
/// Train error on images whose label is wrong.
const CORRUPTED: Stroke =
    Stroke { class: "line-corrupted", colour: "#c4500c", width: 1.2, dash: "4 1.6" };
/// Train error where it is not known apart.
const TRAIN: Stroke =
    Stroke { class: "line-clean", colour: "#12805c", width: 1.2, dash: "" };

/// A layer of the headline, with the matrices that exist.
struct Column<'a> {
    layer: &'a str,
    place: String,
    cka: Option<&'a EpochMatrix>,
    drs: Option<&'a EpochMatrix>,
}

/// Sizes of a layout, in points.
struct Sizes {
    left: f64,
    side: f64,
    gap: f64,
    test: f64,
    train: f64,
    right: f64,
}

const COLUMN: Sizes =
    Sizes { left: 34.0, side: 166.0, gap: 24.0, test: 66.0, train: 40.0, right: 44.0 };
const PAGE: Sizes =
    Sizes { left: 34.0, side: 139.0, gap: 10.0, test: 62.0, train: 38.0, right: 42.0 };

/// Height of a row of text above a panel.
const ROW: f64 = 11.0;
/// Room below a panel for numbers and the name of its axis.
const BELOW: f64 = 19.0;

/// Draws the headline of a run as an SVG file, black on white, 8 pt and below, ready for a
/// paper. Its caption is in `<desc>`.
pub fn headline_figure(run: &RunResults, layout: Layout) -> String {
    let mut svg = Svg::default();
    let hatch = match layout {
        Layout::Column => "hatch-headline",
        Layout::Page => "hatch-headline-wide",
    };
    define_hatch(&mut svg, hatch);
    let columns = columns(run);
    let size = match layout {
        Layout::Column => draw_column(&mut svg, run, &columns, hatch),
        Layout::Page => draw_page(&mut svg, run, &columns, hatch),
    };
    svg.finish(size, &words::title(run), &words::headline_caption(run))
}

/// The names of the layers that the headline shows: first, middle, last.
pub fn headline_layers(run: &RunResults) -> Vec<&str> {
    columns(run).iter().map(|column| column.layer).collect()
}

fn columns(run: &RunResults) -> Vec<Column<'_>> {
    let (cka, drs) = (run.leading_set("cka"), run.leading_set("drs"));
    let layers: Vec<&str> = cka
        .or(drs)
        .map_or(&[][..], |set| set.layers.as_slice())
        .iter()
        .map(|matrix| matrix.layer.as_str())
        .filter(|layer| *layer != "output")
        .collect();
    let count = layers.len();
    let mut picked = vec![0, count / 2, count.saturating_sub(1)];
    picked.dedup();
    let column = |index: usize| Column {
        layer: layers[index],
        place: match index {
            0 => "first layer".into(),
            index if index + 1 == count => "last layer".into(),
            index => format!("layer {} of {count}", index + 1),
        },
        cka: cka.and_then(|set| set.layer(layers[index])),
        drs: drs.and_then(|set| set.layer(layers[index])),
    };
    picked.into_iter().filter(|index| *index < count).map(column).collect()
}

fn draw_column(
    svg: &mut Svg,
    run: &RunResults,
    columns: &[Column],
    hatch: &str,
) -> (f64, f64) {
    let sizes = &COLUMN;
    let (left, width) = (sizes.left, sizes.side);
    let test = Area { left, top: ROW + 3.0, width, height: sizes.test };
    let train = Area { left, top: test.bottom() + ROW + 3.0, width, height: sizes.train };
    strips(svg, run, (test, train), true);
    let mut bottom = train.bottom();
    for (index, column) in columns.iter().enumerate() {
        let area = Area { left, top: bottom + sizes.gap, width, height: width };
        map_title(svg, column, (left, area.top - 7.0));
        map(svg, run, column, area, hatch);
        let last = index + 1 == columns.len();
        epoch_ticks_below(svg, area, across(run, area), last);
        epoch_ticks_left(svg, area, upwards(run, area), true);
        svg.text_upwards((9.0, area.top + width / 2.0), "epoch");
        if index == 0 {
            colour_bar(svg, area.right() + 13.0, area.top, width);
        }
        bottom = area.bottom();
    }
    if columns.is_empty() {
        epoch_ticks_below(svg, train, across(run, train), true);
    }
    svg.text((left + width / 2.0, bottom + 17.0), Anchor::Middle, LABEL, "epoch");
    (left + width + sizes.right, bottom + BELOW + 1.0)
}

fn draw_page(
    svg: &mut Svg,
    run: &RunResults,
    columns: &[Column],
    hatch: &str,
) -> (f64, f64) {
    let sizes = &PAGE;
    let head = if columns.is_empty() { 0.0 } else { ROW + 4.0 };
    let n_panels = columns.len().max(1);
    let mut bottom = 0.0;
    for index in 0..n_panels {
        let (left, width) =
            (sizes.left + index as f64 * (sizes.side + sizes.gap), sizes.side);
        let test = Area { left, top: head + ROW + 1.0, width, height: sizes.test };
        let train =
            Area { left, top: test.bottom() + ROW + 3.0, width, height: sizes.train };
        strips(svg, run, (test, train), index == 0);
        bottom = train.bottom();
        let Some(column) = columns.get(index) else {
            epoch_ticks_below(svg, train, across(run, train), true);
            continue;
        };
        let area = Area { left, top: bottom + 9.0, width, height: width };
        map_title(svg, column, (left, 8.0));
        map(svg, run, column, area, hatch);
        epoch_ticks_below(svg, area, across(run, area), true);
        epoch_ticks_left(svg, area, upwards(run, area), index == 0);
        bottom = area.bottom();
        svg.text((left + width / 2.0, bottom + 17.0), Anchor::Middle, LABEL, "epoch");
        if index == 0 {
            svg.text_upwards((9.0, area.top + width / 2.0), "epoch");
        }
        if index + 1 == n_panels {
            colour_bar(svg, area.right() + 12.0, area.top, width);
        }
    }
    let panels = n_panels as f64;
    let width = sizes.left + panels * sizes.side + (panels - 1.0) * sizes.gap;
    (width + sizes.right, bottom + BELOW + 1.0)
}

/// The two strips of errors. Numbers and keys stand at the first of them only.
fn strips(svg: &mut Svg, run: &RunResults, (test, train): (Area, Area), first: bool) {
    let marks = Marks::of(run);
    let x = across(run, test);
    let y = LinearAxis::up(test, 0.0, test_limit(run));
    value_ticks(svg, test, y, (4, first));
    mark_lines(svg, test, x, marks);
    let points = |value: fn(&HistoryRow) -> f64| {
        run.history.iter().map(move |row| (row.epoch, value(row)))
    };
    if run.statistics() == Statistics::Recomputed {
        svg.polyline(&curve(points(|row| row.test_error_running), x, y), RUNNING);
    }
    svg.polyline(&curve(points(|row| row.test_error), x, y), TEST);
    turns(svg, run, (x, y), first);
    svg.frame(test);
    epoch_ticks_below(svg, test, x, false);

    let unit = LinearAxis::up(train, 0.0, 1.0);
    value_ticks(svg, train, unit, (2, first));
    mark_lines(svg, train, x, marks);
    let split = has_corrupted(run);
    if split {
        let line = curve(points(|row| row.train_error_corrupted), x, unit);
        svg.polyline(&line, CORRUPTED);
        svg.polyline(&curve(points(|row| row.train_error_clean), x, unit), CLEAN);
    } else {
        svg.polyline(&curve(points(|row| row.train_error), x, unit), TRAIN);
    }
    svg.frame(train);
    epoch_ticks_below(svg, train, x, false);
    if first {
        keys(svg, run, (test, train), split);
    }
    fit_label(svg, (test, train), x, marks, first);
    sensitive(svg, test, x, None);
    sensitive(svg, train, x, None);
}

fn has_corrupted(run: &RunResults) -> bool {
    run.history.iter().any(|row| row.train_error_corrupted.is_finite())
}

/// Names of the strips, with a sample of each line beside its name.
fn keys(svg: &mut Svg, run: &RunResults, (test, train): (Area, Area), split: bool) {
    let mut key = Key { svg, x: test.left, y: test.top - 4.0 };
    key.text("Test error", true);
    match run.statistics() {
        Statistics::Recorded | Statistics::Absent => {}
        Statistics::Running => {
            key.sample("running BN", TEST);
        }
        Statistics::Recomputed => {
            key.sample("recomputed BN", TEST).sample("running", RUNNING);
        }
    }
    let mut key = Key { svg, x: train.left, y: train.top - 4.0 };
    key.text("Train error", true);
    if split {
        key.sample("clean", CLEAN).sample("corrupted labels", CORRUPTED);
    }
}

/// A line of names and line samples, written from left to right.
struct Key<'a> {
    svg: &'a mut Svg,
    x: f64,
    y: f64,
}

impl Key<'_> {
    fn text(&mut self, text: &str, bold: bool) -> &mut Self {
        let style = TextStyle { size: 6.5, bold, ..LABEL };
        self.svg.text((self.x, self.y), Anchor::Start, style, text);
        self.x += words::text_width(text, 6.5, bold) + 6.0;
        self
    }

    fn sample(&mut self, text: &str, stroke: Stroke) -> &mut Self {
        let y = self.y - 2.2;
        self.svg.line((self.x, y), (self.x + 11.0, y), stroke);
        self.x += 13.0;
        self.text(text, false)
    }
}

/// "perfect fit" beside its line, where there is room: to the right, else to the left.
fn fit_label(
    svg: &mut Svg,
    (test, train): (Area, Area),
    x: crate::report::figure::axes::EpochAxis,
    marks: Marks,
    first: bool,
) {
    let (Some(epoch), true) = (marks.perfect_fit, first) else { return };
    let at = x.at(epoch);
    // The train strip is empty to the right of perfect fit: errors there are 0.
    let y = train.top + train.height * 0.34;
    let (anchor, at) = if test.right() - at > 40.0 {
        (Anchor::Start, at + 3.0)
    } else {
        (Anchor::End, at - 3.0)
    };
    let style = TextStyle { class: "halo", ..TICK };
    svg.text((at, y), anchor, style, "perfect fit");
}

/// Circles at minimum, peak and second minimum, named at the first strip.
fn turns(
    svg: &mut Svg,
    run: &RunResults,
    (x, y): (crate::report::figure::axes::EpochAxis, LinearAxis),
    named: bool,
) {
    let names = ["min", "peak", "2nd min"];
    for (index, epoch) in Marks::of(run).turns.into_iter().enumerate() {
        let Some((epoch, row)) = epoch.and_then(|e| Some((e, run.row_at(e)?))) else {
            continue;
        };
        let (at_x, at_y) = (x.at(epoch), y.at(row.test_error.min(y.end)));
        if !at_y.is_finite() {
            continue;
        }
        svg.raw(format_args!(
            "<circle class=\"dot\" cx=\"{}\" cy=\"{}\" r=\"2\" fill=\"#ffffff\" stroke=\"#0b5fa5\" stroke-width=\"1.1\"/>",
            Px(at_x),
            Px(at_y)
        ));
        if named {
            let below = at_y + 8.2;
            let label =
                if index == 1 || below > y.start - 0.8 { at_y - 4.5 } else { below };
            let style = TextStyle { class: "halo", ..TICK };
            // A name at the right edge would run into the next panel.
            let right = x.start + x.length - 1.0;
            let (at_x, anchor) = if at_x + 11.0 > right {
                (right, Anchor::End)
            } else {
                (at_x, Anchor::Middle)
            };
            svg.text((at_x, label), anchor, style, names[index]);
        }
    }
}

/// The upper end of the test error's axis: what comes before the curve first gets as low as
/// one and a half times its later maximum (the fall from chance) may leave the panel.
fn test_limit(run: &RunResults) -> f64 {
    let lowest =
        run.history.iter().map(|row| row.test_error).fold(f64::INFINITY, f64::min);
    let settled = run.phases.min.or_else(|| {
        let low = |row: &&HistoryRow| row.test_error <= lowest * 1.5 + 0.02;
        run.history.iter().find(low).map(|row| row.epoch)
    });
    let later = run.history.iter().filter(|row| Some(row.epoch) >= settled);
    let largest = |row: &HistoryRow| {
        if run.statistics() == Statistics::Recomputed {
            row.test_error.max(row.test_error_running)
        } else {
            row.test_error
        }
    };
    ceiling(later.map(largest).filter(|v| v.is_finite()).fold(0.0, f64::max))
}

/// The layer's name in bold, then its place.
fn map_title(svg: &mut Svg, column: &Column, (left, y): (f64, f64)) {
    svg.text((left, y), Anchor::Start, TITLE, column.layer);
    let after = left + words::text_width(column.layer, TITLE.size, true) + 4.0;
    let style = TextStyle { class: "soft", ..LABEL };
    svg.text((after, y), Anchor::Start, style, &column.place);
}

/// One map: CKA above the diagonal, DRS below; where one is missing the other fills both.
fn map(svg: &mut Svg, run: &RunResults, column: &Column, area: Area, hatch: &str) {
    let n = run.epochs.len();
    let (upper, lower) = match (column.cka, column.drs) {
        (Some(cka), Some(drs)) => (cka, drs),
        (Some(one), None) | (None, Some(one)) => (one, one),
        (None, None) => return,
    };
    let value = |i: usize, j: usize| {
        let matrix = if j >= i { upper } else { lower };
        matrix.value(i, j)
    };
    cells(svg, run, area, hatch, value);
    fit_lines(svg, run, area);
    svg.frame(area);
    turn_ticks(svg, run, area);
    if n > 2 {
        let inset = 5.0;
        let name = if column.cka.is_some() { "CKA" } else { "DRS" };
        let corner = (area.left + inset, area.top + inset + 5.5);
        corner_name(svg, (corner, Anchor::Start), value(0, n - 1), name);
        if column.cka.is_some() && column.drs.is_some() {
            let corner = (area.right() - inset, area.bottom() - inset);
            corner_name(svg, (corner, Anchor::End), value(n - 1, 0), "DRS");
        }
    }
    sensitive(svg, area, across(run, area), Some(column.layer));
}

/// The name of a triangle in its corner, dark on light cells and white on dark ones.
fn corner_name(
    svg: &mut Svg,
    (place, anchor): ((f64, f64), Anchor),
    value: f64,
    name: &str,
) {
    let light = value.is_nan() || viridis::is_light(viridis::colour(value));
    let class = if light { "night" } else { "pale" };
    svg.text(place, anchor, TextStyle { class, ..TITLE }, name);
}
