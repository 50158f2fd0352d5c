//! Classes of the examples: whole numbers, in `.npy` or one per line of a text.

use std::path::Path;

use crate::array_file::read_npy;
use crate::disk;
use crate::error::{Error, Result};

/// The classes of `n` examples.
pub(super) fn read(path: &Path, n: usize) -> Result<Vec<u16>> {
    let is_npy = path.extension().is_some_and(|own| own.eq_ignore_ascii_case("npy"));
    let numbers = if is_npy { read_npy(path)?.to_i64() } else { of_lines(path)? };
    let classes = numbers.and_then(|numbers| {
        numbers.into_iter().map(|own| u16::try_from(own).ok()).collect::<Option<Vec<_>>>()
    });
    let expected =
        "whole numbers from 0 to 65535: a .npy, or a text with one on each line";
    let classes = classes
        .ok_or_else(|| Error::data(path, "holds no classes").expected(expected))?;
    if classes.len() != n {
        let found = format!("holds {} classes", classes.len());
        return Err(Error::data(path, found).expected(format!("{n}, one per example")));
    }
    Ok(classes)
}

/// The numbers on the lines; none where a line is no whole number.
fn of_lines(path: &Path) -> Result<Option<Vec<i64>>> {
    let text = disk::read_text(path, disk::LIST)?;
    Ok(text.lines().map(|line| line.trim().parse().ok()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_are_whole_numbers_one_per_example() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("labels.txt");
        let read = |text: &str| {
            std::fs::write(&path, text).unwrap();
            read(&path, 3)
        };
        assert_eq!(read("3\n 0\n65535\n").unwrap(), [3, 0, 65535]);
        for (text, refused) in [
            ("3\n0\n", "holds 2 classes; expected 3, one per example"),
            ("3\n-1\n0\n", "holds no classes"),
            ("cat\ndog\nowl\n", "holds no classes"),
        ] {
            let error = read(text).unwrap_err().to_string();
            assert!(error.contains(refused), "{error}");
        }
    }
}
