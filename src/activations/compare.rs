//! From files to a matrix.

use std::borrow::Cow;
use std::path::{Path, PathBuf};

use rayon::prelude::*;

use super::blocks;
use super::comparison::Comparison;
use super::examples::{Examples, check_examples};
use super::files::files;
use super::inputs::{LARGE, Reading, read};
use super::labels::labels;
use super::lists::{Compared, Lists};
use super::options::Options;
use super::reduce::{Kept, Outcome, Reduced, Reduction, Signature, take_out};
use crate::error::Result;
use crate::similarity::{
    Dominance, EpochMatrix, Undefined, cka, exact_cosines, feature_matrix,
    feature_noise_floor,
};

/// Reads the files of one list, and those it is to be compared against, and compares them.
///
/// # Errors
/// As [`super::compare`].
pub(super) fn compare(
    own: &[PathBuf],
    options: &Options,
    layer: Option<String>,
) -> Result<Comparison> {
    let others = files(&options.against)?;
    let all = own.iter().chain(&others).map(PathBuf::as_path).collect();
    let lists = Lists { all, n_first: own.len() };
    let reading = options.reading();
    let kept = kept_examples(options.drop_dominant, reading, &lists.all)?;
    let reduction = Reduction::new(options, kept.as_ref());
    let confounder = match &options.confounder {
        Some(file) => Some(reduction.confounder(file, reading)?),
        None => None,
    };
    let compared = match options.block {
        Some(rows) => blocks::compare(&lists, reading, &options.settings, rows)?,
        None => by_signatures(&lists, options, reduction, confounder.as_ref())?,
    };
    let Compared { examples, n_rows, matrix, floor } = compared;
    let mut names = labels(&examples);
    let across = !others.is_empty();
    let columns = across.then(|| names.split_off(n_rows));
    let cells = cells(matrix.n_epochs, n_rows, if across { n_rows } else { 0 });
    let reason = |at: &usize| matrix.reasons[*at].map(|reason| reason.to_string());
    let of = |values: &Vec<f64>| cells.iter().map(|at| values[*at]).collect();
    Ok(Comparison {
        layer,
        measure: options.measure,
        settings: options.settings,
        n_examples: examples.first().map_or(0, |one| one.n),
        features: options.policy.name(),
        confounder: confounder.map(|item| item.examples.origin.place()),
        n_dropped: kept.map_or(0, |kept| kept.n - kept.rows.len()),
        rows: names,
        columns,
        values: of(&matrix.values),
        se: matrix.se.as_ref().map(of),
        reasons: cells.iter().map(reason).collect(),
        noise_floor: floor.filter(|floor| !floor.is_nan()),
    })
}

/// Places in an n × n matrix of the rows before `n_rows` and the columns from `first` on.
fn cells(n: usize, n_rows: usize, first: usize) -> Vec<usize> {
    (0..n_rows).flat_map(|i| (first..n).map(move |j| i * n + j)).collect()
}

/// The examples that stay when dominant ones go; `None` if all stay.
fn kept_examples(
    fraction: f64,
    reading: Reading,
    files: &[&Path],
) -> Result<Option<Kept>> {
    if fraction == 0.0 {
        return Ok(None);
    }
    let mut dominance: Option<(usize, Dominance)> = None;
    let mut first: Option<Examples> = None;
    for file in files {
        for item in read(file, reading)? {
            let n = item.examples.n;
            // Ids are checked later, when all are known.
            let origin = item.examples.origin.clone();
            let own = Examples { origin, n, ids: None };
            check_examples(&[first.get_or_insert_with(|| own.clone()), &own])?;
            let (_, dominance) = dominance.get_or_insert_with(|| (n, Dominance::new(n)));
            item.add_to(dominance);
        }
    }
    Ok(dominance.map(|(n, dominance)| Kept { n, rows: dominance.kept(fraction) }))
}

/// Reduces every representation to a signature, and compares these.
fn by_signatures(
    lists: &Lists<'_>,
    options: &Options,
    reduction: Reduction<'_>,
    confounder: Option<&Reduced>,
) -> Result<Compared> {
    let per_file = reduce_all(&lists.all, options.reading(), reduction);
    let mut reduced = vec![];
    let mut n_rows = 0;
    for (at, of_file) in per_file.into_iter().enumerate() {
        let of_file = of_file?;
        n_rows += if at < lists.n_first { of_file.len() } else { 0 };
        reduced.extend(of_file);
    }
    let all: Vec<&Examples> =
        reduced.iter().chain(confounder).map(|item| &item.examples).collect();
    check_examples(&all)?;
    let (examples, mut signatures): (Vec<_>, Vec<_>) =
        reduced.into_iter().map(|item| (item.examples, item.signature)).unzip();
    if let Some(Reduced { signature: Ok(Signature::Numbers(own)), .. }) = confounder {
        take_out(own, &mut signatures);
    }
    let n = examples.first().map_or(0, |one: &Examples| one.n);
    let split = (lists.n_first < lists.all.len()).then_some(n_rows);
    let (matrix, floor) = compare_all(&signatures, options, n, split);
    Ok(Compared { examples, n_rows, matrix, floor })
}

/// The signatures of each file: side by side, large files one after the other.
fn reduce_all(
    files: &[&Path],
    reading: Reading,
    reduction: Reduction<'_>,
) -> Vec<Result<Vec<Reduced>>> {
    let reduce = |file: &&Path| -> Result<Vec<Reduced>> {
        let items = read(file, reading)?;
        items.into_iter().map(|item| reduction.of(item)).collect()
    };
    let size = |file: &&Path| std::fs::metadata(file).map_or(0, |data| data.len());
    if files.iter().all(|file| size(file) < LARGE) {
        files.par_iter().map(reduce).collect()
    } else {
        files.iter().map(reduce).collect()
    }
}

/// The matrix, and its noise floor where there is one. With a split, the signatures before it
/// are compared with the others.
fn compare_all(
    signatures: &[Outcome],
    options: &Options,
    n: usize,
    split: Option<usize>,
) -> (EpochMatrix, Option<f64>) {
    let Options { measure, ref settings, .. } = *options;
    let several = settings.errors && signatures.len() > 1;
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
        let floor = several.then(|| feature_noise_floor(&features));
        return (feature_matrix(&features, settings.errors), floor);
    }
    // A list of both kinds: Gram matrices for all.
    let grams: Vec<_> = signatures.iter().map(|own| gram(own, options, n)).collect();
    let grams: Vec<_> =
        grams.iter().map(|gram| gram.as_deref().map_err(|&reason| reason)).collect();
    let floor = several.then(|| measure.noise_floor(&grams, n, settings)).flatten();
    let mut matrix = match split {
        Some(split) => measure.across(&grams, split, n, settings),
        None => measure.matrix(&grams, n, settings),
    };
    if options.exact && measure.has_estimator() {
        matrix.values = exact_cosines(&grams);
    }
    (matrix, floor)
}

/// A signature as numbers, of features their Gram matrix.
fn gram<'a>(
    signature: &'a Outcome,
    options: &Options,
    n: usize,
) -> std::result::Result<Cow<'a, [f32]>, Undefined> {
    match signature {
        Ok(Signature::Numbers(numbers)) => Ok(numbers.as_slice().into()),
        Ok(Signature::Features(own)) => {
            let (x, p) = (own.features(), own.n_features());
            cka::signature(x, n, p, options.settings.estimator).map(Into::into)
        }
        Err(reason) => Err(*reason),
    }
}
