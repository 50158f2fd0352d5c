//! The features of layers at checkpoints, as the analysis compares them: the same examples,
//! `BatchNorm` statistics, pooling and tokens.
//!
//! Cost: one forward pass over the analyzed examples per checkpoint, one over the training
//! images where statistics are recomputed. One checkpoint's features are held at a time.

use std::path::{Path, PathBuf};

use super::format::Format;
use super::source::{Source, write_all};
use crate::analyze::Plan;
use crate::array_file::{Array, NamedArrays, npz_bytes};
use crate::data::Data;
use crate::engine::Inputs;
use crate::error::{Error, Result};
use crate::experiment::Group;
use crate::observer::Silent;
use crate::represent::{Layer, Representer};
use crate::run_dir::{Checkpoint, RunDir};

pub(super) const FORMAT: Format = Format {
    name: "features",
    about: "Features of layers at checkpoints, with labels and positions",
    files: "an `.npz` per checkpoint: `GROUP/LAYER` f32 `[n, D]`; `GROUP/position` (in the stored data), `GROUP/label`, `GROUP/noisy_label` i64 `[n]`; `step`, `epoch`",
    opened_by: "numpy.load(\"OUT/step-000000336.npz\")[\"test/fc\"]",
    takes_layers: true,
    takes_epochs: true,
    write,
};

fn write(source: &Source, out: &Path) -> Result<Vec<PathBuf>> {
    let run = source.trained()?;
    let checkpoints = run.checkpoints()?;
    let data = Data::load(run.experiment())?;
    check_data(run, &data)?;
    let plan = Plan::new(run, &data, &Silent)?;
    let wanted: Vec<&Layer> =
        plan.layers.iter().filter(|l| source.selection.has_layer(&l.name)).collect();
    let chosen = checkpoints.iter().filter(|c| source.selection.has_epoch(c.epoch));
    let chosen = chosen.filter(|_| !wanted.is_empty());
    write_all(
        out,
        chosen.map(|checkpoint| {
            let stem = checkpoint.path.file_stem().unwrap_or_default().to_string_lossy();
            let arrays = features(&plan, checkpoint, &wanted)?;
            Ok((format!("{stem}.npz"), npz_bytes(&arrays)))
        }),
    )
}

/// Refuses data that the run was not trained on.
fn check_data(run: &RunDir, data: &Data) -> Result<()> {
    match run.manifest()?.data_sha256 {
        Some(sha256) if sha256 != data.sha256 => {
            Err(Error::data(run.root(), "was trained on other data than there is now")
                .expected("data with the SHA-256 that run.json names")
                .fix("put the data back, or name its directory with --data"))
        }
        _ => Ok(()),
    }
}

/// Everything of one checkpoint.
fn features(
    plan: &Plan,
    checkpoint: &Checkpoint,
    layers: &[&Layer],
) -> Result<NamedArrays> {
    let mut net = plan.representer(checkpoint)?;
    let mut arrays = NamedArrays::default();
    arrays.push("step", Array::i64(&[1], vec![checkpoint.step as i64]));
    arrays.push("epoch", Array::f64(&[1], vec![checkpoint.epoch]));
    for (group, examples) in &plan.groups {
        add_labels(plan.data, (*group, examples), &mut arrays);
        add_features(plan, &mut net, (*group, examples), layers, &mut arrays)?;
    }
    Ok(arrays)
}

/// Positions in the stored data set, true labels, labels with noise.
fn add_labels(
    data: &Data,
    (group, examples): (Group, &[usize]),
    arrays: &mut NamedArrays,
) {
    let (positions, labels, noisy) = match group {
        Group::Test => (&data.test_index, &data.test.labels, &data.noisy_test),
        _ => (&data.train_index, &data.train.labels, &data.noisy),
    };
    let mut add = |name: &str, of: &dyn Fn(usize) -> i64| {
        let values = examples.iter().map(|&example| of(example)).collect();
        arrays.push(
            format!("{}/{name}", group.name()),
            Array::i64(&[examples.len()], values),
        );
    };
    add("position", &|example| positions[example] as i64);
    add("label", &|example| i64::from(labels[example]));
    add("noisy_label", &|example| i64::from(noisy[example]));
}

/// `GROUP/LAYER`, `[n, D]`.
fn add_features(
    plan: &Plan,
    net: &mut Representer<'_>,
    (group, examples): (Group, &[usize]),
    layers: &[&Layer],
    arrays: &mut NamedArrays,
) -> Result<()> {
    let images = Inputs::Indices(group.split(), examples);
    let nodes: Vec<usize> = layers.iter().map(|layer| layer.node).collect();
    for (layer, output) in layers.iter().zip(net.represent(&images, &nodes)?) {
        let features = plan.features_of(layer, output);
        let shape = [examples.len(), features.len() / examples.len()];
        let name = format!("{}/{}", group.name(), layer.name);
        arrays.push(name, Array::f32(&shape, features));
    }
    Ok(())
}
