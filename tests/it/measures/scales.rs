//! Scales to read a matrix by: the labels' kernel, other seeds, a confounder.

use crate::support::layers::{assert_close, gaussian};
use stratagram::similarity::{
    Estimator, Measure, Settings, Undefined, alignment, cka, without,
};

/// The kernel of labels: a layer that tells the classes apart and nothing else has 1, and
/// the labels may be any that one chooses.
#[test]
fn alignment_tells_true_from_noisy_labels() {
    let n = 60;
    let labels: Vec<u8> = (0..n).map(|i| (i % 3) as u8).collect();
    let noisy: Vec<u8> = labels
        .iter()
        .enumerate()
        .map(|(i, y)| if i % 5 == 0 { (y + 1) % 3 } else { *y })
        .collect();
    for estimator in [Estimator::Debiased, Estimator::Biased] {
        let one_hot: Vec<f32> = labels
            .iter()
            .flat_map(|y| (0..3).map(move |c| f32::from(u8::from(*y == c))))
            .collect();
        let x = cka::signature(&one_hot, n, 3, estimator).unwrap();
        let with = |labels: &[u8]| {
            let labels = alignment::label_signature(labels, estimator).unwrap();
            alignment::alignment(&x, &labels)
        };
        assert_close(with(&labels), 1.0, 1e-6, "true labels");
        let other = with(&noisy);
        assert!((0.3..0.8).contains(&other), "noisy labels: {other}");
    }
    let one_class = alignment::label_signature(&[2; 20], Estimator::Debiased);
    assert_eq!(one_class.unwrap_err(), Undefined::DeadLayer);
}

#[test]
fn the_same_epoch_of_other_seeds_is_the_scale() {
    let (n, p) = (50, 6);
    let settings = Settings::default();
    let run = |seed: u64| -> Vec<Vec<f32>> {
        // Epoch 0: unrelated; epoch 1: nearly the same in all runs.
        let base = gaussian(n, p, 99);
        let noise = gaussian(n, p, seed);
        let late: Vec<f64> = base.iter().zip(&noise).map(|(b, e)| b + 0.1 * e).collect();
        [noise, late]
            .map(|x| cka::signature(&x, n, p, settings.estimator).unwrap())
            .to_vec()
    };
    let runs = [run(1), run(2), run(3)];
    let rows: Vec<Vec<_>> =
        runs.iter().map(|run| run.iter().map(|s| Ok(s.as_slice())).collect()).collect();
    let scale = Measure::Cka.across_seeds(&rows, n, &settings);
    let pair = |a: usize, b: usize| {
        cka::matrix(&[rows[a][1], rows[b][1]], n, settings.estimator).value(0, 1)
    };
    let mean = (pair(0, 1) + pair(0, 2) + pair(1, 2)) / 3.0;
    assert_close(scale[1], mean, 1e-12, "mean over pairs of runs");
    assert!(scale[1] > 0.9 && scale[0].abs() < 0.2, "{scale:?}");
    assert!(Measure::Cka.across_seeds(&rows[..1], n, &settings)[0].is_nan());
}

/// What two layers share with a third is no similarity of their own; the partial correlation
/// of kernels says how much is left.
#[test]
fn a_confounder_is_taken_out() {
    let (n, p) = (200, 20);
    let [common, a, b] = [1, 2, 3].map(|seed| gaussian(n, p, seed));
    let sum = |x: &[f64]| -> Vec<f64> {
        common.iter().zip(x).map(|(c, x)| 2.0 * c + x).collect()
    };
    for estimator in [Estimator::Debiased, Estimator::Biased] {
        let signature = |x: &[f64]| cka::signature(x, n, p, estimator).unwrap();
        let all = [signature(&sum(&a)), signature(&sum(&b)), signature(&common)];
        let rows = all.each_ref().map(|s| Ok(s.as_slice()));
        let plain = cka::matrix(&rows, n, estimator);
        let [x, y] = [0, 1].map(|k| without(&all[k], &all[2]).unwrap());
        let rest = cka::matrix(&[Ok(&x), Ok(&y)], n, estimator).value(0, 1);
        let (xy, xz, yz) = (plain.value(0, 1), plain.value(0, 2), plain.value(1, 2));
        let partial = (xy - xz * yz) / ((1.0 - xz * xz) * (1.0 - yz * yz)).sqrt();
        assert_close(rest, partial, 1e-5, "partial correlation");
        assert!(xy > 0.6, "{xy}");
        if estimator == Estimator::Debiased {
            assert!(rest.abs() < 0.1, "{rest}");
        }
    }
}
