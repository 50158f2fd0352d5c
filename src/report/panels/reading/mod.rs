//! How to read speed and roughness, on one screen: four toy layers, each of which does one
//! thing, and one layer of the run.

mod column;
mod coordinates;
pub(super) mod maps;
mod toys;

use super::numbers::{csv, number};
use super::panel::{Block, Figure, Panel, Section};
use super::ridges::at_level_of;
use crate::findings::{LayerFindings, Matrix};
use crate::report::figure::heatmap::{colour_bar, define_hatch};
use crate::report::figure::log_axis::positive_range;
use crate::report::figure::svg::Svg;
use crate::report::figure::time::Timeline;
use crate::report::found::{FoundKind, Point};
use crate::report::model::{EpochMatrix, RunResults};
use crate::report::words;
use crate::run_dir::RunFile;
use crate::similarity::MatrixKind;
use column::{Column, SIDE, tops};
use coordinates::principal_coordinates;
use toys::{Toy, toys};

/// The panel.
pub(super) const PANEL: Panel = Panel {
    id: "reading",
    title: "How to read speed and roughness",
    section: Section::Phases,
    shows: &[
        RunFile::Findings,
        RunFile::LayerCurves,
        RunFile::Axis,
        RunFile::Matrix,
        RunFile::Phases,
    ],
    blocks: |run| {
        // It explains the page.
        if run.sheet.is_paper {
            return vec![];
        }
        let Some(example) = Example::of(run) else { return vec![] };
        let blocks = vec![Block::Html(TEXT.into()), Block::Figure(example.figure(run))];
        Block::folded("How to read this, on one screen", blocks).into_iter().collect()
    },
};

const TEXT: &str = "<p>Four made-up layers, each of which does one thing, and one layer of this run.</p>
<p><b>Speed</b>: how fast the layer goes somewhere new. <b>Roughness</b>: how much it shakes without going anywhere. <b>Burst</b>: clearly faster than before and after. <b>Settling</b>: the shaking stops; if the gray line falls too, it is the optimizer that stopped.</p>
<p>A block alone proves nothing: smooth drift makes one.</p>
";

/// The layer of the run that is shown.
struct Example<'a> {
    kind: FoundKind<'a>,
    layer: &'a LayerFindings,
    matrix: &'a EpochMatrix,
}

impl<'a> Example<'a> {
    /// The deepest layer with a boundary by the leading measure, else the deepest.
    fn of(run: &'a RunResults) -> Option<Self> {
        let kind = run.found().into_iter().next()?;
        let set = run.matrix_set(&MatrixKind::parse(kind.measure), kind.group)?;
        let with_curves = |layer: &&LayerFindings| {
            !kind.curves(&layer.layer).speed().is_empty()
                && set.layer(&layer.layer).is_some()
        };
        let has_boundary = |layer: &LayerFindings| {
            layer.boundaries.iter().flatten().any(|boundary| !boundary.edge)
        };
        let layers = kind.layers.iter().copied().filter(with_curves);
        // Of equal ones the last.
        let layer = layers.max_by_key(|layer| has_boundary(layer))?;
        let matrix = set.layer(&layer.layer)?;
        Some(Self { kind, layer, matrix })
    }

    fn figure(&self, run: &RunResults) -> Figure {
        let caption = self.caption(run);
        Figure::new(PANEL.id, self.drawing(run, &caption), caption)
            .with_numbers(self.numbers())
    }

    /// The curves of all columns.
    fn numbers(&self) -> String {
        let curves = self.kind.curves(&self.layer.layer);
        let own = (self.layer.layer.clone(), curves.speed(), curves.roughness());
        let toys =
            toys().map(|toy| (format!("toy {}", toy.name), toy.speed(), toy.roughness()));
        let rows = toys.into_iter().chain([own]).flat_map(|(name, speed, roughness)| {
            let both = [("speed", speed), ("roughness", roughness)];
            both.into_iter().flat_map(move |(curve, points)| {
                let name = name.clone();
                points.into_iter().map(move |Point { epoch, value, se }| {
                    let [epoch, value, se] = [epoch, value, se].map(number);
                    [name.clone(), curve.to_owned(), epoch, value, se]
                })
            })
        });
        csv(["layer", "curve", "epoch", "value", "se"], rows)
    }

    fn drawing(&self, run: &RunResults, caption: &str) -> String {
        let toys = toys();
        let curves = self.kind.curves(&self.layer.layer);
        let (speed, roughness) = (curves.speed(), curves.roughness());
        let weights =
            at_level_of(&roughness, self.kind.weights(&self.layer.layer).roughness());
        let trail = self.trail(run);
        let similarity = |i: usize, j: usize| self.matrix.value(i, j);
        let own = Column {
            name: &self.layer.layer,
            detail: "of this run",
            extent: extent(&trail),
            trail,
            timeline: run.timeline(),
            epochs: &run.epochs,
            similarity: &similarity,
            fastest: fastest(&speed),
            range: range(roughness.iter().chain(&weights)),
            speed,
            roughness,
            weights,
            is_labelled: true,
        };
        let mut svg = Svg::default();
        let hatch = "hatch-reading";
        define_hatch(&mut svg, hatch);
        let right = draw_toys(&mut svg, &toys, hatch);
        row_names(&mut svg);
        own.draw(&mut svg, right, hatch);
        let [_, map, .., bottom] = tops();
        colour_bar(&mut svg, right + SIDE + 12.0, map, SIDE);
        svg.finish((right + SIDE + 44.0, bottom + 22.0), PANEL.title, caption)
    }

    /// The layer's checkpoints with a defined similarity, as points of a plane.
    fn trail(&self, run: &RunResults) -> Vec<[f64; 2]> {
        let n = run.epochs.len().min(self.matrix.n_epochs());
        let all = Matrix::from_fn(n, |i, j| self.matrix.value(i, j));
        let is_defined = |i: &usize| all.at(*i, *i).is_finite();
        let kept = all.keep(&(0..n).filter(is_defined).collect::<Vec<_>>());
        if kept.is_finite() { principal_coordinates(&kept.distances()) } else { vec![] }
    }

    fn caption(&self, run: &RunResults) -> String {
        let weights = if self.kind.weights(&self.layer.layer).roughness().is_empty() {
            ""
        } else {
            " Gray: roughness of the weights up to the layer, moved to its level."
        };
        format!(
            "Four toy layers of {} checkpoints that drift, jump, shake or settle in {} dimensions (two \
             are drawn, dark to light in time), and {} by {} (its first two principal coordinates); \
             below each its matrix, its speed (distance per unit of ln(1 + epoch)) and its roughness \
             (distance from the line between neighbors, logarithmic); the speed of what only shakes is 0 but for chance. Drift is what the tests take \
             for granted: their null has the same speed and jitter, but no burst and no step.{weights} \
             {}{}",
            toys::N,
            toys::DIMENSIONS,
            self.layer.layer,
            self.kind.in_words(),
            words::marks(run, "triangles and thin lines"),
            words::seed_words(run)
        )
    }
}

const LEFT: f64 = 34.0;
const GAP: f64 = 10.0;
/// Before the layer of the run, whose axes are its own.
const WIDE_GAP: f64 = 38.0;

/// The toys side by side, on common axes; returns where the next column begins.
fn draw_toys(svg: &mut Svg, toys: &[Toy], hatch: &str) -> f64 {
    let epochs = toys::epochs();
    let speeds: Vec<Vec<Point>> = toys.iter().map(Toy::speed).collect();
    let roughnesses: Vec<Vec<Point>> = toys.iter().map(Toy::roughness).collect();
    let extents: Vec<[f64; 2]> = toys.iter().flat_map(|toy| toy.trail.clone()).collect();
    let mut left = LEFT;
    for (index, toy) in toys.iter().enumerate() {
        let similarity = |i: usize, j: usize| toy.similarity.at(i, j);
        let column = Column {
            name: toy.name,
            detail: toy.detail,
            trail: toy.trail.clone(),
            extent: extent(&extents),
            timeline: Timeline { last: toys::LAST, ..Timeline::default() },
            epochs: &epochs,
            similarity: &similarity,
            speed: speeds[index].clone(),
            roughness: roughnesses[index].clone(),
            weights: vec![],
            fastest: fastest(&speeds.concat()),
            range: range(roughnesses.iter().flatten()),
            is_labelled: index == 0,
        };
        column.draw(svg, left, hatch);
        left += SIDE + GAP;
    }
    left - GAP + WIDE_GAP
}

/// What the rows show, at the left edge.
fn row_names(svg: &mut Svg) {
    let tops = tops();
    let names = ["trail", "matrix", "speed", "roughness"];
    for (name, ends) in names.iter().zip(tops.windows(2)) {
        svg.text_upwards((7.0, f64::midpoint(ends[0], ends[1])), name);
    }
}

/// Least and greatest of both coordinates, with room around them.
fn extent(points: &[[f64; 2]]) -> [[f64; 2]; 2] {
    [0, 1].map(|axis| {
        let values = || points.iter().map(|point| point[axis]);
        let least = values().fold(f64::INFINITY, f64::min);
        let most = values().fold(f64::NEG_INFINITY, f64::max);
        let room = 0.08 * (most - least).max(1e-9);
        if least.is_finite() { [least - room, most + room] } else { [0.0, 1.0] }
    })
}

fn fastest(speed: &[Point]) -> f64 {
    let most = speed.iter().map(|point| point.value).fold(0.0, f64::max);
    (1.08 * most).max(1e-6)
}

fn range<'a>(points: impl Iterator<Item = &'a Point>) -> (f64, f64) {
    let (least, most) =
        positive_range(points.map(|point| point.value)).unwrap_or((0.1, 1.0));
    (0.8 * least, 1.25 * most)
}
