//! Every file of a run, declared once: where it is, who writes it, what else is done with it.
//! Paths, `--fresh`, the report, the exports, the Python reader and the table in
//! `docs/FORMAT.md` follow from this list.

use std::fs;
use std::path::{Path, PathBuf};

use super::atomic::remove_file;
use super::names::{check_name, is_plain, parse_step_name};
use crate::error::{Error, Result};

/// A kind of file of a run directory; those whose pattern has a `<name>` exist many times.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum RunFile {
    /// The experiment, resolved and complete.
    Experiment,
    /// What made the run, and how far it is.
    Manifest,
    /// Held by whoever trains.
    Lock,
    /// Held by whoever analyzes.
    AnalysisLock,
    /// Losses and errors over training.
    History,
    /// Seconds over training.
    Timing,
    /// What steps do to each layer.
    Updates,
    /// Labels, noise, and which examples are analyzed.
    Labels,
    /// A net's weights.
    Checkpoint,
    /// Where training continues.
    State,
    /// Where forks start.
    OptimizerState,
    /// Step and epoch of each row and column of the matrices: the sign of a finished analysis.
    Axis,
    /// Signatures of one checkpoint until they are joined.
    Part,
    /// Probes' rows of one layer at one checkpoint until the checkpoint is done.
    LayerPart,
    /// All matrices with every digit, for when they grow.
    KnownMatrices,
    /// The signatures of a layer.
    Signatures,
    /// What the signatures of CKA leave out of their Gram matrices.
    Norms,
    /// A linear probe.
    Probe,
    /// An epoch × epoch matrix.
    Matrix,
    /// All cells of all matrices.
    Matrices,
    /// Noise floors of the matrices.
    Noise,
    /// Intersection over union of each class's region.
    ClassIou,
    /// Accuracies of the probes.
    Probes,
    /// Prediction depths.
    PredictionDepth,
    /// Label alignment and dimensions.
    Representations,
    /// Neural collapse.
    Collapse,
    /// The shape of decision regions.
    Geometry,
    /// Layers against deeper ones.
    Layers,
    /// Probes of one representation against each other.
    Floor,
    /// Pictures of decision regions.
    Regions,
    /// Distances between the weights up to a layer.
    WeightDistances,
    /// Perfect fit and double descent.
    Phases,
    /// What the matrices say.
    Findings,
    /// The boundaries between phases of the layers.
    Boundaries,
    /// Speed and roughness of the layers.
    LayerCurves,
    /// Layers beside themselves before and after.
    Convergence,
    /// Checksums of what the trainer or a recorder wrote.
    TrainChecksums,
    /// Checksums of what the analysis wrote.
    AnalysisChecksums,
    /// Checksums of the page and its figures, and of what they were drawn from.
    ReportChecksums,
    /// The page.
    Page,
    /// A figure of the page.
    Figure,
    /// What one call of a recorder's `log` recorded.
    Row,
    /// The examples of a recording.
    SampleIds,
}

/// Who writes a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Writer {
    /// `train`, `import`, and a recorder in their place.
    Trainer,
    /// `analyze`.
    Analysis,
    /// `report`.
    Report,
    /// A recorder, or `import --activations`.
    Recorder,
}

/// What else is done with a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mark {
    /// The page or `show` reads it.
    Shown,
    /// A table that `export --to csv` and `parquet` write.
    Exported,
    /// `--fresh` leaves it where it is.
    Kept,
    /// It differs from run to run of one experiment: times, machines, processes. A checksum of
    /// any other file says whether a result is the same.
    Unsteady,
}

/// What is known of a kind of file.
#[derive(Debug, Clone, Copy)]
pub struct About {
    /// The path below the run directory; `<measure>`, `<group>`, `<layer>`, `<figure>` stand
    /// for names, `<step>` for `step-` and nine digits.
    pub pattern: &'static str,
    /// Who writes it.
    pub writer: Writer,
    /// What else is done with it.
    pub marks: &'static [Mark],
}

impl RunFile {
    /// All of them, in the order of `docs/FORMAT.md`. The sign that an analysis is complete
    /// comes before everything else that an analysis writes, so that it is removed first.
    pub const ALL: [Self; 43] = [
        Self::Experiment,
        Self::Manifest,
        Self::Lock,
        Self::AnalysisLock,
        Self::History,
        Self::Timing,
        Self::Updates,
        Self::Labels,
        Self::Checkpoint,
        Self::State,
        Self::OptimizerState,
        Self::Axis,
        Self::Part,
        Self::LayerPart,
        Self::KnownMatrices,
        Self::Signatures,
        Self::Norms,
        Self::Probe,
        Self::Matrix,
        Self::Matrices,
        Self::Noise,
        Self::ClassIou,
        Self::Probes,
        Self::PredictionDepth,
        Self::Representations,
        Self::Collapse,
        Self::Geometry,
        Self::Layers,
        Self::Floor,
        Self::Regions,
        Self::WeightDistances,
        Self::Phases,
        Self::Findings,
        Self::Boundaries,
        Self::LayerCurves,
        Self::Convergence,
        Self::TrainChecksums,
        Self::AnalysisChecksums,
        Self::ReportChecksums,
        Self::Page,
        Self::Figure,
        Self::Row,
        Self::SampleIds,
    ];

    /// Where it is, who writes it, what else is done with it.
    pub const fn about(self) -> About {
        use Mark::{Exported, Kept, Shown, Unsteady};
        use Writer::{Analysis, Recorder, Report, Trainer};
        let (pattern, writer, marks): (_, _, &[Mark]) = match self {
            Self::Experiment => ("experiment.toml", Trainer, &[Shown]),
            Self::Manifest => ("run.json", Trainer, &[Shown, Unsteady]),
            Self::Lock => ("lock", Trainer, &[Kept, Unsteady]),
            Self::AnalysisLock => ("analysis.lock", Analysis, &[Kept, Unsteady]),
            Self::History => ("history.csv", Trainer, &[Shown, Exported]),
            Self::Timing => ("timing.csv", Trainer, &[Exported, Unsteady]),
            Self::Updates => ("updates.csv", Trainer, &[Exported]),
            Self::Labels => ("labels.npz", Trainer, &[]),
            Self::Checkpoint => ("checkpoints/<step>.safetensors", Trainer, &[]),
            Self::State => ("state/last.safetensors", Trainer, &[]),
            Self::OptimizerState => ("state/<step>.safetensors", Trainer, &[]),
            Self::Axis => ("matrices/axis.csv", Analysis, &[Shown, Exported]),
            Self::Part => ("signatures/.parts/<step>.npz", Analysis, &[]),
            Self::LayerPart => ("signatures/.parts/<step>/<layer>.npz", Analysis, &[]),
            Self::KnownMatrices => ("signatures/.known.npz", Analysis, &[]),
            Self::Signatures => {
                ("signatures/<measure>/<group>/<layer>.npy", Analysis, &[])
            }
            Self::Norms => ("norms/<group>/<layer>.npy", Analysis, &[]),
            Self::Probe => ("probes/<layer>/<step>.safetensors", Analysis, &[]),
            Self::Matrix => {
                ("matrices/<measure>/<group>/<layer>.npy", Analysis, &[Shown])
            }
            Self::Matrices => ("matrices.csv", Analysis, &[Shown, Exported]),
            Self::Noise => ("noise.csv", Analysis, &[Exported]),
            Self::ClassIou => ("iou/<group>/<layer>.npy", Analysis, &[]),
            Self::Probes => ("probes.csv", Analysis, &[Shown, Exported]),
            Self::PredictionDepth => {
                ("prediction_depth.csv", Analysis, &[Shown, Exported])
            }
            Self::Representations => ("representations.csv", Analysis, &[Exported]),
            Self::Collapse => ("collapse.csv", Analysis, &[Shown, Exported]),
            Self::Geometry => ("geometry.csv", Analysis, &[Shown, Exported]),
            Self::Layers => ("layers.csv", Analysis, &[Exported]),
            Self::Floor => ("floor.csv", Analysis, &[Exported]),
            Self::Regions => ("regions/<layer>.npz", Analysis, &[Shown]),
            Self::WeightDistances => ("weights/<layer>.npy", Analysis, &[]),
            Self::Phases => ("phases.json", Analysis, &[Shown]),
            Self::Findings => ("findings.json", Analysis, &[Shown]),
            Self::Boundaries => ("phases.csv", Analysis, &[Exported]),
            Self::LayerCurves => ("curves.csv", Analysis, &[Shown, Exported]),
            Self::Convergence => ("convergence.csv", Analysis, &[Shown, Exported]),
            Self::TrainChecksums => ("checksums/train.csv", Trainer, &[]),
            Self::AnalysisChecksums => ("checksums/analysis.csv", Analysis, &[]),
            Self::ReportChecksums => ("checksums/report.csv", Report, &[Unsteady]),
            Self::Page => ("report/index.html", Report, &[]),
            Self::Figure => ("report/figures/<figure>.svg", Report, &[]),
            Self::Row => ("recorded/<step>.npz", Recorder, &[]),
            Self::SampleIds => ("sample_ids.csv", Recorder, &[Exported]),
        };
        About { pattern, writer, marks }
    }

    /// Whether it has a mark.
    pub fn is(self, mark: Mark) -> bool {
        self.about().marks.contains(&mark)
    }

    /// The file of a run, where a pattern needs no names.
    ///
    /// # Panics
    /// If it does.
    pub fn path(self, root: &Path) -> PathBuf {
        self.path_of(root, &[])
    }

    /// The file of a run with the names that its pattern asks for, as `("layer", "fc")`; a
    /// step's is that of `step_name`.
    ///
    /// # Panics
    /// If a name is missing or fails `check_name`.
    pub(crate) fn path_of(self, root: &Path, names: &[(&str, &str)]) -> PathBuf {
        let pattern = self.about().pattern;
        let mut path = root.to_owned();
        for part in pattern.split('/') {
            let Some((start, name, end)) = placeholder(part) else {
                path.push(part);
                continue;
            };
            let value = names.iter().find(|(own, _)| *own == name);
            let (_, value) =
                value.unwrap_or_else(|| panic!("`{pattern}` needs a `{name}`"));
            check_name(value).unwrap_or_else(|error| panic!("{error}"));
            path.push(format!("{start}{value}{end}"));
        }
        path
    }

    /// The files of this kind that a run has, in the order of their names.
    ///
    /// # Errors
    /// If a directory cannot be listed.
    pub fn list(self, root: &Path) -> Result<Vec<Found>> {
        let mut search = Search::default();
        search.descend(root, self.about().pattern, &[])?;
        Ok(search.found)
    }
}

/// A file of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Where it is.
    pub path: PathBuf,
    names: Vec<(&'static str, String)>,
}

impl Found {
    /// The name that stands for `<layer>`, `<measure>` … in its pattern.
    ///
    /// # Panics
    /// If the pattern has no such name.
    pub fn name(&self, of: &str) -> &str {
        let found = self.names.iter().find(|(own, _)| *own == of);
        let path = self.path.display();
        found.map_or_else(|| panic!("{path} has no <{of}>"), |(_, name)| name)
    }

    /// The step of a pattern with a `<step>`.
    ///
    /// # Panics
    /// If the pattern has none.
    pub fn step(&self) -> u64 {
        parse_step_name(self.name("step")).expect("as it was found")
    }
}

/// Removes the files of these kinds that are to go, and the directories that this leaves
/// empty. Links are removed and never followed; a file that no pattern has stays, and so does
/// its directory.
///
/// # Errors
/// If the operating system refuses.
pub(super) fn remove(
    root: &Path,
    files: impl IntoIterator<Item = RunFile>,
    goes: impl Fn(&Found) -> bool,
) -> Result<()> {
    for file in files {
        let mut search = Search { is_removal: true, ..Search::default() };
        search.descend(root, file.about().pattern, &[])?;
        for found in search.found.into_iter().filter(&goes) {
            remove_file(&found.path)?;
        }
        for directory in search.directories.iter().rev() {
            // One that holds another's file stays.
            let _ = fs::remove_dir(directory);
        }
    }
    Ok(())
}

/// Files that match a pattern, and the directories on the way to them.
#[derive(Default)]
struct Search {
    /// Then a link in a directory's place counts as found and is not followed, and only names
    /// that the program itself gives are found.
    is_removal: bool,
    found: Vec<Found>,
    directories: Vec<PathBuf>,
}

impl Search {
    fn descend(
        &mut self,
        at: &Path,
        pattern: &'static str,
        names: &[(&'static str, String)],
    ) -> Result<()> {
        let (part, rest) = match pattern.split_once('/') {
            Some((part, rest)) => (part, Some(rest)),
            None => (pattern, None),
        };
        let Some((start, name, end)) = placeholder(part) else {
            return self.enter(at.join(part), rest, names.to_vec());
        };
        for file in entries(at)? {
            let value = file.strip_prefix(start).and_then(|file| file.strip_suffix(end));
            let fits = |value: &&str| match name {
                "step" => parse_step_name(value).is_some(),
                _ if self.is_removal => is_plain(value),
                _ => !value.is_empty() && !value.starts_with('.'),
            };
            if let Some(value) = value.filter(fits) {
                let mut names = names.to_vec();
                names.push((name, value.to_owned()));
                self.enter(at.join(&file), rest, names)?;
            }
        }
        Ok(())
    }

    /// Takes the file in, or goes on in the directory.
    fn enter(
        &mut self,
        path: PathBuf,
        rest: Option<&'static str>,
        names: Vec<(&'static str, String)>,
    ) -> Result<()> {
        let Ok(itself) = fs::symlink_metadata(&path) else { return Ok(()) };
        let is_directory = if self.is_removal { itself.is_dir() } else { path.is_dir() };
        match rest {
            Some(rest) if is_directory => {
                self.directories.push(path.clone());
                self.descend(&path, rest, &names)?;
            }
            Some(_) if !(self.is_removal && itself.is_symlink()) => {}
            None if is_directory => {}
            _ => self.found.push(Found { path, names }),
        }
        Ok(())
    }
}

/// What is before, in and behind the `<…>` of a part of a pattern.
pub(super) fn placeholder(
    part: &'static str,
) -> Option<(&'static str, &'static str, &'static str)> {
    let (start, rest) = part.split_once('<')?;
    let (name, end) = rest.split_once('>')?;
    Some((start, name, end))
}

/// The names in a directory, sorted; none where it is missing.
fn entries(directory: &Path) -> Result<Vec<String>> {
    let cannot = |error| Error::io(directory, "cannot be listed", error);
    let listing = match fs::read_dir(directory) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(vec![]),
        listing => listing.map_err(cannot)?,
    };
    let mut names = vec![];
    for entry in listing {
        names.extend(entry.map_err(cannot)?.file_name().into_string());
    }
    names.sort();
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run_dir::write_atomic;

    #[test]
    fn the_list_has_every_kind_once_in_its_order() {
        assert!(RunFile::ALL.is_sorted_by(|a, b| a < b));
        assert_eq!(RunFile::ALL.len(), RunFile::SampleIds as usize + 1);
        let mut patterns = RunFile::ALL.map(|file| file.about().pattern);
        patterns.sort_unstable();
        assert!(patterns.is_sorted_by(|a, b| a < b), "{patterns:?}");
    }

    #[test]
    fn files_are_found_by_the_names_that_made_their_paths() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path();
        let names = [
            ("measure", "cka-biased"),
            ("group", "test"),
            ("layer", "layer1.0"),
            ("step", "step-000000336"),
            ("figure", "strip-0"),
        ];
        for file in RunFile::ALL {
            assert_eq!(file.list(root).unwrap(), []);
            let path = file.path_of(root, &names);
            write_atomic(&path, b"x").unwrap();
            let found = file.list(root).unwrap();
            assert_eq!(found.len(), 1, "{file:?}");
            assert_eq!(found[0].path, path);
            for (name, value) in &found[0].names {
                assert!(names.contains(&(*name, value)), "{file:?}");
            }
        }
        let row = &RunFile::Row.list(root).unwrap()[0];
        assert_eq!(row.step(), 336);
        write_atomic(&root.join("matrices/cka/test/.hidden.npy"), b"x").unwrap();
        write_atomic(&root.join("matrices/cka/mine.npy"), b"x").unwrap();
        assert_eq!(RunFile::Matrix.list(root).unwrap().len(), 1);
    }

    #[test]
    fn removal_leaves_what_others_wrote() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path();
        let ours = ["matrices/cka/test/fc.npy", "probes/fc/step-000000001.safetensors"];
        let theirs = ["probes/notes.txt", "matrices/cka/test/fc.png", "thesis.tex"];
        for path in ours.iter().chain(&theirs) {
            write_atomic(&root.join(path), b"x").unwrap();
        }
        remove(root, RunFile::ALL, |_| true).unwrap();
        assert!(ours.iter().all(|path| !root.join(path).exists()));
        assert!(theirs.iter().all(|path| root.join(path).exists()));
        assert!(!root.join("probes/fc").exists());
    }

    #[cfg(unix)]
    #[test]
    fn removal_follows_no_link() {
        use std::os::unix::fs::symlink;
        let directory = tempfile::tempdir().unwrap();
        let (root, elsewhere) =
            (directory.path().join("run"), directory.path().join("elsewhere"));
        let kept = elsewhere.join("step-000000001.safetensors");
        write_atomic(&kept, b"x").unwrap();
        fs::create_dir_all(root.join("probes")).unwrap();
        for link in ["checkpoints", "probes/fc"] {
            symlink(&elsewhere, root.join(link)).unwrap();
        }
        symlink(&kept, root.join("history.csv")).unwrap();
        assert_eq!(RunFile::Checkpoint.list(&root).unwrap().len(), 1);
        remove(&root, RunFile::ALL, |_| true).unwrap();
        assert_eq!(fs::read_dir(&root).unwrap().count(), 0);
        assert_eq!(fs::read(&kept).unwrap(), b"x");
    }
}
