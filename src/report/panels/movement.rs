//! Depth contrast: how much each layer moves, from the first to the deepest.

use super::numbers::{csv, maybe};
use super::panel::{Block, Figure, Panel, Section};
use crate::findings::LayerFindings;
use crate::findings::movement::{depth_contrast, shallow_and_deep};
use crate::report::figure::axes::{LinearAxis, epoch_label};
use crate::report::figure::curves::{layer_ticks, line_key_below, slant_of, value_ticks};
use crate::report::figure::metrics;
use crate::report::figure::svg::{Anchor, Area, Px, Stroke, Svg, TICK, TITLE};
use crate::report::figure::text::{join, shortened};
use crate::report::found::FoundKind;
use crate::report::model::RunResults;
use crate::report::words;
use crate::run_dir::RunFile;
use crate::similarity::MatrixKind;

/// The panel.
pub(super) const PANEL: Panel = Panel {
    id: "movement",
    title: "Movement by depth",
    section: Section::Phases,
    shows: &[RunFile::Findings],
    blocks: |run| {
        let lines = lines(run);
        if lines.is_empty() {
            return vec![];
        }
        let caption = caption(run, &lines);
        let figure = Figure::new(PANEL.id, drawing(run, &lines, &caption), caption);
        vec![Block::Figure(figure.with_numbers(numbers(&lines)))]
    },
};

/// The examples of a line and its look, as in the curves of errors.
const GROUPS: [(&str, &str, Stroke); 3] = [
    ("test", "test images", stroke("line-test", "#0b5fa5", "")),
    ("train-clean", "clean labels", stroke("line-clean", "#12805c", "5 2")),
    ("train-corrupted", "corrupted labels", stroke("line-corrupted", "#c4500c", "2 1.5")),
];

const fn stroke(
    class: &'static str,
    colour: &'static str,
    dash: &'static str,
) -> Stroke<'static> {
    Stroke { class, colour, width: 1.3, dash }
}

/// Movement of every layer on one group of examples.
struct Line<'a> {
    kind: FoundKind<'a>,
    name: &'static str,
    stroke: Stroke<'static>,
}

/// Of the leading measure on each group that has a look.
fn lines(run: &RunResults) -> Vec<Line<'_>> {
    let kinds = run.found();
    let Some(measure) = kinds.first().map(|kind| kind.measure) else { return vec![] };
    kinds.into_iter().filter(|kind| kind.measure == measure).filter_map(line).collect()
}

/// The line of a group that has a look, if a layer moves there.
fn line(kind: FoundKind<'_>) -> Option<Line<'_>> {
    let (_, name, stroke) =
        GROUPS.into_iter().find(|(group, ..)| *group == kind.group)?;
    let moves = kind.layers.iter().any(|layer| value(layer).is_finite());
    moves.then_some(Line { kind, name, stroke })
}

fn value(layer: &LayerFindings) -> f64 {
    layer.movement.and_then(|movement| movement.value).unwrap_or(f64::NAN)
}

impl Line<'_> {
    fn values(&self) -> Vec<f64> {
        self.kind.layers.iter().map(|layer| value(layer)).collect()
    }

    /// C, where all layers have a value; of all layers, whichever are shown.
    fn contrast(&self) -> Option<f64> {
        let all: Vec<f64> = self.kind.all.iter().map(|layer| value(layer)).collect();
        Some(depth_contrast(&all)).filter(|contrast| contrast.is_finite())
    }

    /// Its name and C.
    fn in_words(&self) -> String {
        let contrast = self.contrast().map(|contrast| format!(" (C = {contrast:.3})"));
        format!("{}{}", self.name, contrast.unwrap_or_default())
    }
}

fn drawing(run: &RunResults, lines: &[Line<'_>], caption: &str) -> String {
    let names = shortened(&lines[0].kind.names());
    let width = if run.sheet.is_paper { run.sheet.width - 36.0 } else { 320.0 };
    let detail = "mean angle between the checkpoints of the window, in radians";
    let detail = metrics::lines(detail, TICK, width);
    let top = 17.0 + 7.0 * detail.len() as f64;
    let area = Area { left: 30.0, top, width, height: 120.0 };
    let upper = |layer: &&LayerFindings| {
        let se = layer.movement.and_then(|movement| movement.se).unwrap_or(0.0);
        value(layer) + 2.0 * se
    };
    let all = lines.iter().flat_map(|line| &line.kind.layers).map(upper);
    let most = all.filter(|value| value.is_finite()).fold(0.0, f64::max);
    let axis = LinearAxis::up(area, 0.0, (1.08 * most).max(1e-6));
    let mut svg = Svg::on(run.sheet);
    heading(&mut svg, area, &detail);
    value_ticks(&mut svg, area, axis, 5, true);
    let step = area.width / names.len() as f64;
    let x = |index: usize| area.left + (index as f64 + 0.5) * step;
    layer_ticks(&mut svg, area, &names, x);
    for (index, line) in lines.iter().enumerate() {
        if run.only.is_empty() {
            quarters(&mut svg, line, (area, axis));
        }
        // Side by side, so that errors can be told apart.
        let shift = (index as f64 - 1.0) * 2.2;
        draw_line(&mut svg, line, |layer| x(layer) + shift, axis);
        if !run.sheet.is_paper {
            let place = (area.right() + 10.0, area.top + 8.0 + 20.0 * index as f64);
            key(&mut svg, line, place);
        }
    }
    svg.frame(area);
    let mut size = (area.right() + 100.0, area.bottom() + slant_of(&names) + 14.0);
    if run.sheet.is_paper {
        size.1 = keys_below(&mut svg, lines, size.1 + 3.0, [area.left, run.sheet.width]);
    }
    svg.finish(size, PANEL.title, caption)
}

/// Title, and what is shown in lines.
fn heading(svg: &mut Svg, area: Area, detail: &[String]) {
    svg.text((area.left, 9.0), Anchor::Start, TITLE, PANEL.title);
    for (at, line) in detail.iter().enumerate() {
        svg.text((area.left, 18.0 + 7.0 * at as f64), Anchor::Start, TICK, line);
    }
}

/// Lines with their names and C in rows between `ends`. Returns where they end.
fn keys_below(svg: &mut Svg, lines: &[Line<'_>], top: f64, ends: [f64; 2]) -> f64 {
    let texts: Vec<String> = lines.iter().map(Line::in_words).collect();
    let keys = lines.iter().zip(&texts).map(|(line, text)| (text.as_str(), line.stroke));
    line_key_below(svg, &keys.collect::<Vec<_>>(), top, ends)
}

/// The means of the first and of the deepest quarter of the layers, at the edges.
fn quarters(svg: &mut Svg, line: &Line<'_>, (area, axis): (Area, LinearAxis)) {
    let width = area.width / 4.0;
    let ends = [area.left, area.right() - width];
    for (mean, left) in shallow_and_deep(&line.values()).into_iter().zip(ends) {
        if mean.is_finite() {
            let y = axis.at(mean);
            let thin = Stroke { width: 0.6, ..line.stroke };
            svg.line((left, y), (left + width, y), thin);
        }
    }
}

/// The curve with dots and two standard errors; a hollow dot is a layer at its noise floor.
fn draw_line(svg: &mut Svg, line: &Line<'_>, x: impl Fn(usize) -> f64, axis: LinearAxis) {
    let Stroke { class, colour, .. } = line.stroke;
    let places: Vec<(f64, f64)> = line
        .values()
        .into_iter()
        .enumerate()
        .map(|(index, value)| (x(index), axis.at(value)))
        .collect();
    svg.polyline(&places, line.stroke);
    for (layer, (x, y)) in line.kind.layers.iter().zip(places) {
        let Some(movement) = layer.movement.filter(|_| y.is_finite()) else { continue };
        if let (Some(value), Some(se)) = (movement.value, movement.se) {
            let ends = [value - 2.0 * se, value + 2.0 * se].map(|end| axis.at(end));
            let whisker = Stroke { width: 0.7, dash: "", ..line.stroke };
            svg.line((x, ends[0]), (x, ends[1]), whisker);
        }
        let fill = if layer.at_floor == Some(true) { "#ffffff" } else { colour };
        let hollow = if layer.at_floor == Some(true) { " hollow-dot" } else { "" };
        svg.raw(format_args!(
            "<circle class=\"dot-{class}{hollow}\" cx=\"{}\" cy=\"{}\" r=\"1.9\" fill=\"{fill}\" stroke=\"{colour}\" stroke-width=\"0.8\"/>",
            Px(x),
            Px(y)
        ));
    }
}

fn numbers(lines: &[Line<'_>]) -> String {
    let rows = lines.iter().flat_map(|line| {
        line.kind.layers.iter().filter_map(|layer| {
            let movement = layer.movement?;
            let [from, to] = movement.window.map(epoch_label);
            let floor = layer.at_floor.map_or(String::new(), |floor| floor.to_string());
            let (name, group) = (layer.layer.clone(), line.kind.group.to_owned());
            let [value, se] = [movement.value, movement.se].map(maybe);
            Some([name, group, from, to, value, se, floor])
        })
    });
    csv(["layer", "group", "from_epoch", "to_epoch", "radians", "se", "at_floor"], rows)
}

fn key(svg: &mut Svg, line: &Line<'_>, (left, y): (f64, f64)) {
    svg.line((left, y - 2.0), (left + 16.0, y - 2.0), line.stroke);
    svg.text((left + 20.0, y), Anchor::Start, TICK, line.name);
    if let Some(contrast) = line.contrast() {
        let text = format!("C = {contrast:.3}");
        svg.text((left + 20.0, y + 8.0), Anchor::Start, TICK, &text);
    }
}

fn caption(run: &RunResults, lines: &[Line<'_>]) -> String {
    let kind = &lines[0].kind;
    let movement = kind.layers.iter().find_map(|layer| layer.movement);
    let window = movement.map_or(String::new(), |movement| {
        let [from, to] = movement.window.map(epoch_label);
        let is_descent = run
            .findings
            .as_ref()
            .is_some_and(|found| found.double_descent.measured == Some(true));
        let which = if is_descent {
            ", from the first to the second minimum of the test error"
        } else {
            ""
        };
        format!(" between epochs {from} and {to}{which}")
    });
    let floor: Vec<String> = kind
        .layers
        .iter()
        .filter(|layer| layer.at_floor == Some(true))
        .map(|layer| layer.layer.clone())
        .collect();
    let floor = if floor.is_empty() {
        String::new()
    } else {
        format!(" Hollow: {} moves by less than two standard errors.", join(&floor))
    };
    format!(
        "How much each layer moves{window}, by {} (weighted mean of arccos of the similarity; \
         radians). n: {} layers; whiskers: two standard errors over examples. C: mean of the \
         deepest quarter of the layers (thin line at the right) less that of the first (left). \
         Null: the same run without label noise, of which this page knows nothing; \
         stratagram compare sets both side by side.{floor} Layers are {}. {}",
        MatrixKind::parse(kind.measure).title(),
        kind.layers.len(),
        words::order_of_layers(run),
        words::seed_words(run)
    )
}
