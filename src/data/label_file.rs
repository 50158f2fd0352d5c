//! `noise.kind = "labels"`: training labels from a file, such as those that people gave
//! (CIFAR-10N, Wei et al. 2022): `.npz`, `.npy` or `.csv` of integers, one a training image of
//! the complete data set.

use std::path::{Path, PathBuf};

use super::sets::directories::data_directories;
use crate::array_file::{Member, NamedArrays, read_arrays, read_npz_any};
use crate::error::{Error, ErrorKind, Result};
use crate::experiment::IN_DATA_DIRECTORY;

/// A table of labels is shorter than this.
const LONGEST_TABLE: u64 = 256 << 20;

/// The `n` labels of a file, classes from 0 to `n_classes` − 1; `name` says which array or
/// column, where there are more.
pub(super) fn load(
    path: &Path,
    name: Option<&str>,
    n: usize,
    n_classes: usize,
) -> Result<Vec<u8>> {
    let path = &found(path)?;
    let is_csv =
        path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("csv"));
    let labels = if is_csv { from_csv(path, name)? } else { from_arrays(path, name)? };
    if labels.len() != n {
        return Err(Error::data(path, format!("holds {} labels", labels.len()))
            .expected(format!(
                "{n}, one for every training image of the complete data set"
            )));
    }
    let byte = |(i, label): (usize, i64)| match u8::try_from(label) {
        Ok(byte) if usize::from(byte) < n_classes => Ok(byte),
        _ => Err(Error::data(path, format!("holds {label} for image {i}"))
            .expected(format!("classes from 0 to {}", n_classes - 1))),
    };
    labels.into_iter().enumerate().map(byte).collect()
}

/// `data:FILE` in the first data directory that holds it; any other path as it is.
fn found(path: &Path) -> Result<PathBuf> {
    let inside = path.to_str().and_then(|path| path.strip_prefix(IN_DATA_DIRECTORY));
    let Some(inside) = inside else { return Ok(path.to_owned()) };
    let directories = data_directories();
    let file = directories.iter().map(|directory| directory.join(inside));
    file.into_iter().find(|file| file.is_file()).ok_or_else(|| {
        let list: Vec<String> =
            directories.iter().map(|directory| directory.display().to_string()).collect();
        let found = format!("is in none of {}", list.join(", "));
        Error::new(ErrorKind::Data, format!("`{inside}`"), found)
            .expected("a file of labels in a data directory")
            .fix("name the directory with --data, or the file with `noise.path`")
    })
}

/// Which of the names is meant.
fn choose(path: &Path, what: &str, names: &[&str], name: Option<&str>) -> Result<usize> {
    let list = || {
        let names: Vec<String> =
            names.iter().take(20).map(|name| name.escape_debug().to_string()).collect();
        names.join(", ")
    };
    match name {
        Some(name) => names.iter().position(|known| *known == name).ok_or_else(|| {
            Error::usage("`noise.name`", format!("is \"{}\"", name.escape_debug()))
                .expected(format!("one of the {what} of {}: {}", path.display(), list()))
        }),
        None if names.len() == 1 => Ok(0),
        None => Err(Error::usage("`noise.name`", "is missing").expected(format!(
            "one of the {what} of {}: {}",
            path.display(),
            list()
        ))),
    }
}

fn from_arrays(path: &Path, name: Option<&str>) -> Result<Vec<i64>> {
    let arrays = arrays(path)?;
    let names: Vec<&str> = arrays.names().collect();
    let at = choose(path, "arrays", &names, name)?;
    let (name, array) = &arrays.0[at];
    let wrong = |found: String| {
        Error::data(path, format!("array `{}` {found}", name.escape_debug()))
            .expected("integers of shape [n]")
    };
    if !matches!(array.shape[..], [_] | [_, 1]) {
        return Err(wrong(format!("has shape {:?}", array.shape)));
    }
    array.to_i64().ok_or_else(|| wrong("holds fractions".into()))
}

/// The arrays of a file; text, objects and single numbers beside them are left out.
fn arrays(path: &Path) -> Result<NamedArrays> {
    let is_npz = path.extension().is_some_and(|e| e.eq_ignore_ascii_case("npz"));
    if !is_npz {
        return read_arrays(path);
    }
    let mut arrays = NamedArrays::default();
    for (name, member) in read_npz_any(path)? {
        if let Member::Array(array) = member
            && !array.shape.is_empty()
        {
            arrays.push(name, array);
        }
    }
    Ok(arrays)
}

/// A column of a table with a header, or a file of one number a line.
fn from_csv(path: &Path, name: Option<&str>) -> Result<Vec<i64>> {
    let cannot = |error| Error::io(path, "cannot be read", error);
    let length = std::fs::metadata(path).map_err(cannot)?.len();
    if length > LONGEST_TABLE {
        return Err(Error::data(path, format!("has {length} bytes"))
            .expected(format!("a table of at most {LONGEST_TABLE}")));
    }
    let bytes = std::fs::read(path).map_err(cannot)?;
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .trim(csv::Trim::All)
        .from_reader(&bytes[..]);
    let mut labels = Vec::new();
    let mut column = None;
    for (line, record) in reader.records().enumerate() {
        let record = record.map_err(|error| {
            Error::data(path, format!("cannot be read as a table ({error})"))
        })?;
        let Some(column) = column else {
            let fields: Vec<&str> = record.iter().collect();
            let is_number = |field: &&str| field.parse::<i64>().is_ok();
            if fields.iter().all(is_number) && fields.len() == 1 {
                column = Some(0);
                labels.extend(fields[0].parse::<i64>());
            } else {
                column = Some(choose(path, "columns", &fields, name)?);
            }
            continue;
        };
        let field = record.get(column).unwrap_or_default();
        labels.push(field.parse().map_err(|_| {
            let found = format!("line {}: `{}`", line + 1, field.escape_debug());
            Error::data(path, found).expected("a whole number")
        })?);
    }
    Ok(labels)
}
