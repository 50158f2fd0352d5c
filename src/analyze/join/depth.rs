//! `prediction_depth.csv`.

use super::table::Join;
use crate::analyze::part::OfGroup;
use crate::error::Result;
use crate::run_dir::tables::DepthRow;
use crate::run_dir::{Checkpoint, Maybe, Number};

/// The rows of every group of training images.
pub(super) fn table(join: &Join) -> Result<Vec<DepthRow>> {
    let n_layers = join.plan.layers.len();
    join.table(
        join.joined.probes,
        |row: &DepthRow| row.step,
        |at, numbers| {
            numbers.depths.iter().map(|depths| row(depths, at, n_layers)).collect()
        },
    )
}

fn row(depths: &OfGroup<usize>, at: &Checkpoint, n_layers: usize) -> DepthRow {
    let n = depths.rows.len() as f64;
    let each = || depths.rows.iter().map(|depth| *depth as f64);
    let mean = each().sum::<f64>() / n;
    let square: f64 = each().map(|depth| (depth - mean).powi(2)).sum();
    let mut counts = vec![0_usize; n_layers + 1];
    depths.rows.iter().for_each(|depth| counts[*depth] += 1);
    let counts: Vec<String> = counts.iter().map(usize::to_string).collect();
    DepthRow {
        group: depths.group.clone(),
        step: at.step,
        epoch: Number(at.epoch),
        n: depths.rows.len() as u64,
        n_layers: n_layers as u64,
        mean: Maybe(mean),
        se: Maybe((square / (n - 1.0) / n).sqrt()),
        histogram: counts.join(" "),
    }
}
