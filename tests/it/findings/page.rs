//! Findings on the page of a run: what the figures show is what the files say.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use stratagram::array_file::read_npy;
use stratagram::report::{RunResults, figures};
use stratagram::run_dir::tables::{ConvergenceRow, CurveRow};
use stratagram::run_dir::{read_findings, read_rows};

use super::of_runs::{planted, small};
use crate::support::runs::succeed;

fn drawn(run: &Path) -> BTreeMap<String, String> {
    figures(&RunResults::read(run).unwrap()).into_iter().collect()
}

/// Numbers of an attribute of every element that opens with `start`.
fn numbers(svg: &str, start: &str, attribute: &str) -> Vec<f64> {
    let elements = svg.split(start).skip(1).map(|rest| rest.split('>').next().unwrap());
    let value = |element: &str| {
        let value = element.split(&format!(" {attribute}=\"")).nth(1).unwrap();
        value.split('"').next().unwrap().parse().unwrap()
    };
    elements.map(value).collect()
}

#[test]
fn bars_lie_at_their_bursts_and_are_as_high_as_these_are_prominent() {
    let (directory, _) = planted();
    let run = directory.path().join("run");
    let svg = &drawn(&run)["phases-cka-test"];
    let findings = read_findings(&run).unwrap();
    let bursts: Vec<_> = findings
        .layers
        .iter()
        .filter(|layer| layer.measure == "cka")
        .flat_map(|layer| layer.boundaries.iter().flatten())
        .collect();
    // One of two layers has them: half of the layers, so they are solid.
    let [x, width, height] =
        ["x", "width", "height"].map(|name| numbers(svg, "<rect class=\"solid\"", name));
    assert_eq!((x.len(), bursts.len()), (2, 2), "{svg}");
    assert!(!svg.contains("class=\"hollow\""));
    // The frame of the axis, by which the page knows it.
    let [left, length] =
        ["x", "width"].map(|name| numbers(svg, "<rect class=\"panel\"", name)[0]);
    let end = findings.checkpoints.epochs.last().unwrap().ln_1p();
    let place = |epoch: f64| left + length * epoch.ln_1p() / end;
    for (index, burst) in bursts.iter().enumerate() {
        assert!((x[index] - place(burst.from)).abs() < 0.02, "{svg}");
        assert!((x[index] + width[index] - place(burst.to)).abs() < 0.02);
    }
    let ratio = bursts[0].size / bursts[1].size;
    assert!((height[0] / height[1] - ratio).abs() < 0.01 * ratio, "{height:?}");
}

/// Points of the polylines of a class, with the number of each.
fn lengths(svg: &str, class: &str) -> Vec<usize> {
    let start = format!("<path class=\"{class}\" d=\"");
    let paths = svg.split(&start).skip(1).map(|path| path.split('"').next().unwrap());
    paths.map(|data| data.matches(['M', 'L']).count()).collect()
}

#[test]
fn ridges_have_all_points_of_the_curves_and_the_weights_beside_them() {
    let directory = small();
    let run = directory.path().join("run");
    let figures = drawn(&run);
    let svg = &figures["curves-cka-test"];
    let rows: Vec<CurveRow> = read_rows(&run).unwrap();
    let count = |measure: &str, value: fn(&CurveRow) -> f64| {
        let of = |row: &&CurveRow| {
            row.layer == "relu1" && row.measure == measure && value(row).is_finite()
        };
        let groups = ["test", "all"];
        let own = rows.iter().filter(|row| groups.contains(&row.group.as_str()));
        own.filter(of).count()
    };
    let names: Vec<&str> = rows.iter().map(|row| row.layer.as_str()).collect();
    assert!(names.contains(&"relu1"), "{names:?}");
    let points = lengths(svg, "d0");
    let expected = [count("cka", |row| row.speed.0), count("cka", |row| row.roughness.0)];
    assert_eq!(points, expected);
    assert_eq!(lengths(svg, "line-weights")[0], count("weights", |row| row.roughness.0));
    assert!(svg.contains("Gray line: roughness of the weights"));
    assert!(svg.contains("class=\"band\""), "standard errors");
    // Angles have no examples to leave out.
    assert!(!figures["curves-shape-test"].contains("class=\"band\""));
    assert!(
        figures["phases-shape-test"].contains("not judged: curves and movement only")
    );
}

#[test]
fn movement_and_double_descent_show_the_numbers_of_the_findings() {
    let directory = small();
    let run = directory.path().join("run");
    let findings = read_findings(&run).unwrap();
    let figures = drawn(&run);
    let dots = numbers(&figures["movement"], "<circle class=\"dot-line-test", "cy");
    let values: Vec<f64> = findings
        .of_kind("cka", "test")
        .iter()
        .map(|layer| layer.movement.unwrap().value.unwrap())
        .collect();
    assert_eq!(dots.len(), values.len());
    // Heights are proportional to values from the axis' zero on.
    let slope = (dots[1] - dots[0]) / (values[1] - values[0]);
    for (dot, value) in dots.iter().zip(&values) {
        assert!((dot - dots[0] - slope * (value - values[0])).abs() < 0.05, "{dots:?}");
    }
    let descent = &findings.double_descent;
    let [low, high] = descent.interval_rise.unwrap();
    let words = format!("{:+.3} ({low:.3} to {high:.3})", descent.rise.unwrap());
    assert!(figures["double-descent"].contains(&words), "{words}");
    let readout = descent.readout.as_ref().unwrap();
    let half = 1.96 * 1.2 * readout.fall_se;
    let [low, high] = [readout.fall - half, readout.fall + half];
    let words = format!("{:+.3} ({low:.3} to {high:.3})", readout.fall);
    assert!(figures["double-descent"].contains(&words), "{words}");
}

#[test]
fn the_page_explains_what_it_shows_and_says_what_is_missing() {
    let (directory, _) = planted();
    let root = directory.path();
    let page = || {
        let path = root.join("run/report/index.html");
        // A page counts as current where files are missing.
        drop(fs::remove_file(&path));
        succeed(root, "report run");
        fs::read_to_string(path).unwrap()
    };
    let text = page();
    for part in [
        "<section id=\"phases\">",
        "<summary>How to read this, on one screen</summary>",
        "A block alone proves nothing: smooth drift makes one.",
        "figures/reading.svg",
        "no answer per example is stored",
    ] {
        assert!(text.contains(part), "{part}");
    }
    fs::remove_file(root.join("run/findings.json")).unwrap();
    let text = page();
    assert!(text.contains("findings.json is absent") && !text.contains("reading.svg"));
}

#[test]
fn convergence_is_that_of_the_matrices() {
    let (directory, _) = planted();
    let run = directory.path().join("run");
    let rows: Vec<ConvergenceRow> = read_rows(&run).unwrap();
    let own: Vec<_> = rows.iter().filter(|row| row.layer == "switching").collect();
    let n = own.len();
    let matrix = read_npy(&run.join("matrices/cka/test/switching.npy")).unwrap().to_f64();
    let x: Vec<f64> = own.iter().map(|row| row.epoch.0.ln_1p()).collect();
    for (i, row) in own.iter().enumerate() {
        // An integral over log time by trapezoids, as each pair of neighbors adds half of
        // its distance to both.
        let mut weights = vec![0.0; n];
        for j in 1..n {
            for end in [j - 1, j] {
                weights[end] += (x[j] - x[j - 1]) / 2.0;
            }
        }
        let (mut sum, mut total) = (0.0, 0.0);
        for j in i + 1..n {
            sum += weights[j] * matrix[i * n + j];
            total += weights[j];
        }
        assert!((row.to_final.0 - matrix[i * n + n - 1]).abs() < 1e-6);
        if i > 0 {
            assert!((row.to_previous.0 - matrix[(i - 1) * n + i]).abs() < 1e-6);
        }
        if i + 1 < n {
            assert!((row.mean_future.0 - sum / total).abs() < 1e-6, "row {i}");
        }
    }
    assert!(own[0].to_previous.0.is_nan() && own[n - 1].mean_future.0.is_nan());
    assert!(drawn(&run).contains_key("convergence"));
}
