//! Runs that several tests begin with are made once and kept in memory; each test gets a copy.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::Path;
use std::sync::{Arc, LazyLock, Mutex, OnceLock, PoisonError};
use std::time::SystemTime;

use tempfile::TempDir;

use super::runs::{files, succeed};

/// Names, contents and times of the files below a folder.
type Kept = Vec<(String, Vec<u8>, SystemTime)>;

/// A directory with this experiment in `e.toml` and what the program makes of it with these
/// arguments.
pub(crate) fn shared(experiment: &str, arguments: &str) -> TempDir {
    made_once(&[experiment, arguments], |root| {
        fs::write(root.join("e.toml"), experiment).unwrap();
        succeed(root, arguments);
    })
}

/// A directory with what `make` leaves in it, which is called once for each key.
pub(crate) fn made_once(key: &[&str], make: impl FnOnce(&Path)) -> TempDir {
    type Slots = BTreeMap<Vec<String>, Arc<OnceLock<Kept>>>;
    static SLOTS: LazyLock<Mutex<Slots>> = LazyLock::new(Mutex::default);
    let key = key.iter().map(|&part| part.to_owned()).collect();
    let slot = {
        let mut slots = SLOTS.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(slots.entry(key).or_default())
    };
    let kept = slot.get_or_init(|| {
        let directory = tempfile::tempdir().unwrap();
        make(directory.path());
        keep(directory.path())
    });
    let directory = tempfile::tempdir().unwrap();
    restore(kept, directory.path());
    directory
}

fn keep(root: &Path) -> Kept {
    let with_time = |(name, bytes): (String, Vec<u8>)| {
        let time = fs::metadata(root.join(&name)).unwrap().modified().unwrap();
        (name, bytes, time)
    };
    files(root).into_iter().map(with_time).collect()
}

fn restore(kept: &Kept, root: &Path) {
    for (name, bytes, time) in kept {
        let path = root.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, bytes).unwrap();
        File::options().append(true).open(path).unwrap().set_modified(*time).unwrap();
    }
}
