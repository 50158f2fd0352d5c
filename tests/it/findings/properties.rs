//! What must hold of the curves whatever the numbers are.

use stratagram::findings::axis::log_time;
use stratagram::findings::curves::{Speedometer, jitter2, log_speed, roughness2};
use stratagram::findings::series::peaks;
use stratagram::findings::{
    Geometry, LayerFindings, LayerInput, Matrix, Replicates, RunContext,
};

use super::paths::{Random, decaying_persistence, epochs, similarity, two_switches};
use crate::support::layers::{orthogonal, times};

const N: usize = 60;
const P: usize = 12;

/// Representations that move in a random direction and jitter.
fn representations() -> Vec<Vec<f64>> {
    let mut random = Random::new(3);
    let (base, direction) = (random.normals(N * P), random.normals(N * P));
    (0..15)
        .map(|t| {
            let jitter = random.normals(N * P);
            let moved = base.iter().zip(&direction).zip(jitter);
            moved.map(|((b, d), j)| b + 0.1 * f64::from(t) * d + 0.1 * j).collect()
        })
        .collect()
}

fn curves(rows: &[Vec<f64>]) -> [Vec<f64>; 3] {
    let rows: Vec<Vec<f32>> =
        rows.iter().map(|row| row.iter().map(|x| *x as f32).collect()).collect();
    let d2 = similarity(&rows, N, P).distances();
    let x: Vec<f64> = (0..15).map(|i| f64::from(i) * 0.25).collect();
    [Speedometer::new(&x, 0.7, 1.0).speed2(&d2), roughness2(&d2, &x), jitter2(&d2, &x)]
}

#[test]
fn curves_do_not_change_when_representations_turn_scale_or_swap_examples() {
    let rows = representations();
    let expected = curves(&rows);
    let turned: Vec<Vec<f64>> = rows
        .iter()
        .enumerate()
        .map(|(t, row)| {
            let turned = times(row, &orthogonal(P), P);
            turned.iter().map(|x| x * (1.0 + t as f64)).collect()
        })
        .collect();
    let swapped: Vec<Vec<f64>> = rows
        .iter()
        .map(|row| (0..N * P).map(|at| row[(at / P * 7 % N) * P + at % P]).collect())
        .collect();
    for changed in [turned, swapped] {
        for (found, expected) in curves(&changed).iter().zip(&expected) {
            for (found, expected) in found.iter().zip(expected) {
                assert!((found - expected).abs() < 2e-5, "{found}, not {expected}");
            }
        }
    }
}

/// Squared distances with two bursts, and log times.
fn path() -> (Matrix, Vec<f64>) {
    let x = log_time(&epochs());
    let (similarity, _) = two_switches(&x, &mut Random::new(5));
    (similarity.distances(), x)
}

#[test]
fn a_longer_path_only_shifts_the_log_speed() {
    let (d2, x) = path();
    let longer = Matrix::from_fn(d2.n(), |i, j| 9.0 * d2.at(i, j));
    let speedometer = Speedometer::new(&x, 0.7, 0.5);
    let [y, shifted] = [&d2, &longer].map(|d2| log_speed(&speedometer.speed2(d2)));
    for (y, shifted) in y.iter().zip(&shifted) {
        assert!((shifted - y - 3_f64.ln()).abs() < 1e-9);
    }
}

#[test]
fn reversing_time_reverses_the_curves_and_their_peaks() {
    let (d2, x) = path();
    let n = x.len();
    let back = Matrix::from_fn(n, |i, j| d2.at(n - 1 - i, n - 1 - j));
    let negative: Vec<f64> = x.iter().rev().map(|x| -x).collect();
    let curve = |d2: &Matrix, x: &[f64]| Speedometer::new(x, 0.7, 1.0).speed2(d2);
    let reversed = |mut curve: Vec<f64>| {
        curve.reverse();
        curve
    };
    let pairs = [
        (curve(&d2, &x), reversed(curve(&back, &negative))),
        (roughness2(&d2, &x), reversed(roughness2(&back, &negative))),
        (jitter2(&d2, &x), reversed(jitter2(&back, &negative))),
    ];
    for (forth, back) in &pairs {
        for (forth, back) in forth.iter().zip(back) {
            assert!((forth - back).abs() < 1e-10, "{forth}, not {back}");
        }
    }
    let cuts = pairs[0].0.len();
    let forth = peaks(&log_speed(&pairs[0].0));
    let back = peaks(&log_speed(&curve(&back, &negative)));
    let mirrored: Vec<usize> =
        back.iter().take(3).map(|peak| cuts - 1 - peak.at).collect();
    assert_eq!(forth.iter().take(3).map(|peak| peak.at).collect::<Vec<_>>(), mirrored);
}

#[test]
fn findings_are_the_same_bytes_at_any_number_of_threads() {
    let epoch = epochs();
    let similarity = decaying_persistence(&log_time(&epoch), &mut Random::new(8));
    let input = LayerInput {
        layer: "fc",
        depth: 3,
        measure: "cka",
        group: "test",
        geometry: Geometry::Decisions,
        epoch: &epoch,
        similarity: &similarity,
        replicates: Replicates::Of(&[]),
        weights: None,
    };
    let with = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let run = RunContext { draws: 60, ..RunContext::default() };
        let found = pool.install(|| LayerFindings::of(&input, &run));
        serde_json::to_string(&found).unwrap()
    };
    assert_eq!(with(1), with(3));
}
