//! Reads a run directory (docs/FORMAT.md) into [`RunResults`]. Absent files leave their part
//! empty; a file that is there and wrong is an error that names it.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::model::{
    DepthRow, EpochMatrix, GeometryRow, HistoryRow, MatrixSet, Phases, ProbeRow,
    RunResults,
};
use super::read_regions::read_regions;
use super::table::Table;
use crate::array_file::read_npy;
use crate::error::{Error, Result};
use crate::net::NetConfig;
use crate::similarity::MatrixKind;
use crate::similarity::regions::Similarity;

impl RunResults {
    /// Reads everything that a run directory holds for the report.
    ///
    /// # Errors
    /// If the directory is none of a run, or one of its files cannot be read or does not
    /// have the form that docs/FORMAT.md gives it.
    pub fn read(root: &Path) -> Result<Self> {
        let experiment = read_experiment(&root.join("experiment.toml"))?;
        let manifest = read_json(&root.join("run.json"))?;
        let history = read_history(&root.join("history.csv"))?;
        if experiment.is_empty() && manifest.is_null() && history.is_empty() {
            return Err(Error::data(root, "holds no run")
                .expected("experiment.toml, run.json and history.csv"));
        }
        let (steps, epochs) = read_axis(&root.join("matrices/axis.csv"))?;
        let mut run = Self {
            name: directory_name(root),
            experiment,
            manifest,
            history,
            phases: phases(&read_json(&root.join("phases.json"))?),
            steps,
            epochs,
            ..Self::default()
        };
        let depth = Depth::of(&run.experiment, &run.manifest);
        run.matrices = read_matrices(root, &run.steps)?;
        for set in &mut run.matrices {
            set.layers.sort_by_key(|matrix| depth.key(&matrix.layer));
        }
        run.add_probes(read_probes(&root.join("probes.csv"))?);
        // Stable: rows of one layer keep the file's order, which is that of time.
        run.probes.sort_by_key(|row| depth.key(&row.layer));
        run.other_probes.sort_by_key(|row| depth.key(&row.layer));
        run.penalties.sort_by_key(|row| depth.key(&row.layer));
        run.depths = read_depths(&root.join("prediction_depth.csv"))?;
        run.geometry = read_geometry(&root.join("geometry.csv"))?;
        run.geometry.sort_by_key(|row| depth.key(&row.layer));
        for (layer, path) in files_with(&root.join("regions"), "npz")? {
            run.regions.push(read_regions(layer, &path)?);
        }
        run.regions.sort_by_key(|regions| depth.key(&regions.layer));
        Ok(run)
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

fn directory_name(root: &Path) -> String {
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
fn natural(name: &str) -> Vec<(u64, String)> {
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
pub(super) fn text_of(path: &Path) -> Result<Option<String>> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Error::io(path, "cannot be read", error)),
    }
}

fn read_experiment(path: &Path) -> Result<toml::Table> {
    let text = text_of(path)?.unwrap_or_default();
    text.parse().map_err(|error| Error::data(path, format!("is no TOML: {error}")))
}

fn read_json(path: &Path) -> Result<Value> {
    match text_of(path)? {
        None => Ok(Value::Null),
        Some(text) => serde_json::from_str(&text)
            .map_err(|error| Error::data(path, format!("is no JSON: {error}"))),
    }
}

fn read_history(path: &Path) -> Result<Vec<HistoryRow>> {
    let Some(table) = Table::read(path)? else { return Ok(vec![]) };
    let epochs = table.numbers("epoch")?;
    let column = |name: &str| table.numbers_or_nan(name);
    let (train, test) = (column("train_error")?, column("test_error")?);
    let (clean, corrupted) =
        (column("train_error_clean")?, column("train_error_corrupted")?);
    let running = column("test_error_running_bn")?;
    let row = |(index, epoch)| HistoryRow {
        epoch,
        train_error: train[index],
        train_error_clean: clean[index],
        train_error_corrupted: corrupted[index],
        test_error: test[index],
        test_error_running: running[index],
    };
    Ok(epochs.into_iter().enumerate().map(row).collect())
}

fn read_axis(path: &Path) -> Result<(Vec<u64>, Vec<f64>)> {
    let Some(table) = Table::read(path)? else { return Ok((vec![], vec![])) };
    let epochs = table.numbers("epoch")?;
    if !epochs.is_sorted_by(|a, b| a < b) || epochs.iter().any(|epoch| *epoch < 0.0) {
        return Err(
            Error::data(path, "has epochs out of order").expected("rising, from 0")
        );
    }
    Ok((table.numbers("step")?.into_iter().map(|step| step as u64).collect(), epochs))
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
        threshold: descent["threshold"].as_f64(),
        fit_reason: text(fit),
        reason: text(descent),
        corrupted_fit: fit["corrupted"]["epoch"].as_f64(),
    }
}

fn read_probes(path: &Path) -> Result<Vec<ProbeRow>> {
    let Some(table) = Table::read(path)? else { return Ok(vec![]) };
    let (layers, epochs) = (table.texts("layer")?, table.numbers("epoch")?);
    let (labels, l2) = (table.texts("labels")?, table.numbers_or_nan("l2")?);
    let test = table.numbers_or_nan("test_accuracy")?;
    let noisy = table.numbers_or_nan("heldout_corrupted_noisy")?;
    let truth = table.numbers_or_nan("heldout_corrupted_true")?;
    let row = |(index, layer): (usize, String)| ProbeRow {
        layer,
        epoch: epochs[index],
        labels: labels[index].clone(),
        l2: l2[index],
        test_accuracy: test[index],
        heldout_corrupted_noisy: noisy[index],
        heldout_corrupted_true: truth[index],
    };
    Ok(layers.into_iter().enumerate().map(row).collect())
}

fn read_depths(path: &Path) -> Result<Vec<DepthRow>> {
    let Some(table) = Table::read(path)? else { return Ok(vec![]) };
    let (groups, epochs) = (table.texts("group")?, table.numbers("epoch")?);
    let (n, n_layers) = (table.numbers("n")?, table.numbers("n_layers")?);
    let (mean, se) = (table.numbers("mean")?, table.numbers_or_nan("se")?);
    let row = |(index, group): (usize, String)| DepthRow {
        group,
        epoch: epochs[index],
        n: n[index],
        n_layers: n_layers[index],
        mean: mean[index],
        se: se[index],
    };
    Ok(groups.into_iter().enumerate().map(row).collect())
}

fn read_geometry(path: &Path) -> Result<Vec<GeometryRow>> {
    let Some(table) = Table::read(path)? else { return Ok(vec![]) };
    let (layers, epochs) = (table.texts("layer")?, table.numbers("epoch")?);
    let (groups, quantities) = (table.texts("group")?, table.texts("quantity")?);
    let (values, errors) = (table.numbers("value")?, table.numbers_or_nan("se")?);
    let row = |(index, layer): (usize, String)| GeometryRow {
        layer,
        epoch: epochs[index],
        group: groups[index].clone(),
        quantity: quantities[index].clone(),
        value: values[index],
        se: errors[index],
    };
    Ok(layers.into_iter().enumerate().map(row).collect())
}

fn read_matrices(root: &Path, steps: &[u64]) -> Result<Vec<MatrixSet>> {
    let cells = Cells::read(&root.join("matrices.csv"), steps)?;
    let mut sets = vec![];
    for (name, directory) in directories(&root.join("matrices"))? {
        let kind = MatrixKind::parse(&name);
        // What chance gives is no similarity; kappa is shown, which it is the base of.
        if kind == MatrixKind::Regions(Similarity::Chance) {
            continue;
        }
        for (group, directory) in directories(&directory)? {
            let mut layers = vec![];
            for (layer, path) in files_with(&directory, "npy")? {
                layers.push(read_matrix(&path, layer, steps.len())?);
            }
            if !layers.is_empty() {
                let estimator = String::new();
                let kind = kind.clone();
                sets.push(MatrixSet { kind, group, estimator, layers });
            }
        }
    }
    // The paper's order: test, then train; cka, then drs, is the alphabet's; the agreement on
    // images goes with the regions.
    sets.sort_by_key(|set| {
        let last = set.kind == MatrixKind::Agreement;
        (last, set.kind.to_string(), group_rank(&set.group))
    });
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

fn read_matrix(path: &Path, layer: String, n_epochs: usize) -> Result<EpochMatrix> {
    let array = read_npy(path)?;
    if array.shape != [n_epochs, n_epochs] {
        return Err(Error::data(path, format!("has the shape {:?}", array.shape))
            .expected(format!("[{n_epochs}, {n_epochs}], the rows of matrices/axis.csv"))
            .fix("run `stratagram analyze` on this run again"));
    }
    let values = array.to_f64();
    let errors = vec![f64::NAN; values.len()];
    Ok(EpochMatrix { layer, values, errors, reasons: BTreeMap::new() })
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
    fn read(path: &Path, steps: &[u64]) -> Result<Self> {
        let Some(table) = Table::read(path)? else { return Ok(Self::default()) };
        let (layers, measures) = (table.texts("layer")?, table.texts("measure")?);
        let (groups, estimators) = (table.texts("group")?, table.texts("estimator")?);
        let (step_i, step_j) = (table.numbers("step_i")?, table.numbers("step_j")?);
        let (se, reasons) = (table.numbers_or_nan("se")?, table.texts("reason")?);
        let row_of: BTreeMap<u64, usize> =
            steps.iter().enumerate().map(|(index, step)| (*step, index)).collect();
        let mut cells = Self::default();
        for index in 0..table.len() {
            let place = |step: f64| row_of.get(&(step as u64)).copied();
            let (Some(i), Some(j)) = (place(step_i[index]), place(step_j[index])) else {
                continue;
            };
            let key =
                (measures[index].clone(), groups[index].clone(), layers[index].clone());
            cells.0.entry(key).or_default().push(Cell {
                at: (i.min(j), i.max(j)),
                estimator: estimators[index].clone(),
                se: se[index],
                reason: reasons[index].clone(),
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
            suffix = estimator.map(|estimator| estimator.name());
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

fn entries(directory: &Path) -> Result<Vec<PathBuf>> {
    let listing = match fs::read_dir(directory) {
        Ok(listing) => listing,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(vec![]),
        Err(error) => return Err(Error::io(directory, "cannot be listed", error)),
    };
    let mut paths = vec![];
    for entry in listing {
        let entry =
            entry.map_err(|error| Error::io(directory, "cannot be listed", error))?;
        paths.push(entry.path());
    }
    paths.sort();
    Ok(paths)
}

fn directories(directory: &Path) -> Result<Vec<(String, PathBuf)>> {
    let paths = entries(directory)?.into_iter().filter(|path| path.is_dir());
    let name = |path: &Path| path.file_name().map(|n| n.to_string_lossy().into_owned());
    Ok(paths.filter_map(|path| Some((name(&path)?, path))).collect())
}

/// Files of an extension with the name before it.
fn files_with(directory: &Path, extension: &str) -> Result<Vec<(String, PathBuf)>> {
    let ending = format!(".{extension}");
    let named = |path: PathBuf| {
        let name = path.file_name()?.to_string_lossy().into_owned();
        // Files still being written have names that start with a dot.
        let stem = name.strip_suffix(&ending).filter(|stem| !stem.starts_with('.'))?;
        Some((stem.to_owned(), path))
    };
    Ok(entries(directory)?.into_iter().filter_map(named).collect())
}
