//! How often the verdict on a curve errs on families of planted curves. The tables of
//! docs/LOG.md are what these tests print.

#![allow(clippy::print_stdout)] // the tables of docs/LOG.md

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use stratagram::phases::{Curves, Phases, Verdict};

use super::phases::{Normal, log_spaced, share};

/// Curves of each cell.
const RUNS: u64 = 200;

/// A test error of known shape over x = ln(1 + epoch); `shift` moves its turns.
#[derive(Clone, Copy)]
struct Shape {
    name: &'static str,
    curve: fn(x: f64, shift: f64) -> f64,
    /// Whether two rows of epochs 5 to 10 are higher by 0.06 and early rows jitter.
    has_early_bump: bool,
}

/// What is added to a shape; every row has a standard deviation of 0.005 besides, as 800 test
/// images give whose answers mostly stay the same.
#[derive(Clone, Copy)]
struct Disturbance {
    /// Standard deviation that every row adds.
    jitter: f64,
    /// Correlation of that of two rows next to each other.
    correlation: f64,
    /// Whether one row of epochs 3 to 7 is higher by 0.15.
    has_spike: bool,
}

const QUIET: Disturbance =
    Disturbance { jitter: 0.0, correlation: 0.0, has_spike: false };

fn decay(x: f64) -> f64 {
    0.12 + 0.7 * (-1.3 * x).exp()
}

/// From 0 to 1 around x = `at`.
fn step(x: f64, at: f64, width: f64) -> f64 {
    1.0 / (1.0 + ((at - x) / width).exp())
}

fn u_shape(x: f64, shift: f64) -> f64 {
    decay(x) + 0.06 * step(x, 3.5 + shift, 0.3)
}

/// Rises by 0.08 and falls by `fall`.
fn double_descent(x: f64, shift: f64, fall: f64) -> f64 {
    decay(x) + 0.08 * step(x, 2.8 + shift, 0.2) - fall * step(x, 4.4 + shift, 0.2)
}

const fn shape(name: &'static str, curve: fn(f64, f64) -> f64, bump: bool) -> Shape {
    Shape { name, curve, has_early_bump: bump }
}

const MONOTONE: Shape = shape("monotone", |x, _| decay(x), false);
const U_SHAPE: Shape = shape("u-shape", u_shape, false);

/// Where nothing is planted that counts.
const NULLS: [Shape; 5] = [
    MONOTONE,
    U_SHAPE,
    shape("early bump on monotone", |x, _| decay(x), true),
    shape("early bump on u-shape", u_shape, true),
    shape("late sudden fall", |x, shift| 0.12 + 0.78 * step(4.6 + shift, x, 0.05), false),
];

const FALLS_BY_4: Shape =
    shape("falls by 0.04", |x, s| double_descent(x, s, 0.04), false);
const FALLS_BY_6: Shape =
    shape("falls by 0.06", |x, s| double_descent(x, s, 0.06), false);

/// The verdict on one curve.
fn verdict_of(shape: Shape, added: Disturbance, epochs: &[f64], seed: u64) -> Verdict {
    let mut normal = Normal(ChaCha8Rng::seed_from_u64(seed));
    let mut uniform = |n: u64| normal.0.next_u64() % n;
    let (bump, wild) = (5 + uniform(5) as usize, 3 + uniform(5) as usize);
    let shift = uniform(401) as f64 / 1000.0 - 0.2;
    let correlation = added.correlation;
    let mut jitter = normal.draw();
    let error = |(row, epoch): (usize, &f64)| {
        let x = epoch.ln_1p();
        let mut error = (shape.curve)(x, shift) + 0.005 * normal.draw();
        let fresh = (1.0 - correlation * correlation).sqrt() * normal.draw();
        jitter = correlation * jitter + fresh;
        error += added.jitter * jitter;
        if shape.has_early_bump {
            error += 0.02 * (-x / 1.5).exp() * normal.draw();
            error += if (bump..bump + 2).contains(&row) { 0.06 } else { 0.0 };
        }
        error += if added.has_spike && row == wild { 0.15 } else { 0.0 };
        error.clamp(0.0, 1.0)
    };
    let test: Vec<f64> = epochs.iter().enumerate().map(error).collect();
    let train = epochs.iter().map(|t| (-t / 8.0).exp()).collect();
    let curves = Curves::new(epochs.to_vec(), train, test).unwrap();
    Phases::of(&curves).double_descent.verdict.unwrap()
}

/// Epochs of checkpoints (41 rows) and of a history (171 rows) of 300 epochs.
fn grids() -> [Vec<f64>; 2] {
    let mut sparse = log_spaced(290.0);
    sparse.push(300.0);
    let dense = (0..=100).map(f64::from);
    let ratio = |i: i32| (301.0_f64 / 101.0).powf(f64::from(i) / 70.0);
    let late = (1..=70).map(|i| (101.0 * ratio(i)).round() - 1.0);
    [sparse, dense.chain(late).collect()]
}

/// Share called double descent among the curves of a cell; prints it with the other verdicts.
fn called(shape: Shape, added: Disturbance, epochs: &[f64]) -> f64 {
    let found: Vec<Verdict> =
        (0..RUNS).map(|seed| verdict_of(shape, added, epochs, seed)).collect();
    let names = [Verdict::Monotone, Verdict::UShape, Verdict::Instability];
    let others = names.map(|verdict| share(&found, verdict));
    let rate = share(&found, Verdict::DoubleDescent);
    let Disturbance { jitter, correlation, has_spike } = added;
    let rows = epochs.len();
    println!(
        "{}, jitter {jitter} ({correlation}), spike {has_spike}, {rows} rows: {rate}, others {others:?}",
        shape.name
    );
    rate
}

/// Every shape on both grids with and without a spike.
fn each_cell(
    shapes: &[Shape],
    added: Disturbance,
    mut check: impl FnMut(&str, f64, usize, bool),
) {
    for epochs in grids() {
        for shape in shapes {
            for has_spike in [false, true] {
                let rate = called(*shape, Disturbance { has_spike, ..added }, &epochs);
                check(shape.name, rate, epochs.len(), has_spike);
            }
        }
    }
}

fn none_is_called(shapes: &[Shape], added: Disturbance) {
    each_cell(shapes, added, |name, rate, rows, spike| {
        assert!(rate <= 0.05, "{name}, {rows} rows, spike {spike}: {rate}");
    });
}

#[test]
fn curves_without_a_second_descent_are_not_called_one() {
    none_is_called(&NULLS, QUIET);
}

#[test]
fn jitter_is_no_second_descent() {
    none_is_called(&[MONOTONE, U_SHAPE], Disturbance { jitter: 0.03, ..QUIET });
}

/// A fall of 0.06 is found nearly always where rows jitter by 0.005, half of the time or less
/// where they jitter by 0.03: answers per image are what tells them then.
#[test]
fn planted_descents_are_found() {
    let planted = [FALLS_BY_4, FALLS_BY_6];
    each_cell(&planted, QUIET, |name, rate, rows, spike| {
        assert!(rate >= 0.8, "{name}, {rows} rows, spike {spike}: {rate}");
    });
    each_cell(
        &planted,
        Disturbance { jitter: 0.03, ..QUIET },
        |name, rate, rows, spike| {
            let least = if rows > 100 { 0.2 } else { 0.02 };
            assert!(rate >= least, "{name}, {rows} rows, spike {spike}: {rate}");
        },
    );
}

/// Jitter that swings from side to side, as with a large learning rate, counts for less than
/// independent jitter and is never a descent; jitter that rows share looks like one, the more
/// the more they share.
#[test]
fn correlated_jitter_is_told_from_a_descent_by_its_blocks() {
    let [_, dense] = grids();
    for (correlation, most) in [(-0.5, 0.05), (0.5, 0.15), (0.8, 0.45)] {
        let added = Disturbance { jitter: 0.03, correlation, has_spike: false };
        for shape in [MONOTONE, U_SHAPE] {
            let rate = called(shape, added, &dense);
            assert!(rate <= most, "{}, correlation {correlation}: {rate}", shape.name);
        }
    }
    let swings = Disturbance { jitter: 0.03, correlation: -0.5, has_spike: false };
    let rate = called(FALLS_BY_6, swings, &dense);
    assert!(rate >= 0.15, "{rate}");
}
