//! Ridges of speed and roughness: both curves of every layer with their errors, beside those
//! of the weights.

use super::numbers::{csv, number};
use super::panel::{Block, Figure, Panel, Section};
use crate::report::figure::axes::{LinearAxis, cell_edges, tick_label};
use crate::report::figure::curves::{Shade, key_of, of_layer};
use crate::report::figure::heatmap::define_hatch;
use crate::report::figure::log_axis::{LogAxis, log_label, positive_range};
use crate::report::figure::metrics;
use crate::report::figure::sheet::Sheet;
use crate::report::figure::svg::{
    Anchor, Area, FRAME, GRID, LABEL, Px, Stroke, Svg, TICK, TITLE,
};
use crate::report::figure::text::shortened;
use crate::report::figure::time::name_below;
use crate::report::found::{FoundKind, Point};
use crate::report::model::RunResults;
use crate::report::words;
use crate::run_dir::RunFile;

/// The panel.
pub(super) const PANEL: Panel = Panel {
    id: "ridges",
    title: "Speed and roughness of every layer",
    section: Section::Phases,
    shows: &[RunFile::Findings, RunFile::LayerCurves, RunFile::Phases],
    blocks: |run| {
        let with_curves = |kind: &FoundKind<'_>| {
            kind.layers.iter().any(|layer| !kind.curves(&layer.layer).speed().is_empty())
        };
        let kinds = run.found();
        let mut figures =
            kinds.iter().filter(|kind| with_curves(kind)).map(|kind| figure(run, kind));
        let Some(first) = figures.next() else { return vec![] };
        let others = figures.map(Block::Figure).collect();
        let others = Block::folded(
            "Speed and roughness by other measures and on other examples",
            others,
        );
        std::iter::once(Block::Figure(first)).chain(others).collect()
    },
};

const LEFT: f64 = 74.0;
const WIDTH: f64 = 196.0;
const GAP: f64 = 32.0;
const TOP: f64 = 38.0;
const BELOW: f64 = 21.0;
/// Between names and panels.
const NAMES: f64 = 14.0;

/// The curve of the weights, moved to the layer's level.
const WEIGHTS: Stroke =
    Stroke { class: "line-weights", colour: "#8a8f98", width: 1.0, dash: "" };

fn figure(run: &RunResults, kind: &FoundKind<'_>) -> Figure {
    let file = kind.file("curves");
    let (svg, size) = drawing(run, kind, &format!("hatch-{file}"));
    let (title, caption) =
        (format!("{}: {}", PANEL.title, kind.in_words()), caption(run, kind));
    Figure::new(file, svg.finish(size, &title, &caption), caption)
        .with_numbers(numbers(kind))
}

/// Speed at the cuts between checkpoints, roughness at the checkpoints.
fn numbers(kind: &FoundKind<'_>) -> String {
    let rows = kind.names().into_iter().flat_map(|name| {
        let curves = kind.curves(name);
        let weights = kind.weights(name).roughness();
        let all = [
            ("speed", curves.speed()),
            ("roughness", curves.roughness()),
            ("roughness of the weights", weights),
        ];
        let row = move |what: &str, point: Point| {
            let [epoch, value, se] = [point.epoch, point.value, point.se].map(number);
            [name.to_owned(), what.to_owned(), epoch, value, se]
        };
        all.into_iter().flat_map(move |(what, points)| {
            points.into_iter().map(move |point| row(what, point))
        })
    });
    csv(["layer", "curve", "epoch", "value", "se"], rows)
}

/// The curves of a layer, and the weights' roughness.
struct Row {
    layer: String,
    /// Short.
    name: String,
    speed: Vec<Point>,
    roughness: Vec<Point>,
    weights: Vec<Point>,
}

fn rows(kind: &FoundKind<'_>) -> Vec<Row> {
    let names = kind.names();
    let row = |(name, short): (&&str, String)| {
        let curves = kind.curves(name);
        let roughness = curves.roughness();
        Row {
            layer: (*name).to_owned(),
            name: short,
            speed: curves.speed(),
            weights: at_level_of(&roughness, kind.weights(name).roughness()),
            roughness,
        }
    };
    names.iter().zip(shortened(&names)).map(row).collect()
}

/// The curve times a factor by which its mean logarithm is that of `level`: only its shape is
/// compared.
pub(super) fn at_level_of(level: &[Point], curve: Vec<Point>) -> Vec<Point> {
    let mean = |points: &[Point]| {
        let logs =
            points.iter().filter(|point| point.value > 0.0).map(|point| point.value.ln());
        logs.clone().sum::<f64>() / logs.count() as f64
    };
    let factor = (mean(level) - mean(&curve)).exp();
    let moved = |point: Point| Point { value: factor * point.value, ..point };
    curve.into_iter().map(moved).filter(|point| point.value.is_finite()).collect()
}

fn drawing(run: &RunResults, kind: &FoundKind<'_>, hatch: &str) -> (Svg, (f64, f64)) {
    let rows = rows(kind);
    let height = (380.0 / rows.len() as f64).clamp(14.0, 34.0);
    let total = height * rows.len() as f64;
    let (fastest, range) = extents(&rows);
    let names = if run.sheet.is_paper { numbers_beside(range) } else { NAMES };
    let [left, right] = places(run.sheet, &rows, (total, names));
    let ridges = Ridges { run, height, fastest, range, names, n: rows.len() };
    let mut svg = Svg::on(run.sheet);
    define_hatch(&mut svg, hatch);
    headings(&mut svg, [left, right]);
    for (index, row) in rows.iter().enumerate() {
        let place =
            |area: Area| Area { top: area.top + index as f64 * height, height, ..area };
        ridges.scales(&mut svg, [left, right].map(place), (index, row));
        of_layer(&mut svg, &row.layer, |svg| {
            ridges.speed(svg, place(left), (index, row), hatch);
            ridges.roughness(svg, place(right), (index, row));
        });
    }
    for area in [left, right] {
        run.timeline().named_lines(&mut svg, area);
        svg.frame(area);
        run.timeline().ticks_below(&mut svg, area, true);
        name_below(&mut svg, area);
        run.timeline().cursor(&mut svg, area, None);
    }
    (svg, (right.right() + 8.0, right.bottom() + BELOW))
}

/// The greatest speed, and the range of roughness.
fn extents(rows: &[Row]) -> (f64, (f64, f64)) {
    let upper =
        |point: &Point| point.value + if point.se.is_finite() { point.se } else { 0.0 };
    let fastest = rows.iter().flat_map(|row| &row.speed).map(upper).fold(0.0, f64::max);
    let roughnesses =
        rows.iter().flat_map(|row| row.roughness.iter().chain(&row.weights));
    let range =
        positive_range(roughnesses.map(|point| point.value)).unwrap_or((0.1, 1.0));
    (fastest.max(1e-6), range)
}

/// How much room the numbers of an axis of roughness take beside it.
fn numbers_beside(range: (f64, f64)) -> f64 {
    let area = Area { left: 0.0, top: 0.0, width: 1.0, height: 1.0 };
    let ticks = LogAxis::up(area, range).ticks();
    let labels: Vec<String> = ticks.into_iter().map(log_label).collect();
    (metrics::widest(&labels, TICK) + 9.0).max(NAMES)
}

/// Where speed and roughness stand: side by side, or below each other.
fn places(sheet: Sheet, rows: &[Row], (height, gap): (f64, f64)) -> [Area; 2] {
    if !sheet.is_paper {
        let left = Area { left: LEFT, top: TOP, width: WIDTH, height };
        return [left, Area { left: left.right() + GAP, ..left }];
    }
    let names: Vec<&str> = rows.iter().map(|row| row.name.as_str()).collect();
    let left = metrics::widest(&names, LABEL) + gap + 4.0;
    let room = sheet.width - left - 6.0;
    if sheet.is_narrow() {
        let first = Area { left, top: TOP, width: room, height };
        return [first, Area { top: first.bottom() + BELOW + TOP, ..first }];
    }
    let first = Area { left, top: TOP, width: (room - GAP) / 2.0, height };
    [first, Area { left: first.right() + GAP, ..first }]
}

/// A layer's name beside its row.
fn row_name(svg: &mut Svg, (x, bottom): (f64, f64), row: &Row) {
    key_of(svg, &row.layer, |svg| {
        svg.text((x, bottom - 2.0), Anchor::End, LABEL, &row.name);
    });
}

/// What all rows share.
struct Ridges<'a> {
    run: &'a RunResults,
    height: f64,
    fastest: f64,
    range: (f64, f64),
    /// Between names and panels.
    names: f64,
    n: usize,
}

impl Ridges<'_> {
    /// The axis of speed in a row.
    fn speeds(&self, area: Area) -> LinearAxis {
        LinearAxis {
            from: 0.0,
            end: self.fastest,
            start: area.bottom(),
            length: -(area.height - 3.0),
        }
    }

    /// The axis of roughness in a row.
    fn roughnesses(&self, area: Area) -> LogAxis {
        LogAxis::up(inner(area), self.range)
    }

    /// The name of a layer, the lines below its rows, and, at the first, what heights are.
    fn scales(
        &self,
        svg: &mut Svg,
        [left, right]: [Area; 2],
        (index, row): (usize, &Row),
    ) {
        baseline(svg, left);
        baseline(svg, right);
        row_name(svg, (left.left - self.names, left.bottom()), row);
        if right.top > left.top {
            row_name(svg, (right.left - self.names, right.bottom()), row);
        }
        if index > 0 {
            return;
        }
        let axis = self.speeds(left);
        let value = axis.ticks(2).last().copied().unwrap_or(self.fastest);
        for value in [0.0, value] {
            let y = axis.at(value);
            svg.line((left.left - 2.5, y), (left.left, y), FRAME);
            let place = (left.left - 4.0, y + 2.1);
            svg.text(place, Anchor::End, TICK, &tick_label(value));
        }
        self.roughnesses(right).draw_ticks(svg, inner(right), self.height > 20.0);
    }

    fn speed(&self, svg: &mut Svg, area: Area, (index, row): (usize, &Row), hatch: &str) {
        let axis = self.speeds(area);
        let x = self.run.timeline().across(area);
        self.still(svg, area, &row.speed, hatch);
        let value = |value: f64| axis.at(value.clamp(0.0, self.fastest));
        band(svg, &row.speed, |epoch| x.at(epoch), value);
        let points: Vec<(f64, f64)> = row
            .speed
            .iter()
            .map(|point| (x.at(point.epoch), axis.at(point.value)))
            .collect();
        svg.polyline(&points, Shade::of(index, self.n).stroke(1.2));
    }

    /// Hatches the time in which the speed is within two standard errors of none: what changes
    /// there between checkpoints is jitter.
    fn still(&self, svg: &mut Svg, area: Area, speed: &[Point], hatch: &str) {
        let epochs: Vec<f64> = speed.iter().map(|point| point.epoch).collect();
        let edges = cell_edges(&epochs);
        let x = self.run.timeline().across(area);
        let mut from = 0;
        for at in 1..=speed.len() {
            let goes_on =
                at < speed.len() && speed[at].is_still() == speed[from].is_still();
            if goes_on {
                continue;
            }
            if speed[from].is_still() {
                let (start, end) = (x.at_log(edges[from]), x.at_log(edges[at]));
                svg.raw(format_args!(
                    "<rect fill=\"url(#{hatch})\" opacity=\"0.35\" x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\"/>",
                    Px(start), Px(area.top), Px(end - start), Px(area.height)
                ));
            }
            from = at;
        }
    }

    fn roughness(&self, svg: &mut Svg, area: Area, (index, row): (usize, &Row)) {
        let axis = self.roughnesses(area);
        let x = self.run.timeline().across(area);
        let line = |points: &[Point]| -> Vec<(f64, f64)> {
            points.iter().map(|p| (x.at(p.epoch), axis.at(p.value))).collect()
        };
        let value = |value: f64| axis.at(value.max(self.range.0));
        svg.polyline(&line(&row.weights), WEIGHTS);
        band(svg, &row.roughness, |epoch| x.at(epoch), value);
        svg.polyline(&line(&row.roughness), Shade::of(index, self.n).stroke(1.2));
    }
}

/// Where the roughness of a row is drawn.
fn inner(area: Area) -> Area {
    Area { top: area.top + 1.5, height: area.height - 3.0, ..area }
}

/// What the columns show; below each other they have the whole width for their words.
fn headings(svg: &mut Svg, [left, right]: [Area; 2]) {
    let words = [
        (left, "Speed", "distance per unit of ln(1 + epoch)"),
        (right, "Roughness", "distance from the line between neighbors, log"),
    ];
    for (area, title, detail) in words {
        let x = if right.top > left.top { 3.0 } else { area.left };
        svg.text((x, area.top - 29.0), Anchor::Start, TITLE, title);
        svg.text((x, area.top - 20.0), Anchor::Start, TICK, detail);
    }
}

/// The line between two rows.
fn baseline(svg: &mut Svg, area: Area) {
    svg.line((area.left, area.bottom()), (area.right(), area.bottom()), GRID);
}

/// One standard error on either side of a curve; `x` and `y` place epochs and values.
fn band(svg: &mut Svg, points: &[Point], x: impl Fn(f64) -> f64, y: impl Fn(f64) -> f64) {
    let known: Vec<&Point> = points.iter().filter(|point| point.se.is_finite()).collect();
    if known.len() < 2 {
        return;
    }
    let place = |point: &Point, side: f64| {
        format!("{} {}", Px(x(point.epoch)), Px(y(point.value + side * point.se)))
    };
    let above = known.iter().map(|point| place(point, 1.0));
    let below = known.iter().rev().map(|point| place(point, -1.0));
    let outline: Vec<String> = above.chain(below).collect();
    svg.raw(format_args!(
        "<path class=\"band\" d=\"M{}z\" fill=\"#8a8f98\" fill-opacity=\"0.3\"/>",
        outline.join("L")
    ));
}

/// What the run lacks, and why.
fn missing(run: &RunResults) -> String {
    let lacks = run.findings.iter().flat_map(|found| &found.missing);
    lacks.map(|own| format!(" Missing: {}: {}.", own.what, own.reason)).collect()
}

fn caption(run: &RunResults, kind: &FoundKind<'_>) -> String {
    let used = run.findings.as_ref().map_or(0, |found| found.checkpoints.used);
    let has_weights =
        kind.names().iter().any(|name| !kind.weights(name).roughness().is_empty());
    let weights = if has_weights {
        " Gray line: roughness of the weights up to the layer, moved to the same level, as only \
         its shape is compared: where it falls as much, it is the optimizer that comes to rest."
    } else {
        ""
    };
    let errors = kind.layers.iter().find_map(|layer| layer.se_reason.as_deref());
    let errors = match errors {
        Some(reason) => format!(" There are no standard errors: {reason}."),
        None => {
            " Bands: one standard error over examples (jackknife of 16 groups).".into()
        }
    };
    format!(
        "How fast each layer goes somewhere new (left) and how much it shakes without going \
         anywhere (right), by {}. n: {} layers, {used} checkpoints; all rows of a column have the \
         same scale. Unit: distance of unit vectors, of speed per unit of ln(1 + epoch). Null: a \
         straight path of constant speed has a flat curve, whatever the spacing of \
         checkpoints.{errors} Hatched: the speed is within two standard errors of zero, so what \
         changes is jitter.{weights}{} {}{}",
        kind.in_words(),
        kind.layers.len(),
        missing(run),
        words::marks(run, "dotted (m, p, q)"),
        words::seed_words(run)
    )
}
