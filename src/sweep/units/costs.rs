//! What the runs of a sweep cost, and which data they are of. Runs that differ in seeds,
//! noise and optimizer cost the same, so one of them is measured.

use std::collections::BTreeMap;

use crate::data::Data;
use crate::error::{Error, ErrorKind, Result};
use crate::estimate::Estimate;
use crate::experiment::Experiment;
use crate::sweep::plan::Planned;

/// What a run costs.
#[derive(Debug, Clone)]
pub(super) struct Cost {
    /// Multiply-adds, about: an order that does not depend on the machine.
    pub(super) operations: f64,
    /// Seconds of its training, on one thread.
    pub(super) training: f64,
    /// Seconds of its analysis.
    pub(super) analysis: f64,
    /// SHA-256 of its data set.
    pub(super) data_sha256: String,
}

/// The cost of every run, in their order.
///
/// # Errors
/// If a run's data cannot be loaded or its analysis cannot be done.
pub(super) fn costs(runs: &[Planned]) -> Result<Vec<Cost>> {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build();
    let pool = pool.map_err(|error| {
        Error::new(ErrorKind::Io, "a thread", format!("cannot be started: {error}"))
    })?;
    let mut measured: BTreeMap<String, Cost> = BTreeMap::new();
    let cost = |run: &Planned| {
        let class = class(&run.experiment, &runs[0].experiment);
        if let Some(cost) = measured.get(&class) {
            return Ok(cost.clone());
        }
        let cost = pool.install(|| Cost::of(&run.experiment));
        let cost = cost.map_err(|error| error.inside(&format!("run {}", run.name)))?;
        measured.insert(class, cost.clone());
        Ok(cost)
    };
    runs.iter().map(cost).collect()
}

/// What the cost depends on: the experiment but for its seeds, noise and optimizer.
fn class(experiment: &Experiment, first: &Experiment) -> String {
    let mut same = experiment.clone();
    same.seed = first.seed;
    same.data.seed = first.data.seed;
    same.noise = first.noise.clone();
    same.optimizer = first.optimizer.clone();
    same.to_toml()
}

impl Cost {
    fn of(experiment: &Experiment) -> Result<Self> {
        let data = Data::load(experiment)?;
        let estimate = Estimate::new(experiment, &data, 0)?;
        let Estimate { macs, n_steps, n_history, n_checkpoints, .. } = estimate;
        // A backward pass takes twice the products of a forward pass.
        let trained = 3 * n_steps * experiment.train.batch_size as u64;
        let images = trained
            + n_history * estimate.evaluated
            + n_checkpoints * estimate.work.forward_images as u64;
        Ok(Self {
            operations: images as f64 * macs as f64,
            training: estimate.training().as_secs_f64(),
            analysis: estimate.analysis().as_secs_f64(),
            data_sha256: data.sha256,
        })
    }
}
