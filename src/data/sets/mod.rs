//! The data sets that this build reads: a file each, and the list of them.

mod cifar10;
mod cifar100;
mod cifar10_subset;
pub(in crate::data) mod digits;
pub(in crate::data) mod directories;
mod fashion_mnist;
pub(in crate::data) mod known;
mod mnist;
pub(in crate::data) mod mnist1d;

use serde::Serialize;

use crate::experiment::DataKind;
use digits::DIGITS_COUNT;
use known::{Known, RemoteFile};

/// The data sets with a name that are stored somewhere.
pub(in crate::data) const KNOWN: &[Known] =
    &[cifar10::SET, cifar10_subset::SET, cifar100::SET, mnist::SET, fashion_mnist::SET];

/// The data set of that kind, if it is a known one.
pub(in crate::data) fn known(kind: DataKind) -> Option<&'static Known> {
    KNOWN.iter().find(|known| known.kind == kind)
}

/// A data set that `data.kind` can name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DataSet {
    /// Its name in an experiment file.
    pub name: &'static str,
    /// Number, shape and classes of its images.
    pub images: String,
    /// Where it is, or where it is looked for.
    pub place: String,
    /// Whether it is there, or what it takes.
    pub status: &'static str,
    /// Where it comes from and its licence.
    pub source: &'static str,
    /// Its folder in a data directory.
    pub folder: &'static str,
    /// The files that `data fetch` gets.
    pub files: &'static [RemoteFile],
}

/// All data sets, in the order in which they are listed to users.
pub fn data_sets() -> Vec<DataSet> {
    let mut sets = vec![DataSet {
        name: "digits",
        images: format!("{DIGITS_COUNT} of [1, 8, 8], 10 classes"),
        place: "in this program".into(),
        status: "ready",
        source: "UCI Machine Learning Repository and scikit-learn, CC BY 4.0",
        folder: "",
        files: &[],
    }];
    let [n_train, n_test] = mnist1d::COUNTS;
    sets.push(DataSet {
        name: "mnist1d",
        images: format!(
            "{n_train} + {n_test} of [1, 1, {}], 10 classes",
            mnist1d::POINTS
        ),
        place: "made by this program".into(),
        status: "ready",
        source: "the recipe of Greydanus 2020, arXiv:2011.14439",
        folder: "",
        files: &[],
    });
    sets.extend(KNOWN.iter().map(listed));
    let yours = [
        ("arrays", "`data.path`: an .npz file", "yours, [n, channels, height, width]"),
        ("folder", "`data.path`: train/CLASS/*, val/CLASS/*", "yours, JPEG or PNG"),
        ("parquet", "`data.path`: train-*.parquet, test-*.parquet", "yours, JPEG or PNG"),
    ];
    sets.extend(yours.map(|(name, place, images)| DataSet {
        name,
        images: images.into(),
        place: place.into(),
        status: "needs a path",
        source: "yours",
        folder: "",
        files: &[],
    }));
    sets
}

fn listed(known: &Known) -> DataSet {
    let place = known.find();
    let [n_train, n_test] = known.counts;
    let [channels, height, width] = known.shape;
    let count = match n_train {
        0 => "some".to_owned(),
        _ => format!("{n_train} + {n_test}"),
    };
    DataSet {
        name: known.name,
        images: format!(
            "{count} of [{channels}, {height}, {width}], {} classes",
            known.classes.len()
        ),
        status: match (&place, known.remote) {
            (Some(_), _) => "ready",
            (None, []) => "not found",
            (None, _) => "fetch it",
        },
        place: place.map_or_else(
            || format!("`{}` in a data directory", known.folders[0]),
            |place| place.path().display().to_string(),
        ),
        source: known.source,
        folder: known.folders[0],
        files: known.remote,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_class_has_one_name() {
        for (set, count) in KNOWN.iter().zip([10, 10, 100, 10, 10]) {
            let different: std::collections::BTreeSet<_> = set.classes.iter().collect();
            assert_eq!((set.classes.len(), different.len()), (count, count));
        }
        assert!(cifar100::CLASSES.is_sorted());
    }
}
