//! `stratagram import DIR --net KIND`: a folder of another program's checkpoints → a run.

use std::path::{Path, PathBuf};

use super::progress::Terminal;
use crate::data::Data;
use crate::error::{Error, Result};
use crate::experiment::{Experiment, steps_per_epoch};
use crate::import::{Fitting, NameMap, Source, Time, read_fitting, survey};
use crate::observer::Observer;
use crate::planes::image_planes;
use crate::represent;
use crate::run_dir::{ImportedFile, RunDir};
use crate::train::record_imported;

/// How checkpoints become a run.
#[derive(Debug, clap::Args)]
pub(super) struct Checkpoints {
    /// Settings of the run, such as `data.kind=cifar10` and `net.width=64`.
    #[arg(value_name = "KEY=VALUE")]
    words: Vec<String>,
    /// The net that the weights are of: `net.kind`.
    #[arg(long, value_name = "KIND")]
    net: Option<String>,
    /// A table of names, lines of `"theirs.*" = "ours.*"`.
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
    /// Start anew, emptying the run directory first.
    #[arg(long)]
    fresh: bool,
    /// Threads [default: all cores]; the results do not depend on it.
    #[arg(long, value_name = "N")]
    threads: Option<usize>,
}

/// Makes the run directory `out` of a folder of checkpoints, or of one file.
pub(super) fn import_checkpoints(
    path: &Path,
    out: &Path,
    arguments: &Checkpoints,
) -> Result<()> {
    super::use_threads(arguments.threads)?;
    check_epoch(arguments.epoch)?;
    let experiment = arguments.experiment(&[])?;
    let data = Data::load(&experiment)?;
    let net = experiment.net.build(data.train.shape, data.n_classes);
    let names = arguments.names.as_deref().map(NameMap::read).transpose()?;
    let source = Source {
        path,
        key: arguments.key.as_deref(),
        names: names.as_ref(),
        epoch: arguments.epoch,
    };
    let found = survey(&source, (&net, &experiment.net))?;
    let per_epoch = steps_per_epoch(data.noisy.len(), experiment.train.batch_size);
    let found = in_order(found, per_epoch)?;
    let steps: Vec<u64> = found.iter().map(|(step, _)| *step).collect();
    let experiment = arguments.experiment(&records(&steps, per_epoch))?;
    let analysis = &experiment.analysis;
    represent::layers(&net, &analysis.layers, analysis.tokens)?;
    for source in analysis.drs.source.list() {
        image_planes(&experiment, &data, *source)?;
    }
    describe(&found, per_epoch)?;
    if arguments.dry_run {
        return Ok(());
    }
    let run = RunDir::create_or_open(out, &experiment, arguments.fresh)?;
    let files: Vec<ImportedFile> = found.iter().map(imported_file).collect();
    if is_there(&run, &files)? {
        return Ok(());
    }
    let terminal = Terminal::new("stratagram import");
    run.record(|manifest| manifest.imported = Some(files))?;
    let weights = |at: usize| {
        let (weights, _) =
            read_fitting(&found[at].1.path, &source, (&net, &experiment.net))?;
        Ok(weights)
    };
    record_imported(&experiment, &data, &run, (&steps, weights), &terminal)?;
    let out = out.display();
    terminal.note(&format!("next: stratagram analyze {out} && stratagram report {out}"));
    Ok(())
}

impl Checkpoints {
    /// The experiment that the words describe, with `more` settings.
    fn experiment(&self, more: &[String]) -> Result<Experiment> {
        if let Some(stray) = self.words.iter().find(|word| !word.contains('=')) {
            return Err(Error::usage(format!("`{stray}`"), "is a second folder")
                .expected("one folder or file, then settings such as net.width=64"));
        }
        let net = self.net.iter().map(|kind| format!("net.kind={kind}"));
        let words = net.chain(self.words.iter().cloned()).chain(more.iter().cloned());
        let words: Vec<String> = words.collect();
        Experiment::parse("import", "", ".".as_ref(), &words)
    }
}

/// Whether the run holds these checkpoints already.
fn is_there(run: &RunDir, files: &[ImportedFile]) -> Result<bool> {
    if run.checkpoint_dir().exists() {
        let own = run.manifest()?.imported;
        if own.as_deref() == Some(files) && run.state().exists() {
            eprintln!("{} holds these checkpoints already", run.root().display());
            return Ok(true);
        }
        if own.as_deref() != Some(files) {
            let place = run.root().display().to_string();
            return Err(Error::usage(place, "holds other checkpoints")
                .expected("an empty directory, or the run of these")
                .fix("choose another directory with --out, or replace it with --fresh"));
        }
    }
    Ok(false)
}

fn check_epoch(epoch: Option<f64>) -> Result<()> {
    match epoch {
        Some(epoch) if !(0.0..1e9).contains(&epoch) => {
            Err(Error::usage("`--epoch`", format!("is {epoch}"))
                .expected("a number of at least 0"))
        }
        _ => Ok(()),
    }
}

fn imported_file((step, fitting): &(u64, Fitting)) -> ImportedFile {
    let name = fitting.path.file_name().unwrap_or_default().to_string_lossy();
    ImportedFile { file: name.into_owned(), step: *step, sha256: fitting.sha256.clone() }
}

/// The checkpoints with their steps, rising.
fn in_order(found: Vec<Fitting>, per_epoch: u64) -> Result<Vec<(u64, Fitting)>> {
    let step = |time| match time {
        Time::Step(step) => step,
        Time::Epoch(epoch) => (epoch * per_epoch as f64).round() as u64,
    };
    let mut steps: Vec<(u64, Fitting)> =
        found.into_iter().map(|fitting| (step(fitting.time), fitting)).collect();
    steps.sort_by_key(|(step, _)| *step);
    for pair in steps.windows(2) {
        let [(step, one), (next, two)] = pair else { continue };
        if step == next {
            let found = format!("is of step {step}, as is {}", two.path.display());
            return Err(Error::data(&one.path, found)
                .expected("one checkpoint a step")
                .fix("move one of the two away, or import it with --epoch into its own run"));
        }
    }
    Ok(steps)
}

/// The settings that say what the run has.
fn records(steps: &[u64], per_epoch: u64) -> Vec<String> {
    let epochs: Vec<String> = steps
        .iter()
        .map(|step| format!("{:?}", *step as f64 / per_epoch as f64))
        .collect();
    let list = epochs.join(", ");
    let last = steps.last().copied().unwrap_or_default().max(1);
    vec![
        format!("train.steps={last}"),
        format!("train.checkpoints=[{list}]"),
        format!("train.history=[{list}]"),
        "train.save_optimizer=false".into(),
    ]
}

/// A line for each file, and what was done to names.
fn describe(found: &[(u64, Fitting)], per_epoch: u64) -> Result<()> {
    let mut text = format!("{:>10} {:>9}  file\n", "epoch", "step");
    let mut notes: Vec<&str> = vec![];
    for (step, fitting) in found {
        let epoch = *step as f64 / per_epoch as f64;
        text += &format!("{epoch:>10} {step:>9}  {}\n", fitting.path.display());
        for note in &fitting.notes {
            if !notes.contains(&note.as_str()) {
                notes.push(note);
            }
        }
    }
    for note in notes {
        text += &format!("note: {note}\n");
    }
    super::print_result(&text)
}
