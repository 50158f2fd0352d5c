//! `stratagram similarity`: the matrix of any saved activations.

mod blocks;
mod compare;
pub(super) mod inputs;
mod labels;
mod order;
mod output;
pub(super) mod policy;

use std::path::{Path, PathBuf};

use clap::builder::{PossibleValuesParser, TypedValueParser};
use serde_json::Value;

use super::print_result;
use crate::error::{Error, Result};
use crate::run_dir::write_atomic;
use crate::similarity::{Estimator, Measure, Settings};
use inputs::Reading;
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
  stratagram similarity --measure cka epoch-*.npy --confounder pixels.npy
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
    /// Compare what these activations of the same examples, such as the inputs, do not
    /// explain: deconfounded CKA (cka, cka-rbf).
    #[arg(long, value_name = "FILE")]
    confounder: Option<PathBuf>,
    /// Hold so many rows of the Gram matrices at a time, for more examples than fit in memory
    /// (cka; a signature takes 2n² bytes); files are read once for every block.
    #[arg(long, value_name = "ROWS", conflicts_with_all = ["confounder", "drop_dominant"])]
    block: Option<usize>,
    /// Work out values alone, without standard errors and noise floor: faster, most so for
    /// procrustes, shape and cca.
    #[arg(long)]
    values_only: bool,
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
    /// Also draw it as pixels.
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
        outcomes.push(compare::compare(arguments, &settings, layer, &files)?);
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
        if self.confounder.is_some() && !self.measure.has_estimator() {
            let found = format!("has no meaning for {}", self.measure.name());
            return refuse("--confounder", found, "cka or cka-rbf");
        }
        let batches = matches!(self.estimator, Estimator::Minibatch { .. });
        if self.block == Some(0) {
            return refuse("--block", "is 0".into(), "at least 1");
        }
        if self.block.is_some() && (self.measure != Measure::Cka || batches) {
            let found = "has no meaning for these signatures".into();
            return refuse("--block", found, "cka, debiased or biased");
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
            errors: !self.values_only,
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
