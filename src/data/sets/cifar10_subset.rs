//! Parts of CIFAR-10 in its own binary form, with the positions of their images.

use super::cifar10;
use super::known::{Family, Known};
use crate::experiment::DataKind;

pub(in crate::data) const SET: Known = Known {
    kind: DataKind::Cifar10Subset,
    name: "cifar10-subset",
    title: "part of CIFAR-10",
    family: Family::CifarSubset,
    classes: cifar10::CLASSES,
    counts: [0, 0],
    shape: [3, 32, 32],
    folders: &["cifar10-subset", "cifar10-lossless-subset"],
    remote: &[],
    source: cifar10::SOURCE,
};
