//! How many runs of a sweep go on at a time, and how long all take.

use std::time::Duration;

use super::plan::Planned;
use crate::error::{Error, Result};
use crate::estimate::Estimate;

/// The machine, shared out among the runs of a sweep.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slots {
    /// Runs at a time.
    pub at_once: usize,
    /// Threads of each.
    pub threads: usize,
}

/// Estimated times of the runs of a sweep.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Times {
    /// Of each run alone, in the order of the plan.
    pub runs: Vec<Duration>,
    /// Of all of them.
    pub all: Duration,
}

impl Slots {
    /// Shares the cores out among `jobs` runs at a time, one per core if it is not said, and
    /// not more than there are.
    pub fn new(jobs: Option<usize>, n_runs: usize) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self::of(cores, jobs, n_runs)
    }

    fn of(cores: usize, jobs: Option<usize>, n_runs: usize) -> Self {
        let at_once = jobs.unwrap_or(cores).min(n_runs).max(1);
        Self { at_once, threads: (cores / at_once).max(1) }
    }

    /// Estimates the time of every run, at the speed of the threads that it will have.
    ///
    /// # Errors
    /// If a run's data cannot be loaded or its analysis cannot be done.
    pub fn times(&self, runs: &[Planned]) -> Result<Times> {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(self.threads).build();
        let pool = pool.map_err(|error| {
            Error::usage("`--jobs`", format!("leaves no threads: {error}"))
        })?;
        let time = |run: &Planned| {
            let time = pool.install(|| Estimate::time_of(&run.experiment));
            time.map_err(|error| error.inside(&run.name))
        };
        let runs = runs.iter().map(time).collect::<Result<Vec<_>>>()?;
        let all = runs.iter().sum::<Duration>() / self.at_once as u32;
        Ok(Times { runs, all })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cores_are_shared_out() {
        let slots = |cores, jobs, runs| {
            let Slots { at_once, threads } = Slots::of(cores, jobs, runs);
            (at_once, threads)
        };
        assert_eq!(slots(8, None, 20), (8, 1));
        assert_eq!(slots(8, Some(3), 20), (3, 2));
        assert_eq!(slots(8, None, 2), (2, 4));
        assert_eq!(slots(2, Some(5), 20), (5, 1));
    }
}
