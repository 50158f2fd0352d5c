//! What is written, whether it is current, and what is said of files that are missing or damaged.

use std::fs;

use stratagram::array_file::{Array, npy_bytes};
use stratagram::report::{is_current, write};

use super::{EXPERIMENT, HISTORY, complete, matrix, page_of, put};

#[test]
fn a_page_is_current_until_a_file_of_it_or_the_program_changes() {
    let run = tempfile::tempdir().unwrap();
    let root = run.path();
    complete(root, &["fc"]);
    assert!(!is_current(root), "there is no page");
    let written = write(root).unwrap();
    assert!(is_current(root) && written.len() > 3);
    // What it shows, the page itself, and its figures: changed, removed, and as they were.
    let shown =
        ["history.csv", "probes.csv", "regions/pool4.npz", "matrices/cka/test/fc.npy"];
    let shown = shown.map(|name| root.join(name));
    for path in shown.iter().chain(&written) {
        let bytes = fs::read(path).unwrap();
        fs::write(path, [&bytes[..], b"\n"].concat()).unwrap();
        assert!(!is_current(root), "{} has changed", path.display());
        fs::remove_file(path).unwrap();
        assert!(!is_current(root), "{} is gone", path.display());
        fs::write(path, bytes).unwrap();
        assert!(is_current(root));
    }
    let other = root.join("matrices/cka/test/other.npy");
    fs::copy(&shown[3], &other).unwrap();
    assert!(!is_current(root), "there is a new matrix");
    fs::remove_file(other).unwrap();
    fs::write(root.join("run.json"), "{}").unwrap();
    assert!(is_current(root), "the status changes once more after the page");
    let program = concat!("stratagram ", env!("CARGO_PKG_VERSION"));
    let text = fs::read_to_string(&written[0]).unwrap();
    fs::write(&written[0], text.replace(program, "stratagram 0.0.0")).unwrap();
    assert!(!is_current(root), "another version wrote it");
}

#[test]
fn the_page_names_the_figures_that_are_written_and_no_others() {
    let run = tempfile::tempdir().unwrap();
    complete(run.path(), &["fc", "relu1", "pool4"]);
    let mut written: Vec<String> = write(run.path()).unwrap()[1..]
        .iter()
        .map(|path| path.file_name().unwrap().to_str().unwrap().to_owned())
        .collect();
    let page = fs::read_to_string(run.path().join("report/index.html")).unwrap();
    let mut named: Vec<String> = page
        .split("<code>figures/")
        .skip(1)
        .map(|rest| rest.split_once("</code>").unwrap().0.to_owned())
        .collect();
    written.sort();
    named.sort();
    assert_eq!(named, written);
}

#[test]
fn two_writes_give_the_same_bytes() {
    let run = tempfile::tempdir().unwrap();
    complete(run.path(), &["relu1", "fc"]);
    let read = || -> Vec<Vec<u8>> {
        write(run.path()).unwrap().iter().map(|path| fs::read(path).unwrap()).collect()
    };
    assert_eq!(read(), read());
}

#[test]
fn figures_of_names_that_files_cannot_tell_apart_are_files_of_their_own() {
    let run = tempfile::tempdir().unwrap();
    complete(run.path(), &["fc"]);
    for group in ["my set", "my_set", "My_set"] {
        put(run.path(), &format!("matrices/cka/{group}/fc.npy"), matrix(false));
    }
    let written = write(run.path()).unwrap();
    let names: std::collections::BTreeSet<String> =
        written.iter().map(|path| path.to_string_lossy().to_lowercase()).collect();
    assert_eq!(names.len(), written.len(), "{written:?}");
    assert_eq!(names.iter().filter(|name| name.contains("cka-my_set")).count(), 3);
}

#[test]
fn what_is_missing_is_named() {
    let run = tempfile::tempdir().unwrap();
    put(run.path(), "experiment.toml", EXPERIMENT);
    put(run.path(), "run.json", r#"{"stratagram": "0.1.0", "status": "training"}"#);
    let page = page_of(run.path());
    for reason in [
        "neither a history nor a matrix",
        "matrices/cka is absent",
        "matrices/drs is absent",
        "probes.csv is absent",
        "regions/ is absent",
        "training is not finished",
    ] {
        assert!(page.contains(reason), "{reason}");
    }
    put(run.path(), "history.csv", HISTORY);
    let page = page_of(run.path());
    assert!(page.contains("There are no matrices yet"));
}

#[test]
fn damaged_files_are_named() {
    let run = tempfile::tempdir().unwrap();
    let error = write(run.path()).unwrap_err().to_string();
    assert!(error.contains("holds no run"), "{error}");
    complete(run.path(), &["relu1"]);
    put(
        run.path(),
        "matrices/cka/test/relu1.npy",
        npy_bytes(&Array::f32(&[2], vec![0.0; 2])),
    );
    let error = write(run.path()).unwrap_err().to_string();
    assert!(error.contains("relu1.npy") && error.contains("[4, 4]"), "{error}");
    complete(run.path(), &["relu1"]);
    put(run.path(), "history.csv", "step,epoch,test_error\n0,zero,0.9\n");
    let error = write(run.path()).unwrap_err().to_string();
    assert!(error.contains("history.csv has `zero` under `epoch` in line 2"), "{error}");
}
