//! `stratagram import DIR --net KIND` and `stratagram import --hf REPO --net KIND`.

use std::path::{Path, PathBuf};

use crate::cli::output::{print_result, say};
use crate::cli::progress::Terminal;
use crate::cli::threads::Threads;
use crate::error::Result;
use crate::import::{self, CheckpointOptions, Import, Place};
use crate::observer::Observer;

/// How checkpoints become a run.
#[derive(Debug, clap::Args)]
pub(super) struct Checkpoints {
    /// Settings of the run, such as `data.kind=cifar10` and `net.width=64`.
    #[arg(value_name = "KEY=VALUE")]
    words: Vec<String>,
    /// The network that the weights belong to: `net.kind`.
    #[arg(long, value_name = "KIND")]
    net: Option<String>,
    /// A table of names, lines of `"theirs.*" = "ours.*"`, or `"criterion.*" = ""` to leave out.
    #[arg(long, value_name = "FILE.toml")]
    names: Option<PathBuf>,
    /// The dictionary of tensors, where a checkpoint has several.
    #[arg(long)]
    key: Option<String>,
    /// The epoch of a single file.
    #[arg(long)]
    epoch: Option<f64>,
    /// Show what would be imported, and stop.
    #[arg(long)]
    dry_run: bool,
    /// Delete the existing run and start over.
    #[arg(long)]
    fresh: bool,
    #[command(flatten)]
    threads: Threads,
}

pub(super) fn run(
    place: Place,
    first: Option<&str>,
    out: &Path,
    arguments: &Checkpoints,
) -> Result<()> {
    arguments.threads.apply()?;
    let net = arguments.net.iter().map(|kind| format!("net.kind={kind}"));
    let words =
        first.into_iter().map(str::to_owned).chain(arguments.words.iter().cloned());
    let options = CheckpointOptions {
        place,
        settings: net.chain(words).collect(),
        names: arguments.names.clone(),
        key: arguments.key.clone(),
        epoch: arguments.epoch,
    };
    let terminal = Terminal::new("stratagram import");
    let checkpoints = import::Checkpoints::find(options, &terminal)?;
    print_result(&describe(&checkpoints))?;
    if arguments.dry_run {
        return Ok(());
    }
    let done = checkpoints.import(out, arguments.fresh, &terminal)?;
    let out = out.display();
    match done {
        Import::There => say(&format!("{out} holds these checkpoints already")),
        Import::Made => terminal
            .note(&format!("next: stratagram analyze {out} && stratagram report {out}")),
    }
    Ok(())
}

/// A line for each file, and what was done to names.
fn describe(checkpoints: &import::Checkpoints) -> String {
    let mut text = format!("{:>10} {:>9}  file\n", "epoch", "step");
    let mut notes: Vec<&str> = vec![];
    for one in &checkpoints.found {
        let (epoch, step) = (one.epoch(checkpoints.per_epoch), one.step);
        let own = one.fitting.path.display().to_string();
        let place = one.fitting.address.as_ref().unwrap_or(&own);
        text += &format!("{epoch:>10} {step:>9}  {place}\n");
        for note in &one.fitting.notes {
            if !notes.contains(&note.as_str()) {
                notes.push(note);
            }
        }
    }
    text + &notes.iter().map(|note| format!("note: {note}\n")).collect::<String>()
}
