//! `stratagram completions SHELL`, and `stratagram man`.

use std::path::PathBuf;

use clap::builder::PossibleValuesParser;
use clap_complete::env::Shells;

use super::output::print_result;
use crate::error::{Error, Result};

/// The environment variable by which a shell asks for completions.
pub(super) const VARIABLE: &str = "COMPLETE";

const SHELLS: [&str; 5] = ["bash", "elvish", "fish", "powershell", "zsh"];

/// Print a script with which the shell completes verbs, flags, runs and layers.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    stratagram completions bash > ~/.local/share/bash-completion/completions/stratagram\n  \
    stratagram completions zsh > ~/.zfunc/_stratagram\n  \
    stratagram completions fish > ~/.config/fish/completions/stratagram.fish")]
pub(super) struct Completions {
    /// The shell.
    #[arg(value_parser = PossibleValuesParser::new(SHELLS))]
    shell: String,
}

/// Print the manual page, or write one for every verb.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    stratagram man > stratagram.1\n  \
    stratagram man --out ~/.local/share/man/man1")]
pub(super) struct Man {
    /// The folder to write all pages to.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

pub(super) fn completions(arguments: &Completions) -> Result<()> {
    let shells = Shells::builtins();
    let shell = shells.completer(&arguments.shell).expect("one of the possible values");
    let mut script = Vec::new();
    let name = "stratagram";
    shell
        .write_registration(VARIABLE, name, name, name, &mut script)
        .map_err(|error| Error::io("stdout".as_ref(), "cannot be written", error))?;
    print_result(&String::from_utf8_lossy(&script))
}

/// The pages of this command.
pub(super) fn man(arguments: &Man, command: clap::Command) -> Result<()> {
    if let Some(out) = &arguments.out {
        let cannot = |error| Error::io(out, "cannot be written", error);
        std::fs::create_dir_all(out).map_err(cannot)?;
        return clap_mangen::generate_to(command, out).map_err(cannot);
    }
    let mut page = Vec::new();
    clap_mangen::Man::new(command)
        .render(&mut page)
        .map_err(|error| Error::io("stdout".as_ref(), "cannot be written", error))?;
    print_result(&String::from_utf8_lossy(&page))
}
