//! A run at a glance: its settings, curves, phases and layers.

use std::path::Path;

use super::curves;
use super::look::Look;
use crate::error::Result;
use crate::experiment::Length;
use crate::findings::halves::DoubleDescent;
use crate::observer::epoch_label;
use crate::phases::Phases;
use crate::run_dir::{MatrixFile, Recording, RunDir, RunFile, checked, read_findings};

/// The settings, curves, phases and layers of the run or recording in `root`.
///
/// # Errors
/// If the directory holds no run, or a file of it cannot be read.
pub fn overview(root: &Path, look: Look) -> Result<String> {
    match Recording::open(root)? {
        Some(recording) => of_recording(&recording, look),
        None => of_run(&RunDir::open(root)?, look),
    }
}

fn of_run(run: &RunDir, look: Look) -> Result<String> {
    let layers = layer_line(run)?;
    Ok(format!("{}\n\n{}\n{layers}\n", header(run), plot(run, look)?))
}

/// The same of a recording, which may hold no errors.
fn of_recording(recording: &Recording, look: Look) -> Result<String> {
    let (run, recorded) = (recording.run(), recording.recorded());
    let groups: Vec<String> = recorded
        .groups
        .iter()
        .map(|group| format!("{} examples ({})", group.n_examples, group.name))
        .collect();
    let rows = recording.rows()?;
    checked(&run.history())?;
    let curves = match run.curves() {
        Ok(_) => plot(run, look)?,
        Err(error) => format!("no curves: {error}\n"),
    };
    Ok(format!(
        "{}: recorded, {} layers on {}, {} rows to epoch {}\n\n{curves}\n{}\n",
        run.root().display(),
        recorded.layers.len(),
        groups.join(", "),
        rows.len(),
        epoch_label(rows.last().map_or(0.0, |row| row.epoch)),
        layer_line(run)?
    ))
}

/// The curves with their phases; halves of the test images have the last word on them.
fn plot(run: &RunDir, look: Look) -> Result<String> {
    let curves = run.curves()?;
    let phases = Phases::of(&curves);
    let halves = if RunFile::Findings.path(run.root()).is_file() {
        read_findings(run.root())?.double_descent
    } else {
        DoubleDescent::unpaired()
    };
    Ok(format!(
        "{}{}\n{}\n",
        curves::draw(&curves, &phases, look),
        curves::legend(look),
        halves.with_phases(&phases)
    ))
}

fn layer_line(run: &RunDir) -> Result<String> {
    let layers = MatrixFile::layers(run.root())?;
    Ok(if layers.is_empty() {
        "no matrices yet: `stratagram analyze` makes them".into()
    } else {
        format!("layers: {}", layers.join(" "))
    })
}

fn header(run: &RunDir) -> String {
    let experiment = run.experiment();
    let net = experiment.net.describe();
    let images = experiment.data.n_train.map_or("all".into(), |n| n.to_string());
    let most = match experiment.train.length {
        Length::Epochs(epochs) => format!("{epochs} epochs"),
        Length::Steps(steps) => format!("{steps} steps"),
    };
    let length = match experiment.train.until {
        Some(until) => format!("until {until}, at most {most}"),
        None => most,
    };
    format!(
        "{}: {net}, {} ({images} training images), label noise {}, {length}, seed {}",
        run.root().display(),
        experiment.data.kind.set().name,
        experiment.noise.rate,
        experiment.seed
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::terminal::tests::{LOOK, run, with_matrices};

    #[test]
    fn the_overview_tells_settings_phases_and_layers_in_depth_order() {
        let directory = tempfile::tempdir().unwrap();
        let run = with_matrices(&directory.path().join("run"));
        let text = overview(run.root(), LOOK).unwrap();
        assert!(text.lines().next().unwrap().ends_with(
            "run: CNN5 of width 4, digits (1000 training images), label noise 0.2, 400 epochs, \
             seed 0"
        ));
        assert!(text.contains("perfect fit at epoch 2"), "{text}");
        assert!(text.ends_with("layers: relu1 fc output\n"), "{text}");
    }

    #[test]
    fn a_run_without_matrices_says_what_makes_them() {
        let directory = tempfile::tempdir().unwrap();
        let run = run(&directory.path().join("run"));
        let text = overview(run.root(), LOOK).unwrap();
        assert!(text.contains("no matrices yet"), "{text}");
    }
}
