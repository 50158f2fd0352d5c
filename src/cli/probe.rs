//! `stratagram probe`: a linear probe on any arrays.

use std::path::PathBuf;

use serde_json::json;

use super::output::print_result;
use crate::array_file::npz_bytes;
use crate::error::{Error, Result};
use crate::probe::{FileFit, FileOptions, Recipe, Solver};
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
    /// Divide centered features by their standard deviations, however small; W is penalized in
    /// these units. Features that vary by rounding alone keep scale 1, as with scikit-learn's
    /// `StandardScaler` (`probes.csv` of a run has a floor, see docs/FORMAT.md).
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
    /// Examples per step of `sgd` and `adam`.
    #[arg(long, value_name = "N", default_value_t = 128)]
    batch_size: usize,
    /// Learning rate; default 0.01 with `sgd`, 0.001 with `adam`.
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

pub(super) fn run(arguments: &Arguments) -> Result<()> {
    let options = FileOptions {
        l2: arguments.l2,
        standardize: arguments.standardize,
        solver: arguments.solver()?,
    };
    let fit = FileFit::of(&arguments.file, &options)?;
    if let Some(out) = &arguments.out {
        write_atomic(out, &npz_bytes(&fit.to_arrays()))?;
    }
    if arguments.json {
        let value = json!({
            "objective": fit.fit.objective,
            "iterations": fit.fit.iterations,
            "gradient_norm": fit.fit.gradient_norm,
            "n_floored": fit.n_floored,
            "train_accuracy": fit.train_accuracy,
            "test_accuracy": fit.test_accuracy,
            "predictions": fit.predictions,
        });
        return print_result(&format!("{value}\n"));
    }
    let shown =
        |value: Option<f64>| value.map_or("-".into(), |value| format!("{value:.4}"));
    print_result(&format!(
        "objective       {:.10}\ntrain accuracy  {}\ntest accuracy   {}\n{}",
        fit.fit.objective,
        shown(fit.train_accuracy),
        shown(fit.test_accuracy),
        constant(fit.n_floored)
    ))
}

/// A line that says how many features do not vary, if any.
fn constant(n_features: usize) -> String {
    match n_features {
        0 => String::new(),
        n => format!("constant        {n} features, which keep scale 1\n"),
    }
}
