//! Pictures of your own in Hugging Face's Parquet files.

use super::known::parquet_files;
use super::set::{Form, Set};
use crate::data::files::parquet;
use crate::error::Error;

pub(in crate::data) const SET: Set = Set::yours(
    "parquet",
    "Parquet images",
    Form {
        place: "train-*.parquet, test-*.parquet",
        holds: "yours, JPEG or PNG",
        load: |path, _| {
            let [train, test] = parquet_files(path).ok_or_else(|| {
                Error::data(path, "does not hold a data set").expected(
                    "train*.parquet and test*.parquet (or validation*.parquet), or \
                         train/*.parquet and test/*.parquet, there or in data/",
                )
            })?;
            let stored = parquet::load_pair(&train, &test, SET.title)?;
            Ok(stored.of_one_shape(path)?.with_notes_on_labels())
        },
    },
);
