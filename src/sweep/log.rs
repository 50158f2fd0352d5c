//! What the log of a run says: its progress, and whether its last process failed.

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;

use crate::disk::open_own;
use crate::error::{Error, Result};

/// Before the command of a process.
const BEGUN: &str = "# stratagram ";
/// Behind the messages of a process that failed.
const FAILED: &str = "# failed";
/// The end of a log that is read, in bytes.
const TAIL: u64 = 1 << 16;
/// The stages of a run that take time, in order, as its lines name them.
const STAGES: [&str; 2] = ["train ", "analyze "];

/// Opens a log for a process that begins.
pub(super) fn begin(log: &Path, command: &str) -> Result<File> {
    let cannot = |error| Error::io(log, "cannot be written", error);
    let mut file = open_own(OpenOptions::new().append(true), log).map_err(cannot)?;
    writeln!(file, "# {command}").map_err(cannot)?;
    Ok(file)
}

/// Says in the log that its process failed, and gives its error. That it was said is of use
/// to the next sweep alone, and no reason to stop this one.
pub(super) fn fail(log: &Path) -> String {
    if let Ok(mut file) = open_own(OpenOptions::new().append(true), log) {
        let _ = writeln!(file, "{FAILED}");
    }
    last_error(log, &tail(log))
}

/// The error of a run whose last process failed.
pub(super) fn failure(log: &Path) -> Option<String> {
    let text = tail(log);
    let has_failed = text.lines().rev().find_map(|line| {
        (line == FAILED).then_some(true).or(line.starts_with(BEGUN).then_some(false))
    });
    (has_failed == Some(true)).then(|| last_error(log, &text))
}

/// How far the run is, from 0 to 1, by the last line of its process that says so: half of it
/// is training.
pub(super) fn position(log: &Path) -> Option<f64> {
    let text = tail(log);
    let mut own = text.lines().rev().take_while(|line| !line.starts_with(BEGUN));
    own.find_map(position_in)
}

fn position_in(line: &str) -> Option<f64> {
    let mut stages = STAGES.iter().enumerate();
    let (at, rest) =
        stages.find_map(|(at, stage)| Some((at, line.strip_prefix(stage)?)))?;
    let (done, total) = rest.split_whitespace().next()?.split_once('/')?;
    let (done, total) = (done.parse::<f64>().ok()?, total.parse::<f64>().ok()?);
    let share = 1.0 / STAGES.len() as f64;
    Some(share * (at as f64 + (done / total.max(1.0)).clamp(0.0, 1.0)))
}

fn last_error(log: &Path, text: &str) -> String {
    let error = text.lines().rev().find_map(|line| line.strip_prefix("error: "));
    error.map_or_else(|| format!("see {}", log.display()), str::to_owned)
}

/// The last lines; nothing where there is no log.
fn tail(log: &Path) -> String {
    let read = || {
        let mut file = File::open(log)?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(TAIL)))?;
        let mut bytes = Vec::new();
        file.take(TAIL).read_to_end(&mut bytes)?;
        std::io::Result::Ok(bytes)
    };
    String::from_utf8_lossy(&read().unwrap_or_default()).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_tells_progress_and_the_failure_of_its_last_process() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("run.log");
        assert_eq!((failure(&log), position(&log)), (None, None));
        let mut file = begin(&log, "stratagram run e.toml").unwrap();
        assert_eq!(position(&log), None);
        file.write_all(b"train 30/120  epoch 3\nnote: x\n").unwrap();
        assert_eq!(position(&log), Some(0.125));
        file.write_all(b"analyze 3/6  epoch 4\nerror: `y` is 0\n").unwrap();
        assert_eq!((position(&log), failure(&log)), (Some(0.75), None));
        assert_eq!(fail(&log), "`y` is 0");
        assert_eq!(failure(&log).as_deref(), Some("`y` is 0"));
        // The next process has its own end.
        begin(&log, "stratagram run e.toml").unwrap();
        assert_eq!((failure(&log), position(&log)), (None, None));
    }
}
