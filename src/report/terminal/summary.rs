//! A run in a line: what it is, how far it is, and how its error curves ended.

use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::error::Result;
use crate::findings::halves::DoubleDescent;
use crate::observer::epoch_label;
use crate::phases::{Curves, Phases, Verdict};
use crate::run_dir::{
    Manifest, Recording, RunDir, RunFile, Status, is_worked_on, read_findings,
};

/// A run in a line.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Summary {
    /// The run directory.
    pub run: PathBuf,
    /// The net, such as "CNN5 of width 16"; none in a recording.
    pub net: Option<String>,
    /// The data set; none in a recording.
    pub data: Option<String>,
    /// The seed; none in a recording.
    pub seed: Option<u64>,
    /// How far the run is.
    pub state: State,
    /// How its error curves ended.
    #[serde(flatten)]
    pub outcome: Outcome,
    /// When the run was last worked on, UTC; none in a recording.
    pub updated: Option<String>,
    /// Why it failed.
    pub message: Option<String>,
}

/// How far a run is, and whether a process is at work on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// A process trains it.
    Training,
    /// Its training was interrupted.
    Stopped,
    /// It is trained, and not analyzed yet.
    Trained,
    /// A process analyzes it.
    Analyzing,
    /// Everything is there.
    Complete,
    /// The last process met an error.
    Failed,
    /// Another program recorded it.
    Recorded,
}

/// How the error curves of a run ended; nothing where it has none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Outcome {
    /// The last epoch with errors.
    pub epoch: Option<f64>,
    /// The test error there.
    pub test_error: Option<f64>,
    /// The training error there.
    pub train_error: Option<f64>,
    /// What the test error does over the epochs, from halves of the test images where they are
    /// measured.
    pub verdict: Option<Verdict>,
    /// The epoch of the perfect fit.
    pub fit_epoch: Option<f64>,
}

impl State {
    /// The word in tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Training => "training",
            Self::Stopped => "stopped",
            Self::Trained => "trained",
            Self::Analyzing => "analyzing",
            Self::Complete => "complete",
            Self::Failed => "failed",
            Self::Recorded => "recorded",
        }
    }

    fn of(manifest: &Manifest, is_worked_on: bool) -> Self {
        match (manifest.status, is_worked_on) {
            (Status::Training | Status::Emptying, true) => Self::Training,
            (Status::Training | Status::Emptying, false) => Self::Stopped,
            (Status::Trained | Status::Analyzing, true) => Self::Analyzing,
            (Status::Trained | Status::Analyzing, false) => Self::Trained,
            (Status::Complete, _) => Self::Complete,
            (Status::Failed, _) => Self::Failed,
        }
    }
}

impl Outcome {
    /// Of a run of any kind; empty where it has no curves yet.
    pub fn of(run: &RunDir) -> Self {
        run.curves()
            .map_or_else(|_| Self::default(), |curves| Self::of_curves(run, &curves))
    }

    fn of_curves(run: &RunDir, curves: &Curves) -> Self {
        let phases = Phases::of(curves);
        // What is damaged or not there has no say; the verbs that show it say so.
        let has_findings = RunFile::Findings.path(run.root()).is_file();
        let halves = has_findings.then(|| read_findings(run.root()).ok()).flatten();
        let halves =
            halves.map_or_else(DoubleDescent::unpaired, |found| found.double_descent);
        let last = |values: &[f64]| values.iter().copied().rfind(|v| v.is_finite());
        Self {
            epoch: curves.epoch().last().copied(),
            test_error: last(curves.test_error()),
            train_error: last(curves.train_error()),
            verdict: phases
                .double_descent
                .verdict
                .map(|on_curve| halves.last_word(on_curve)),
            fit_epoch: phases.perfect_fit.epoch,
        }
    }

    /// Test error, training error, epoch of the perfect fit and verdict as cells of a table; a
    /// dash where there is none.
    pub fn cells(&self) -> [String; 4] {
        let or_dash = |text: Option<String>| text.unwrap_or_else(|| "-".into());
        let error =
            |value: Option<f64>| or_dash(value.map(|value| format!("{value:.3}")));
        [
            error(self.test_error),
            error(self.train_error),
            or_dash(self.fit_epoch.map(epoch_label)),
            or_dash(self.verdict.map(|verdict| verdict.name().to_owned())),
        ]
    }
}

impl Summary {
    /// Of the run or recording in `root`.
    ///
    /// # Errors
    /// If the directory holds no run, or `run.json` or `experiment.toml` is damaged.
    pub fn of(root: &Path) -> Result<Self> {
        if let Some(recording) = Recording::open(root)? {
            return Ok(Self {
                run: root.to_owned(),
                net: None,
                data: None,
                seed: None,
                state: State::Recorded,
                outcome: Outcome::of(recording.run()),
                updated: None,
                message: None,
            });
        }
        let run = RunDir::open(root)?;
        let (manifest, experiment) = (run.manifest()?, run.experiment());
        Ok(Self {
            run: root.to_owned(),
            net: Some(experiment.net.describe()),
            data: Some(experiment.data.kind.set().name.to_owned()),
            seed: Some(experiment.seed),
            state: State::of(&manifest, is_worked_on(root)),
            outcome: Outcome::of(&run),
            updated: Some(manifest.updated),
            message: manifest.message,
        })
    }

    /// Verdict, perfect fit and errors, one per line behind its name; `lines` follow.
    pub fn lines(&self, lines: &[(&str, String)]) -> String {
        let Outcome { epoch, test_error, train_error, verdict, fit_epoch } = self.outcome;
        let verdict = verdict.map_or("cannot be judged", Verdict::name);
        let fit = fit_epoch.map_or_else(
            || "not reached".to_owned(),
            |epoch| format!("epoch {}", epoch_label(epoch)),
        );
        let number = |value: Option<f64>| {
            value.map_or_else(|| "unknown".to_owned(), |value| format!("{value:.3}"))
        };
        let errors = format!(
            "test {}, train {} at epoch {}",
            number(test_error),
            number(train_error),
            epoch.map_or_else(|| "unknown".to_owned(), epoch_label)
        );
        let own =
            [("verdict", verdict.to_owned()), ("perfect fit", fit), ("errors", errors)];
        let all = own.iter().chain(lines);
        all.map(|(name, text)| format!("{name:<11}  {text}\n")).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::terminal::tests::run;

    #[test]
    fn a_run_is_summed_up_with_its_last_errors_and_state() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().join("run");
        let run = run(&root);
        // This process holds the lock.
        assert_eq!(Summary::of(&root).unwrap().state, State::Training);
        drop(run);
        let summary = Summary::of(&root).unwrap();
        let outcome = summary.outcome;
        assert_eq!((outcome.epoch, outcome.test_error), (Some(2.0), Some(0.2)));
        assert_eq!(outcome.cells(), ["0.200", "0.000", "2", "monotone"]);
        assert_eq!(
            (summary.net.as_deref(), summary.data.as_deref(), summary.seed),
            (Some("CNN5 of width 4"), Some("digits"), Some(0))
        );
        let text = summary.lines(&[("page", "x".into())]);
        assert_eq!(
            text,
            "verdict      monotone\nperfect fit  epoch 2\n\
             errors       test 0.200, train 0.000 at epoch 2\npage         x\n"
        );
        assert!(Summary::of(directory.path()).is_err());
    }

    #[test]
    fn what_nobody_works_on_is_stopped() {
        let experiment = "data = { kind = 'digits' }\nnet = { kind = 'cnn5', width = 2 }";
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().join("run");
        let experiment =
            crate::experiment::Experiment::parse("e", experiment, ".".as_ref(), &[]);
        let run = RunDir::create_or_open(&root, &experiment.unwrap(), false).unwrap();
        let mut manifest = run.manifest().unwrap();
        let mut state = |status, at_work| {
            manifest.status = status;
            State::of(&manifest, at_work)
        };
        assert_eq!(state(Status::Training, false), State::Stopped);
        assert_eq!(state(Status::Analyzing, false), State::Trained);
        assert_eq!(state(Status::Analyzing, true), State::Analyzing);
        assert_eq!(state(Status::Failed, true), State::Failed);
        assert_eq!(Outcome::of(&run), Outcome::default());
    }
}
