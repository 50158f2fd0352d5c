//! Recorded runs: rows that a training loop of another program has written, or that were made
//! from its activations. There are no experiment, checkpoints or probes; `docs/FORMAT.md`,
//! "Recordings", describes their files.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::atomic::remove_unfinished_below;
use super::checksums::{checked, write_file};
use super::files::RunFile;
use super::manifest;
use super::names::{check_name, step_name};
use super::run::{Checkpoint, RunDir, refuse_foreign, run_json_of, steps_of};
use crate::array_file::{Array, NamedArrays, npz_bytes, read_npz_member};
use crate::error::{Error, Result};
use crate::experiment::ProbeLabels;
use crate::similarity::Estimator;

/// What `run.json` says under `recording`; what else it says there is for people.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Recorded {
    /// Of CKA.
    pub estimator: Estimator,
    /// The layers, in depth order.
    pub layers: Vec<String>,
    /// Groups of examples.
    pub groups: Vec<RecordedGroup>,
    /// The planes on which the model's decisions were recorded.
    pub decisions: Option<RecordedPlanes>,
    /// The linear probes of the layers, whose decisions stand beside the model's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub probes: Option<RecordedProbes>,
    /// The test images that the model's answers were recorded to; their labels are in `labels.npz`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answers: Option<RecordedAnswers>,
    /// The readout that is fitted again in each row; its answers to the same images stand under
    /// [`READOUT`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub readout: Option<RecordedReadout>,
}

/// What a readout that is fitted again is called among the answers.
pub const READOUT: &str = "readout";

/// A readout that is fitted again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RecordedReadout {
    /// The model's last layer, whose input it reads.
    pub layer: String,
}

/// The test images that a recording has the model's answers to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RecordedAnswers {
    /// How many there are.
    pub n_images: usize,
}

/// What the probes of a recording were fitted with.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RecordedProbes {
    /// Strength of the penalty, in standardized units.
    pub l2: f64,
}

/// A group of examples that representations were recorded on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RecordedGroup {
    /// `test`, `train-clean`, ….
    pub name: String,
    /// Examples in it.
    pub n_examples: usize,
    /// SHA-256 of the examples' ids, one a line.
    pub ids_sha256: String,
}

/// The planes that decisions were recorded on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RecordedPlanes {
    /// The images that they go through.
    pub group: String,
    /// How many there are.
    pub n_planes: usize,
    /// Points on each.
    pub points_per_plane: usize,
}

/// A run directory that holds a recording.
#[derive(Debug)]
pub struct Recording {
    run: RunDir,
    recorded: Recorded,
}

impl Recording {
    /// Opens the recording in `root`, to read or to analyse; `None` if it holds a run that was
    /// trained here.
    ///
    /// # Errors
    /// If `root` holds no run, or `run.json` does not describe a recording as it should.
    pub fn open(root: &Path) -> Result<Option<Self>> {
        let path = run_json_of(root)?;
        let value = manifest::read_json(&path)?;
        if value["source"] != SOURCE {
            return Ok(None);
        }
        let wrong = |found: String| {
            Error::data(&path, found).expected("the run.json of a recording")
        };
        let recorded: Recorded = serde_json::from_value(value["recording"].clone())
            .map_err(|error| wrong(format!("has a malformed `recording` ({error})")))?;
        let groups = recorded.groups.iter().map(|group| &group.name);
        let planes = recorded.decisions.iter().map(|planes| &planes.group);
        for name in recorded.layers.iter().chain(groups).chain(planes) {
            check_name(name)
                .map_err(|error| wrong(format!("has a wrong name: {error}")))?;
        }
        let few = recorded
            .decisions
            .as_ref()
            .is_some_and(|planes| planes.n_planes == 0 || planes.points_per_plane == 0);
        if recorded.layers.is_empty() || recorded.groups.is_empty() || few {
            return Err(wrong("names no layer, group or point of a plane".into()));
        }
        let run = RunDir { root: root.to_owned(), experiment: None, lock: None };
        Ok(Some(Self { run, recorded }))
    }

    /// Begins a recording in `root`, which must be missing or empty, or continues the same one.
    /// `about` is added to `run.json`.
    ///
    /// # Errors
    /// If the directory holds something else, a name cannot be one of a file, or the operating
    /// system refuses.
    ///
    /// # Panics
    /// Never: names and numbers have a JSON form, and the file was just written.
    pub fn begin(
        root: &Path,
        recorded: &Recorded,
        about: &[(&str, &str)],
    ) -> Result<Self> {
        refuse_foreign(root)?;
        remove_unfinished_below(root);
        let path = RunFile::Manifest.path(root);
        if path.exists() {
            let there = Self::open(root)?.filter(|there| there.recorded == *recorded);
            return there.ok_or_else(|| {
                Error::usage(root.display().to_string(), "holds another run")
                    .fix("choose another directory with --out")
            });
        }
        let mut value = manifest::mark();
        value["source"] = SOURCE.into();
        for (key, text) in about {
            value[*key] = (*text).into();
        }
        value["recording"] =
            serde_json::to_value(recorded).expect("names and numbers have a JSON form");
        manifest::write_json(&path, &value)?;
        Ok(Self::open(root)?.expect("the source that was just written"))
    }

    /// Where the files are.
    pub fn run(&self) -> &RunDir {
        &self.run
    }

    /// What was recorded.
    pub fn recorded(&self) -> &Recorded {
        &self.recorded
    }

    /// The labels of the test images that the model's answers were recorded to, if they were.
    ///
    /// # Errors
    /// If `labels.npz` cannot be read, or does not hold a class for each image.
    pub fn test_labels(&self) -> Result<Option<Vec<u16>>> {
        let Some(answers) = &self.recorded.answers else { return Ok(None) };
        let what = "the recorded test images";
        let labels = self.classes(TEST_LABELS, what, answers.n_images)?;
        let path = self.run.labels();
        labels
            .map(Some)
            .ok_or_else(|| lacks_labels(&path, TEST_LABELS, what, answers.n_images))
    }

    /// The classes of the examples of a group, as far as they are known: first the labels as
    /// given, where these are wrong ones, then the true ones.
    ///
    /// # Errors
    /// If `labels.npz` cannot be read, or does not hold a class for each example.
    pub fn labels_of(
        &self,
        group: &RecordedGroup,
    ) -> Result<Vec<(ProbeLabels, Vec<u16>)>> {
        let mut found = vec![];
        for kind in [ProbeLabels::Noisy, ProbeLabels::Clean] {
            let what = format!("the examples of {}", group.name);
            let member = member_of(kind, &group.name);
            let labels = self.classes(&member, &what, group.n_examples)?;
            found.extend(labels.map(|labels| (kind, labels)));
        }
        Ok(found)
    }

    /// Writes what [`Recording::labels_of`] reads of one group.
    ///
    /// # Errors
    /// If the operating system refuses.
    pub fn write_labels(
        &self,
        group: &str,
        labels: &[(ProbeLabels, Vec<u16>)],
    ) -> Result<()> {
        let mut arrays = NamedArrays::default();
        for (kind, classes) in labels {
            let classes: Vec<i64> = classes.iter().copied().map(i64::from).collect();
            arrays.push(member_of(*kind, group), Array::i64(&[classes.len()], classes));
        }
        write_file(&self.run.labels(), &npz_bytes(&arrays))
    }

    /// A member of `labels.npz` with a class for each of `n` images.
    fn classes(&self, member: &str, what: &str, n: usize) -> Result<Option<Vec<u16>>> {
        let path = self.run.labels();
        if !path.is_file() {
            return Ok(None);
        }
        let Some(array) = read_npz_member(checked(&path)?, member)? else {
            return Ok(None);
        };
        let classes = array.to_i64().and_then(|labels| {
            labels.into_iter().map(|own| u16::try_from(own).ok()).collect()
        });
        let classes = classes.filter(|classes: &Vec<u16>| classes.len() == n);
        classes.map(Some).ok_or_else(|| lacks_labels(&path, member, what, n))
    }

    /// The row recorded at `step`.
    pub fn row(&self, step: u64) -> PathBuf {
        let step = step_name(step);
        RunFile::Row.path_of(&self.run.root, &[("step", &step)])
    }

    /// Writes `history.csv`: a header and rows, as [`super::history_text`] gives them.
    ///
    /// # Errors
    /// If the operating system refuses.
    pub fn write_history(&self, text: &str) -> Result<()> {
        write_file(&self.run.history(), text.as_bytes())
    }

    /// The rows that hold signatures, in the order of steps.
    ///
    /// # Errors
    /// If a row cannot be read or has no epoch.
    pub fn rows(&self) -> Result<Vec<Checkpoint>> {
        let first =
            format!("cka/{}/{}", self.recorded.groups[0].name, self.recorded.layers[0]);
        let mut rows = vec![];
        for step in steps_of(&self.run.root, RunFile::Row)? {
            let path = self.row(step);
            if read_npz_member(checked(&path)?, &first)?.is_none() {
                continue;
            }
            let epoch = read_npz_member(&path, "epoch")?.as_ref().map(Array::to_f64);
            let epoch = epoch.and_then(|values| values.first().copied());
            let epoch = epoch.filter(|epoch| epoch.is_finite() && *epoch >= 0.0);
            let epoch = epoch.ok_or_else(|| {
                Error::data(&path, "has no `epoch`").expected("a number from 0 on")
            })?;
            rows.push(Checkpoint { step, epoch, path });
        }
        if !rows.is_sorted_by(|a, b| a.epoch < b.epoch) {
            return Err(Error::data(&self.run.root, "has rows whose epochs do not rise")
                .expected("epochs that rise with the steps"));
        }
        Ok(rows)
    }
}

/// What the labels of the test images are called in `labels.npz`.
const TEST_LABELS: &str = "test";

/// What labels of a group are called there.
fn member_of(kind: ProbeLabels, group: &str) -> String {
    match kind {
        ProbeLabels::Noisy => format!("noisy/{group}"),
        ProbeLabels::Clean => format!("clean/{group}"),
    }
}

fn lacks_labels(path: &Path, member: &str, what: &str, n: usize) -> Error {
    Error::data(path, format!("does not have the labels of {what}"))
        .expected(format!("`{member}`, i64 [{n}], classes from 0 to 65535"))
}

/// `source` in the `run.json` of a recording.
const SOURCE: &str = "recorded";
