//! Time of the CKA and decision-region matrices, least of a few runs:
//! `cargo bench --bench similarity`.
#![allow(clippy::print_stdout)]

use std::time::Instant;

use rayon::prelude::*;
use stratagram::similarity::{Estimator, Measure, Settings, cka, drs};

const N_EPOCHS: usize = 40;
const RUNS: usize = 3;

fn least_ms<R>(mut work: impl FnMut() -> R) -> f64 {
    let time = |_| {
        let start = Instant::now();
        std::hint::black_box(work());
        start.elapsed().as_secs_f64() * 1e3
    };
    (0..RUNS).map(time).fold(f64::INFINITY, f64::min)
}

/// Numbers in [0, 1) without a pattern that repeats within an epoch.
fn features(n: usize, p: usize, epoch: usize) -> Vec<f32> {
    let mix =
        |k: usize| (k as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(31);
    let hash = |k| mix(k).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    (0..n * p)
        .map(|k| (hash(k + epoch * n * p) >> 40) as f32 / (1 << 24) as f32)
        .collect()
}

/// One checkpoint more beside 200: the new row alone, against everything anew.
fn growth() {
    let (n, p, n_epochs) = (512, 64, 200);
    let settings = Settings::default();
    let signatures: Vec<Vec<f32>> = (0..=n_epochs)
        .map(|t| cka::signature(&features(n, p, t), n, p, settings.estimator).unwrap())
        .collect();
    let rows: Vec<_> = signatures.iter().map(|s| Ok(s.as_slice())).collect();
    let known = Measure::Cka.matrix(&rows[..n_epochs], n, &settings);
    let row = least_ms(|| Measure::Cka.grown(&known, &rows, n, &settings));
    let whole = least_ms(|| Measure::Cka.matrix(&rows, n, &settings));
    println!(
        "cka: one checkpoint more beside {n_epochs}, n = {n}: {row:.1} ms; all anew \
         {whole:.0} ms"
    );
}

fn main() {
    let (n, p) = (1000, 512);
    let epochs: Vec<Vec<f32>> = (0..N_EPOCHS).map(|t| features(n, p, t)).collect();
    for threads in [1, 2] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let signatures = || -> Vec<Vec<f32>> {
                epochs
                    .par_iter()
                    .map(|x| cka::signature(x, n, p, Estimator::Debiased).unwrap())
                    .collect()
            };
            let grams = least_ms(signatures);
            let signatures = signatures();
            let rows: Vec<_> = signatures.iter().map(|s| Ok(s.as_slice())).collect();
            let matrix = least_ms(|| cka::matrix(&rows, n, Estimator::Debiased));
            println!(
                "cka: {N_EPOCHS} epochs of [{n}, {p}], {threads} thread(s): \
                 Grams {grams:.0} ms + matrix {matrix:.0} ms = {:.0} ms",
                grams + matrix
            );
        });
    }
    growth();
    let (planes, points) = (60, 400);
    let classes: Vec<Vec<u8>> = (0..N_EPOCHS)
        .map(|t| features(planes, points, t).iter().map(|x| (x * 10.0) as u8).collect())
        .collect();
    let classes: Vec<&[u8]> = classes.iter().map(Vec::as_slice).collect();
    let time = least_ms(|| drs::matrix(&classes, points));
    println!(
        "drs: {N_EPOCHS} epochs of {planes} planes of {points} points: {time:.1} ms"
    );
}
