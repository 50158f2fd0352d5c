//! When in training a file was saved: from its name, or from what it says itself. The one parser
//! of times, for checkpoints and for activations.

use std::path::{Path, PathBuf};

use super::checkpoint::Beside;
use crate::array_file::printable;
use crate::error::{Error, Result};

/// A point of training.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Time {
    /// Passes over the training set.
    Epoch(f64),
    /// Steps of the optimizer.
    Step(u64),
}

/// A time that a name says.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Named {
    pub(super) time: Time,
    /// Whether a word says what the number counts.
    pub(super) is_said: bool,
}

/// Words before a number that say what it counts.
const EPOCHS: [&str; 4] = ["epoch", "epochs", "ep", "e"];
const STEPS: [&str; 8] =
    ["step", "steps", "iter", "iters", "iteration", "iterations", "it", "globalstep"];
/// Words that say nothing: their number is an epoch.
const NEUTRAL: [&str; 6] = ["model", "ckpt", "checkpoint", "weights", "net", "state"];
/// Words whose number is something else.
const OTHERS: [&str; 32] = [
    "best", "last", "final", "acc", "accuracy", "top", "loss", "val", "valid", "test",
    "train", "err", "error", "auc", "f1", "map", "iou", "miou", "psnr", "score",
    "metric", "lr", "wd", "seed", "width", "fold", "rank", "bs", "batch", "size", "v",
    "version",
];
/// Words of files that are of no time of their own.
const CHOSEN: [&str; 4] = ["best", "last", "final", "latest"];
/// Endings behind which a name ends.
const ENDINGS: [&str; 8] =
    [".safetensors", ".index.json", ".pth", ".pt", ".ckpt", ".bin", ".npy", ".npz"];

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

/// A file's name without its extensions, in small letters.
fn stem(file: &Path) -> String {
    let name =
        file.file_name().unwrap_or_default().to_string_lossy().to_ascii_lowercase();
    let mut stem = name.strip_suffix(".tar").unwrap_or(&name);
    stem = stem.strip_suffix(".th").unwrap_or(stem);
    ENDINGS.iter().find_map(|ending| stem.strip_suffix(ending)).unwrap_or(stem).to_owned()
}

fn tokens(stem: &str) -> impl Iterator<Item = &str> {
    stem.split(|c: char| !(c.is_ascii_alphanumeric() || c == '.'))
}

/// Whether a name says that its file is the best or the last of a training, so that it may be
/// of the same time as another.
pub(super) fn is_chosen(file: &Path) -> bool {
    tokens(&stem(file)).any(|token| CHOSEN.contains(&token))
}

/// The numbers of a name that may be its time. Letters directly before a number are its
/// word, or the letters before a separator; `resnet20` and hashes such as `12fca82f` have none.
fn numbers(stem: &str) -> Vec<Number> {
    let mut found = vec![];
    let mut last_word = "";
    for token in tokens(stem) {
        let digits = token.find(|c: char| c.is_ascii_digit()).unwrap_or(token.len());
        let (word, number) = token.split_at(digits);
        let word = word.trim_matches('.');
        let said = if word.is_empty() { last_word } else { word };
        let unit = match said {
            _ if EPOCHS.contains(&said) => Unit::Epochs,
            _ if STEPS.contains(&said) => Unit::Steps,
            _ => Unit::Unsaid,
        };
        let is_number = number.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
        // A bare fraction is a measurement, unless it is the whole name.
        let may_count = is_number && (!number.contains('.') || token == stem);
        let is_free =
            (word.is_empty() || NEUTRAL.contains(&word)) && !OTHERS.contains(&said);
        let counts = unit != Unit::Unsaid && is_number || is_free && may_count;
        if let (true, Ok(value)) = (counts && !number.is_empty(), number.parse::<f64>()) {
            found.push(Number { value, unit });
            last_word = "";
        } else {
            last_word = if number.is_empty() { word } else { "" };
        }
    }
    found
}

/// When each of `files` was saved, from the names alone, or of a single one the `epoch` that the
/// user gives.
///
/// # Errors
/// If an epoch is given for several, or as [`from_names`].
pub(super) fn of_names(
    files: &[PathBuf],
    epoch: Option<f64>,
) -> Result<Vec<Option<Named>>> {
    match epoch {
        None => from_names(files),
        Some(epoch) if files.len() == 1 => {
            Ok(vec![Some(Named { time: Time::Epoch(epoch), is_said: true })])
        }
        Some(_) => {
            let found = format!("is for {} checkpoints", files.len());
            Err(Error::usage("`--epoch`", found).expected("one checkpoint"))
        }
    }
}

/// When each of `files` was saved, from the names alone; nothing where a name has no number.
///
/// A step goes before an epoch; of several numbers without a word the one that differs between
/// the files counts.
///
/// # Errors
/// If a name can be read in two ways.
pub(super) fn from_names(files: &[PathBuf]) -> Result<Vec<Option<Named>>> {
    let all: Vec<Vec<Number>> = files.iter().map(|file| numbers(&stem(file))).collect();
    // Numbers at the same place of all names, such as a width.
    let same = |at: usize| {
        files.len() > 1 && all.iter().all(|own| own.get(at) == all[0].get(at))
    };
    let time = |(file, own): (&PathBuf, &Vec<Number>)| {
        let of = |unit: Unit| own.iter().filter(move |n| n.unit == unit);
        if let Some(step) = of(Unit::Steps).next()
            && step.value.fract() == 0.0
        {
            return Ok(Some(Named {
                time: Time::Step(step.value as u64),
                is_said: true,
            }));
        }
        if let Some(epoch) = of(Unit::Epochs).next() {
            return Ok(Some(Named { time: Time::Epoch(epoch.value), is_said: true }));
        }
        let free = own.iter().enumerate().filter(|(at, _)| own.len() == 1 || !same(*at));
        let free: Vec<f64> = free.map(|(_, number)| number.value).collect();
        match free[..] {
            [] => Ok(None),
            [one] => Ok(Some(Named { time: Time::Epoch(one), is_said: false })),
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

/// The time of one file, and what there is to be said of the choice: a name whose word says what
/// it counts, else what the file says itself, else a bare number of the name.
pub(super) fn of(
    file: &Path,
    named: Option<Named>,
    beside: &Beside,
) -> Option<(Time, Option<String>)> {
    let by_step = beside.step.map(Time::Step);
    let by_epoch = beside.epoch.map(Time::Epoch);
    if let (true, Some(step)) = (beside.counts_steps, by_step) {
        return Some((step, None));
    }
    let own = by_epoch.or(by_step);
    match (named, own) {
        (Some(Named { time, is_said: true }), _) => Some((time, None)),
        (Some(Named { time: Time::Epoch(number), .. }), Some(own)) => {
            let all = [by_step, by_epoch].into_iter().flatten();
            if let Some(same) =
                all.into_iter().find(|own| own.number().total_cmp(&number).is_eq())
            {
                return Some((same, None));
            }
            let name = file.file_name().unwrap_or_default().to_string_lossy();
            let note = format!(
                "`{}` is of {own}, as it says itself: {number} in its name is not taken for a \
                 time",
                printable(&name)
            );
            Some((own, Some(note)))
        }
        (Some(named), _) => Some((named.time, None)),
        (None, own) => own.map(|own| (own, None)),
    }
}

/// The error of a file that does not say when it was saved.
pub(super) fn unsaid(file: &Path) -> Error {
    Error::data(file, "does not say when in training it was saved")
        .expected(
            "an epoch or a step in the file's name, or as `epoch` beside the weights",
        )
        .fix("rename it, such as epoch-12.pt or step-000336.pt; one file: --epoch 12")
}

impl Time {
    /// Its number, whatever it counts.
    pub(super) fn number(self) -> f64 {
        match self {
            Self::Epoch(epoch) => epoch,
            Self::Step(step) => step as f64,
        }
    }
}

impl std::fmt::Display for Time {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Epoch(epoch) => write!(f, "epoch {epoch}"),
            Self::Step(step) => write!(f, "step {step}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn times(names: &[&str]) -> Vec<Option<Time>> {
        let names: Vec<PathBuf> = names.iter().map(PathBuf::from).collect();
        let found = from_names(&names).unwrap();
        found.into_iter().map(|named| named.map(|named| named.time)).collect()
    }

    #[test]
    fn names_say_epochs_or_steps() {
        let epoch = |x| Some(Time::Epoch(x));
        for (name, time) in [
            ("epoch-12.pt", epoch(12.0)),
            ("ckpt_e012.pth", epoch(12.0)),
            ("epoch=3-step=500.ckpt", Some(Time::Step(500))),
            ("epoch=3-val_loss=0.31.ckpt", epoch(3.0)),
            ("step-000336.safetensors", Some(Time::Step(336))),
            ("12.pt", epoch(12.0)),
            ("0.5.pt", epoch(0.5)),
            ("model12.pt", epoch(12.0)),
            ("epoch_0.5.pt", epoch(0.5)),
            ("resnet20_ep7.pt", epoch(7.0)),
            ("checkpoint-9.pth.tar", epoch(9.0)),
            ("checkpoint-500", epoch(500.0)),
            ("checkpoint.pt", None),
            ("resnet20-12fca82f.th", None),
            ("resnet20-12e4567.th", None),
            ("resnet20.safetensors", None),
            ("best_88.02.pth", None),
            ("model_88.02.pth", None),
            ("best_88.pth", None),
            ("acc_93.pth", None),
            ("model_best.pth.tar", None),
            ("seed-3_epoch-4.pt", epoch(4.0)),
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

    #[test]
    fn what_a_file_says_itself_wins_over_a_bare_number_alone() {
        let time = |name: &str, beside: Beside| {
            let named = from_names(&[name.into()]).unwrap()[0];
            of(Path::new(name), named, &beside)
        };
        let beside = |epoch, step| Beside { epoch, step, ..Beside::default() };
        let (own, note) = time("12.pt", beside(Some(7.0), None)).unwrap();
        assert_eq!(own, Time::Epoch(7.0));
        assert!(
            note.unwrap().starts_with("`12.pt` is of epoch 7, as it says itself: 12")
        );
        let word = time("epoch-12.pt", beside(Some(7.0), None));
        assert_eq!(word, Some((Time::Epoch(12.0), None)));
        let same = time("checkpoint-500", beside(Some(2.0), Some(500)));
        assert_eq!(same, Some((Time::Step(500), None)));
        let none = time("12.pt", beside(None, None));
        assert_eq!(none, Some((Time::Epoch(12.0), None)));
        assert_eq!(time("best_88.02.pth", beside(None, None)), None);
        // Lightning's third epoch has ended: the step says so.
        let counted = beside(Some(2.0), Some(24));
        let lightning = Beside { counts_steps: true, counts_from_zero: true, ..counted };
        assert_eq!(time("epoch=2.ckpt", lightning), Some((Time::Step(24), None)));
        assert_eq!(lightning.steps_per_epoch(), Some(8.0));
    }

    #[test]
    fn best_and_last_are_words_of_a_name() {
        for name in ["best.pt", "model_best.pth.tar", "last.ckpt", "net-final.pth"] {
            assert!(is_chosen(Path::new(name)), "{name}");
        }
        for name in ["bestiary-1.pt", "epoch-1.pt", "checkpoint.pth.tar"] {
            assert!(!is_chosen(Path::new(name)), "{name}");
        }
    }
}
