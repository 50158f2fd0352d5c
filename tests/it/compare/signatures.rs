//! What a comparison makes of signatures: movement without dominant examples, and as a share of
//! the angle between seeds.

use std::path::Path;

use stratagram::RunDir;
use stratagram::array_file::Array;
use stratagram::compare::{ComparisonFile, Finding, compare};
use stratagram::findings::Matrix;
use stratagram::findings::movement::{depth_contrast, movement};
use stratagram::run_dir::{Labels, Place};
use stratagram::similarity::{Estimator, cka};

use super::fixture::{EPOCHS, Planted, write_file};

const N: usize = 20;
const P: usize = 3;
const LAYERS: [&str; 4] = ["conv1", "conv2", "conv3", "conv4"];
/// Between the first and the second minimum of planted runs.
const WINDOW: [f64; 2] = [5.0, 60.0];

/// Features of a layer that turns from one representation to another; example 4 is far away.
fn features(seed: u64, depth: usize, epoch: f64) -> Vec<f64> {
    let of = |k: usize, shift: usize| {
        ((k * k + (7 * shift + 3 * depth + 1) * k) % 101) as f64 / 101.0
    };
    let angle = (0.1 + 0.05 * depth as f64) * epoch.ln_1p() + 0.3 * seed as f64;
    let far = |k: usize| if k / P == 4 { 20.0 } else { 1.0 };
    (0..N * P)
        .map(|k| far(k) * (angle.cos() * of(k, 0) + angle.sin() * of(k, 5)))
        .collect()
}

/// Adds signatures, norms and examples to a planted run.
fn add_signatures(root: &Path, seed: u64, first: i64) {
    let run = RunDir::open(root).unwrap();
    let reduced = |depth: usize| {
        let of = |epoch: &f64| {
            cka::reduced(&features(seed, depth, *epoch), N, P, Estimator::Debiased)
                .unwrap()
        };
        EPOCHS.iter().map(of).collect::<Vec<_>>()
    };
    for (depth, layer) in LAYERS.into_iter().enumerate() {
        let rows = reduced(depth);
        let signatures: Vec<f32> =
            rows.iter().flat_map(|(row, _)| row.iter().copied()).collect();
        let norms: Vec<f64> =
            rows.iter().flat_map(|(_, scale)| scale.to_numbers()).collect();
        let place = Place { measure: "cka", group: "test", layer };
        let shape = [EPOCHS.len(), signatures.len() / EPOCHS.len()];
        run.write_signatures(place, &Array::f32(&shape, signatures)).unwrap();
        let shape = [EPOCHS.len(), N + 1];
        run.write_norms("test", layer, &Array::f64(&shape, norms)).unwrap();
    }
    let labels = Labels {
        test_index: (first..first + N as i64).collect(),
        test: vec![0; N],
        examples: vec![("test".into(), (0..N as i64).collect())],
        ..Labels::default()
    };
    run.write_labels(&labels).unwrap();
}

fn found(root: &Path, text: &str) -> Finding {
    let file = ComparisonFile::read(&write_file(root, text)).unwrap();
    compare(&file).unwrap_or_else(|error| panic!("{error}")).statements.remove(0)
}

fn planted(root: &Path, name: &str, seed: u64, first: i64) {
    let directory = root.join(format!("{name}-{seed}"));
    let width = if name == "wide" { 16 } else { 4 };
    let run = Planted {
        settings: vec![format!("net.width={width}")],
        ..Planted::of_seed(seed)
    };
    run.write(&directory);
    add_signatures(&directory, seed, first);
}

/// Movement of each layer by CKA of all examples but the far one.
fn of_others(seed: u64) -> Vec<f64> {
    let x: Vec<f64> = EPOCHS.iter().map(|epoch| epoch.ln_1p()).collect();
    let [lo, hi] = WINDOW.map(f64::ln_1p);
    let layer = |depth: usize| {
        let signature = |epoch: &f64| {
            let mut rows = features(seed, depth, *epoch);
            rows.drain(4 * P..5 * P);
            cka::signature(&rows, N - 1, P, Estimator::Debiased).unwrap()
        };
        let all: Vec<Vec<f32>> = EPOCHS.iter().map(signature).collect();
        let all: Vec<_> = all.iter().map(|row| Ok(&row[..])).collect();
        let s = cka::matrix(&all, N - 1, Estimator::Debiased);
        let s = Matrix::from_fn(all.len(), |i, j| s.value(i, j));
        movement(&s, &x, lo, hi)
    };
    (0..LAYERS.len()).map(layer).collect()
}

const P7: &str = "arms = { narrow = 'narrow-*', wide = 'wide-*' }\n[[statements]]\nid = 'P7'\n\
    plus = 'narrow'\nminus = 'wide'\n";

#[test]
fn the_variant_without_dominant_examples_leaves_them_out_of_the_gram_matrices() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path();
    for seed in 0..2 {
        planted(root, "narrow", seed, 0);
        // The wide run of a seed moves as the narrow one of the next.
        planted(root, "wide", seed, 0);
        add_signatures(&root.join(format!("wide-{seed}")), seed + 1, 0);
    }
    let p7 = found(root, P7);
    let names: Vec<&str> = p7.variants.iter().map(|own| own.name.as_str()).collect();
    assert_eq!(names, ["every-other", "without-dominant"], "those that the runs have");
    let c = |seed: u64| depth_contrast(&of_others(seed));
    let expected = f64::midpoint(c(0) - c(1), c(1) - c(2));
    let mean = p7.variants[1].mean.unwrap();
    assert!((mean - expected).abs() < 1e-4, "{mean} is not {expected}");
    assert!(expected.abs() > 1e-3, "the far example decides all");
}

#[test]
fn movement_is_a_share_of_the_angle_between_seeds_of_the_same_examples() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path();
    for name in ["narrow", "wide"] {
        (0..3).for_each(|seed| planted(root, name, seed, 0));
    }
    let beside = &found(root, &format!("{P7}variants = []\n")).beside[0];
    assert_eq!((beside.endpoint.as_str(), beside.n), ("depth-contrast-of-seeds", 3));
    assert_eq!(beside.mean, Some(0.0), "both arms are the same: {beside:?}");
    // Of one arm: planted layers all move equally, so the shares are of the angles alone.
    let text = "arms = { narrow = 'narrow-*' }\n[[statements]]\n\
        id = 'depth-contrast-of-seeds'\nplus = 'narrow'\n";
    let own = found(root, text);
    let last = |seed: u64, depth: usize| {
        let x = features(seed, depth, *EPOCHS.last().unwrap());
        cka::signature(&x, N, P, Estimator::Debiased).unwrap()
    };
    let angle = |a: u64, b: u64, depth: usize| {
        let both = [last(a, depth), last(b, depth)];
        let s =
            cka::matrix(&both.each_ref().map(|row| Ok(&row[..])), N, Estimator::Debiased);
        s.value(0, 1).acos()
    };
    let x: Vec<f64> = EPOCHS.iter().map(|epoch| epoch.ln_1p()).collect();
    let layer = Planted::default().layers.remove(0);
    let s = Matrix::from_fn(x.len(), |i, j| layer.similarity([i, j], 22.0));
    let [lo, hi] = WINDOW.map(f64::ln_1p);
    let moved = movement(&s, &x, lo, hi);
    let mean = |seed: u64, depth: usize| {
        let others = (0..3).filter(|other| *other != seed);
        others.map(|other| angle(seed, other, depth)).sum::<f64>() / 2.0
    };
    for (seed, row) in (0..3).zip(&own.values) {
        let shares: Vec<f64> = (0..4).map(|depth| moved / mean(seed, depth)).collect();
        let expected = depth_contrast(&shares);
        assert!((row.plus.unwrap() - expected).abs() < 1e-4 * expected.abs(), "{row:?}");
    }
    // Other test images: no angle.
    add_signatures(&root.join("narrow-2"), 2, 1);
    let own = found(root, text);
    assert_eq!(own.n, 0);
    assert!(own.left_out[0].why.contains("another seed has other examples"), "{own:?}");
}
