//! Errors over the epochs: the mean over the seeds of each arm, and how far they lie apart.

use super::looks::Look;
use crate::compare::{ArmFound, SeenErrors, SeenRun};
use crate::report::figure::axes::{LinearAxis, ceiling};
use crate::report::figure::curves::{CurvePanel, key_of, of_layer};
use crate::report::figure::metrics::width;
use crate::report::figure::svg::{Anchor, Area, Px, Stroke, Svg, TICK, TITLE};
use crate::report::figure::text::short;
use crate::report::figure::time::Timeline;
use crate::report::panels::{Figure, csv, number};

const LEFT: f64 = 30.0;
const WIDTH: f64 = 330.0;
/// Height of the strip of the test error, and of that of the train error.
const HEIGHTS: [f64; 2] = [120.0, 60.0];
const TOP: f64 = 20.0;
/// Between the strips.
const GAP: f64 = 34.0;
/// Height of a line of the key, and of a row of marks of perfect fits.
const ROW: f64 = 9.5;
/// From so many seeds on a band is an interval of the mean, of fewer it is their range.
const FEW: usize = 6;

/// A curve at an epoch that all seeds of an arm have logged.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Point {
    epoch: f64,
    mean: f64,
    low: f64,
    high: f64,
}

type Value = fn(&SeenErrors) -> f64;
/// What the strips show.
const CURVES: [(&str, Value); 2] =
    [("Test error", |row| row.test), ("Train error", |row| row.train)];

/// The figure of these arms; none where no run has errors.
pub(super) fn figure(arms: &[ArmFound]) -> Option<Figure> {
    let has_errors = |arm: &&ArmFound| arm.seen.iter().any(|run| !run.errors.is_empty());
    let shown: Vec<(usize, &ArmFound)> =
        arms.iter().enumerate().filter(|(_, arm)| has_errors(arm)).collect();
    if shown.is_empty() {
        return None;
    }
    let timeline = Timeline { last: last_epoch(arms), ..Timeline::default() };
    let mut svg = Svg::default();
    let mut top = TOP;
    let key_left = LEFT + WIDTH + 12.0;
    for ((title, value), height) in CURVES.into_iter().zip(HEIGHTS) {
        let area = Area { left: LEFT, top, width: WIDTH, height };
        let panel = CurvePanel { timeline, area, values: axis(&shown, value, area) };
        strip(&mut svg, panel, title, (&shown, arms.len()), value);
        top = area.bottom() + GAP;
    }
    let right = key(&mut svg, &shown, arms.len(), (key_left, TOP + 8.0));
    let caption = caption(&shown);
    let bottom = (top - GAP + 21.0).max(TOP + 8.0 + ROW * shown.len() as f64);
    let drawn = svg.finish((right, bottom), "Errors over seeds", &caption);
    Some(Figure::new("errors", drawn, caption).with_numbers(numbers(&shown)))
}

/// The last epoch of any run.
pub(super) fn last_epoch(arms: &[ArmFound]) -> f64 {
    let ends = arms.iter().flat_map(|arm| &arm.seen).map(|run| {
        let logged = run.errors.last().map_or(0.0, |row| row.epoch);
        logged.max(if run.last.is_finite() { run.last } else { 0.0 })
    });
    ends.fold(1.0, f64::max)
}

/// The mean test error of an arm at each epoch.
pub(super) fn test_error(arm: &ArmFound) -> Vec<(f64, f64)> {
    let points = over_seeds(&arm.seen, |row| row.test).into_iter();
    points.map(|point| (point.epoch, point.mean)).collect()
}

/// Nothing is interpolated: only epochs that every seed has logged have a mean.
fn over_seeds(runs: &[SeenRun], value: Value) -> Vec<Point> {
    let curves: Vec<&SeenRun> =
        runs.iter().filter(|run| !run.errors.is_empty()).collect();
    let Some((first, others)) = curves.split_first() else { return vec![] };
    let at = |run: &SeenRun, epoch: f64| {
        let row = run.errors.binary_search_by(|row| row.epoch.total_cmp(&epoch)).ok()?;
        Some(value(&run.errors[row]))
    };
    let point = |row: &SeenErrors| {
        let rest = others.iter().map(|run| at(run, row.epoch));
        let values: Vec<f64> =
            std::iter::once(Some(value(row))).chain(rest).collect::<Option<_>>()?;
        let finite = values.iter().all(|value| value.is_finite());
        finite.then(|| spread(row.epoch, &values))
    };
    first.errors.iter().filter_map(point).collect()
}

/// Mean and, of six seeds or more, its 95 % interval (Student); of fewer, least and greatest.
fn spread(epoch: f64, values: &[f64]) -> Point {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    if values.len() < FEW {
        let least = values.iter().copied().fold(f64::INFINITY, f64::min);
        let most = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        return Point { epoch, mean, low: least, high: most };
    }
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    let half = student(n - 1.0) * (squares / (n - 1.0) / n).sqrt();
    Point { epoch, mean, low: mean - half, high: mean + half }
}

/// The 0.975 quantile of Student's t by its expansion in 1/ν, to 0.2 % from ν = 5 on
/// (Abramowitz and Stegun 1964, 26.7.5).
fn student(freedom: f64) -> f64 {
    1.959_964 + 2.372_27 / freedom + 2.822_5 / freedom.powi(2) + 2.555_9 / freedom.powi(3)
}

/// From 0 to what the curves reach once they have half fallen: the beginning of the fall from chance
/// may leave the strip.
fn axis(arms: &[(usize, &ArmFound)], value: Value, area: Area) -> LinearAxis {
    let later = arms.iter().flat_map(|(_, arm)| {
        let points = over_seeds(&arm.seen, value);
        let lowest = points.iter().map(|point| point.mean).fold(f64::INFINITY, f64::min);
        let first = points.first().map_or(lowest, |point| point.mean);
        let half = points.iter().position(|point| point.mean <= lowest.midpoint(first));
        points.into_iter().skip(half.unwrap_or(0)).map(|point| point.high)
    });
    LinearAxis::up(area, 0.0, ceiling(later.fold(0.05, f64::max)))
}

fn strip(
    svg: &mut Svg,
    panel: CurvePanel,
    title: &str,
    (arms, n_arms): (&[(usize, &ArmFound)], usize),
    value: Value,
) {
    let area = panel.area;
    svg.text((area.left, area.top - 5.0), Anchor::Start, TITLE, title);
    panel.open(svg, 4);
    for (index, arm) in arms {
        let look = Look::of(*index, n_arms);
        let points = over_seeds(&arm.seen, value);
        of_layer(svg, &arm.name, |svg| {
            if arm.seen.len() > 1 {
                let band =
                    points.iter().map(|p| (p.epoch, p.low, p.high)).collect::<Vec<_>>();
                panel.band(svg, &band, &look.colour);
            }
            let line = points.iter().map(|point| (point.epoch, point.mean));
            panel.curve(svg, line, look.stroke(1.4));
            fits(svg, &panel, arm, &look);
        });
    }
    panel.close(svg);
}

/// A short line at the lower edge for the perfect fit of each seed.
fn fits(svg: &mut Svg, panel: &CurvePanel, arm: &ArmFound, look: &Look) {
    let bottom = panel.area.bottom();
    for fit in arm.seen.iter().filter_map(|run| run.fit) {
        let x = panel.timeline.across(panel.area).at(fit);
        let stroke = Stroke { dash: "", ..look.stroke(1.1) };
        svg.line((x, bottom), (x, bottom - 7.0), stroke);
    }
}

/// The names of the arms; returns where they end at the right.
fn key(
    svg: &mut Svg,
    arms: &[(usize, &ArmFound)],
    n_arms: usize,
    (left, top): (f64, f64),
) -> f64 {
    let mut right = left + 60.0;
    for (row, (index, arm)) in arms.iter().enumerate() {
        let y = top + ROW * row as f64;
        let seeds = arm.seen.len();
        let text = format!("{} (n = {seeds})", short(&arm.name));
        key_of(svg, &arm.name, |svg| {
            svg.line(
                (left, y - 2.0),
                (left + 18.0, y - 2.0),
                Look::of(*index, n_arms).stroke(1.7),
            );
            svg.text((left + 22.0, y), Anchor::Start, TICK, &text);
            // What is between line and name can be pointed at, too.
            svg.raw(format_args!(
                "<rect fill=\"none\" pointer-events=\"all\" x=\"{}\" y=\"{}\" width=\"22\" height=\"{ROW}\"/>",
                Px(left), Px(y - 7.0)
            ));
        });
        right = right.max(left + 26.0 + width(&text, TICK));
    }
    right
}

fn caption(arms: &[(usize, &ArmFound)]) -> String {
    let runs: usize = arms.iter().map(|(_, arm)| arm.seen.len()).sum();
    let several = arms.iter().any(|(_, arm)| arm.seen.len() > 1);
    let many = arms.iter().any(|(_, arm)| arm.seen.len() >= FEW);
    let band = match (several, many) {
        (false, _) => "",
        (true, false) => " Bands: least to greatest of the seeds.",
        (true, true) => {
            " Bands: 95 % interval of the mean (Student’s t) of six seeds or more, of fewer least to greatest."
        }
    };
    format!(
        "Errors of test images (above) and against the training labels (below) over the epochs, on a \
         scale of ln(1 + epoch). Lines: mean over the seeds of each arm, at epochs that all of them have \
         logged; n: {runs} runs of {} {}.{band} Short lines at the lower edge: the perfect fit of each \
         seed. What lies above a strip is the beginning of the fall from chance. Unit: fraction of \
         images. Null: arms that do not differ lie on each other.",
        arms.len(),
        if arms.len() == 1 { "arm" } else { "arms" },
    )
}

fn numbers(arms: &[(usize, &ArmFound)]) -> String {
    let rows = CURVES.into_iter().flat_map(|(title, value)| {
        arms.iter().flat_map(move |(_, arm)| {
            over_seeds(&arm.seen, value).into_iter().map(move |point| {
                let [epoch, mean, low, high] =
                    [point.epoch, point.mean, point.low, point.high].map(number);
                let seeds = arm.seen.len().to_string();
                [title.to_lowercase(), arm.name.clone(), epoch, mean, low, high, seeds]
            })
        })
    });
    csv(["curve", "arm", "epoch", "mean", "low", "high", "seeds"], rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_seeds_have_a_range_and_many_an_interval() {
        let few = spread(1.0, &[0.1, 0.4, 0.1]);
        assert_eq!((few.low, few.high), (0.1, 0.4));
        assert!((few.mean - 0.2).abs() < 1e-12);
        // scipy.stats.t.interval(0.95, 5, mean, sem) of these six is 0.35 ± 0.196331.
        let many = spread(1.0, &[0.1, 0.2, 0.3, 0.4, 0.5, 0.6]);
        assert!((many.mean - 0.35).abs() < 1e-12);
        assert!((many.high - 0.35 - 0.196_330).abs() < 5e-4, "{many:?}");
    }

    #[test]
    fn only_epochs_that_all_seeds_have_are_averaged() {
        let run = |rows: &[(f64, f64)]| SeenRun {
            seed: String::new(),
            errors: rows
                .iter()
                .map(|&(epoch, test)| SeenErrors { epoch, test, train: f64::NAN })
                .collect(),
            turns: [None; 3],
            epochs: vec![],
            maps: vec![],
            fit: None,
            last: 0.0,
            layers: vec![],
            movement: None,
        };
        let runs =
            [run(&[(0.0, 0.8), (1.0, 0.4), (3.0, 0.2)]), run(&[(0.0, 0.6), (3.0, 0.4)])];
        let points = over_seeds(&runs, |row| row.test);
        let means: Vec<(f64, f64)> = points.iter().map(|p| (p.epoch, p.mean)).collect();
        assert_eq!(means.len(), 2);
        assert!((means[0].1 - 0.7).abs() < 1e-12 && (means[1].1 - 0.3).abs() < 1e-12);
        assert!(over_seeds(&runs, |row| row.train).is_empty());
    }
}
