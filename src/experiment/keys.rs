//! Every key of an experiment file: its name, type, range, default, and the kind it belongs
//! to. A new setting is one line here and one field in [`super::Experiment`]; those of a net
//! are in the net's own file.

use std::sync::LazyLock;

use super::optimizer::OptimizerKind;
use super::until::Until;
use crate::setting::Fallback::{Absent, Required, Toml};
use crate::setting::Kind::{
    self, Betas, Bool, Choice, Choices, Epochs, Integer, Milestones, Names, Nodes,
    Normalization, Number, OneOrMore, Path, Penalties, Phrase, Scales, Text,
};
use crate::setting::{
    BELOW_ONE, FRACTION, Key, MANY, NOT_NEGATIVE, POSITIVE, SEEDS, key,
};
use crate::similarity::{Estimator, Measure};
use crate::{data, net};

const NOISES: &[&str] =
    &["iid", "exact", "exact-per-class", "pair-flip", "asymmetric", "labels"];
/// The kinds that draw their wrong labels.
const DRAWN_NOISES: &[&str] = NOISES.split_at(5).0;
const LABELS: &[&str] = &["labels"];
const SCHEDULES: &[&str] = &["constant", "cosine", "inverse-sqrt", "step"];
const GROUPS: &[&str] = &["test", "train-clean", "train-corrupted"];

/// Every key; where nets share a name, once for each of them.
pub(super) static KEYS: LazyLock<Vec<Key>> = LazyLock::new(|| {
    let of_nets = net::ALL.iter().flat_map(|net| {
        let kind = std::slice::from_ref(&net.name);
        net.keys.iter().map(|key| key.of("net.kind", kind))
    });
    BEFORE.iter().copied().chain(of_nets).chain(AFTER.iter().copied()).collect()
});

/// The keys before those of the nets.
const BEFORE: &[Key] = &[
    key("seed", SEEDS, Toml("0")),
    key("data.kind", Choice(data::NAMES), Required),
    key("data.path", Path, Absent).of("data.kind", data::STORED_NAMES),
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
    key("net.kind", Choice(net::NAMES), Required),
];

/// The keys after those of the nets.
const AFTER: &[Key] = &[
    key("init.weights", Path, Absent),
    key("optimizer.kind", Choice(OptimizerKind::NAMES), Toml("'sgd'")),
    key("optimizer.lr", NOT_NEGATIVE, Toml("0.02")),
    key("optimizer.momentum", BELOW_ONE, Toml("0.9")).of("optimizer.kind", &["sgd"]),
    key("optimizer.nesterov", Bool, Toml("false")).of("optimizer.kind", &["sgd"]),
    key("optimizer.betas", Betas, Toml("[0.9, 0.999]")).of("optimizer.kind", ADAMS),
    key("optimizer.eps", NOT_NEGATIVE, Toml("1e-8")).of("optimizer.kind", ADAMS),
    key("optimizer.weight_decay", NOT_NEGATIVE, Toml("0.0")),
    key("optimizer.clip_norm", POSITIVE, Absent),
    key("optimizer.lr_scale", Scales, Absent),
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
    key("train.until", UNTIL, Absent),
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
    key("engine.kind", Choice(&["native", "torch"]), Toml("'native'")),
    key("engine.device", Text, Toml("'cuda'")).of(ENGINE, TORCH),
    key("engine.precision", Choice(&["f32", "tf32", "bf16"]), Toml("'f32'"))
        .of(ENGINE, TORCH),
    key("engine.compile", Bool, Toml("false")).of(ENGINE, TORCH),
    key("engine.deterministic", Bool, Toml("true")).of(ENGINE, TORCH),
    key("engine.threads", Integer(1, 4096), Absent).of(ENGINE, TORCH),
    key("engine.memory", Integer(64, MANY), Absent).of(ENGINE, TORCH),
];

/// Kept in one spelling.
const UNTIL: Kind = Phrase(|text| Until::parse(text).map(String::from), Until::EXPECTED);
const ENGINE: &str = "engine.kind";
const TORCH: &[&str] = &["torch"];
const SOURCES: &[&str] = &["test", "train", "corrupted"];
const ADAMS: &[&str] = &["adam", "adamw"];
const SOLVER: &str = "analysis.probe.solver";
const SOLVERS: &[&str] = &["logistic", "ridge", "sgd", "adam"];
/// Solvers that take batches.
const DESCENTS: &[&str] = SOLVERS.split_at(2).1;
const PROBE_FEATURES: &[&str] = &["flatten", "average", "grid", "common"];
