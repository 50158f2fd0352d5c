//! Which examples the rows of an array are: how many, and their ids where a file has them.

use std::path::{Path, PathBuf};

use crate::array_file::{Member, read_npy_member};
use crate::disk;
use crate::error::{Error, ErrorKind, Result};

/// Names of an array that holds the examples' ids instead of activations.
pub(crate) const IDS: [&str; 2] = ["ids", "sample_ids"];

/// Where one representation came from.
#[derive(Debug, Clone)]
pub(crate) struct Origin {
    pub(crate) file: PathBuf,
    /// Its name within a file of several.
    pub(crate) member: Option<String>,
}

/// The examples of one representation.
#[derive(Debug, Clone)]
pub(crate) struct Examples {
    pub(crate) origin: Origin,
    /// How many there are.
    pub(crate) n: usize,
    pub(crate) ids: Option<Vec<String>>,
}

impl Origin {
    /// For messages: the file, and the array in it.
    pub(crate) fn place(&self) -> String {
        match &self.member {
            Some(member) => format!("{}:{member}", self.file.display()),
            None => self.file.display().to_string(),
        }
    }
}

impl Examples {
    /// Keeps these alone.
    pub(super) fn keep(&mut self, rows: &[usize]) {
        self.n = rows.len();
        let chosen = |ids: Vec<String>| {
            rows.iter().filter_map(|at| ids.get(*at).cloned()).collect()
        };
        self.ids = self.ids.take().map(chosen);
    }

    fn wrong(&self, found: String) -> Error {
        Error::new(ErrorKind::Data, self.origin.place(), found)
    }

    /// Checks that the ids are those of `reference`.
    fn check_ids(&self, own: &[String], reference: &Self, ids: &[String]) -> Result<()> {
        if own.len() != self.n {
            return Err(self
                .wrong(format!("has {} sample ids", own.len()))
                .expected(format!("{}, one per example", self.n)));
        }
        match own.iter().zip(ids).position(|(a, b)| a != b) {
            None => Ok(()),
            Some(row) => Err(self
                .wrong(format!("has the sample `{}` in row {row}", own[row]))
                .expected(format!("`{}`, as in {}", ids[row], reference.origin.place()))
                .fix("order the rows of all arrays alike")),
        }
    }
}

/// Refuses representations that are not of the same examples: another number of them, or
/// other ids.
///
/// # Errors
/// Names the first mismatch.
pub(crate) fn check_examples(all: &[&Examples]) -> Result<()> {
    let Some((first, rest)) = all.split_first() else { return Ok(()) };
    for other in rest {
        if other.n != first.n {
            return Err(other
                .wrong(format!("holds {} examples", other.n))
                .expected(format!("{}, as in {}", first.n, first.origin.place()))
                .fix("the rows of all arrays are the same examples in the same order"));
        }
    }
    let known = all.iter().find_map(|one| one.ids.as_ref().map(|ids| (one, ids)));
    let Some((reference, ids)) = known else { return Ok(()) };
    for one in all {
        let Some(own) = &one.ids else {
            return Err(one
                .wrong("has no sample ids".into())
                .expected(format!("those of {}", reference.origin.place()))
                .fix("give all arrays their ids, or none"));
        };
        one.check_ids(own, reference, ids)?;
    }
    Ok(())
}

/// The ids beside a file: `<stem>.ids.txt`, one per line, or `<stem>.ids.npy`.
///
/// # Errors
/// If the file of ids cannot be read.
pub(super) fn sidecar_ids(file: &Path) -> Result<Option<Vec<String>>> {
    let text = file.with_extension("ids.txt");
    if text.is_file() {
        let text = disk::read_text(&text, disk::LIST)?;
        return Ok(Some(text.lines().map(str::to_owned).collect()));
    }
    let array = file.with_extension("ids.npy");
    if !array.is_file() {
        return Ok(None);
    }
    Ok(to_ids(read_npy_member(&array)?))
}

/// The texts or whole numbers of an array of ids.
pub(super) fn to_ids(member: Member) -> Option<Vec<String>> {
    match member {
        Member::Array(array) => {
            array.to_i64().map(|ids| ids.iter().map(ToString::to_string).collect())
        }
        Member::Texts(ids) => Some(ids),
        Member::Other(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn examples(file: &str, n: usize, ids: Option<&[&str]>) -> Examples {
        let origin = Origin { file: file.into(), member: None };
        let ids = ids.map(|ids| ids.iter().map(|id| (*id).to_owned()).collect());
        Examples { origin, n, ids }
    }

    #[test]
    fn the_first_mismatch_is_named() {
        let a = examples("a.npy", 2, Some(&["x", "y"]));
        for (other, message) in [
            (
                examples("b.npy", 3, None),
                "b.npy holds 3 examples; expected 2, as in a.npy",
            ),
            (examples("b.npy", 2, None), "b.npy has no sample ids"),
            (examples("b.npy", 2, Some(&["x"])), "b.npy has 1 sample ids"),
            (
                examples("b.npy", 2, Some(&["x", "z"])),
                "b.npy has the sample `z` in row 1; expected `y`, as in a.npy",
            ),
        ] {
            let error = check_examples(&[&a, &other]).unwrap_err().to_string();
            assert!(error.starts_with(message), "{error}");
        }
        check_examples(&[&a, &examples("b.npy", 2, Some(&["x", "y"]))]).unwrap();
        check_examples(&[]).unwrap();
    }
}
