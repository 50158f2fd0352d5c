//! Bits flipped, ends cut off and stretches zeroed in every kind of file of a run: what reads
//! the file must refuse it and name it, or end with the results of the undamaged one.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use super::{Random, Tally, copy, differences, made, steady, times};
use crate::support::runs::{Files, command, files, succeed, texts};

/// What is done with a run, and the folder or text that comes out.
type Commands = &'static [(&'static str, &'static str)];

const OF_RUNS: Commands = &[
    ("show r", "text"),
    ("show r fc", "text"),
    ("phases r", "text"),
    ("findings r", "text"),
    ("show r fc --regions --out y/regions.svg", "y"),
    ("train f.toml train.epochs=5 --out r", "r"),
    ("run f.toml train.epochs=5 --out r", "r"),
    ("export r --to csv --out y", "y"),
    ("export r --to npz --out y", "y"),
    ("export r --to safetensors --out y", "y"),
    ("report r --force", "r"),
    ("train --from r@2 --out y/fork", "y/fork"),
    ("analyze r analysis.measures=[cka,rsa]", "r"),
    ("analyze r analysis.drs.resolution=5", "r"),
];

const OF_RECORDINGS: Commands = &[
    ("show r", "text"),
    ("analyze r", "r"),
    ("findings r", "text"),
    ("export r --to csv --out y", "y"),
    ("report r --force", "r"),
];

/// The run that is damaged.
struct Template {
    folder: tempfile::TempDir,
    commands: Commands,
    /// What each command leaves or says where nothing is damaged.
    expected: Vec<(String, Files)>,
}

impl Template {
    /// `before` comes before the commands where the run is not whole.
    fn of(folder: tempfile::TempDir, commands: Commands, before: Option<&str>) -> Self {
        let work = tempfile::tempdir().unwrap();
        copy(folder.path(), work.path());
        before.map(|arguments| succeed(work.path(), arguments));
        let expect = |(arguments, out): &(&str, &str)| {
            let [text, _] = succeed(work.path(), arguments);
            (text, steady(&work.path().join(out)))
        };
        let expected = commands.iter().map(expect).collect();
        Self { folder, commands, expected }
    }
}

/// A run whose analysis was killed when parts of checkpoints were there.
fn interrupted() -> tempfile::TempDir {
    let folder = made(&["train f.toml --out r"]);
    let part = folder.path().join("r/signatures/.parts/step-000000002.npz");
    let mut child = command(folder.path(), "analyze r").spawn().unwrap();
    while !part.exists() && child.try_wait().unwrap().is_none() {
        std::thread::sleep(std::time::Duration::from_micros(200));
    }
    let _ = child.kill();
    child.wait().unwrap();
    folder
}

/// A recording that was analyzed.
fn recorded() -> tempfile::TempDir {
    made(&["import --activations x --out r", "analyze r", "report r"])
}

/// Files by their kind: the last folder and the extension stand for a kind.
fn kinds(root: &Path) -> BTreeMap<String, Vec<String>> {
    let mut kinds: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (name, bytes) in files(root) {
        if bytes.is_empty() || name == "lock" || name == "analysis.lock" {
            continue;
        }
        let parts: Vec<&str> = name.split('/').collect();
        let kind = match parts[..] {
            [first, .., last] => {
                let extension = last.rsplit('.').next().unwrap_or_default();
                let own =
                    if first == "state" || first == "checksums" { last } else { "" };
                let hidden = if name.contains("/.") { parts[1] } else { "" };
                format!("{first}/{hidden}{own}*.{extension}")
            }
            _ => name.clone(),
        };
        kinds.entry(kind).or_default().push(name);
    }
    kinds
}

/// Damages a file at random, as a new file so that no other name of it is touched.
fn damage(path: &Path, random: &mut Random) -> String {
    let mut bytes = fs::read(path).unwrap();
    let at = random.below(bytes.len());
    let what = match random.below(5) {
        0 => {
            bytes.truncate(at);
            format!("cut to {at} bytes")
        }
        1 if bytes[at..].iter().take(16).any(|byte| *byte != 0) => {
            let end = bytes.len().min(at + 16);
            bytes[at..end].fill(0);
            format!("zeroed from byte {at}")
        }
        _ => {
            let bit = random.below(8);
            bytes[at] ^= 1 << bit;
            format!("bit {bit} of byte {at} flipped")
        }
    };
    fs::remove_file(path).unwrap();
    fs::write(path, bytes).unwrap();
    what
}

/// What became of one damaged file.
fn trial(template: &Template, file: &str, seed: u64) -> Result<&'static str, String> {
    let work = tempfile::tempdir().unwrap();
    copy(template.folder.path(), work.path());
    let mut random = Random(seed);
    let what = damage(&work.path().join("r").join(file), &mut random);
    let name = file.rsplit('/').next().unwrap();
    let is_interrupted = !work.path().join("r/matrices").exists();
    let before = is_interrupted.then_some(("analyze r", None));
    let commands = template.commands.iter().zip(&template.expected);
    let commands =
        commands.map(|((arguments, out), expected)| (*arguments, Some((out, expected))));
    for (arguments, expected) in before.into_iter().chain(commands) {
        let output = command(work.path(), arguments).output().unwrap();
        let [text, error] = texts(&output);
        let at = || format!("{file} {what}: `{arguments}` ");
        if error.contains("panicked") || !matches!(output.status.code(), Some(0..=2)) {
            return Err(format!("{}ends with {:?}: {error}", at(), output.status));
        }
        if !output.status.success() {
            let is_named = error.contains(name);
            return if is_named {
                Ok("found")
            } else {
                Err(at() + "does not name it: " + &error)
            };
        }
        let Some((out, (expected_text, expected_files))) = expected else { continue };
        let mut wrong = if *out == "text" {
            vec![]
        } else {
            differences(&work.path().join(out), expected_files)
        };
        // The damaged file itself, where nothing has read it yet, and what lists it.
        wrong.retain(|line| !line.starts_with(file) && !line.starts_with("checksums/"));
        if untimed(&text) != untimed(expected_text) {
            wrong.push("another text".into());
        }
        if !wrong.is_empty() {
            return Err(at() + &wrong.join(", "));
        }
    }
    Ok("harmless")
}

/// What is printed but the time that it took.
fn untimed(text: &str) -> Vec<&str> {
    text.lines().filter(|line| !line.starts_with("time ")).collect()
}

fn campaign(n: usize) {
    let mut tally = Tally::default();
    let mut wrong = vec![];
    let templates = [
        Template::of(made(&["run f.toml --out r"]), OF_RUNS, None),
        Template::of(interrupted(), OF_RUNS, Some("analyze r")),
        Template::of(recorded(), OF_RECORDINGS, None),
    ];
    let all: Vec<(usize, Vec<String>)> = templates
        .iter()
        .enumerate()
        .flat_map(|(at, template)| {
            kinds(&template.folder.path().join("r")).into_values().map(move |of| (at, of))
        })
        .collect();
    for seed in 0..n {
        let (at, of) = &all[seed % all.len()];
        let file = &of[Random(seed as u64).below(of.len())];
        match trial(&templates[*at], file, seed as u64) {
            Ok(what) => tally.count(what),
            Err(found) => {
                tally.count("unnoticed");
                wrong.push(found);
            }
        }
    }
    tally.say(&format!("{n} damaged files of {} kinds", all.len()));
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn no_result_is_removed_before_all_that_it_is_made_of_is_found_right() {
    let run = made(&["run f.toml --out r"]);
    for (folder, file) in [
        (&run, "checkpoints/step-000000008.safetensors"),
        (&run, "labels.npz"),
        (&recorded(), "recorded/step-000000003.npz"),
    ] {
        let path = folder.path().join("r").join(file);
        let whole = fs::read(&path).unwrap();
        damage(&path, &mut Random(1));
        let before = steady(&folder.path().join("r"));
        for arguments in ["analyze r --force", "analyze r analysis.measures=[cka,rsa]"] {
            let output = command(folder.path(), arguments).output().unwrap();
            let error = &texts(&output)[1];
            assert!(!output.status.success(), "{arguments} with a damaged {file}");
            let is_recording = file.starts_with("recorded");
            let name = file.rsplit('/').next().unwrap();
            assert!(error.contains(name) || is_recording, "{arguments}: {error}");
            let found = differences(&folder.path().join("r"), &before);
            assert!(found.is_empty(), "{arguments} with a damaged {file}: {found:?}");
        }
        fs::write(&path, whole).unwrap();
    }
}

#[test]
fn a_damaged_file_of_every_kind_is_found_or_harmless() {
    campaign(30);
}

#[test]
#[ignore = "many runs: scripts/check --all"]
fn many_damaged_files_are_found_or_harmless() {
    campaign(times(120, 1200));
}
