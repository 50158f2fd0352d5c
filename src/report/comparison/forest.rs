//! The forest plot: one strip per statement with all seeds, mean and interval.

use crate::compare::{Finding, Pairing, VariantFound};
use crate::findings::seeds::Direction;
use crate::report::figure::axes::LinearAxis;
use crate::report::figure::svg::{Anchor, FRAME, LABEL, Px, Stroke, Svg, TICK, TITLE};
use crate::report::figure::text::trimmed;
use crate::report::panels::{Figure, csv, maybe};

/// Width of the drawing, and where its strips begin and end.
const WIDTH: f64 = 520.0;
const LEFT: f64 = 132.0;
const RIGHT: f64 = 372.0;
/// Height of a strip.
const STRIP: f64 = 34.0;
/// Height of a variant below it.
const VARIANT: f64 = 6.5;
/// Above the first strip.
const TOP: f64 = 8.0;
/// Share of a strip's length on each side of its outermost mark.
const MARGIN: f64 = 0.06;

const MEAN: Stroke = Stroke { class: "mean", colour: "#16181d", width: 1.4, dash: "" };
const THIN: Stroke = Stroke { class: "variant", colour: "#8a8f98", width: 0.8, dash: "" };
const ZERO: Stroke =
    Stroke { class: "frame", colour: "#8a8f98", width: 0.5, dash: "2 2" };

/// What the figure shows, below it.
const CAPTION: &str = "One strip per statement, each on its own scale. Circles: one \
    per seed, differences of paired seeds; of unpaired arms the first arm's seeds less the mean \
    of the second. Tick: mean. Bar: 95 % interval (exact sign flips or splits; none with fewer \
    than six seeds). Thin lines below: the same by other measures, tick at their mean. n: beside \
    each strip. Null: no effect (dashed). Shaded: effects smaller than d, the smallest effect of \
    interest.";

/// The figure of these findings; none without a value.
pub(super) fn figure(findings: &[&Finding], file: &str) -> Option<Figure> {
    let shown: Vec<&&Finding> = findings.iter().filter(|f| f.mean.is_some()).collect();
    if shown.is_empty() {
        return None;
    }
    let mut svg = Svg::default();
    let mut top = TOP;
    for finding in shown {
        strip(&mut svg, finding, top);
        top += STRIP + VARIANT * variants(finding).count() as f64;
    }
    let drawn = svg.finish((WIDTH, top + 4.0), "Effects over seeds", CAPTION);
    Some(Figure::new(file, drawn, CAPTION.into()).with_numbers(numbers_of(findings)))
}

fn numbers_of(findings: &[&Finding]) -> String {
    let rows = findings.iter().flat_map(|finding| {
        let reading = finding.reading.map_or("", |reading| reading.name());
        finding.values.iter().map(move |row| {
            let [plus, minus] = [&finding.plus, &finding.minus]
                .map(|arm| arm.clone().unwrap_or_default());
            let [value, other, difference] =
                [row.plus, row.minus, row.difference()].map(maybe);
            [
                finding.title(),
                reading.to_owned(),
                plus,
                minus,
                row.seed.clone(),
                value,
                other,
                difference,
            ]
        })
    });
    let columns = [
        "statement",
        "reading",
        "plus",
        "minus",
        "seed",
        "value_plus",
        "value_minus",
        "difference",
    ];
    csv(columns, rows)
}

/// The variants that have a value.
fn variants(finding: &Finding) -> impl Iterator<Item = (&VariantFound, f64)> {
    finding.variants.iter().filter_map(|variant| Some((variant, variant.mean?)))
}

/// The effect of each seed.
fn marks(finding: &Finding) -> Vec<f64> {
    if finding.pairing != Some(Pairing::None) {
        return finding.effects.clone();
    }
    let minus: Vec<f64> = finding.values.iter().filter_map(|row| row.minus).collect();
    let mean = minus.iter().sum::<f64>() / minus.len() as f64;
    finding.values.iter().filter_map(|row| Some(row.plus? - mean)).collect()
}

fn strip(svg: &mut Svg, finding: &Finding, top: f64) {
    let marks = marks(finding);
    let axis = axis(finding, &marks);
    let middle = top + STRIP / 2.0 - 4.0;
    let bottom = middle + 9.0 + VARIANT * variants(finding).count() as f64;
    let reading = finding.reading.map_or("exploratory", |reading| reading.name());
    svg.text((2.0, middle), Anchor::Start, TITLE, &finding.title());
    svg.text((2.0, middle + 8.5), Anchor::Start, TICK, reading);
    ground(svg, finding, axis, [middle - 9.0, bottom]);
    if let Some([low, high]) = finding.interval {
        svg.line((axis.at(low), middle), (axis.at(high), middle), MEAN);
    }
    for mark in &marks {
        svg.raw(format_args!(
            "<circle class=\"effect\" cx=\"{}\" cy=\"{}\" r=\"2.4\" fill=\"#ffffff\" stroke=\"#0b5fa5\" stroke-width=\"0.9\"/>",
            Px(axis.at(*mark)), Px(middle)
        ));
    }
    if let Some(mean) = finding.mean {
        svg.line((axis.at(mean), middle - 5.0), (axis.at(mean), middle + 5.0), MEAN);
    }
    for (row, (variant, mean)) in variants(finding).enumerate() {
        let y = middle + 10.0 + VARIANT * row as f64;
        draw_variant(svg, variant, (axis, mean), y);
    }
    let verdict = finding.verdict.map_or("no verdict", |verdict| verdict.name());
    svg.text((RIGHT + 12.0, middle), Anchor::Start, LABEL, verdict);
    svg.text((RIGHT + 12.0, middle + 8.5), Anchor::Start, TICK, &numbers(finding));
}

/// Effects too small to be of interest.
fn band(finding: &Finding) -> Option<[f64; 2]> {
    let d = finding.d?;
    Some([if finding.direction == Direction::Either { -d } else { 0.0 }, d])
}

/// What lies below the marks: effects smaller than d, the line of no effect, the axis.
fn ground(svg: &mut Svg, finding: &Finding, axis: LinearAxis, [top, bottom]: [f64; 2]) {
    if let Some([from, d]) = band(finding) {
        svg.raw(format_args!(
            "<rect class=\"band\" x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" fill=\"#e6e8eb\"/>",
            Px(axis.at(from)), Px(top), Px(axis.at(d) - axis.at(from)), Px(bottom - top)
        ));
    }
    svg.line((LEFT, bottom), (RIGHT, bottom), FRAME);
    svg.line((axis.at(0.0), top), (axis.at(0.0), bottom), ZERO);
    for tick in axis.ticks(4) {
        let x = axis.at(tick);
        svg.line((x, bottom), (x, bottom + 2.0), FRAME);
        svg.text((x, bottom + 8.5), Anchor::Middle, TICK, &trimmed(tick, 3));
    }
}

/// The interval of a variant and a tick at its mean, thin.
fn draw_variant(
    svg: &mut Svg,
    variant: &VariantFound,
    (axis, mean): (LinearAxis, f64),
    y: f64,
) {
    svg.text((LEFT - 5.0, y + 2.0), Anchor::End, TICK, &variant.name);
    if let Some([low, high]) = variant.interval {
        svg.line((axis.at(low), y), (axis.at(high), y), THIN);
    }
    svg.line((axis.at(mean), y - 2.0), (axis.at(mean), y + 2.0), THIN);
    if variant.same_sign == Some(false) {
        svg.text((RIGHT + 12.0, y + 5.0), Anchor::Start, TICK, "other sign");
    }
}

/// From the outermost mark on one side to that on the other; zero and d are marks, too.
fn axis(finding: &Finding, marks: &[f64]) -> LinearAxis {
    let interval = finding.interval.into_iter().flatten();
    let ends = interval.chain(band(finding).into_iter().flatten()).chain([0.0]);
    let others = variants(finding)
        .flat_map(|(variant, mean)| variant.interval.into_iter().flatten().chain([mean]));
    let all: Vec<f64> = marks.iter().copied().chain(ends).chain(others).collect();
    let least = all.iter().copied().fold(f64::INFINITY, f64::min);
    let most = all.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let room = MARGIN * (most - least).max(1e-9);
    LinearAxis { from: least - room, end: most + room, start: LEFT, length: RIGHT - LEFT }
}

fn numbers(finding: &Finding) -> String {
    let mean = finding.mean.map_or(String::new(), |mean| format!("{mean:+.3}"));
    let interval = finding
        .interval
        .map_or(String::new(), |[low, high]| format!(" ({low:.3} to {high:.3})"));
    format!("{mean}{interval}, n = {}", finding.n)
}
