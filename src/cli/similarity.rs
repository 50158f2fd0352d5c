//! `stratagram similarity`: the matrix of any saved activations.

use std::cmp::Ordering;
use std::path::{Path, PathBuf};

use clap::builder::{PossibleValuesParser, TypedValueParser};
use serde_json::{Value, json};

use super::print_result;
use crate::array_file::{Array, Values, read_arrays};
use crate::error::{Error, Result};
use crate::similarity::{EpochMatrix, Estimator, Measure, Undefined};

/// Compare saved activations, all pairs.
///
/// Every array of the files is one representation, [examples, …]; what follows the first
/// axis is flattened to features. The rows of all of them are the same examples in the same
/// order. Files are taken in numeric order: epoch-2 before epoch-10.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  stratagram similarity --measure cka activations/epoch-*.npy
  stratagram similarity --measure cka --estimator biased run.npz --json > matrix.json")]
pub(super) struct Arguments {
    /// The measure of similarity.
    #[arg(long, value_parser = measures())]
    measure: Measure,
    /// The estimator of HSIC; only the debiased one is 0 for unrelated representations
    /// whatever their numbers of features.
    #[arg(long, value_parser = estimators(), default_value = "debiased")]
    estimator: Estimator,
    /// Activations: .npy, .npz or .safetensors.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Print the matrix as JSON instead of a table; undefined values are null, with their
    /// reasons.
    #[arg(long)]
    json: bool,
}

fn measures() -> impl TypedValueParser<Value = Measure> {
    let names = Measure::ALL.iter().map(|measure| measure.name());
    let known = |name: String| Measure::from_name(&name).expect("a listed name");
    PossibleValuesParser::new(names).map(known)
}

fn estimators() -> impl TypedValueParser<Value = Estimator> {
    let all = [Estimator::Debiased, Estimator::Biased];
    let known = move |name: String| {
        all.into_iter().find(|estimator| estimator.name() == name).expect("a listed name")
    };
    PossibleValuesParser::new(all.map(Estimator::name)).map(known)
}

/// What one array of a file is reduced to.
struct Item {
    file: PathBuf,
    /// Its name within a file of several.
    member: Option<String>,
    signature: std::result::Result<Vec<f32>, Undefined>,
}

pub(super) fn run(arguments: &Arguments) -> Result<()> {
    let (measure, estimator) = (arguments.measure, arguments.estimator);
    let mut files = arguments.files.clone();
    files.sort_by(|a, b| numeric_order(&a.to_string_lossy(), &b.to_string_lossy()));
    let mut items = Vec::new();
    let mut first = None;
    for file in &files {
        read_items(file, measure, estimator, &mut first, &mut items)?;
    }
    let signatures: Vec<_> = items
        .iter()
        .map(|item| item.signature.as_deref().map_err(|&reason| reason))
        .collect();
    let matrix = measure.matrix(&signatures);
    let labels = labels(&items);
    if arguments.json {
        let n_examples = first.map_or(0, |(_, n)| n);
        let value = to_json(measure, estimator, n_examples, &labels, &matrix);
        print_result(&format!("{value}\n"))
    } else {
        print_result(&to_table(&labels, &matrix))
    }
}

/// Reads a file's arrays and keeps their signatures alone; `first` names the file that
/// decides the number of examples.
fn read_items(
    file: &Path,
    measure: Measure,
    estimator: Estimator,
    first: &mut Option<(String, usize)>,
    items: &mut Vec<Item>,
) -> Result<()> {
    let mut arrays = read_arrays(file)?.0;
    if arrays.is_empty() {
        return Err(Error::data(file, "holds no arrays").expected("at least one"));
    }
    arrays.sort_by(|(a, _), (b, _)| numeric_order(a, b));
    let several = arrays.len() > 1;
    for (name, array) in arrays {
        let place = if several {
            format!("{}:{name}", file.display())
        } else {
            file.display().to_string()
        };
        let (n, p) = examples_and_features(&place, &array)?;
        match first {
            None => *first = Some((place, n)),
            Some((place_of_first, expected)) if n != *expected => {
                return Err(Error::new(
                    crate::ErrorKind::Data,
                    place,
                    format!("holds {n} examples"),
                )
                .expected(format!("{expected}, as in {place_of_first}"))
                .fix("the rows of all arrays are the same examples in the same order"));
            }
            Some(_) => {}
        }
        let signature = match &array.values {
            Values::F32(values) => measure.signature(values, n, p, estimator),
            _ => measure.signature(&array.to_f64(), n, p, estimator),
        };
        let member = several.then_some(name);
        items.push(Item { file: file.to_path_buf(), member, signature });
    }
    Ok(())
}

/// The shape [n, …] as n examples of p features.
fn examples_and_features(place: &str, array: &Array) -> Result<(usize, usize)> {
    let Some((&n, rest)) = array.shape.split_first() else {
        return Err(Error::new(crate::ErrorKind::Data, place, "is a single number")
            .expected("an array [examples, features, …]"));
    };
    Ok((n, rest.iter().product()))
}

/// Compares names with runs of digits as numbers; names of equal numbers by their bytes.
fn numeric_order(a: &str, b: &str) -> Ordering {
    let (mut left, mut right) = (runs(a), runs(b));
    loop {
        let order = match (left.next(), right.next()) {
            (None, None) => return a.cmp(b),
            (x, y) if x.is_none() || y.is_none() => x.is_some().cmp(&y.is_some()),
            (x, y) => compare_runs(x.unwrap_or_default(), y.unwrap_or_default()),
        };
        if order != Ordering::Equal {
            return order;
        }
    }
}

/// Splits into runs of digits and runs of other characters.
fn runs(name: &str) -> impl Iterator<Item = &str> {
    let mut rest = name;
    std::iter::from_fn(move || {
        let digit = rest.chars().next()?.is_ascii_digit();
        let end = rest.find(|c: char| c.is_ascii_digit() != digit).unwrap_or(rest.len());
        let (run, after) = rest.split_at(end);
        rest = after;
        Some(run)
    })
}

fn compare_runs(a: &str, b: &str) -> Ordering {
    let is_number = |run: &str| run.starts_with(|c: char| c.is_ascii_digit());
    if is_number(a) && is_number(b) {
        let (a, b) = (a.trim_start_matches('0'), b.trim_start_matches('0'));
        return a.len().cmp(&b.len()).then_with(|| a.cmp(b));
    }
    a.cmp(b)
}

/// File stems; with the parent directory where stems repeat, whole paths where those do.
fn labels(items: &[Item]) -> Vec<String> {
    let stem =
        |path: &Path| path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let with_parent = |path: &Path| match path.parent().and_then(Path::file_name) {
        Some(parent) => format!("{}/{}", parent.to_string_lossy(), stem(path)),
        None => stem(path),
    };
    let whole = |path: &Path| path.display().to_string();
    let shortest = |name: &dyn Fn(&Path) -> String| -> Option<Vec<String>> {
        let mut names: Vec<(String, &Path)> =
            items.iter().map(|item| (name(&item.file), item.file.as_path())).collect();
        let all = names.iter().map(|(name, _)| name.clone()).collect();
        names.sort();
        names.dedup();
        let unique = names.windows(2).all(|pair| pair[0].0 != pair[1].0);
        unique.then_some(all)
    };
    let files = shortest(&stem)
        .or_else(|| shortest(&with_parent))
        .unwrap_or_else(|| items.iter().map(|item| whole(&item.file)).collect());
    let join = |(file, item): (String, &Item)| match &item.member {
        Some(member) => format!("{file}:{member}"),
        None => file,
    };
    files.into_iter().zip(items).map(join).collect()
}

fn to_json(
    measure: Measure,
    estimator: Estimator,
    n_examples: usize,
    labels: &[String],
    matrix: &EpochMatrix,
) -> Value {
    let rows = |cell: &dyn Fn(usize, usize) -> Value| -> Value {
        let row = |i| (0..matrix.n_epochs).map(|j| cell(i, j)).collect::<Value>();
        (0..matrix.n_epochs).map(row).collect()
    };
    let all_defined = matrix.reasons.iter().all(Option::is_none);
    let reason = |i, j| json!(matrix.reason(i, j).map(|reason| reason.to_string()));
    let se = matrix.se.as_ref();
    json!({
        "measure": measure.name(),
        "estimator": estimator.name(),
        "n_examples": n_examples,
        "labels": labels,
        // serde_json writes NaN as null.
        "values": rows(&|i, j| json!(matrix.value(i, j))),
        "se": se.map(|se| rows(&|i, j| json!(se[i * matrix.n_epochs + j]))),
        "reasons": if all_defined { Value::Null } else { rows(&reason) },
    })
}

/// Rows and columns of labels, and below the table why values are missing.
fn to_table(labels: &[String], matrix: &EpochMatrix) -> String {
    let length = |label: &String| label.chars().count();
    let side = labels.iter().map(length).max().unwrap_or(0);
    let widths: Vec<usize> = labels.iter().map(|label| length(label).max(7)).collect();
    let line = |label: &str, cells: Vec<String>| {
        let cell = |(cell, width): (&String, &usize)| format!("  {cell:>width$}");
        let cells: String = cells.iter().zip(&widths).map(cell).collect();
        format!("{label:<side$}{cells}\n")
    };
    let value = |i, j| match matrix.value(i, j) {
        value if value.is_nan() => "–".to_string(),
        value => format!("{value:.4}"),
    };
    let row = |(i, label): (usize, &String)| {
        line(label, (0..labels.len()).map(|j| value(i, j)).collect())
    };
    let note = |(i, label): (usize, &String)| {
        matrix.reason(i, i).map(|reason| format!("{label} is undefined: {reason}\n"))
    };
    let header = line("", labels.to_vec());
    let rows: String = labels.iter().enumerate().map(row).collect();
    let notes: String = labels.iter().enumerate().filter_map(note).collect();
    header + &rows + &notes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_ordered_as_numbers() {
        let mut names = ["epoch-10", "epoch-2", "epoch-002b", "epoch", "a/9/x", "a/10/x"];
        names.sort_by(|a, b| numeric_order(a, b));
        let expected = ["a/9/x", "a/10/x", "epoch", "epoch-2", "epoch-002b", "epoch-10"];
        assert_eq!(names, expected);
        assert_eq!(numeric_order("x007", "x7"), "x007".cmp("x7"));
        assert_eq!(
            numeric_order("99999999999999999999998", "99999999999999999999999"),
            Ordering::Less
        );
    }

    #[test]
    fn labels_are_the_shortest_unique_names() {
        let labels = |paths: &[(&str, Option<&str>)]| {
            let item = |&(path, member): &(&str, Option<&str>)| Item {
                file: path.into(),
                member: member.map(Into::into),
                signature: Err(Undefined::DeadLayer),
            };
            labels(&paths.iter().map(item).collect::<Vec<_>>())
        };
        assert_eq!(labels(&[("r/a.npy", None), ("s/b.npy", None)]), ["a", "b"]);
        assert_eq!(labels(&[("r/a.npy", None), ("s/a.npy", None)]), ["r/a", "s/a"]);
        assert_eq!(
            labels(&[("r/a.npy", None), ("r/a.npz", None)]),
            ["r/a.npy", "r/a.npz"]
        );
        let members = [("r/a.npz", Some("x")), ("r/a.npz", Some("y"))];
        assert_eq!(labels(&members), ["a:x", "a:y"]);
    }
}
