//! Phase bars: when each layer moves faster than before and after, and when it stops shaking,
//! over its roughness.

use std::fmt::Write as _;

use super::numbers::{csv, number};
use super::panel::{Block, Figure, Panel, Section};
use crate::findings::LayerFindings;
use crate::findings::boundaries::{Boundary, BoundaryKind};
use crate::report::figure::axes::cell_edges;
use crate::report::figure::curves::{key_of, of_layer};
use crate::report::figure::heatmap::{Painter, labelled_colour_bar};
use crate::report::figure::log_axis::{log_label, positive_range};
use crate::report::figure::metrics;
use crate::report::figure::svg::{
    Anchor, Area, GRID, LABEL, Px, Svg, TICK, TITLE, TextStyle,
};
use crate::report::figure::text::{capitalized, shortened, trimmed};
use crate::report::figure::time::name_below;
use crate::report::found::{FoundKind, Point};
use crate::report::model::RunResults;
use crate::report::words;
use crate::run_dir::RunFile;

/// The panel.
pub(super) const PANEL: Panel = Panel {
    id: "phase-bars",
    title: "Phase boundaries by layer",
    section: Section::Phases,
    shows: &[RunFile::Findings, RunFile::LayerCurves, RunFile::Phases],
    blocks: |run| {
        let mut figures =
            run.found().into_iter().map(|kind| Block::Figure(figure(run, &kind)));
        let Some(first) = figures.next() else {
            return vec![Block::absent(absent(run))];
        };
        let others = figures.collect();
        let others =
            Block::folded("The same by other measures and on other examples", others);
        std::iter::once(first).chain(others).collect()
    },
};

fn absent(run: &RunResults) -> &'static str {
    if run.findings.is_some() {
        return "No findings: the run has no matrices.";
    }
    "No findings yet: findings.json is absent. `stratagram analyze` writes it."
}

const LEFT: f64 = 66.0;
const WIDTH: f64 = 352.0;
const TOP: f64 = 30.0;
/// Height of the strip of roughness below the bars of a row.
const STRIP: f64 = 5.0;
/// Between the strip and the next row.
const GAP: f64 = 2.5;
/// Width of the color bar with its numbers.
const BAR: f64 = 56.0;
/// Size of a burst, in e-folds, that has at least the full height of a row.
const FULL: f64 = 0.7;

fn figure(run: &RunResults, kind: &FoundKind<'_>) -> Figure {
    let (svg, size) = drawing(run, kind);
    let (title, caption) =
        (format!("{}: {}", PANEL.title, kind.in_words()), caption(run, kind));
    Figure::new(kind.file("phases"), svg.finish(size, &title, &caption), caption)
        .with_numbers(numbers(kind))
}

fn numbers(kind: &FoundKind<'_>) -> String {
    let rows = kind.layers.iter().flat_map(|layer| {
        inner(layer).map(|boundary| {
            let times = [boundary.epoch, boundary.from, boundary.to];
            let [epoch, from, to] = times.map(number);
            let is_shared = kind.is_shared(boundary.log_time).to_string();
            let [size, p] = [boundary.size, boundary.p].map(number);
            let (name, kind) = (layer.layer.clone(), boundary.kind.name().to_owned());
            [name, kind, epoch, from, to, size, p, is_shared]
        })
    });
    csv(["layer", "kind", "epoch", "from", "to", "size", "p", "shared"], rows)
}

fn drawing(run: &RunResults, kind: &FoundKind<'_>) -> (Svg, (f64, f64)) {
    let height = row_height(kind.layers.len());
    let names = shortened(&kind.names());
    let (left, width) = if run.sheet.is_paper {
        let left = metrics::widest(&names, LABEL) + 8.0;
        (left, run.sheet.width - left - BAR)
    } else {
        (LEFT, WIDTH)
    };
    let rows = kind.layers.len() as f64;
    let area = Area { left, top: TOP, width, height: height * rows };
    let rows: Vec<Vec<Point>> =
        kind.layers.iter().map(|layer| kind.curves(&layer.layer).roughness()).collect();
    let range = positive_range(rows.iter().flatten().map(|point| point.value));
    let timeline = run.timeline();
    let mut svg = Svg::on(run.sheet);
    svg.text((area.left, 9.0), Anchor::Start, TITLE, PANEL.title);
    let largest = sizes(kind).fold(FULL, f64::max);
    let frame = Rows { kind, run, area, height, largest, names: &names };
    for (index, (layer, points)) in kind.layers.iter().zip(&rows).enumerate() {
        of_layer(&mut svg, &layer.layer, |svg| frame.strip(svg, index, points, range));
        frame.name(&mut svg, index, layer);
    }
    timeline.named_lines(&mut svg, area);
    // Over the lines, so that no sign is hidden.
    for (index, layer) in kind.layers.iter().enumerate() {
        of_layer(&mut svg, &layer.layer, |svg| {
            frame.boundaries(svg, index, layer);
            frame.reason(svg, index, layer);
        });
    }
    svg.frame(area);
    timeline.ticks_below(&mut svg, area, true);
    name_below(&mut svg, area);
    timeline.cursor(&mut svg, area, None);
    if let Some(range) = range {
        roughness_bar(&mut svg, area, range);
    }
    (svg, (area.right() + BAR, area.bottom() + 21.0))
}

/// Of few layers rows are high, so that sizes can be read; of many they fit a page.
fn row_height(n_layers: usize) -> f64 {
    (330.0 / n_layers.max(1) as f64).clamp(15.0, 26.0)
}

/// Prominences of the bursts.
fn sizes(kind: &FoundKind<'_>) -> impl Iterator<Item = f64> {
    let inner = kind.layers.iter().flat_map(|layer| inner(layer));
    inner.filter(|boundary| is_burst(boundary)).map(|burst| burst.size)
}

/// The boundaries that separate phases.
fn inner(layer: &LayerFindings) -> impl Iterator<Item = &Boundary> {
    layer.boundaries.iter().flatten().filter(|boundary| !boundary.edge)
}

fn is_burst(boundary: &Boundary) -> bool {
    matches!(boundary.kind, BoundaryKind::Burst | BoundaryKind::BurstAndSettling)
}

/// Where a roughness lies between the least and the greatest, in logarithms.
fn level(value: f64, (least, most): (f64, f64)) -> f64 {
    if most > least { (value / least).ln() / (most / least).ln() } else { 0.5 }
}

fn roughness_bar(svg: &mut Svg, area: Area, range: (f64, f64)) {
    let (least, most) = range;
    let labels =
        [least, (least * most).sqrt(), most].map(|value| log_label(rounded(value)));
    let height = area.height.min(104.0);
    labelled_colour_bar(svg, (area.right() + 12.0, area.top), height, &labels);
    let name = (area.right() + 50.0, area.top + height / 2.0);
    svg.text_upwards(name, "roughness");
}

/// Two digits.
fn rounded(value: f64) -> f64 {
    let power = 10_f64.powf(value.log10().floor() - 1.0);
    (value / power).round() * power
}

/// The rows of the figure, one per layer.
struct Rows<'a> {
    kind: &'a FoundKind<'a>,
    run: &'a RunResults,
    area: Area,
    height: f64,
    /// The size of the highest bar.
    largest: f64,
    /// Names of the layers, short.
    names: &'a [String],
}

impl Rows<'_> {
    /// y of the line on which the bars of a row stand.
    fn base(&self, row: usize) -> f64 {
        self.area.top + (row + 1) as f64 * self.height - STRIP - GAP
    }

    fn x(&self, epoch: f64) -> f64 {
        self.run.timeline().across(self.area).at(epoch)
    }

    fn name(&self, svg: &mut Svg, row: usize, layer: &LayerFindings) {
        let place = (self.area.left - 5.0, self.base(row) - 1.0);
        key_of(svg, &layer.layer, |svg| {
            svg.text(place, Anchor::End, LABEL, &self.names[row]);
        });
        if row > 0 {
            let y = self.area.top + row as f64 * self.height;
            svg.line((self.area.left, y), (self.area.right(), y), GRID);
        }
    }

    /// Why a layer has no boundaries.
    fn reason(&self, svg: &mut Svg, row: usize, layer: &LayerFindings) {
        let (None, Some(reason)) = (&layer.boundaries, &layer.reason) else { return };
        let place = (self.area.right() - 4.0, self.base(row) - 2.0);
        let text = format!("not judged: {reason}");
        let text = if self.run.sheet.is_paper { "not judged" } else { &text };
        svg.text(place, Anchor::End, TextStyle { class: "halo", ..TICK }, text);
    }

    /// Roughness over time in colors.
    fn strip(
        &self,
        svg: &mut Svg,
        row: usize,
        points: &[Point],
        range: Option<(f64, f64)>,
    ) {
        let Some(range) = range else { return };
        let epochs: Vec<f64> = points.iter().map(|point| point.epoch).collect();
        let edges = cell_edges(&epochs);
        let axis = self.run.timeline().across(self.area);
        let top = self.base(row) + 0.6;
        let mut painter = Painter::default();
        for (point, ends) in points.iter().zip(edges.windows(2)) {
            let [from, to] = [ends[0], ends[1]].map(|u| axis.at_log(u));
            painter.cell(level(point.value, range), (from, top), (to, top + STRIP));
        }
        painter.finish(svg, "");
    }

    fn boundaries(&self, svg: &mut Svg, row: usize, layer: &LayerFindings) {
        for boundary in inner(layer) {
            let shared = self.kind.is_shared(boundary.log_time);
            let look = if shared { SOLID } else { HOLLOW };
            if is_burst(boundary) {
                self.bar(svg, row, boundary, look);
            }
            if boundary.kind != BoundaryKind::Burst {
                self.triangle(svg, row, boundary, look);
            }
        }
    }

    /// A burst: a bar over its time, as high as its prominence.
    fn bar(&self, svg: &mut Svg, row: usize, burst: &Boundary, look: &str) {
        let (from, to) = (self.x(burst.from), self.x(burst.to));
        let room = self.height - STRIP - GAP - 3.0;
        let height = room * burst.size / self.largest;
        svg.raw(format_args!(
            "<rect {look} x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\"/>",
            Px(from.min(to - 1.5)),
            Px(self.base(row) - height),
            Px((to - from).max(1.5)),
            Px(height)
        ));
    }

    /// A settling or its opposite: a triangle and its p-value.
    fn triangle(&self, svg: &mut Svg, row: usize, step: &Boundary, look: &str) {
        let (x, base) = (self.x(step.epoch), self.base(row) - 0.4);
        let shape = if step.kind == BoundaryKind::Unsettling {
            format!("M{} {}l-3.2 5.6h6.4z", Px(x), Px(base - 5.6))
        } else {
            format!("M{} {}l-3.2 -5.6h6.4z", Px(x), Px(base))
        };
        svg.raw(format_args!("<path {look} d=\"{shape}\"/>"));
        let mut text = format!("p {}", trimmed(step.p, 4));
        if step.cause.is_some() {
            let _ = write!(text, ", rate");
        }
        let fits = x + 5.0 + metrics::width(&text, TICK) < self.area.right();
        let (x, anchor) =
            if fits { (x + 5.0, Anchor::Start) } else { (x - 5.0, Anchor::End) };
        svg.text((x, base - 1.0), anchor, TextStyle { class: "halo", ..TICK }, &text);
    }
}

const SOLID: &str =
    "class=\"solid\" fill=\"#16181d\" stroke=\"#16181d\" stroke-width=\"0.7\"";
const HOLLOW: &str =
    "class=\"hollow\" fill=\"#ffffff\" stroke=\"#16181d\" stroke-width=\"0.7\"";

fn caption(run: &RunResults, kind: &FoundKind<'_>) -> String {
    let findings = run.findings.as_ref();
    let (used, draws) =
        findings.map_or((0, 0), |found| (found.checkpoints.used, found.defaults.draws));
    let largest = sizes(kind).reduce(f64::max);
    let bars = largest.map_or(String::new(), |largest| {
        format!(
            " (bars: height is prominence, at most {} e-folds)",
            trimmed(largest.max(FULL), 2)
        )
    });
    format!(
        "When each layer moves faster than before and after{bars} and when its roughness falls at \
         once (▼, with p; ▲: rises), by {}. n: {} layers, {used} checkpoints. Unit of the strips: \
         distance of unit vectors from the line between neighboring checkpoints, logarithmic. \
         Null: {draws} paths per layer of the same speed, jitter and persistence without a \
         boundary. Solid: at least half of the layers share it (within a factor of 1.5 in time); \
         hollow: fewer, so descriptive, as one run makes dozens of such tests; “rate”: it comes \
         with a change of the learning rate. {}{}",
        kind.in_words(),
        kind.layers.len(),
        capitalized(&words::marks(run, "dotted (m, p, q)")),
        words::seed_words(run)
    )
}
