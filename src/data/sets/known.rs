//! Where a data set with files of a known form is looked for.

use std::path::{Path, PathBuf};

use super::directories::data_directories;
use super::set::{Family, Origin, Set, Storage};
use crate::data::files::cifar::Cifar;
use crate::data::files::idx;
use crate::error::{Error, ErrorKind, Result};

/// A data set that lies in files of a known form.
#[derive(Debug, Clone, Copy)]
pub(in crate::data) struct Known {
    pub(in crate::data) set: &'static Set,
    pub(in crate::data) storage: &'static Storage,
}

/// A place where a known data set lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::data) enum Place {
    CifarFolder(Cifar, PathBuf),
    CifarArchive(Cifar, PathBuf),
    CifarSubset { train: PathBuf, test: PathBuf, index: PathBuf },
    Idx(PathBuf),
    Parquet { train: Vec<PathBuf>, test: Vec<PathBuf> },
}

impl Place {
    /// What stands for it in a list.
    pub(in crate::data) fn path(&self) -> &Path {
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
    /// `set`, if it is stored so.
    pub(in crate::data) fn of(set: &'static Set) -> Option<Self> {
        match &set.origin {
            Origin::Known(storage) => Some(Self { set, storage }),
            _ => None,
        }
    }

    /// Where it lies in the data directories.
    pub(in crate::data) fn find(&self) -> Option<Place> {
        data_directories().iter().find_map(|directory| self.find_below(directory))
    }

    /// Where it lies in one of its folders of `directory`.
    fn find_below(&self, directory: &Path) -> Option<Place> {
        self.storage.folders.iter().find_map(|folder| {
            // `.` is for what needs no folder of its own: an archive with a telling name.
            let place = self.find_in(&directory.join(folder))?;
            (*folder != "." || matches!(place, Place::CifarArchive(..))).then_some(place)
        })
    }

    /// Where it lies at a path that the user names: a folder with its files, a data
    /// directory, or an archive.
    pub(in crate::data) fn find_at(&self, path: &Path) -> Result<Place> {
        if path.is_file()
            && let Family::Cifar(cifar) = self.storage.family
        {
            return Ok(Place::CifarArchive(cifar, path.to_owned()));
        }
        if let Some(place) = self.find_in(path).or_else(|| self.find_below(path)) {
            return Ok(place);
        }
        let found =
            if path.exists() { "does not hold" } else { "does not exist; it is to hold" };
        Err(Error::data(path, format!("{found} {}", self.set.title))
            .expected(self.files()))
    }

    /// The forms in which it may lie in `folder`.
    fn find_in(&self, folder: &Path) -> Option<Place> {
        match self.storage.family {
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
        match self.storage.family {
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
    pub(in crate::data) fn missing(&self) -> Error {
        let directories: Vec<String> =
            data_directories().iter().map(|d| d.display().to_string()).collect();
        let error = Error::new(
            ErrorKind::Data,
            format!("data set `{}`", self.set.name),
            format!("is in none of {}", directories.join(", ")),
        );
        let error = error.expected(format!(
            "a folder `{}` with {}",
            self.storage.folders[0],
            self.files()
        ));
        match self.storage.remote {
            [] => error.fix("name the folder that holds it with `data.path` or --data"),
            [first, ..] => error.fix(format!(
                "get it: stratagram data fetch {}; without a network, copy {} into one of \
                 these directories, or name its folder with --data or `data.path`",
                self.set.name, first.url
            )),
        }
    }
}

/// Where Hugging Face's repositories have their files.
const PARQUET_FOLDERS: [&str; 4] = ["", "data", "plain_text", "default"];
/// The names of test images, the likeliest first.
const TEST_NAMES: [&str; 2] = ["test", "val"];

/// The training and the test files of Hugging Face's naming, in order: `train-00000-of-00001`
/// beside `test-…` or `validation-…`, or numbered files in folders of these names.
pub(in crate::data) fn parquet_files(folder: &Path) -> Option<[Vec<PathBuf>; 2]> {
    let inner = PARQUET_FOLDERS.map(|name| folder.join(name));
    inner.iter().find_map(|folder| {
        let files = files_in(folder);
        let named = |start: &str| -> Vec<PathBuf> {
            let mut named: Vec<PathBuf> = files
                .iter()
                .filter(|file| is_named(file, start, ".parquet"))
                .cloned()
                .collect();
            if named.is_empty() {
                named = numbered(folder, start);
            }
            named
        };
        let test = TEST_NAMES.into_iter().map(named).find(|files| !files.is_empty());
        let sets = [named("train"), test?];
        sets.iter().all(|set| !set.is_empty()).then_some(sets)
    })
}

/// The files of the first folder whose name begins so, such as `train/0000.parquet`.
fn numbered(folder: &Path, start: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut folders: Vec<PathBuf> = entries
        .map(|entry| entry.path())
        .filter(|path| path.is_dir() && is_named(path, start, ""))
        .collect();
    folders.sort();
    let mut files = folders.first().map_or_else(Vec::new, |folder| files_in(folder));
    files.retain(|file| is_named(file, "", ".parquet") && !is_named(file, ".", ""));
    files
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
