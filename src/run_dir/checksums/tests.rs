use std::fs;

use super::*;

fn refused(path: &Path) -> String {
    let error = checked(path).unwrap_err();
    format!("{error} / {}", error.help().unwrap_or_default())
}

#[test]
fn every_flipped_bit_and_every_cut_is_found_and_named() {
    let directory = tempfile::tempdir().unwrap();
    let path = RunFile::Labels.path(directory.path());
    let content = b"labels of some images".to_vec();
    write_file(&path, &content).unwrap();
    for bit in 0..8 * content.len() {
        let mut flipped = content.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        fs::remove_file(&path).unwrap();
        fs::write(&path, &flipped).unwrap();
        let message = refused(&path);
        for part in
            ["labels.npz", "it has 21 bytes", "expected 21 bytes", "train.csv", "backup"]
        {
            assert!(message.contains(part), "{part}: {message}");
        }
    }
    for length in 0..content.len() {
        fs::write(&path, &content[..length]).unwrap();
        assert!(refused(&path).contains(&format!("it has {length} bytes")));
    }
    write_file(&path, &content).unwrap();
    checked(&path).unwrap();
    fs::remove_file(&path).unwrap();
    checked(&path).unwrap();
}

#[test]
fn a_file_that_is_being_replaced_may_hold_either_content_until_the_list_is_whole() {
    let directory = tempfile::tempdir().unwrap();
    let path = RunFile::State.path(directory.path());
    write_file(&path, b"one").unwrap();
    // Killed between the line and the file.
    list(&path, Sum::of(b"two")).unwrap();
    checked(&path).unwrap();
    write_file(&path, b"two").unwrap();
    let list = RunFile::TrainChecksums;
    finish(directory.path(), list).unwrap();
    checked(&path).unwrap();
    fs::write(&path, b"one").unwrap();
    assert!(refused(&path).contains("is not as it was written"));
    let text = fs::read_to_string(list.path(directory.path())).unwrap();
    assert_eq!(text.lines().count(), 2, "{text}");
}

#[test]
fn a_table_may_have_rows_behind_its_line_and_none_less() {
    let directory = tempfile::tempdir().unwrap();
    let path = RunFile::History.path(directory.path());
    write_file(&path, b"step\n0\n").unwrap();
    let mut rows = Running::default();
    rows.add(b"step\n0\n8\n");
    fs::write(&path, "step\n0\n8\n").unwrap();
    list_rows(&path, &rows).unwrap();
    fs::write(&path, "step\n0\n8\n16").unwrap();
    checked(&path).unwrap();
    fs::write(&path, "step\n0\n9\n16").unwrap();
    refused(&path);
    fs::write(&path, "step\n0\n8\n").unwrap();
    finish(directory.path(), RunFile::TrainChecksums).unwrap();
    fs::write(&path, "step\n0\n").unwrap();
    refused(&path);
}

#[test]
fn half_a_line_is_no_line_and_a_wrong_one_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let path = RunFile::Labels.path(directory.path());
    let list = RunFile::TrainChecksums.path(directory.path());
    write_file(&path, b"one").unwrap();
    let text = fs::read_to_string(&list).unwrap();
    fs::write(&list, format!("{text}labels.npz,3,00")).unwrap();
    checked(&path).unwrap();
    write_file(&path, b"three").unwrap();
    checked(&path).unwrap();
    assert!(fs::read_to_string(&list).unwrap().lines().count() == 3);
    fs::write(&list, format!("{text}labels.npz,3,00\n")).unwrap();
    assert!(refused(&path).contains("train.csv has no file and checksum in line 3"));
    fs::write(&list, "x\n").unwrap();
    assert!(refused(&path).contains("another header"));
}

#[test]
fn files_without_a_line_and_files_of_nobody_pass() {
    let directory = tempfile::tempdir().unwrap();
    for name in ["history.csv", "checkpoints/step-000000001.safetensors", "notes.txt"] {
        let path = directory.path().join(name);
        write_atomic(&path, b"x").unwrap();
        checked(&path).unwrap();
    }
    let timing = RunFile::Timing.path(directory.path());
    write_file(&timing, b"x").unwrap();
    assert!(!directory.path().join("checksums").exists());
}
