//! `stratagram import --activations DIR`.

use std::path::{Path, PathBuf};

use crate::activations::{Maps, Policy, Tokens};
use crate::cli::choices::estimators;
use crate::cli::output::print_result;
use crate::cli::progress::Terminal;
use crate::error::Result;
use crate::import::{ActivationOptions, import_activations};
use crate::similarity::Estimator;

/// How activations become a run.
#[derive(Debug, clap::Args)]
pub(super) struct Activations {
    /// Error curves: `epoch,train_error,test_error`, and what else history.csv may hold.
    #[arg(long, value_name = "CURVES.csv")]
    history: Option<PathBuf>,
    /// Names of the examples, one per line, in the order of the rows.
    #[arg(long, value_name = "FILE")]
    ids: Option<PathBuf>,
    /// Classes of the examples, in the order of the rows: .npy, or a number per line; for collapse.csv.
    #[arg(long, value_name = "FILE")]
    labels: Option<PathBuf>,
    /// Their labels as the net was given them, where these are wrong.
    #[arg(long, value_name = "FILE")]
    noisy_labels: Option<PathBuf>,
    /// What the examples are called: test, train-clean, ….
    #[arg(long, value_name = "NAME", default_value = "test")]
    group: String,
    /// The estimator of CKA.
    #[arg(long, value_parser = estimators(), default_value = "debiased")]
    estimator: Estimator,
    /// What maps [examples, channels, height, width] become: flatten or average.
    #[arg(long, value_enum, default_value = "flatten")]
    features: Maps,
    /// What tokens [examples, tokens, features] become.
    #[arg(long, value_enum, default_value = "all")]
    tokens: Tokens,
}

pub(super) fn run(directory: &Path, out: &Path, arguments: &Activations) -> Result<()> {
    let options = ActivationOptions {
        history: arguments.history.clone(),
        ids: arguments.ids.clone(),
        labels: arguments.labels.clone(),
        noisy_labels: arguments.noisy_labels.clone(),
        group: arguments.group.clone(),
        estimator: arguments.estimator,
        policy: Policy {
            maps: arguments.features,
            tokens: arguments.tokens,
            ..Policy::default()
        },
    };
    let terminal = Terminal::new("stratagram import");
    let made = import_activations(directory, out, &options, &terminal)?;
    drop(terminal);
    let out = out.display();
    print_result(&format!(
        "{out}: {} epochs of {} layers on {} examples\n\
         continue with: stratagram analyze {out} && stratagram report {out}\n",
        made.n_epochs, made.n_layers, made.n_examples
    ))
}
