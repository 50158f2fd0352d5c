//! The values of `findings.json`: their order, their reasons, and what one layer and a run
//! give.

use serde_json::Value;
use stratagram::findings::axis::log_time;
use stratagram::findings::boundaries::{
    BoundaryKind, Cause, Event, PERFECT_FIT, Schedule,
};
use stratagram::findings::halves::DoubleDescent;
use stratagram::findings::{
    Geometry, LayerFindings, LayerInput, LayerWeights, Matrix, Replicates, RunContext,
    RunFindings, share_of_layers,
};

use super::paths::{Random, epochs, settling, two_switches};

fn input<'a>(epoch: &'a [f64], similarity: &'a Matrix) -> LayerInput<'a> {
    LayerInput {
        layer: "conv1",
        depth: 0,
        measure: "cka",
        group: "test",
        geometry: Geometry::Vectors,
        epoch,
        similarity,
        replicates: Replicates::Of(&[]),
        weights: None,
    }
}

fn keys(value: &Value) -> Vec<&str> {
    value.as_object().unwrap().keys().map(String::as_str).collect()
}

/// A layer that switches twice, in a run whose perfect fit is the second switch.
fn two_phases() -> (Vec<f64>, Matrix, [f64; 2]) {
    let epoch = epochs();
    let (similarity, at) = two_switches(&log_time(&epoch), &mut Random::new(11));
    (epoch, similarity, at)
}

#[test]
fn a_layer_has_all_keys_in_order() {
    let (epoch, similarity, at) = two_phases();
    // Small differences in place of groups of examples: errors that are known to be small.
    let replicates: Vec<Matrix> = (0..4)
        .map(|group| {
            let shift = |i: usize, j: usize| 1e-4 * ((i * j + group) % 4) as f64;
            Matrix::from_fn(similarity.n(), |i, j| {
                if i == j { 1.0 } else { similarity.at(i, j) - shift(i, j) }
            })
        })
        .collect();
    let events =
        [Event::new("min", Some(1.0)), Event::new(PERFECT_FIT, Some(at[1].exp_m1()))];
    let run = RunContext { events: &events, draws: 99, ..RunContext::default() };
    let layer = LayerInput {
        replicates: Replicates::Of(&replicates),
        ..input(&epoch, &similarity)
    };
    let found = LayerFindings::of(&layer, &run);
    let json = serde_json::to_value(&found).unwrap();
    let expected = "layer depth measure group reason se_reason hurst drift_dimension jitter_dimension \
        at_floor boundaries rejected settling phases distinctness visible others concordance \
        perfect_fit movement settled init_memory half_time weights";
    assert_eq!(keys(&json), expected.split_whitespace().collect::<Vec<_>>());
    let expected = "kind epoch from to log_time size p edge schedule_step cause event \
        event_distance detectors_within";
    assert_eq!(
        keys(&json["boundaries"][0]),
        expected.split_whitespace().collect::<Vec<_>>()
    );
    assert_eq!(
        keys(&json["phases"][0]),
        ["from", "to", "path", "net", "straightness", "roughness"]
    );
    assert_eq!(keys(&json["distinctness"]), ["value", "burst", "step", "se"]);
    assert_eq!(keys(&json["visible"]), ["contrast", "drift", "excess", "edges", "se"]);
    assert_eq!(keys(&json["others"]), ["blocks", "kernel", "bic", "foote"]);
    assert_eq!(keys(&json["perfect_fit"]), ["drop", "drop_se", "offset", "rank"]);
    assert_eq!(keys(&json["settled"]), ["0.9", "0.99"]);
    assert_eq!(
        json["phases"][0]["from"], 0,
        "whole epochs are written without a fraction"
    );
    for errors in
        ["/distinctness/se", "/visible/se", "/perfect_fit/drop_se", "/movement/se"]
    {
        assert!(json.pointer(errors).unwrap().as_f64().unwrap() > 0.0, "{errors}");
    }
    assert_eq!(found.at_floor, Some(false));
    let curves = found.curves.unwrap();
    assert!(curves.speed_se.unwrap().iter().all(|se| se.is_finite()));
    assert_eq!(curves.roughness.iter().filter(|r| r.is_none()).count(), 2);
    assert_eq!(curves.jitter.iter().filter(|r| r.is_none()).count(), 4);
}

#[test]
fn boundaries_carry_their_events_and_split_the_run_into_phases() {
    let (epoch, similarity, at) = two_phases();
    let events =
        [Event::new(PERFECT_FIT, Some((at[1] + 0.1).exp_m1())), Event::new("peak", None)];
    let run = RunContext { events: &events, draws: 99, ..RunContext::default() };
    let found = LayerFindings::of(&input(&epoch, &similarity), &run);
    let boundaries = found.boundaries.as_ref().unwrap();
    assert_eq!(boundaries.len(), 2, "{boundaries:?}");
    let second = &boundaries[1];
    assert!((second.log_time - at[1]).abs() < 0.2);
    assert_eq!(second.event.as_deref(), Some(PERFECT_FIT));
    assert!(second.is_at_event() && !boundaries[0].is_at_event());
    assert!(boundaries.iter().all(|b| b.from <= b.epoch && b.epoch <= b.to));
    let phases = found.phases.as_ref().unwrap();
    assert_eq!(phases.len(), 3);
    assert_eq!((phases[0].from, phases[2].to), (0.0, 300.0));
    assert_eq!(phases[1].from, boundaries[0].epoch);
    assert!(found.distinctness.unwrap().burst > 0.5, "{:?}", found.distinctness);
    let layers = [&found, &found];
    assert_eq!(share_of_layers(&layers, at[0]), 1.0);
    assert_eq!(share_of_layers(&layers, at[0] + 0.7), 0.0);
}

#[test]
fn a_settling_at_a_step_of_the_schedule_is_its_consequence() {
    let epoch = epochs();
    let (similarity, at) = settling(&log_time(&epoch), &mut Random::new(4));
    let every: Vec<f64> = (0..=300).map(f64::from).collect();
    let rates = |low: f64| -> Vec<f64> {
        every.iter().map(|e| if e.ln_1p() < at { 0.1 } else { low }).collect()
    };
    for (low, cause) in [(0.001, Some(Cause::Schedule)), (0.09, None)] {
        let schedule = Schedule::new(&every, &rates(low));
        let run =
            RunContext { schedule: Some(&schedule), draws: 99, ..RunContext::default() };
        let found = LayerFindings::of(&input(&epoch, &similarity), &run);
        let boundaries = found.boundaries.unwrap();
        assert_eq!(boundaries.len(), 1, "{boundaries:?}");
        assert_eq!(boundaries[0].kind, BoundaryKind::Settling);
        assert_eq!(boundaries[0].cause, cause, "{:?}", boundaries[0].schedule_step);
        assert!((boundaries[0].log_time - at).abs() < 0.3 && boundaries[0].size < -1.0);
    }
}

#[test]
fn what_the_weights_explain_is_no_excess() {
    let epoch = epochs();
    let x = log_time(&epoch);
    let (similarity, at) = settling(&x, &mut Random::new(4));
    let (other, _) = two_switches(&x, &mut Random::new(5));
    let fit = [Event::new(PERFECT_FIT, Some(at.exp_m1()))];
    let run = RunContext { events: &fit, draws: 99, ..RunContext::default() };
    let beside = |d2: &Matrix| {
        let weights = LayerWeights::of("conv1", &epoch, d2, 99).unwrap();
        let layer = LayerInput { weights: Some(&weights), ..input(&epoch, &similarity) };
        serde_json::to_value(LayerFindings::of(&layer, &run).weights.unwrap()).unwrap()
    };
    let same = beside(&similarity.distances());
    assert_eq!(same["at_fit"]["reading"], "the weights settle");
    assert_eq!(same["at_fit"]["excess"], 0.0);
    assert!(same["excess_distinctness"].as_f64().unwrap().abs() < 0.1, "{same}");
    let different = beside(&other.distances());
    assert_eq!(different["at_settling"]["reading"], "the representation settles");
    // A recording knows the distances to the two rows before alone.
    let band = Matrix::from_fn(x.len(), |i, j| match i.abs_diff(j) {
        0..=2 => similarity.at(i, j).mul_add(-2.0, 2.0),
        _ => f64::NAN,
    });
    let band = beside(&band);
    assert_eq!(band["at_fit"]["excess"], 0.0);
    assert!(band["distinctness"].is_null() && band["excess_distinctness"].is_null());
}

#[test]
fn what_is_missing_has_a_reason() {
    let (epoch, similarity, _) = two_phases();
    let run = RunContext { draws: 19, ..RunContext::default() };
    let reason = |layer: &LayerInput<'_>| {
        let found = LayerFindings::of(layer, &run);
        (found.reason.unwrap(), found.curves.is_some(), found.boundaries.is_some())
    };
    let some = |n: usize| {
        let rows: Vec<usize> = (0..n).map(|i| i * 40 / (n - 1)).collect();
        let epoch: Vec<f64> = rows.iter().map(|&i| epoch[i]).collect();
        (epoch, similarity.keep(&rows))
    };
    let (few, matrix) = some(19);
    let no_p_values = ("fewer than 20 checkpoints".to_string(), true, false);
    assert_eq!(reason(&input(&few, &matrix)), no_p_values);
    let (few, matrix) = some(11);
    let nothing = ("fewer than 12 checkpoints".to_string(), false, false);
    assert_eq!(reason(&input(&few, &matrix)), nothing);
    let still = Matrix::from_fn(41, |_, _| 1.0);
    assert_eq!(reason(&input(&epoch, &still)).0, "does not move");
    let formal = LayerInput { geometry: Geometry::Formal, ..input(&epoch, &similarity) };
    let (reason, curves, boundaries) = reason(&formal);
    assert!(reason.starts_with("curves and movement only") && curves && !boundaries);
}

#[test]
fn an_undefined_checkpoint_is_left_out() {
    let (epoch, similarity, _) = two_phases();
    let undefined = Matrix::from_fn(41, |i, j| {
        if i == 7 || j == 7 { f64::NAN } else { similarity.at(i, j) }
    });
    let run = RunContext { draws: 19, ..RunContext::default() };
    let found = LayerFindings::of(&input(&epoch, &undefined), &run);
    assert_eq!(found.reason, None);
    assert!(!found.curves.unwrap().epoch.contains(&epoch[7]));
}

#[test]
fn a_run_joins_its_layers() {
    let epoch = epochs();
    let x = log_time(&epoch);
    let run =
        RunContext { draws: 19, window: Some([2.0, 60.0]), ..RunContext::default() };
    let mut layers: Vec<LayerFindings> = (0..3)
        .map(|depth| {
            let (similarity, _) = two_switches(&x, &mut Random::new(20 + depth));
            let name = format!("layer{depth}");
            let layer = LayerInput {
                layer: &name,
                depth: depth as usize,
                ..input(&epoch, &similarity)
            };
            LayerFindings::of(&layer, &run)
        })
        .collect();
    let still = Matrix::from_fn(41, |_, _| 1.0);
    layers.push(LayerFindings::of(
        &LayerInput { layer: "dead", ..input(&epoch, &still) },
        &run,
    ));
    let mut with_double = epoch.clone();
    with_double.insert(40, 299.0);
    let found = RunFindings::of(&with_double, layers, DoubleDescent::unpaired(), &run);
    let json = serde_json::to_value(&found).unwrap();
    assert_eq!(
        keys(&json),
        [
            "format",
            "defaults",
            "checkpoints",
            "events",
            "layers",
            "synchrony",
            "double_descent"
        ]
    );
    assert_eq!(json["checkpoints"]["used"], 41);
    assert_eq!(json["checkpoints"]["dropped"], serde_json::json!([299]));
    let synchrony = &found.synchrony[0];
    assert_eq!(synchrony.layers_left_out, ["dead"]);
    assert!(synchrony.asynchrony.unwrap() > 0.05 && synchrony.relative.unwrap() > 0.05);
    assert!(synchrony.coherence.unwrap().abs() < 1.0 && synchrony.se.is_none());
    let expected = "measure group asynchrony se coherence spread_settling layers_left_out \
        relative schedule";
    assert_eq!(
        keys(&json["synchrony"][0]),
        expected.split_whitespace().collect::<Vec<_>>()
    );
    let movement = &json["layers"][0]["movement"];
    assert_eq!(movement["window"], serde_json::json!([2, 60]));
}
