//! Fashion-MNIST.

use super::set::{Family, Origin, RemoteFile, Set, Storage};

/// Names of the classes, in the order of their numbers.
pub(in crate::data) const CLASSES: &[&str] = &[
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
];

pub(in crate::data) const SET: Set = Set {
    name: "fashion-mnist",
    title: "Fashion-MNIST",
    images: "Fashion-MNIST images",
    classes: CLASSES,
    counts: [60_000, 10_000],
    shape: [1, 28, 28],
    source: "Xiao, Rasul and Vollgraf 2017, MIT; Debian: dataset-fashion-mnist",
    origin: Origin::Known(Storage {
        family: Family::Idx,
        folders: &["fashion-mnist", "FashionMNIST/raw"],
        remote: &[
            RemoteFile {
                name: "train-images-idx3-ubyte.gz",
                url: "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/train-images-idx3-ubyte.gz",
                bytes: 26_421_880,
                sha256: "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
            },
            RemoteFile {
                name: "train-labels-idx1-ubyte.gz",
                url: "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/train-labels-idx1-ubyte.gz",
                bytes: 29_515,
                sha256: "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
            },
            RemoteFile {
                name: "t10k-images-idx3-ubyte.gz",
                url: "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/t10k-images-idx3-ubyte.gz",
                bytes: 4_422_102,
                sha256: "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
            },
            RemoteFile {
                name: "t10k-labels-idx1-ubyte.gz",
                url: "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/t10k-labels-idx1-ubyte.gz",
                bytes: 5_148,
                sha256: "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
            },
        ],
    }),
};
