//! The rows of `phases.csv`, `curves.csv` and `convergence.csv`.

use super::source::Entry;
use crate::findings::axis::log_time;
use crate::findings::convergence::{ToOthers, to_others};
use crate::findings::{LayerCurves, LayerFindings, LayerWeights, Matrix, RunFindings};
use crate::run_dir::tables::{BoundaryRow, ConvergenceRow, CurveRow};
use crate::run_dir::{Maybe, Number};

/// A row for each boundary that separates phases.
pub(super) fn boundaries(findings: &RunFindings) -> Vec<BoundaryRow> {
    findings.layers.iter().flat_map(of_layer).collect()
}

fn of_layer(layer: &LayerFindings) -> impl Iterator<Item = BoundaryRow> {
    let boundaries = layer.boundaries.iter().flatten().filter(|b| !b.edge);
    boundaries.map(|boundary| BoundaryRow {
        layer: layer.layer.clone(),
        measure: layer.measure.clone(),
        group: layer.group.clone(),
        kind: boundary.kind.name().into(),
        epoch: Number(boundary.epoch),
        from: Number(boundary.from),
        to: Number(boundary.to),
        log_time: Number(boundary.log_time),
        size: Number(boundary.size),
        p: Number(boundary.p),
        event: boundary.event.clone().unwrap_or_default(),
        event_distance: Maybe(boundary.event_distance.unwrap_or(f64::NAN)),
    })
}

/// A row for each checkpoint and each cut of each layer, in the order of time; then of the
/// weights up to each layer.
pub(super) fn curves(
    findings: &RunFindings,
    weights: &[(String, LayerWeights)],
) -> Vec<CurveRow> {
    let with_curves = |layer: &LayerFindings| {
        let curves = layer.curves.as_ref()?;
        let heading = [&layer.layer, &layer.measure, &layer.group].map(Clone::clone);
        Some(of_curves(&heading, curves))
    };
    let of_weights = weights.iter().flat_map(|(layer, weights)| {
        let heading = [layer, "weights", "all"].map(str::to_owned);
        of_curves(&heading, &weights.curves)
    });
    let layers = findings.layers.iter().filter_map(with_curves).flatten();
    layers.chain(of_weights).collect()
}

fn of_curves(heading: &[String; 3], curves: &LayerCurves) -> Vec<CurveRow> {
    let [layer, measure, group] = heading;
    let row = |epoch: f64, log_time: f64| CurveRow {
        layer: layer.clone(),
        measure: measure.clone(),
        group: group.clone(),
        epoch: Number(epoch),
        log_time: Number(log_time),
        ..CurveRow::default()
    };
    let maybe = |value: Option<f64>| Maybe(value.unwrap_or(f64::NAN));
    let checkpoints = (0..curves.epoch.len()).map(|i| CurveRow {
        roughness: maybe(curves.roughness[i]),
        roughness_se: maybe(curves.roughness_se[i]),
        jitter: maybe(curves.jitter[i]),
        ..row(curves.epoch[i], curves.log_time[i])
    });
    let cuts = (0..curves.cut_time.len()).map(|i| CurveRow {
        speed: Maybe(curves.speed[i]),
        speed_se: maybe(curves.speed_se.as_ref().map(|se| se[i])),
        ..row(curves.cut_epoch[i], curves.cut_time[i])
    });
    let mut rows: Vec<CurveRow> = checkpoints.chain(cuts).collect();
    rows.sort_by(|a, b| a.log_time.0.total_cmp(&b.log_time.0));
    rows
}

/// A row for each checkpoint (step, epoch) of one matrix; none of a single checkpoint.
pub(super) fn convergence(
    entry: &Entry<'_>,
    axis: &[(u64, f64)],
    similarity: &Matrix,
) -> Vec<ConvergenceRow> {
    if axis.len() < 2 {
        return vec![];
    }
    let epoch: Vec<f64> = axis.iter().map(|(_, epoch)| *epoch).collect();
    let rows = axis.iter().zip(to_others(similarity, &log_time(&epoch)));
    let row = |(&(step, epoch), to): (&(u64, f64), ToOthers)| ConvergenceRow {
        layer: entry.place.layer.into(),
        measure: entry.place.measure.into(),
        group: entry.place.group.into(),
        step,
        epoch: Number(epoch),
        to_previous: Maybe(to.previous),
        to_final: Maybe(to.last),
        mean_future: Maybe(to.future),
    };
    rows.map(row).collect()
}
