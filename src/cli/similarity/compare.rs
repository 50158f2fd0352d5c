//! From files to a matrix.

use std::path::{Path, PathBuf};

use rayon::prelude::*;

use super::Arguments;
use super::blocks;
use super::inputs::{self, Features, Item, Origin, Reading};
use super::labels::labels;
use super::output::Outcome;
use crate::error::{Error, Result};
use crate::similarity::{
    Dominance, EpochMatrix, Estimator, Feature, FeatureSignature, MOST_FEATURES, Measure,
    Settings, Undefined, cka, feature_matrix, feature_noise_floor, noise_floor,
    streamed_signature, without,
};

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

/// A matrix over the representations of some files.
pub(super) struct Compared {
    pub(super) origins: Vec<Origin>,
    /// How many of them are of the first list.
    pub(super) n_rows: usize,
    pub(super) matrix: EpochMatrix,
    pub(super) floor: Option<f64>,
}

/// Reads the files of one list, and those it is to be compared against, and compares them.
pub(super) fn compare(
    arguments: &Arguments,
    settings: &Settings,
    layer: Option<String>,
    files: &[PathBuf],
) -> Result<Outcome> {
    let reading = arguments.reading(settings);
    let others = inputs::files(&arguments.against)?;
    let all: Vec<&PathBuf> = files.iter().chain(&others).collect();
    let kept = kept_examples(arguments, reading, &all)?;
    let reduction = Reduction {
        measure: arguments.measure,
        settings,
        // What is left of a Gram matrix has no features.
        whole: arguments.confounder.is_some(),
        kept: kept.as_ref(),
    };
    let confounder = arguments
        .confounder
        .as_deref()
        .map(|file| reduction.confounder(file, reading))
        .transpose()?;
    let lists = (&all[..], files.len());
    let Compared { origins, n_rows, matrix, floor } = match arguments.block {
        Some(rows) => blocks::compare(lists, reading, settings, rows)?,
        None => by_signatures(lists, reading, reduction, confounder.as_ref())?,
    };
    let mut names = labels(&origins);
    let across = !others.is_empty();
    let columns = across.then(|| names.split_off(n_rows));
    let first = if across { n_rows } else { 0 };
    let (values, se, reasons) = block(&matrix, n_rows, first);
    Ok(Outcome {
        layer,
        measure: arguments.measure,
        settings: *settings,
        n_examples: origins.first().map_or(0, |origin| origin.n),
        features: reading.policy.name(),
        confounder: confounder.map(|item| item.origin.place()),
        n_dropped: kept.map_or(0, |(all, kept)| all - kept.len()),
        rows: names,
        columns,
        values,
        se,
        reasons,
        noise_floor: floor.filter(|floor| !floor.is_nan()),
    })
}

/// Reduces every representation to a signature, and compares these. Of the files the first
/// so many are one list, which is compared with the rest if there is one.
fn by_signatures(
    (files, n_first): (&[&PathBuf], usize),
    reading: Reading,
    reduction: Reduction<'_>,
    confounder: Option<&Reduced>,
) -> Result<Compared> {
    let reduce = |file: &&PathBuf| -> Result<Vec<Reduced>> {
        let items = inputs::read(file, reading)?;
        items.into_iter().map(|item| reduction.of(item)).collect()
    };
    let size = |file: &&PathBuf| std::fs::metadata(file).map_or(0, |data| data.len());
    let per_file: Vec<Result<Vec<Reduced>>> =
        if files.iter().all(|f| size(f) < inputs::LARGE) {
            files.par_iter().map(reduce).collect()
        } else {
            files.iter().map(reduce).collect()
        };
    let mut reduced = vec![];
    let mut n_rows = 0;
    for (at, of_file) in per_file.into_iter().enumerate() {
        let of_file = of_file?;
        n_rows += if at < n_first { of_file.len() } else { 0 };
        reduced.extend(of_file);
    }
    let examples: Vec<_> = reduced
        .iter()
        .chain(confounder)
        .map(|item| (item.origin.clone(), item.ids.clone()))
        .collect();
    inputs::check_examples(&examples)?;
    let n = reduced.first().map_or(0, |item| item.origin.n);
    let (origins, mut signatures): (Vec<_>, Vec<_>) =
        reduced.into_iter().map(|item| (item.origin, item.signature)).unzip();
    if let Some(Reduced { signature: Ok(Signature::Numbers(own)), .. }) = confounder {
        take_out(own, &mut signatures);
    }
    let split = (n_first < files.len()).then_some(n_rows);
    let Reduction { measure, settings, .. } = reduction;
    let (matrix, floor) = compare_all(&signatures, measure, n, settings, split);
    Ok(Compared { origins, n_rows, matrix, floor })
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
        let floor = (settings.errors && features.len() > 1)
            .then(|| feature_noise_floor(&features));
        return (feature_matrix(&features, settings.errors), floor);
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
    let floor = (settings.errors && measure.has_estimator() && grams.len() > 1)
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

/// How a representation becomes a signature.
#[derive(Clone, Copy)]
struct Reduction<'a> {
    measure: Measure,
    settings: &'a Settings,
    /// Gram matrices, however many examples there are.
    whole: bool,
    /// The number of examples, and those that stay.
    kept: Option<&'a (usize, Vec<usize>)>,
}

impl Reduction<'_> {
    /// Reads a representation's features, if they are still on disk, and keeps its signature
    /// alone.
    fn of(self, mut item: Item) -> Result<Reduced> {
        if let Some((_, rows)) = self.kept {
            item.keep(rows);
            let chosen = |ids: Vec<String>| {
                rows.iter().filter_map(|at| ids.get(*at).cloned()).collect()
            };
            item.ids = item.ids.map(chosen);
        }
        let (n, p) = (item.origin.n, item.p);
        let signature = match item.features {
            Features::F32(values) => self.signature(&values, n, p),
            Features::F64(values) => self.signature(&values, n, p),
            Features::Stream(mut columns) => {
                let signature = streamed_signature(&mut columns, self.settings.estimator);
                signature
                    .map_err(|error| {
                        Error::io(&item.origin.file, "cannot be read", error)
                    })?
                    .map(Signature::Numbers)
            }
        };
        Ok(Reduced { origin: item.origin, ids: item.ids, signature })
    }

    /// The signature that comparing takes.
    fn signature<T: Feature>(
        self,
        features: &[T],
        n: usize,
        p: usize,
    ) -> std::result::Result<Signature, Undefined> {
        let Self { measure, settings, whole, .. } = self;
        let batches = matches!(settings.estimator, Estimator::Minibatch { .. });
        let few = !batches && !whole && p <= MOST_FEATURES;
        if measure == Measure::Cka && few && n > MANY_EXAMPLES {
            let signature = FeatureSignature::of(features, n, p, settings.estimator)?;
            return Ok(Signature::Features(Box::new(signature)));
        }
        measure.signature(features, n, p, settings).map(Signature::Numbers)
    }

    /// The one representation of the confounder's file.
    fn confounder(self, file: &Path, reading: Reading) -> Result<Reduced> {
        let mut items = inputs::read(file, reading)?;
        let (Some(item), None) = (items.pop(), items.pop()) else {
            return Err(Error::data(file, "holds several arrays")
                .expected("one, the confounder of all representations"));
        };
        let reduced = self.of(item)?;
        if let Err(reason) = reduced.signature {
            return Err(Error::data(file, format!("explains nothing: {reason}"))
                .expected("activations that vary over the examples"));
        }
        Ok(reduced)
    }
}

/// Leaves in each signature what the confounder does not explain.
fn take_out(
    confounder: &[f32],
    signatures: &mut [std::result::Result<Signature, Undefined>],
) {
    signatures.par_iter_mut().for_each(|signature| {
        if let Ok(Signature::Numbers(own)) = signature {
            *signature = without(own, confounder).map(Signature::Numbers);
        }
    });
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
