//! `timing.csv`.

use crate::run_dir::table_file::{Fixed, StepRow, row};

row! {
    /// One row of `timing.csv`: training since the row before.
    TimingRow of Timing {
        /// Steps trained.
        step: u64,
        /// Seconds of training; in a recording, of recording.
        seconds: Fixed<6>,
        /// Training speed; absent in a recording.
        examples_per_second: Fixed<1>,
    }
}

impl StepRow for TimingRow {
    fn step(&self) -> u64 {
        self.step
    }
}
