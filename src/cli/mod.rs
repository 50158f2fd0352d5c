//! The command line: one file per verb, each an argument struct and a `run` that calls the
//! library and prints. Results go to stdout, progress and errors to stderr.
//!
//! More than a dozen files: one per verb, and what verbs share: arguments
//! (`experiment_arguments`, `threads`), closed sets as values of flags (`choices`), what is
//! printed (`output`, `table`, `quantities`, `color`), where runs are (`runs`, `complete`), bars and
//! Ctrl-C (`progress`, `pace`, `many`).
#![allow(clippy::print_stdout, clippy::print_stderr)]

use std::io::ErrorKind::BrokenPipe;
use std::process::ExitCode;

use clap::{ColorChoice, CommandFactory, FromArgMatches, Parser, Subcommand};

mod analyze;
mod choices;
mod color;
mod compare;
mod complete;
mod completions;
mod data;
mod doctor;
mod dry_run;
mod engine;
mod experiment_arguments;
mod export;
mod findings;
mod import;
mod ls;
mod many;
mod open;
mod output;
mod pace;
mod phases;
mod planes;
mod probe;
mod progress;
mod quantities;
mod report;
mod run;
mod runs;
mod show;
mod similarity;
mod sweep;
mod sweep_output;
mod table;
mod threads;
mod train;
mod units;
mod watch;

use crate::error::Result;
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
    /// When to color what is printed; `auto` heeds `NO_COLOR` and whether it is a terminal.
    #[arg(long, global = true, value_name = "WHEN", default_value_t = ColorChoice::Auto)]
    color: ColorChoice, // read by `color::asked` before the rest is parsed
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    Run(run::Arguments),
    Sweep(sweep::Arguments),
    Unit(units::Arguments),
    Compare(compare::Arguments),
    Train(train::Arguments),
    Analyze(analyze::Arguments),
    Import(import::Arguments),
    Export(export::Arguments),
    Report(report::Arguments),
    Open(open::Arguments),
    Watch(watch::Arguments),
    Ls(ls::Arguments),
    Show(show::Arguments),
    Similarity(similarity::Arguments),
    Findings(findings::Arguments),
    Phases(phases::Arguments),
    Probe(probe::Arguments),
    Data(data::Arguments),
    Doctor(doctor::Arguments),
    Completions(completions::Completions),
    Man(completions::Man),
}

/// Parses the process's arguments, runs the verb, and reports its error.
pub fn main() -> ExitCode {
    clap_complete::CompleteEnv::with_factory(Arguments::command)
        .var(completions::VARIABLE)
        .complete();
    let choice = color::asked(std::env::args_os());
    color::apply(choice);
    let matches = Arguments::command().color(choice).try_get_matches();
    let arguments = matches.and_then(|matches| Arguments::from_arg_matches(&matches));
    let arguments = match arguments {
        Ok(arguments) => arguments,
        Err(error) => {
            // Help and version are results, exit code 0; everything else is usage, 2.
            let is_lost = error.print().is_err_and(|e| e.kind() != BrokenPipe);
            let code = u8::from(is_lost);
            return ExitCode::from(if error.use_stderr() { 2 } else { code });
        }
    };
    outlive_limits();
    if let Some(directory) = &arguments.data {
        crate::data::use_data_directory(directory);
    }
    match start_threads(&arguments.verb).and_then(|()| arguments.verb.run()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            print_error(&error);
            ExitCode::from(error.exit_code())
        }
    }
}

/// Makes a write beyond the limit on the size of files (`ulimit -f`) an error, as a full disk is;
/// else the system would end the process without a word.
fn outlive_limits() {
    #[cfg(unix)]
    let _ = signal_hook::flag::register(
        signal_hook::consts::SIGXFSZ,
        std::sync::Arc::default(),
    );
}

/// Starts the threads of verbs without `--threads`, so that a machine which has none left is
/// named.
fn start_threads(verb: &Verb) -> Result<()> {
    use Verb::{Compare, Data, Export, Probe, Report, Show};
    match verb {
        Compare(_) | Data(_) | Export(_) | Probe(_) | Report(_) | Show(_) => {
            threads::Threads { threads: None }.apply()
        }
        _ => Ok(()),
    }
}

impl Verb {
    fn run(&self) -> Result<()> {
        match self {
            Self::Run(arguments) => run::run(arguments),
            Self::Analyze(arguments) => analyze::run(arguments),
            Self::Export(arguments) => export::run(arguments),
            Self::Import(arguments) => import::run(arguments),
            Self::Report(arguments) => report::run(arguments),
            Self::Open(arguments) => open::run(arguments),
            Self::Watch(arguments) => watch::run(arguments),
            Self::Ls(arguments) => ls::run(arguments),
            Self::Compare(arguments) => compare::run(arguments),
            Self::Data(arguments) => data::run(arguments),
            Self::Doctor(arguments) => doctor::run(arguments),
            Self::Findings(arguments) => findings::run(arguments),
            Self::Phases(arguments) => phases::run(arguments),
            Self::Probe(arguments) => probe::run(arguments),
            Self::Similarity(arguments) => similarity::run(arguments),
            Self::Sweep(arguments) => sweep::run(arguments),
            Self::Show(arguments) => show::run(arguments),
            Self::Train(arguments) => train::run(arguments),
            Self::Unit(arguments) => units::run(arguments),
            Self::Completions(arguments) => completions::completions(arguments),
            Self::Man(arguments) => completions::man(arguments, Arguments::command()),
        }
    }
}
