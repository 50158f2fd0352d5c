//! Standard errors and noise floors, against the jackknife by force and against the spread
//! over draws of examples.

use crate::support::layers::{
    assert_close, compare, gaussian, hsic1, jackknife, related, rounded,
};
use stratagram::similarity::{
    EpochMatrix, Estimator, Measure, Setting, Settings, cka, without,
};

/// The delete-one jackknife by force: every example left out, everything computed again.
#[test]
fn standard_errors_are_those_of_the_jackknife() {
    let (n, p) = (41, 6);
    let [x, y] = related(n, p).map(|x| rounded(&x));
    let z = rounded(&gaussian(n, p, 9));
    let with = |estimator| Settings { estimator, ..Settings::default() };
    for (measure, settings) in [
        (Measure::Cka, with(Estimator::Debiased)),
        (Measure::Cka, with(Estimator::Biased)),
        (Measure::RsaPearson, with(Estimator::Debiased)),
    ] {
        let matrix = compare(&[&x, &y, &z], n, measure, &settings);
        let without = |x: &[f32], m: usize| [&x[..m * p], &x[(m + 1) * p..]].concat();
        let estimates: Vec<EpochMatrix> = (0..n)
            .map(|m| {
                let layers = [&x, &y, &z].map(|x| without(x, m));
                compare(&[&layers[0], &layers[1], &layers[2]], n - 1, measure, &settings)
            })
            .collect();
        for (i, j) in [(0, 1), (0, 2), (1, 2), (2, 1)] {
            let values: Vec<f64> = estimates.iter().map(|e| e.value(i, j)).collect();
            let expected = jackknife(&values);
            let what = format!("{} {settings:?} ({i}, {j})", measure.name());
            assert!(expected > 0.01, "{what}: an uninformative example");
            let se = matrix.error(i, j).unwrap();
            assert_close(se, expected, 1e-4 * expected, &what);
        }
        assert_eq!(matrix.error(1, 1), Some(0.0));
    }
}

/// With minibatches, an example is left out of its own batch; the others stay as they are.
#[test]
fn standard_errors_of_minibatches_are_those_of_the_jackknife() {
    let (n, p) = (30, 6);
    let [x, y] = related(n, p).map(|x| rounded(&x));
    let settings =
        Settings { estimator: Estimator::Minibatch { size: 10 }, ..Settings::default() };
    let matrix = compare(&[&x, &y], n, Measure::Cka, &settings);
    let hsic = |a: &[f32], b: &[f32], left_out: usize| -> f64 {
        (0..3)
            .map(|k| {
                let rows = (k * 10..k * 10 + 10).filter(|i| *i != left_out);
                let of = |x: &[f32]| -> Vec<f32> {
                    rows.clone().flat_map(|i| x[i * p..][..p].to_vec()).collect()
                };
                let (a, b) = (of(a), of(b));
                hsic1(&a, &b, a.len() / p)
            })
            .sum()
    };
    let estimate =
        |m: usize| hsic(&x, &y, m) / (hsic(&x, &x, m) * hsic(&y, &y, m)).sqrt();
    let expected = jackknife(&(0..n).map(estimate).collect::<Vec<_>>());
    let se = matrix.error(0, 1).unwrap();
    assert_close(se, expected, 1e-4 * expected, "minibatches of 10");
}

/// Measures made of singular values have the infinitesimal jackknife: with many more examples
/// than features it is the delete-one jackknife by force.
#[test]
fn standard_errors_of_singular_values_are_those_of_the_jackknife() {
    let (n, p) = (240, 3);
    let [x, y] = related(n, p).map(|x| rounded(&x));
    let settings = Settings::default();
    let without = |x: &[f32], m: usize| [&x[..m * p], &x[(m + 1) * p..]].concat();
    for measure in [
        Measure::Procrustes,
        Measure::ProcrustesDistance,
        Measure::Shape,
        Measure::Cca,
        Measure::CcaR2,
        Measure::Svcca,
    ] {
        let matrix = compare(&[&x, &y], n, measure, &settings);
        let values: Vec<f64> = (0..n)
            .map(|m| {
                let layers = [without(&x, m), without(&y, m)];
                compare(&[&layers[0], &layers[1]], n - 1, measure, &settings).value(0, 1)
            })
            .collect();
        let expected = jackknife(&values);
        assert!(expected > 0.005, "{measure:?}: an uninformative example");
        let se = matrix.error(0, 1).unwrap();
        assert_close(se, expected, 0.04 * expected, measure.name());
        assert!(matrix.error(1, 1).unwrap() < 1e-6, "{measure:?}");
    }
}

/// With one canonical correlation its weight does not matter.
#[test]
fn the_error_of_one_weighted_correlation_is_that_of_the_correlation() {
    let n = 60;
    let [x, y] = related(n, 1).map(|x| rounded(&x));
    let error = |measure| {
        let matrix = compare(&[&x, &y], n, measure, &Settings::default());
        matrix.error(0, 1).unwrap()
    };
    let (weighted, plain) = (error(Measure::Pwcca), error(Measure::Cca));
    assert_close(weighted, plain, 1e-12, "pwcca");
    assert!(plain > 0.01, "an uninformative example");
}

/// The errors of deconfounded CKA keep what the confounder explains: as if it were chosen
/// anew without each example.
#[test]
fn standard_errors_without_a_confounder_are_those_of_the_jackknife() {
    let (n, p) = (81, 6);
    let [x, y] = related(n, p).map(|x| rounded(&x));
    let z: Vec<f32> =
        x.iter().zip(gaussian(n, p, 9)).map(|(x, e)| x + e as f32).collect();
    for estimator in [Estimator::Debiased, Estimator::Biased] {
        let matrix = |left_out: Option<usize>| {
            let signature = |x: &[f32]| {
                let rows = x.chunks(p).enumerate();
                let rows = rows.filter(|(m, _)| left_out.is_none_or(|out| *m != out));
                let rows: Vec<f32> = rows.flat_map(|(_, row)| row.to_vec()).collect();
                cka::signature(&rows, rows.len() / p, p, estimator).unwrap()
            };
            let confounder = signature(&z);
            let [a, b] = [&x, &y].map(|x| without(&signature(x), &confounder).unwrap());
            let count = n - usize::from(left_out.is_some());
            cka::matrix(&[Ok(&a), Ok(&b)], count, estimator)
        };
        let values: Vec<f64> = (0..n).map(|m| matrix(Some(m)).value(0, 1)).collect();
        let expected = jackknife(&values);
        assert!(expected > 0.02, "{estimator:?}: an uninformative example");
        let se = matrix(None).error(0, 1).unwrap();
        assert_close(se, expected, 0.05 * expected, "without a confounder");
    }
}

/// Guards against an error that is right in form alone: over many draws of examples the
/// similarities spread as much as it says.
#[test]
fn standard_errors_are_the_spread_over_draws_of_examples() {
    let with = |estimator| Settings { estimator, ..Settings::default() };
    let plain = Settings::default();
    let cases = [
        (Measure::Cka, with(Estimator::Debiased), 5),
        (Measure::Cka, with(Estimator::Biased), 5),
        (Measure::Procrustes, plain, 20),
        (Measure::Shape, plain, 20),
        (Measure::Cca, plain, 20),
        (Measure::CcaR2, plain, 20),
        (Measure::Svcca, plain, 20),
        (Measure::Pwcca, plain, 20),
        (Measure::MutualKnn, plain, 20),
        (Measure::JaccardKnn, plain, 20),
        (Measure::Cknna, plain, 20),
    ];
    for (measure, settings, p) in cases {
        let (n, draws) = (80, 60);
        let [x, y] = related(n * draws, p).map(|x| rounded(&x));
        let (mut values, mut errors) = (vec![], 0.0);
        for draw in 0..draws {
            let rows = draw * n * p..(draw + 1) * n * p;
            let layers = [&x[rows.clone()], &y[rows]];
            let matrix = compare(&layers, n, measure, &settings);
            values.push(matrix.value(0, 1));
            errors += matrix.error(0, 1).unwrap() / draws as f64;
        }
        let mean = values.iter().sum::<f64>() / draws as f64;
        let square: f64 = values.iter().map(|v| (v - mean).powi(2)).sum();
        let spread = (square / (draws as f64 - 1.0)).sqrt();
        let ratio = errors / spread;
        // Examples share their neighbours: their overlaps vary together. Weights vary, too.
        let by_neighbors = measure.properties().reads(Setting::Neighbours);
        let small = by_neighbors || measure == Measure::Pwcca;
        let least = if small { 0.6 } else { 0.75 };
        assert!((least..1.35).contains(&ratio), "{measure:?} {settings:?}: {ratio}");
    }
}

/// Half the root mean square difference of the halves is the spread of one cell.
#[test]
fn the_noise_floor_is_the_spread_over_draws_of_examples() {
    let (n, p, draws) = (80, 5, 60);
    let [x, y] = related(n * draws, p).map(|x| rounded(&x));
    for estimator in [Estimator::Debiased, Estimator::Biased] {
        let (mut values, mut squares) = (vec![], 0.0);
        for draw in 0..draws {
            let rows = draw * n * p..(draw + 1) * n * p;
            let signature = |x: &[f32]| cka::signature(x, n, p, estimator).unwrap();
            let (a, b) = (signature(&x[rows.clone()]), signature(&y[rows]));
            let rows = [Ok(a.as_slice()), Ok(b.as_slice())];
            values.push(cka::matrix(&rows, n, estimator).value(0, 1));
            let floor = stratagram::similarity::noise_floor(&rows, n, estimator);
            squares += floor * floor / draws as f64;
        }
        let mean = values.iter().sum::<f64>() / draws as f64;
        let square: f64 = values.iter().map(|v| (v - mean).powi(2)).sum();
        let spread = (square / (draws as f64 - 1.0)).sqrt();
        let ratio = squares.sqrt() / spread;
        assert!((0.7..1.4).contains(&ratio), "{estimator:?}: {ratio}");
    }
    assert!(stratagram::similarity::noise_floor(&[], 40, Estimator::Debiased).is_nan());
}

/// The floor is worked out from parts of signatures: the same as from half of the features.
#[test]
fn the_noise_floor_needs_no_features() {
    let (n, p) = (31, 7);
    let [x, y] = related(n, p).map(|x| rounded(&x));
    let half = |x: &[f32], parity: usize| -> Vec<f32> {
        x.chunks(p).skip(parity).step_by(2).flatten().copied().collect()
    };
    for estimator in [Estimator::Debiased, Estimator::Biased] {
        let settings = Settings { estimator, ..Settings::default() };
        let value = |parity| {
            let (a, b) = (half(&x, parity), half(&y, parity));
            let size = a.len() / p;
            compare(&[&a, &b], size, Measure::Cka, &settings).value(0, 1)
        };
        let signature = |x: &[f32]| cka::signature(x, n, p, estimator).unwrap();
        let (a, b) = (signature(&x), signature(&y));
        let floor = stratagram::similarity::noise_floor(&[Ok(&a), Ok(&b)], n, estimator);
        let expected = (value(0) - value(1)).abs() / 2.0;
        assert_close(floor, expected, 1e-5, "floor");
    }
}
