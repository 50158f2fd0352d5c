//! MNIST.

use super::digits;
use super::set::{Family, Origin, RemoteFile, Set, Storage};

pub(in crate::data) const SET: Set = Set {
    name: "mnist",
    title: "MNIST",
    images: "MNIST images",
    classes: digits::CLASSES,
    counts: [60_000, 10_000],
    shape: [1, 28, 28],
    source: "LeCun, Cortes and Burges, http://yann.lecun.com/exdb/mnist/",
    origin: Origin::Known(Storage {
        family: Family::Idx,
        folders: &["mnist", "MNIST/raw"],
        remote: &[
            RemoteFile {
                name: "train-images-idx3-ubyte.gz",
                url: "https://storage.googleapis.com/cvdf-datasets/mnist/train-images-idx3-ubyte.gz",
                bytes: 9_912_422,
                sha256: "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
            },
            RemoteFile {
                name: "train-labels-idx1-ubyte.gz",
                url: "https://storage.googleapis.com/cvdf-datasets/mnist/train-labels-idx1-ubyte.gz",
                bytes: 28_881,
                sha256: "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
            },
            RemoteFile {
                name: "t10k-images-idx3-ubyte.gz",
                url: "https://storage.googleapis.com/cvdf-datasets/mnist/t10k-images-idx3-ubyte.gz",
                bytes: 1_648_877,
                sha256: "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
            },
            RemoteFile {
                name: "t10k-labels-idx1-ubyte.gz",
                url: "https://storage.googleapis.com/cvdf-datasets/mnist/t10k-labels-idx1-ubyte.gz",
                bytes: 4_542,
                sha256: "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
            },
        ],
    }),
};
