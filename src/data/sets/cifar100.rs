//! CIFAR-100.

use super::cifar10;
use super::set::{Family, Origin, RemoteFile, Set, Storage};
use crate::data::files::cifar::Cifar;

/// Names of the classes, in the order of their numbers.
#[rustfmt::skip] // a list of words
pub(in crate::data) const CLASSES: &[&str] = &[
    "apple", "aquarium_fish", "baby", "bear", "beaver", "bed", "bee", "beetle", "bicycle",
    "bottle", "bowl", "boy", "bridge", "bus", "butterfly", "camel", "can", "castle",
    "caterpillar", "cattle", "chair", "chimpanzee", "clock", "cloud", "cockroach", "couch",
    "crab", "crocodile", "cup", "dinosaur", "dolphin", "elephant", "flatfish", "forest",
    "fox", "girl", "hamster", "house", "kangaroo", "keyboard", "lamp", "lawn_mower",
    "leopard", "lion", "lizard", "lobster", "man", "maple_tree", "motorcycle", "mountain",
    "mouse", "mushroom", "oak_tree", "orange", "orchid", "otter", "palm_tree", "pear",
    "pickup_truck", "pine_tree", "plain", "plate", "poppy", "porcupine", "possum", "rabbit",
    "raccoon", "ray", "road", "rocket", "rose", "sea", "seal", "shark", "shrew", "skunk",
    "skyscraper", "snail", "snake", "spider", "squirrel", "streetcar", "sunflower",
    "sweet_pepper", "table", "tank", "telephone", "television", "tiger", "tractor", "train",
    "trout", "tulip", "turtle", "wardrobe", "whale", "willow_tree", "wolf", "woman", "worm",
];

pub(in crate::data) const SET: Set = Set {
    name: "cifar100",
    title: "CIFAR-100",
    images: "CIFAR-100 images",
    classes: CLASSES,
    counts: [50_000, 10_000],
    shape: [3, 32, 32],
    source: cifar10::SOURCE,
    origin: Origin::Known(Storage {
        family: Family::Cifar(Cifar::Hundred),
        folders: &["cifar100", "cifar-100-binary", "."],
        remote: &[RemoteFile {
            name: "cifar-100-binary.tar.gz",
            url: "https://www.cs.toronto.edu/~kriz/cifar-100-binary.tar.gz",
            bytes: 168_513_733,
            sha256: "58a81ae192c23a4be8b1804d68e518ed807d710a4eb253b1f2a199162a40d8ec",
        }],
    }),
};
