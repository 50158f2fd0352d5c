//! One value by several routes: grown, streamed, in feature space, at any number of threads.

use crate::support::layers::{assert_close, compare, gaussian, related, rounded};
use stratagram::similarity::{
    Columns, EpochMatrix, Estimator, FeatureSignature, Measure, Settings, Undefined,
    blocked_matrix, cka, feature_matrix, feature_noise_floor, noise_floor,
    streamed_signature,
};

/// A matrix to which epochs are added has the bits of one made at once, whether or not some
/// of them are undefined.
#[test]
fn a_grown_matrix_is_the_whole_one() {
    let (n, p) = (40, 9);
    let settings = Settings { neighbours: 5, ..Settings::default() };
    for &measure in Measure::ALL {
        let count = if measure == Measure::Cka { 37 } else { 6 };
        let signatures: Vec<_> = (0..count)
            .map(|t| {
                let x = rounded(&gaussian(n, p, t));
                let x = if t == 3 { vec![1.0; n * p] } else { x };
                measure.signature(&x, n, p, &settings)
            })
            .collect();
        let signatures: Vec<_> =
            signatures.iter().map(|s| s.as_deref().map_err(|&reason| reason)).collect();
        let whole = measure.matrix(&signatures, n, &settings);
        for steps in [vec![2, 4], vec![count as usize - 1]] {
            let mut grown = measure.matrix(&[], n, &settings);
            for m in steps.into_iter().chain([count as usize]) {
                grown = measure.grown(&grown, &signatures[..m], n, &settings);
            }
            let bits = |values: &[f64]| -> Vec<u64> {
                values.iter().map(|value| value.to_bits()).collect()
            };
            assert_eq!(bits(&grown.values), bits(&whole.values), "{measure:?}");
            let errors = |matrix: &EpochMatrix| bits(matrix.se.as_deref().unwrap_or(&[]));
            assert_eq!(errors(&grown), errors(&whole), "{measure:?}");
            assert_eq!(grown.reasons, whole.reasons);
        }
    }
}

#[test]
fn the_bytes_of_every_measure_are_the_same_at_any_number_of_threads() {
    let (n, p) = (140, 33);
    let layers: Vec<Vec<f32>> = (0..4).map(|t| rounded(&gaussian(n, p, t))).collect();
    let layers: Vec<&[f32]> = layers.iter().map(Vec::as_slice).collect();
    let settings = Settings::default();
    let with = |threads: usize| -> Vec<u64> {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let matrices =
                Measure::ALL.iter().map(|m| compare(&layers, n, *m, &settings));
            matrices
                .flat_map(|m| [m.values, m.se.unwrap_or_default()].concat())
                .map(f64::to_bits)
                .collect()
        })
    };
    let one = with(1);
    for threads in [2, 3, 8] {
        assert!(with(threads) == one, "{threads} threads");
    }
}

/// Many examples of few features: the route without Gram matrices gives what they give.
#[test]
fn the_feature_space_gives_what_gram_matrices_give() {
    let n = 300;
    let [x, y] = related(n, 7).map(|x| rounded(&x));
    let z: Vec<f32> = gaussian(n, 4, 9).iter().map(|z| (*z + 30.0) as f32).collect();
    let dead = vec![2.0f32; n * 3];
    for estimator in [Estimator::Debiased, Estimator::Biased] {
        let layers: [&[f32]; 4] = [&x, &y, &z, &dead];
        let settings = Settings { estimator, ..Settings::default() };
        let expected = compare(&layers, n, Measure::Cka, &settings);
        let signatures: Vec<_> = layers
            .iter()
            .map(|x| FeatureSignature::of(x, n, x.len() / n, estimator))
            .collect();
        let signatures: Vec<_> =
            signatures.iter().map(|s| s.as_ref().map_err(|&reason| reason)).collect();
        let (found, floor) =
            (feature_matrix(&signatures, true), feature_noise_floor(&signatures));
        let grams = layers.map(|x| cka::signature(x, n, x.len() / n, estimator));
        let grams = grams.each_ref().map(|s| s.as_deref().map_err(|&reason| reason));
        assert_close(floor, noise_floor(&grams, n, estimator), 1e-6, "noise floor");
        assert_eq!(found.reasons, expected.reasons);
        for i in 0..3 {
            for j in 0..3 {
                let what = format!("{estimator:?} ({i}, {j})");
                assert_close(found.value(i, j), expected.value(i, j), 1e-6, &what);
                let (a, b) = (found.error(i, j).unwrap(), expected.error(i, j).unwrap());
                assert_close(a, b, 1e-6 + 1e-3 * b, &format!("error, {what}"));
            }
        }
    }
}

/// Without errors the values stay, by the routes that need no singular vectors within rounding.
#[test]
fn values_alone_are_those_that_come_with_errors() {
    let n = 40;
    let [x, y] = related(n, 6).map(|x| rounded(&x));
    let settings = Settings { neighbours: 5, ..Settings::default() };
    for &measure in Measure::ALL {
        let layers: [&[f32]; 2] = [&x, &y];
        let with = compare(&layers, n, measure, &settings);
        let alone = compare(&layers, n, measure, &Settings { errors: false, ..settings });
        assert!(alone.se.is_none(), "{measure:?}");
        for (value, expected) in alone.values.iter().zip(&with.values) {
            assert_close(*value, *expected, 1e-7, measure.name());
        }
    }
    let features =
        |x: &[f32]| FeatureSignature::of(x, n, x.len() / n, Estimator::Debiased);
    let features = [features(&x).unwrap(), features(&y).unwrap()];
    let signatures = features.each_ref().map(Ok);
    let (with, alone) =
        (feature_matrix(&signatures, true), feature_matrix(&signatures, false));
    assert_eq!(alone.values, with.values);
    assert_eq!((alone.se, with.se.is_some()), (None, true));
}

/// Features on disk, panel by panel.
struct InMemory {
    features: Vec<f32>,
    n: usize,
    /// Panels read so far.
    reads: usize,
    fails: bool,
}

impl Columns for InMemory {
    fn shape(&self) -> (usize, usize) {
        (self.n, self.features.len() / self.n)
    }

    fn read(
        &mut self,
        columns: std::ops::Range<usize>,
        panel: &mut [f32],
    ) -> std::io::Result<()> {
        if self.fails {
            return Err(std::io::ErrorKind::BrokenPipe.into());
        }
        self.reads += 1;
        let p = self.features.len() / self.n;
        let width = columns.len();
        for (to, from) in panel.chunks_mut(width).zip(self.features.chunks(p)) {
            to.copy_from_slice(&from[columns.clone()]);
        }
        Ok(())
    }
}

#[test]
fn streamed_signatures_are_those_of_features_in_memory() {
    let n = 30;
    for (p, panels) in [(7, 1), (4096, 1), (9001, 3)] {
        let mut x = rounded(&gaussian(n, p, 5));
        // Panels of unequal scale, one of them dead.
        for row in x.chunks_mut(p) {
            for (j, x) in row.iter_mut().enumerate() {
                *x =
                    if j >= 8192 { 3.0 } else { *x * if j < 4096 { 1.0 } else { 900.0 } };
            }
        }
        for estimator in [Estimator::Debiased, Estimator::Biased] {
            let mut source = InMemory { features: x.clone(), n, reads: 0, fails: false };
            let streamed = streamed_signature(&mut source, estimator).unwrap().unwrap();
            assert_eq!(source.reads, panels);
            let whole = cka::signature(&x, n, p, estimator).unwrap();
            assert!(streamed == whole, "[{n}, {p}] {estimator:?}");
        }
    }
    // One example of large norm: products are worked out again in f64.
    let mut x = rounded(&gaussian(n, 50, 5));
    x[150..200].iter_mut().for_each(|x| *x *= 1e4);
    let mut source = InMemory { features: x.clone(), n, reads: 0, fails: false };
    let streamed = streamed_signature(&mut source, Estimator::Debiased).unwrap().unwrap();
    assert_eq!(source.reads, 2);
    assert!(streamed == cka::signature(&x, n, 50, Estimator::Debiased).unwrap());
    source.fails = true;
    assert!(streamed_signature(&mut source, Estimator::Debiased).is_err());
    for (features, reason) in [
        (vec![1.0; n * 5], Undefined::DeadLayer),
        (vec![f32::NAN; n * 5], Undefined::NonFinite),
        (vec![], Undefined::DeadLayer),
    ] {
        let mut source = InMemory { features, n, reads: 0, fails: false };
        let result = streamed_signature(&mut source, Estimator::Biased).unwrap();
        assert_eq!(result.unwrap_err(), reason);
    }
}

/// Gram matrices a few rows at a time: the values and errors of signatures.
#[test]
fn blocks_of_gram_matrices_give_what_whole_ones_give() {
    let n = 90;
    let wide = rounded(&gaussian(n, 5000, 5));
    let other: Vec<f32> = wide
        .iter()
        .zip(gaussian(n, 5000, 6))
        .map(|(x, e)| 3.0 * x + e as f32 + 20.0)
        .collect();
    let narrow = rounded(&gaussian(n, 3, 7));
    // One example of large norm: products are worked out again in f64.
    let mut dominated = narrow.clone();
    dominated[30] = 1e4;
    // Undefined, for one example alone differs; dead; broken.
    let mut lone = vec![1.0f32; n * 4];
    lone[7] = 2.0;
    let mut broken = narrow.clone();
    broken[5] = f32::NAN;
    let layers = [wide, other, narrow, dominated, lone, vec![0.3; n * 2], broken];
    for estimator in [Estimator::Debiased, Estimator::Biased] {
        let settings = Settings { estimator, ..Settings::default() };
        let all = layers.each_ref().map(Vec::as_slice);
        let expected = compare(&all, n, Measure::Cka, &settings);
        for rows in [7, 64, 90, 1000] {
            let mut sources = layers.clone().map(|features| InMemory {
                features,
                n,
                reads: 0,
                fails: false,
            });
            let found = blocked_matrix(&mut sources, estimator, rows).unwrap();
            assert_eq!(found.reasons, expected.reasons, "{estimator:?}");
            // The wide one has two panels, read once for its moments and once a block.
            if estimator == Estimator::Biased {
                assert_eq!(sources[0].reads, 2 * (1 + n.div_ceil(rows)), "{rows}");
            }
            for (i, j) in (0..7).flat_map(|i| (0..7).map(move |j| (i, j))) {
                if expected.reason(i, j).is_some() {
                    continue;
                }
                let what = format!("{estimator:?} ({i}, {j}), blocks of {rows}");
                assert_close(found.value(i, j), expected.value(i, j), 1e-6, &what);
                let (a, b) = (found.error(i, j), expected.error(i, j));
                let (a, b) = (a.unwrap_or(-1.0), b.unwrap_or(-1.0));
                assert_close(a, b, 1e-6 + 1e-3 * b.abs(), &format!("error, {what}"));
            }
        }
        let mut source =
            [InMemory { features: layers[0].clone(), n, reads: 0, fails: true }];
        assert!(blocked_matrix(&mut source, estimator, 10).is_err());
    }
}
