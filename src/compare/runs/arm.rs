//! Arms: runs that differ in their seed alone.

use std::collections::BTreeSet;
use std::path::PathBuf;

use rayon::prelude::*;

use super::run::{Absent, LeftOut, Run, RunName};
use crate::error::Result;

/// Runs of one setting.
#[derive(Debug, Default)]
pub(crate) struct Arm {
    pub(crate) name: String,
    /// In the order of their seeds.
    pub(crate) runs: Vec<Run>,
    pub(crate) absent: Vec<Absent>,
    /// Paths that are no runs.
    pub(crate) others: Vec<LeftOut>,
}

impl Arm {
    /// Reads the runs in these directories.
    ///
    /// # Errors
    /// If one holds no run, or a file is damaged.
    pub(crate) fn read(name: &str, directories: &[PathBuf]) -> Result<Self> {
        let read: Vec<Result<_>> =
            directories.par_iter().map(|root| Run::read(root)).collect();
        let mut arm = Self { name: name.into(), ..Self::default() };
        for run in read {
            match run? {
                Ok(run) => arm.runs.push(run),
                Err(absent) => arm.absent.push(absent),
            }
        }
        arm.sort();
        Ok(arm)
    }

    /// Puts the runs in the order of their seeds, numbers as numbers.
    pub(crate) fn sort(&mut self) {
        self.runs.sort_by_cached_key(|run| seed_key(&run.seed()));
    }

    /// The run of a seed.
    pub(crate) fn run_of(&self, seed: &str) -> Option<&Run> {
        self.runs.iter().find(|run| run.seed() == seed)
    }

    /// The runs besides this one.
    pub(crate) fn others<'a>(&'a self, run: &Run) -> Vec<&'a Run> {
        self.runs.iter().filter(|other| !std::ptr::eq(*other, run)).collect()
    }

    /// The names of all runs, those left out too.
    pub(crate) fn names(&self) -> Vec<RunName> {
        let absent = self.absent.iter().map(|absent| absent.left_out.run.clone());
        self.runs.iter().map(|run| run.name.clone()).chain(absent).collect()
    }

    /// What is left out.
    pub(crate) fn left_out(&self) -> Vec<LeftOut> {
        let absent = self.absent.iter().map(|absent| absent.left_out.clone());
        absent.chain(self.others.iter().cloned()).collect()
    }

    /// The seeds of all runs, those left out too, in their order.
    pub(crate) fn seeds(&self) -> Vec<String> {
        let absent = self.absent.iter().map(|absent| absent.seed.clone());
        in_order(self.runs.iter().map(Run::seed).chain(absent))
    }
}

/// Seeds without repeats, in the order of numbers, then names.
pub(crate) fn in_order(seeds: impl Iterator<Item = String>) -> Vec<String> {
    let keys: BTreeSet<(u64, String)> = seeds.map(|seed| seed_key(&seed)).collect();
    keys.into_iter().map(|(_, seed)| seed).collect()
}

fn seed_key(seed: &str) -> (u64, String) {
    (seed.parse().unwrap_or(u64::MAX), seed.to_owned())
}
