//! A run directory, opened to read or to write.

use std::fs;
use std::path::{Path, PathBuf};

use super::atomic::{self, remove_file};
use super::checksums::{check_sources, checked, write_file};
use super::files::{self, Found, Mark, RunFile, Writer};
use super::lock::{ANALYSIS_LOCK, LOCK, Lock, take_lock, take_lock_soon};
use super::manifest::{Manifest, Status};
use super::table_file::{Row, read_rows, write_rows};
use crate::error::{Error, Result};
use crate::experiment::Experiment;
use crate::shell::verb_on;

/// A run directory; `docs/FORMAT.md` describes its files.
#[derive(Debug)]
pub struct RunDir {
    pub(super) root: PathBuf,
    /// None in a recording.
    pub(super) experiment: Option<Experiment>,
    /// Held as long as the value lives; the system releases it when the process ends.
    pub(super) lock: Option<Lock>,
}

/// The right to analyse a run.
#[derive(Debug)]
pub struct AnalysisLock {
    _lock: Lock,
}

/// A checkpoint of a run.
#[derive(Debug, Clone, PartialEq)]
pub struct Checkpoint {
    /// Steps trained.
    pub step: u64,
    /// The step over the steps of an epoch.
    pub epoch: f64,
    /// The `.safetensors` file.
    pub path: PathBuf,
}

impl RunDir {
    /// Opens `root` to write the run of `experiment`, and makes it where it is missing or
    /// empty; with `fresh`, a run that is there is removed first. Unfinished files of an
    /// earlier process are removed.
    ///
    /// # Errors
    /// If another process holds the directory, it is not empty and holds no run, it holds
    /// another experiment (the message names the keys that differ), or the operating system
    /// refuses.
    pub fn create_or_open(
        root: &Path,
        experiment: &Experiment,
        fresh: bool,
    ) -> Result<Self> {
        refuse_foreign(root)?;
        atomic::make_directory(root)?;
        let lock = take_lock_soon(root)?;
        // Another process may have come first between the check and the lock.
        refuse_foreign(root)?;
        remove_temporaries(root);
        let mut run = Self {
            root: root.to_owned(),
            experiment: Some(experiment.clone()),
            lock: Some(lock),
        };
        if run.run_json().exists() {
            let manifest = run.manifest()?;
            // Where nothing was trained yet, any experiment may begin.
            let begun = run.state().exists() || !run.checkpoint_steps()?.is_empty();
            if fresh || !begun || manifest.status == Status::Emptying {
                run.empty(manifest)?;
            }
        }
        if run.run_json().exists() {
            run.adopt(experiment)?;
        } else {
            // The manifest first: it marks the directory as ours.
            Manifest::new(experiment).write(&run.run_json())?;
            run.write_experiment()?;
        }
        run.experiment = Some(experiment.clone());
        Ok(run)
    }

    /// Opens an existing run to read.
    ///
    /// # Errors
    /// If `root` holds no `run.json`, one of another format, or a [`Recording`](super::Recording).
    pub fn open(root: &Path) -> Result<Self> {
        Manifest::read(&run_json_of(root)?)?;
        let experiment = Some(read_experiment(&RunFile::Experiment.path(root))?);
        Ok(Self { root: root.to_owned(), experiment, lock: None })
    }

    /// Opens an existing run to write, as the analysis does.
    ///
    /// # Errors
    /// As [`RunDir::open`], or if another process holds the directory.
    pub fn open_to_write(root: &Path) -> Result<Self> {
        let mut run = Self::open(root)?;
        run.lock = Some(take_lock_soon(root)?);
        remove_temporaries(root);
        Ok(run)
    }

    /// Takes the right to analyse, until the value is dropped.
    ///
    /// # Errors
    /// If another process has it.
    pub fn lock_analysis(&self) -> Result<AnalysisLock> {
        Ok(AnalysisLock { _lock: take_lock(&self.root, ANALYSIS_LOCK)? })
    }

    /// Whether the directory was opened to write.
    pub fn may_write(&self) -> bool {
        self.lock.is_some()
    }

    /// The directory itself.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The experiment that the run is of.
    ///
    /// # Panics
    /// On the directory of a [`Recording`](super::Recording), which is of none.
    pub fn experiment(&self) -> &Experiment {
        self.experiment.as_ref().expect("a recording has no experiment")
    }

    /// What `run.json` says.
    ///
    /// # Errors
    /// If it cannot be read or is damaged.
    pub fn manifest(&self) -> Result<Manifest> {
        Manifest::read(&self.run_json())
    }

    /// Changes `run.json`.
    ///
    /// # Errors
    /// If it cannot be read, is damaged or cannot be written.
    ///
    /// # Panics
    /// If the directory was opened to read only.
    pub fn record(&self, change: impl FnOnce(&mut Manifest)) -> Result<()> {
        assert!(self.lock.is_some(), "{} is open to read only", self.root.display());
        let mut manifest = self.manifest()?;
        let before = manifest.clone();
        change(&mut manifest);
        if manifest == before { Ok(()) } else { manifest.write(&self.run_json()) }
    }

    /// Records how far the run is.
    ///
    /// # Errors
    /// As [`RunDir::record`].
    pub fn set_status(&self, status: Status) -> Result<()> {
        self.record(|manifest| {
            manifest.status = status;
            manifest.message = None;
        })
    }

    /// Records that the run failed and why.
    ///
    /// # Errors
    /// As [`RunDir::record`].
    pub fn set_failed(&self, error: &Error) -> Result<()> {
        self.record(|manifest| {
            manifest.status = Status::Failed;
            manifest.message = Some(error.to_string());
        })
    }

    /// The checkpoints, in the order of steps.
    ///
    /// # Errors
    /// If the directory cannot be read, or `run.json` lacks the steps of an epoch.
    pub fn checkpoints(&self) -> Result<Vec<Checkpoint>> {
        let steps_per_epoch = self.manifest()?.steps_per_epoch.ok_or_else(|| {
            Error::data(&self.run_json(), "has no `steps_per_epoch`")
                .expected("a run whose training has begun")
        })?;
        let steps = self.checkpoint_steps()?;
        let checkpoint = |step: u64| Checkpoint {
            step,
            epoch: step as f64 / steps_per_epoch as f64,
            path: self.checkpoint(step),
        };
        Ok(steps.into_iter().map(checkpoint).collect())
    }

    /// The steps of the checkpoints, rising.
    pub(crate) fn checkpoint_steps(&self) -> Result<Vec<u64>> {
        steps_of(&self.root, RunFile::Checkpoint)
    }

    /// The rows of a table; none where it is absent.
    ///
    /// # Errors
    /// As [`read_rows`].
    pub fn rows<R: Row>(&self) -> Result<Vec<R>> {
        read_rows(&self.root)
    }

    /// Writes a table whole.
    ///
    /// # Errors
    /// If the operating system refuses.
    pub fn write_rows<R: Row>(&self, rows: &[R]) -> Result<()> {
        write_rows(&self.root, rows)
    }

    /// Removes everything that the analysis wrote; the sign that it is complete goes first.
    ///
    /// # Errors
    /// If a file that it is to be made of again is damaged, before anything is removed, or the
    /// operating system refuses.
    pub fn remove_analysis(&self) -> Result<()> {
        check_sources(&self.root)?;
        let is_removed = |file: &RunFile| {
            file.about().writer == Writer::Analysis && !file.is(Mark::Kept)
        };
        files::remove(&self.root, RunFile::ALL.into_iter().filter(is_removed), |_| true)
    }

    /// Removes the files of these kinds that are to go, in the order of the kinds.
    ///
    /// # Errors
    /// If the operating system refuses.
    pub(crate) fn remove_files(
        &self,
        files: &[RunFile],
        goes: impl Fn(&Found) -> bool,
    ) -> Result<()> {
        files::remove(&self.root, files.iter().copied(), goes)
    }

    /// The same directory, to read only, as though it were of another experiment.
    pub(crate) fn as_of(&self, experiment: Experiment) -> Self {
        Self { root: self.root.clone(), experiment: Some(experiment), lock: None }
    }

    /// Computes its net with another engine from here on; `experiment.toml` stays.
    #[cfg(feature = "cli")]
    pub(crate) fn compute_with(&mut self, engine: crate::experiment::EngineConfig) {
        if let Some(experiment) = &mut self.experiment {
            experiment.engine = engine;
        }
    }

    /// Makes the run one of another experiment, in `experiment.toml` too.
    ///
    /// # Errors
    /// If the operating system refuses.
    ///
    /// # Panics
    /// If the directory was opened to read only.
    pub(crate) fn become_of(&mut self, experiment: Experiment) -> Result<()> {
        assert!(self.lock.is_some(), "{} is open to read only", self.root.display());
        self.experiment = Some(experiment);
        self.write_experiment()
    }

    fn write_experiment(&self) -> Result<()> {
        write_file(&self.experiment_toml(), self.experiment().to_toml().as_bytes())
    }

    /// Checks that the run which is there may continue as `experiment`.
    fn adopt(&self, experiment: &Experiment) -> Result<()> {
        let there = read_experiment(&self.experiment_toml())?;
        if there == *experiment {
            return Ok(());
        }
        there.may_continue_as(experiment).map_err(|differences| {
            let list: Vec<String> = differences
                .iter()
                .map(|d| format!("{} = {} there, {} here", d.key, d.mine, d.theirs))
                .collect();
            let place = self.root.display().to_string();
            let of_analysis = differences.iter().all(|d| d.key.starts_with("analysis."));
            let fix = if of_analysis {
                let changes = differences.iter().filter(|d| d.theirs != "absent");
                let words: Vec<String> =
                    changes.map(|d| format!("'{}={}'", d.key, d.theirs)).collect();
                format!(
                    "add it there: {} {}",
                    verb_on("analyze", &self.root),
                    words.join(" ")
                )
            } else {
                "choose another directory with --out, or replace the run with --fresh"
                    .into()
            };
            Error::usage(place, format!("holds another experiment: {}", list.join("; ")))
                .fix(fix)
        })?;
        self.write_experiment()
    }

    /// Removes the run, the manifest last: a process that ends halfway leaves it with the
    /// status `emptying`, and the next one goes on.
    fn empty(&self, mut manifest: Manifest) -> Result<()> {
        let _analysis = self.lock_analysis()?;
        manifest.status = Status::Emptying;
        manifest.write(&self.run_json())?;
        let is_removed =
            |file: &RunFile| !file.is(Mark::Kept) && *file != RunFile::Manifest;
        files::remove(&self.root, RunFile::ALL.into_iter().filter(is_removed), |_| true)?;
        remove_file(&self.run_json())
    }
}

/// The steps of the files of a kind, rising.
pub(super) fn steps_of(root: &Path, file: RunFile) -> Result<Vec<u64>> {
    let mut steps: Vec<u64> = file.list(root)?.iter().map(Found::step).collect();
    steps.sort_unstable();
    Ok(steps)
}

/// The `run.json` of a run directory, which must be there.
pub(super) fn run_json_of(root: &Path) -> Result<PathBuf> {
    let path = RunFile::Manifest.path(root);
    if path.exists() {
        return Ok(path);
    }
    Err(Error::usage(root.display().to_string(), "is not a run directory")
        .expected("a directory with a run.json")
        .fix("make one with `stratagram run` or `stratagram train`"))
}

/// The experiment of a run directory, as it was resolved.
fn read_experiment(path: &Path) -> Result<Experiment> {
    let text = fs::read_to_string(checked(path)?)
        .map_err(|error| Error::io(path, "cannot be read", error))?;
    let base = path.parent().unwrap_or(Path::new("."));
    Experiment::parse(&path.display().to_string(), &text, base, &[])
}

/// Refuses a directory that others have filled, or a file.
pub(super) fn refuse_foreign(root: &Path) -> Result<()> {
    let refused = |found: &str| {
        Err(Error::usage(root.display().to_string(), found)
            .expected("a run directory, or an empty or new one")
            .fix("choose another directory with --out"))
    };
    if !root.exists() || RunFile::Manifest.path(root).exists() {
        return Ok(());
    }
    if !root.is_dir() {
        return refused("is a file");
    }
    let cannot = |error| Error::io(root, "cannot be read", error);
    for entry in fs::read_dir(root).map_err(cannot)? {
        let name = entry.map_err(cannot)?.file_name();
        // What a process leaves that ends before its first file is whole, or between emptying
        // the directory and that.
        let is_ours = name == LOCK || name == ANALYSIS_LOCK;
        if !is_ours && !atomic::is_temporary(&name) {
            return refused("is not empty and holds no run");
        }
    }
    Ok(())
}

/// Removes unfinished files, unless another process analyses and may be writing some.
fn remove_temporaries(root: &Path) {
    if !root.join(ANALYSIS_LOCK).exists() || take_lock(root, ANALYSIS_LOCK).is_ok() {
        atomic::remove_temporaries(root);
    }
}
