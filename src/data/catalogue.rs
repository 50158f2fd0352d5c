//! The data sets that this build reads.

use serde::Serialize;

use super::DIGITS_COUNT;

/// A data set that `data.kind` can name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DataSet {
    /// Its name in an experiment file.
    pub name: &'static str,
    /// Number, shape and classes of its images.
    pub images: String,
    /// Where it is looked for.
    pub place: &'static str,
    /// Whether it is there, or what it takes.
    pub status: &'static str,
    /// Where it comes from and its licence.
    pub source: &'static str,
}

/// All data sets, in the order in which they are listed to users.
pub fn data_sets() -> Vec<DataSet> {
    vec![
        DataSet {
            name: "digits",
            images: format!("{DIGITS_COUNT} of [1, 8, 8], 10 classes"),
            place: "in this program",
            status: "ready",
            source: "UCI Machine Learning Repository and scikit-learn, CC BY 4.0",
        },
        DataSet {
            name: "arrays",
            images: "yours, [n, channels, height, width]".into(),
            place: "`data.path`: an .npz file",
            status: "needs a path",
            source: "yours",
        },
    ]
}
