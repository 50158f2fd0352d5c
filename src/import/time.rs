//! When in training a checkpoint was saved: from its file's name, or from what it says itself.

use std::path::{Path, PathBuf};

use super::checkpoint::Checkpoint;
use crate::error::{Error, Result};

/// A point of training.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Time {
    /// Passes over the training set.
    Epoch(f64),
    /// Steps of the optimizer.
    Step(u64),
}

/// Words before a number that say what it counts.
const EPOCHS: [&str; 4] = ["epoch", "epochs", "ep", "e"];
const STEPS: [&str; 7] =
    ["step", "steps", "iter", "iters", "iteration", "it", "globalstep"];
/// Words that say nothing: their number is an epoch.
const NEUTRAL: [&str; 6] = ["model", "ckpt", "checkpoint", "weights", "net", "state"];

/// A number in a name.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Number {
    value: f64,
    /// What the word before it says: epochs, steps, or nothing.
    unit: Unit,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unit {
    Epochs,
    Steps,
    Unsaid,
}

/// The numbers of a file's stem that may be its time. Letters directly before a number are its
/// word, or the letters before a separator; `resnet20` and hashes such as `12fca82f` have none.
fn numbers(stem: &str) -> Vec<Number> {
    let lower = stem.to_ascii_lowercase();
    let mut found = vec![];
    let mut last_word = "";
    for token in lower.split(|c: char| !(c.is_ascii_alphanumeric() || c == '.')) {
        let digits = token.find(|c: char| c.is_ascii_digit()).unwrap_or(token.len());
        let (word, number) = token.split_at(digits);
        let word = word.trim_matches('.');
        let said = if word.is_empty() { last_word } else { word };
        let unit = match said {
            _ if EPOCHS.contains(&said) => Unit::Epochs,
            _ if STEPS.contains(&said) => Unit::Steps,
            _ => Unit::Unsaid,
        };
        let counts = unit != Unit::Unsaid || word.is_empty() || NEUTRAL.contains(&word);
        if let (true, Ok(value)) = (counts && !number.is_empty(), number.parse::<f64>()) {
            found.push(Number { value, unit });
            last_word = "";
        } else {
            last_word = if number.is_empty() { word } else { "" };
        }
    }
    found
}

/// When each of `files` was saved, from the names alone; nothing where a name has no number.
///
/// A step goes before an epoch; of several numbers without a word the one that differs between
/// the files counts.
///
/// # Errors
/// If a name can be read in two ways.
pub(super) fn from_names(files: &[PathBuf]) -> Result<Vec<Option<Time>>> {
    let all: Vec<Vec<Number>> = files
        .iter()
        .map(|file| numbers(&file.file_stem().unwrap_or_default().to_string_lossy()))
        .collect();
    // Numbers at the same place of all names, such as a width.
    let same = |at: usize| {
        files.len() > 1 && all.iter().all(|own| own.get(at) == all[0].get(at))
    };
    let time = |(file, own): (&PathBuf, &Vec<Number>)| {
        let of = |unit: Unit| own.iter().filter(move |n| n.unit == unit);
        if let Some(step) = of(Unit::Steps).next()
            && step.value.fract() == 0.0
        {
            return Ok(Some(Time::Step(step.value as u64)));
        }
        if let Some(epoch) = of(Unit::Epochs).next() {
            return Ok(Some(Time::Epoch(epoch.value)));
        }
        let free = own.iter().enumerate().filter(|(at, _)| own.len() == 1 || !same(*at));
        let free: Vec<f64> = free.map(|(_, number)| number.value).collect();
        match free[..] {
            [] => Ok(None),
            [one] => Ok(Some(Time::Epoch(one))),
            [first, second, ..] => {
                let found = format!("may be of {first} or of {second}");
                Err(Error::data(file, found)
                    .expected("a name that says which number is the epoch or the step")
                    .fix("name the files epoch-12.pt or step-000336.pt"))
            }
        }
    };
    files.iter().zip(&all).map(time).collect()
}

/// The time of one checkpoint: that of its name, else what it says itself.
///
/// # Errors
/// If neither says it.
pub(super) fn of(
    path: &Path,
    from_name: Option<Time>,
    checkpoint: &Checkpoint,
) -> Result<Time> {
    let own = checkpoint.epoch.map(Time::Epoch);
    let own = own.or_else(|| checkpoint.step.map(Time::Step));
    from_name.or(own).ok_or_else(|| {
        Error::data(path, "does not say when in training it was saved")
            .expected(
                "an epoch or a step in the file's name, or as `epoch` beside the weights",
            )
            .fix("rename it, such as epoch-12.pt or step-000336.pt; one file: --epoch 12")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn times(names: &[&str]) -> Vec<Option<Time>> {
        from_names(&names.iter().map(PathBuf::from).collect::<Vec<_>>()).unwrap()
    }

    #[test]
    fn names_say_epochs_or_steps() {
        let epoch = |x| Some(Time::Epoch(x));
        for (name, time) in [
            ("epoch-12.pt", epoch(12.0)),
            ("ckpt_e012.pth", epoch(12.0)),
            ("epoch=3-step=500.ckpt", Some(Time::Step(500))),
            ("step-000336.safetensors", Some(Time::Step(336))),
            ("12.pt", epoch(12.0)),
            ("model12.pt", epoch(12.0)),
            ("epoch_0.5.pt", epoch(0.5)),
            ("resnet20_ep7.pt", epoch(7.0)),
            ("checkpoint.pt", None),
            ("resnet20-12fca82f.th", None),
            ("resnet20.safetensors", None),
        ] {
            assert_eq!(times(&[name]), [time], "{name}");
        }
    }

    #[test]
    fn the_number_that_differs_counts() {
        let found = times(&["run-18-1.pt", "run-18-2.pt"]);
        assert_eq!(found, [Some(Time::Epoch(1.0)), Some(Time::Epoch(2.0))]);
        let two: Vec<PathBuf> = vec!["a-1-2.pt".into(), "a-2-3.pt".into()];
        let error = from_names(&two).unwrap_err().to_string();
        assert!(error.contains("may be of 1 or of 2"), "{error}");
    }
}
