//! The engine against PyTorch: outputs of every node, loss, gradients, running and
//! recomputed statistics, and ten steps of each optimizer. `scripts/check --all` repeats them on
//! the other instruction sets.
//!
//! `tests/reference/make_engine_fixtures.py` computes the expected values in float64 and
//! checks that PyTorch in float32 meets these tolerances five times over, so a failure here
//! is the engine's. Tolerances are those of `docs/DESIGN.md`, section 7.

use std::collections::BTreeMap;

use serde::Deserialize;
use stratagram::array_file::NamedArrays;
use stratagram::engine::{BatchNormStatistics, Regularization};
use stratagram::net::initial_weights;

use crate::support::fixture::{
    Fixture, Optimizer, Report, array, directory, fixtures, floats, initialized, largest,
    read_cases, to_f64,
};

/// Tolerance of outputs and gradients.
const OUTPUT: [f64; 2] = [1e-5, 1e-6];

/// Evaluates every node for which the fixture has an output below `prefix/`.
fn check_outputs(
    fixture: &Fixture,
    report: &mut Report,
    prefix: &str,
    statistics: &BatchNormStatistics,
) {
    let names = fixture.names(prefix);
    let wanted: Vec<usize> =
        names.iter().map(|name| fixture.net.position(name).unwrap()).collect();
    let outputs =
        fixture.engine().evaluate(&fixture.images("images"), statistics, &wanted);
    assert_eq!(outputs.len(), names.len(), "one output for each wanted node");
    for (name, output) in names.iter().zip(&outputs) {
        let key = format!("{prefix}/{name}");
        fixture.compare(report, &key, &to_f64(output), OUTPUT);
    }
}

#[test]
fn outputs_of_every_node_are_those_of_pytorch() {
    for fixture in fixtures() {
        let mut report = fixture.report();
        // A training-mode pass normalizes with the mean and biased variance of its batch.
        let batch = fixture.statistics(|node, moment| format!("batch_{moment}/{node}"));
        check_outputs(&fixture, &mut report, "train", &batch);
        let after = fixture.statistics(|node, m| format!("after/{node}.running_{m}"));
        check_outputs(&fixture, &mut report, "running", &after);
        let recomputed =
            fixture.statistics(|node, m| format!("recomputed/{node}.running_{m}"));
        check_outputs(&fixture, &mut report, "evaluated", &recomputed);
        let nodes = fixture.net.nodes.len() - 1;
        report.assert_clean(2 * nodes + fixture.net.representations.len());
    }
}

#[test]
fn loss_and_gradients_are_those_of_pytorch() {
    for fixture in fixtures() {
        let mut report = fixture.report();
        let mut engine = fixture.engine();
        let loss = engine.gradients(&fixture.images("images"), &fixture.labels("labels"));
        fixture.compare(&mut report, "loss", &[loss], OUTPUT);
        let gradients = engine.last_gradients();
        let names = fixture.names("gradient");
        assert_eq!(gradients.0.len(), names.len(), "one gradient for each parameter");
        for name in &names {
            let gradient = array(&gradients, name);
            let key = format!("gradient/{name}");
            if fixture.is_hidden_bias(name) {
                let weight = array(&gradients, &name.replace(".bias", ".weight"));
                let zeros = vec![0.0; gradient.shape[0]];
                let allowed = 1e-5 * largest(&floats(weight));
                report.compare(&key, &floats(gradient), &zeros, allowed);
            } else {
                fixture.compare(&mut report, &key, &floats(gradient), OUTPUT);
            }
        }
        report.assert_clean(names.len() + 1);
    }
}

#[test]
fn smoothed_loss_and_gradients_are_those_of_pytorch() {
    let label_smoothing = read_cases().label_smoothing;
    assert!(label_smoothing > 0.0);
    for fixture in fixtures().filter(|fixture| fixture.case.kind == "vit") {
        let mut report = fixture.report();
        let mut engine = fixture.engine();
        let loss = engine.regularized_gradients(
            &fixture.images("images"),
            &fixture.labels("labels"),
            Regularization { label_smoothing, ..Default::default() },
        );
        fixture.compare(&mut report, "smoothed/loss", &[loss], OUTPUT);
        let gradients = engine.last_gradients();
        for name in fixture.names("smoothed/gradient") {
            let found = floats(array(&gradients, &name));
            fixture.compare(
                &mut report,
                &format!("smoothed/gradient/{name}"),
                &found,
                OUTPUT,
            );
        }
        report.assert_clean(3);
    }
}

#[test]
fn running_statistics_move_as_in_pytorch() {
    for fixture in fixtures().filter(|fixture| fixture.batchnorms().count() > 0) {
        let mut report = fixture.report();
        let mut engine = fixture.engine();
        let before = engine.running_statistics();
        engine.gradients(&fixture.images("images"), &fixture.labels("labels"));
        assert_ne!(engine.running_statistics(), before, "training moves the statistics");
        let weights = engine.weights();
        let names = fixture.names("after");
        for name in &names {
            let found = floats(array(&weights, name));
            fixture.compare(&mut report, &format!("after/{name}"), &found, OUTPUT);
        }
        check_statistics(&fixture, &mut report, "after", &engine.running_statistics());
        report.assert_clean(2 * names.len());
    }
}

fn check_statistics(
    fixture: &Fixture,
    report: &mut Report,
    prefix: &str,
    statistics: &BatchNormStatistics,
) {
    assert_eq!(statistics.0.len(), fixture.batchnorms().count());
    for (node, channels) in fixture.batchnorms().zip(&statistics.0) {
        for (moment, values) in [("mean", &channels.mean), ("var", &channels.var)] {
            let key = format!("{prefix}/{node}.running_{moment}");
            fixture.compare(report, &key, &to_f64(values), OUTPUT);
        }
    }
}

#[test]
fn recomputed_statistics_are_those_of_pytorch_weighted_by_size() {
    for fixture in fixtures() {
        let mut report = fixture.report();
        let mut engine = fixture.engine();
        let before = engine.weights();
        let batches: Vec<Vec<f32>> =
            (0..3).map(|i| fixture.images(&format!("batches/{i}"))).collect();
        let statistics = engine.recompute_statistics(batches.iter().map(Vec::as_slice));
        check_statistics(&fixture, &mut report, "recomputed", &statistics);
        assert_eq!(engine.weights(), before, "recomputation leaves the state as it is");
        report.assert_clean(2 * statistics.0.len());
    }
}

#[test]
fn ten_steps_of_each_optimizer_are_those_of_pytorch() {
    let cases = read_cases();
    for fixture in fixtures().filter(|fixture| fixture.case.trajectories) {
        for (name, optimizer) in &cases.optimizers {
            check_trajectory(&fixture, name, optimizer, cases.steps);
        }
    }
}

fn check_trajectory(fixture: &Fixture, name: &str, optimizer: &Optimizer, steps: usize) {
    let batches = fixture.names("trajectory/images").len();
    let mut report = fixture.report();
    let mut engine = fixture.engine();
    let frozen: Vec<usize> =
        optimizer.freeze.iter().filter_map(|node| fixture.net.position(node)).collect();
    assert_eq!(frozen.is_empty(), optimizer.freeze.is_empty());
    engine.freeze(&frozen);
    let losses = &fixture.get(&format!("{name}/losses")).values;
    assert_eq!(losses.len(), steps);
    for (step, loss) in losses.iter().enumerate() {
        let images = fixture.images(&format!("trajectory/images/{}", step % batches));
        let labels = fixture.labels(&format!("trajectory/labels/{}", step % batches));
        let found = engine.gradients(&images, &labels);
        if let Some(max_norm) = optimizer.clip_norm {
            let norm = engine.clip_gradients(max_norm);
            let expected = fixture.get(&format!("{name}/norms")).values[step];
            let key = format!("{name}/norms at step {step}");
            report.compare(&key, &[norm], &[expected], 1e-4 * expected);
        }
        engine.update(&optimizer.update());
        let key = format!("{name}/losses at step {step}");
        report.compare(&key, &[found], &[*loss], 1e-4 * loss);
    }
    let weights = engine.weights();
    let names = fixture.names(&format!("{name}/final"));
    let mut left_out = 0;
    for parameter in &names {
        // Adam divides a gradient that is rounding alone by its own size.
        let is_noise =
            fixture.is_hidden_bias(parameter) || fixture.follows_hidden_bias(parameter);
        if optimizer.is_adaptive() && is_noise {
            left_out += 1;
            continue;
        }
        let key = format!("{name}/final/{parameter}");
        let found = array(&weights, parameter);
        let initial = &fixture.get(&format!("weights/{parameter}")).shape;
        assert_eq!(&found.shape, initial, "{key}");
        fixture.compare(&mut report, &key, &floats(found), [1e-4, 0.0]);
    }
    // CNN5 has four such biases, each in one running mean, the MLP two; ResNet18 has none.
    let n_biases = match fixture.case.kind.as_str() {
        "cnn5" => 4,
        "mlp" => 2,
        _ => 0,
    };
    let expected = if optimizer.is_adaptive() { 2 * n_biases } else { 0 };
    assert_eq!(left_out, expected, "{} {name}", fixture.case.name);
    report.assert_clean(names.len() + steps - left_out);
}

/// An entry of `engine/initialization.json`: PyTorch's over 200 nets.
#[derive(Deserialize)]
struct Initial {
    name: String,
    shape: Vec<usize>,
    max: f64,
    std: f64,
}

#[test]
fn initial_weights_are_drawn_as_pytorch_draws_them() {
    let text = std::fs::read_to_string(directory().join("initialization.json")).unwrap();
    let nets: BTreeMap<String, Vec<Initial>> = serde_json::from_str(&text).unwrap();
    assert_eq!(nets.len(), 3);
    for (description, entries) in nets {
        let words: Vec<&str> = description.split(' ').collect();
        let sizes: Vec<usize> = words[1..].iter().map(|w| w.parse().unwrap()).collect();
        let net = initialized(words[0], sizes[0], [sizes[1], sizes[2], sizes[3]]);
        let draws: Vec<NamedArrays> =
            (0..200).map(|seed| initial_weights(&net, seed)).collect();
        let names = draws[0].0.iter().map(|(name, _)| name);
        assert!(names.eq(entries.iter().map(|entry| &entry.name)), "{description}");
        for (position, entry) in entries.iter().enumerate() {
            check_initial(&description, entry, position, &draws);
        }
        assert_ne!(draws[0], draws[1], "seeds differ");
    }
}

/// Compares largest magnitude and moments over the same number of draws as PyTorch's.
// Constants are equal to the last bit.
#[allow(clippy::float_cmp)]
fn check_initial(net: &str, entry: &Initial, position: usize, draws: &[NamedArrays]) {
    let place = format!("{net} {}", entry.name);
    let values: Vec<f64> = draws
        .iter()
        .flat_map(|weights| {
            let (_, array) = &weights.0[position];
            assert_eq!(array.shape, entry.shape, "{place}");
            floats(array)
        })
        .collect();
    let n = values.len() as f64;
    let moment = |power: i32| values.iter().map(|v| v.powi(power)).sum::<f64>() / n;
    let (bound, std) = (largest(&values), moment(2).sqrt());
    if entry.std == entry.max {
        // A constant: BatchNorm's scale, shift and statistics.
        assert!(values.iter().all(|&value| value == entry.max), "{place}");
        return;
    }
    assert!(moment(1).abs() < 4.0 * std / n.sqrt(), "{place}: mean {}", moment(1));
    let kurtosis = moment(4) / std.powi(4);
    if entry.name.ends_with("_token") || entry.name.ends_with("_embed") {
        // Normal: the standard error of the deviation is std/√(2n), E[x⁴]/E[x²]² is 3.
        let error = 4.0 * entry.std * (0.5 / n).sqrt();
        assert!((std - 1.0).abs() < error, "{place}: std {std}");
        assert!((kurtosis - 3.0).abs() < 4.0 * (24.0 / n).sqrt(), "{place}: {kurtosis}");
        return;
    }
    // Of 1,600 or more uniform draws the largest is within 1 % of the bound; the standard
    // deviation is the bound over √3 within 4 standard errors, √(1/5)·std/√n each.
    assert!((bound / entry.max - 1.0).abs() < 0.01, "{place}: {bound} {}", entry.max);
    let error = 4.0 * entry.std * (2.0 * 0.2 / n).sqrt();
    assert!((std - entry.std).abs() < error, "{place}: std {std}, not {}", entry.std);
    // E[x⁴]/E[x²]² is 9/5 for a uniform distribution.
    assert!((kurtosis - 1.8).abs() < 0.1, "{place}: kurtosis {kurtosis}");
}

/// What the worker of the PyTorch engine is tested with (`tests/python/test_worker*.py`).
#[test]
fn the_stored_node_lists_are_those_of_the_nets() {
    let line = |fixture: Fixture| {
        let nodes = serde_json::to_string(&fixture.net.nodes).unwrap();
        format!("\"{}\": {nodes}", fixture.case.name)
    };
    let lists: Vec<String> = fixtures().map(line).collect();
    let expected = format!("{{\n{}\n}}\n", lists.join(",\n"));
    let path = directory().join("nodes.json");
    if std::env::var_os("STRATAGRAM_WRITE").is_some() {
        std::fs::write(&path, &expected).unwrap();
    }
    let stored = std::fs::read_to_string(&path).unwrap();
    assert!(stored == expected, "{}: write it with STRATAGRAM_WRITE=1", path.display());
}

#[test]
fn a_difference_is_reported_with_its_place() {
    let mut report = Report::new("planted");
    report.compare("same", &[1.0, 2.0], &[1.0, 2.0], 0.0);
    report.assert_clean(1);
    report.compare("far", &[1.0, 2.5], &[1.0, 2.0], 1e-5);
    report.compare("nan", &[f64::NAN], &[1.0], 1e-5);
    report.compare("short", &[1.0], &[1.0, 2.0], 1e-5);
    assert_eq!(report.lines.len(), 3);
    assert!(
        report.lines[0]
            .contains("far: 1 of 2 values differ; worst at 1: 2.5 instead of 2")
    );
    assert!(report.lines[1].contains("nan: 1 of 1") && report.lines[2].contains("short"));
}
