//! The data sets as `data list` shows them.

use serde::Serialize;

use super::ALL;
use super::known::Known;
use super::set::{Origin, RemoteFile, Set};

/// A data set that `data.kind` can name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DataSet {
    /// Its name in an experiment file.
    pub name: &'static str,
    /// Number, shape and classes of its images.
    pub images: String,
    /// Where it is, or where it is looked for.
    pub place: String,
    /// Whether it is there, or what it takes.
    pub status: &'static str,
    /// Where it comes from and its license.
    pub source: &'static str,
    /// Its folder in a data directory.
    pub folder: &'static str,
    /// The files that `data fetch` gets.
    pub files: &'static [RemoteFile],
}

/// All data sets, in the order in which they are listed to users.
pub fn data_sets() -> Vec<DataSet> {
    ALL.iter().copied().map(listed).collect()
}

fn listed(set: &'static Set) -> DataSet {
    let known = Known::of(set);
    let (place, status) = place_and_status(set, known);
    DataSet {
        name: set.name,
        images: images(set),
        place,
        status,
        source: set.source,
        folder: known.map_or("", |known| known.storage.folders[0]),
        files: known.map_or(&[], |known| known.storage.remote),
    }
}

fn place_and_status(set: &Set, known: Option<Known>) -> (String, &'static str) {
    match (&set.origin, known.and_then(|known| known.find())) {
        (Origin::Pool(_), _) => ("in this program".into(), "ready"),
        (Origin::Made(_), _) => ("made by this program".into(), "ready"),
        (Origin::Yours(form), _) => {
            (format!("`data.path`: {}", form.place), "needs a path")
        }
        (Origin::Known(_), Some(place)) => (place.path().display().to_string(), "ready"),
        (Origin::Known(storage), None) => {
            let status = if storage.remote.is_empty() { "not found" } else { "fetch it" };
            (format!("`{}` in a data directory", storage.folders[0]), status)
        }
    }
}

fn images(set: &Set) -> String {
    if let Origin::Yours(form) = &set.origin {
        return form.holds.to_owned();
    }
    let [channels, height, width] = set.shape;
    let count = match set.counts {
        [0, _] => "some".to_owned(),
        [all, 0] => all.to_string(),
        [n_train, n_test] => format!("{n_train} + {n_test}"),
    };
    format!("{count} of [{channels}, {height}, {width}], {} classes", set.classes.len())
}
