//! Every key of an experiment file: its name, type, range, default, and the kind it belongs
//! to. A new setting is one line here and one field in [`super::Experiment`].

use toml::Value;

use crate::similarity::{Estimator, Measure};

use Fallback::{Absent, Required, Toml};
use Kind::{
    Betas, Bool, Choice, Choices, Epochs, Integer, Milestones, Names, Nodes,
    Normalization, Number, OneOrMore, Path, Penalties, Text,
};

/// One key of an experiment file.
pub(super) struct Key {
    /// Dotted name.
    pub(super) name: &'static str,
    /// What its value may be.
    pub(super) kind: Kind,
    /// What stands in where it is missing.
    pub(super) fallback: Fallback,
    /// The key and its values that this key makes sense with.
    pub(super) belongs_to: Option<(&'static str, &'static [&'static str])>,
}

/// What a value may be.
pub(super) enum Kind {
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
}

/// What stands in for a missing key.
#[derive(Clone, Copy)]
pub(super) enum Fallback {
    /// Nothing: the key must be given.
    Required,
    /// Nothing, or a value that depends on other keys (`check::derive`).
    Absent,
    /// This TOML value.
    Toml(&'static str),
}

/// The data sets this build reads.
pub(super) const DATA_SETS: &[&str] = &[
    "digits",
    "mnist1d",
    "cifar10",
    "cifar10-subset",
    "cifar100",
    "mnist",
    "fashion-mnist",
    "arrays",
    "folder",
    "parquet",
];
/// Data sets that only `data.path` can find.
pub(super) const UNNAMED_SETS: &[&str] = &["arrays", "folder", "parquet"];
/// All but those that are in the program may be somewhere else.
const STORED_SETS: &[&str] = DATA_SETS.split_at(2).1;
const NORMALIZATIONS: &[&str] = &["channel", "none"];
pub(super) const EPOCH_RULES: &[&str] = &["auto", "every", "log-spaced"];
const NOISES: &[&str] =
    &["iid", "exact", "exact-per-class", "pair-flip", "asymmetric", "labels"];
/// The kinds that draw their wrong labels.
const DRAWN_NOISES: &[&str] = NOISES.split_at(5).0;
const LABELS: &[&str] = &["labels"];
const NETS: &[&str] = &["cnn5", "resnet18", "resnet18-post", "resnet-cifar", "vit"];
const CNNS: &[&str] = NETS.split_at(4).0;
const DEEP: &[&str] = NETS.split_at(3).1;
const VIT: &[&str] = &["vit"];
const OPTIMIZERS: &[&str] = &["sgd", "adam", "adamw"];
const SCHEDULES: &[&str] = &["constant", "cosine", "inverse-sqrt", "step"];
const GROUPS: &[&str] = &["test", "train-clean", "train-corrupted"];

/// The largest seed: what TOML's integers hold.
const SEEDS: Kind = Integer(0, i64::MAX);
const NOT_NEGATIVE: Kind = Number(|x| x >= 0.0, "a number of at least 0");
const POSITIVE: Kind = Number(|x| x > 0.0, "a number above 0");
const FRACTION: Kind = Number(|x| (0.0..=1.0).contains(&x), "a number from 0 to 1");
const BELOW_ONE: Kind = Number(|x| (0.0..1.0).contains(&x), "a number from 0 to below 1");
/// Upper limits far above any use keep a slip of the hand from exhausting memory.
const MANY: i64 = 1_000_000_000;

pub(super) const KEYS: &[Key] = &[
    key("seed", SEEDS, Toml("0")),
    key("data.kind", Choice(DATA_SETS), Required),
    key("data.path", Path, Absent).of("data.kind", STORED_SETS),
    key("data.seed", SEEDS, Toml("1")),
    key("data.n_train", Integer(2, MANY), Absent),
    key("data.n_test", Integer(1, MANY), Absent),
    key("data.size", Integer(8, 1024), Absent),
    key("data.normalize", Normalization, Toml("'channel'")),
    key("data.augment", Choices(&["crop", "flip"], 0), Toml("[]")),
    key("noise.kind", Choice(NOISES), Toml("'iid'")),
    key("noise.rate", FRACTION, Absent).of("noise.kind", DRAWN_NOISES),
    key("noise.seed", SEEDS, Absent).of("noise.kind", DRAWN_NOISES),
    key("noise.test", Bool, Toml("false")).of("noise.kind", DRAWN_NOISES),
    key("noise.path", Path, Required).of("noise.kind", LABELS),
    key("noise.name", Text, Absent).of("noise.kind", LABELS),
    key("net.kind", Choice(NETS), Required),
    key("net.width", Integer(1, 4096), Required).of("net.kind", CNNS),
    key("net.patch", Integer(1, 1024), Toml("4")).of("net.kind", VIT),
    key("net.dim", Integer(1, 65_536), Toml("512")).of("net.kind", VIT),
    key("net.depth", Integer(1, 1000), Toml("6")).of("net.kind", DEEP),
    key("net.heads", Integer(1, 1024), Toml("8")).of("net.kind", VIT),
    key("net.head_dim", Integer(1, 4096), Absent).of("net.kind", VIT),
    key("net.mlp_dim", Integer(1, 262_144), Absent).of("net.kind", VIT),
    key("net.pool", Choice(&["cls", "mean"]), Toml("'cls'")).of("net.kind", VIT),
    key("net.dropout", BELOW_ONE, Toml("0.1")).of("net.kind", VIT),
    key("net.norm_eps", POSITIVE, Toml("1e-5")).of("net.kind", VIT),
    key("net.qkv_bias", Bool, Toml("false")).of("net.kind", VIT),
    key("init.weights", Path, Absent),
    key("optimizer.kind", Choice(OPTIMIZERS), Toml("'sgd'")),
    key("optimizer.lr", NOT_NEGATIVE, Toml("0.02")),
    key("optimizer.momentum", BELOW_ONE, Toml("0.9")).of("optimizer.kind", &["sgd"]),
    key("optimizer.nesterov", Bool, Toml("false")).of("optimizer.kind", &["sgd"]),
    key("optimizer.betas", Betas, Toml("[0.9, 0.999]")).of("optimizer.kind", ADAMS),
    key("optimizer.eps", NOT_NEGATIVE, Toml("1e-8")).of("optimizer.kind", ADAMS),
    key("optimizer.weight_decay", NOT_NEGATIVE, Toml("0.0")),
    key("optimizer.clip_norm", POSITIVE, Absent),
    key("optimizer.schedule.kind", Choice(SCHEDULES), Toml("'constant'")),
    key("optimizer.schedule.t_max", POSITIVE, Absent)
        .of("optimizer.schedule.kind", &["cosine"]),
    key("optimizer.schedule.period", Integer(1, MANY), Toml("512"))
        .of("optimizer.schedule.kind", &["inverse-sqrt"]),
    key("optimizer.schedule.milestones", Milestones, Required)
        .of("optimizer.schedule.kind", &["step"]),
    key("optimizer.schedule.gamma", NOT_NEGATIVE, Toml("0.1"))
        .of("optimizer.schedule.kind", &["step"]),
    key("optimizer.warmup_steps", Integer(0, MANY), Toml("0")),
    key("train.epochs", Integer(1, 1_000_000), Absent),
    key("train.steps", Integer(1, MANY), Absent),
    key("train.batch_size", Integer(1, MANY), Toml("128")),
    key("train.label_smoothing", BELOW_ONE, Toml("0.0")),
    key("train.history", Epochs, Toml("'auto'")),
    key("train.checkpoints", Epochs, Toml("'log-spaced'")),
    key(
        "train.checkpoint_ratio",
        Number(|x| x >= 1.001, "a number of at least 1.001"),
        Absent,
    )
    .of("train.checkpoints", &["log-spaced"]),
    key("train.save_optimizer", Bool, Toml("true")),
    key("train.labels", Choice(&["noisy", "clean"]), Toml("'noisy'")),
    key("train.freeze", Nodes, Absent),
    key("train.reinit", Nodes, Absent),
    key("evaluation.batchnorm", Choice(&["recomputed", "running"]), Toml("'recomputed'")),
    key("analysis.layers", Names, Toml("'all'")),
    key(
        "analysis.groups",
        Choices(GROUPS, 1),
        Toml("['test', 'train-clean', 'train-corrupted']"),
    ),
    key("analysis.n_examples", Integer(4, 100_000), Toml("512")),
    key("analysis.tokens", Choice(&["mean", "cls", "all"]), Toml("'mean'"))
        .of("net.kind", VIT),
    key("analysis.features", Choice(&["flatten", "average", "grid"]), Toml("'flatten'")),
    key("analysis.grid", Integer(1, 1024), Toml("2")).of("analysis.features", &["grid"]),
    key("analysis.measures", Choices(Measure::NAMES, 1), Toml("['cka']")),
    key("analysis.dimensions", Bool, Toml("false")),
    key("analysis.cka.estimator", Choice(Estimator::NAMES), Toml("'debiased'")),
    key("analysis.probe.l2", POSITIVE, Toml("1e-3")),
    key("analysis.probe.l2_also", Penalties, Toml("[]")),
    key("analysis.probe.labels", Choice(&["noisy", "clean"]), Toml("'noisy'")),
    key("analysis.probe.labels_also", Bool, Toml("true")),
    key("analysis.probe.features", Choice(PROBE_FEATURES), Toml("'flatten'")),
    key("analysis.probe.cap", Integer(1, MANY), Toml("2048")),
    key("analysis.probe.grid", Integer(1, 1024), Toml("2"))
        .of("analysis.probe.features", &["grid"]),
    key("analysis.probe.solver", Choice(SOLVERS), Toml("'logistic'")),
    key("analysis.probe.epochs", Integer(1, MANY), Toml("300")).of(SOLVER, DESCENTS),
    key("analysis.probe.batch_size", Integer(1, MANY), Toml("128")).of(SOLVER, DESCENTS),
    key("analysis.probe.lr", POSITIVE, Absent).of(SOLVER, DESCENTS),
    key("analysis.probe.momentum", BELOW_ONE, Toml("0.9")).of(SOLVER, &["sgd"]),
    key("analysis.prediction_depth", Bool, Toml("true")),
    key("analysis.memory", Integer(1, 1_000_000_000), Toml("2048")),
    key("analysis.drs.triplets", Integer(1, 1_000_000), Toml("60")),
    key("analysis.drs.resolution", Integer(2, 4096), Toml("20")),
    key("analysis.drs.margin", NOT_NEGATIVE, Toml("0.1")),
    key("analysis.drs.source", OneOrMore(SOURCES), Toml("'test'")),
    key("analysis.drs.sampling", Choice(&["dbviz"]), Toml("'dbviz'")),
    key("analysis.drs.distinct", Bool, Toml("true")),
    key("analysis.drs.floor", Choice(&["some", "all", "none"]), Toml("'some'")),
];

const SOURCES: &[&str] = &["test", "train", "corrupted"];
const ADAMS: &[&str] = &["adam", "adamw"];
const SOLVER: &str = "analysis.probe.solver";
const SOLVERS: &[&str] = &["logistic", "ridge", "sgd", "adam"];
/// Solvers that take batches.
const DESCENTS: &[&str] = SOLVERS.split_at(2).1;
const PROBE_FEATURES: &[&str] = &["flatten", "average", "grid", "common"];

const fn key(name: &'static str, kind: Kind, fallback: Fallback) -> Key {
    Key { name, kind, fallback, belongs_to: None }
}

impl Key {
    const fn of(mut self, key: &'static str, kinds: &'static [&'static str]) -> Self {
        self.belongs_to = Some((key, kinds));
        self
    }
}

impl Kind {
    /// What a value may be, in words.
    pub(super) fn expected(&self) -> String {
        match self {
            Integer(low, i64::MAX) if *low == 0 => "a whole number of at least 0".into(),
            Integer(low, high) => format!("a whole number from {low} to {high}"),
            Number(_, words) => (*words).into(),
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
            Normalization => format!(
                "{} or {{ mean = […], std = […] }}, one number a channel, std above 0",
                quoted(NORMALIZATIONS)
            ),
        }
    }

    /// The value in the type it is kept in (whole numbers become floats where a float is
    /// meant), or nothing where it is not one of the allowed.
    pub(super) fn accept(&self, value: &Value) -> Option<Value> {
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
            Names => {
                let is_name = |v: &Value| v.as_str().is_some_and(|s| !s.is_empty());
                is_name(value)
                    || value
                        .as_array()
                        .is_some_and(|list| !list.is_empty() && list.iter().all(is_name))
            }
            Nodes => return node_names(value),
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
    pub(super) fn names(&self) -> &'static [&'static str] {
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
pub(super) fn nearest<'a>(
    name: &str,
    known: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    let distance = |other: &&str| strsim::damerau_levenshtein(name, other);
    let best = known.into_iter().min_by_key(distance)?;
    let last = name.rsplit('.').next().unwrap_or(name);
    let allowed = (last.chars().count() / 3).max(1);
    (distance(&best) <= allowed).then_some(best)
}
