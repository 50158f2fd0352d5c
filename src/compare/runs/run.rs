//! One run, read whole, or why it is left out.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use serde::Serialize;

use super::grams::{self, Ends};
use super::turns::Turns;
use crate::error::{Error, Result};
use crate::experiment::Experiment;
use crate::findings::axis::log_time;
use crate::findings::boundaries::StepCurve;
use crate::findings::perfect_fit::Drops;
use crate::findings::{Matrix, RunFindings};
use crate::phases::{Curves, Phases, Verdict};
use crate::run_dir::tables::{AxisRow, CellRow, CurveRow};
use crate::run_dir::{Recording, RunDir, RunFile, Status, read_findings, read_rows};
use crate::similarity::MatrixKind;

/// Training error of the loose fit.
const LOOSE: f64 = 0.01;

/// What a run is called: its directory as it was given.
pub type RunName = String;

/// A run that a comparison or a statement does without.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LeftOut {
    /// Its directory.
    pub run: RunName,
    /// Why.
    pub why: String,
}

impl LeftOut {
    pub(crate) fn new(run: &str, why: impl Into<String>) -> Self {
        Self { run: run.into(), why: why.into() }
    }
}

/// What a comparison finds in a directory.
pub(crate) type Found = std::result::Result<Run, Absent>;

/// A run that is not done.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Absent {
    pub(crate) seed: String,
    /// None of a recording.
    pub(crate) experiment: Option<Experiment>,
    pub(crate) left_out: LeftOut,
}

/// A measure, a group of examples and a layer.
type Place = (String, String, String);

/// A run with its findings.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) name: RunName,
    /// None of a recording.
    pub(crate) experiment: Option<Experiment>,
    pub(crate) findings: RunFindings,
    /// None where no errors are logged.
    pub(crate) curves: Option<Curves>,
    /// None where no errors are logged.
    pub(crate) phases: Option<Phases>,
    /// First minimum, peak and second minimum of the test error.
    pub(crate) turns: Option<Turns>,
    /// Epochs of the rows of all matrices.
    pub(crate) epochs: Vec<f64>,
    root: PathBuf,
    /// Of `test`, read when they are asked for.
    ends: OnceLock<std::result::Result<Ends, String>>,
    matrices: BTreeMap<Place, Matrix>,
    /// Epochs and roughness of the weights up to each layer.
    weights: BTreeMap<String, Vec<(f64, f64)>>,
}

impl Run {
    /// Reads the run in `root`; why it is left out where training or analysis are not done.
    ///
    /// # Errors
    /// If `root` holds no run, or one of its files is damaged.
    pub(crate) fn read(root: &Path) -> Result<Found> {
        let name = root.display().to_string();
        let recording = Recording::open(root)?;
        let trained = if recording.is_some() { None } else { Some(RunDir::open(root)?) };
        let experiment = trained.as_ref().map(|run| run.experiment().clone());
        let mut why = trained.as_ref().map(unfinished).transpose()?.flatten();
        if why.is_none() && !RunFile::Findings.path(root).is_file() {
            why = Some(format!("no findings: stratagram analyze {name}"));
        }
        if let Some(why) = why {
            let seed = seed_of(experiment.as_ref(), &name);
            let left_out = LeftOut { run: name, why };
            return Ok(Err(Absent { seed, experiment, left_out }));
        }
        let run = trained.as_ref().or(recording.as_ref().map(Recording::run));
        let run = run.expect("one of the two");
        let curves = if run.has_errors() { Some(run.curves()?) } else { None };
        let axis: Vec<AxisRow> = read_rows(root)?;
        let epochs: Vec<f64> = axis.iter().map(|row| row.epoch.0).collect();
        Ok(Ok(Self {
            name,
            experiment,
            findings: read_findings(root)?,
            phases: curves.as_ref().map(Phases::of),
            turns: curves.as_ref().and_then(|curves| Turns::of(curves, &epochs)),
            epochs,
            curves,
            root: root.to_owned(),
            ends: OnceLock::new(),
            matrices: matrices(root, &axis)?,
            weights: weights(root)?,
        }))
    }

    /// The seed as text; of a recording the name of its directory.
    pub(crate) fn seed(&self) -> String {
        seed_of(self.experiment.as_ref(), &self.name)
    }

    /// Its double descent, images as the unit.
    ///
    /// # Errors
    /// Why there is none that was measured.
    pub(crate) fn descent(&self) -> std::result::Result<Descent, String> {
        let verdict =
            self.phases.as_ref().and_then(|phases| phases.double_descent.verdict);
        if verdict == Some(Verdict::Instability) {
            return Err("instability: the test error rises with the training loss, or for a moment".into());
        }
        let found = &self.findings.double_descent;
        match (found.measured, found.rise, found.fall, self.turns) {
            (Some(true), Some(rise), Some(fall), Some(turns)) => {
                Ok(Descent { change: rise + fall, window: [turns.min, turns.second_min] })
            }
            (Some(false), ..) => Err("no measured double descent".into()),
            _ => {
                Err("no answers per test image: its double descent is not measured"
                    .into())
            }
        }
    }

    /// Epochs of the fit at 1 % and at 0.1 % training error.
    ///
    /// # Errors
    /// If one of them is never reached.
    pub(crate) fn fit(&self) -> std::result::Result<[f64; 2], String> {
        let phases = self.phases.as_ref().ok_or("no errors are logged")?;
        let fit = &phases.perfect_fit;
        let loose =
            fit.other_eps.iter().find(|at| at.eps == LOOSE).and_then(|at| at.epoch);
        let both = loose.zip(fit.epoch).map(|(loose, fit)| [loose, fit]);
        both.ok_or_else(|| "does not reach the perfect fit".into())
    }

    /// The log time of the fit: the middle between those at 1 % and at 0.1 % training error.
    ///
    /// # Errors
    /// As [`Run::fit`].
    pub(crate) fn fit_time(&self) -> std::result::Result<f64, String> {
        let [loose, fit] = self.fit()?.map(f64::ln_1p);
        Ok(f64::midpoint(loose, fit))
    }

    /// The last epoch with a checkpoint.
    pub(crate) fn last(&self) -> f64 {
        self.epochs.last().copied().unwrap_or(f64::NAN)
    }

    /// Whether its learning rate changes.
    pub(crate) fn has_schedule(&self) -> bool {
        self.findings.synchrony.iter().any(|synchrony| synchrony.schedule)
    }

    /// The matrix of a layer, over all checkpoints.
    pub(crate) fn matrix(
        &self,
        measure: &str,
        group: &str,
        layer: &str,
    ) -> Option<&Matrix> {
        self.matrices.get(&(measure.into(), group.into(), layer.into()))
    }

    /// Group, layer and matrix of everything that a measure has compared.
    pub(crate) fn matrices_by(
        &self,
        measure: &str,
    ) -> impl Iterator<Item = (&str, &str, &Matrix)> {
        let own = self.matrices.iter().filter(move |((name, ..), _)| name == measure);
        own.map(|((_, group, layer), matrix)| (group.as_str(), layer.as_str(), matrix))
    }

    /// The steps of the roughness of the weights up to a layer, and the epochs between which
    /// they are known.
    pub(crate) fn weights_drops(&self, layer: &str) -> Option<(Vec<f64>, Drops)> {
        let (epoch, roughness): (Vec<f64>, Vec<f64>) =
            self.weights.get(layer)?.iter().copied().unzip();
        let curve = StepCurve::new(&log_time(&epoch));
        let z: Vec<f64> = roughness.iter().map(|rho| rho.ln()).collect();
        let steps = curve.steps(&z);
        Some((epoch, Drops { times: curve.cut_times().to_vec(), steps }))
    }

    /// The similarities of a layer without the examples of largest norm, over all checkpoints.
    ///
    /// # Errors
    /// Why there are none.
    pub(crate) fn without_dominant(
        &self,
        group: &str,
        layer: &str,
    ) -> std::result::Result<Matrix, String> {
        grams::of_others(&self.root, (group, layer)).map_err(|error| error.to_string())?
    }

    /// Whether [`Run::without_dominant`] may have a value.
    pub(crate) fn has_grams(&self) -> bool {
        grams::are_stored(&self.root)
    }

    /// The angle between a layer's last representations of test images in this run and another.
    ///
    /// # Errors
    /// Why there is none.
    pub(crate) fn angle_to(
        &self,
        other: &Self,
        layer: &str,
    ) -> std::result::Result<f64, String> {
        let [own, other] = [self, other].map(Self::ends);
        own?.angle(other?, layer)
    }

    fn ends(&self) -> std::result::Result<&Ends, String> {
        let read = || {
            let of_test = self.matrices.keys().filter(|(measure, group, _)| {
                *measure == MatrixKind::CKA.to_string() && group == "test"
            });
            let layers: Vec<String> = of_test.map(|(.., layer)| layer.clone()).collect();
            Ends::read(&self.root, "test", &layers).map_err(|error| error.to_string())
        };
        self.ends.get_or_init(read).as_ref().map_err(Clone::clone)
    }

    /// Whether there is a matrix by a measure on a group.
    pub(crate) fn has_matrices(&self, measure: &str, group: &str) -> bool {
        self.matrices.keys().any(|(m, g, _)| m == measure && g == group)
    }

    /// Whether there is a matrix by a measure.
    pub(crate) fn has_measure(&self, measure: &str) -> bool {
        self.matrices.keys().any(|(own, ..)| own == measure)
    }

    /// The epoch of an event; none where it never happens.
    pub(crate) fn event(&self, name: &str) -> Option<f64> {
        self.findings.events.iter().find(|event| event.name == name)?.epoch
    }
}

/// A double descent that was measured.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Descent {
    /// Rise and fall together.
    pub(crate) change: f64,
    /// Epochs of the first and the second minimum.
    pub(crate) window: [f64; 2],
}

fn seed_of(experiment: Option<&Experiment>, name: &str) -> String {
    if let Some(experiment) = experiment {
        return experiment.seed.to_string();
    }
    let directory = Path::new(name).file_name();
    directory.map_or_else(|| name.into(), |last| last.to_string_lossy().into_owned())
}

/// Why a run is not done; none where it is.
fn unfinished(run: &RunDir) -> Result<Option<String>> {
    let manifest = run.manifest()?;
    Ok(match manifest.status {
        Status::Complete => None,
        Status::Failed => {
            let message = manifest.message.unwrap_or_else(|| "without a message".into());
            Some(format!("failed: {message}"))
        }
        Status::Training | Status::Emptying => Some("not finished: training".into()),
        Status::Trained | Status::Analyzing => Some("not finished: analysis".into()),
    })
}

/// The curves of the weights in the table of curves.
const WEIGHTS: &str = "weights";

/// The roughness of the weights up to each layer, where it is known.
fn weights(root: &Path) -> Result<BTreeMap<String, Vec<(f64, f64)>>> {
    let mut curves: BTreeMap<String, Vec<(f64, f64)>> = BTreeMap::new();
    let rows = read_rows::<CurveRow>(root)?.into_iter();
    for row in rows.filter(|row| row.measure == WEIGHTS && row.roughness.0.is_finite()) {
        curves.entry(row.layer).or_default().push((row.epoch.0, row.roughness.0));
    }
    Ok(curves)
}

/// All matrices with every digit, from the table of their cells.
fn matrices(root: &Path, axis: &[AxisRow]) -> Result<BTreeMap<Place, Matrix>> {
    let row_of: BTreeMap<u64, usize> =
        axis.iter().enumerate().map(|(index, row)| (row.step, index)).collect();
    let n = axis.len();
    let mut values: BTreeMap<Place, Vec<f64>> = BTreeMap::new();
    for cell in read_rows::<CellRow>(root)? {
        let row = |step: u64| {
            row_of.get(&step).copied().ok_or_else(|| {
                let found = format!("has a cell of step {step}");
                Error::data(&RunFile::Matrices.path(root), found)
                    .expected("the steps of the axis")
                    .fix("analyze again with --force")
            })
        };
        let (i, j) = (row(cell.step_i)?, row(cell.step_j)?);
        let place = (cell.measure, cell.group, cell.layer);
        let matrix = values.entry(place).or_insert_with(|| vec![f64::NAN; n * n]);
        (matrix[i * n + j], matrix[j * n + i]) = (cell.value.0, cell.value.0);
    }
    let square = |(place, values)| (place, Matrix::new(n, values));
    Ok(values.into_iter().map(square).collect())
}
