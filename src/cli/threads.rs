//! `--threads`, of every verb that computes.

use crate::error::{Error, Result};

/// Threads to use.
#[derive(Debug, Clone, Copy, clap::Args)]
pub(super) struct Threads {
    /// Threads [default: all cores]; the results do not depend on it.
    #[arg(long, value_name = "N")]
    pub(super) threads: Option<usize>,
}

impl Threads {
    /// Uses this number of threads from here on; all cores without one.
    pub(super) fn apply(self) -> Result<()> {
        let Some(threads) = self.threads else { return Ok(()) };
        if !(1..=4096).contains(&threads) {
            return Err(Error::usage("`--threads`", format!("is {threads}"))
                .expected("1 to 4096"));
        }
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build_global();
        pool.map_err(|error| {
            Error::usage("`--threads`", format!("cannot be set: {error}"))
        })
    }
}
