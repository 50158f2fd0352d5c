//! Reads a run directory (docs/FORMAT.md) into [`RunResults`]. Absent files leave their part
//! empty; a file that is there and wrong is an error that names it.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde_json::Value;

use super::figure::axes::epoch_label;
use super::model::{
    DepthRow, EpochMatrix, GeometryRow, HistoryRow, MatrixSet, Phases, ProbeRow,
    RunResults,
};
use crate::error::{Error, Result};
use crate::net::NetConfig;
use crate::phases::Phases as FoundPhases;
use crate::run_dir::tables::{self, AxisRow, CellRow};
use crate::run_dir::{
    MatrixFile, Regions, RunFile, checked, read_curves, read_findings, read_rows,
};
use crate::similarity::regions::Similarity;
use crate::similarity::{Estimator, MatrixKind};

impl RunResults {
    /// Reads everything that a run directory holds for the report.
    ///
    /// # Errors
    /// If the directory is none of a run, or one of its files cannot be read or does not
    /// have the form that docs/FORMAT.md gives it.
    pub fn read(root: &Path) -> Result<Self> {
        let experiment = read_experiment(&RunFile::Experiment.path(root))?;
        let manifest = read_json(&RunFile::Manifest.path(root))?;
        let history = read_history(root)?;
        if experiment.is_empty() && manifest.is_null() && history.is_empty() {
            return Err(Error::data(root, "holds no run")
                .expected("experiment.toml, run.json and history.csv"));
        }
        let (steps, epochs) = read_axis(root)?;
        let mut run = Self {
            name: directory_name(root),
            experiment,
            manifest,
            history,
            phases: phases(&read_phases(root)?),
            steps,
            epochs,
            ..Self::default()
        };
        let depth = Depth::of(&run.experiment, &run.manifest);
        run.matrices = read_matrices(root, &run.steps)?;
        for set in &mut run.matrices {
            set.layers.sort_by_key(|matrix| depth.key(&matrix.layer));
        }
        run.add_probes(read_probes(root)?);
        // Stable: rows of one layer keep the file's order, which is that of time.
        run.probes.sort_by_key(|row| depth.key(&row.layer));
        run.other_probes.sort_by_key(|row| depth.key(&row.layer));
        run.penalties.sort_by_key(|row| depth.key(&row.layer));
        run.depths = read_depths(root)?;
        run.geometry = read_geometry(root)?;
        run.geometry.sort_by_key(|row| depth.key(&row.layer));
        for found in RunFile::Regions.list(root)? {
            run.regions.push(Regions::read(found.name("layer").to_owned(), &found.path)?);
        }
        run.regions.sort_by_key(|regions| depth.key(&regions.layer));
        run.decisions = run.read_decisions(root)?;
        run.collapse = read_rows(root)?;
        run.collapse.sort_by_key(|row| depth.key(&row.layer));
        run.add_findings(root)?;
        Ok(run)
    }

    /// Reads the findings with their tables, where there are any.
    fn add_findings(&mut self, root: &Path) -> Result<()> {
        if RunFile::Findings.path(root).is_file() {
            let findings = read_findings(root)?;
            self.phases.halves = Some(findings.double_descent.clone());
            self.findings = Some(findings);
            self.curves = read_rows(root)?;
            self.convergence = read_rows(root)?;
        }
        Ok(())
    }

    /// Sorts the rows by what they are: the first of a (layer, step) is the main one, those
    /// with its labels are of other λ.
    fn add_probes(&mut self, rows: Vec<ProbeRow>) {
        let is_pixels = |row: &ProbeRow| row.layer == "input";
        // With rows of other epochs the pixels are one of the layers that were asked for.
        let is_layer = rows.iter().any(|row| is_pixels(row) && row.epoch > rows[0].epoch);
        if !is_layer {
            self.pixels = rows.iter().filter(|row| is_pixels(row)).cloned().collect();
        }
        let mut main: Option<ProbeRow> = None;
        for row in rows.into_iter().filter(|row| is_layer || !is_pixels(row)) {
            match &main {
                Some(own)
                    if own.layer == row.layer
                        && own.epoch.to_bits() == row.epoch.to_bits() =>
                {
                    let is_other = own.labels != row.labels;
                    let others = if is_other {
                        &mut self.other_probes
                    } else {
                        &mut self.penalties
                    };
                    others.push(row);
                }
                _ => {
                    main = Some(row.clone());
                    self.probes.push(row);
                }
            }
        }
    }
}

pub(crate) fn directory_name(root: &Path) -> String {
    let root = root.canonicalize().unwrap_or_else(|_| root.to_path_buf());
    root.file_name().map_or_else(|| "run".into(), |name| name.to_string_lossy().into())
}

/// The depth order of layers: that of the net's nodes, or of a recording's list; other names
/// come after, numbers in them compared as numbers; `output` is last.
struct Depth(Vec<String>);

type DepthKey = (usize, Vec<(u64, String)>);

impl Depth {
    fn of(experiment: &toml::Table, manifest: &Value) -> Self {
        if let Some(layers) = manifest["recording"]["layers"].as_array() {
            let names = layers.iter().filter_map(|layer| layer.as_str());
            return Self(names.map(str::to_owned).collect());
        }
        let config = experiment
            .get("net")
            .and_then(|net| net.clone().try_into::<NetConfig>().ok());
        Self(config.and_then(|config| config.node_names()).unwrap_or_default())
    }

    fn key(&self, layer: &str) -> DepthKey {
        if layer == "output" {
            return (usize::MAX, vec![]);
        }
        match self.0.iter().position(|name| name == layer) {
            Some(position) => (position, vec![]),
            None => (usize::MAX - 1, natural(layer)),
        }
    }
}

/// A name as (number, text) parts, so that `block2` comes before `block10`.
pub(super) fn natural(name: &str) -> Vec<(u64, String)> {
    let mut parts = vec![];
    let mut rest = name;
    while !rest.is_empty() {
        let text = rest.find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len());
        let (word, after) = rest.split_at(text);
        let digits = after.find(|c: char| !c.is_ascii_digit()).unwrap_or(after.len());
        let (number, after) = after.split_at(digits);
        parts.push((0, word.to_owned()));
        parts.push((number.parse().unwrap_or(u64::MAX), String::new()));
        rest = after;
    }
    parts
}

/// A file's text, or nothing where there is no such file.
fn text_of(path: &Path) -> Result<Option<String>> {
    match fs::read_to_string(checked(path)?) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Error::io(path, "cannot be read", error)),
    }
}

fn read_experiment(path: &Path) -> Result<toml::Table> {
    let text = text_of(path)?.unwrap_or_default();
    text.parse().map_err(|error| Error::data(path, format!("is not valid TOML: {error}")))
}

fn read_json(path: &Path) -> Result<Value> {
    match text_of(path)? {
        None => Ok(Value::Null),
        Some(text) => serde_json::from_str(&text)
            .map_err(|error| Error::data(path, format!("is not valid JSON: {error}"))),
    }
}

fn read_history(root: &Path) -> Result<Vec<HistoryRow>> {
    let row = |row: tables::HistoryRow| HistoryRow {
        epoch: row.epoch.0,
        train_error: row.train_error.0,
        train_error_clean: row.train_error_clean.0,
        train_error_corrupted: row.train_error_corrupted.0,
        test_error: row.test_error.0,
        test_error_running: row.test_error_running_bn.0,
    };
    Ok(read_rows(root)?.into_iter().map(row).collect())
}

fn read_axis(root: &Path) -> Result<(Vec<u64>, Vec<f64>)> {
    let rows: Vec<AxisRow> = read_rows(root)?;
    let (steps, epochs): (Vec<u64>, Vec<f64>) =
        rows.into_iter().map(|row| (row.step, row.epoch.0)).unzip();
    if !epochs.is_sorted_by(|a, b| a < b) || epochs.iter().any(|epoch| *epoch < 0.0) {
        let path = RunFile::Axis.path(root);
        return Err(
            Error::data(&path, "has epochs out of order").expected("rising, from 0")
        );
    }
    Ok((steps, epochs))
}

/// `phases.json`; before an analysis wrote it, what it will hold, as `show` says it, too. Null
/// where the history has no errors.
fn read_phases(root: &Path) -> Result<Value> {
    let written = read_json(&RunFile::Phases.path(root))?;
    let history = RunFile::History.path(root);
    if !written.is_null() || !history.is_file() {
        return Ok(written);
    }
    let curves = read_curves(checked(&history)?).ok();
    let phases = curves.map(|curves| FoundPhases::of(&curves));
    Ok(phases.map_or(Value::Null, |phases| {
        serde_json::to_value(phases).expect("phases are plain numbers")
    }))
}

/// The fields of `phases.json` that the figures use. Unknown fields are left alone: the file
/// may say more.
fn phases(json: &Value) -> Phases {
    let fit = &json["perfect_fit"];
    let descent = &json["double_descent"];
    let rise = &descent["largest_rise"];
    let verdict = descent["verdict"].as_str();
    // A u-shape has no second minimum; its turns are those of the largest rise.
    let turn = |name: &str, of_rise: &str| {
        let rise = rise[of_rise].as_f64().filter(|_| verdict == Some("u-shape"));
        descent[name].as_f64().or(rise)
    };
    let text = |part: &Value| part["reason"].as_str().map(str::to_owned);
    let error = |name: &str, of_rise: &str| {
        let rise = rise[of_rise].as_f64().filter(|_| verdict == Some("u-shape"));
        descent["error"][name].as_f64().or(rise)
    };
    Phases {
        known: !json.is_null(),
        perfect_fit: fit["epoch"].as_f64(),
        verdict: verdict.map(str::to_owned),
        min: turn("min", "from"),
        peak: turn("peak", "to"),
        second_min: descent["second_min"].as_f64(),
        rise: descent["rise"].as_f64(),
        fall: descent["fall"].as_f64(),
        errors: [
            error("min", "low"),
            error("peak", "high"),
            descent["error"]["second_min"].as_f64(),
        ],
        // Runs of before have one threshold for both.
        thresholds: ["rise_threshold", "fall_threshold"]
            .map(|name| descent[name].as_f64().or(descent["threshold"].as_f64())),
        fit_reason: text(fit),
        reason: text(descent),
        passed_over: descent["rejected"].as_array().map_or_else(Vec::new, |peaks| {
            peaks.iter().filter_map(passed_over).collect()
        }),
        corrupted_fit: fit["corrupted"]["epoch"].as_f64(),
        halves: None,
    }
}

/// A peak that the detector passed over, in words.
fn passed_over(peak: &Value) -> Option<String> {
    let (epoch, reason) = (peak["epoch"].as_f64()?, peak["reason"].as_str()?);
    Some(format!("a peak at epoch {}: {reason}", epoch_label(epoch)))
}

fn read_probes(root: &Path) -> Result<Vec<ProbeRow>> {
    let row = |row: tables::ProbeRow| ProbeRow {
        layer: row.layer,
        epoch: row.epoch.0,
        labels: row.labels,
        l2: row.l2.0,
        test_accuracy: row.test_accuracy.0,
        heldout_corrupted_noisy: row.heldout_corrupted_noisy.0,
        heldout_corrupted_true: row.heldout_corrupted_true.0,
    };
    Ok(read_rows(root)?.into_iter().map(row).collect())
}

fn read_depths(root: &Path) -> Result<Vec<DepthRow>> {
    let row = |row: tables::DepthRow| DepthRow {
        group: row.group,
        epoch: row.epoch.0,
        n: row.n as f64,
        n_layers: row.n_layers as f64,
        mean: row.mean.0,
        se: row.se.0,
    };
    Ok(read_rows(root)?.into_iter().map(row).collect())
}

fn read_geometry(root: &Path) -> Result<Vec<GeometryRow>> {
    let row = |row: tables::GeometryRow| GeometryRow {
        layer: row.layer,
        epoch: row.epoch.0,
        group: row.group,
        quantity: row.quantity,
        value: row.value.0,
        se: row.se.0,
    };
    Ok(read_rows(root)?.into_iter().map(row).collect())
}

fn read_matrices(root: &Path, steps: &[u64]) -> Result<Vec<MatrixSet>> {
    let mut sets: Vec<MatrixSet> = vec![];
    for file in MatrixFile::list(root)? {
        let kind = MatrixKind::parse(&file.measure);
        // What chance gives is not a similarity; kappa is shown, which it is the base of.
        if kind == MatrixKind::Regions(Similarity::Chance) {
            continue;
        }
        let values = file.read(steps.len())?;
        let errors = vec![f64::NAN; values.len()];
        let reasons = BTreeMap::new();
        let matrix = EpochMatrix { layer: file.layer, values, errors, reasons };
        match sets.last_mut() {
            Some(set) if set.kind == kind && set.group == file.group => {
                set.layers.push(matrix);
            }
            _ => sets.push(MatrixSet {
                kind,
                group: file.group,
                estimator: String::new(),
                layers: vec![matrix],
            }),
        }
    }
    // The paper's order: test, then train; cka, then drs, is the alphabet's; the agreement on
    // images goes with the regions.
    sets.sort_by_key(|set| {
        let last = set.kind == MatrixKind::Agreement;
        (last, set.kind.to_string(), group_rank(&set.group))
    });
    let cells = Cells::read(root, steps)?;
    for set in &mut sets {
        cells.complete(set);
    }
    Ok(sets)
}

fn group_rank(group: &str) -> (usize, String) {
    let known = ["test", "train-clean", "train-corrupted"];
    let rank = known.iter().position(|name| *name == group).unwrap_or(known.len());
    (rank, group.to_owned())
}

/// What `matrices.csv` adds to the matrices: standard errors, reasons, estimators; by
/// (measure, group, layer).
#[derive(Default)]
struct Cells(BTreeMap<(String, String, String), Vec<Cell>>);

struct Cell {
    at: (usize, usize),
    estimator: String,
    se: f64,
    reason: String,
}

impl Cells {
    fn read(root: &Path, steps: &[u64]) -> Result<Self> {
        let row_of: BTreeMap<u64, usize> =
            steps.iter().enumerate().map(|(index, step)| (*step, index)).collect();
        let mut cells = Self::default();
        for row in read_rows::<CellRow>(root)? {
            let (Some(&i), Some(&j)) = (row_of.get(&row.step_i), row_of.get(&row.step_j))
            else {
                continue;
            };
            let key = (row.measure, row.group, row.layer);
            cells.0.entry(key).or_default().push(Cell {
                at: (i.min(j), i.max(j)),
                estimator: row.estimator,
                se: row.se.0,
                reason: row.reason.0,
            });
        }
        Ok(cells)
    }

    /// Fills in a set. Another estimator's directory is `<measure>-<estimator>` while the
    /// table's `measure` may be the plain name: both are looked up.
    fn complete(&self, set: &mut MatrixSet) {
        let (name, mut plain, mut suffix) = (set.kind.to_string(), None, None);
        if let MatrixKind::Representations { measure, estimator } = &set.kind {
            plain = Some(measure.name().to_owned());
            suffix = estimator.map(Estimator::name);
        }
        for matrix in &mut set.layers {
            let n = matrix.n_epochs();
            let key = |measure: &String| {
                (measure.clone(), set.group.clone(), matrix.layer.clone())
            };
            let exact = self.0.get(&key(&name));
            let cells = exact.or_else(|| self.0.get(&key(plain.as_ref()?)));
            for cell in cells.into_iter().flatten() {
                if exact.is_none()
                    && suffix.is_some_and(|suffix| cell.estimator != suffix)
                {
                    continue;
                }
                let (i, j) = cell.at;
                (matrix.errors[i * n + j], matrix.errors[j * n + i]) = (cell.se, cell.se);
                if !cell.reason.is_empty() {
                    matrix.reasons.insert(cell.at, cell.reason.clone());
                }
                set.estimator.clone_from(&cell.estimator);
            }
        }
    }
}
