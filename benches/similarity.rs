//! Time of the CKA and decision-region matrices, least of a few runs:
//! `cargo bench --bench similarity`.
#![allow(clippy::print_stdout)]

use std::time::Instant;

use faer::linalg::matmul::matmul;
use faer::{Accum, Mat, MatRef, Par};
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

/// One product of matrices gives the values without errors.
fn values_alone(signatures: &[Vec<f32>]) -> Mat<f32> {
    let all = signatures.concat();
    let rows = MatRef::from_row_major_slice(&all, signatures.len(), signatures[0].len());
    let mut product = Mat::zeros(rows.nrows(), rows.nrows());
    matmul(&mut product, Accum::Replace, rows, rows.transpose(), 1.0, Par::Seq);
    product
}

/// What errors cost measures of singular values: a pair with and without them, one thread.
fn singular_values() {
    let (n, p) = (500, 128);
    let settings = Settings::default();
    let layers = [features(n, p, 0), features(n, p, 1)];
    let wide =
        layers.each_ref().map(|x| Mat::from_fn(n, p, |i, j| f64::from(x[i * p + j])));
    let alone = least_ms(|| {
        let product = wide[0].transpose() * &wide[1];
        product.singular_values().expect("finite numbers")
    });
    for measure in [Measure::Shape, Measure::Cca] {
        let signatures =
            layers.each_ref().map(|x| measure.signature(x, n, p, &settings).unwrap());
        let rows = signatures.each_ref().map(|s| Ok(s.as_slice()));
        let both = least_ms(|| measure.across(&rows, 1, n, &settings));
        println!(
            "{}: [{n}, {p}], a pair with errors {both:.1} ms, a product and its singular \
             values {alone:.1} ms",
            measure.name()
        );
    }
}

fn main() {
    singular_values();
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
            if threads == 1 {
                let alone = least_ms(|| values_alone(&signatures));
                let ratio = (grams + matrix) / (grams + alone);
                println!(
                    "cka: values alone {alone:.0} ms: with errors {ratio:.2} times \
                     Grams and values"
                );
            }
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
