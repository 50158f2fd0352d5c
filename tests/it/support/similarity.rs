//! `stratagram similarity` as a process, on files that a test has written.

use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;
use stratagram::array_file::Array;

pub(crate) fn stratagram(directory: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_stratagram"))
        .current_dir(directory)
        .arg("similarity")
        .args(arguments)
        .output()
        .unwrap()
}

pub(crate) fn json(directory: &Path, arguments: &[&str]) -> Value {
    let output = stratagram(directory, &[arguments, &["--json"]].concat());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(output.stderr.is_empty());
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Exit code and stderr of a command that must fail without a result.
pub(crate) fn failure(directory: &Path, arguments: &[&str]) -> (i32, String) {
    let output = stratagram(directory, arguments);
    assert!(output.stdout.is_empty(), "{}", String::from_utf8_lossy(&output.stdout));
    (output.status.code().unwrap(), String::from_utf8(output.stderr).unwrap())
}

/// Activations [n, 6] that differ from epoch to epoch.
pub(crate) fn activations(n: usize, epoch: usize) -> Array {
    let value = |k: usize| ((k * k + 3) % 17) as f32 + ((k * (epoch + 2)) % 13) as f32;
    Array::f32(&[n, 2, 3], (0..n * 6).map(value).collect())
}

pub(crate) fn write(directory: &Path, name: &str, bytes: &[u8]) {
    let path = directory.join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, bytes).unwrap();
}

pub(crate) fn strings(value: &Value) -> Vec<&str> {
    value.as_array().unwrap().iter().map(|text| text.as_str().unwrap()).collect()
}
