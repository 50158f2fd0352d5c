//! Where in a checkpoint's nested dictionaries the net's tensors are, and the epoch beside them.

use std::collections::BTreeSet;
use std::path::Path;

use super::pickle::{Unpickled, Value};
use crate::array_file::printable;
use crate::error::{Error, Result};

/// How deep dictionaries are looked into.
const DEPTH: usize = 3;

/// Tensors that a net may have.
const MAX_TENSORS: usize = 100_000;

/// The longest name, in bytes.
const MAX_NAME: usize = 4096;

/// Names under which the step of training is found.
const STEPS: [&str; 4] = ["step", "global_step", "iteration", "iter"];

/// A dictionary of tensors.
#[derive(Debug)]
pub(super) struct Found<'a> {
    /// Names and positions among the pickle's tensors.
    pub(super) tensors: Vec<(&'a str, usize)>,
    /// Its path in the checkpoint, such as `state_dict`; empty for the checkpoint itself.
    pub(super) key: String,
    /// What the checkpoint says beside it.
    pub(super) epoch: Option<f64>,
    pub(super) step: Option<u64>,
}

impl<'a> Unpickled<'a> {
    /// The value under a name of the outermost dictionary.
    pub(super) fn entry(&self, name: &str) -> Option<Value<'a>> {
        let Value::Dict(dict) = self.root else { return None };
        let found = self.dicts[dict].iter().rfind(|(key, _)| *key == Value::Text(name));
        found.map(|(_, value)| *value)
    }

    /// The pickle as a list of texts.
    pub(super) fn texts(&self) -> Option<Vec<&'a str>> {
        let Value::List(list) = self.root else { return None };
        let text = |value: &Value<'a>| match value {
            Value::Text(text) => Some(*text),
            _ => None,
        };
        self.lists[list].iter().map(text).collect()
    }

    fn whole(&self, name: &str) -> Option<u64> {
        match self.entry(name)? {
            Value::Int(i) => u64::try_from(i).ok(),
            Value::Float(x) if x >= 0.0 && x.fract() == 0.0 && x < 1e15 => Some(x as u64),
            _ => None,
        }
    }
}

/// Finds the tensors of the net: the dictionary called `wanted`, or the only one that holds
/// tensors itself (an optimizer's buffers are deeper, under numbers).
///
/// # Errors
/// If there is none or several, or a name is there twice.
pub(super) fn find<'a>(
    pickle: &Unpickled<'a>,
    path: &Path,
    wanted: Option<&str>,
) -> Result<Found<'a>> {
    let mut dicts = vec![];
    if let Value::Dict(dict) = pickle.root {
        collect(pickle, dict, ("", DEPTH), &mut BTreeSet::new(), &mut dicts);
    }
    if let Some(wanted) = wanted {
        dicts.retain(|(key, _)| key == wanted);
    }
    let (key, dict) = match dicts.len() {
        1 => dicts.remove(0),
        0 => {
            let error = Error::data(path, "holds no tensors of a net");
            return Err(match wanted {
                Some(key) => error.expected(format!("a dictionary of tensors `{key}`")),
                None => error.expected("a state_dict, alone or under a name"),
            });
        }
        _ => {
            let keys: Vec<String> = dicts
                .iter()
                .take(8)
                .map(|(key, _)| format!("`{}`", printable(key)))
                .collect();
            return Err(Error::data(
                path,
                format!("holds tensors in {}", keys.join(", ")),
            )
            .expected("one dictionary of tensors")
            .fix(format!("choose one, such as --key {}", dicts[0].0)));
        }
    };
    let tensors = tensors(pickle, dict, path)?;
    let step = STEPS.iter().find_map(|name| pickle.whole(name));
    let epoch = pickle.whole("epoch").map(|epoch| epoch as f64);
    Ok(Found { tensors, key, epoch, step })
}

/// Collects the dictionaries that hold tensors and have none below that does: beside a
/// `state_dict` there may be a tensor such as the best accuracy.
fn collect(
    pickle: &Unpickled<'_>,
    dict: usize,
    (key, depth): (&str, usize),
    seen: &mut BTreeSet<usize>,
    into: &mut Vec<(String, usize)>,
) {
    // Dictionaries may hold each other.
    if !seen.insert(dict) {
        return;
    }
    let before = into.len();
    let entries = &pickle.dicts[dict];
    for (name, value) in entries {
        if let (Value::Text(name), Value::Dict(inner), 1..) = (name, value, depth) {
            let dot = if key.is_empty() { "" } else { "." };
            let key = format!("{key}{dot}{name}");
            collect(pickle, *inner, (&key, depth - 1), seen, into);
        }
    }
    let has_tensor = |(name, value): &(Value<'_>, Value<'_>)| {
        matches!((name, value), (Value::Text(_), Value::Tensor(_)))
    };
    if into.len() == before && entries.iter().any(has_tensor) {
        into.push((key.to_owned(), dict));
    }
}

fn tensors<'a>(
    pickle: &Unpickled<'a>,
    dict: usize,
    path: &Path,
) -> Result<Vec<(&'a str, usize)>> {
    let mut found = vec![];
    let mut names = BTreeSet::new();
    for (name, value) in &pickle.dicts[dict] {
        if let (Value::Text(name), Value::Tensor(tensor)) = (name, value) {
            if !names.insert(*name) {
                let found = format!("holds `{}` twice", printable(name));
                return Err(Error::data(path, found).expected("every name once"));
            }
            if name.len() > MAX_NAME || found.len() == MAX_TENSORS {
                return Err(Error::data(path, "holds too many or too long names")
                    .expected(format!(
                        "at most {MAX_TENSORS} tensors, names of {MAX_NAME} bytes"
                    )));
            }
            found.push((*name, *tensor));
        }
    }
    Ok(found)
}
