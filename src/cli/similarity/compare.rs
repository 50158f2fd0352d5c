//! From files to a matrix.

use std::path::PathBuf;

use rayon::prelude::*;

use super::Arguments;
use super::inputs::{self, Features, Item, Origin, Reading};
use super::labels::labels;
use super::output::Outcome;
use crate::error::{Error, Result};
use crate::similarity::{
    Dominance, EpochMatrix, Estimator, Feature, FeatureSignature, MOST_FEATURES, Measure,
    Settings, Undefined, cka, feature_matrix, noise_floor, streamed_signature,
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
    let measure = arguments.measure;
    let reduce = |file: &&PathBuf| -> Result<Vec<Reduced>> {
        let items = inputs::read(file, reading)?;
        items
            .into_iter()
            .map(|item| reduced(item, kept.as_ref(), measure, settings))
            .collect()
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
    let mut names = labels(&origins);
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
    kept: Option<&(usize, Vec<usize>)>,
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
