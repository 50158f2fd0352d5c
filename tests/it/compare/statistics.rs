//! Planted values of seeds through files, loading, tests, families and verdicts, against scipy
//! (`tests/oracles/compare/make.py`).

use std::fs;
use std::path::Path;

use serde::Deserialize;
use stratagram::compare::{ComparisonFile, Finding, Reading, compare};

use super::fixture::{Planted, write_file};

#[derive(Deserialize)]
struct Expected {
    family: Vec<Statement>,
}

#[derive(Deserialize)]
struct Statement {
    plus: Vec<f64>,
    minus: Vec<f64>,
    mean: f64,
    interval: [f64; 2],
    p_for: f64,
    p_against: f64,
    adjusted_for: f64,
    adjusted_against: f64,
}

fn expected() -> Expected {
    let path =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/oracles/compare/expected.json");
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

/// An arm of runs with these values of Λ in all layers.
fn write_arm(root: &Path, name: &str, values: &[f64], settings: &[&str]) {
    for (seed, value) in values.iter().enumerate() {
        let mut run = Planted::of_seed(seed as u64);
        run.settings = settings.iter().map(|text| (*text).to_owned()).collect();
        for layer in &mut run.layers {
            layer.distinctness = *value;
        }
        run.write(&root.join(format!("{name}-{seed}")));
    }
}

/// The three statements of the oracle as P3, P3 and P5; further pairs are the arms themselves.
fn family() -> (tempfile::TempDir, Vec<Finding>) {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path();
    let nets: [&[&str]; 3] =
        [&["optimizer.kind=adam"], &["optimizer.kind=adam"], &["net.width=2"]];
    let mut text = "layers = \"conv*\"\n[arms]\n".to_owned();
    for (at, statement) in expected().family.iter().enumerate() {
        write_arm(root, &format!("plus{at}"), &statement.plus, &[]);
        write_arm(root, &format!("minus{at}"), &statement.minus, nets[at]);
        text += &format!("plus{at} = 'plus{at}-*'\nminus{at} = 'minus{at}-*'\n");
    }
    for (at, id) in ["P3", "P3", "P5"].into_iter().enumerate() {
        let pair = format!("['plus{at}', 'minus{at}']");
        text += &format!(
            "[[statements]]\nid = '{id}'\nname = '{at}'\nplus = 'plus{at}'\nminus = 'minus{at}'\n\
             also = [{pair}, {pair}]\n"
        );
    }
    let file = ComparisonFile::read(&write_file(root, &text)).unwrap();
    let mut found = compare(&file).unwrap().statements;
    found.retain(|finding| finding.reading == Some(Reading::AsStated));
    (directory, found)
}

#[test]
fn tests_intervals_and_holm_are_those_of_scipy() {
    let (_directory, found) = family();
    assert_eq!(found.len(), 3);
    for (found, expected) in found.iter().zip(expected().family) {
        let name = found.title();
        let close = |a: f64, b: f64| assert!((a - b).abs() < 1e-9, "{name}: {a} for {b}");
        close(found.mean.unwrap(), expected.mean);
        close(found.p_for.unwrap(), expected.p_for);
        close(found.p_against.unwrap(), expected.p_against);
        let adjusted = found.adjusted.unwrap();
        close(adjusted[0], expected.adjusted_for);
        close(adjusted[1], expected.adjusted_against);
        for (end, expected) in found.interval.unwrap().iter().zip(expected.interval) {
            close(*end, expected);
        }
        assert_eq!(found.n, expected.plus.len().min(expected.minus.len()));
    }
}

#[test]
fn verdicts_use_the_honest_words() {
    let (_directory, found) = family();
    let verdicts: Vec<&str> =
        found.iter().map(|finding| finding.verdict.unwrap().name()).collect();
    assert_eq!(
        verdicts,
        ["consistent with", "not observed at this scale", "contradicted"]
    );
    assert_eq!(found[0].above_zero, [8, 8]);
    assert_eq!(found[2].above_zero, [0, 42]);
}

/// Of the same values, but of five seeds each.
#[test]
fn fewer_than_six_seeds_cannot_be_judged_and_have_no_interval() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path();
    let of = expected().family.remove(0);
    write_arm(root, "sgd", &of.plus[..5], &[]);
    write_arm(root, "adam", &of.minus[..5], &["optimizer.kind=adam"]);
    let text = "arms = { sgd = 'sgd-*', adam = 'adam-*' }\n\
        [[statements]]\nid = 'P3'\nplus = 'sgd'\nminus = 'adam'\n\
        also = [['sgd', 'adam'], ['sgd', 'adam']]\n";
    let file = ComparisonFile::read(&write_file(root, text)).unwrap();
    let results = compare(&file).unwrap();
    let found = &results.statements[0];
    assert_eq!(found.verdict.unwrap().name(), "cannot be judged");
    assert_eq!(found.reason, "5 seeds; an interval takes 6");
    assert_eq!((found.n, found.interval, found.above_zero), (5, None, [5, 5]));
    let [least, most] = found.range.unwrap();
    assert!((least - 0.33).abs() < 1e-12 && (most - 0.61).abs() < 1e-12);
    let line = results.lines();
    let line = line.lines().next().unwrap();
    assert!(
        line.starts_with("P3  cannot be judged (as stated): the phases are"),
        "{line}"
    );
    assert!(line.contains("0.330 to 0.610; 5 seeds, 5 of 5 above zero"), "{line}");
}

/// A further pair of arms with the other sign, none at all, fits far apart.
#[test]
fn a_condition_that_fails_comes_before_the_numbers() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path();
    let of = expected().family.remove(0);
    write_arm(root, "sgd", &of.plus, &[]);
    write_arm(root, "adam", &of.minus, &["optimizer.kind=adam"]);
    for seed in 0..8 {
        let late = Planted { fit: [49.0, 60.0], ..Planted::of_seed(seed) };
        late.write(&root.join(format!("late-{seed}")));
    }
    let reason = |also: &str, minus: &str| {
        let text = format!(
            "arms = {{ sgd = 'sgd-*', adam = 'adam-*', late = 'late-*' }}\n\
             [[statements]]\nid = 'P3'\nplus = 'sgd'\nminus = '{minus}'\nalso = [{also}]\n"
        );
        let file = ComparisonFile::read(&write_file(root, &text)).unwrap();
        let found = compare(&file).unwrap().statements.remove(0);
        assert_eq!(found.verdict.unwrap().name(), "cannot be judged");
        found.reason
    };
    assert_eq!(reason("", "adam"), "0 of 2 further pairs of arms under `also`");
    let other = reason("['sgd', 'adam'], ['adam', 'sgd']", "adam");
    assert_eq!(other, "the sign differs for adam less sgd");
    let late = reason("['sgd', 'late'], ['sgd', 'late']", "late");
    assert_eq!(late, "the median fits differ: epoch 20 in sgd, 54 in late");
}
