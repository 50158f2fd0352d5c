//! What each checkpoint says by itself: the tables beside the matrices, each the rows that
//! were written earlier and those of the parts.

use std::fmt::Write as _;

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
    let joined = joined::steps(run)?;
    let mut table = joined::rows(&path, &joined)?;
    if table.is_empty() {
        table = header.to_string();
    }
    let member = format!("rows/{name}");
    for checkpoint in checkpoints.iter().filter(|c| !joined.contains(&c.step)) {
        let part = read_rows(run, checkpoint, &member)?;
        if let Some(Values::U8(text)) = part.get(&member).map(|array| &array.values) {
            table += &String::from_utf8_lossy(text);
        } else {
            let path = run.part(checkpoint.step);
            return Err(Error::data(&path, format!("holds no `{member}`"))
                .fix("analyze again with --force"));
        }
    }
    Ok(table)
}

/// Those members of a part whose names begin so.
fn read_rows(run: &RunDir, checkpoint: &Checkpoint, prefix: &str) -> Result<NamedArrays> {
    read_npz_members(&run.part(checkpoint.step), |member| member.starts_with(prefix))
}

/// `probes.csv`: the rows written earlier, then those of the parts.
pub(super) fn write_probes(plan: &Plan, checkpoints: &[Checkpoint]) -> Result<()> {
    let joined = joined::steps(plan.run)?;
    let mut table = joined::rows(&plan.run.probes_table(), &joined)?;
    if table.is_empty() {
        table = PROBES_HEADER.to_string();
    }
    for checkpoint in checkpoints.iter().filter(|c| !joined.contains(&c.step)) {
        let part = read_rows(plan.run, checkpoint, "probe/")?;
        let names = plan.layers.iter().map(|layer| layer.name.as_str());
        let baseline = Some(INPUT).filter(|name| names.clone().all(|n| n != *name));
        for layer in baseline.into_iter().chain(names) {
            let rows = part.get(&format!("probe/{layer}")).map(Array::to_f64);
            add_probe(&mut table, layer, checkpoint, &rows.unwrap_or_default());
        }
    }
    write_atomic(&plan.run.probes_table(), table.as_bytes())
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

/// `prediction_depth.csv`: the rows written earlier, then those of the parts.
pub(super) fn write_depth(plan: &Plan, checkpoints: &[Checkpoint]) -> Result<()> {
    let path = plan.run.prediction_depth_table();
    let joined = joined::steps(plan.run)?;
    let mut table = joined::rows(&path, &joined)?;
    if table.is_empty() {
        table = DEPTH_HEADER.to_string();
    }
    let n_layers = plan.layers.len();
    for checkpoint in checkpoints.iter().filter(|c| !joined.contains(&c.step)) {
        let part = read_rows(plan.run, checkpoint, "depth/")?;
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
    }
    write_atomic(&path, table.as_bytes())
}

/// `representations.csv`: the rows written earlier, then those of the parts.
pub(super) fn write_representations(
    plan: &Plan,
    checkpoints: &[Checkpoint],
) -> Result<()> {
    let path = plan.run.representations_table();
    let joined = joined::steps(plan.run)?;
    let mut table = joined::rows(&path, &joined)?;
    if table.is_empty() {
        table = REPRESENTATIONS_HEADER.to_string();
    }
    for checkpoint in checkpoints.iter().filter(|c| !joined.contains(&c.step)) {
        let part = read_rows(plan.run, checkpoint, "representation/")?;
        for (group, _) in &plan.groups {
            for layer in &plan.layers {
                let place = format!("{}/{}", group.name(), layer.name);
                let row = part.get(&format!("representation/{place}")).map(Array::to_f64);
                let fields: Vec<String> =
                    row.unwrap_or_default().into_iter().map(number).collect();
                let _ = writeln!(
                    table,
                    "{},{},{},{},{}",
                    layer.name,
                    checkpoint.step,
                    checkpoint.epoch,
                    group.name(),
                    fields.join(","),
                );
            }
        }
    }
    write_atomic(&path, table.as_bytes())
}
