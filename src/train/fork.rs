//! Forks: a run that starts from a checkpoint of another with something changed.
//!
//! A fork's directory is made as though the parent had been interrupted at that step: its
//! history, checkpoints and optimizer buffers up to there, and a state from which training
//! continues like any other. So an unchanged fork has the bytes of the parent's continuation,
//! matrices span the fork, and nothing of the parent is needed afterwards.

use std::fs;
use std::path::Path;

use sha2::{Digest, Sha256};

use super::state::{self, State, has_memory};
use super::{Plan, check_nodes, nodes, write_labels};
use crate::array_file::{NamedArrays, Values, read_safetensors};
use crate::data::Data;
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::experiment::{
    DataConfig, Experiment, OptimizerConfig, OptimizerKind, TrainLabels,
};
use crate::net::{Net, initial_weights};
use crate::observer::{Observer, epoch_label};
use crate::run_dir::tables::{HistoryRow, TimingRow, UpdateRow};
use crate::run_dir::{
    Checkpoint, Origin, RunDir, TableLog, checked, link_file, read_findings, remove_file,
    write_file,
};
use crate::shell::verb_on;

/// A checkpoint of a run, for others to start from.
#[derive(Debug)]
pub struct Fork {
    /// `RUN@EPOCH`, as errors name it.
    name: String,
    parent: RunDir,
    steps_per_epoch: u64,
    origin: Origin,
}

impl Fork {
    /// Finds the checkpoint that `RUN@EPOCH` names. In place of an epoch there may be an event of
    /// the run's findings, such as `min` or `perfect-fit`: then it is the nearest checkpoint.
    ///
    /// # Errors
    /// A usage error if it is no such name, there is no such run, or the run has no checkpoint
    /// at that epoch (the message names the nearest ones) or no such event; if the run is damaged.
    pub fn open(name: &str) -> Result<Self> {
        let parts = name.rsplit_once('@').filter(|(run, at)| {
            let is_epoch =
                at.parse::<f64>().map_or(!at.is_empty(), |e| e >= 0.0 && e.is_finite());
            is_epoch && !run.is_empty()
        });
        let Some((root, at)) = parts.map(|(run, at)| (Path::new(run), at)) else {
            return Err(Error::usage(format!("`{name}`"), "names no checkpoint")
                .expected("RUN@EPOCH, such as runs/quickstart@10, or an event: @min"));
        };
        let parent = RunDir::open(root)?;
        let checkpoints = parent.checkpoints()?;
        let checkpoint = match at.parse() {
            Ok(epoch) => find(name, &checkpoints, epoch)?,
            Err(_) => at_event(name, root, &checkpoints, at)?,
        };
        let bytes = fs::read(checked(&checkpoint.path)?)
            .map_err(|error| Error::io(&checkpoint.path, "cannot be read", error))?;
        let run = std::path::absolute(root)
            .map_err(|error| Error::io(root, "has no absolute form", error))?;
        let sum = Sha256::digest(&bytes);
        let origin = Origin {
            run: run.display().to_string(),
            epoch: checkpoint.epoch,
            step: checkpoint.step,
            checkpoint_sha256: sum.iter().map(|byte| format!("{byte:02x}")).collect(),
        };
        let steps_per_epoch = parent.manifest()?.steps_per_epoch.unwrap_or(1);
        Ok(Self { name: name.to_owned(), parent, steps_per_epoch, origin })
    }

    /// The epoch at which the fork begins.
    pub fn epoch(&self) -> f64 {
        self.origin.epoch
    }

    /// The step at which the fork begins.
    pub fn step(&self) -> u64 {
        self.origin.step
    }

    /// The parent's directory.
    pub fn parent(&self) -> &RunDir {
        &self.parent
    }

    /// The text of the experiment that a fork without a file of its own changes: the parent's,
    /// without the layers that the parent itself re-initialized.
    pub fn base(&self) -> String {
        let mut base = self.parent.experiment().clone();
        base.train.reinit.clear();
        base.to_toml()
    }

    /// The experiment as the fork runs it. Where the parent has label noise and the fork has
    /// none, the labels that are learned become the true ones, but the corrupted examples
    /// stay known as such: as `train.labels = "clean"` says.
    pub fn adapt(&self, mut experiment: Experiment) -> Experiment {
        let noise = &self.parent.experiment().noise;
        if experiment.noise.rate == 0.0 && noise.rate > 0.0 {
            experiment.noise = noise.clone();
            experiment.train.labels = TrainLabels::Clean;
        }
        experiment
    }

    /// Checks that a run of `experiment` in `out` can start here, before anything is made or
    /// removed there.
    ///
    /// # Errors
    /// If `out` is the parent; if the net, the data, the steps of an epoch or the length do
    /// not fit the checkpoint; if the optimizer's buffers were not kept, or `train.freeze` or
    /// `train.reinit` name no layer.
    pub fn check(&self, experiment: &Experiment, data: &Data, out: &Path) -> Result<()> {
        let real = |path: &Path| path.canonicalize().ok();
        if real(out).is_some_and(|out| Some(out) == real(self.parent.root())) {
            return Err(Error::usage(out.display().to_string(), "is the run to fork")
                .expected("another directory")
                .fix("choose one with --out"));
        }
        check_nodes(experiment, data)?;
        self.check_data(experiment, data)?;
        let plan = Plan::new(experiment, data, None);
        if plan.steps_per_epoch != self.steps_per_epoch {
            let found = format!("has {} steps an epoch", self.steps_per_epoch);
            return Err(Error::usage(&self.name, found)
                .expected(format!("{}, those of the fork", plan.steps_per_epoch))
                .fix("keep the parent's data.n_train and train.batch_size"));
        }
        if plan.total < self.origin.step {
            let end = plan.epoch(plan.total);
            return Err(Error::usage("`train.epochs`", format!("ends at epoch {end}"))
                .expected(format!("at least {}, where the fork begins", self.epoch())));
        }
        self.start(experiment, data).map(|_| ())
    }

    /// That the data set is the one that the parent was trained on, unless the fork names
    /// another.
    fn check_data(&self, experiment: &Experiment, data: &Data) -> Result<()> {
        let (old, new) = (&self.parent.experiment().data, &experiment.data);
        let same = (old.kind, &old.path) == (new.kind, &new.path);
        let known = self.parent.manifest()?.data_sha256;
        if same && known.is_some_and(|sha256| sha256 != data.sha256) {
            return Err(Error::usage(&self.name, "was trained on other data")
                .expected("data with the SHA-256 that its run.json names")
                .fix("put the data back, or name others with data.path"));
        }
        Ok(())
    }

    /// Fills the directory `run` with what the parent had at this checkpoint, and with the
    /// state that training continues from; a fork that is there already is left as it is.
    ///
    /// Cost: checkpoints are linked, or copied where the file system has no links.
    ///
    /// # Errors
    /// As [`Fork::check`]; if the directory holds another run, or the operating system
    /// refuses.
    pub fn begin(
        &self,
        experiment: &Experiment,
        data: &Data,
        run: &RunDir,
        observer: &dyn Observer,
    ) -> Result<()> {
        // Without its state a fork that has gone on continues from a checkpoint of its own.
        let has_own = run.checkpoint_steps()?.iter().any(|step| *step > self.origin.step);
        if run.state().exists() || (has_own && run.manifest()?.fork.is_some()) {
            return self.check_same(run);
        }
        let state = self.start(experiment, data)?;
        // From here on the directory is known as a fork, and its files as unfinished.
        let mut engines = self.parent.manifest()?.engines;
        engines.retain(|span| span.from_step < self.origin.step);
        run.record(|manifest| {
            manifest.fork = Some(self.origin.clone());
            manifest.engines = engines;
        })?;
        self.take_records(run)?;
        write_labels(experiment, data, run)?;
        self.note_changes(experiment, observer);
        write_file(&run.state(), &state::state_bytes(&state))
    }

    /// Says what a change means that could surprise.
    fn note_changes(&self, experiment: &Experiment, observer: &dyn Observer) {
        let parent = self.parent.experiment();
        let (old, new) = (&parent.optimizer, &experiment.optimizer);
        if old.kind != new.kind && self.origin.step > 0 {
            let [old, new] = [old.kind, new.kind].map(OptimizerKind::name);
            observer.note(&format!(
                "the optimizer was {old} and is {new} now: it starts without memory"
            ));
        }
        // How images are augmented says nothing of which they are.
        let augment = parent.data.augment.clone();
        let images = DataConfig { augment, ..experiment.data.clone() };
        if images != parent.data || experiment.noise != parent.noise {
            observer.note(
                "the fork has other data or label noise than its parent: its history up to \
                 the fork is of the parent's",
            );
        }
        if experiment.train.labels != parent.train.labels {
            observer.note(&format!(
                "other labels are learned from epoch {} on; the corrupted examples stay a \
                 group",
                epoch_label(self.epoch())
            ));
        }
    }

    /// That the run which is there began from this checkpoint.
    fn check_same(&self, run: &RunDir) -> Result<()> {
        let place = run.root().display().to_string();
        let found = match run.manifest()?.fork {
            // The parent may have moved.
            Some(own)
                if own.step == self.origin.step
                    && own.checkpoint_sha256 == self.origin.checkpoint_sha256 =>
            {
                return Ok(());
            }
            Some(own) => {
                format!("holds a fork of {} at epoch {}", own.run, epoch_label(own.epoch))
            }
            None => "holds a run that is no fork".to_owned(),
        };
        Err(Error::usage(place, found)
            .expected(format!("one of {}", self.name))
            .fix("choose another directory with --out, or replace the run with --fresh"))
    }

    /// Takes over the tables, checkpoints and optimizer buffers up to the fork.
    fn take_records(&self, run: &RunDir) -> Result<()> {
        let (parent, last) = (&self.parent, self.origin.step);
        for step in run.checkpoint_steps()? {
            remove_file(&run.checkpoint(step))?;
            remove_file(&run.optimizer_state(step))?;
        }
        let steps = parent.checkpoint_steps()?;
        for step in steps.into_iter().filter(|step| *step <= last) {
            link_file(&parent.checkpoint(step), &run.checkpoint(step))?;
            let buffers = parent.optimizer_state(step);
            if buffers.exists() {
                link_file(&buffers, &run.optimizer_state(step))?;
            }
        }
        if parent.timing().exists() {
            TableLog::<TimingRow>::taken_over(parent.root(), run.root(), last)?;
        }
        if parent.updates().exists() {
            TableLog::<UpdateRow>::taken_over(parent.root(), run.root(), last)?;
        }
        let history =
            TableLog::<HistoryRow>::taken_over(parent.root(), run.root(), last)?;
        if history.steps().last() == Some(&last) {
            return Ok(());
        }
        let found = format!("has no row of epoch {}", self.epoch());
        Err(Error::data(&parent.history(), found)
            .expected("one for every checkpoint")
            .fix("let the parent's training continue first"))
    }

    /// The state that the fork starts from.
    fn start(&self, experiment: &Experiment, data: &Data) -> Result<State> {
        let net = experiment.net.build(data.train.shape, data.n_classes);
        let step = self.origin.step;
        let mut weights = read_safetensors(checked(&self.parent.checkpoint(step))?)?;
        let fits = |error: Error| {
            if experiment.net == self.parent.experiment().net {
                return error.inside(&self.name);
            }
            Error::usage(&self.name, format!("does not fit the net: {error}"))
                .fix("keep the parent's net in the fork")
        };
        let mut engine = Engine::new(&net, &weights).map_err(fits)?;
        let mut optimizer = self.optimizer(&experiment.optimizer)?;
        engine
            .set_optimizer_state(&optimizer)
            .map_err(|error| error.inside(&self.name))?;
        let anew = nodes::named(&net, "train.reinit", &experiment.train.reinit)?;
        start_anew(&net, &anew, experiment.seed, [&mut weights, &mut optimizer]);
        Ok(State { step, weights, optimizer })
    }

    /// The optimizer's buffers at the checkpoint; none where the fork's optimizer is of
    /// another kind or has no memory.
    fn optimizer(&self, new: &OptimizerConfig) -> Result<NamedArrays> {
        let (parent, step) = (&self.parent, self.origin.step);
        let old = &parent.experiment().optimizer;
        if step == 0 || old.kind != new.kind || !has_memory(old) || !has_memory(new) {
            return Ok(NamedArrays::default());
        }
        for path in [parent.optimizer_state(step), parent.state()] {
            if let Some(state) = state::read(&path)?.filter(|state| state.step == step) {
                return Ok(state.optimizer);
            }
        }
        Err(Error::usage(&self.name, "has no optimizer state")
            .expected(parent.optimizer_state(step).display().to_string())
            .fix(
                "train the parent with train.save_optimizer=true, or begin a run of its own \
                 from the weights alone with init.weights=CHECKPOINT",
            ))
    }
}

/// The checkpoint at `epoch`, or an error that names its neighbours.
fn find<'a>(
    name: &str,
    checkpoints: &'a [Checkpoint],
    epoch: f64,
) -> Result<&'a Checkpoint> {
    // Epochs that are fractions come from steps: half of the last digit shown will do.
    let is_it = |c: &&Checkpoint| (c.epoch - epoch).abs() < 1e-6 * epoch.max(1.0);
    if let Some(found) = checkpoints.iter().find(is_it) {
        return Ok(found);
    }
    // Two decimals are what is printed of an epoch.
    let is_shown = |c: &&Checkpoint| epoch_label(c.epoch) == epoch_label(epoch);
    let mut shown = checkpoints.iter().filter(is_shown);
    if let (Some(found), None) = (shown.next(), shown.next()) {
        return Ok(found);
    }
    let before = checkpoints.iter().rfind(|c| c.epoch < epoch);
    let after = checkpoints.iter().find(|c| c.epoch > epoch);
    let near: Vec<String> =
        before.into_iter().chain(after).map(|c| epoch_label(c.epoch)).collect();
    let error = Error::usage(format!("`{name}`"), "names no checkpoint");
    if near.is_empty() {
        return Err(error.expected("a run whose training has begun"));
    }
    Err(error
        .expected(format!("an epoch with one; the nearest are {}", near.join(" and ")))
        .fix("`train.checkpoints` of a run says which epochs have one"))
}

/// The checkpoint nearest to an event of the run's findings, in log time.
fn at_event<'a>(
    name: &str,
    root: &Path,
    checkpoints: &'a [Checkpoint],
    event: &str,
) -> Result<&'a Checkpoint> {
    let events = read_findings(root)?.events;
    let Some(found) = events.iter().find(|known| known.name == event) else {
        let names: Vec<&str> = events.iter().map(|event| event.name.as_str()).collect();
        return Err(Error::usage(format!("`{name}`"), "names no event of this run")
            .expected(format!("an epoch, or one of: {}", names.join(", "))));
    };
    let Some(epoch) = found.epoch else {
        return Err(Error::usage(
            format!("`{name}`"),
            format!("{event} was not found in this run"),
        )
        .fix(verb_on("findings", root)));
    };
    let apart = |c: &Checkpoint| (c.epoch.ln_1p() - epoch.ln_1p()).abs();
    let nearest = checkpoints.iter().min_by(|a, b| apart(a).total_cmp(&apart(b)));
    nearest.ok_or_else(|| {
        Error::usage(format!("`{name}`"), "names a run without checkpoints")
    })
}

/// Gives the parameters of some nodes their initial values under `seed`, and empties their
/// optimizer buffers.
fn start_anew(
    net: &Net,
    anew: &[usize],
    seed: u64,
    [weights, optimizer]: [&mut NamedArrays; 2],
) {
    if anew.is_empty() {
        return;
    }
    let initial = initial_weights(net, seed);
    for parameter in anew.iter().flat_map(|&node| net.node_parameters(&net.nodes[node])) {
        for (name, array) in &mut weights.0 {
            if let Some(first) = initial.get(name).filter(|_| *name == parameter.name) {
                *array = first.clone();
            }
        }
        for (name, array) in &mut optimizer.0 {
            if name.split_once('/').is_some_and(|(_, own)| own == parameter.name) {
                match &mut array.values {
                    Values::F32(values) => values.fill(0.0),
                    Values::I64(values) => values.fill(0),
                    _ => unreachable!("buffers are f32, counts i64"),
                }
            }
        }
    }
}
