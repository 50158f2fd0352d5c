//! From the names of other codes to ours: prefixes that wrappers add, tables of patterns
//! (`names.toml`), and what fits the net's parameters.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::joined;
use crate::array_file::{Array, NamedArrays, Values, printable, show};
use crate::disk;
use crate::error::{Error, Result};
use crate::net::{Net, NetConfig, Parameter, Role};

/// The tables of codes that we know.
const TABLES: &str = include_str!("names.toml");

/// What `DataParallel`, `torch.compile` and common wrappers put before every name.
const PREFIXES: [&str; 6] =
    ["module.", "_orig_mod.", "model.", "net.", "backbone.", "network."];

/// Names that a message lists.
const SHOWN: usize = 8;

/// How alike a name must be to be offered for a missing one.
const ALIKE: f64 = 0.6;

/// Patterns with `*`, theirs and ours.
#[derive(Debug, Clone, PartialEq)]
pub struct NameMap {
    /// What the map is of, for messages.
    pub name: String,
    rules: Vec<(String, String)>,
}

/// The weights as our net reads them, and what was done to the names.
#[derive(Debug)]
pub(super) struct Fitted {
    pub(super) weights: NamedArrays,
    pub(super) notes: Vec<String>,
}

impl NameMap {
    /// Reads a table `"theirs" = "ours"`.
    ///
    /// # Errors
    /// If the file cannot be read, is no such table, or a line's two sides have different
    /// numbers of `*`.
    pub fn read(path: &Path) -> Result<Self> {
        let text = disk::read_text(path, disk::SETTINGS)?;
        let wrong = |found: String| {
            Error::usage(path.display().to_string(), found).expected(
                "lines such as \"backbone.*\" = \"*\", as many * on each side, or \
                     \"criterion.*\" = \"\" for what is to be left out",
            )
        };
        let table: toml::Table = text
            .parse()
            .map_err(|error: toml::de::Error| wrong(error.message().to_owned()))?;
        Self::from_table(&path.display().to_string(), &table).map_err(wrong)
    }

    fn from_table(name: &str, table: &toml::Table) -> std::result::Result<Self, String> {
        let mut rules = vec![];
        for (theirs, ours) in table {
            let ours = ours.as_str().ok_or_else(|| format!("`{theirs}` is no text"))?;
            let is_dropped = ours.is_empty();
            if !is_dropped && theirs.matches('*').count() != ours.matches('*').count() {
                return Err(format!("`{theirs}` = `{ours}` have different numbers of *"));
            }
            rules.push((theirs.clone(), ours.to_owned()));
        }
        Ok(Self { name: name.to_owned(), rules })
    }

    /// Those that may be meant for a net: none, then each code's.
    fn of(net: &NetConfig) -> Vec<Self> {
        let all: toml::Table = TABLES.parse().expect("names.toml is TOML");
        let mut maps = vec![Self { name: String::new(), rules: vec![] }];
        let own = all.iter().filter(|(nets, _)| is_of(nets, net));
        let codes = own.filter_map(|(_, codes)| codes.as_table());
        for (code, table) in codes.flatten() {
            let table = table.as_table().expect("a table of names");
            maps.push(Self::from_table(code, table).expect("names.toml has patterns"));
        }
        maps
    }

    /// Whether a name is to be left out.
    fn drops(&self, name: &str) -> bool {
        let mut dropped = self.rules.iter().filter(|(_, ours)| ours.is_empty());
        dropped.any(|(theirs, _)| captures(theirs, name, &mut vec![]))
    }

    fn apply(&self, name: &str) -> String {
        let hit = self.rules.iter().find_map(|(theirs, ours)| {
            let mut parts = vec![];
            captures(theirs, name, &mut parts).then(|| {
                let mut pieces = ours.split('*');
                let first = pieces.next().unwrap_or_default().to_owned();
                pieces.zip(parts).fold(first, |text, (piece, part)| text + part + piece)
            })
        });
        hit.unwrap_or_else(|| name.to_owned())
    }
}

/// Whether `nets` names the net: `vit`, or those with a setting, `vit pool=patches`.
fn is_of(nets: &str, net: &NetConfig) -> bool {
    let settings = toml::Table::try_from(net).expect("a net has a table");
    let mut words = nets.split(' ');
    let has = |word: &str| {
        let (key, value) = word.split_once('=').expect("KEY=VALUE");
        settings.get(key).and_then(toml::Value::as_str) == Some(value)
    };
    words.next() == Some(net.name()) && words.all(has)
}

/// Whether `name` matches `pattern`; the texts of its `*`, each of one character or more and as
/// short as possible.
fn captures<'a>(pattern: &str, name: &'a str, parts: &mut Vec<&'a str>) -> bool {
    let Some((head, tail)) = pattern.split_once('*') else { return pattern == name };
    let Some(rest) = name.strip_prefix(head) else { return false };
    let ends = (1..=rest.len()).filter(|end| rest.is_char_boundary(*end));
    for end in ends {
        let before = parts.len();
        parts.push(&rest[..end]);
        if captures(tail, &rest[end..], parts) {
            return true;
        }
        parts.truncate(before);
    }
    false
}

/// Brings the names and types of a checkpoint into the net's; `own` is the user's map, without
/// which the code whose names fit best is taken.
///
/// # Errors
/// If parameters are missing, tensors have no place in the net, or shapes differ; the message
/// lists them, with the nearest names.
pub(super) fn fit(
    weights: NamedArrays,
    net: &Net,
    config: &NetConfig,
    own: Option<&NameMap>,
    path: &Path,
) -> Result<Fitted> {
    let mut notes = vec![];
    let parameters = net.parameters();
    let maps = own.map_or_else(|| NameMap::of(config), |map| vec![map.clone()]);
    let mut weights = weights;
    own.into_iter().for_each(|map| drop_named(&mut weights, map, &mut notes));
    let mut weights = strip(weights, &parameters, &maps, &mut notes);
    own.into_iter().for_each(|map| drop_named(&mut weights, map, &mut notes));
    // Of equals the first: no map where none is better.
    let map = maps.iter().rev().max_by_key(|map| hits(map, weights.names(), &parameters));
    let map = map.expect("one or more maps");
    if map.rules.iter().any(|(_, ours)| !ours.is_empty()) {
        notes.push(format!("names of {} were mapped onto ours", map.name));
    }
    let mut named = BTreeMap::new();
    for (name, array) in weights.0 {
        let ours = map.apply(&name);
        if named.insert(ours.clone(), (name, array)).is_some() {
            let found = format!("has two tensors for `{}`", printable(&ours));
            return Err(Error::data(path, found).expected("one; see --names"));
        }
    }
    joined::join(&mut named);
    let weights = place(named, &parameters, &mut notes)
        .map_err(|found| refuse(path, &found, config))?;
    Ok(Fitted { weights, notes })
}

/// How many names are a parameter's once they are mapped.
fn hits<'n>(
    map: &NameMap,
    names: impl Iterator<Item = &'n str>,
    parameters: &[Parameter],
) -> usize {
    let known: BTreeSet<&str> = parameters.iter().map(|p| p.name.as_str()).collect();
    names.filter(|name| known.contains(joined::whole(&map.apply(name)))).count()
}

/// Leaves out what a user's map says.
fn drop_named(weights: &mut NamedArrays, map: &NameMap, notes: &mut Vec<String>) {
    let before = weights.0.len();
    weights.0.retain(|(name, _)| !map.drops(name));
    if weights.0.len() < before {
        let n = before - weights.0.len();
        notes.push(format!("{n} tensors are left out, as {} says", map.name));
    }
}

/// Takes away prefixes that none of the net's names has: those of wrappers that all names have,
/// then the one behind which most of the net's names are.
fn strip(
    mut weights: NamedArrays,
    parameters: &[Parameter],
    maps: &[NameMap],
    notes: &mut Vec<String>,
) -> NamedArrays {
    // A counter that wrappers of averages add has no prefix.
    weights.0.retain(|(name, array)| name != "n_averaged" || !array.shape.is_empty());
    let is_theirs = |prefix: &str| !parameters.iter().any(|p| p.name.starts_with(prefix));
    let is_common = |weights: &NamedArrays, prefix: &str| {
        !weights.0.is_empty() && weights.names().all(|name| name.starts_with(prefix))
    };
    while let Some(prefix) =
        PREFIXES.iter().find(|p| is_common(&weights, p) && is_theirs(p))
    {
        take_away(&mut weights, prefix);
        notes.push(format!("the prefix `{prefix}` was taken from all names"));
    }
    if let Some(prefix) =
        hidden_prefix(&weights, parameters, maps).filter(|p| is_theirs(p))
    {
        let n = take_away(&mut weights, &prefix);
        let all = if n == weights.0.len() { "all".into() } else { format!("{n}") };
        let prefix = printable(&prefix);
        notes.push(format!("the prefix `{prefix}` was taken from {all} names"));
    }
    weights
}

/// Takes a prefix from the names that have it; gives their number.
fn take_away(weights: &mut NamedArrays, prefix: &str) -> usize {
    let mut n = 0;
    for (name, _) in weights.0.iter_mut().filter(|(name, _)| name.starts_with(prefix)) {
        name.drain(..prefix.len());
        n += 1;
    }
    n
}

/// The prefix, to a dot, behind which the most parameters of the net are, if that are more than
/// without; none where two prefixes hide as many.
fn hidden_prefix(
    weights: &NamedArrays,
    parameters: &[Parameter],
    maps: &[NameMap],
) -> Option<String> {
    let most = |names: &[&str]| {
        let of_map = maps.iter().map(|map| hits(map, names.iter().copied(), parameters));
        of_map.max().unwrap_or(0)
    };
    let first = &parameters.first()?.name;
    let is_first = |rest: &str| maps.iter().any(|map| map.apply(rest) == *first);
    let mut found = BTreeSet::new();
    // Enough to find it in: hostile files have many names and parts.
    for name in weights.names().filter(|name| name.len() < 300).take(2000) {
        let dots = name.rmatch_indices('.').take(8).map(|(at, _)| at + 1);
        found.extend(dots.filter(|at| is_first(&name[*at..])).map(|at| &name[..at]));
    }
    let mut scored: Vec<(usize, &str)> = found
        .into_iter()
        .take(8)
        .map(|prefix| {
            let behind: Vec<&str> =
                weights.names().filter_map(|name| name.strip_prefix(prefix)).collect();
            (most(&behind), prefix)
        })
        .collect();
    scored.sort_by_key(|(n_hits, _)| std::cmp::Reverse(*n_hits));
    let without = most(&weights.names().collect::<Vec<_>>());
    match scored[..] {
        [(best, _), (other, _), ..] if best == other => None,
        [(best, prefix), ..] if best > without => Some(prefix.to_owned()),
        _ => None,
    }
}

/// Puts each tensor in its parameter's place.
fn place(
    mut named: BTreeMap<String, (String, Array)>,
    parameters: &[Parameter],
    notes: &mut Vec<String>,
) -> std::result::Result<NamedArrays, Vec<String>> {
    let mut out = NamedArrays::default();
    let (mut missing, mut wrong, mut counters) = (vec![], vec![], 0);
    for parameter in parameters {
        let Parameter { name, shape, role } = parameter;
        match named.remove(name) {
            Some((_, array)) if array.shape == *shape => {
                out.push(name.clone(), converted(array, *role));
            }
            Some((theirs, array)) => wrong.push(format!(
                "`{}` has the shape {}, expected {}",
                printable(&theirs),
                show(&array.shape),
                show(shape)
            )),
            // PyTorch before 0.4.1 did not count batches.
            None if *role == Role::BatchesTracked => {
                counters += 1;
                out.push(name.clone(), Array::i64(&[], vec![0]));
            }
            None => missing.push(name.clone()),
        }
    }
    if counters > 0 {
        notes.push(format!("{counters} counts of batches are missing and become 0"));
    }
    let is_zero_bias = |name: &String, array: &Array| {
        let weight = name.strip_suffix("bias").map(|stem| format!("{stem}weight"));
        let beside = weight.is_some_and(|w| parameters.iter().any(|p| p.name == w));
        beside && array.to_f32().iter().all(|&value| value == 0.0)
    };
    let before = named.len();
    named.retain(|name, (_, array)| !is_zero_bias(name, array));
    if named.len() < before {
        let n = before - named.len();
        notes.push(format!("{n} biases that our net has not are all 0 and left out"));
    }
    let mut found = wrong;
    let unexpected: Vec<&str> =
        named.values().map(|(theirs, _)| theirs.as_str()).collect();
    found.extend(missing.iter().map(|name| {
        let alike = |other: &&str| strsim::normalized_damerau_levenshtein(name, other);
        // Enough to compare with: hostile files have many names.
        let near = unexpected.iter().take(2000).copied();
        let nearest = near.max_by(|a, b| alike(a).total_cmp(&alike(b)));
        match nearest.filter(|other| alike(other) >= ALIKE) {
            Some(other) => format!("`{name}` is missing (`{}`?)", printable(other)),
            None => format!("`{name}` is missing"),
        }
    }));
    found.extend(named.iter().map(|(name, (theirs, _))| {
        let bias = name.rsplit('.').next() == Some("bias")
            && !missing.iter().any(|own| own == name);
        let what = if bias { "is a bias that our net has not" } else { "is unexpected" };
        format!("`{}` {what}", printable(theirs))
    }));
    if found.is_empty() { Ok(out) } else { Err(found) }
}

/// Floats become f32; a count stays a whole number.
fn converted(array: Array, role: Role) -> Array {
    if role == Role::BatchesTracked {
        return array;
    }
    match array.values {
        Values::F32(_) => array,
        _ => Array::f32(&array.shape.clone(), array.to_f32()),
    }
}

fn refuse(path: &Path, found: &[String], config: &NetConfig) -> Error {
    let rest = found.len().saturating_sub(SHOWN);
    let mut text = found[..found.len() - rest].join("; ");
    if rest > 0 {
        text += &format!("; and {rest} more");
    }
    let kind = config.name();
    Error::data(path, format!("does not fit the net: {text}"))
        .expected(format!("the parameters of net.kind = \"{kind}\" with these settings"))
        .fix(advice(found, config))
}

/// What can be done about a checkpoint that does not fit: what the net's own file says, or what
/// holds for all.
fn advice(found: &[String], config: &NetConfig) -> &'static str {
    let any = |part: &str| found.iter().any(|line| line.contains(part));
    let is_quantized =
        ["fake_quant", "activation_post_process", "_packed_params", ".zero_point"]
            .into_iter()
            .any(any);
    let of_loss =
        ["`criterion.", "`loss.", "`loss_fn.", "`metric", "`train_acc", "`val_acc"];
    if is_quantized {
        "it comes from quantization-aware training, which no net here supports: import its \
         activations with --activations"
    } else if let Some(advice) = config.advice(&any) {
        advice
    } else if of_loss.into_iter().any(any) {
        "what is no part of the net is left out by a line \"criterion.*\" = \"\" in a table of \
         names: --names FILE.toml"
    } else {
        "check --net and its net.… settings, or give a table of names with --names"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_keep_what_stars_stand_for() {
        let map = |theirs: &str, ours: &str| NameMap {
            name: "x".into(),
            rules: vec![(theirs.into(), ours.into())],
        };
        let rule = map("encoder.layers.encoder_layer_*.ln_1.*", "blocks.*.norm1.*");
        let name = "encoder.layers.encoder_layer_11.ln_1.weight";
        assert_eq!(rule.apply(name), "blocks.11.norm1.weight");
        assert_eq!(rule.apply("encoder.layers.encoder_layer_1.ln_2.bias").len(), 40);
        let rule = map("*.downsample.*", "*.shortcut.*");
        assert_eq!(rule.apply("layer2.0.downsample.1.bias"), "layer2.0.shortcut.1.bias");
        assert_eq!(rule.apply("downsample.1"), "downsample.1");
    }

    #[test]
    fn every_table_is_of_a_net_and_well_formed() {
        let all: toml::Table = TABLES.parse().unwrap();
        for (nets, codes) in &all {
            let kind = nets.split(' ').next().unwrap();
            assert!(crate::net::NAMES.contains(&kind), "{kind}");
            for (code, table) in codes.as_table().unwrap() {
                assert!(NameMap::from_table(code, table.as_table().unwrap()).is_ok());
            }
        }
    }
}
