//! `stratagram similarity`: the matrix of any saved activations.

mod inputs;
mod labels;
mod order;
mod output;
mod policy;

use std::path::{Path, PathBuf};

use clap::builder::{PossibleValuesParser, TypedValueParser};
use rayon::prelude::*;
use serde_json::Value;

use super::print_result;
use crate::error::{Error, Result};
use crate::run_dir::write_atomic;
use crate::similarity::{
    Dominance, EpochMatrix, Estimator, Feature, FeatureSignature, MOST_FEATURES, Measure,
    Settings, Undefined, cka, feature_matrix, noise_floor, streamed_signature,
};
use inputs::{Features, Item, Origin, Reading};
use output::Outcome;
use policy::{Maps, Policy, Tokens};

/// Compare saved activations, all pairs or one list against another.
///
/// Every array of the files is one representation, [examples, …]; what follows the first
/// axis is flattened to features, unless --features or --tokens say otherwise. The rows of
/// all of them are the same examples in the same order; sample ids are checked where a file
/// has them: an array `ids` in it, or FILE's name with .ids.txt or .ids.npy beside it. Files
/// are taken in numeric order: epoch-2 before epoch-10. A folder stands for the files in it;
/// a folder of folders for one matrix each.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  stratagram similarity --measure cka activations/epoch-*.npy
  stratagram similarity --measure cka activations/ --svg cka.svg --csv cka.csv
  stratagram similarity --measure shape a/*.npy --against b/*.npy --json > matrix.json
  stratagram similarity --measure cka --stacked run.npz --drop-dominant 0.01")]
pub(super) struct Arguments {
    /// The measure of similarity.
    #[arg(long, value_parser = measures())]
    measure: Measure,
    /// The estimator of HSIC (cka, cka-rbf); only the unbiased ones are 0 for unrelated
    /// representations whatever their numbers of features.
    #[arg(long, value_parser = estimators(), default_value = "debiased")]
    estimator: Estimator,
    /// Examples of a minibatch; a remainder joins the last one.
    #[arg(long, value_name = "B", default_value_t = Estimator::BATCH)]
    batch_size: usize,
    /// Bandwidth of cka-rbf, in roots of the median squared distance.
    #[arg(long, value_name = "T", default_value_t = 0.5)]
    threshold: f64,
    /// Share of the variance that svcca keeps.
    #[arg(long, value_name = "V", default_value_t = 0.99)]
    variance: f64,
    /// Neighbours of mutual-knn.
    #[arg(long, value_name = "K", default_value_t = 10)]
    neighbours: usize,
    /// Activations: .npy, .npz or .safetensors, or folders of them.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Compare FILE with these (columns) instead of with each other.
    #[arg(long, num_args = 1.., value_name = "FILE")]
    against: Vec<PathBuf>,
    /// The first axis of every array counts representations: [epochs, examples, …].
    #[arg(long)]
    stacked: bool,
    /// What maps [examples, channels, height, width] become.
    #[arg(long, value_enum, default_value = "flatten")]
    features: Maps,
    /// Side of the grid of --features grid.
    #[arg(long, value_name = "S", default_value_t = 2)]
    grid: usize,
    /// What tokens [examples, tokens, features] become.
    #[arg(long, value_enum, default_value = "all")]
    tokens: Tokens,
    /// Leave out this fraction of the examples, those of largest norm.
    #[arg(long, value_name = "Q", default_value_t = 0.0)]
    drop_dominant: f64,
    /// Print the matrix as JSON instead of a table; undefined values are null, with their
    /// reasons.
    #[arg(long)]
    json: bool,
    /// Also write row,column,value,se,reason.
    #[arg(long, value_name = "PATH")]
    csv: Option<PathBuf>,
    /// Also write the values as an array.
    #[arg(long, value_name = "PATH")]
    npy: Option<PathBuf>,
    /// Also draw a heatmap.
    #[arg(long, value_name = "PATH")]
    svg: Option<PathBuf>,
    /// Also draw a heatmap, the cells alone.
    #[arg(long, value_name = "PATH")]
    png: Option<PathBuf>,
    /// Threads [default: all cores]; the results do not depend on it.
    #[arg(long, value_name = "N")]
    threads: Option<usize>,
}

fn measures() -> impl TypedValueParser<Value = Measure> {
    let names = Measure::ALL.iter().map(|measure| measure.name());
    let known = |name: String| Measure::from_name(&name).expect("a listed name");
    PossibleValuesParser::new(names).map(known)
}

fn estimators() -> impl TypedValueParser<Value = Estimator> {
    let known = |name: String| Estimator::from_name(&name).expect("a listed name");
    PossibleValuesParser::new(Estimator::ALL.map(Estimator::name)).map(known)
}

pub(super) fn run(arguments: &Arguments) -> Result<()> {
    super::use_threads(arguments.threads)?;
    let settings = arguments.settings()?;
    let mut outcomes = vec![];
    for (layer, files) in arguments.lists()? {
        outcomes.push(compare(arguments, &settings, layer, &files)?);
    }
    arguments.write(&outcomes)?;
    if arguments.json {
        let values: Vec<Value> = outcomes.iter().map(Outcome::to_json).collect();
        let text = match &values[..] {
            [one] => one.to_string(),
            several => serde_json::json!({ "layers": several }).to_string(),
        };
        return print_result(&(text + "\n"));
    }
    let tables = outcomes.iter().map(|outcome| match &outcome.layer {
        Some(layer) => format!("{layer}\n{}", outcome.to_table()),
        None => outcome.to_table(),
    });
    print_result(&tables.collect::<Vec<_>>().join("\n"))
}

impl Arguments {
    /// The settings, checked.
    fn settings(&self) -> Result<Settings> {
        let refuse = |flag: &str, found: String, expected: &str| {
            Err(Error::usage(format!("`{flag}`"), found).expected(expected))
        };
        if self.batch_size < 4 {
            return refuse(
                "--batch-size",
                format!("is {}", self.batch_size),
                "at least 4",
            );
        }
        if self.neighbours == 0 {
            return refuse("--neighbours", "is 0".into(), "at least 1");
        }
        if self.grid == 0 {
            return refuse("--grid", "is 0".into(), "at least 1");
        }
        if !(self.threshold > 0.0 && self.threshold.is_finite()) {
            let found = format!("is {}", self.threshold);
            return refuse("--threshold", found, "a number above 0");
        }
        if !(self.variance > 0.0 && self.variance <= 1.0) {
            let found = format!("is {}", self.variance);
            return refuse("--variance", found, "a number above 0, at most 1");
        }
        if !(0.0..1.0).contains(&self.drop_dominant) {
            let found = format!("is {}", self.drop_dominant);
            return refuse("--drop-dominant", found, "a fraction from 0 to below 1");
        }
        let estimator = match self.estimator {
            Estimator::Minibatch { .. } => Estimator::Minibatch { size: self.batch_size },
            other => other,
        };
        Ok(Settings {
            estimator,
            threshold: self.threshold,
            variance: self.variance,
            neighbours: self.neighbours,
        })
    }

    /// The lists of files to compare: one, or one for each layer of a folder of folders.
    fn lists(&self) -> Result<Vec<(Option<String>, Vec<PathBuf>)>> {
        if let [folder] = &self.files[..]
            && folder.is_dir()
            && self.against.is_empty()
        {
            let layers = inputs::layer_folders(folder)?;
            if !layers.is_empty() {
                let list = |layer: &PathBuf| {
                    let name = layer.file_name().unwrap_or_default().to_string_lossy();
                    let files = inputs::files(std::slice::from_ref(layer))?;
                    Ok((Some(name.into_owned()), files))
                };
                return layers.iter().map(list).collect();
            }
        }
        Ok(vec![(None, inputs::files(&self.files)?)])
    }

    fn reading(&self, settings: &Settings) -> Reading {
        let policy = Policy { maps: self.features, side: self.grid, tokens: self.tokens };
        let batches = matches!(settings.estimator, Estimator::Minibatch { .. });
        Reading {
            stacked: self.stacked,
            policy,
            may_stream: self.measure == Measure::Cka
                && !batches
                && !self.stacked
                && policy.is_flat()
                && self.drop_dominant == 0.0,
        }
    }

    /// Writes the files that were asked for; of several layers each has its name in front.
    fn write(&self, outcomes: &[Outcome]) -> Result<()> {
        let place = |path: &Path, outcome: &Outcome| match &outcome.layer {
            Some(layer) => path.with_file_name(format!(
                "{layer}-{}",
                path.file_name().unwrap_or_default().to_string_lossy()
            )),
            None => path.to_owned(),
        };
        if let Some(path) = &self.csv {
            let table = |(at, outcome): (usize, &Outcome)| outcome.to_csv(at == 0);
            let table: String = outcomes.iter().enumerate().map(table).collect();
            write_atomic(path, table.as_bytes())?;
        }
        for outcome in outcomes {
            if let Some(path) = &self.npy {
                write_atomic(&place(path, outcome), &outcome.to_npy())?;
            }
            if self.svg.is_none() && self.png.is_none() {
                continue;
            }
            let (svg, png) = outcome.figures();
            if let Some(path) = &self.svg {
                write_atomic(&place(path, outcome), svg.as_bytes())?;
            }
            if let Some(path) = &self.png {
                write_atomic(&place(path, outcome), &png)?;
            }
        }
        Ok(())
    }
}

/// With more examples than this, Gram matrices are avoided where there are few features.
const MANY_EXAMPLES: usize = 4096;

/// A representation's signature, and whose it is.
struct Reduced {
    origin: Origin,
    ids: Option<Vec<String>>,
    signature: std::result::Result<Signature, Undefined>,
}

enum Signature {
    Numbers(Vec<f32>),
    /// Linear CKA without a Gram matrix.
    Features(Box<FeatureSignature>),
}

fn compare(
    arguments: &Arguments,
    settings: &Settings,
    layer: Option<String>,
    files: &[PathBuf],
) -> Result<Outcome> {
    let reading = arguments.reading(settings);
    let others = inputs::files(&arguments.against)?;
    let all: Vec<&PathBuf> = files.iter().chain(&others).collect();
    let kept = kept_examples(arguments, reading, &all)?;
    let measure = arguments.measure;
    let reduce = |file: &&PathBuf| -> Result<Vec<Reduced>> {
        let items = inputs::read(file, reading)?;
        items.into_iter().map(|item| reduced(item, &kept, measure, settings)).collect()
    };
    let size = |file: &&PathBuf| std::fs::metadata(file).map_or(0, |data| data.len());
    let per_file: Vec<Result<Vec<Reduced>>> =
        if all.iter().all(|f| size(f) < inputs::LARGE) {
            all.par_iter().map(reduce).collect()
        } else {
            all.iter().map(reduce).collect()
        };
    let mut reduced = vec![];
    let mut n_rows = 0;
    for (at, of_file) in per_file.into_iter().enumerate() {
        let of_file = of_file?;
        n_rows += if at < files.len() { of_file.len() } else { 0 };
        reduced.extend(of_file);
    }
    let examples: Vec<_> =
        reduced.iter().map(|item| (item.origin.clone(), item.ids.clone())).collect();
    inputs::check_examples(&examples)?;
    let n = reduced.first().map_or(0, |item| item.origin.n);
    let origins: Vec<Origin> = reduced.iter().map(|item| item.origin.clone()).collect();
    let mut names = labels::labels(&origins);
    let across = !others.is_empty();
    let signatures: Vec<_> = reduced.into_iter().map(|item| item.signature).collect();
    let split = across.then_some(n_rows);
    let (matrix, floor) = compare_all(&signatures, measure, n, settings, split);
    let columns = across.then(|| names.split_off(n_rows));
    let first = if across { n_rows } else { 0 };
    let (values, se, reasons) = block(&matrix, n_rows, first);
    Ok(Outcome {
        layer,
        measure,
        settings: *settings,
        n_examples: n,
        features: reading.policy.name(),
        n_dropped: kept.map_or(0, |(all, kept)| all - kept.len()),
        rows: names,
        columns,
        values,
        se,
        reasons,
        noise_floor: floor.filter(|floor| !floor.is_nan()),
    })
}

/// The matrix, and its noise floor where there is one. With a split, the signatures before it
/// are compared with the others.
fn compare_all(
    signatures: &[std::result::Result<Signature, Undefined>],
    measure: Measure,
    n: usize,
    settings: &Settings,
    split: Option<usize>,
) -> (EpochMatrix, Option<f64>) {
    let features: Option<Vec<_>> = signatures
        .iter()
        .map(|signature| match signature {
            Ok(Signature::Features(features)) => Some(Ok(&**features)),
            Ok(Signature::Numbers(_)) => None,
            Err(reason) => Some(Err(*reason)),
        })
        .collect();
    if let Some(features) = features
        && features.iter().any(std::result::Result::is_ok)
    {
        return (feature_matrix(&features), None);
    }
    // A list of both kinds: Gram matrices for all.
    let grams: Vec<std::result::Result<std::borrow::Cow<[f32]>, Undefined>> = signatures
        .iter()
        .map(|signature| match signature {
            Ok(Signature::Numbers(numbers)) => Ok(numbers.as_slice().into()),
            Ok(Signature::Features(own)) => {
                let (x, p) = (own.features(), own.n_features());
                cka::signature(x, n, p, settings.estimator).map(Into::into)
            }
            Err(reason) => Err(*reason),
        })
        .collect();
    let grams: Vec<_> =
        grams.iter().map(|gram| gram.as_deref().map_err(|&reason| reason)).collect();
    let floor = (measure.has_estimator() && grams.len() > 1)
        .then(|| noise_floor(&grams, n, settings.estimator));
    let matrix = match split {
        Some(split) => measure.across(&grams, split, n, settings),
        None => measure.matrix(&grams, n, settings),
    };
    (matrix, floor)
}

/// How many examples there are, and those that stay when dominant ones go; `None` if all stay.
fn kept_examples(
    arguments: &Arguments,
    reading: Reading,
    files: &[&PathBuf],
) -> Result<Option<(usize, Vec<usize>)>> {
    if arguments.drop_dominant == 0.0 {
        return Ok(None);
    }
    let mut dominance: Option<(usize, Dominance)> = None;
    let mut examples = vec![];
    for file in files {
        for item in inputs::read(file, reading)? {
            let n = item.origin.n;
            examples.push((item.origin.clone(), None));
            inputs::check_examples(&examples)?;
            let (_, dominance) = dominance.get_or_insert_with(|| (n, Dominance::new(n)));
            item.add_to(dominance);
        }
    }
    Ok(dominance.map(|(n, dominance)| (n, dominance.kept(arguments.drop_dominant))))
}

/// Reads a representation's features, if they are still on disk, and keeps its signature
/// alone.
fn reduced(
    mut item: Item,
    kept: &Option<(usize, Vec<usize>)>,
    measure: Measure,
    settings: &Settings,
) -> Result<Reduced> {
    if let Some((_, rows)) = kept {
        item.keep(rows);
        let chosen = |ids: Vec<String>| {
            rows.iter().filter_map(|at| ids.get(*at).cloned()).collect()
        };
        item.ids = item.ids.map(chosen);
    }
    let (n, p) = (item.origin.n, item.p);
    let signature = match item.features {
        Features::F32(values) => signature(&values, n, p, measure, settings),
        Features::F64(values) => signature(&values, n, p, measure, settings),
        Features::Stream(mut columns) => {
            let signature = streamed_signature(&mut columns, settings.estimator);
            signature
                .map_err(|error| Error::io(&item.origin.file, "cannot be read", error))?
                .map(Signature::Numbers)
        }
    };
    Ok(Reduced { origin: item.origin, ids: item.ids, signature })
}

/// The signature that comparing takes.
fn signature<T: Feature>(
    features: &[T],
    n: usize,
    p: usize,
    measure: Measure,
    settings: &Settings,
) -> std::result::Result<Signature, Undefined> {
    let batches = matches!(settings.estimator, Estimator::Minibatch { .. });
    if measure == Measure::Cka && !batches && n > MANY_EXAMPLES && p <= MOST_FEATURES {
        let signature = FeatureSignature::of(features, n, p, settings.estimator)?;
        return Ok(Signature::Features(Box::new(signature)));
    }
    measure.signature(features, n, p, settings).map(Signature::Numbers)
}

/// Values, errors and reasons of a block of the matrix.
type Block = (Vec<f64>, Option<Vec<f64>>, Vec<Option<String>>);

/// The rows before `n_rows` and the columns from `first` on.
fn block(matrix: &EpochMatrix, n_rows: usize, first: usize) -> Block {
    let n = matrix.n_epochs;
    let cells: Vec<usize> =
        (0..n_rows).flat_map(|i| (first..n).map(move |j| i * n + j)).collect();
    let values = cells.iter().map(|at| matrix.values[*at]).collect();
    let se = matrix.se.as_ref().map(|se| cells.iter().map(|at| se[*at]).collect());
    let reason = |at: &usize| matrix.reasons[*at].map(|reason| reason.to_string());
    (values, se, cells.iter().map(reason).collect())
}
