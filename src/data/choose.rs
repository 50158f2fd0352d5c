//! Which images of which data set an experiment is about: reading, subset, split.

use std::path::Path;

use sha2::{Digest, Sha256};

use super::files::stored::Stored;
use super::files::{cifar, folder, idx, npz, parquet};
use super::sample::permutation;
use super::sets::known::{Family, Known, Place, parquet_files};
use super::sets::{digits, known, mnist1d};
use super::{DIGITS_COUNT, ImageSet};
use crate::error::{Error, Result};
use crate::experiment::{DataConfig, DataKind};
use crate::net::Shape;

/// Images of a data set after subset and split, as they are stored.
pub(super) struct Chosen {
    pub(super) train: ImageSet,
    pub(super) test: ImageSet,
    pub(super) train_index: Vec<usize>,
    pub(super) test_index: Vec<usize>,
    /// Number of positions that `train_index` may name.
    pub(super) n_positions: usize,
    pub(super) class_names: Vec<String>,
    pub(super) name: String,
    pub(super) sha256: String,
}

/// Reads and chooses.
pub(super) fn choose(config: &DataConfig) -> Result<Chosen> {
    if config.kind == DataKind::Digits {
        return choose_digits(config);
    }
    let path = config.path.as_deref();
    let stored = if config.kind == DataKind::Mnist1d {
        let (train, test) = mnist1d::generate(config.seed);
        let names = digits::CLASSES.iter().map(|&name| name.to_owned()).collect();
        Stored::complete(train, test, names, "MNIST-1D")
    } else if let Some(known) = known(config.kind) {
        load_known(known, path)?
    } else {
        let missing = || Error::usage("`data.path`", "is missing").expected("a path");
        load_unnamed(config.kind, path.ok_or_else(missing)?, config.size)?
    };
    let sha256 = checksum(&[&stored.train, &stored.test]);
    let seed = config.seed;
    let (train, train_index) =
        subset(stored.train, config.n_train, seed, "train", &stored.name)?;
    let (test, test_index) =
        subset(stored.test, config.n_test, seed, "test", &stored.name)?;
    Ok(Chosen {
        train,
        test,
        train_index: train_index.into_iter().map(|i| stored.train_positions[i]).collect(),
        test_index,
        n_positions: stored.n_positions,
        class_names: stored.class_names,
        name: stored.name,
        sha256,
    })
}

fn load_unnamed(kind: DataKind, path: &Path, size: Option<usize>) -> Result<Stored> {
    match kind {
        DataKind::Folder => folder::load(path, size),
        DataKind::Parquet => {
            let [train, test] = parquet_files(path).ok_or_else(|| {
                Error::data(path, "does not hold a data set")
                    .expected("train*.parquet and test*.parquet (or validation*.parquet)")
            })?;
            let stored = load_parquet(&train, &test, "Parquet images")?;
            same_shapes(path, &stored)?;
            Ok(stored)
        }
        _ => npz::load(path)
            .map(|(train, test)| Stored::complete(train, test, vec![], "arrays")),
    }
}

/// Reads a known data set from `path`, or from where it is found, and checks that it is the
/// one it is taken for.
pub(super) fn load_known(known: &Known, path: Option<&Path>) -> Result<Stored> {
    let place = match path {
        Some(path) => known.find_at(path)?,
        None => known.find().ok_or_else(|| known.missing())?,
    };
    let names = || known.classes.iter().map(|&name| name.to_owned()).collect();
    let pair = |(train, test)| Stored::complete(train, test, names(), known.title);
    let stored = match &place {
        Place::CifarFolder(kind, folder) => pair(cifar::load_folder(*kind, folder)?),
        Place::CifarArchive(kind, archive) => pair(cifar::load_archive(*kind, archive)?),
        Place::CifarSubset { train, test, index } => {
            let (train, test, positions) = cifar::load_subset(train, test, index)?;
            let complete = Stored::complete(train, test, names(), known.title);
            Stored { train_positions: positions, n_positions: 50_000, ..complete }
        }
        Place::Idx(folder) => pair(idx::load(folder, known.classes.len() as u8)?),
        Place::Parquet { train, test } => {
            Stored { class_names: names(), ..load_parquet(train, test, known.title)? }
        }
    };
    let place = place.path();
    same_shapes(place, &stored)?;
    check_known(known, place, &stored)?;
    Ok(stored)
}

/// The images of Hugging Face's files; where they are JPEG, the name says so: such images
/// are not those of the original.
fn load_parquet(
    train: &[std::path::PathBuf],
    test: &[std::path::PathBuf],
    title: &str,
) -> Result<Stored> {
    let (train, test) = (parquet::load(train)?, parquet::load(test)?);
    let is_jpeg = train.is_jpeg || test.is_jpeg;
    let name = if is_jpeg { format!("{title} (JPEG)") } else { title.to_owned() };
    Ok(Stored::complete(train.set, test.set, train.class_names, name))
}

fn same_shapes(place: &Path, stored: &Stored) -> Result<()> {
    let (train, test) = (stored.train.shape, stored.test.shape);
    if train == test {
        return Ok(());
    }
    let found = format!("has training images of {train:?} and test images of {test:?}");
    Err(Error::data(place, found).expected("the same shape"))
}

/// That the images are as many, as large, and of the classes that the data set has.
fn check_known(known: &Known, place: &Path, stored: &Stored) -> Result<()> {
    let [channels, height, width] = known.shape;
    let shape = Shape { channels, height, width };
    if stored.train.shape != shape {
        let found = format!("holds images of {:?}", stored.train.shape);
        return Err(
            Error::data(place, found).expected(format!("{shape:?} for {}", known.title))
        );
    }
    let counts = [stored.train.len(), stored.test.len()];
    // The subset is of any size.
    if known.family != Family::CifarSubset && counts != known.counts {
        let [n_train, n_test] = known.counts;
        let found = format!("holds {} + {} images", counts[0], counts[1]);
        return Err(Error::data(place, found)
            .expected(format!("{n_train} + {n_test} for {}", known.title))
            .fix(format!("check it: stratagram data verify {}", known.name)));
    }
    let labels = stored.train.labels.iter().chain(&stored.test.labels);
    let largest = labels.max().map_or(0, |label| usize::from(*label));
    if largest >= known.classes.len() {
        return Err(Error::data(place, format!("holds class {largest}"))
            .expected(format!("classes below {}", known.classes.len())));
    }
    Ok(())
}

/// The split of the digits: all are shuffled, the first are for training, the next for
/// testing.
fn choose_digits(config: &DataConfig) -> Result<Chosen> {
    let all = digits::load();
    let n_train = config.n_train.unwrap_or(1000);
    let n_test = config.n_test.unwrap_or(DIGITS_COUNT.saturating_sub(n_train));
    if n_train + n_test > DIGITS_COUNT {
        return Err(Error::usage("`data.n_train`", format!("is {n_train}")).expected(
            format!("with {n_test} test images at most {DIGITS_COUNT} digits together"),
        ));
    }
    let mut order = permutation(config.seed, "data/split", DIGITS_COUNT);
    order.truncate(n_train + n_test);
    let test_index = order.split_off(n_train);
    Ok(Chosen {
        train: all.select(&order),
        test: all.select(&test_index),
        train_index: order,
        test_index,
        n_positions: DIGITS_COUNT,
        class_names: digits::CLASSES.iter().map(|&name| name.to_owned()).collect(),
        name: "digits".into(),
        sha256: checksum(&[&all]),
    })
}

/// A shuffled subset of `n` images, or all in stored order; with their positions.
fn subset(
    set: ImageSet,
    n: Option<usize>,
    seed: u64,
    name: &str,
    data_set: &str,
) -> Result<(ImageSet, Vec<usize>)> {
    let Some(n) = n else {
        let all = (0..set.len()).collect();
        return Ok((set, all));
    };
    if n > set.len() {
        return Err(Error::usage(format!("`data.n_{name}`"), format!("is {n}"))
            .expected(format!("at most the {} images of {data_set}", set.len())));
    }
    let mut index = permutation(seed, &format!("data/{name}"), set.len());
    index.truncate(n);
    Ok((set.select(&index), index))
}

/// SHA-256 of shapes, pixels and labels.
pub(super) fn checksum(sets: &[&ImageSet]) -> String {
    let mut hash = Sha256::new();
    for set in sets {
        set.hash(&mut hash);
    }
    let hexadecimal: Vec<String> =
        hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    hexadecimal.concat()
}
