//! `sample_ids.csv`.

use crate::run_dir::table_file::row;

row! {
    /// One row of `sample_ids.csv`: an example of a recording.
    SampleRow of SampleIds {
        /// The group that it is in.
        group: String,
        /// Its row in representations of that group.
        row: u64,
        /// Its name.
        id: String,
    }
}
