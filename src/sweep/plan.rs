//! A sweep file → the runs it asks for: one for every combination of its axes.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};
use toml::{Table, Value};

use crate::disk;
use crate::error::{Error, Result};
use crate::experiment::Experiment;

/// More runs than this are a slip of the hand.
const MOST_RUNS: usize = 10_000;
/// Folder names are at most this long.
const LONGEST_NAME: usize = 80;

/// One run of a sweep.
#[derive(Debug, Clone)]
pub struct Planned {
    /// Its folder: the settings in which the runs differ. It does not depend on what else
    /// the sweep holds.
    pub name: String,
    /// The `a.b=value` changes to the experiment file.
    pub overrides: Vec<String>,
    /// The checked experiment.
    pub experiment: Experiment,
}

/// The runs of a sweep file.
#[derive(Debug)]
pub struct Plan {
    /// The experiment file that all runs start from.
    pub file: PathBuf,
    /// The last axis turns fastest.
    pub runs: Vec<Planned>,
}

/// What one value of an axis does to a run.
#[derive(Debug, Clone, Default)]
struct Choice {
    /// Its part of the run's name.
    parts: Vec<String>,
    /// The `a.b=value` changes.
    changes: Vec<String>,
}

impl Plan {
    /// Reads a sweep file and checks every run of it; `changes` apply to all of them.
    ///
    /// # Errors
    /// If a file cannot be read, a key is unknown or has no runs, or a run is no experiment.
    pub fn read(path: &Path, changes: &[String]) -> Result<Self> {
        let place = path.display().to_string();
        let text = disk::read_text(path, disk::SETTINGS)?;
        let table = parse(&place, &text)?;
        let file = table.get("experiment").and_then(Value::as_str).ok_or_else(|| {
            Error::usage(format!("{place}: `experiment`"), "is missing")
                .expected("the path of an experiment file")
        })?;
        let file = path.parent().unwrap_or(Path::new("")).join(file);
        let common = match table.get("set") {
            None => vec![],
            Some(Value::Table(table)) => settings(table),
            Some(_) => {
                return Err(Error::usage(format!("{place}: `set`"), "is not a table")
                    .expected("keys and values, such as \"train.epochs\" = 100"));
            }
        };
        let run = |choice: Choice| {
            // The command line has the last word.
            let overrides = [&common[..], &choice.changes, changes].concat();
            let name = folder_name(&choice.parts);
            let experiment = Experiment::read(&file, &overrides)
                .map_err(|error| error.inside(&format!("{place}: run {name}")))?;
            Ok(Planned { name, overrides, experiment })
        };
        let choices = combinations(&axes(&place, &table)?);
        let runs = choices.into_iter().map(run).collect::<Result<Vec<_>>>()?;
        check_names(&place, &runs)?;
        Ok(Self { file, runs })
    }
}

/// The keys of a sweep file.
fn parse(place: &str, text: &str) -> Result<Table> {
    let table: Table = text.parse().map_err(|error: toml::de::Error| {
        let found = format!("is not TOML: {}", error.message().replace('\n', ", "));
        Error::usage(place, found)
    })?;
    let known = ["experiment", "set", "axes"];
    match table.keys().find(|key| !known.contains(&key.as_str())) {
        None => Ok(table),
        Some(key) => Err(Error::usage(format!("{place}: `{key}`"), "is not a known key")
            .expected("`experiment`, `set` or `axes`")),
    }
}

/// The choices of every axis.
fn axes(place: &str, table: &Table) -> Result<Vec<Vec<Choice>>> {
    let axes =
        table.get("axes").and_then(Value::as_table).filter(|axes| !axes.is_empty());
    let axes = axes.ok_or_else(|| {
        Error::usage(format!("{place}: `axes`"), "is missing")
            .expected("keys with lists of values, such as \"net.width\" = [4, 8]")
    })?;
    let choices = |(name, values): (&String, &Value)| {
        axis(name, values).map_err(|expected| {
            Error::usage(format!("{place}: `axes.\"{name}\"`"), "has no runs")
                .expected(expected)
        })
    };
    let axes = axes.iter().map(choices).collect::<Result<Vec<_>>>()?;
    let count = axes.iter().try_fold(1usize, |n, axis| n.checked_mul(axis.len()));
    if count.is_none_or(|count| count > MOST_RUNS) {
        return Err(Error::usage(place, "asks for too many runs")
            .expected(format!("at most {MOST_RUNS}")));
    }
    Ok(axes)
}

/// Refuses two runs of one folder, also where a file system ignores the case of letters.
fn check_names(place: &str, runs: &[Planned]) -> Result<()> {
    let mut names = BTreeSet::new();
    match runs.iter().find(|run| !names.insert(run.name.to_ascii_lowercase())) {
        None => Ok(()),
        Some(run) => Err(Error::usage(place, format!("has two runs `{}`", run.name))
            .expected("every value of an axis once")),
    }
}

/// The choices of an axis: a list of values of one key, a range of whole numbers `"0..7"`,
/// or a table of named settings; in words what was expected instead.
fn axis(name: &str, values: &Value) -> std::result::Result<Vec<Choice>, &'static str> {
    let of_value = |value: &Value| {
        let text = match value {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        Choice {
            parts: vec![format!("{name}-{text}")],
            changes: vec![format!("{name}={value}")],
        }
    };
    let choices: Vec<Choice> = match values {
        Value::Array(values) => values.iter().map(of_value).collect(),
        Value::String(text) => {
            range(text)?.map(|i| of_value(&Value::Integer(i))).collect()
        }
        Value::Table(named) => named
            .iter()
            .map(|(label, table)| match table {
                Value::Table(table) => Ok(Choice {
                    parts: vec![format!("{name}-{label}")],
                    changes: settings(table),
                }),
                _ => Err("a table of settings for every name"),
            })
            .collect::<std::result::Result<_, _>>()?,
        _ => {
            return Err(
                "a list of values, a range \"0..7\", or a table of named settings",
            );
        }
    };
    if choices.is_empty() { Err("one value or more") } else { Ok(choices) }
}

/// The whole numbers of `"0..7"`, both ends included; in words what was expected instead.
fn range(text: &str) -> std::result::Result<RangeInclusive<i64>, &'static str> {
    let ends = text.split_once("..");
    let ends = ends.and_then(|(a, b)| a.parse::<i64>().ok().zip(b.parse::<i64>().ok()));
    let (first, last) = ends.ok_or("a range such as \"0..7\", both ends included")?;
    if last.abs_diff(first) >= MOST_RUNS as u64 && first <= last {
        return Err("fewer runs");
    }
    Ok(first..=last)
}

/// `a.b=value` for every key of a table; inner tables are keys with dots, unless they are values: those
/// of `optimizer.lr_scale` have names of layers and globs for keys.
fn settings(table: &Table) -> Vec<String> {
    fn walk(table: &Table, prefix: &str, into: &mut Vec<String>) {
        for (key, value) in table {
            match value {
                Value::Table(inner) if inner.keys().all(|key| is_name(key)) => {
                    walk(inner, &format!("{prefix}{key}."), into);
                }
                value => into.push(format!("{prefix}{key}={value}")),
            }
        }
    }
    let mut settings = Vec::new();
    walk(table, "", &mut settings);
    settings
}

/// Whether a key is one name, of the characters of a bare key.
fn is_name(key: &str) -> bool {
    key.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-')
}

/// One choice of every axis, put together; the last axis turns fastest.
fn combinations(axes: &[Vec<Choice>]) -> Vec<Choice> {
    let with = |one: &Choice, more: &Choice| Choice {
        parts: [&one.parts[..], &more.parts].concat(),
        changes: [&one.changes[..], &more.changes].concat(),
    };
    axes.iter().fold(vec![Choice::default()], |all, axis| {
        all.iter().flat_map(|one| axis.iter().map(move |more| with(one, more))).collect()
    })
}

/// The parts joined; where they hold what a folder name should not, or are long, with a
/// checksum that tells them apart.
fn folder_name(parts: &[String]) -> String {
    let wanted = parts.join("_");
    let plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    let name: String = wanted.chars().map(|c| if plain(c) { c } else { '-' }).collect();
    if name == wanted && name.len() <= LONGEST_NAME && !name.starts_with('.') {
        return name;
    }
    let digest = Sha256::digest(wanted.as_bytes());
    let mark: String = digest.iter().take(4).map(|byte| format!("{byte:02x}")).collect();
    let start: String =
        name.trim_start_matches('.').chars().take(LONGEST_NAME - 9).collect();
    format!("{start}-{mark}")
}

#[cfg(test)]
mod tests {
    use super::*;

    const BASE: &str = "[data]\nkind = 'digits'\n[net]\nkind = 'cnn5'\nwidth = 16\n";

    fn plan(sweep: &str, changes: &[&str]) -> Result<Plan> {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("base.toml"), BASE).unwrap();
        let path = folder.path().join("sweep.toml");
        std::fs::write(&path, format!("experiment = 'base.toml'\n{sweep}")).unwrap();
        let changes: Vec<String> =
            changes.iter().map(|&change| change.to_owned()).collect();
        Plan::read(&path, &changes)
    }

    #[test]
    fn every_combination_is_a_run_with_a_telling_name() {
        let sweep = "set = { 'train.epochs' = 3 }\n[axes]\n'net.width' = [4, 8]\n\
            'noise.rate' = [0.0, 0.2]\nseed = '0..1'\n[axes.optimizer.sgd]\n\
            'optimizer.lr' = 0.1\n[axes.optimizer.adam]\n\
            optimizer = { kind = 'adam', lr = 1e-3, weight_decay = 0.1 }\n";
        let plan =
            plan(sweep, &["train.batch_size=64", "optimizer.weight_decay=0.5"]).unwrap();
        let names: Vec<&str> = plan.runs.iter().map(|run| run.name.as_str()).collect();
        assert_eq!(names.len(), 16);
        assert_eq!(names[0], "net.width-4_noise.rate-0.0_seed-0_optimizer-sgd");
        assert_eq!(names[15], "net.width-8_noise.rate-0.2_seed-1_optimizer-adam");
        let last = &plan.runs[15].experiment;
        assert_eq!(last.seed, 1);
        assert_eq!(last.optimizer.kind, crate::experiment::OptimizerKind::Adam);
        assert!((last.optimizer.lr - 1e-3).abs() < 1e-12 && last.noise.rate > 0.1);
        assert!((last.optimizer.weight_decay - 0.5).abs() < 1e-12);
        assert_eq!((last.train.batch_size, last.train.total_steps(1)), (64, 3));
    }

    #[test]
    fn rates_of_layers_are_one_value_with_globs_for_keys() {
        let sweep = "set = { optimizer = { lr_scale = { 'layer3.*' = 0.01, fc = 0.1 } } }\n\
            [axes]\nseed = '0..1'\n[axes.rates]\nown = { 'optimizer.lr' = 0.1 }\n\
            others = { optimizer = { lr = 0.2, lr_scale = { 'layer4.1.conv1' = 0.5 } } }\n";
        let plan = plan(sweep, &[]).unwrap();
        let scales = |at: usize| {
            let scales = plan.runs[at].experiment.optimizer.lr_scale.iter();
            scales.map(|(layer, scale)| format!("{layer} {scale}")).collect::<Vec<_>>()
        };
        assert_eq!(scales(0), ["fc 0.1", "layer3.* 0.01"]);
        assert_eq!(scales(1), ["layer4.1.conv1 0.5"]);
        assert!((plan.runs[1].experiment.optimizer.lr - 0.2).abs() < 1e-12);
    }

    #[test]
    fn names_are_short_and_of_plain_characters() {
        let odd = folder_name(&["data.path-/a b/../c".to_owned()]);
        assert!(odd.starts_with("data.path--a-b-..-c-"), "{odd}");
        assert_ne!(odd, folder_name(&["data.path-/a_b/../c".to_owned()]));
        let long = folder_name(&["x".repeat(200)]);
        assert_eq!(long.len(), LONGEST_NAME);
        assert!(!folder_name(&["..".to_owned()]).starts_with('.'));
    }

    #[test]
    fn wrong_sweeps_say_what_is_wrong() {
        for (sweep, part) in [
            ("", "`axes`"),
            ("axis = 3", "`axis` is not a known key"),
            ("[axes]\nseed = []", "one value or more"),
            ("[axes]\nseed = 3", "a list of values, a range"),
            ("[axes]\nseed = 'a..b'", "a range such as"),
            ("[axes]\nseed = '7..0'", "one value or more"),
            ("[axes]\nseed = '-9000000000000000000..9000000000000000000'", "fewer runs"),
            ("[axes]\nseed = [1, 1]", "two runs `seed-1`"),
            ("[axes]\n'net.widht' = [1]", "`net.widht`"),
            ("[axes]\nseed = '0..99'\n'data.seed' = '0..999'", "too many runs"),
            ("[axes]\noptimizer = { sgd = 1 }", "a table of settings for every name"),
        ] {
            let error = plan(sweep, &[]).unwrap_err();
            assert_eq!(error.exit_code(), 2, "{error}");
            assert!(error.to_string().contains(part), "{error} does not say {part}");
        }
    }
}
