//! What a key of an experiment file may hold: its type, range and default. Nets declare keys of
//! their own; `experiment/keys.rs` has the list of all.

use toml::Value;

use Kind::{
    Betas, Bool, Choice, Choices, Epochs, Integer, Milestones, Names, Nodes,
    Normalization, Number, OneOrMore, Path, Penalties, Phrase, Scales, Text,
};

/// One key of an experiment file.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Key {
    /// Dotted name.
    pub(crate) name: &'static str,
    /// What its value may be.
    pub(crate) kind: Kind,
    /// What stands in where it is missing.
    pub(crate) fallback: Fallback,
    /// The key and its values that this key makes sense with.
    pub(crate) belongs_to: Option<(&'static str, &'static [&'static str])>,
}

/// What a value may be.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Kind {
    /// A whole number from .0 to .1.
    Integer(i64, i64),
    /// A finite number; whole numbers are accepted. The range, and the same in words.
    Number(fn(f64) -> bool, &'static str),
    /// `true` or `false`.
    Bool,
    /// One of these names.
    Choice(&'static [&'static str]),
    /// One of these names, or a list of them without repeats.
    OneOrMore(&'static [&'static str]),
    /// A list of these names without repeats, at least .1 of them.
    Choices(&'static [&'static str], usize),
    /// A path, relative to the experiment file.
    Path,
    /// Any text but none.
    Text,
    /// Text of a form of its own: the spelling in which it is kept, and the form in words.
    Phrase(fn(&str) -> Option<String>, &'static str),
    /// Two numbers from 0 to below 1.
    Betas,
    /// Rising positive numbers.
    Milestones,
    /// Positive numbers without repeats, perhaps none.
    Penalties,
    /// A rule's name or a list of epochs.
    Epochs,
    /// A name or a list of names.
    Names,
    /// The same, kept as a list, which may be empty.
    Nodes,
    /// A name of [`NORMALIZATIONS`], or means and standard deviations.
    Normalization,
    /// A factor of at least 0 for each name or glob of nodes.
    Scales,
}

/// What stands in for a missing key.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Fallback {
    /// Nothing: the key must be given.
    Required,
    /// Nothing, or a value that depends on other keys (a net's `derive`, `experiment/check.rs`).
    Absent,
    /// This TOML value.
    Toml(&'static str),
}

/// A value that does not fit others, found by who declares its key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Misfit {
    /// Dotted name of the key.
    pub(crate) key: &'static str,
    pub(crate) found: String,
    pub(crate) expected: String,
}

const NORMALIZATIONS: &[&str] = &["channel", "none"];
const EPOCH_RULES: &[&str] = &["auto", "every", "log-spaced"];

/// The largest seed: what TOML's integers hold.
pub(crate) const SEEDS: Kind = Integer(0, i64::MAX);
pub(crate) const NOT_NEGATIVE: Kind = Number(|x| x >= 0.0, "a number of at least 0");
pub(crate) const POSITIVE: Kind = Number(|x| x > 0.0, "a number above 0");
pub(crate) const FRACTION: Kind =
    Number(|x| (0.0..=1.0).contains(&x), "a number from 0 to 1");
pub(crate) const BELOW_ONE: Kind =
    Number(|x| (0.0..1.0).contains(&x), "a number from 0 to below 1");
/// Upper limits far above any use keep a slip of the hand from exhausting memory.
pub(crate) const MANY: i64 = 1_000_000_000;

/// A key that belongs to every experiment.
pub(crate) const fn key(name: &'static str, kind: Kind, fallback: Fallback) -> Key {
    Key { name, kind, fallback, belongs_to: None }
}

impl Key {
    /// The same, but only where `key` has one of these values.
    pub(crate) const fn of(
        mut self,
        key: &'static str,
        kinds: &'static [&'static str],
    ) -> Self {
        self.belongs_to = Some((key, kinds));
        self
    }
}

impl Kind {
    /// What a value may be, in words.
    pub(crate) fn expected(&self) -> String {
        match self {
            Integer(low, i64::MAX) if *low == 0 => "a whole number of at least 0".into(),
            Integer(low, high) => format!("a whole number from {low} to {high}"),
            Number(_, words) | Phrase(_, words) => (*words).into(),
            Bool => "true or false".into(),
            Choice(names) => format!("one of {}", quoted(names)),
            OneOrMore(names) => {
                format!("one of {}, or a list of them without repeats", quoted(names))
            }
            Choices(names, 0) => format!("a list of {}", quoted(names)),
            Choices(names, _) => {
                format!("a list of one or more of {}, without repeats", quoted(names))
            }
            Path => "a path".into(),
            Text => "a name".into(),
            Betas => "a list of two numbers from 0 to below 1".into(),
            Milestones => "a rising list of epochs above 0".into(),
            Penalties => "a list of numbers above 0, without repeats".into(),
            Epochs => format!("{} or a list of epochs", quoted(EPOCH_RULES)),
            Names => "\"all\", a name or glob, or a list of these".into(),
            Nodes => "a name or glob of nodes, or a list of these".into(),
            Scales => {
                "a table of names or globs of nodes, each with a number of at least 0, \
                 such as { conv1 = 1.0, \"layer4.*\" = 0.1 }"
                    .into()
            }
            Normalization => format!(
                "{} or {{ mean = […], std = […] }}, one number a channel, std above 0",
                quoted(NORMALIZATIONS)
            ),
        }
    }

    /// The value in the type it is kept in (whole numbers become floats where a float is
    /// meant), or nothing where it is not one of the allowed.
    pub(crate) fn accept(&self, value: &Value) -> Option<Value> {
        let one_of =
            |names: &[&str], v: &Value| v.as_str().is_some_and(|s| names.contains(&s));
        let accepted = match self {
            Integer(low, high) => {
                value.as_integer().is_some_and(|i| (*low..=*high).contains(&i))
            }
            Bool => value.is_bool(),
            Choice(names) => one_of(names, value),
            OneOrMore(names) if value.is_str() => one_of(names, value),
            OneOrMore(names) => return Choices(names, 1).accept(value),
            Choices(names, least) => value.as_array().is_some_and(|list| {
                list.len() >= *least
                    && list.iter().all(|item| one_of(names, item))
                    && (1..list.len()).all(|i| !list[..i].contains(&list[i]))
            }),
            Path | Text => value.as_str().is_some_and(|s| !s.is_empty()),
            Phrase(kept, _) => return value.as_str().and_then(kept).map(Value::String),
            Names => {
                let list = node_names(value);
                list.is_some_and(|list| list.as_array().is_some_and(|l| !l.is_empty()))
            }
            Nodes => return node_names(value),
            Scales => return scales(value),
            Normalization if value.is_str() => one_of(NORMALIZATIONS, value),
            Normalization => return moments(value),
            Number(in_range, _) => {
                return number(value).filter(|x| in_range(*x)).map(Value::Float);
            }
            Betas => {
                return numbers(value, |list| {
                    list.len() == 2 && list.iter().all(|x| (0.0..1.0).contains(x))
                });
            }
            Milestones => {
                return numbers(value, |list| {
                    list.first().is_some_and(|x| *x > 0.0)
                        && list.windows(2).all(|pair| pair[0] < pair[1])
                });
            }
            Penalties => {
                return numbers(value, |list| {
                    list.iter().all(|x| *x > 0.0)
                        && (1..list.len()).all(|i| !list[..i].contains(&list[i]))
                });
            }
            Epochs if value.is_str() => one_of(EPOCH_RULES, value),
            Epochs => {
                return numbers(value, |list| {
                    !list.is_empty() && list.iter().all(|x| *x >= 0.0)
                });
            }
        };
        accepted.then(|| value.clone())
    }

    /// The names among which a misspelled value may be meant.
    pub(crate) fn names(&self) -> &'static [&'static str] {
        match self {
            Choice(names) | OneOrMore(names) | Choices(names, _) => names,
            Epochs => EPOCH_RULES,
            Normalization => NORMALIZATIONS,
            _ => &[],
        }
    }
}

/// One name or a list of names, as a list.
fn node_names(value: &Value) -> Option<Value> {
    let list = match value {
        Value::Array(list) => list.clone(),
        one => vec![one.clone()],
    };
    let is_name = |v: &Value| v.as_str().is_some_and(|s| !s.is_empty());
    list.iter().all(is_name).then_some(Value::Array(list))
}

/// A table of means and positive standard deviations, equally many.
fn moments(value: &Value) -> Option<Value> {
    let table = value.as_table().filter(|table| table.len() == 2)?;
    let mean = numbers(table.get("mean")?, |list| !list.is_empty())?;
    let std = numbers(table.get("std")?, |list| list.iter().all(|x| *x > 0.0))?;
    let same = mean.as_array()?.len() == std.as_array()?.len();
    let named = [("mean".to_owned(), mean), ("std".to_owned(), std)];
    same.then(|| Value::Table(named.into_iter().collect()))
}

/// A table of factors. The dots of a name that is not in quotes make tables of their own in
/// TOML; here they are part of the name.
fn scales(value: &Value) -> Option<Value> {
    let mut flat = toml::Table::new();
    collect_scales(value.as_table()?, "", &mut flat)?;
    (!flat.is_empty()).then_some(Value::Table(flat))
}

fn collect_scales(
    table: &toml::Table,
    prefix: &str,
    flat: &mut toml::Table,
) -> Option<()> {
    for (name, value) in table {
        let name = format!("{prefix}{name}");
        match value {
            Value::Table(inner) => collect_scales(inner, &format!("{name}."), flat)?,
            value => {
                let factor = number(value).filter(|x| *x >= 0.0)?;
                flat.insert(name, Value::Float(factor));
            }
        }
    }
    Some(())
}

/// A finite number; whole numbers count.
fn number(value: &Value) -> Option<f64> {
    let number = value.as_float().or_else(|| value.as_integer().map(|i| i as f64));
    number.filter(|x| x.is_finite())
}

fn numbers(value: &Value, allowed: impl Fn(&[f64]) -> bool) -> Option<Value> {
    let list: Option<Vec<f64>> = value.as_array()?.iter().map(number).collect();
    let list = list.filter(|list| allowed(list))?;
    Some(Value::Array(list.into_iter().map(Value::Float).collect()))
}

/// `"a", "b", "c"`.
fn quoted(names: &[&str]) -> String {
    names.iter().map(|name| format!("\"{name}\"")).collect::<Vec<_>>().join(", ")
}

/// The name nearest to `name`, where one is near: at most a third of the letters of its
/// last part (and at least one) inserted, deleted, replaced or swapped.
pub(crate) fn nearest<'a>(
    name: &str,
    known: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    let distance = |other: &&str| strsim::damerau_levenshtein(name, other);
    let best = known.into_iter().min_by_key(distance)?;
    let last = name.rsplit('.').next().unwrap_or(name);
    let allowed = (last.chars().count() / 3).max(1);
    (distance(&best) <= allowed).then_some(best)
}
