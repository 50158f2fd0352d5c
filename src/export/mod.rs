//! A run's results in the formats of other tools: one file per format, and [`FORMATS`], which
//! the command line, its help and the documentation iterate.
//!
//! Reads only a run directory (docs/FORMAT.md); the same run gives the same bytes.

mod csv;
mod features;
mod format;
mod npz;
mod parquet;
mod safetensors;
mod source;
mod tensorboard;

use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

pub use format::Format;
pub use source::{Selection, Source};

/// Every format.
pub const FORMATS: &[Format] = &[
    safetensors::FORMAT,
    npz::FORMAT,
    csv::FORMAT,
    parquet::FORMAT,
    tensorboard::FORMAT,
    features::FORMAT,
];

impl Format {
    /// The format of a name.
    pub fn from_name(name: &str) -> Option<Self> {
        FORMATS.iter().find(|format| format.name == name).copied()
    }
}

/// Writes the run or recording in `root` to the folder `out` in a format; returns the paths of
/// the files written.
///
/// # Errors
/// If `root` is not a run, it has nothing of the kind yet, the format makes no use of the
/// selection, `out` is in the run itself, or the operating system refuses.
pub fn export(
    root: &Path,
    format: &Format,
    selection: &Selection,
    out: &Path,
) -> Result<Vec<PathBuf>> {
    check_selection(format, selection)?;
    let source = Source::open(root, selection)?;
    let real = |path: &Path| path.canonicalize().ok();
    if real(out).is_some_and(|out| real(root).is_some_and(|root| out.starts_with(root))) {
        return Err(Error::usage(out.display().to_string(), "is in the run itself")
            .expected("a folder elsewhere")
            .fix("choose one with --out"));
    }
    let written = (format.write)(&source, out)?;
    if written.is_empty() {
        let (what, fix) = if *selection == Selection::default() {
            ("nothing to export yet", crate::shell::verb_on("analyze", root))
        } else {
            ("nothing of that selection", "leave out --layers and --epochs".into())
        };
        return Err(Error::data(root, format!("has {what}"))
            .expected("a run that was trained or analyzed")
            .fix(fix));
    }
    Ok(written)
}

/// Refuses a selection that would be passed over in silence.
fn check_selection(format: &Format, selection: &Selection) -> Result<()> {
    for (option, is_asked, is_taken, takes) in [
        (
            "--layers",
            !selection.layers.is_empty(),
            format.takes_layers,
            (|f: &Format| f.takes_layers) as fn(&Format) -> bool,
        ),
        ("--epochs", !selection.epochs.is_empty(), format.takes_epochs, |f| {
            f.takes_epochs
        }),
    ] {
        if is_asked && !is_taken {
            let others: Vec<&str> = FORMATS
                .iter()
                .filter(|format| takes(format))
                .map(|format| format.name)
                .collect();
            return Err(Error::usage(
                format!("`{option}`"),
                format!("does not apply to {}, which exports all of them", format.name),
            )
            .expected(format!("--to {}", others.join(" or "))));
        }
    }
    Ok(())
}
