//! `--threads`, of every verb that computes.

use crate::error::{Error, ErrorKind, Result};

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
        if let Some(threads) = self.threads.filter(|n| !(1..=4096).contains(n)) {
            return Err(Error::usage("`--threads`", format!("is {threads}"))
                .expected("1 to 4096"));
        }
        // 0 is all cores.
        let threads = self.threads.unwrap_or(0);
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build_global();
        pool.map_err(|error| {
            Error::new(ErrorKind::Io, "threads", format!("cannot be started: {error}"))
                .expected("as many as cores, or --threads")
                .fix("end other programs, raise `ulimit -u`, or use --threads 1")
        })
    }
}
