//! The command line: one file per verb, each an argument struct and a `run` that calls the
//! library and prints. Results go to stdout, progress and errors to stderr.
//!
//! More than a dozen files: one per verb, and what verbs share: arguments
//! (`experiment_arguments`, `threads`), closed sets as values of flags (`choices`), what is
//! printed (`output`, `quantities`, `shell`), bars and Ctrl-C (`progress`, `many`).
#![allow(clippy::print_stdout, clippy::print_stderr)]

use std::process::ExitCode;

use clap::{Parser, Subcommand};

mod analyze;
mod choices;
mod compare;
mod data;
mod doctor;
mod dry_run;
mod experiment_arguments;
mod export;
mod findings;
mod import;
mod many;
mod output;
mod phases;
mod planes;
mod probe;
mod progress;
mod quantities;
mod report;
mod run;
mod shell;
mod show;
mod similarity;
mod sweep;
mod threads;
mod train;

use output::print_error;

/// Shows how a deep network's representations evolve over its training.
#[derive(Debug, Parser)]
#[command(
    name = "stratagram",
    version,
    long_version = doctor::long_version(),
    max_term_width = 100
)]
struct Arguments {
    /// Look for data sets in this directory first [default: `STRATAGRAM_DATA`, then the user's
    /// cache].
    #[arg(long, global = true, value_name = "DIR")]
    data: Option<std::path::PathBuf>,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    Run(run::Arguments),
    Sweep(sweep::Arguments),
    Compare(compare::Arguments),
    Train(train::Arguments),
    Analyze(analyze::Arguments),
    Import(import::Arguments),
    Export(export::Arguments),
    Report(report::Arguments),
    Show(show::Arguments),
    Similarity(similarity::Arguments),
    Findings(findings::Arguments),
    Phases(phases::Arguments),
    Probe(probe::Arguments),
    Data(data::Arguments),
    Doctor(doctor::Arguments),
}

/// Parses the process's arguments, runs the verb, and reports its error.
pub fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            // Help and version are results, exit code 0; everything else is usage, 2.
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { 2 } else { 0 });
        }
    };
    if let Some(directory) = &arguments.data {
        crate::data::use_data_directory(directory);
    }
    let outcome = match arguments.verb {
        Verb::Run(arguments) => run::run(&arguments),
        Verb::Analyze(arguments) => analyze::run(&arguments),
        Verb::Export(arguments) => export::run(&arguments),
        Verb::Import(arguments) => import::run(&arguments),
        Verb::Report(arguments) => report::run(&arguments),
        Verb::Compare(arguments) => compare::run(&arguments),
        Verb::Data(arguments) => data::run(&arguments),
        Verb::Doctor(arguments) => doctor::run(&arguments),
        Verb::Findings(arguments) => findings::run(&arguments),
        Verb::Phases(arguments) => phases::run(&arguments),
        Verb::Probe(arguments) => probe::run(&arguments),
        Verb::Similarity(arguments) => similarity::run(&arguments),
        Verb::Sweep(arguments) => sweep::run(&arguments),
        Verb::Show(arguments) => show::run(&arguments),
        Verb::Train(arguments) => train::run(&arguments),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            print_error(&error);
            ExitCode::from(error.exit_code())
        }
    }
}
