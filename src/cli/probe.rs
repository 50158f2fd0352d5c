//! `stratagram probe`: a linear probe on any arrays.

use std::path::{Path, PathBuf};

use serde_json::json;

use super::print_result;
use crate::array_file::{Array, NamedArrays, npz_bytes, read_npz};
use crate::error::{Error, Result};
use crate::probe::{Design, Fit, FitOptions, Recipe, Solver};
use crate::run_dir::write_atomic;

/// Fit a linear probe on any features.
///
/// FILE holds `X` [examples, …] and the labels `y`, perhaps `X_test` and `y_test`; what
/// follows the first axis is flattened to features, other members are ignored. Minimizes
/// mean log loss + l2/2·‖W‖² (bias free) to its unique optimum, in f64; or fits as
/// `--solver` says.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  stratagram probe features.npz --l2 1e-3
  stratagram probe features.npz --l2 1e-3 --standardize --json > probe.json
  stratagram probe features.npz --l2 1e-3 --solver ridge
  stratagram probe features.npz --l2 1e-4 --solver sgd --lr 0.01 --epochs 300")]
pub(super) struct Arguments {
    /// An .npz file.
    file: PathBuf,
    /// Strength of the penalty, above 0: without one there may be no finite optimum.
    #[arg(long, value_name = "L")]
    l2: f64,
    /// Divide centred features by their standard deviations; W is penalized in these units.
    #[arg(long)]
    standardize: bool,
    /// `logistic`: to the unique optimum; `ridge`: ½·squared error on ±1 targets + l2/2·‖W‖², in closed form (scikit-learn's
    /// `RidgeClassifier` with alpha = l2·examples); `sgd`, `adam`: the log loss over shuffled
    /// batches, for some epochs.
    #[arg(long, value_name = "S", value_enum, default_value_t)]
    solver: Kind,
    /// Epochs of `sgd` and `adam`.
    #[arg(long, value_name = "N", default_value_t = 300)]
    epochs: usize,
    /// Examples a step of `sgd` and `adam`.
    #[arg(long, value_name = "N", default_value_t = 128)]
    batch_size: usize,
    /// Rate; default 0.01 with `sgd`, 0.001 with `adam`.
    #[arg(long, value_name = "X")]
    lr: Option<f64>,
    /// Momentum of `sgd`.
    #[arg(long, value_name = "X", default_value_t = 0.9)]
    momentum: f64,
    /// Seed of the batches.
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    /// Print the result as JSON, with the predictions.
    #[arg(long)]
    json: bool,
    /// Write the probe: an .npz of `weight` [classes, features], `bias` and the labels
    /// `classes`; it applies to features as `X` has them.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// How the probe is fitted.
#[derive(Debug, Clone, Copy, Default, clap::ValueEnum)]
enum Kind {
    #[default]
    Logistic,
    Ridge,
    Sgd,
    Adam,
}

impl Arguments {
    fn solver(&self) -> Result<Solver> {
        let wrong = |name: &str, found: String| {
            Error::usage(format!("`{name}`"), format!("is {found}"))
        };
        if self.batch_size == 0 {
            return Err(wrong("--batch-size", "0".into()).expected("at least 1"));
        }
        let default = if matches!(self.solver, Kind::Adam) { 1e-3 } else { 0.01 };
        let lr = self.lr.unwrap_or(default);
        if !(lr > 0.0 && lr.is_finite()) {
            return Err(wrong("--lr", lr.to_string()).expected("a number above 0"));
        }
        let momentum = self.momentum;
        if !(0.0..1.0).contains(&momentum) {
            return Err(wrong("--momentum", momentum.to_string())
                .expected("a number from 0 to below 1"));
        }
        let Self { epochs, batch_size, seed, .. } = *self;
        let recipe = Recipe { epochs, batch_size, lr, seed };
        Ok(match self.solver {
            Kind::Logistic => Solver::Logistic,
            Kind::Ridge => Solver::Ridge,
            Kind::Sgd => Solver::Sgd { recipe, momentum },
            Kind::Adam => Solver::Adam(recipe),
        })
    }
}

/// Largest gradient entry, for features whose standard deviations are at most 1.
const TOLERANCE: f64 = 1e-9;

pub(super) fn run(arguments: &Arguments) -> Result<()> {
    if !(arguments.l2 > 0.0 && arguments.l2.is_finite()) {
        return Err(Error::usage("`--l2`", format!("is {}", arguments.l2))
            .expected("a number above 0"));
    }
    let input = Input::read(&arguments.file)?;
    let (fit, n_floored) = fit(&input, arguments)?;
    if let Some(out) = &arguments.out {
        let mut arrays = fit.probe.to_arrays();
        let classes = Array::i64(&[input.classes.len()], input.classes.clone());
        arrays.push("classes", classes);
        write_atomic(out, &npz_bytes(&arrays))?;
    }
    let name = |class: u8| input.classes[usize::from(class)];
    let named = |x: &[f64], n: usize| -> Vec<i64> {
        fit.predict(x, n).into_iter().map(name).collect()
    };
    let on_train = named(&input.train.x, input.train.n);
    let on_test = input.test.as_ref().map(|test| named(&test.x, test.n));
    let train_accuracy = accuracy(&on_train, input.train.y.as_deref());
    let test_accuracy = input
        .test
        .as_ref()
        .zip(on_test.as_ref())
        .and_then(|(test, predictions)| accuracy(predictions, test.y.as_deref()));
    if arguments.json {
        let value = json!({
            "objective": fit.objective,
            "iterations": fit.iterations,
            "gradient_norm": fit.gradient_norm,
            "n_floored": n_floored,
            "train_accuracy": train_accuracy,
            "test_accuracy": test_accuracy,
            "predictions": on_test.unwrap_or(on_train),
        });
        return print_result(&format!("{value}\n"));
    }
    let shown =
        |value: Option<f64>| value.map_or("-".into(), |value| format!("{value:.4}"));
    print_result(&format!(
        "objective       {:.10}\ntrain accuracy  {}\ntest accuracy   {}\n",
        fit.objective,
        shown(train_accuracy),
        shown(test_accuracy)
    ))
}

/// Fits, and counts the features that hardly vary; with `logistic` and `ridge` an end before
/// the optimum is an error, not a result.
fn fit(input: &Input, arguments: &Arguments) -> Result<(Fit, usize)> {
    let (n, d) = (input.train.n, input.n_features);
    let solver = arguments.solver()?;
    let prepare = if solver.takes_batches() { Design::unrotated } else { Design::new };
    let design = prepare(&input.train.x, n, d, arguments.standardize)?;
    let tolerance = TOLERANCE * design.largest_deviation().max(1.0);
    let options =
        FitOptions { l2: arguments.l2, tolerance, max_iterations: 10_000, solver };
    let fit = design.fit(&input.labels, input.classes.len(), &options, None);
    if fit.converged {
        return Ok((fit, design.n_floored()));
    }
    let found = format!(
        "ends after {} iterations at a gradient of {:.1e}",
        fit.iterations, fit.gradient_norm
    );
    Err(Error::data(&arguments.file, format!("gives a fit that {found}"))
        .expected(format!("at most {tolerance:.1e}"))
        .fix("use --standardize, or a larger --l2"))
}

/// Features `[n, d]` and, if known, labels.
struct Part {
    n: usize,
    x: Vec<f64>,
    y: Option<Vec<i64>>,
}

/// The file's checked content.
struct Input {
    n_features: usize,
    train: Part,
    test: Option<Part>,
    /// The labels that occur in `y`, rising.
    classes: Vec<i64>,
    /// Index into `classes` of each training example.
    labels: Vec<u8>,
}

impl Input {
    fn read(file: &Path) -> Result<Self> {
        let arrays = read_npz(file)?;
        let missing = |name: &str| {
            Error::data(file, format!("has no member `{name}`"))
                .expected("X, y and perhaps X_test, y_test")
        };
        let (n, n_features, x) =
            features(file, &arrays, "X")?.ok_or_else(|| missing("X"))?;
        let y = labels(file, &arrays, "y", n)?.ok_or_else(|| missing("y"))?;
        let test = match features(file, &arrays, "X_test")? {
            None => None,
            Some((_, d, _)) if d != n_features => {
                return Err(Error::data(file, format!("`X_test` has {d} features"))
                    .expected(format!("{n_features}, as `X`")));
            }
            Some((n, _, x)) => {
                Some(Part { n, x, y: labels(file, &arrays, "y_test", n)? })
            }
        };
        if n < 2 {
            return Err(
                Error::data(file, format!("`X` has {n} examples")).expected("at least 2")
            );
        }
        let mut classes = y.clone();
        classes.sort_unstable();
        classes.dedup();
        if !(2..=256).contains(&classes.len()) {
            return Err(Error::data(file, format!("`y` has {} classes", classes.len()))
                .expected("2 to 256"));
        }
        let index = |label| classes.partition_point(|class| class < label) as u8;
        let labels = y.iter().map(index).collect();
        Ok(Self { n_features, train: Part { n, x, y: Some(y) }, test, classes, labels })
    }
}

/// Examples, features of each, and the values of a member.
type Features = (usize, usize, Vec<f64>);

fn features(file: &Path, arrays: &NamedArrays, name: &str) -> Result<Option<Features>> {
    let Some(array) = arrays.get(name) else { return Ok(None) };
    let wrong = |found: String| Error::data(file, format!("`{name}` {found}"));
    let (n, d) = match array.shape[..] {
        [n, ref rest @ ..] if !rest.is_empty() => (n, rest.iter().product::<usize>()),
        _ => {
            return Err(wrong(format!("has shape {:?}", array.shape))
                .expected("[examples, features]"));
        }
    };
    if n == 0 || d == 0 {
        return Err(wrong(format!("has shape {:?}", array.shape))
            .expected("at least one example and one feature"));
    }
    let values = array.to_f64();
    match values.iter().position(|value| !value.is_finite()) {
        None => Ok(Some((n, d, values))),
        Some(at) => Err(wrong(format!(
            "holds {} at example {}, feature {}",
            values[at],
            at / d,
            at % d
        ))
        .expected("finite numbers")),
    }
}

fn labels(
    file: &Path,
    arrays: &NamedArrays,
    name: &str,
    n: usize,
) -> Result<Option<Vec<i64>>> {
    let Some(array) = arrays.get(name) else { return Ok(None) };
    let wrong = |found: String| Error::data(file, format!("`{name}` {found}"));
    if array.shape != [n] {
        return Err(wrong(format!("has shape {:?}", array.shape))
            .expected(format!("[{n}], one label an example")));
    }
    let values = array.to_i64().ok_or_else(|| {
        wrong("holds a number that is not an integer".into()).expected("labels 0, 1, …")
    })?;
    match values.iter().find(|value| **value < 0) {
        None => Ok(Some(values)),
        Some(value) => {
            Err(wrong(format!("holds the label {value}")).expected("labels from 0 on"))
        }
    }
}

fn accuracy(predictions: &[i64], labels: Option<&[i64]>) -> Option<f64> {
    let labels = labels?;
    let right = predictions.iter().zip(labels).filter(|(a, b)| a == b).count();
    Some(right as f64 / labels.len() as f64)
}
