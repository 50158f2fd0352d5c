//! `stratagram similarity`: the matrix of any saved activations.

mod outputs;

use std::path::PathBuf;

use serde_json::Value;

use super::choices::{estimators, measures, of_setting};
use super::output::{print_json, print_result};
use super::threads::Threads;
use crate::activations::{self, Comparison, Maps, Options, Policy, Tokens, compare};
use crate::error::Result;
use crate::similarity::{Estimator, Measure, Setting, Settings};
use outputs::Outputs;

/// Compare saved activations, all pairs or one list against another.
///
/// Every array of the files is one representation, [examples, …]; what follows the first
/// axis is flattened to features, unless --features or --tokens say otherwise. The rows of
/// all of them are the same examples in the same order; sample ids are checked where a file
/// has them: an array `ids` in it, or FILE's name with .ids.txt or .ids.npy beside it. Files
/// are taken in numeric order: epoch-2 before epoch-10. A folder stands for the files in it;
/// a folder of folders for one matrix each.
#[derive(Debug, clap::Args)]
#[allow(clippy::struct_excessive_bools)] // flags
#[command(after_help = "\
Examples:
  stratagram similarity --measure cka activations/epoch-*.npy
  stratagram similarity --measure cka activations/ --svg cka.svg --csv cka.csv
  stratagram similarity --measure cka activations/ --findings
  stratagram similarity --measure shape a/*.npy --against b/*.npy --json > matrix.json
  stratagram similarity --measure cka epoch-*.npy --confounder pixels.npy
  stratagram similarity --measure cka --stacked run.npz --drop-dominant 0.01")]
pub(super) struct Arguments {
    /// The measure of similarity.
    #[arg(long, value_parser = measures())]
    measure: Measure,
    #[arg(long, value_parser = estimators(), default_value = "debiased", help = of_setting(
        Setting::Estimator, "The estimator of HSIC; only the unbiased ones are 0 for unrelated \
        representations whatever their numbers of features"))]
    estimator: Estimator,
    /// Examples of a minibatch; a remainder joins the last one.
    #[arg(long, value_name = "B", default_value_t = Estimator::BATCH)]
    batch_size: usize,
    #[arg(long, value_name = "T", default_value_t = 0.5, help = of_setting(
        Setting::Threshold, "Bandwidth, in roots of the median squared distance"))]
    threshold: f64,
    #[arg(long, value_name = "V", default_value_t = 0.99, help = of_setting(
        Setting::Variance, "Fraction of the variance that is kept"))]
    variance: f64,
    #[arg(long, value_name = "K", default_value_t = 10, help = of_setting(
        Setting::Neighbours, "Nearest neighbors of each example"))]
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
    /// Compare what these activations of the same examples, such as the inputs, do not
    /// explain: deconfounded CKA, of the measures with an estimator.
    #[arg(long, value_name = "FILE")]
    confounder: Option<PathBuf>,
    /// Hold this many rows of the Gram matrices at a time, for more examples than fit in memory
    /// (cka; a signature takes 2n² bytes); files are read once for every block.
    #[arg(long, value_name = "ROWS", conflicts_with_all = ["confounder", "drop_dominant"])]
    block: Option<usize>,
    /// Compute values only, without standard errors and noise floor: faster, above all for
    /// procrustes, shape and cca.
    #[arg(long)]
    values_only: bool,
    /// Leave out this fraction of the examples, those of largest norm.
    #[arg(long, value_name = "Q", default_value_t = 0.0)]
    drop_dominant: f64,
    /// Print what the matrices say of a list of saved epochs, whose names end in them
    /// (epoch-12.npy), instead of the matrices: when each layer moves and when it settles; with
    /// --json every number, as findings.json of a run.
    #[arg(long, conflicts_with_all = ["against", "stacked"])]
    findings: bool,
    /// Print the matrix as JSON instead of a table; undefined values are null, with their
    /// reasons.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    outputs: Outputs,
    #[command(flatten)]
    threads: Threads,
}

pub(super) fn run(arguments: &Arguments) -> Result<()> {
    arguments.threads.apply()?;
    let comparisons = compare(&arguments.files, &arguments.options())?;
    arguments.outputs.write(&comparisons)?;
    if arguments.findings {
        let findings = activations::findings(&comparisons)?;
        return if arguments.json {
            print_json(&findings)
        } else {
            print_result(&findings.to_string())
        };
    }
    if arguments.json {
        let values: Vec<Value> = comparisons.iter().map(Comparison::to_json).collect();
        let text = match &values[..] {
            [one] => one.to_string(),
            several => serde_json::json!({ "layers": several }).to_string(),
        };
        return print_result(&(text + "\n"));
    }
    let tables = comparisons.iter().map(|one| match &one.layer {
        Some(layer) => format!("{layer}\n{}", one.to_table()),
        None => one.to_table(),
    });
    print_result(&tables.collect::<Vec<_>>().join("\n"))
}

impl Arguments {
    fn options(&self) -> Options {
        let estimator = match self.estimator {
            Estimator::Minibatch { .. } => Estimator::Minibatch { size: self.batch_size },
            other => other,
        };
        Options {
            measure: self.measure,
            settings: Settings {
                estimator,
                threshold: self.threshold,
                variance: self.variance,
                neighbours: self.neighbours,
                errors: !self.values_only,
            },
            policy: Policy { maps: self.features, side: self.grid, tokens: self.tokens },
            stacked: self.stacked,
            against: self.against.clone(),
            confounder: self.confounder.clone(),
            block: self.block,
            drop_dominant: self.drop_dominant,
            exact: self.findings,
        }
    }
}
