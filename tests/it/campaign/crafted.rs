//! Inputs made to exhaust memory or time, to run code, or to lead astray: each is refused with
//! one line, soon, and with little memory beyond the file's own size.

mod inputs;

use std::fs;
use std::path::Path;
use std::process::Child;
use std::time::{Duration, Instant};

use crate::support::runs::{command, texts};
use inputs::{Input, all};

/// Memory beyond the input's own size, in MiB: the program itself takes about 10.
const MEMORY: u64 = 50;

#[test]
fn crafted_inputs_are_refused_soon_and_with_little_memory() {
    let inputs = all();
    assert!(inputs.len() >= 144, "{}", inputs.len());
    let mut wrong = vec![];
    let mut slowest = (Duration::ZERO, String::new());
    for input in &inputs {
        let folder = tempfile::tempdir().unwrap();
        match refused(folder.path(), input) {
            Ok(time) if time > slowest.0 => slowest = (time, input.name.clone()),
            Ok(_) => {}
            Err(found) => wrong.push(format!("{}: {found}", input.name)),
        }
    }
    println!("{} crafted inputs, slowest {:?} {}", inputs.len(), slowest.0, slowest.1);
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}

/// Gives the input to the program, which must refuse it.
fn refused(folder: &Path, input: &Input) -> Result<Duration, String> {
    let size: u64 = input.files.iter().map(|(_, bytes)| bytes.len() as u64).sum();
    for (name, bytes) in &input.files {
        let path = folder.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
    let began = Instant::now();
    let mut child = command(folder, &input.arguments).spawn().unwrap();
    let memory = watch(&mut child);
    let time = began.elapsed();
    let output = child.wait_with_output().unwrap();
    let [_, error] = texts(&output);
    if folder.join("canary").exists() {
        return Err("ran what the file says".into());
    }
    if error.contains("panicked") || !matches!(output.status.code(), Some(0..=2)) {
        return Err(format!("{:?}: {error}", output.status));
    }
    if output.status.success() != input.is_fine {
        return Err(format!("{:?}: {error}", output.status));
    }
    if error.contains('\x1b') {
        return Err("sends control codes to the terminal".into());
    }
    // Ten times a second, for machines that do other things too.
    if time > Duration::from_secs(10) {
        return Err(format!("took {time:?}: {error}"));
    }
    if !input.is_fine && memory > MEMORY + (size >> 20) {
        return Err(format!("held {memory} MiB for {} MiB: {error}", size >> 20));
    }
    Ok(time)
}

/// The most memory that a process held until its end, in MiB; 0 where the system does not say.
fn watch(child: &mut Child) -> u64 {
    let status = format!("/proc/{}/status", child.id());
    let began = Instant::now();
    let mut most = 0;
    while child.try_wait().unwrap().is_none() {
        let text = fs::read_to_string(&status).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let held =
            line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
        most = most.max(held.unwrap_or(0) >> 10);
        if began.elapsed() > Duration::from_mins(1) {
            child.kill().unwrap();
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    most
}
