//! The data sets that this build knows by name: what they are, where they are looked for,
//! and where they come from.

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::cifar::Cifar;
use super::classes::{CIFAR10, CIFAR100, DIGITS, FASHION};
use super::directories::data_directories;
use super::{DIGITS_COUNT, idx, mnist1d};
use crate::error::{Error, ErrorKind, Result};
use crate::experiment::DataKind;

/// A file of a data set as its authors distribute it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct RemoteFile {
    /// Its name in the data set's folder.
    pub name: &'static str,
    /// Where it is.
    pub url: &'static str,
    /// Its length.
    pub bytes: u64,
    /// SHA-256 of it, in hexadecimal.
    pub sha256: &'static str,
}

/// How a known data set is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Family {
    Cifar(Cifar),
    CifarSubset,
    Idx,
}

/// A data set with a name.
#[derive(Debug)]
pub(super) struct Known {
    pub(super) kind: DataKind,
    /// In experiment files.
    pub(super) name: &'static str,
    /// In sentences.
    pub(super) title: &'static str,
    pub(super) family: Family,
    pub(super) classes: &'static [&'static str],
    /// Training images, test images; 0 where any number is right.
    pub(super) counts: [usize; 2],
    /// One image, `[channels, height, width]`.
    pub(super) shape: [usize; 3],
    /// Folders of a data directory in which it is looked for; the first is where it is
    /// fetched to.
    pub(super) folders: &'static [&'static str],
    pub(super) remote: &'static [RemoteFile],
    pub(super) source: &'static str,
}

const CIFAR_SOURCE: &str =
    "Krizhevsky 2009, https://www.cs.toronto.edu/~kriz/cifar.html, no licence stated";

pub(super) const KNOWN: &[Known] = &[
    Known {
        kind: DataKind::Cifar10,
        name: "cifar10",
        title: "CIFAR-10",
        family: Family::Cifar(Cifar::Ten),
        classes: CIFAR10,
        counts: [50_000, 10_000],
        shape: [3, 32, 32],
        folders: &["cifar10", "cifar-10-batches-bin", ".", "cifar10-jpeg-parquet"],
        remote: &[RemoteFile {
            name: "cifar-10-binary.tar.gz",
            url: "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",
            bytes: 170_052_171,
            sha256: "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
        }],
        source: CIFAR_SOURCE,
    },
    Known {
        kind: DataKind::Cifar10Subset,
        name: "cifar10-subset",
        title: "part of CIFAR-10",
        family: Family::CifarSubset,
        classes: CIFAR10,
        counts: [0, 0],
        shape: [3, 32, 32],
        folders: &["cifar10-subset", "cifar10-lossless-subset"],
        remote: &[],
        source: CIFAR_SOURCE,
    },
    Known {
        kind: DataKind::Cifar100,
        name: "cifar100",
        title: "CIFAR-100",
        family: Family::Cifar(Cifar::Hundred),
        classes: CIFAR100,
        counts: [50_000, 10_000],
        shape: [3, 32, 32],
        folders: &["cifar100", "cifar-100-binary", "."],
        remote: &[RemoteFile {
            name: "cifar-100-binary.tar.gz",
            url: "https://www.cs.toronto.edu/~kriz/cifar-100-binary.tar.gz",
            bytes: 168_513_733,
            sha256: "58a81ae192c23a4be8b1804d68e518ed807d710a4eb253b1f2a199162a40d8ec",
        }],
        source: CIFAR_SOURCE,
    },
    Known {
        kind: DataKind::Mnist,
        name: "mnist",
        title: "MNIST",
        family: Family::Idx,
        classes: DIGITS,
        counts: [60_000, 10_000],
        shape: [1, 28, 28],
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
        source: "LeCun, Cortes and Burges, http://yann.lecun.com/exdb/mnist/",
    },
    Known {
        kind: DataKind::FashionMnist,
        name: "fashion-mnist",
        title: "Fashion-MNIST",
        family: Family::Idx,
        classes: FASHION,
        counts: [60_000, 10_000],
        shape: [1, 28, 28],
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
        source: "Xiao, Rasul and Vollgraf 2017, MIT; Debian: dataset-fashion-mnist",
    },
];

/// A place where a known data set lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    CifarFolder(Cifar, PathBuf),
    CifarArchive(Cifar, PathBuf),
    CifarSubset { train: PathBuf, test: PathBuf, index: PathBuf },
    Idx(PathBuf),
    Parquet { train: Vec<PathBuf>, test: Vec<PathBuf> },
}

impl Place {
    /// What stands for it in a list.
    pub(super) fn path(&self) -> &Path {
        match self {
            Self::CifarFolder(_, path)
            | Self::CifarArchive(_, path)
            | Self::Idx(path) => path,
            Self::CifarSubset { train, .. } => train.parent().unwrap_or(train),
            Self::Parquet { train, .. } => train[0].parent().unwrap_or(&train[0]),
        }
    }
}

impl Known {
    /// The data set of that kind, if it is a known one.
    pub(super) fn of(kind: DataKind) -> Option<&'static Self> {
        KNOWN.iter().find(|known| known.kind == kind)
    }

    /// Where it lies in the data directories.
    pub(super) fn find(&self) -> Option<Place> {
        data_directories().iter().find_map(|directory| self.find_below(directory))
    }

    /// Where it lies in one of its folders of `directory`.
    fn find_below(&self, directory: &Path) -> Option<Place> {
        self.folders.iter().find_map(|folder| {
            // `.` is for what needs no folder of its own: an archive with a telling name.
            let place = self.find_in(&directory.join(folder))?;
            (*folder != "." || matches!(place, Place::CifarArchive(..))).then_some(place)
        })
    }

    /// Where it lies at a path that the user names: a folder with its files, a data
    /// directory, or an archive.
    pub(super) fn find_at(&self, path: &Path) -> Result<Place> {
        if path.is_file()
            && let Family::Cifar(cifar) = self.family
        {
            return Ok(Place::CifarArchive(cifar, path.to_owned()));
        }
        if let Some(place) = self.find_in(path).or_else(|| self.find_below(path)) {
            return Ok(place);
        }
        let found =
            if path.exists() { "does not hold" } else { "does not exist; it is to hold" };
        Err(Error::data(path, format!("{found} {}", self.title)).expected(self.files()))
    }

    /// The forms in which it may lie in `folder`.
    fn find_in(&self, folder: &Path) -> Option<Place> {
        match self.family {
            Family::Cifar(cifar) => {
                let (archive, inner) = cifar.archive();
                let folders = [folder.to_owned(), folder.join(inner)];
                let files =
                    folders.into_iter().find(|f| f.join(cifar.files().1).is_file());
                if let Some(files) = files {
                    return Some(Place::CifarFolder(cifar, files));
                }
                let archive = folder.join(archive);
                if archive.is_file() {
                    return Some(Place::CifarArchive(cifar, archive));
                }
            }
            Family::CifarSubset => {
                let files = files_in(folder);
                let one = |start: &str, end: &str| {
                    files.iter().find(|f| is_named(f, start, end)).cloned()
                };
                return Some(Place::CifarSubset {
                    train: one("train", ".bin")?,
                    test: one("test", ".bin")?,
                    index: one("train", "index.npy")?,
                });
            }
            Family::Idx => {
                if idx::find(folder, idx::FILES[0][0]).is_some() {
                    return Some(Place::Idx(folder.to_owned()));
                }
            }
        }
        parquet_files(folder).map(|[train, test]| Place::Parquet { train, test })
    }

    /// The files that it may lie in, in words.
    fn files(&self) -> String {
        match self.family {
            Family::Cifar(cifar) => format!(
                "{}, its unpacked files, or train-*.parquet and test-*.parquet",
                cifar.archive().0
            ),
            Family::CifarSubset => {
                "train_*.bin, test_*.bin and train_*index.npy".to_owned()
            }
            Family::Idx => format!(
                "{} and the other three (plain or .gz), or Parquet files",
                idx::FILES[0][0]
            ),
        }
    }

    /// The error of a data set that is nowhere, with what to do, also offline.
    pub(super) fn missing(&self) -> Error {
        let directories: Vec<String> =
            data_directories().iter().map(|d| d.display().to_string()).collect();
        let error = Error::new(
            ErrorKind::Data,
            format!("data set `{}`", self.name),
            format!("is in none of {}", directories.join(", ")),
        );
        let error = error.expected(format!(
            "a folder `{}` with {}",
            self.folders[0],
            self.files()
        ));
        match self.remote {
            [] => error.fix("name the folder that holds it with `data.path` or --data"),
            [first, ..] => error.fix(format!(
                "get it: stratagram data fetch {}; without a network, copy {} into one of \
                 these directories, or name its folder with --data or `data.path`",
                self.name, first.url
            )),
        }
    }
}

/// The training and the test files of Hugging Face's naming, in order.
pub(super) fn parquet_files(folder: &Path) -> Option<[Vec<PathBuf>; 2]> {
    let inner = ["", "data", "plain_text"].map(|name| folder.join(name));
    inner.iter().find_map(|folder| {
        let files = files_in(folder);
        let named = |starts: &[&str]| -> Vec<PathBuf> {
            let wanted =
                |f: &&PathBuf| starts.iter().any(|start| is_named(f, start, ".parquet"));
            files.iter().filter(wanted).cloned().collect()
        };
        let sets = [named(&["train"]), named(&["test", "val"])];
        sets.iter().all(|set| !set.is_empty()).then_some(sets)
    })
}

fn is_named(file: &Path, start: &str, end: &str) -> bool {
    let name = file.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    name.starts_with(start) && name.ends_with(end)
}

/// The files of a folder, sorted by name; none where it cannot be read.
fn files_in(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut files: Vec<PathBuf> =
        entries.map(|entry| entry.path()).filter(|path| path.is_file()).collect();
    files.sort();
    files
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
