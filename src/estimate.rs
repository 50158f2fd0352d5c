//! What a run would cost, before it is begun: time, memory and disk.
//!
//! Counts follow from the experiment; speeds are measured here and now, on the threads that
//! the run would have.

use std::time::{Duration, Instant};

use crate::analyze::Work;
use crate::data::{Data, Split};
use crate::engine::{Device, Inputs, Recipe, Step, Update};
use crate::error::Result;
use crate::experiment::{Experiment, OptimizerKind, TrainConfig, steps_per_epoch};
use crate::net::{Net, initial_weights};
use crate::represent::recomputes_statistics;

/// Training steps and forward passes that are timed, after one that is not.
const TIMED: u32 = 5;

/// What one run costs.
#[derive(Debug, Clone)]
pub struct Estimate {
    /// Parameters of the net.
    pub parameters: usize,
    /// Multiply-adds of one image.
    pub macs: usize,
    /// Training steps that are left.
    pub n_steps: u64,
    /// Checkpoints.
    pub n_checkpoints: u64,
    /// Rows of the history that are left.
    pub n_history: u64,
    /// Values that the optimizer remembers of each parameter, where that is kept.
    pub n_buffers: u64,
    /// Threads.
    pub threads: usize,
    /// Forward passes of one history row, in images.
    pub evaluated: u64,
    /// The analysis of one checkpoint.
    pub work: Work,
    /// Seconds of one training step.
    pub step: f64,
    /// Seconds of the forward pass of one image.
    pub image: f64,
}

/// What runs cost that differ in nothing but their seed.
#[derive(Debug, Clone)]
pub struct Together {
    /// One of them, on the threads that it has.
    pub one: Estimate,
    /// How many there are.
    pub n_runs: usize,
    /// How many go on at a time.
    pub at_once: usize,
}

/// Of `n_runs` that differ in their seed, how many go on at a time: one per thread where
/// there are as many as threads, else each run has all threads.
pub fn at_once(n_runs: usize) -> usize {
    let threads = rayon::current_num_threads();
    if n_runs < threads { 1 } else { threads }
}

impl Estimate {
    /// Estimates a run that begins at step `begun`, at the speed of the present threads.
    ///
    /// # Errors
    /// If a layer or the planes cannot be chosen, or the engine refuses the net.
    pub fn new(experiment: &Experiment, data: &Data, begun: u64) -> Result<Self> {
        let net = experiment.net.build(data.train.shape, data.n_classes);
        let (n_train, n_test) = (data.noisy.len(), data.test.labels.len());
        let train = &experiment.train;
        let steps = steps_per_epoch(n_train, train.batch_size);
        let (step, image) = measure(&net, experiment, data)?;
        let batchnorm = experiment.evaluation.batchnorm;
        let n_passes = 1 + u64::from(recomputes_statistics(&net, batchnorm));
        let history = train.history_steps(steps);
        Ok(Self {
            parameters: net.parameter_count(),
            macs: net.mac_count(),
            n_steps: train.total_steps(steps).saturating_sub(begun),
            n_checkpoints: train.checkpoint_steps(steps).len() as u64,
            n_history: history.iter().filter(|step| **step >= begun).count() as u64,
            n_buffers: match experiment.optimizer.kind {
                _ if !train.save_optimizer => 0,
                OptimizerKind::Sgd => u64::from(experiment.optimizer.momentum > 0.0),
                OptimizerKind::Adam | OptimizerKind::Adamw => 2,
            },
            threads: rayon::current_num_threads(),
            evaluated: n_passes * (n_train + n_test) as u64,
            work: Work::of(experiment, data)?,
            step,
            image,
        })
    }

    /// The time of a whole run, its data loaded for it, at the speed of the present threads.
    ///
    /// # Errors
    /// If the data cannot be loaded; as [`Estimate::new`].
    pub fn time_of(experiment: &Experiment) -> Result<Duration> {
        let data = Data::load(experiment)?;
        Ok(Self::new(experiment, &data, 0)?.time())
    }

    /// Time of the training.
    pub fn training(&self) -> Duration {
        let evaluation = (self.n_history * self.evaluated) as f64 * self.image;
        Duration::from_secs_f64(self.n_steps as f64 * self.step + evaluation)
    }

    /// Time of the analysis.
    pub fn analysis(&self) -> Duration {
        let images = self.n_checkpoints as f64 * self.work.forward_images as f64;
        Duration::from_secs_f64(images * self.image)
            + self.work.probe_time * self.n_checkpoints as u32
    }

    /// Time of both.
    pub fn time(&self) -> Duration {
        self.training() + self.analysis()
    }

    /// Bytes held at once: while a checkpoint is reduced, or while all are compared.
    pub fn memory(&self) -> u64 {
        self.work.peak_bytes.max(2 * self.n_checkpoints * self.work.row_bytes)
    }

    /// Bytes on disk: weights and optimizer, signatures, probes.
    pub fn disk(&self) -> u64 {
        self.trained_bytes() + self.n_checkpoints * self.work.stored_bytes
    }

    /// Bytes on disk of the training: weights and optimizer.
    pub fn trained_bytes(&self) -> u64 {
        let weights = 4 * self.parameters as u64;
        (self.n_checkpoints * (1 + self.n_buffers) + 3) * weights
    }

    /// Bytes of the optimizer's buffers on disk.
    pub fn optimizer_bytes(&self) -> u64 {
        4 * self.parameters as u64 * self.n_buffers * self.n_checkpoints
    }
}

impl Together {
    /// Estimates `n_runs` runs; each is measured with the threads that it will have.
    ///
    /// # Errors
    /// As [`Estimate::new`].
    ///
    /// # Panics
    /// If the system refuses a thread.
    pub fn new(
        experiment: &Experiment,
        data: &Data,
        begun: u64,
        n_runs: usize,
    ) -> Result<Self> {
        let at_once = at_once(n_runs);
        let one = if at_once == 1 {
            Estimate::new(experiment, data, begun)?
        } else {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build();
            let pool = pool.expect("a thread can be started");
            pool.install(|| Estimate::new(experiment, data, begun))?
        };
        Ok(Self { one, n_runs, at_once })
    }

    /// Time of all runs.
    pub fn time(&self) -> Duration {
        self.one.time() * self.n_runs.div_ceil(self.at_once) as u32
    }

    /// Bytes held at once by all runs that go on at a time.
    pub fn memory(&self) -> u64 {
        self.one.memory() * self.at_once as u64
    }

    /// Bytes of all runs on disk.
    pub fn disk(&self) -> u64 {
        self.one.disk() * self.n_runs as u64
    }
}

/// Seconds of one training step, and of the forward pass of one image.
fn measure(net: &Net, experiment: &Experiment, data: &Data) -> Result<(f64, f64)> {
    let TrainConfig { batch_size, .. } = experiment.train;
    let device = Device::open(&experiment.engine, data, &data.noisy)?;
    let weights = initial_weights(net, experiment.seed);
    let mut session = device.start((data, &data.noisy), net, &weights, (&[], &[]))?;
    let batch: Vec<usize> = (0..batch_size.min(data.noisy.len())).collect();
    let update =
        Update::Sgd { lr: 0.0, momentum: 0.0, weight_decay: 0.0, nesterov: false };
    let step = [Step { batch: &batch, update, dropout_key: 0 }];
    let recipe = Recipe {
        epoch: 0,
        seed: experiment.seed,
        augment: &experiment.data.augment,
        clip_norm: experiment.optimizer.clip_norm,
        label_smoothing: experiment.train.label_smoothing,
        keep_gradients: false,
    };
    let step = seconds(|| session.train(&recipe, &step).map(|_| ()))?;
    let statistics = session.running_statistics()?;
    let output = [(net.nodes.len() - 1, None)];
    let images = Inputs::Indices(Split::Train, &batch);
    let mut outputs = vec![];
    let block = seconds(|| {
        let all = (&images, 0..batch.len());
        session.evaluate_into(all, &statistics, &output, &mut outputs)
    })?;
    Ok((step, block / batch.len() as f64))
}

/// The median seconds of some calls, after one that is not counted.
fn seconds(mut call: impl FnMut() -> Result<()>) -> Result<f64> {
    call()?;
    let mut times = vec![];
    for _ in 0..TIMED {
        let start = Instant::now();
        call()?;
        times.push(start.elapsed().as_secs_f64());
    }
    times.sort_by(f64::total_cmp);
    Ok(times[times.len() / 2])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn experiment(changes: &[&str]) -> Experiment {
        let text = "data = { kind = 'digits', n_train = 64, n_test = 40 }\n\
            net = { kind = 'cnn5', width = 2 }\n\
            train = { epochs = 4, batch_size = 32, checkpoints = [0, 2, 4] }\n\
            analysis = { n_examples = 8, drs = { triplets = 2, resolution = 4 } }\n";
        let changes: Vec<String> = changes.iter().map(|&change| change.into()).collect();
        Experiment::parse("test", text, ".".as_ref(), &changes).unwrap()
    }

    #[test]
    fn counts_are_those_of_the_experiment() {
        let experiment = experiment(&["optimizer.momentum=0.9"]);
        let data = Data::load(&experiment).unwrap();
        let whole = Estimate::new(&experiment, &data, 0).unwrap();
        assert_eq!((whole.n_steps, whole.n_checkpoints, whole.n_buffers), (8, 3, 1));
        assert_eq!(whole.optimizer_bytes(), 4 * whole.parameters as u64 * 3);
        assert!(whole.step > 0.0 && whole.image > 0.0);
        assert_eq!(whole.time(), whole.training() + whole.analysis());
        // A fork at epoch 2 trains the rest.
        let fork = Estimate::new(&experiment, &data, 4).unwrap();
        assert_eq!((fork.n_steps, fork.n_checkpoints), (4, 3));
        assert!(fork.n_history < whole.n_history);
    }

    #[test]
    fn runs_side_by_side_take_rounds() {
        let experiment = experiment(&[]);
        let data = Data::load(&experiment).unwrap();
        let pool = rayon::ThreadPoolBuilder::new().num_threads(2).build().unwrap();
        let all = pool.install(|| Together::new(&experiment, &data, 0, 3)).unwrap();
        assert_eq!((all.at_once, all.one.threads), (2, 1));
        assert_eq!(all.time(), all.one.time() * 2);
        assert_eq!(all.disk(), all.one.disk() * 3);
        assert_eq!(all.memory(), all.one.memory() * 2);
        let one = pool.install(|| Together::new(&experiment, &data, 0, 1)).unwrap();
        assert_eq!((one.at_once, one.one.threads), (1, 2));
    }
}
