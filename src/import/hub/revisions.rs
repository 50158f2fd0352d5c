//! Which revisions: names and globs against what there is, and the time that a name says.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::array_file::printable;
use crate::error::{Error, ErrorKind, Result};
use crate::import::time::{self, Named, Time};
use crate::net::NAMES;
use crate::observer::Observer;
use crate::represent::glob_matches;

/// What can be done about a net that is none of ours.
pub(super) const RECORD: &str = "a network that stratagram does not have is recorded in Python: \
                      stratagram.record_checkpoints(load, revisions, …)";

/// Names that a message lists.
const SHOWN: usize = 5;

/// Revisions of a repository of the Hub.
#[derive(Debug, Clone)]
pub struct Hub {
    /// `OWNER/NAME`.
    pub repository: String,
    /// Branches and tags: names and globs, separated by commas.
    pub revisions: String,
    /// Whether only the local cache is read.
    pub offline: bool,
}

impl Hub {
    /// The error of revisions whose net is not said.
    pub(in crate::import) fn of_no_net(&self) -> Error {
        Error::usage("`--net`", format!("is missing for {}", printable(&self.repository)))
            .expected(format!("the network of its weights, one of {}", NAMES.join(", ")))
            .fix(RECORD)
    }
}

/// A branch or tag, and what it points to.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Revision {
    pub(super) name: String,
    /// 40 hexadecimal digits.
    pub(super) commit: String,
}

/// The revisions that there are.
pub(super) struct Known {
    /// Names and commits.
    pub(super) names: BTreeMap<String, String>,
    /// Whether only those of the cache are known.
    pub(super) offline: bool,
}

/// That a text names a repository: `OWNER/NAME`, or a name alone.
pub(super) fn check_repository(text: &str) -> Result<()> {
    let is_part = |part: &str| {
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        !part.is_empty()
            && part.len() <= 96
            && part.chars().all(is_plain)
            && !part.contains("..")
    };
    let parts: Vec<&str> = text.split('/').collect();
    if parts.len() <= 2 && parts.into_iter().all(is_part) {
        return Ok(());
    }
    Err(Error::usage("`--hf`", format!("is `{}`", printable(text)))
        .expected("a repository such as EleutherAI/pythia-14m"))
}

pub(super) fn is_commit(text: &str) -> bool {
    text.len() == 40 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// The revisions that are asked for, with their times, in the order of time. Those without a time
/// (`main`) are left out beside others.
pub(super) fn choose(
    known: &Known,
    hub: &Hub,
    epoch: Option<f64>,
    observer: &dyn Observer,
) -> Result<Vec<(Revision, Named)>> {
    let globs: Vec<&str> = hub.revisions.split(',').map(str::trim).collect();
    for glob in &globs {
        if !known.names.keys().any(|name| glob_matches(glob, name)) {
            return Err(none_matches(known, hub, glob));
        }
    }
    let is_wanted = |name: &str| globs.iter().any(|glob| glob_matches(glob, name));
    let all: Vec<Revision> = known
        .names
        .iter()
        .filter(|(name, _)| is_wanted(name))
        .map(|(name, commit)| Revision { name: name.clone(), commit: commit.clone() })
        .collect();
    let names: Vec<PathBuf> = all.iter().map(|one| (&one.name).into()).collect();
    let times = time::of_names(&names, epoch)?;
    let (mut timed, mut untimed) = (vec![], vec![]);
    for (revision, time) in all.into_iter().zip(times) {
        match time {
            Some(time) => timed.push((revision, in_steps(time))),
            None => untimed.push(revision.name),
        }
    }
    if timed.is_empty() {
        return Err(untimed_alone(hub, &untimed));
    }
    if !untimed.is_empty() {
        let n = untimed.len();
        let names = listed(untimed.iter().map(String::as_str));
        observer.note(&format!(
            "{n} revisions name no step or epoch and are left out: {names}"
        ));
    }
    timed.sort_by(|(_, a), (_, b)| a.time.number().total_cmp(&b.time.number()));
    Ok(timed)
}

/// A bare number of a revision is a step: `checkpoint-500`.
fn in_steps(named: Named) -> Named {
    match named {
        Named { time: Time::Epoch(number), is_said: false } if number.fract() == 0.0 => {
            Named { time: Time::Step(number as u64), is_said: true }
        }
        said => Named { is_said: true, ..said },
    }
}

fn none_matches(known: &Known, hub: &Hub, glob: &str) -> Error {
    let n = known.names.len();
    let place = if known.offline { "in the local cache " } else { "" };
    let found =
        format!("matches none of the {n} revisions of {} {place}", hub.repository);
    let error =
        Error::usage(format!("`--revisions {}`", printable(glob)), found.trim_end());
    let alike = |name: &&str| strsim::jaro_winkler(&glob.replace('*', ""), name);
    let mut near: Vec<&str> = known.names.keys().map(String::as_str).collect();
    near.sort_by(|a, b| alike(b).total_cmp(&alike(a)));
    let error = error.expected(if near.is_empty() {
        "a branch or tag that it has".into()
    } else {
        format!("names or globs such as {}", listed(near.into_iter()))
    });
    if known.offline {
        error.fix("leave --offline and HF_HUB_OFFLINE out to ask the Hub")
    } else {
        error
    }
}

fn untimed_alone(hub: &Hub, names: &[String]) -> Error {
    let names = listed(names.iter().map(String::as_str));
    let place = format!("{}@{}", hub.repository, hub.revisions);
    Error::new(
        ErrorKind::Data,
        printable(&place),
        format!("names no step or epoch: {names}"),
    )
    .expected("revisions such as step1000 or epoch-3")
    .fix(format!("give --revisions, or --epoch for one revision; other orders: {RECORD}"))
}

/// The first names of many.
fn listed<'a>(names: impl ExactSizeIterator<Item = &'a str>) -> String {
    let rest = names.len().saturating_sub(SHOWN);
    let shown: Vec<String> = names.take(SHOWN).map(printable).collect();
    let more = if rest > 0 { format!(" and {rest} more") } else { String::new() };
    shown.join(", ") + &more
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observer::Silent;

    fn hub(revisions: &str) -> Hub {
        Hub { repository: "a/b".into(), revisions: revisions.into(), offline: false }
    }

    fn known(names: &[&str]) -> Known {
        let commit = |name: &&str| ((*name).to_owned(), "0".repeat(40));
        Known { names: names.iter().map(commit).collect(), offline: false }
    }

    #[test]
    fn revisions_are_in_the_order_of_their_steps() {
        let names = [
            "main",
            "step1000",
            "step512-tokens2B",
            "stage1-step7-tokens1B",
            "checkpoint-20",
            "refs/pr/1",
        ];
        let chosen =
            choose(&known(&names), &hub("*step*, checkpoint-*"), None, &Silent).unwrap();
        let found: Vec<(&str, Time)> =
            chosen.iter().map(|(one, named)| (one.name.as_str(), named.time)).collect();
        let expected = [
            ("stage1-step7-tokens1B", Time::Step(7)),
            ("checkpoint-20", Time::Step(20)),
            ("step512-tokens2B", Time::Step(512)),
            ("step1000", Time::Step(1000)),
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn what_matches_nothing_is_answered_with_near_names() {
        let known = known(&["main", "step0", "step1", "step1000"]);
        let error = choose(&known, &hub("stpe1*"), None, &Silent).unwrap_err();
        assert_eq!(error.exit_code(), 2);
        let text = error.to_string();
        assert!(
            text.contains("`--revisions stpe1*` matches none of the 4 revisions"),
            "{text}"
        );
        assert!(text.contains("such as step1, "), "{text}");
        let error = choose(&known, &hub("main"), None, &Silent).unwrap_err();
        assert!(error.to_string().contains("names no step or epoch: main"), "{error}");
        let chosen = choose(&known, &hub("main"), Some(3.0), &Silent).unwrap();
        assert_eq!(chosen[0].1.time, Time::Epoch(3.0));
    }

    #[test]
    fn repositories_cannot_leave_the_cache() {
        for name in ["gpt2", "EleutherAI/pythia-14m", "a/b.c_d"] {
            check_repository(name).unwrap();
        }
        for name in ["", "a/", "a/b/c", "../x", "a/..", "a b", "https://x"] {
            assert_eq!(check_repository(name).unwrap_err().exit_code(), 2, "{name}");
        }
    }
}
