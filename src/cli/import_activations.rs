//! Saved activations → a recorded run: `LAYER/epoch-N.npy`, or `epoch-N.npz` with an array a
//! layer.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use clap::builder::{PossibleValuesParser, TypedValueParser};
use sha2::{Digest, Sha256};

use super::print_result;
use super::progress::Terminal;
use super::similarity::inputs::{self, Features, Item, Reading};
use super::similarity::policy::{Maps, Policy, Tokens};
use crate::array_file::{Array, NamedArrays, Values, npz_bytes, read_arrays};
use crate::error::{Error, Result};
use crate::observer::{Observer, Progress};
use crate::run_dir::{
    Recorded, RecordedGroup, Recording, check_name, read_curves, write_atomic,
};
use crate::similarity::{Estimator, Measure, Settings};

/// How activations become a run.
#[derive(Debug, clap::Args)]
pub(super) struct Activations {
    /// Error curves: `epoch,train_error,test_error`, and what else history.csv may hold.
    #[arg(long, value_name = "CURVES.csv")]
    history: Option<PathBuf>,
    /// Names of the examples, a line each, in the order of the rows.
    #[arg(long, value_name = "FILE")]
    ids: Option<PathBuf>,
    /// What the examples are called: test, train-clean, ….
    #[arg(long, value_name = "NAME", default_value = "test")]
    group: String,
    /// The estimator of CKA.
    #[arg(long, value_parser = estimators(), default_value = "debiased")]
    estimator: Estimator,
    /// What maps [examples, channels, height, width] become: flatten or average.
    #[arg(long, value_enum, default_value = "flatten")]
    features: Maps,
    /// What tokens [examples, tokens, features] become.
    #[arg(long, value_enum, default_value = "all")]
    tokens: Tokens,
}

fn estimators() -> impl TypedValueParser<Value = Estimator> {
    PossibleValuesParser::new(Estimator::ALL.map(Estimator::name))
        .map(|name| Estimator::from_name(&name).expect("one of the possible values"))
}

/// One epoch: the files that hold its layers.
struct Epoch {
    epoch: f64,
    files: Vec<PathBuf>,
}

/// Makes the run directory `out`: a new one, or that of the same import, which is done anew.
pub(super) fn import_activations(
    directory: &Path,
    out: &Path,
    options: &Activations,
) -> Result<()> {
    check_name(&options.group)?;
    let (layers, epochs) = find(directory)?;
    let terminal = Terminal::new("stratagram import");
    let reading = Reading {
        stacked: false,
        policy: Policy { maps: options.features, side: 2, tokens: options.tokens },
        may_stream: false,
    };
    let given = options.ids.as_deref().map(lines).transpose()?;
    let mut recording: Option<Recording> = None;
    let mut first: Option<Vec<String>> = None;
    let is_whole = epochs.iter().all(|epoch| epoch.epoch.fract() == 0.0);
    for (at, epoch) in epochs.iter().enumerate() {
        terminal.progress(&Progress {
            stage: "import",
            done: at as u64,
            total: epochs.len() as u64,
            detail: format!("epoch {}", epoch.epoch),
        });
        let items = read(epoch, &layers, reading)?;
        let ids = ids(&items, given.as_deref())?;
        check_same(first.get_or_insert_with(|| ids.clone()), &ids, epoch)?;
        let target = match &recording {
            Some(recording) => recording,
            None => recording.insert(begin(out, options, &layers, &ids)?),
        };
        let part = reduce(epoch.epoch, &items, options);
        let step = if is_whole { epoch.epoch as u64 } else { at as u64 };
        write_atomic(&target.row(step), &npz_bytes(&part))?;
    }
    let n = first.map_or(0, |ids| ids.len());
    let out = out.display();
    print_result(&format!(
        "{out}: {} epochs of {} layers on {n} examples\ncontinue with: stratagram analyze {out} \
         && stratagram report {out}\n",
        epochs.len(),
        layers.len()
    ))
}

fn begin(
    out: &Path,
    options: &Activations,
    layers: &[String],
    ids: &[String],
) -> Result<Recording> {
    let history = options.history.as_deref().map(history).transpose()?;
    let recorded = Recorded {
        probes: None,
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
    write_atomic(&recording.run().history(), history.as_bytes())?;
    let path = out.join("sample_ids.csv");
    let mut table = csv::Writer::from_writer(vec![]);
    let header = ["group", "row", "id"].map(str::to_owned);
    let rows = ids.iter().enumerate();
    let rows = rows.map(|(row, id)| [options.group.clone(), row.to_string(), id.clone()]);
    for row in std::iter::once(header).chain(rows) {
        table.write_record(&row).expect("memory can be written");
    }
    write_atomic(&path, &table.into_inner().expect("memory can be written"))?;
    Ok(recording)
}

/// Layers in depth order, and the epochs that all of them have.
fn find(directory: &Path) -> Result<(Vec<String>, Vec<Epoch>)> {
    let folders = inputs::layer_folders(directory)?;
    let mut epochs: BTreeMap<u64, Epoch> = BTreeMap::new();
    let places =
        if folders.is_empty() { vec![directory.to_owned()] } else { folders.clone() };
    for place in &places {
        for file in inputs::files(std::slice::from_ref(place))? {
            let epoch = epoch_of(&file)?;
            // Numbers from 0 on are ordered as their bits are.
            let entry =
                epochs.entry(epoch.to_bits()).or_insert(Epoch { epoch, files: vec![] });
            entry.files.push(file);
        }
    }
    let epochs: Vec<Epoch> = epochs.into_values().collect();
    if let Some(short) = epochs.iter().find(|epoch| epoch.files.len() != places.len()) {
        let found = format!("has {} files of epoch {}", short.files.len(), short.epoch);
        let expected =
            if folders.is_empty() { "one" } else { "one in each layer's folder" };
        return Err(Error::data(directory, found).expected(expected));
    }
    let layers: Vec<String> = if folders.is_empty() {
        read_arrays(&epochs[0].files[0])?
            .names()
            .filter(|name| !inputs::IDS.contains(name))
            .map(str::to_owned)
            .collect()
    } else {
        let name = |folder: &PathBuf| folder.file_name().unwrap_or_default().to_owned();
        folders.iter().map(|f| name(f).to_string_lossy().into_owned()).collect()
    };
    for layer in &layers {
        check_name(layer)
            .map_err(|error| Error::data(directory, format!("has a layer: {error}")))?;
    }
    Ok((layers, epochs))
}

/// The number behind the last `-` or `_` of a file's name.
fn epoch_of(file: &Path) -> Result<f64> {
    let stem = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let number = stem.rsplit(['-', '_']).next().unwrap_or_default();
    let epoch = number.parse().ok().filter(|epoch: &f64| epoch.is_finite());
    epoch.filter(|epoch| *epoch >= 0.0).map(|epoch| epoch + 0.0).ok_or_else(|| {
        Error::data(file, "has no epoch in its name")
            .expected("a name such as epoch-12.npy")
    })
}

/// The layers' activations at one epoch, in the order of `layers`.
fn read(
    epoch: &Epoch,
    layers: &[String],
    reading: Reading,
) -> Result<Vec<(String, Item)>> {
    let mut found = vec![];
    for (at, file) in epoch.files.iter().enumerate() {
        let items = inputs::read(file, reading)?;
        let is_folder = epoch.files.len() > 1 || items.len() == 1 && layers.len() == 1;
        if is_folder && items.len() != 1 {
            return Err(Error::data(file, format!("holds {} arrays", items.len()))
                .expected("one, as it lies in its layer's folder"));
        }
        for item in items {
            let name = item.origin.member.clone().filter(|_| !is_folder);
            found.push((name.unwrap_or_else(|| layers[at].clone()), item));
        }
    }
    let place = |name: &String| layers.iter().position(|layer| layer == name);
    if found.len() != layers.len() || found.iter().any(|(name, _)| place(name).is_none())
    {
        let names: Vec<&str> = found.iter().map(|(name, _)| name.as_str()).collect();
        return Err(Error::data(&epoch.files[0], format!("holds {}", names.join(", ")))
            .expected(format!("the layers of the first epoch: {}", layers.join(", "))));
    }
    found.sort_by_key(|(name, _)| place(name));
    Ok(found)
}

/// The ids of the examples, checked between the layers.
fn ids(items: &[(String, Item)], given: Option<&[String]>) -> Result<Vec<String>> {
    let own =
        |item: &Item| given.map_or_else(|| item.ids.clone(), |ids| Some(ids.to_vec()));
    let all: Vec<_> =
        items.iter().map(|(_, item)| (item.origin.clone(), own(item))).collect();
    inputs::check_examples(&all)?;
    let (origin, ids) = &all[0];
    Ok(ids.clone().unwrap_or_else(|| (0..origin.n).map(|row| row.to_string()).collect()))
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
fn reduce(epoch: f64, items: &[(String, Item)], options: &Activations) -> NamedArrays {
    let settings = Settings { estimator: options.estimator, ..Settings::default() };
    let mut part = NamedArrays::default();
    part.push("epoch", Array::f64(&[1], vec![epoch]));
    for (layer, item) in items {
        let (n, p) = (item.origin.n, item.p);
        let signature = match &item.features {
            Features::F32(x) => Measure::Cka.signature(x, n, p, &settings),
            Features::F64(x) => Measure::Cka.signature(x, n, p, &settings),
            Features::Stream(_) => unreachable!("files are read whole"),
        };
        let place = format!("cka/{}/{layer}", options.group);
        let row = signature.unwrap_or_else(|reason| {
            let reason = reason.to_string().into_bytes();
            part.push(format!("reason/{place}"), Array::u8(&[reason.len()], reason));
            vec![f32::NAN; Measure::Cka.signature_len(n, p, &settings)]
        });
        part.push(place, Array::new(&[row.len()], Values::F32(row)));
    }
    part
}

/// A table of errors in the form of history.csv.
fn history(path: &Path) -> Result<String> {
    let curves = read_curves(path)?;
    let text = fs::read_to_string(path)
        .map_err(|error| Error::io(path, "cannot be read", error))?;
    let header = text.lines().next().unwrap_or_default();
    let has = |name: &str| header.split(',').any(|column| column.trim() == name);
    if has("train_error") && has("test_error") {
        return Ok(text);
    }
    // Accuracies: the page shows errors.
    let number =
        |value: f64| if value.is_nan() { String::new() } else { value.to_string() };
    let rows = curves.epoch().iter().zip(curves.train_error()).zip(curves.test_error());
    let rows = rows.map(|((epoch, train), test)| {
        format!("{epoch},{},{}\n", number(*train), number(*test))
    });
    Ok("epoch,train_error,test_error\n".to_owned() + &rows.collect::<String>())
}

fn lines(path: &Path) -> Result<Vec<String>> {
    let text = fs::read_to_string(path)
        .map_err(|error| Error::io(path, "cannot be read", error))?;
    Ok(text.lines().map(str::to_owned).collect())
}

fn sha256(ids: &[String]) -> String {
    let digest = Sha256::digest(ids.join("\n").as_bytes());
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}
