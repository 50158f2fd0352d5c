//! `stratagram export RUN --to FORMAT`: a run's results as files of other tools.

use std::path::PathBuf;

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};

use crate::error::Result;
use crate::export::{FORMATS, Format, Selection, export};

/// Write a run's results as files that other tools open.
#[derive(Debug, clap::Args)]
#[command(after_help = examples())]
pub(super) struct Arguments {
    /// The run directory, or a recording.
    #[arg(add = super::complete::runs())]
    run: PathBuf,
    /// The format.
    #[arg(long, value_name = "FORMAT", value_parser = formats())]
    to: Format,
    /// The folder to write to; files of the same names there are replaced.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Only these layers: names and globs, separated by commas [default: all].
    #[arg(long, add = super::complete::layers(), value_name = "LAYERS", value_delimiter = ',')]
    layers: Vec<String>,
    /// Only these epochs, separated by commas [default: those of all checkpoints].
    #[arg(long, value_name = "EPOCHS", value_delimiter = ',')]
    epochs: Vec<f64>,
}

fn formats() -> impl TypedValueParser<Value = Format> {
    let value = |format: &Format| PossibleValue::new(format.name).help(format.about);
    PossibleValuesParser::new(FORMATS.iter().map(value))
        .map(|name| Format::from_name(&name).expect("one of the possible values"))
}

/// Each format with the line that opens what it writes.
fn examples() -> String {
    let mut text = "Examples, and the line that opens what each writes:".to_owned();
    for Format { name, opened_by, .. } in FORMATS {
        let opened_by = opened_by.replace("OUT", "exported");
        text += &format!(
            "\n  stratagram export runs/quickstart --to {name} --out exported\n    {opened_by}"
        );
    }
    text
}

pub(super) fn run(arguments: &Arguments) -> Result<()> {
    let selection =
        Selection { layers: arguments.layers.clone(), epochs: arguments.epochs.clone() };
    let written = export(&arguments.run, &arguments.to, &selection, &arguments.out)?;
    let lines: Vec<String> =
        written.iter().map(|path| format!("{}\n", path.display())).collect();
    super::output::print_result(&lines.concat())
}
