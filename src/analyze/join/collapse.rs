//! `collapse.csv`: neural collapse of every layer, by group and labels.

use super::probes::labels_name;
use super::table::Join;
use crate::analyze::part::{Collapsed, OfGroup};
use crate::error::Result;
use crate::run_dir::tables::CollapseRow;
use crate::run_dir::{Checkpoint, Maybe, Number, Quoted};
use crate::similarity::Collapse;

/// The rows of every group, layer and kind of labels.
pub(super) fn table(join: &Join) -> Result<Vec<CollapseRow>> {
    let layers: Vec<&str> = join.plan.layer_names().collect();
    let read = join.plan.classified().map(|node| join.plan.net.nodes[node].name.as_str());
    let of_group = |at: &Checkpoint, own: &OfGroup<Collapsed>| -> Vec<CollapseRow> {
        let of_layer = own.rows.chunks(own.rows.len() / layers.len());
        let rows = layers.iter().zip(of_layer);
        rows.flat_map(|(layer, rows)| rows.iter().map(move |found| (layer, found)))
            .map(|(layer, found)| row(at, (&own.group, layer), found, why(found, read)))
            .collect()
    };
    join.table(
        join.joined.representations,
        |row: &CollapseRow| row.step,
        |at, numbers| {
            numbers.collapses.iter().flat_map(|own| of_group(at, own)).collect()
        },
    )
}

/// Why something has no value; of NC3 alone, which representation the classifier reads.
fn why(found: &Collapsed, read: Option<&str>) -> String {
    let Collapsed { collapse: Collapse { duality, undefined, .. }, .. } = found;
    let read = read.unwrap_or("no representation");
    match undefined {
        Some(undefined) => undefined.to_string(),
        None if duality.is_nan() => format!("nc3: the classifier reads {read}"),
        None => String::new(),
    }
}

/// A row, and why something of it has no value.
pub(crate) fn row(
    at: &Checkpoint,
    (group, layer): (&str, &str),
    found: &Collapsed,
    reason: String,
) -> CollapseRow {
    let of = found.collapse;
    CollapseRow {
        layer: layer.to_owned(),
        step: at.step,
        epoch: Number(at.epoch),
        group: group.to_owned(),
        labels: labels_name(found.labels).to_owned(),
        fewest: found.fewest as u64,
        nc1: Maybe(of.within),
        nc2_norms: Maybe(of.norms),
        nc2_angles: Maybe(of.angles),
        nc2_simplex: Maybe(of.simplex),
        nc3: Maybe(of.duality),
        nc4: Maybe(of.mismatch),
        reason: Quoted(reason),
    }
}
