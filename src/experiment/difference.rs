//! An experiment as TOML, and what two experiments differ in.

use std::collections::BTreeMap;

use serde::ser::{Serialize, Serializer};
use toml::{Table, Value};

use super::{
    Experiment, NoiseConfig, NoiseKind, OptimizerConfig, OptimizerKind, Schedule, Until,
};

/// One key in which two experiments differ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// Dotted key.
    pub key: String,
    /// The first experiment's value as TOML, or "absent".
    pub mine: String,
    /// The second experiment's value as TOML, or "absent".
    pub theirs: String,
}

impl Experiment {
    /// The complete experiment file: [`Experiment::parse`] gives the same experiment back.
    ///
    /// # Panics
    /// If a seed exceeds 2⁶³ − 1 or a path is not Unicode: the check excludes both.
    pub fn to_toml(&self) -> String {
        toml::to_string(self).expect("experiments have a TOML form")
    }

    /// The keys in which the experiments differ, in the order of the file.
    ///
    /// # Panics
    /// As [`Experiment::to_toml`].
    pub fn differences(&self, other: &Self) -> Vec<Difference> {
        let (mine, theirs) = (self.settings(), other.settings());
        let value = |settings: &[(String, String)], key: &str| {
            let found = settings.iter().find(|(name, _)| name == key);
            found.map_or_else(|| "absent".to_owned(), |(_, value)| value.clone())
        };
        let known = |key: &String| mine.iter().any(|(name, _)| name == key);
        let mut keys: Vec<String> = mine.iter().map(|(key, _)| key.clone()).collect();
        keys.extend(theirs.iter().map(|(key, _)| key.clone()).filter(|key| !known(key)));
        let difference = |key: String| {
            let (mine, theirs) = (value(&mine, &key), value(&theirs, &key));
            (mine != theirs).then_some(Difference { key, mine, theirs })
        };
        keys.into_iter().filter_map(difference).collect()
    }

    /// Whether a run of this experiment may be continued as `new`: both are equal, except
    /// that training may last longer (more epochs, or a later `train.until`) and run on another engine. No schedule but a cosine over all epochs depends on the
    /// length, and that one shows as a difference of `t_max`.
    ///
    /// # Errors
    /// All differences, where one of them forbids it.
    pub fn may_continue_as(&self, new: &Self) -> Result<(), Vec<Difference>> {
        let differences = self.differences(new);
        let grows = |difference: &Difference| {
            let length = |text: &str| text.parse::<u64>().ok();
            matches!(difference.key.as_str(), "train.epochs" | "train.steps")
                && length(&difference.mine)
                    .zip(length(&difference.theirs))
                    .is_some_and(|(mine, theirs)| mine < theirs)
        };
        let ends_later = |difference: &Difference| {
            // Without the key, training never ends early.
            let times = |text: &str| {
                Until::parse(text.trim_matches('"'))
                    .map_or(f64::INFINITY, |own| own.times)
            };
            difference.key == "train.until"
                && times(&difference.mine) < times(&difference.theirs)
        };
        let moves = |difference: &Difference| difference.key.starts_with("engine.");
        if differences.iter().all(|own| grows(own) || ends_later(own) || moves(own)) {
            Ok(())
        } else {
            Err(differences)
        }
    }

    /// Every key with its TOML value.
    pub(crate) fn settings(&self) -> Vec<(String, String)> {
        let table = Table::try_from(self).expect("experiments have a TOML form");
        let mut settings = Vec::new();
        flatten(&table, "", &mut settings);
        settings
    }
}

fn flatten(table: &Table, prefix: &str, settings: &mut Vec<(String, String)>) {
    for (name, value) in table {
        match value {
            Value::Table(inner) => flatten(inner, &format!("{prefix}{name}."), settings),
            value => settings.push((format!("{prefix}{name}"), value.to_string())),
        }
    }
}

/// The optimizer's table without the settings of the other kinds.
#[derive(serde::Serialize)]
struct OptimizerTable<'a> {
    kind: OptimizerKind,
    lr: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    momentum: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    nesterov: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    betas: Option<[f64; 2]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    eps: Option<f64>,
    weight_decay: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    clip_norm: Option<f64>,
    warmup_steps: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    lr_scale: Option<&'a BTreeMap<String, f64>>,
    schedule: &'a Schedule,
}

impl Serialize for OptimizerConfig {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let sgd = self.kind == OptimizerKind::Sgd;
        let table = OptimizerTable {
            kind: self.kind,
            lr: self.lr,
            momentum: sgd.then_some(self.momentum),
            nesterov: sgd.then_some(self.nesterov),
            betas: (!sgd).then_some(self.betas),
            eps: (!sgd).then_some(self.eps),
            weight_decay: self.weight_decay,
            clip_norm: self.clip_norm,
            warmup_steps: self.warmup_steps,
            lr_scale: Some(&self.lr_scale).filter(|scales| !scales.is_empty()),
            schedule: &self.schedule,
        };
        table.serialize(serializer)
    }
}

/// The noise's table without the settings of the other kinds.
#[derive(serde::Serialize)]
struct NoiseTable<'a> {
    kind: NoiseKind,
    #[serde(skip_serializing_if = "Option::is_none")]
    rate: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    seed: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    test: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<&'a std::path::Path>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
}

impl Serialize for NoiseConfig {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let drawn = self.kind != NoiseKind::Labels;
        let table = NoiseTable {
            kind: self.kind,
            rate: drawn.then_some(self.rate),
            seed: drawn.then_some(self.seed),
            test: drawn.then_some(self.test),
            path: self.path.as_deref(),
            name: self.name.as_deref(),
        };
        table.serialize(serializer)
    }
}
