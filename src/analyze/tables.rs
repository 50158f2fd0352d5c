//! What each checkpoint says by itself: the tables beside the matrices, each the rows that
//! were written earlier and those of the parts.

use std::fmt::Write as _;
use std::path::Path;

use crate::array_file::{Array, NamedArrays, Values, read_npz_members};
use crate::error::{Error, Result};
use crate::run_dir::{Checkpoint, RunDir, write_atomic};

use super::decisions::{GEOMETRY_HEADER, LAYERS_HEADER};
use super::join::number;
use super::plan::Plan;
use super::{INPUT, floor, joined, probes};

/// The header of `probes.csv`.
pub(super) const PROBES_HEADER: &str = "layer,step,epoch,labels,l2,n_features,n_floored,iterations,\
    gradient_norm,objective,train_accuracy,train_accuracy_true,test_accuracy,\
    heldout_accuracy,heldout_accuracy_true,heldout_corrupted_noisy,heldout_corrupted_true\n";

/// The header of `representations.csv`.
const REPRESENTATIONS_HEADER: &str = "layer,step,epoch,group,alignment_true,\
    alignment_noisy,effective_rank,participation_ratio,stable_rank\n";

/// The header of `prediction_depth.csv`.
const DEPTH_HEADER: &str = "group,step,epoch,n,n_layers,mean,se,histogram\n";

/// `geometry`, `layers` or `floor`: the rows written earlier, then those of the parts.
pub(super) fn joined(
    run: &RunDir,
    checkpoints: &[Checkpoint],
    name: &str,
) -> Result<String> {
    let (path, header) = match name {
        "geometry" => (run.geometry_table(), GEOMETRY_HEADER),
        "layers" => (run.layers_table(), LAYERS_HEADER),
        _ => (run.floor_table(), floor::HEADER),
    };
    let member = format!("rows/{name}");
    grown(run, (&path, header), checkpoints, &member, |table, checkpoint, part| {
        if let Some(Values::U8(text)) = part.get(&member).map(|array| &array.values) {
            *table += &String::from_utf8_lossy(text);
            return Ok(());
        }
        let path = run.part(checkpoint.step);
        Err(Error::data(&path, format!("holds no `{member}`"))
            .fix("analyze again with --force"))
    })
}

/// A table: the rows written earlier, and for each other checkpoint what `add` makes of those
/// members of its part whose names begin with `prefix`.
fn grown(
    run: &RunDir,
    (path, header): (&Path, &str),
    checkpoints: &[Checkpoint],
    prefix: &str,
    mut add: impl FnMut(&mut String, &Checkpoint, &NamedArrays) -> Result<()>,
) -> Result<String> {
    let joined = joined::steps(run)?;
    let mut table = joined::rows(path, &joined)?;
    if table.is_empty() {
        table = header.to_string();
    }
    for checkpoint in checkpoints.iter().filter(|c| !joined.contains(&c.step)) {
        let path = run.part(checkpoint.step);
        let part = read_npz_members(&path, |member| member.starts_with(prefix))?;
        add(&mut table, checkpoint, &part)?;
    }
    Ok(table)
}

/// `probes.csv`.
pub(super) fn write_probes(plan: &Plan, checkpoints: &[Checkpoint]) -> Result<()> {
    let path = plan.run.probes_table();
    let place = (path.as_path(), PROBES_HEADER);
    let table =
        grown(plan.run, place, checkpoints, "probe/", |table, checkpoint, part| {
            let names = plan.layers.iter().map(|layer| layer.name.as_str());
            let baseline = Some(INPUT).filter(|name| names.clone().all(|n| n != *name));
            for layer in baseline.into_iter().chain(names) {
                let rows = part.get(&format!("probe/{layer}")).map(Array::to_f64);
                add_probe(table, layer, checkpoint, &rows.unwrap_or_default());
            }
            Ok(())
        })?;
    write_atomic(&path, table.as_bytes())
}

/// Adds the rows of one layer's probes at a checkpoint to `probes.csv`.
pub(super) fn add_probe(
    table: &mut String,
    layer: &str,
    checkpoint: &Checkpoint,
    rows: &[f64],
) {
    for row in rows.chunks_exact(probes::ROW) {
        let labels = if row[0] == 0.0 { "noisy" } else { "clean" };
        let fields: Vec<String> = row[1..].iter().copied().map(number).collect();
        let Checkpoint { step, epoch, .. } = checkpoint;
        let fields = fields.join(",");
        let _ = writeln!(table, "{layer},{step},{epoch},{labels},{fields}");
    }
}

/// `prediction_depth.csv`.
pub(super) fn write_depth(plan: &Plan, checkpoints: &[Checkpoint]) -> Result<()> {
    let path = plan.run.prediction_depth_table();
    let n_layers = plan.layers.len();
    let place = (path.as_path(), DEPTH_HEADER);
    let table =
        grown(plan.run, place, checkpoints, "depth/", |table, checkpoint, part| {
            for (group, _) in &plan.groups {
                let name = group.name();
                let Some(depths) = part.get(&format!("depth/{name}")) else { continue };
                let depths = depths.to_f64();
                let n = depths.len() as f64;
                let mean = depths.iter().sum::<f64>() / n;
                let square: f64 = depths.iter().map(|depth| (depth - mean).powi(2)).sum();
                let se = number((square / (n - 1.0) / n).sqrt());
                let mut counts = vec![0_usize; n_layers + 1];
                depths.iter().for_each(|depth| counts[*depth as usize] += 1);
                let counts: Vec<String> = counts.iter().map(usize::to_string).collect();
                let Checkpoint { step, epoch, .. } = checkpoint;
                let counts = counts.join(" ");
                let _ = writeln!(
                    table,
                    "{name},{step},{epoch},{n},{n_layers},{mean},{se},{counts}"
                );
            }
            Ok(())
        })?;
    write_atomic(&path, table.as_bytes())
}

/// `representations.csv`.
pub(super) fn write_representations(
    plan: &Plan,
    checkpoints: &[Checkpoint],
) -> Result<()> {
    let path = plan.run.representations_table();
    let place = (path.as_path(), REPRESENTATIONS_HEADER);
    let prefix = "representation/";
    let table =
        grown(plan.run, place, checkpoints, prefix, |table, checkpoint, part| {
            for (group, _) in &plan.groups {
                for layer in &plan.layers {
                    let (group, layer) = (group.name(), &layer.name);
                    let row = part.get(&format!("{prefix}{group}/{layer}"));
                    let row = row.map(Array::to_f64).unwrap_or_default();
                    let fields: Vec<String> = row.into_iter().map(number).collect();
                    let Checkpoint { step, epoch, .. } = checkpoint;
                    let fields = fields.join(",");
                    let _ = writeln!(table, "{layer},{step},{epoch},{group},{fields}");
                }
            }
            Ok(())
        })?;
    write_atomic(&path, table.as_bytes())
}
