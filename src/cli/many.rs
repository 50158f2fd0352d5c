//! One run, or many that differ in their seed, with a bar each and what they gave.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::output::{print_error, print_result};
use super::progress::Terminal;
use crate::error::Result;
use crate::observer::Observer;
use crate::sweep::{OneRun, Seeds, compared};

/// What is done with runs, and said of them.
pub(super) struct Work<'a, W> {
    /// The stages of the work, as the observer hears of them.
    pub(super) stages: &'a [&'a str],
    /// The command that continues it.
    pub(super) command: String,
    /// The work on one run; gives a file.
    pub(super) on_one: W,
    /// What is printed at the end, from the files and the time.
    pub(super) ending: &'a dyn Fn(&[PathBuf], Duration) -> Result<String>,
}

impl<W: Fn(&OneRun, &dyn Observer) -> Result<PathBuf> + Sync> Work<'_, W> {
    /// Does the work on every run and prints its ending. A run that fails does not stop the
    /// others.
    pub(super) fn on(&self, seeds: &Seeds) -> Result<()> {
        let begun = Instant::now();
        let data = &seeds.load()?;
        let terminal = Terminal::new(&self.command);
        if let [run] = &seeds.runs[..] {
            let written =
                seeds.guarded(run, || (self.on_one)(&seeds.one(run, data), &terminal))?;
            drop(terminal);
            return print_result(&(self.ending)(&[written], begun.elapsed())?);
        }
        terminal.count_runs(seeds.runs.len(), self.stages);
        let watch = |name: &str| terminal.for_run(name);
        let results = seeds.work(data, &terminal, watch, &self.on_one);
        drop(terminal);
        print_result(&(self.ending)(&results.written, begun.elapsed())?)?;
        results.failed.iter().for_each(|failed| print_error(&failed.error));
        results.verdict()
    }
}

/// A line that names the page of the comparison of runs, or says why there is none: the runs
/// themselves are done.
pub(super) fn comparison_line(out: &Path, runs: &[PathBuf]) -> String {
    match compared(out, runs) {
        Ok(Some(page)) => format!("comparison: {}\n", page.display()),
        Ok(None) => "comparison: not written, fewer than two runs are finished\n".into(),
        Err(error) => format!("comparison: not written, {error}\n"),
    }
}

/// The files, one per line.
pub(super) fn paths(written: &[PathBuf]) -> String {
    written.iter().map(|path| format!("{}\n", path.display())).collect()
}
