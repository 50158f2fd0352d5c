//! What the runs of a sweep leave together: `sweep.csv`, and whether all are done.

use std::fmt::Write as _;
use std::path::Path;

use super::status::{Report, State};
use crate::error::{Error, ErrorKind, Result};
use crate::phases::Verdict;
use crate::run_dir::write_atomic;

/// Writes `sweep.csv` in `out`: run, state, final errors, verdict, epoch of the perfect fit,
/// error. Without times, so that the same states give
/// the same bytes.
///
/// # Errors
/// If the operating system refuses.
pub fn gather(out: &Path, reports: &[Report]) -> Result<()> {
    write_atomic(&out.join("sweep.csv"), csv(reports).as_bytes())
}

impl Report {
    /// The error of a sweep in `out` that is not done.
    ///
    /// # Errors
    /// If a run failed or is not done.
    pub fn verdict(reports: &[Self], out: &Path) -> Result<()> {
        let count =
            |state: State| reports.iter().filter(|report| report.state == state).count();
        let (done, failed) = (count(State::Done), count(State::Failed));
        if done == reports.len() {
            return Ok(());
        }
        let kind = if failed > 0 { ErrorKind::Data } else { ErrorKind::Interrupted };
        let found = format!("{done} of {} runs are done, {failed} failed", reports.len());
        Err(Error::new(kind, out.display().to_string(), found).fix(if failed > 0 {
            "re-run with --retry-failed to try those again that failed; messages are in \
                 `logs/`"
        } else {
            "re-run the same command to resume; messages are in `logs/`"
        }))
    }
}

fn csv(reports: &[Report]) -> String {
    let mut text =
        "run,state,test_error,train_error,verdict,fit_epoch,error\n".to_owned();
    let number = |value: Option<f64>| value.map_or_else(String::new, |v| v.to_string());
    for Report { name, state, error, outcome, .. } in reports {
        let error = error.as_deref().unwrap_or_default().replace('"', "\"\"");
        let error = if error.is_empty() { error } else { format!("\"{error}\"") };
        let verdict = outcome.verdict.map_or("", Verdict::name);
        let [test, train, fit] =
            [outcome.test_error, outcome.train_error, outcome.fit_epoch].map(number);
        let state = state.name();
        let _ = writeln!(text, "{name},{state},{test},{train},{verdict},{fit},{error}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::terminal::Outcome;

    fn report(name: &str, state: State, error: Option<&str>) -> Report {
        let outcome = match state {
            State::Done => Outcome {
                epoch: Some(300.0),
                test_error: Some(0.0625),
                train_error: Some(0.0),
                verdict: Some(Verdict::DoubleDescent),
                fit_epoch: Some(28.0),
            },
            _ => Outcome::default(),
        };
        let error = error.map(Into::into);
        Report { name: name.into(), state, seconds: 1.5, error, outcome }
    }

    #[test]
    fn the_table_has_states_and_quoted_errors_without_times() {
        let folder = tempfile::tempdir().unwrap();
        let reports = [
            report("seed-0", State::Done, None),
            report("seed-1", State::Failed, Some("`x` is \"a\", not 1")),
        ];
        gather(folder.path(), &reports).unwrap();
        let text = std::fs::read_to_string(folder.path().join("sweep.csv")).unwrap();
        let expected = "run,state,test_error,train_error,verdict,fit_epoch,error\n\
            seed-0,done,0.0625,0,double descent,28,\n\
            seed-1,failed,,,,,\"`x` is \"\"a\"\", not 1\"\n";
        assert_eq!(text, expected);
    }

    #[test]
    fn a_failure_is_told_from_a_stop() {
        let done = report("seed-0", State::Done, None);
        let stopped = report("seed-1", State::Stopped, None);
        let failed = report("seed-2", State::Failed, Some("x"));
        let verdict = |reports: &[Report]| Report::verdict(reports, "runs".as_ref());
        verdict(std::slice::from_ref(&done)).unwrap();
        let error = verdict(&[done.clone(), stopped]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Interrupted);
        let error = verdict(&[done, failed]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Data);
        assert_eq!(error.to_string(), "runs 1 of 2 runs are done, 1 failed");
    }
}
