//! Boundary raster: when each layer of each seed has a boundary, with the fits of the seeds.

use crate::compare::{ArmFound, SeenRun};
use crate::findings::boundaries::BoundaryKind;
use crate::report::figure::svg::{
    Anchor, Area, GRID, LABEL, Px, Stroke, Svg, TICK, TITLE,
};
use crate::report::figure::text::short;
use crate::report::figure::time::{Timeline, name_below};
use crate::report::panels::{Figure, csv, number};

/// Width of an arm's panel; two stand side by side.
const WIDTH: f64 = 196.0;
const LEFT: f64 = 62.0;
const GAP: f64 = 18.0;
const TOP: f64 = 22.0;
/// Height of a seed within a row.
const SEED: f64 = 3.4;
/// Least height of a row.
const LEAST: f64 = 11.0;

const FIT: Stroke =
    Stroke { class: "fit", colour: "#16181d", width: 0.7, dash: "1.2 0.8" };
const OTHERS: Stroke =
    Stroke { class: "line-weights", colour: "#8a8f98", width: 0.6, dash: "" };

/// The figure; none without a layer.
pub(super) fn figure(arms: &[ArmFound]) -> Option<Figure> {
    let shown: Vec<&ArmFound> = arms
        .iter()
        .filter(|arm| arm.seen.iter().any(|run| !run.layers.is_empty()))
        .collect();
    if shown.is_empty() {
        return None;
    }
    let mut svg = Svg::default();
    let (mut top, mut right) = (TOP, 0.0_f64);
    for pair in shown.chunks(2) {
        let mut bottom = top;
        let mut left = LEFT;
        for arm in pair {
            let area = draw_arm(&mut svg, arm, (left, top));
            bottom = bottom.max(area.bottom());
            right = right.max(area.right());
            left = area.right() + GAP + LEFT;
        }
        top = bottom + 40.0;
    }
    let caption = caption(&shown);
    let size = (right + 10.0, top - 18.0);
    let drawn = svg.finish(size, "Boundaries over seeds", &caption);
    Some(Figure::new("boundaries", drawn, caption).with_numbers(numbers(&shown)))
}

fn numbers(arms: &[&ArmFound]) -> String {
    let runs = arms.iter().flat_map(|arm| arm.seen.iter().map(move |run| (arm, run)));
    let rows = runs.flat_map(|(arm, run)| {
        let cell = move |layer: &str, kind: &str, epoch: f64| {
            [
                arm.name.clone(),
                run.seed.clone(),
                layer.to_owned(),
                kind.to_owned(),
                number(epoch),
            ]
        };
        let fit = run.fit.map(|epoch| cell("", "perfect fit", epoch));
        let of_layers = run.layers.iter().flat_map(move |layer| {
            let own = layer.boundaries.iter();
            let own =
                own.map(move |(epoch, kind)| cell(&layer.name, kind.name(), *epoch));
            let cuts = layer.cuts.iter();
            own.chain(cuts.map(move |epoch| cell(&layer.name, "other detectors", *epoch)))
        });
        fit.into_iter().chain(of_layers)
    });
    csv(["arm", "seed", "layer", "kind", "epoch"], rows)
}

/// Layers down to the deepest, then the other detectors.
fn draw_arm(svg: &mut Svg, arm: &ArmFound, (left, top): (f64, f64)) -> Area {
    let names = names(&arm.seen);
    let height = (SEED * arm.seen.len() as f64 + 3.0).max(LEAST);
    let rows = names.len() + 1;
    let area = Area { left, top, width: WIDTH, height: height * rows as f64 };
    let last = arm.seen.iter().map(|run| run.last).fold(1.0, f64::max);
    let timeline = Timeline { last, ..Timeline::default() };
    let seeds = arm.seen.len();
    let title =
        format!("{}, {seeds} {}", arm.name, if seeds == 1 { "seed" } else { "seeds" });
    svg.text((area.left, area.top - 6.0), Anchor::Start, TITLE, &title);
    let raster = Raster { timeline, area, height };
    for (row, name) in names.iter().enumerate() {
        raster.heading(svg, row, name);
        for (seed, run) in arm.seen.iter().enumerate() {
            raster.fit(svg, (row, seed), run);
            raster.boundaries(svg, (row, seed), run, name);
        }
    }
    raster.heading(svg, names.len(), "others");
    for (seed, run) in arm.seen.iter().enumerate() {
        raster.fit(svg, (names.len(), seed), run);
        raster.cuts(svg, (names.len(), seed), run);
    }
    svg.frame(area);
    timeline.ticks_below(svg, area, true);
    name_below(svg, area);
    area
}

/// The layers of all runs, in the order of the first that has them.
fn names(runs: &[SeenRun]) -> Vec<&str> {
    let mut names: Vec<&str> = vec![];
    for layer in runs.iter().flat_map(|run| &run.layers) {
        if !names.contains(&layer.name.as_str()) {
            names.push(&layer.name);
        }
    }
    names
}

/// The panel of an arm.
struct Raster {
    timeline: Timeline,
    area: Area,
    height: f64,
}

impl Raster {
    /// x of an epoch, y of a seed within a row.
    fn place(&self, (row, seed): (usize, usize), epoch: f64) -> (f64, f64) {
        let y =
            self.area.top + row as f64 * self.height + 1.5 + SEED * (seed as f64 + 0.5);
        (self.timeline.across(self.area).at(epoch), y)
    }

    fn heading(&self, svg: &mut Svg, row: usize, name: &str) {
        let top = self.area.top + row as f64 * self.height;
        let place = (self.area.left - 4.0, top + self.height / 2.0 + 2.2);
        let style = if name == "others" { TICK } else { LABEL };
        svg.text(place, Anchor::End, style, &short(name));
        if row > 0 {
            svg.line((self.area.left, top), (self.area.right(), top), GRID);
        }
    }

    fn fit(&self, svg: &mut Svg, at: (usize, usize), run: &SeenRun) {
        let Some(fit) = run.fit else { return };
        let (x, y) = self.place(at, fit);
        svg.line((x, y - SEED / 2.0), (x, y + SEED / 2.0), FIT);
    }

    /// A bar for a burst, a triangle for a settling, both for both.
    fn boundaries(&self, svg: &mut Svg, at: (usize, usize), run: &SeenRun, name: &str) {
        let Some(layer) = run.layers.iter().find(|layer| layer.name == name) else {
            return;
        };
        for &(epoch, kind) in &layer.boundaries {
            let (x, y) = self.place(at, epoch);
            let mut shape = String::new();
            if matches!(kind, BoundaryKind::Burst | BoundaryKind::BurstAndSettling) {
                shape += &format!("M{} {}h1.4v2.8h-1.4z", Px(x - 0.7), Px(y - 1.4));
            }
            match kind {
                BoundaryKind::Burst => {}
                BoundaryKind::Unsettling => {
                    shape += &format!("M{} {}l-1.7 2.6h3.4z", Px(x), Px(y - 1.3));
                }
                _ => shape += &format!("M{} {}l-1.7 -2.6h3.4z", Px(x), Px(y + 1.3)),
            }
            svg.raw(format_args!(
                "<path class=\"mark-{}\" fill=\"{}\" d=\"{shape}\"/>",
                class(kind),
                colour(kind)
            ));
        }
    }

    /// The cuts of the other detectors in all layers of a seed.
    fn cuts(&self, svg: &mut Svg, at: (usize, usize), run: &SeenRun) {
        for epoch in run.layers.iter().flat_map(|layer| &layer.cuts) {
            let (x, y) = self.place(at, *epoch);
            svg.line((x, y - 1.2), (x, y + 1.2), OTHERS);
        }
    }
}

fn class(kind: BoundaryKind) -> &'static str {
    if kind == BoundaryKind::Burst { "burst" } else { "settling" }
}

fn colour(kind: BoundaryKind) -> &'static str {
    if kind == BoundaryKind::Burst { "#0b5fa5" } else { "#c4500c" }
}

fn caption(arms: &[&ArmFound]) -> String {
    let seeds: usize = arms.iter().map(|arm| arm.seen.len()).sum();
    let left_out: usize = arms.iter().map(|arm| arm.left_out.len()).sum();
    format!(
        "When the layers of every run have a boundary, by debiased CKA on test images; in each row one \
         line per seed, in the order of seeds. n: {seeds} runs of {} arms, {left_out} left out. Unit: \
         epochs on a scale of ln(1 + epoch). Bars: bursts; ▼ settlings (▲: roughness rises); dashed: the \
         seed’s perfect fit. Null of each mark: paths of the same speed, jitter and persistence without a \
         boundary (p ≤ 0.05). Gray row “others”: cuts of the four uncalibrated detectors in all layers, \
         which have no null.",
        arms.len()
    )
}
