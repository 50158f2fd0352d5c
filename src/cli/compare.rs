//! `stratagram compare`: runs against runs, seeds as the unit.

use std::path::{Path, PathBuf};

use clap::ValueEnum;

use super::output::print_result;
use crate::compare::{ComparisonFile, Pairing, compare, compare_by};
use crate::error::{Error, Result};

/// Compare runs over seeds: the statements of a comparison file with their verdicts, or all
/// endpoints of runs grouped by a setting; a page shows them side by side.
#[derive(Debug, clap::Args)]
#[command(after_help = "A comparison file, written before the runs:\n  \
    layers = [\"layer*\"]                 names and globs; absent: all\n  \
    [arms]                              runs that differ in their seed alone\n  \
    sgd = \"runs/sweep/*optimizer-sgd*\"\n  \
    adam = \"runs/sweep/*optimizer-adam*\"\n  \
    [[statements]]\n  \
    id = \"P3\"                           P1 … P8, or an endpoint (exploratory)\n  \
    plus = \"sgd\"\n  \
    minus = \"adam\"\n\n\
    Examples:\n  \
    stratagram compare optimizers.toml --out results/optimizers\n  \
    stratagram compare runs/sweep/* --by optimizer.kind --out results/exploratory")]
pub(super) struct Arguments {
    /// A comparison file, or run directories.
    #[arg(value_name = "FILE.toml|RUN", required = true)]
    paths: Vec<PathBuf>,
    /// Group the runs by the value of this setting, such as optimizer.kind [default: those that
    /// differ in their seeds alone].
    #[arg(long, value_name = "KEY")]
    by: Option<String>,
    /// Pair runs of equal seed, or none [default: by seed where neither net nor data differ].
    #[arg(long, value_name = "KEY")]
    pair_by: Option<PairBy>,
    /// The folder to write to: effects.csv, findings.json, index.html.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
}

/// What pairs runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum PairBy {
    /// Equal seeds.
    Seed,
    /// Nothing: two groups.
    None,
}

pub(super) fn run(arguments: &Arguments) -> Result<()> {
    let results = if let Some(path) = file(&arguments.paths)? {
        refuse_flags(arguments, path)?;
        compare(&ComparisonFile::read(path)?)?
    } else {
        let pairing = arguments.pair_by.map(|pair| match pair {
            PairBy::Seed => Pairing::Seed,
            PairBy::None => Pairing::None,
        });
        compare_by(&arguments.paths, arguments.by.as_deref(), pairing)?
    };
    let mut text = results.lines();
    let mut written = results.write(&arguments.out)?;
    written.push(crate::report::comparison::write(&results, &arguments.out)?);
    for path in written {
        text += &format!("{}\n", path.display());
    }
    print_result(&text)
}

/// The comparison file, if that is what is named.
fn file(paths: &[PathBuf]) -> Result<Option<&Path>> {
    let is_file = |path: &&PathBuf| path.extension().is_some_and(|e| e == "toml");
    match paths.iter().find(is_file) {
        None => Ok(None),
        Some(path) if paths.len() == 1 => Ok(Some(path)),
        Some(path) => {
            Err(Error::usage(path.display().to_string(), "stands beside other paths")
                .expected("one comparison file, or run directories"))
        }
    }
}

/// What a comparison file says is not said again.
fn refuse_flags(arguments: &Arguments, path: &Path) -> Result<()> {
    let flag = if arguments.by.is_some() { "--by" } else { "--pair-by" };
    if arguments.by.is_none() && arguments.pair_by.is_none() {
        return Ok(());
    }
    Err(Error::usage(
        flag,
        format!("does not go with the comparison file {}", path.display()),
    )
    .expected("the arms and `pair` of the file"))
}
