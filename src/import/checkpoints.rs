//! Another program's checkpoints, in a folder or on the Hub → a run.

use std::path::{Path, PathBuf};

use super::checkpoint::Beside;
use super::folder::{self, Candidate};
#[cfg(feature = "fetch")]
use super::hub::{Expected, Hub};
use super::names::NameMap;
use super::survey::{Fitting, Source, in_folder, read_fitting, survey};
use super::time::{self, Named, Time};
use crate::data::Data;
use crate::error::{Error, Result};
use crate::experiment::{Experiment, steps_per_epoch};
use crate::net::{Net, NetConfig};
use crate::observer::Observer;
use crate::planes::image_planes;
use crate::represent;
use crate::run_dir::{ImportedFile, RunDir, RunFile, finish};
use crate::train::record_imported;

/// Where checkpoints are.
#[derive(Debug, Clone)]
pub enum Place {
    /// A folder of checkpoints, or one file.
    Path(PathBuf),
    /// Revisions of a repository of the Hugging Face Hub.
    #[cfg(feature = "fetch")]
    Hub(Hub),
}

/// Which checkpoints, and of what.
#[derive(Debug, Clone)]
pub struct CheckpointOptions {
    /// Where they are.
    pub place: Place,
    /// Settings of the run, such as `data.kind=cifar10` and `net.width=64`.
    pub settings: Vec<String>,
    /// A table of names, lines of `"theirs.*" = "ours.*"`.
    pub names: Option<PathBuf>,
    /// The dictionary of tensors, where a checkpoint has several.
    pub key: Option<String>,
    /// The epoch of a single file.
    pub epoch: Option<f64>,
}

/// Checkpoints that were found, all of which fit the net of an experiment.
pub struct Checkpoints {
    options: CheckpointOptions,
    names: Option<NameMap>,
    experiment: Experiment,
    data: Data,
    net: Net,
    /// In the order of steps.
    pub found: Vec<Timed>,
    /// Steps of an epoch.
    pub per_epoch: u64,
}

/// A checkpoint and its step.
#[derive(Debug, Clone)]
pub struct Timed {
    /// Steps trained.
    pub step: u64,
    /// The checkpoint.
    pub fitting: Fitting,
}

/// What an import did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Import {
    /// The run was made.
    Made,
    /// It holds these checkpoints already.
    There,
}

impl Checkpoints {
    /// Finds the checkpoints and checks all of them; writes nothing but the Hub's cache.
    ///
    /// # Errors
    /// If the settings are no experiment, or its layers or planes cannot be chosen; if there
    /// are no checkpoints, one does not fit the net or does not say when it was saved, or two
    /// are of one step; if the Hub refuses.
    pub fn find(options: CheckpointOptions, observer: &dyn Observer) -> Result<Self> {
        check_epoch(options.epoch)?;
        options.check_net()?;
        let experiment = options.experiment(&[])?;
        let data = Data::load(&experiment)?;
        let net = experiment.net.build(data.train.shape, data.n_classes);
        let names = options.names.as_deref().map(NameMap::read).transpose()?;
        let source = options.source(names.as_ref());
        let own = (&net, &experiment.net);
        let candidates =
            options.place.candidates(options.epoch, &source, own, observer)?;
        let found = survey(candidates, &source, own)?;
        let per_epoch = steps_per_epoch(data.noisy.len(), experiment.train.batch_size);
        let mut found = in_order(found, per_epoch)?;
        compare_epochs(&mut found, per_epoch, experiment.train.batch_size);
        let experiment = options.experiment(&records(&found, per_epoch))?;
        let analysis = &experiment.analysis;
        represent::layers(&net, &analysis.layers, analysis.tokens)?;
        for source in analysis.drs.source.list() {
            image_planes(&experiment, &data, *source)?;
        }
        Ok(Self { options, names, experiment, data, net, found, per_epoch })
    }

    /// Makes the run directory `out` of them; with `fresh`, a run that is there is replaced.
    ///
    /// # Errors
    /// If the directory holds another run or other checkpoints, a file has changed since, or
    /// the operating system refuses.
    pub fn import(
        &self,
        out: &Path,
        fresh: bool,
        observer: &dyn Observer,
    ) -> Result<Import> {
        let Self { experiment, data, net, found, .. } = self;
        let run = RunDir::create_or_open(out, experiment, fresh)?;
        let files: Vec<ImportedFile> = found.iter().map(Timed::imported_file).collect();
        if is_there(&run, &files)? {
            finish(run.root(), RunFile::TrainChecksums)?;
            return Ok(Import::There);
        }
        run.record(|manifest| manifest.imported = Some(files))?;
        let source = self.options.source(self.names.as_ref());
        let weights = |at: usize| {
            let path = &found[at].fitting.path;
            Ok(read_fitting(path, &source, (net, &experiment.net))?.0)
        };
        let steps: Vec<u64> = found.iter().map(|one| one.step).collect();
        record_imported(experiment, data, &run, (&steps, weights), observer)?;
        Ok(Import::Made)
    }
}

impl Place {
    /// The checkpoints with the times that their names say.
    #[cfg_attr(not(feature = "fetch"), allow(unused_variables))]
    fn candidates(
        &self,
        epoch: Option<f64>,
        source: &Source<'_>,
        net: (&Net, &NetConfig),
        observer: &dyn Observer,
    ) -> Result<Vec<(Candidate, Option<Named>)>> {
        match self {
            Self::Path(path) => in_folder(path, epoch),
            #[cfg(feature = "fetch")]
            Self::Hub(hub) => {
                let fits = |path: &Path| read_fitting(path, source, net).map(|_| ());
                let n_parameters = net.0.parameter_count() as u64;
                let expected = Expected { net: net.1, n_parameters, fits: &fits };
                hub.checkpoints(epoch, &expected, observer)
            }
        }
    }
}

impl CheckpointOptions {
    /// That of revisions on the Hub the net is said first: most of them are of none of ours.
    #[cfg_attr(
        not(feature = "fetch"),
        allow(clippy::unnecessary_wraps, clippy::unused_self)
    )]
    fn check_net(&self) -> Result<()> {
        #[cfg(feature = "fetch")]
        if let Place::Hub(hub) = &self.place
            && !self.settings.iter().any(|setting| setting.starts_with("net.kind="))
        {
            return Err(hub.of_no_net());
        }
        Ok(())
    }

    /// The experiment that the settings describe, with `more` of them.
    fn experiment(&self, more: &[String]) -> Result<Experiment> {
        let stray = self.settings.iter().find(|word| !word.contains('='));
        if let Some(stray) = stray {
            return Err(Error::usage(format!("`{stray}`"), "is a second folder")
                .expected("one folder or file, then settings such as net.width=64"));
        }
        let words = [&self.settings[..], more].concat();
        Experiment::parse("import", "", ".".as_ref(), &words)
    }

    fn source<'a>(&'a self, names: Option<&'a NameMap>) -> Source<'a> {
        Source { key: self.key.as_deref(), names }
    }
}

impl Timed {
    /// Epochs trained.
    pub fn epoch(&self, per_epoch: u64) -> f64 {
        self.step as f64 / per_epoch as f64
    }

    fn imported_file(&self) -> ImportedFile {
        let Fitting { path, address, sha256, .. } = &self.fitting;
        let file = address.clone().unwrap_or_else(|| folder::shown(path));
        let sha256 = sha256.clone();
        ImportedFile { file, step: self.step, sha256 }
    }
}

/// Whether the run holds these checkpoints already.
fn is_there(run: &RunDir, files: &[ImportedFile]) -> Result<bool> {
    if run.checkpoint_dir().exists() {
        let own = run.manifest()?.imported;
        if own.as_deref() == Some(files) && run.state().exists() {
            return Ok(true);
        }
        if own.as_deref() != Some(files) {
            let place = run.root().display().to_string();
            return Err(Error::usage(place, "holds other checkpoints")
                .expected("an empty directory, or the run of these")
                .fix("choose another directory with --out, or replace it with --fresh"));
        }
    }
    Ok(false)
}

fn check_epoch(epoch: Option<f64>) -> Result<()> {
    match epoch {
        Some(epoch) if !(0.0..1e9).contains(&epoch) => {
            Err(Error::usage("`--epoch`", format!("is {epoch}"))
                .expected("a number of at least 0"))
        }
        _ => Ok(()),
    }
}

/// Says where the checkpoints have other steps in an epoch than the settings give: epochs are
/// then those of the settings.
fn compare_epochs(found: &mut [Timed], per_epoch: u64, batch_size: usize) {
    for Timed { step, fitting } in found {
        let by_step = matches!(fitting.time, Time::Step(_));
        if !by_step || *step == 0 {
            continue;
        }
        let Beside { batch_size: own, .. } = fitting.beside;
        let says = match (own, fitting.beside.steps_per_epoch()) {
            (Some(own), _) if own != batch_size as u64 => {
                format!("a batch size of {own}, train.batch_size is {batch_size}")
            }
            (_, Some(theirs)) if (theirs - per_epoch as f64).abs() > 0.5 => {
                let theirs = (theirs * 100.0).round() / 100.0;
                format!(
                    "{theirs} steps in an epoch, data.n_train and train.batch_size \
                         give {per_epoch}"
                )
            }
            _ => continue,
        };
        fitting.notes.push(format!(
            "epochs are counted from steps, {per_epoch} each; but the checkpoints say {says}: \
             set both as they were in that training"
        ));
    }
}

/// The checkpoints with their steps, rising. Of two of one step that which is the best or the
/// last by its name is left out.
fn in_order(found: Vec<Fitting>, per_epoch: u64) -> Result<Vec<Timed>> {
    let step = |time| match time {
        Time::Step(step) => step,
        Time::Epoch(epoch) => (epoch * per_epoch as f64).round() as u64,
    };
    let mut all: Vec<Timed> = found
        .into_iter()
        .map(|fitting| Timed { step: step(fitting.time), fitting })
        .collect();
    let is_chosen = |one: &Timed| time::is_chosen(&one.fitting.path);
    all.sort_by_key(|one| (one.step, is_chosen(one)));
    all.dedup_by(|one, kept| {
        let is_copy = one.step == kept.step && is_chosen(one);
        if is_copy {
            let (name, step) = (one.fitting.path.display(), one.step);
            let note = format!("`{name}` is of step {step}, as another, and left out");
            kept.fitting.notes.push(note);
        }
        is_copy
    });
    for pair in all.windows(2) {
        let [one, two] = pair else { continue };
        if one.step == two.step {
            let other = two.fitting.path.display();
            let found = format!("is of step {}, as is {other}", one.step);
            return Err(Error::data(&one.fitting.path, found)
                .expected("one checkpoint per step")
                .fix("move one of the two away, or import it with --epoch into its own run"));
        }
    }
    Ok(all)
}

/// The settings that say what the run has.
fn records(found: &[Timed], per_epoch: u64) -> Vec<String> {
    let epochs: Vec<String> =
        found.iter().map(|one| format!("{:?}", one.epoch(per_epoch))).collect();
    let list = epochs.join(", ");
    let last = found.last().map_or(0, |one| one.step).max(1);
    vec![
        format!("train.steps={last}"),
        format!("train.checkpoints=[{list}]"),
        format!("train.history=[{list}]"),
        "train.save_optimizer=false".into(),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fitting(path: &str, time: Time) -> Fitting {
        let beside = Beside::default();
        let (address, sha256) = (None, String::new());
        Fitting { path: path.into(), address, time, beside, sha256, notes: vec![] }
    }

    #[test]
    fn checkpoints_are_ordered_by_step_and_two_of_one_are_refused() {
        let late = fitting("b", Time::Epoch(2.5));
        let early = fitting("a", Time::Step(10));
        let found = in_order(vec![late.clone(), early.clone()], 10).unwrap();
        let steps: Vec<u64> = found.iter().map(|one| one.step).collect();
        assert_eq!(steps, [10, 25]);
        let settings = records(&found, 10);
        assert_eq!(settings[..2], ["train.steps=25", "train.checkpoints=[1.0, 2.5]"]);
        let same = fitting("c", Time::Epoch(1.0));
        let error = in_order(vec![early, same], 10).unwrap_err().to_string();
        assert!(error.starts_with("a is of step 10, as is c"), "{error}");
        let best = fitting("best.pt", Time::Step(10));
        let found = in_order(vec![best, fitting("z", Time::Step(10))], 10).unwrap();
        assert_eq!((found.len(), found[0].fitting.path.to_str()), (1, Some("z")));
    }

    #[test]
    fn another_number_of_steps_in_an_epoch_is_said() {
        let notes = |beside: Beside| {
            let fitting = Fitting { beside, ..fitting("a", Time::Step(100)) };
            let mut found = [Timed { step: 100, fitting }];
            compare_epochs(&mut found, 10, 32);
            found[0].fitting.notes.concat()
        };
        let beside = Beside { epoch: Some(10.0), step: Some(100), ..Beside::default() };
        assert_eq!(notes(beside), "");
        let other = notes(Beside { epoch: Some(4.0), ..beside });
        assert!(other.contains("25 steps in an epoch"), "{other}");
        let size = notes(Beside { batch_size: Some(8), ..beside });
        assert!(size.contains("a batch size of 8, train.batch_size is 32"), "{size}");
    }

    #[test]
    fn an_epoch_is_from_zero_on() {
        check_epoch(None).unwrap();
        check_epoch(Some(0.5)).unwrap();
        for epoch in [-1.0, f64::NAN, f64::INFINITY] {
            assert_eq!(check_epoch(Some(epoch)).unwrap_err().exit_code(), 2);
        }
    }
}
