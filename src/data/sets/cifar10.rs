//! CIFAR-10.

use super::set::{Family, Origin, RemoteFile, Set, Storage};
use crate::data::files::cifar::Cifar;

/// Names of the classes, in the order of their numbers.
pub(in crate::data) const CLASSES: &[&str] = &[
    "airplane",
    "automobile",
    "bird",
    "cat",
    "deer",
    "dog",
    "frog",
    "horse",
    "ship",
    "truck",
];

pub(in crate::data) const SOURCE: &str =
    "Krizhevsky 2009, https://www.cs.toronto.edu/~kriz/cifar.html, no licence stated";

pub(in crate::data) const SET: Set = Set {
    name: "cifar10",
    title: "CIFAR-10",
    images: "CIFAR-10 images",
    classes: CLASSES,
    counts: [50_000, 10_000],
    shape: [3, 32, 32],
    source: SOURCE,
    origin: Origin::Known(Storage {
        family: Family::Cifar(Cifar::Ten),
        folders: &["cifar10", "cifar-10-batches-bin", ".", "cifar10-jpeg-parquet"],
        remote: &[RemoteFile {
            name: "cifar-10-binary.tar.gz",
            url: "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",
            bytes: 170_052_171,
            sha256: "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
        }],
    }),
};
