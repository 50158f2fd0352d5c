//! Runs that differ in their seed.
//!
//! With as many runs as threads each thread takes a whole run, then the next that nobody has
//! taken: small nets give a second thread too little to do. The bytes are those of a run alone.

use std::ops::RangeInclusive;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::one::OneRun;
use crate::data::Data;
use crate::error::{Error, ErrorKind, Result};
use crate::estimate::at_once;
use crate::experiment::Experiment;
use crate::observer::Observer;
use crate::run_dir::RunDir;
use crate::train::Fork;

/// Runs that differ in nothing but the seed.
#[derive(Debug)]
pub struct Seeds {
    /// At least one.
    pub runs: Vec<SeedRun>,
    /// Where they start, if not at the first step.
    pub fork: Option<Fork>,
    /// Whether runs that are there are replaced.
    pub fresh: bool,
}

/// An experiment and the directory of its run.
#[derive(Debug, Clone)]
pub struct SeedRun {
    /// The run directory.
    pub out: PathBuf,
    /// What is trained.
    pub experiment: Experiment,
}

/// What became of the runs.
#[derive(Debug)]
pub struct Results {
    /// The file that each run gave, without those that failed.
    pub written: Vec<PathBuf>,
    /// Runs that failed.
    pub failed: Vec<Failed>,
    /// That the observer asked to stop.
    pub interrupted: Option<Error>,
    /// How many runs there are.
    pub n_runs: usize,
}

/// A run that failed, and why.
#[derive(Debug)]
pub struct Failed {
    /// The run's name.
    pub name: String,
    /// Its error, which names the run.
    pub error: Error,
}

impl SeedRun {
    /// The last part of the directory's name.
    pub fn name(&self) -> String {
        let name = self.out.file_name().unwrap_or(self.out.as_os_str());
        name.to_string_lossy().into_owned()
    }

    /// The run of one seed, in its own folder of `out`.
    fn of_seed(out: &Path, experiment: &Experiment, seed: u64) -> Self {
        Self {
            out: out.join(format!("seed-{seed}")),
            experiment: Experiment { seed, ..experiment.clone() },
        }
    }
}

impl Seeds {
    /// A run in `out`, or one for each seed in its folders.
    pub fn new(
        out: PathBuf,
        experiment: Experiment,
        seeds: Option<RangeInclusive<u64>>,
    ) -> Self {
        let runs = match seeds {
            None => vec![SeedRun { out, experiment }],
            Some(seeds) => {
                seeds.map(|seed| SeedRun::of_seed(&out, &experiment, seed)).collect()
            }
        };
        Self { runs, fork: None, fresh: false }
    }

    /// Loads what all runs share: it does not depend on the seed.
    ///
    /// # Errors
    /// As [`Data::load`].
    pub fn load(&self) -> Result<Data> {
        Data::load(&self.runs[0].experiment)
    }

    /// One of the runs, to work on.
    pub fn one<'a>(&'a self, run: &'a SeedRun, data: &'a Data) -> OneRun<'a> {
        OneRun {
            out: &run.out,
            experiment: &run.experiment,
            data,
            fork: self.fork.as_ref(),
            fresh: self.fresh,
        }
    }

    /// Does `work` on every run, watched by what `watch` makes of its name. A run that fails
    /// does not stop the others; when `observer` asks to stop, no other begins.
    pub fn work<O: Observer>(
        &self,
        data: &Data,
        observer: &dyn Observer,
        watch: impl Fn(&str) -> O + Sync,
        work: impl Fn(&OneRun<'_>, &dyn Observer) -> Result<PathBuf> + Sync,
    ) -> Results {
        let results = in_parallel(self.runs.len(), |i| {
            if observer.should_stop() {
                return None;
            }
            let run = &self.runs[i];
            Some(self.guarded(run, || work(&self.one(run, data), &watch(&run.name()))))
        });
        self.results(results)
    }

    /// What `work` gives for a run. A panic in it is a failure of this run, which its `run.json`
    /// then names, and of no other.
    ///
    /// # Errors
    /// That of `work`, or the panic.
    pub fn guarded<T>(
        &self,
        run: &SeedRun,
        work: impl FnOnce() -> Result<T>,
    ) -> Result<T> {
        let result = catch_unwind(AssertUnwindSafe(work));
        result.unwrap_or_else(|payload| {
            let text = payload.downcast_ref::<String>().map(String::as_str);
            let text = text.or(payload.downcast_ref::<&str>().copied());
            let found = format!("stopped: {}", text.unwrap_or("a panic without a message"));
            let error = Error::new(ErrorKind::Defect, "the program", found).fix(
                "this is a mistake of ours: report it with the experiment; what was written \
                 before is whole, and the same command continues",
            );
            if let Ok(run) = RunDir::open_to_write(&run.out) {
                let _ = run.set_failed(&error);
            }
            Err(error)
        })
    }

    fn results(&self, results: Vec<Option<Result<PathBuf>>>) -> Results {
        let n_runs = results.len();
        let mut all =
            Results { written: vec![], failed: vec![], interrupted: None, n_runs };
        for (run, result) in self.runs.iter().zip(results) {
            match result {
                Some(Ok(written)) => all.written.push(written),
                Some(Err(error)) if error.kind() == ErrorKind::Interrupted => {
                    all.interrupted = Some(error);
                }
                Some(Err(error)) => {
                    let name = run.name();
                    all.failed.push(Failed { error: error.inside(&name), name });
                }
                None => {}
            }
        }
        all
    }
}

impl Results {
    /// The error of runs that are not all done.
    ///
    /// # Errors
    /// If a run failed, or was stopped.
    pub fn verdict(self) -> Result<()> {
        if let Some(error) = self.interrupted {
            return Err(error);
        }
        if self.failed.is_empty() {
            return Ok(());
        }
        // What is wrong with the command line is so for every run.
        let is_usage = |failed: &Failed| failed.error.kind() == ErrorKind::Usage;
        let all = self.failed.len() == self.n_runs && self.failed.iter().all(is_usage);
        let kind = if all { ErrorKind::Usage } else { ErrorKind::Data };
        let names: Vec<&str> =
            self.failed.iter().map(|failed| failed.name.as_str()).collect();
        let place = format!("{} of {} runs", names.len(), self.n_runs);
        Err(Error::new(kind, place, format!("failed: {}", names.join(", ")))
            .fix("the others are done; re-run the same command to try these again"))
    }
}

/// Results of `work` for 0…n−1 in this order: one run per thread where there are enough, else
/// one run after another on all threads.
fn in_parallel<T: Send>(n: usize, work: impl Fn(usize) -> T + Sync) -> Vec<T> {
    let threads = at_once(n);
    if threads == 1 {
        return (0..n).map(work).collect();
    }
    let next = AtomicUsize::new(0);
    let results: Vec<Mutex<Option<T>>> = (0..n).map(|_| Mutex::new(None)).collect();
    let take_runs = || {
        let take = || {
            loop {
                let i = next.fetch_add(1, Ordering::Relaxed);
                let Some(result) = results.get(i) else { break };
                let found = work(i);
                *result.lock().expect("only this thread writes it") = Some(found);
            }
        };
        // What a run cuts into tasks stays on its thread.
        match rayon::ThreadPoolBuilder::new().num_threads(1).build() {
            Ok(pool) => pool.install(take),
            // No thread can be started: the runs are worked on by those that there are.
            Err(_) => take(),
        }
    };
    std::thread::scope(|scope| {
        for _ in 1..threads {
            let _ = std::thread::Builder::new().spawn_scoped(scope, take_runs);
        }
        take_runs();
    });
    let done = results.into_iter().map(Mutex::into_inner);
    done.map(|result| result.ok().flatten().expect("every run was taken")).collect()
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

    #[test]
    fn a_failure_is_named_and_an_interrupt_goes_before_it() {
        let text = "[data]\nkind = 'digits'\n[net]\nkind = 'cnn5'\nwidth = 2\n";
        let experiment = Experiment::parse("e", text, ".".as_ref(), &[]).unwrap();
        let seeds = Seeds::new("runs/e".into(), experiment, Some(3..=5));
        let usage = || Err(Error::usage("`x`", "is 0"));
        let stop = || Err(Error::new(ErrorKind::Interrupted, "training", "stopped"));
        let fine = || Ok(PathBuf::from("page"));
        let verdict = |results: [Result<PathBuf>; 3]| {
            let results = seeds.results(results.into_iter().map(Some).collect());
            results.verdict()
        };
        verdict([fine(), fine(), fine()]).unwrap();
        let some = verdict([fine(), usage(), fine()]).unwrap_err();
        assert_eq!(some.to_string(), "1 of 3 runs failed: seed-4");
        assert_eq!(some.exit_code(), 1);
        assert_eq!(verdict([usage(), usage(), usage()]).unwrap_err().exit_code(), 2);
        let stopped = verdict([usage(), stop(), fine()]).unwrap_err();
        assert_eq!(stopped.kind(), ErrorKind::Interrupted);
    }
}
