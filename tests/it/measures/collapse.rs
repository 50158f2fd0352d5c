//! Neural collapse against whole covariance matrices, its invariances, and what it says of
//! representations that have collapsed.

use crate::support::layers::{assert_close, gaussian};
use serde_json::Value;
use stratagram::similarity::{Collapse, Labelled, Undefined};

const CLASSES: usize = 4;

fn values(of: Collapse) -> [f64; 6] {
    [of.within, of.norms, of.angles, of.simplex, of.duality, of.mismatch]
}

/// All six values of features `[n, p]`.
fn collapse(x: &[f64], labels: &[u8], weights: &[f32]) -> Collapse {
    let decisions: Vec<u8> = labels.iter().map(|own| (own + 1) % CLASSES as u8).collect();
    let of = Labelled { labels, n_classes: CLASSES, decisions: Some(&decisions) };
    Collapse::of(x, x.len() / labels.len(), of, Some(weights)).unwrap()
}

/// Features of four classes of unequal sizes, labels, a classifier.
fn made_up(p: usize) -> (Vec<f64>, Vec<u8>, Vec<f32>) {
    let labels: Vec<u8> = [0, 1, 2, 3, 1, 1, 2, 0, 3, 1, 2, 0, 3, 3, 3, 1, 0, 2].to_vec();
    let means = gaussian(CLASSES, p, 3);
    let mut x = gaussian(labels.len(), p, 4);
    for (row, label) in x.chunks_mut(p).zip(&labels) {
        let mean = &means[usize::from(*label) * p..];
        row.iter_mut().zip(mean).for_each(|(x, mean)| *x = 0.7 * *x + mean);
    }
    let weights = means.iter().map(|mean| (mean + 0.1) as f32).collect();
    (x, labels, weights)
}

#[test]
fn values_are_those_of_whole_covariance_matrices() {
    let text = include_str!("../../oracles/collapse/expected.json");
    let cases: Value = serde_json::from_str(text).unwrap();
    for (name, case) in cases.as_object().unwrap() {
        let numbers = |key: &str| -> Vec<f64> {
            let rows = case[key].as_array().unwrap().iter();
            let row = |row: &Value| row.as_array().unwrap_or(&vec![row.clone()]).clone();
            rows.flat_map(row).map(|value| value.as_f64().unwrap()).collect()
        };
        let classes =
            |key| -> Vec<u8> { numbers(key).iter().map(|own| *own as u8).collect() };
        let (labels, decisions) = (classes("labels"), classes("decisions"));
        let x: Vec<f32> = numbers("features").iter().map(|x| *x as f32).collect();
        let weights: Vec<f32> = numbers("weights").iter().map(|w| *w as f32).collect();
        let (n, p) = (labels.len(), x.len() / labels.len());
        let n_classes = weights.len() / p;
        let of = Labelled { labels: &labels, n_classes, decisions: Some(&decisions) };
        let found = Collapse::of(&x, p, of, Some(&weights)).unwrap();
        // The products of rows as they are, of any offset.
        let product = |i: usize, j: usize| -> f64 {
            let row = |i: usize| x[i * p..(i + 1) * p].iter().map(|x| f64::from(*x));
            row(i).zip(row(j)).map(|(x, y)| x * y).sum()
        };
        let gram: Vec<f64> = (0..n * n).map(|k| product(k / n, k % n)).collect();
        let of_gram = Collapse::of_gram(&gram, of).unwrap();
        assert!(of_gram.duality.is_nan() && of_gram.undefined.is_none());
        let keys = ["nc1", "nc2_norms", "nc2_angles", "nc2_simplex", "nc3", "nc4"];
        for (at, key) in keys.into_iter().enumerate() {
            let expected = case["values"][key].as_f64().unwrap();
            let what = format!("{name}: {key}");
            assert_close(values(found)[at], expected, 1e-9 * expected.max(1.0), &what);
            if key != "nc3" {
                let tolerance = 1e-7 * expected.max(1.0);
                assert_close(values(of_gram)[at], expected, tolerance, &what);
            }
        }
    }
}

#[test]
fn rotation_scale_offset_and_repeated_examples_change_nothing() {
    let (x, labels, weights) = made_up(6);
    let expected = values(collapse(&x, &labels, &weights));
    let p = 6;
    // A reflection: x − 2v⟨v, x⟩ with ‖v‖ = 1, of the classifier too.
    let v: Vec<f64> = gaussian(1, p, 9);
    let norm = v.iter().map(|v| v * v).sum::<f64>();
    let reflected = |rows: &[f64]| -> Vec<f64> {
        let reflect = |row: &[f64]| -> Vec<f64> {
            let along = row.iter().zip(&v).map(|(x, v)| x * v).sum::<f64>() / norm;
            row.iter().zip(&v).map(|(x, v)| x - 2.0 * along * v).collect()
        };
        rows.chunks(p).flat_map(reflect).collect()
    };
    let wide: Vec<f64> = weights.iter().map(|w| f64::from(*w)).collect();
    let turned: Vec<f32> = reflected(&wide).iter().map(|w| *w as f32).collect();
    let moved: Vec<f64> = x.iter().map(|x| 1e4 * x + 300.0).collect();
    // The first class three times: it counts as it did.
    let (mut repeated, mut more) = (x.clone(), labels.clone());
    for (row, label) in x.chunks(p).zip(&labels).filter(|(_, label)| **label == 0) {
        repeated.extend([row, row].concat());
        more.extend([*label; 2]);
    }
    for (what, found) in [
        ("rotated", collapse(&reflected(&x), &labels, &turned)),
        ("scaled, moved", collapse(&moved, &labels, &weights)),
        ("repeated", collapse(&repeated, &more, &weights)),
    ] {
        for (at, (found, expected)) in values(found).into_iter().zip(expected).enumerate()
        {
            // Of the share of examples, repeated ones are more; the classifier is f32.
            if !(what == "repeated" && at == 5) {
                assert_close(found, expected, 1e-6, &format!("{what}: {at}"));
            }
        }
    }
}

#[test]
fn a_simplex_of_points_has_collapsed() {
    // The corners of a simplex: unit vectors less their mean, turned into 7 dimensions.
    let p = 7;
    let corner = |class: usize, j: usize| f64::from(u8::from(class == j)) + 2.0;
    let labels: Vec<u8> = [0, 1, 1, 2, 2, 2, 3, 3, 3, 3, 0].to_vec();
    let row = |label: u8| (0..p).map(move |j| corner(usize::from(label), j));
    let x: Vec<f64> = labels.iter().copied().flat_map(row).collect();
    let weight = |k: usize| (corner(k / p, k % p) - 2.0) as f32;
    let weights: Vec<f32> = (0..CLASSES * p)
        .map(|k| weight(k) - if k % p < CLASSES { 0.25 } else { 0.0 })
        .collect();
    let of = Labelled { labels: &labels, n_classes: CLASSES, decisions: Some(&labels) };
    let found = Collapse::of(&x, p, of, Some(&weights)).unwrap();
    for (at, value) in values(found).into_iter().enumerate() {
        assert_close(value, 0.0, 1e-12, &format!("value {at}"));
    }
    // Scattered by ± s along a direction of its own, NC1 is s²·tr(Σ_B⁺ …) = 0 outside the span
    // of the means, and s² / (‖a‖²/(C − 1)) / C within it for each of its directions.
    let scattered = |direction: usize, s: f64| -> f64 {
        let move_by = |(k, x): (usize, &f64)| {
            let sign = if k / p % 2 == 0 { 1.0 } else { -1.0 };
            if k % p == direction { x + sign * s } else { *x }
        };
        let twice: Vec<f64> = x
            .chunks(p)
            .flat_map(|row| [row, row].concat())
            .collect::<Vec<_>>()
            .iter()
            .enumerate()
            .map(move_by)
            .collect();
        let labels: Vec<u8> = labels.iter().flat_map(|own| [*own; 2]).collect();
        let of = Labelled { labels: &labels, n_classes: CLASSES, decisions: None };
        Collapse::of(&twice, p, of, None).unwrap().within
    };
    assert_close(scattered(6, 0.3), 0.0, 1e-12, "outside the means' span");
    // Σ_B = (1/C)·(I − 11ᵀ/C) on the corners: Σ_B⁺ = C·(I − 11ᵀ/C), so s²·C·(1 − 1/C)/C.
    let expected = 0.09 * (1.0 - 1.0 / CLASSES as f64);
    assert_close(scattered(0, 0.3), expected, 1e-12, "along a corner");
}

#[test]
fn what_is_undefined_says_why() {
    let (x, labels, weights) = made_up(6);
    let of = |x: &[f64], labels: &[u8]| {
        let of = Labelled { labels, n_classes: CLASSES, decisions: None };
        Collapse::of(x, 6, of, Some(&weights))
    };
    let without: Vec<u8> = labels.iter().map(|own| *own % 3).collect();
    assert_eq!(of(&x, &without), Err(Undefined::AbsentClass { class: 3 }));
    let mut broken = x.clone();
    broken[7] = f64::NAN;
    assert_eq!(of(&broken, &labels), Err(Undefined::NonFinite));
    assert_eq!(of(&vec![0.1; x.len()], &labels), Err(Undefined::DeadLayer));
    // Every class at the same two points: all means are one.
    let labels: Vec<u8> = [0, 0, 1, 1, 2, 2, 3, 3].to_vec();
    let same: Vec<f64> =
        (0..8).flat_map(|i| [[1.0, -1.0][i % 2], 0.0, 3.0, 0.0, 1.0, 2.0]).collect();
    assert_eq!(of(&same, &labels), Err(Undefined::CoincidingMeans));
    // One class in the middle of the others has no angle; the norms are defined.
    let points = [[-1.0, 0.0], [0.0, 1.0], [1.0, -1.0], [0.0, 0.0]];
    let middle: Vec<f64> = labels
        .iter()
        .flat_map(|own| [points[usize::from(*own)].as_slice(), &[0.0; 4]].concat())
        .collect();
    let found = of(&middle, &labels).unwrap();
    assert_eq!(found.undefined, Some(Undefined::CoincidingMeans));
    assert!(found.angles.is_nan() && found.simplex.is_nan() && found.within == 0.0);
    assert!(found.norms > 0.0);
    let found = of(&x, &made_up(6).1).unwrap();
    assert_eq!(found.undefined, Some(Undefined::NoAnswers));
    assert!(found.mismatch.is_nan() && found.within > 0.0);
}
