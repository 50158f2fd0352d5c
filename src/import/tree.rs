//! Where in a checkpoint's nested dictionaries the net's tensors are, and the epoch beside them.

use std::collections::BTreeSet;
use std::path::Path;

use super::checkpoint::Beside;
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

/// Where trainers keep tensors that are no weights.
const OTHERS: [&str; 12] = [
    "callbacks",
    "optimizer",
    "optimizers",
    "optimizer_states",
    "optimizer_state_dict",
    "lr_schedulers",
    "scheduler",
    "loops",
    "scaler",
    "hyper_parameters",
    "rng_state",
    "metrics",
];

/// The names of weights where several dictionaries hold tensors, the likeliest first.
const WEIGHTS: [&str; 8] = [
    "state_dict",
    "model_state_dict",
    "model_state",
    "model",
    "net",
    "network",
    "module",
    "weights",
];

/// A dictionary of tensors.
#[derive(Debug)]
pub(super) struct Found<'a> {
    /// Names and positions among the pickle's tensors.
    pub(super) tensors: Vec<(&'a str, usize)>,
    /// Its path in the checkpoint, such as `state_dict`; empty for the checkpoint itself.
    pub(super) key: String,
    /// What the checkpoint says beside it.
    pub(super) beside: Beside,
    /// What there is to be said of the choice.
    pub(super) notes: Vec<String>,
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
        whole(self.entry(name)?)
    }

    /// What trainers say beside the weights.
    fn beside(&self) -> Beside {
        let settings = ["hyper_parameters", "args", "config", "hparams"];
        let inside = settings.iter().find_map(|name| match self.entry(name)? {
            Value::Dict(dict) => {
                let is_size = |key: &Value<'_>| *key == Value::Text("batch_size");
                let found = self.dicts[dict].iter().rfind(|(key, _)| is_size(key));
                found.and_then(|(_, value)| whole(*value))
            }
            _ => None,
        });
        let step = STEPS.iter().find_map(|name| self.whole(name));
        let epoch = self.whole("epoch").map(|epoch| epoch as f64);
        let is_lightning = self.entry("pytorch-lightning_version").is_some();
        Beside {
            epoch,
            step,
            batch_size: self.whole("batch_size").or(inside),
            // Lightning's epoch is the index of the one that is under way.
            counts_steps: is_lightning,
            counts_from_zero: is_lightning,
        }
    }

    /// An object's class in words; nothing of other values.
    fn class_of(&self, value: &Value<'_>) -> Option<&str> {
        match value {
            Value::Object(class) | Value::Class(class) => Some(&self.classes[*class]),
            _ => None,
        }
    }
}

fn whole(value: Value<'_>) -> Option<u64> {
    match value {
        Value::Int(i) => u64::try_from(i).ok(),
        Value::Float(x) if x >= 0.0 && x.fract() == 0.0 && x < 1e15 => Some(x as u64),
        _ => None,
    }
}

/// Finds the tensors of the net: the dictionary called `wanted`, or the only one that holds
/// tensors itself (an optimizer's buffers are deeper, under numbers), or of several the one
/// whose name says that it is of the weights.
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
    let mut notes = vec![];
    match wanted {
        Some(wanted) => dicts.retain(|(key, _)| key == wanted),
        None => choose(&mut dicts, &mut notes),
    }
    let (key, dict) = match dicts.len() {
        1 => dicts.remove(0),
        0 => return Err(none(pickle, path, wanted)),
        _ => {
            let fix = format!("choose one, such as --key {}", dicts[0].0);
            return Err(Error::data(path, format!("holds tensors in {}", shown(&dicts)))
                .expected("one dictionary of tensors")
                .fix(fix));
        }
    };
    let tensors = tensors(pickle, dict, path)?;
    let of_python = |name: &&String| name.contains("builtin");
    let names = pickle.classes.iter().filter(|name| !of_python(name)).take(8);
    let names: Vec<String> = names.map(|name| printable(name)).collect();
    if !names.is_empty() {
        let names = names.join(", ");
        notes.push(format!("objects beside the weights are not read: {names}"));
    }
    Ok(Found { tensors, key, beside: pickle.beside(), notes })
}

/// Of several dictionaries keeps the one that the names tell to be of the weights.
fn choose(dicts: &mut Vec<(String, usize)>, notes: &mut Vec<String>) {
    let is_other =
        |key: &str| OTHERS.contains(&key.split('.').next().unwrap_or_default());
    if dicts.iter().any(|(key, _)| !is_other(key)) {
        dicts.retain(|(key, _)| !is_other(key));
    }
    let is_average = |key: &str| {
        let mut words = key.split(|c: char| !c.is_ascii_alphanumeric());
        words.any(|word| matches!(word, "ema" | "swa" | "averaged"))
    };
    let averages: Vec<_> =
        dicts.iter().filter(|(key, _)| is_average(key)).cloned().collect();
    if !averages.is_empty() && averages.len() < dicts.len() {
        dicts.retain(|(key, _)| !is_average(key));
        let (first, all) = (&averages[0].0, shown(&averages));
        notes.push(format!(
            "averages of the weights are there, too, in {all}: --key {first} takes them"
        ));
    }
    if dicts.len() > 1
        && let Some(at) =
            WEIGHTS.iter().find_map(|name| dicts.iter().position(|(key, _)| key == name))
    {
        let chosen = dicts.swap_remove(at);
        notes.push(format!("other tensors are in {}: --key takes them", shown(dicts)));
        *dicts = vec![chosen];
    }
}

fn shown(dicts: &[(String, usize)]) -> String {
    let keys: Vec<String> =
        dicts.iter().take(8).map(|(key, _)| format!("`{}`", printable(key))).collect();
    keys.join(", ")
}

/// The error of a file without a dictionary of tensors.
fn none(pickle: &Unpickled<'_>, path: &Path, wanted: Option<&str>) -> Error {
    let mut found = "holds no tensors of a net".to_owned();
    let mut objects = vec![];
    if let Some(class) = pickle.class_of(&pickle.root) {
        objects.push(format!("it is an object of `{}`", printable(class)));
    }
    if let Value::Dict(dict) = pickle.root {
        for (name, value) in pickle.dicts[dict].iter().take(1000) {
            if let (Value::Text(name), Some(class)) = (name, pickle.class_of(value)) {
                let [name, class] = [name, class].map(printable);
                objects.push(format!("`{name}` is an object of `{class}`"));
            }
        }
    }
    if !objects.is_empty() {
        objects.truncate(4);
        found += &format!(": {}, which is never run", objects.join(", "));
    }
    let error = Error::data(path, found);
    match wanted {
        Some(key) => error.expected(format!("a dictionary of tensors `{key}`")),
        None => error
            .expected("a state_dict, alone or under a name")
            .fix("save the weights: torch.save(model.state_dict(), \"epoch-1.pt\")"),
    }
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
