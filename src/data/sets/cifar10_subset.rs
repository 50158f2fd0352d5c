//! Parts of CIFAR-10 in its own binary form, with the positions of their images.

use super::cifar10;
use super::set::{Family, Origin, Set, Storage};

pub(in crate::data) const SET: Set = Set {
    name: "cifar10-subset",
    title: "part of CIFAR-10",
    images: "images of a part of CIFAR-10",
    classes: cifar10::CLASSES,
    counts: [0, 0],
    shape: [3, 32, 32],
    source: cifar10::SOURCE,
    origin: Origin::Known(Storage {
        family: Family::CifarSubset,
        folders: &["cifar10-subset", "cifar10-lossless-subset"],
        remote: &[],
    }),
};
