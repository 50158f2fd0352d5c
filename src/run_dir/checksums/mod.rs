//! SHA-256 of every file that a result rests on: listed before the file gets its name, compared
//! before it is read.
//!
//! Each writer has a list of its own, so that a training and an analysis beside it need not wait
//! for each other. While work goes on a list grows line by line; a file that is being replaced
//! is in it twice, and either content is right. At the end of the work the list is written whole,
//! with one line per file. A file without a line, as in runs of earlier versions, is read as it is.

mod journal;
mod memory;
mod place;
mod sum;

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::atomic::{link_or_copy, write_atomic};
use super::files::{RunFile, Writer};
use super::manifest;
use crate::error::{Error, Result};
use journal::Journal;
use memory::Stamp;
use place::Place;
pub(super) use sum::Running;
use sum::Sum;

/// Writes a file of a run whole, and its checksum before.
///
/// # Errors
/// If the operating system refuses; the file is then as before.
pub(crate) fn write_file(path: &Path, bytes: &[u8]) -> Result<()> {
    list(path, Sum::of(bytes))?;
    write_atomic(path, bytes)?;
    memory::remember(path);
    Ok(())
}

/// Gives a file of a run to another run, as [`link_or_copy`] does, and its checksum before.
///
/// # Errors
/// As [`checked`], or if the operating system refuses.
pub(crate) fn link_file(from: &Path, to: &Path) -> Result<()> {
    let cannot = |error| Error::io(from, "cannot be read", error);
    let size = checked(from)?.metadata().map_err(cannot)?.len();
    let sum = Sum::of_start(from, size).map_err(cannot)?;
    list(to, sum)?;
    link_or_copy(from, to)?;
    memory::remember(to);
    Ok(())
}

/// Lists what a table that grows holds by now.
///
/// # Errors
/// If the operating system refuses.
pub(super) fn list_rows(path: &Path, rows: &Running) -> Result<()> {
    list(path, rows.sum())
}

fn list(path: &Path, sum: Sum) -> Result<()> {
    match Place::of(path) {
        Some(place) if place.is_listed() => memory::append(&place, sum),
        _ => Ok(()),
    }
}

/// The path itself, once the file's content is known to be as it was written. Each content is
/// hashed once per process; a file that is missing, or has no line, passes.
///
/// # Errors
/// If it is not; the message says what was found and expected, and what to do.
pub(crate) fn checked(path: &Path) -> Result<&Path> {
    let place = match Place::of(path) {
        Some(place) if place.file == RunFile::Manifest => {
            manifest::check(path)?;
            return Ok(path);
        }
        Some(place) if place.is_listed() => place,
        _ => return Ok(path),
    };
    // Another process may replace the file, or its line, at this moment: once more, with its
    // new line.
    for attempt in 0..2 {
        if attempt > 0 {
            memory::forget(&place);
        }
        let Some(sums) = memory::listed(&place)? else { return Ok(path) };
        let Some(stamp) = Stamp::of(path) else { return Ok(path) };
        if memory::has_seen(path, &stamp) {
            return Ok(path);
        }
        if holds(path, place.file, &sums)? {
            memory::see(path, stamp);
            return Ok(path);
        }
    }
    Err(damage(path, &place))
}

/// Checks all that an analysis is made of, before what was made of it is removed.
///
/// # Errors
/// As [`checked`], of the first file that is damaged.
pub(crate) fn check_sources(root: &Path) -> Result<()> {
    let Some(list) = Journal::read(&RunFile::TrainChecksums.path(root))? else {
        return Ok(());
    };
    for name in list.sums.keys() {
        let path = root.join(name);
        let is_source = Place::of(&path).is_some_and(|place| {
            use RunFile::{Checkpoint, History, Labels, Row};
            matches!(place.file, Checkpoint | History | Labels | Row)
        });
        if is_source {
            checked(&path)?;
        }
    }
    Ok(())
}

/// Whether a file's content is one of those that are listed.
fn holds(path: &Path, file: RunFile, sums: &[Sum]) -> Result<bool> {
    let cannot = |error| Error::io(path, "cannot be read", error);
    let size = path.metadata().map_err(cannot)?.len();
    if !grows(file) {
        return Ok(sums.iter().any(|sum| sum.bytes == size)
            && sums.contains(&Sum::of_start(path, size).map_err(cannot)?));
    }
    // Rows behind the last line are of a process that goes on, or was killed; the line before
    // it is that of a table about to be cut.
    let last = sums.iter().rev().take(2).filter(|sum| sum.bytes <= size);
    let Some(sum) = last.max_by_key(|sum| sum.bytes) else { return Ok(false) };
    Ok(Sum::of_start(path, sum.bytes).map_err(cannot)? == *sum)
}

/// Tables to which rows are added.
fn grows(file: RunFile) -> bool {
    matches!(file, RunFile::History | RunFile::Updates)
}

fn damage(path: &Path, place: &Place) -> Error {
    let size = path.metadata().map_or(0, |file| file.len());
    let found =
        Sum::of_start(path, size).map_or_else(|e| e.to_string(), |s| s.to_string());
    let sums = memory::listed(place).ok().flatten().unwrap_or_default();
    let expected = sums.last().map(Sum::to_string).unwrap_or_default();
    let list = place.list();
    let name = list.about().pattern;
    let root = place.root.display();
    let restore = match list.about().writer {
        Writer::Analysis => format!("make it again: stratagram analyze {root} --force"),
        Writer::Report => format!("make it again: stratagram report {root} --force"),
        _ => "restore it from a backup, or make the run again with --fresh".into(),
    };
    Error::data(path, format!("is not as it was written: it has {found}"))
        .expected(format!("{expected}, as {name} says"))
        .fix(format!("{restore}; if it was changed on purpose, remove {name}"))
}

/// Writes a writer's list whole, at the end of its work: one line per file that is there.
///
/// # Errors
/// If the list is damaged, or the operating system refuses.
pub(crate) fn finish(root: &Path, list: RunFile) -> Result<()> {
    let path = list.path(root);
    let Some(journal) = Journal::read(&path)? else { return Ok(()) };
    let mut whole = Journal::default();
    for (name, sums) in journal.sums {
        let file = root.join(&name);
        let cannot = |error| Error::io(&file, "cannot be read", error);
        let size = match file.metadata() {
            Err(error) if error.kind() == ErrorKind::NotFound => continue,
            found => found.map_err(cannot)?.len(),
        };
        let current = if let [only] = sums[..] {
            Some(only)
        } else {
            let found = Sum::of_start(&file, size).map_err(cannot)?;
            sums.contains(&found).then_some(found)
        };
        whole.sums.insert(name, current.map_or(sums, |current| vec![current]));
    }
    let text = whole.to_text();
    if std::fs::read(&path).is_ok_and(|there| there == text.as_bytes()) {
        return Ok(());
    }
    write_atomic(&path, text.as_bytes())
}

/// What these files of a run hold now, for [`list_all`] and [`are_listed`].
///
/// # Errors
/// If one cannot be read.
pub(crate) fn sums_of(root: &Path, files: &[PathBuf]) -> Result<Sums> {
    let mut sums = Sums::default();
    for path in files {
        let cannot = |error| Error::io(path, "cannot be read", error);
        let size = path.metadata().map_err(cannot)?.len();
        let sum = Sum::of_start(path, size).map_err(cannot)?;
        let name: Vec<_> = path.strip_prefix(root).unwrap_or(path).iter().collect();
        let name: Vec<_> = name.iter().map(|part| part.to_string_lossy()).collect();
        sums.0.add(&name.join("/"), sum);
    }
    Ok(sums)
}

/// Checksums of some files.
#[derive(Debug, Default)]
pub(crate) struct Sums(Journal);

/// Writes a list of these files alone.
///
/// # Errors
/// If the operating system refuses.
pub(crate) fn list_all(root: &Path, list: RunFile, parts: [Sums; 2]) -> Result<()> {
    let [mut all, more] = parts;
    all.0.sums.extend(more.0.sums);
    write_atomic(&list.path(root), all.0.to_text().as_bytes())
}

/// Whether a list is of these files as they are, and of others that are as they were.
pub(crate) fn are_listed(root: &Path, list: RunFile, sums: &Sums) -> bool {
    let Ok(Some(there)) = Journal::read(&list.path(root)) else { return false };
    sums.0.sums.iter().all(|(name, sums)| there.sums.get(name) == Some(sums))
        && there.sums.iter().all(|(name, sums)| {
            let file = root.join(name);
            sums_of(root, &[file]).is_ok_and(|now| now.0.sums.get(name) == Some(sums))
        })
}

#[cfg(test)]
mod tests;
