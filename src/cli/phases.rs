//! `stratagram phases`: the detectors on any log of a training run.

use std::fmt::Write;
use std::path::PathBuf;

use serde::Serialize;

use super::open::check_run;
use super::output::{print_json, print_result};
use crate::error::Result;
use crate::findings::halves::{DoubleDescent, Method};
use crate::phases::{Phases, Verdict};
use crate::run_dir::{Curve, LogOptions, RunFile, read_findings, read_log};

/// Find perfect fitting and double descent in the error curves of any training run.
///
/// The log is a table as training tools write it: a run's history.csv, Lightning's or Keras'
/// CSV, an export of Weights and Biases, a spreadsheet's text. Its columns are found by their
/// names: epoch or step, errors or accuracies of training and test (val, valid, eval), as
/// fractions or percentages; step, train_loss, train_error_corrupted and n_test are used where
/// present. What is derived, merged or dropped is said; where several columns may be meant,
/// the options below choose. Of a run that was analyzed, halves of the test images have the
/// last word on double descent.
#[allow(clippy::doc_markdown)] // the text of --help
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  stratagram phases runs/quickstart
  stratagram phases lightning_logs/version_0/metrics.csv --json
  stratagram phases wandb_export.csv --test-accuracy 'run-7 - val_acc'
  stratagram phases --test-error tag_test.csv --train-error tag_train.csv   # TensorBoard")]
pub(super) struct Arguments {
    /// The log, or a run directory; not needed with files of TensorBoard.
    #[arg(value_name = "LOG")]
    log: Option<PathBuf>,
    /// Column with the test error, or file of this one curve (TensorBoard: Step, Value).
    #[arg(long, value_name = "COLUMN|FILE", conflicts_with = "test_accuracy")]
    test_error: Option<String>,
    /// The same with its accuracy.
    #[arg(long, value_name = "COLUMN|FILE")]
    test_accuracy: Option<String>,
    /// Column or file with the training error.
    #[arg(long, value_name = "COLUMN|FILE", conflicts_with = "train_accuracy")]
    train_error: Option<String>,
    /// The same with its accuracy.
    #[arg(long, value_name = "COLUMN|FILE")]
    train_accuracy: Option<String>,
    /// Column or file with the training loss.
    #[arg(long, value_name = "COLUMN|FILE")]
    train_loss: Option<String>,
    /// Column with the epoch or step of a row.
    #[arg(long, value_name = "COLUMN")]
    time: Option<String>,
    /// Make epochs of steps.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    steps_per_epoch: Option<u32>,
    /// Print every number as JSON.
    #[arg(long)]
    json: bool,
}

/// What is printed as JSON: the phases, what was done to read the log, and of a run the verdict
/// that stands.
#[derive(Serialize)]
struct Found<'a> {
    #[serde(flatten)]
    phases: &'a Phases,
    notes: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    last_word: Option<LastWord>,
}

/// The verdict where halves of the test images are measured.
#[derive(Serialize)]
struct LastWord {
    verdict: Verdict,
    method: Method,
    agrees: Option<bool>,
}

pub(super) fn run(arguments: &Arguments) -> Result<()> {
    let run = arguments.log.as_deref().filter(|path| path.is_dir());
    run.map_or(Ok(()), check_run)?;
    let history = run.map(|run| RunFile::History.path(run));
    let log = history.as_deref().or(arguments.log.as_deref());
    let log = read_log(log, &arguments.options())?;
    let phases = Phases::of(&log.curves);
    let measured = run.filter(|run| RunFile::Findings.path(run).is_file());
    let halves = measured.map(read_findings).transpose()?;
    let halves = halves.map(|found| found.double_descent);
    if arguments.json {
        let last_word = halves.and_then(|halves| LastWord::of(&halves, &phases));
        return print_json(&Found { phases: &phases, notes: &log.notes, last_word });
    }
    let halves = halves.unwrap_or_else(DoubleDescent::unpaired);
    let mut text = halves.with_phases(&phases) + "\n";
    for note in &log.notes {
        let _ = writeln!(text, "note: {note}");
    }
    print_result(&text)
}

impl LastWord {
    /// None where halves are not measured.
    fn of(halves: &DoubleDescent, phases: &Phases) -> Option<Self> {
        halves.measured?;
        Some(Self {
            verdict: halves.last_word(phases.double_descent.verdict?),
            method: halves.method,
            agrees: halves.agrees,
        })
    }
}

impl Arguments {
    fn options(&self) -> LogOptions {
        let named = [
            (Curve::TestError, &self.test_error),
            (Curve::TestAccuracy, &self.test_accuracy),
            (Curve::TrainError, &self.train_error),
            (Curve::TrainAccuracy, &self.train_accuracy),
            (Curve::TrainLoss, &self.train_loss),
            (Curve::Time, &self.time),
        ];
        let named =
            named.into_iter().filter_map(|(curve, name)| Some((curve, name.clone()?)));
        LogOptions {
            named: named.collect(),
            steps_per_epoch: self.steps_per_epoch.map(f64::from),
        }
    }
}
