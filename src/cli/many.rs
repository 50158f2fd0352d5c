//! Working on one run, or on many that differ in their seed.
//!
//! With as many runs as threads each thread takes a whole run, then the next that nobody has
//! taken: small nets give a second thread too little to do. The bytes are those of a run alone.

use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::experiment_arguments::Planned;
use super::progress::Terminal;
use super::{print_error, print_result};
use crate::data::Data;
use crate::error::{Error, ErrorKind, Result};
use crate::experiment::Experiment;
use crate::observer::Observer;
use crate::train::Fork;

/// One run to work on.
#[derive(Clone, Copy)]
pub(super) struct Job<'a> {
    pub(super) out: &'a Path,
    pub(super) experiment: &'a Experiment,
    /// What all runs share: it does not depend on the seed.
    pub(super) data: &'a Data,
    pub(super) fork: Option<&'a Fork>,
    pub(super) fresh: bool,
}

/// Does `work` on every run and prints the file that it gives for each. A run that fails does
/// not stop the others.
///
/// `stages` are those of `work`, as the observer hears of them; `command` continues it.
pub(super) fn work_on(
    planned: &Planned,
    fresh: bool,
    stages: &[&str],
    command: &str,
    work: impl Fn(&Job, &dyn Observer) -> Result<PathBuf> + Sync,
) -> Result<()> {
    let data = &Data::load(&planned.runs[0].1)?;
    let job = |i: usize| {
        let (out, experiment) = &planned.runs[i];
        Job { out, experiment, data, fork: planned.fork.as_ref(), fresh }
    };
    let terminal = Terminal::new(command);
    let n = planned.runs.len();
    if n == 1 {
        let written = work(&job(0), &terminal)?;
        drop(terminal);
        return print_result(&format!("{}\n", written.display()));
    }
    terminal.count_runs(n, stages);
    let results = in_parallel(n, |i| {
        if terminal.should_stop() {
            return None;
        }
        let job = job(i);
        let line = terminal.for_run(&name(job.out));
        Some(work(&job, &line))
    });
    drop(terminal);
    summarize(planned, results)
}

/// Results of `work` for 0…n−1 in this order: a run a thread where there are enough, else one
/// run after another on all threads.
fn in_parallel<T: Send>(n: usize, work: impl Fn(usize) -> T + Sync) -> Vec<T> {
    let threads = rayon::current_num_threads();
    if n < threads || threads == 1 {
        return (0..n).map(work).collect();
    }
    let next = AtomicUsize::new(0);
    let results: Vec<Mutex<Option<T>>> = (0..n).map(|_| Mutex::new(None)).collect();
    let take_runs = || {
        // What a run cuts into tasks stays on its thread.
        let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build();
        let pool = pool.expect("one thread more can be started");
        pool.install(|| {
            loop {
                let i = next.fetch_add(1, Ordering::Relaxed);
                let Some(result) = results.get(i) else { break };
                let found = work(i);
                *result.lock().expect("only this thread writes it") = Some(found);
            }
        });
    };
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(take_runs);
        }
    });
    let done = results.into_iter().map(Mutex::into_inner);
    done.map(|result| result.ok().flatten().expect("every run was taken")).collect()
}

/// Prints what each run wrote, then what failed.
fn summarize(planned: &Planned, results: Vec<Option<Result<PathBuf>>>) -> Result<()> {
    let n = results.len();
    let mut lines = String::new();
    let mut failures = vec![];
    let mut interrupted = None;
    for ((out, _), result) in planned.runs.iter().zip(results) {
        match result {
            Some(Ok(written)) => lines += &format!("{}\n", written.display()),
            Some(Err(error)) if error.kind() == ErrorKind::Interrupted => {
                interrupted = Some(error);
            }
            Some(Err(error)) => failures.push((name(out), error)),
            None => {}
        }
    }
    print_result(&lines)?;
    let (mut names, mut usage) = (vec![], failures.len() == n);
    for (name, error) in failures {
        usage &= error.kind() == ErrorKind::Usage;
        print_error(&error.inside(&name));
        names.push(name);
    }
    if let Some(error) = interrupted {
        return Err(error);
    }
    if names.is_empty() {
        return Ok(());
    }
    // What is wrong with the command line is so for every run.
    let kind = if usage { ErrorKind::Usage } else { ErrorKind::Data };
    let place = format!("{} of {n} runs", names.len());
    Err(Error::new(kind, place, format!("failed: {}", names.join(", ")))
        .fix("the others are done; the same command tries these again"))
}

/// The last part of a directory's name.
fn name(out: &Path) -> String {
    out.file_name().unwrap_or(out.as_os_str()).to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_come_in_the_order_of_runs_and_each_run_has_one_thread() {
        for threads in [1, 2, 3] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
            let results = pool
                .unwrap()
                .install(|| in_parallel(7, |i| (i * i, rayon::current_num_threads())));
            let expected: Vec<_> = (0..7).map(|i| (i * i, 1)).collect();
            assert_eq!(results, expected);
        }
        let pool = rayon::ThreadPoolBuilder::new().num_threads(4).build().unwrap();
        let few = pool.install(|| in_parallel(2, |_| rayon::current_num_threads()));
        assert_eq!(few, [4, 4]);
    }
}
