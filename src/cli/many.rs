//! One run, or many that differ in their seed, with a bar each and what they gave.

use std::path::PathBuf;

use super::output::{print_error, print_result};
use super::progress::Terminal;
use crate::error::Result;
use crate::observer::Observer;
use crate::sweep::{OneRun, Seeds};

/// Does `work` on every run and prints the file that it gives for each. A run that fails does
/// not stop the others.
///
/// `stages` are those of `work`, as the observer hears of them; `command` continues it.
pub(super) fn work_on(
    seeds: &Seeds,
    stages: &[&str],
    command: &str,
    work: impl Fn(&OneRun, &dyn Observer) -> Result<PathBuf> + Sync,
) -> Result<()> {
    let data = &seeds.load()?;
    let terminal = Terminal::new(command);
    if let [run] = &seeds.runs[..] {
        let written = work(&seeds.one(run, data), &terminal)?;
        drop(terminal);
        return print_result(&format!("{}\n", written.display()));
    }
    terminal.count_runs(seeds.runs.len(), stages);
    let results = seeds.work(data, &terminal, |name| terminal.for_run(name), work);
    drop(terminal);
    let lines = results.written.iter().map(|path| format!("{}\n", path.display()));
    print_result(&lines.collect::<String>())?;
    results.failed.iter().for_each(|failed| print_error(&failed.error));
    results.verdict()
}
