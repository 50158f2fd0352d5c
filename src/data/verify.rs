//! `stratagram data verify`: whether a data set is what it should be.

use std::io::Read;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::choose::{checksum, load_known};
use super::files::stored::open;
use super::sets::known::Known;
use super::sets::set::{Origin, Set};
use super::sets::{ALL, named};
use crate::error::{Error, Result};

/// What was found of a data set.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Verified {
    /// Its name in experiment files.
    pub name: &'static str,
    /// What it is, such as "CIFAR-10 (JPEG)".
    pub title: String,
    /// Where it lies; nothing for those in the program.
    pub place: Option<PathBuf>,
    /// Number of training and of test images.
    pub counts: [usize; 2],
    /// Files whose SHA-256 is that of their authors' files.
    pub original_files: Vec<&'static str>,
    /// SHA-256 of pixels and labels, as `run.json` names it.
    pub sha256: String,
}

/// Reads the data set `name` where it is found, with all checks of its format, and compares
/// its files with the checksums of their authors' where they have the same name and length.
///
/// Cost: one pass over the files, one over the pixels.
///
/// # Errors
/// If the name is not known, the data set is missing or damaged, or a file has the length of
/// the original but another checksum.
pub fn verify(name: &str) -> Result<Verified> {
    let set = named(name).ok_or_else(|| nowhere(name))?;
    if let Some(built_in) = built_in(set) {
        return Ok(built_in);
    }
    let known = Known::of(set).ok_or_else(|| nowhere(name))?;
    let place = known.find().ok_or_else(|| known.missing())?;
    let original_files = original_files(known, place.path())?;
    let stored = load_known(known, None)?;
    Ok(Verified {
        name: set.name,
        title: stored.name,
        place: Some(place.path().to_owned()),
        counts: [stored.train.len(), stored.test.len()],
        original_files,
        sha256: checksum(&[&stored.train, &stored.test]),
    })
}

fn nowhere(name: &str) -> Error {
    let sets = ALL.iter().filter(|set| !set.needs_path());
    let names: Vec<&str> = sets.map(|set| set.name).collect();
    let what = format!("data set `{}`", name.escape_debug());
    Error::usage(what, "has no known place").expected(names.join(", "))
}

/// What is in the program; what it makes is that of the seed that `data.seed` has if not given.
fn built_in(set: &Set) -> Option<Verified> {
    let (title, sha256) = match set.origin {
        Origin::Pool(load) => (set.title.to_owned(), checksum(&[&load()])),
        Origin::Made(make) => {
            let (train, test) = make(1);
            (format!("{} of data.seed = 1", set.title), checksum(&[&train, &test]))
        }
        Origin::Known(_) | Origin::Yours(_) => return None,
    };
    let (name, counts) = (set.name, set.counts);
    Some(Verified { name, title, place: None, counts, original_files: vec![], sha256 })
}

/// The files that are their authors', bit for bit.
fn original_files(known: Known, place: &Path) -> Result<Vec<&'static str>> {
    let mut originals = Vec::new();
    for remote in known.storage.remote {
        let file =
            if place.is_file() { place.to_owned() } else { place.join(remote.name) };
        // Others have packed the same content in another way, which only reading it can tell.
        if !std::fs::metadata(&file).is_ok_and(|metadata| metadata.len() == remote.bytes)
        {
            continue;
        }
        let found = file_sha256(&file)?;
        if found != remote.sha256 {
            return Err(Error::data(&file, format!("has SHA-256 {found}"))
                .expected(remote.sha256)
                .fix(format!(
                    "it is damaged: remove it, then stratagram data fetch {}",
                    known.set.name
                )));
        }
        originals.push(remote.name);
    }
    Ok(originals)
}

/// SHA-256 of a file, in hexadecimal.
fn file_sha256(path: &Path) -> Result<String> {
    let cannot = |error| Error::io(path, "cannot be read", error);
    let (mut file, _) = open(path)?;
    let mut hash = Sha256::new();
    let mut block = vec![0; 1 << 16];
    loop {
        match file.read(&mut block).map_err(cannot)? {
            0 => break,
            n => hash.update(&block[..n]),
        }
    }
    Ok(hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}
