//! `stratagram data fetch`: the files of a data set, from the network.

mod file;
mod http;

use std::path::PathBuf;

use super::RemoteFile;
use super::sets::directories::fetch_directory;
use super::sets::{DataSet, data_sets};
use crate::error::{Error, Result};
use crate::observer::Observer;
pub use file::{Download, download};
pub(crate) use file::{Wanted, obtain};
pub(crate) use http::{Address, Response};

/// Gets the files of the data set `name` to its folder of the data directory, from their authors'
/// addresses or those of the same names below `from`; returns their paths, and what each took.
///
/// # Errors
/// If the set cannot be fetched, no directory for it is known, or a download fails
/// ([`download`]).
pub fn fetch(
    name: &str,
    from: Option<&str>,
    observer: &dyn Observer,
) -> Result<Vec<(PathBuf, Download)>> {
    let set = fetchable(name)?;
    let folder = fetch_directory().map(|directory| directory.join(set.folder));
    let folder = folder.ok_or_else(|| {
        Error::usage("`--data`", "is not given, and no home directory is set")
            .expected("a directory for data sets")
    })?;
    let of_file = |file: &RemoteFile| {
        let url = from.map_or_else(
            || file.url.to_owned(),
            |base| format!("{}/{}", base.trim_end_matches('/'), file.name),
        );
        let path = folder.join(file.name);
        let outcome = download(file, &url, &path, observer)?;
        Ok((path, outcome))
    };
    set.files.iter().map(of_file).collect()
}

fn fetchable(name: &str) -> Result<DataSet> {
    let sets = data_sets();
    let named = sets.iter().find(|set| set.name == name);
    if let Some(set) = named.filter(|set| !set.files.is_empty()) {
        return Ok(set.clone());
    }
    let others = sets.iter().filter(|set| !set.files.is_empty());
    let names: Vec<&str> = others.map(|set| set.name).collect();
    let what = format!("data set `{}`", name.escape_debug());
    let error = Error::usage(what, "cannot be fetched")
        .expected(format!("one of {}", names.join(", ")));
    Err(match named {
        Some(set) => error.fix(format!("{name}: {}", set.place)),
        None => error,
    })
}
