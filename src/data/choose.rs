//! Which images of which data set an experiment is about: reading, subset, split.

use std::path::Path;

use sha2::{Digest, Sha256};

use super::ImageSet;
use super::files::stored::Stored;
use super::files::{cifar, idx, parquet};
use super::sample::permutation;
use super::sets::known::{Known, Place};
use super::sets::set::{Origin, Set};
use crate::error::{Error, Result};
use crate::experiment::DataConfig;
use crate::net::Shape;

/// How many images are for training, where all are one set and nothing else is said.
pub(crate) const TRAIN_OF_POOL: usize = 1000;

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
    /// What there is to be said of the files.
    pub(super) notes: Vec<String>,
}

/// Reads and chooses.
pub(super) fn choose(config: &DataConfig) -> Result<Chosen> {
    let set = config.kind.set();
    let path = config.path.as_deref();
    let stored = match &set.origin {
        Origin::Pool(load) => return choose_of_pool(config, set, &load()),
        Origin::Made(make) => {
            let (train, test) = make(config.seed);
            Stored::complete(train, test, class_names(set), set.title)
        }
        Origin::Known(storage) => load_known(Known { set, storage }, path)?,
        Origin::Yours(form) => {
            let missing = || Error::usage("`data.path`", "is missing").expected("a path");
            (form.load)(path.ok_or_else(missing)?, config.size)?
        }
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
        notes: stored.notes,
    })
}

fn class_names(set: &Set) -> Vec<String> {
    set.classes.iter().map(|&name| name.to_owned()).collect()
}

/// Reads a known data set from `path`, or from where it is found, and checks that it is the
/// one it is taken for.
pub(super) fn load_known(known: Known, path: Option<&Path>) -> Result<Stored> {
    let place = match path {
        Some(path) => known.find_at(path)?,
        None => known.find().ok_or_else(|| known.missing())?,
    };
    let set = known.set;
    let names = || class_names(set);
    let pair = |(train, test)| Stored::complete(train, test, names(), set.title);
    let stored = match &place {
        Place::CifarFolder(kind, folder) => pair(cifar::load_folder(*kind, folder)?),
        Place::CifarArchive(kind, archive) => pair(cifar::load_archive(*kind, archive)?),
        Place::CifarSubset { train, test, index } => {
            let (train, test, positions) = cifar::load_subset(train, test, index)?;
            let complete = Stored::complete(train, test, names(), set.title);
            Stored { train_positions: positions, n_positions: 50_000, ..complete }
        }
        Place::Idx(folder) => pair(idx::load(folder, set.classes.len() as u8)?),
        Place::Parquet { train, test } => {
            Stored { class_names: names(), ..parquet::load_pair(train, test, set.title)? }
        }
    };
    let place = place.path();
    let stored = stored.of_one_shape(place)?;
    check_known(set, place, &stored)?;
    Ok(stored)
}

/// That the images are as many, as large, and of the classes that the data set has.
fn check_known(set: &Set, place: &Path, stored: &Stored) -> Result<()> {
    let [channels, height, width] = set.shape;
    let shape = Shape { channels, height, width };
    if stored.train.shape != shape {
        let found = format!("holds images of {:?}", stored.train.shape);
        return Err(
            Error::data(place, found).expected(format!("{shape:?} for {}", set.title))
        );
    }
    let counts = [stored.train.len(), stored.test.len()];
    // A subset is of any size.
    if set.counts != [0, 0] && counts != set.counts {
        let [n_train, n_test] = set.counts;
        let found = format!("holds {} + {} images", counts[0], counts[1]);
        return Err(Error::data(place, found)
            .expected(format!("{n_train} + {n_test} for {}", set.title))
            .fix(format!("check it: stratagram data verify {}", set.name)));
    }
    let labels = stored.train.labels.iter().chain(&stored.test.labels);
    let largest = labels.max().map_or(0, |label| usize::from(*label));
    if largest >= set.classes.len() {
        return Err(Error::data(place, format!("holds class {largest}"))
            .expected(format!("classes below {}", set.classes.len())));
    }
    Ok(())
}

/// The split of a set that is one: all are shuffled, the first are for training, the next
/// for testing.
fn choose_of_pool(config: &DataConfig, set: &Set, all: &ImageSet) -> Result<Chosen> {
    let count = all.len();
    let n_train = config.n_train.unwrap_or(TRAIN_OF_POOL);
    let n_test = config.n_test.unwrap_or(count.saturating_sub(n_train));
    if n_train + n_test > count {
        return Err(Error::usage("`data.n_train`", format!("is {n_train}")).expected(
            format!("with {n_test} test images at most {count} {} together", set.images),
        ));
    }
    let mut order = permutation(config.seed, "data/split", count);
    order.truncate(n_train + n_test);
    let test_index = order.split_off(n_train);
    Ok(Chosen {
        train: all.select(&order),
        test: all.select(&test_index),
        train_index: order,
        test_index,
        n_positions: count,
        class_names: class_names(set),
        name: set.title.into(),
        sha256: checksum(&[all]),
        notes: vec![],
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
