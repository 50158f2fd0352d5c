//! Saved activations → a recorded run: `LAYER/epoch-N.npy`, or `epoch-N.npz` with an array per
//! layer.

mod labels;
mod layout;

use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::activations::{Examples, Features, Item, Policy, Reading, check_examples};
use crate::array_file::{Array, NamedArrays, Values, npz_bytes};
use crate::disk;
use crate::error::{Error, Result};
use crate::experiment::ProbeLabels;
use crate::observer::{Observer, Progress};
use crate::run_dir::tables::SampleRow;
use crate::run_dir::{
    Recorded, RecordedGroup, Recording, RunFile, check_name, finish, history_text,
    write_file,
};
use crate::similarity::{Estimator, Measure, Settings, cka};
use layout::{Epoch, Layout, Saved};

/// How saved activations become a run.
#[derive(Debug, Clone)]
pub struct ActivationOptions {
    /// Error curves: `epoch,train_error,test_error`, and what else `history.csv` may hold.
    pub history: Option<PathBuf>,
    /// Names of the examples, one per line, in the order of the rows.
    pub ids: Option<PathBuf>,
    /// True classes of the examples, in the order of the rows, for neural collapse.
    pub labels: Option<PathBuf>,
    /// Their classes as the net was given them, where these are wrong.
    pub noisy_labels: Option<PathBuf>,
    /// What the examples are called, such as `test`.
    pub group: String,
    /// The estimator of CKA.
    pub estimator: Estimator,
    /// What maps and tokens become.
    pub policy: Policy,
}

/// What was imported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ImportedActivations {
    /// Epochs, a row each.
    pub n_epochs: usize,
    /// Layers.
    pub n_layers: usize,
    /// Examples.
    pub n_examples: usize,
}

/// Makes the run directory `out` of the activations in `directory`: a new one, or that of the
/// same import, which is done again. The rows of all arrays are the same examples.
///
/// # Errors
/// If the files are not as above, hold other examples or layers than the first epoch, or `out`
/// holds something else.
pub fn import_activations(
    directory: &Path,
    out: &Path,
    options: &ActivationOptions,
    observer: &dyn Observer,
) -> Result<ImportedActivations> {
    check_name(&options.group)?;
    let layout = Layout::find(directory)?;
    let Layout { layers, epochs, notes } = &layout;
    notes.iter().for_each(|note| observer.note(note));
    let reading = Reading { stacked: false, policy: options.policy, may_stream: false };
    let given = options.ids.as_deref().map(lines).transpose()?;
    let mut recording: Option<Recording> = None;
    let mut first: Option<Vec<String>> = None;
    let is_whole = epochs.iter().all(|one| one.epoch.fract() == 0.0);
    for (at, one) in epochs.iter().enumerate() {
        observer.progress(&Progress {
            stage: "import",
            done: at as u64,
            total: epochs.len() as u64,
            detail: format!("epoch {}", one.epoch),
        });
        let saved = layout.read(one, reading)?;
        let ids = ids(&saved, given.as_deref())?;
        check_same(first.get_or_insert_with(|| ids.clone()), &ids, one)?;
        let target = match &recording {
            Some(recording) => recording,
            None => recording.insert(begin(out, options, layers, &ids)?),
        };
        let part = reduce(one.epoch, &saved, options);
        let step = if is_whole { one.epoch as u64 } else { at as u64 };
        write_file(&target.row(step), &npz_bytes(&part))?;
    }
    finish(out, RunFile::TrainChecksums)?;
    Ok(ImportedActivations {
        n_epochs: epochs.len(),
        n_layers: layers.len(),
        n_examples: first.map_or(0, |ids| ids.len()),
    })
}

/// A recording with its history and the names of the examples.
fn begin(
    out: &Path,
    options: &ActivationOptions,
    layers: &[String],
    ids: &[String],
) -> Result<Recording> {
    let history = options.history.as_deref().map(history_text).transpose()?;
    let recorded = Recorded {
        probes: None,
        answers: None,
        readout: None,
        estimator: options.estimator,
        layers: layers.to_vec(),
        groups: vec![RecordedGroup {
            name: options.group.clone(),
            n_examples: ids.len(),
            ids_sha256: sha256(ids),
        }],
        decisions: None,
    };
    let recording = Recording::begin(out, &recorded, &[("model", "Activations")])?;
    let history = history.unwrap_or_else(|| "step,epoch\n".into());
    recording.write_history(&history)?;
    let row = |(row, id): (usize, &String)| SampleRow {
        group: options.group.clone(),
        row: row as u64,
        id: id.clone(),
    };
    let rows: Vec<SampleRow> = ids.iter().enumerate().map(row).collect();
    recording.run().write_rows(&rows)?;
    write_labels(&recording, options, ids.len())?;
    Ok(recording)
}

/// The classes of the examples, where files give them.
fn write_labels(
    recording: &Recording,
    options: &ActivationOptions,
    n: usize,
) -> Result<()> {
    let mut found = vec![];
    for (kind, file) in [
        (ProbeLabels::Noisy, &options.noisy_labels),
        (ProbeLabels::Clean, &options.labels),
    ] {
        if let Some(file) = file {
            found.push((kind, labels::read(file, n)?));
        }
    }
    if found.is_empty() { Ok(()) } else { recording.write_labels(&options.group, &found) }
}

/// The ids of the examples, checked between the layers.
fn ids(layers: &[Saved], given: Option<&[String]>) -> Result<Vec<String>> {
    let with_given = |saved: &Saved| {
        let own = saved.item.examples.clone();
        let ids = given.map_or(own.ids, |ids| Some(ids.to_vec()));
        Examples { ids, ..own }
    };
    let all: Vec<Examples> = layers.iter().map(with_given).collect();
    check_examples(&all.iter().collect::<Vec<_>>())?;
    let Examples { n, ids, .. } = &all[0];
    Ok(ids.clone().unwrap_or_else(|| (0..*n).map(|row| row.to_string()).collect()))
}

fn check_same(first: &[String], ids: &[String], epoch: &Epoch) -> Result<()> {
    if first == ids {
        return Ok(());
    }
    let found = if first.len() == ids.len() {
        "has other sample ids".into()
    } else {
        format!("holds {} examples", ids.len())
    };
    Err(Error::data(&epoch.files[0], found)
        .expected(format!("the {} examples of the first epoch", first.len()))
        .fix("the rows of all arrays are the same examples in the same order"))
}

/// The row of one epoch.
fn reduce(epoch: f64, layers: &[Saved], options: &ActivationOptions) -> NamedArrays {
    let settings = Settings { estimator: options.estimator, ..Settings::default() };
    let mut part = NamedArrays::default();
    part.push("epoch", Array::f64(&[1], vec![epoch]));
    for Saved { layer, item: Item { examples, features, p } } in layers {
        let (n, p) = (examples.n, *p);
        let reduced = match features {
            Features::F32(x) => cka::reduced(x, n, p, settings.estimator),
            Features::F64(x) => cka::reduced(x, n, p, settings.estimator),
            Features::Stream(_) => unreachable!("files are read whole"),
        };
        let norms = reduced.as_ref().map(|(_, scale)| scale.to_numbers());
        let norms = norms.unwrap_or_else(|_| vec![f64::NAN; n + 1]);
        part.push(
            format!("norms/{}/{layer}", options.group),
            Array::f64(&[n + 1], norms),
        );
        let place = format!("cka/{}/{layer}", options.group);
        let signature = reduced.map(|(signature, _)| signature);
        let row = signature.unwrap_or_else(|reason| {
            let reason = reason.to_string().into_bytes();
            part.push(format!("reason/{place}"), Array::u8(&[reason.len()], reason));
            vec![f32::NAN; Measure::Cka.signature_len(n, p, &settings)]
        });
        part.push(place, Array::new(&[row.len()], Values::F32(row)));
    }
    part
}

fn lines(path: &Path) -> Result<Vec<String>> {
    let text = disk::read_text(path, disk::LIST)?;
    Ok(text.lines().map(str::to_owned).collect())
}

fn sha256(ids: &[String]) -> String {
    let digest = Sha256::digest(ids.join("\n").as_bytes());
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}
