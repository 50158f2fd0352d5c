//! `probes.csv`.

use super::table::Join;
use crate::analyze::part::{Probed, ProbesOfLayer};
use crate::error::Result;
use crate::experiment::ProbeLabels;
use crate::run_dir::tables::ProbeRow;
use crate::run_dir::{Checkpoint, Maybe, Number};

/// The rows of every layer.
pub(super) fn table(join: &Join) -> Result<Vec<ProbeRow>> {
    join.table(
        join.joined.probes,
        |row: &ProbeRow| row.step,
        |at, numbers| numbers.probes.iter().flat_map(|layer| rows(layer, at)).collect(),
    )
}

/// The rows of one layer's probes at a checkpoint.
pub(crate) fn rows(of: &ProbesOfLayer, at: &Checkpoint) -> Vec<ProbeRow> {
    of.rows.iter().map(|probe| row(&of.layer, at, probe)).collect()
}

/// What labels are called in tables.
pub(super) fn labels_name(labels: ProbeLabels) -> &'static str {
    match labels {
        ProbeLabels::Noisy => "noisy",
        ProbeLabels::Clean => "clean",
    }
}

fn row(layer: &str, at: &Checkpoint, probe: &Probed) -> ProbeRow {
    ProbeRow {
        layer: layer.to_owned(),
        step: at.step,
        epoch: Number(at.epoch),
        labels: labels_name(probe.labels).to_owned(),
        l2: Maybe(probe.l2),
        n_features: Maybe(probe.n_features),
        n_floored: Maybe(probe.n_floored),
        iterations: Maybe(probe.iterations),
        gradient_norm: Maybe(probe.gradient_norm),
        objective: Maybe(probe.objective),
        train_accuracy: Maybe(probe.train_accuracy),
        train_accuracy_true: Maybe(probe.train_accuracy_true),
        test_accuracy: Maybe(probe.test_accuracy),
        heldout_accuracy: Maybe(probe.heldout_accuracy),
        heldout_accuracy_true: Maybe(probe.heldout_accuracy_true),
        heldout_corrupted_noisy: Maybe(probe.heldout_corrupted_noisy),
        heldout_corrupted_true: Maybe(probe.heldout_corrupted_true),
    }
}
