//! `stratagram data verify`: whether a data set is what it should be.

use std::io::Read;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::DIGITS_COUNT;
use super::choose::{checksum, load_known};
use super::files::stored::open;
use super::sets::known::Known;
use super::sets::{KNOWN, digits, mnist1d};
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
    if let Some(built_in) = built_in(name) {
        return Ok(built_in);
    }
    let Some(known) = KNOWN.iter().find(|known| known.name == name) else {
        let names: Vec<&str> = KNOWN.iter().map(|known| known.name).collect();
        return Err(Error::usage(
            format!("data set `{}`", name.escape_debug()),
            "has no known place",
        )
        .expected(format!("digits, mnist1d, {}", names.join(", "))));
    };
    let place = known.find().ok_or_else(|| known.missing())?;
    let original_files = original_files(known, place.path())?;
    let stored = load_known(known, None)?;
    Ok(Verified {
        name: known.name,
        title: stored.name,
        place: Some(place.path().to_owned()),
        counts: [stored.train.len(), stored.test.len()],
        original_files,
        sha256: checksum(&[&stored.train, &stored.test]),
    })
}

/// What is in the program; signals are those of the seed that `data.seed` has if not given.
fn built_in(name: &str) -> Option<Verified> {
    let (name, title, counts, sha256) = match name {
        "digits" => {
            let all = digits::load();
            ("digits", "digits", [DIGITS_COUNT, 0], checksum(&[&all]))
        }
        "mnist1d" => {
            let (train, test) = mnist1d::generate(1);
            let title = "MNIST-1D of data.seed = 1";
            ("mnist1d", title, mnist1d::COUNTS, checksum(&[&train, &test]))
        }
        _ => return None,
    };
    let title = title.to_owned();
    Some(Verified { name, title, place: None, counts, original_files: vec![], sha256 })
}

/// The files that are their authors', bit for bit.
fn original_files(known: &Known, place: &Path) -> Result<Vec<&'static str>> {
    let mut originals = Vec::new();
    for remote in known.remote {
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
                    known.name
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
