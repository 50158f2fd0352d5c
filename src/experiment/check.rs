//! The checks: known keys, types and ranges, defaults, and what keys mean for each other.

use std::path::Path;

use toml::{Table, Value};

use super::keys::KEYS;
use super::parse::Settings;
use super::{Experiment, IN_DATA_DIRECTORY, Length, OptimizerKind, steps_per_epoch};
use crate::data::{self, TRAIN_OF_POOL};
use crate::error::{Error, Result};
use crate::net;
use crate::setting::{Fallback, Key, Kind, Misfit, nearest};

impl Settings<'_> {
    /// The experiment that the settings describe, defaults filled in.
    pub(super) fn check(mut self, base: &Path) -> Result<Experiment> {
        self.move_warmup()?;
        self.check_table(&self.table, "")?;
        self.drop_other_kinds();
        self.derive_before_defaults()?;
        for key in KEYS.iter() {
            self.complete(key, base)?;
        }
        self.derive_cosine_period()?;
        let table = std::mem::take(&mut self.table);
        let experiment: Experiment =
            table.try_into().map_err(|error: toml::de::Error| {
                Error::usage(self.place, error.message().to_owned())
            })?;
        self.check_together(&experiment)?;
        Ok(experiment)
    }

    /// `warmup_steps` may also stand inside the schedule.
    fn move_warmup(&mut self) -> Result<()> {
        const INSIDE: &str = "optimizer.schedule.warmup_steps";
        if self.get(INSIDE).is_none() {
            return Ok(());
        }
        if self.get("optimizer.warmup_steps").is_some() {
            return Err(Error::usage(self.key(INSIDE), "is given twice")
                .expected("`optimizer.warmup_steps` alone"));
        }
        if let Some(value) = self.remove(INSIDE) {
            self.set("optimizer.warmup_steps", value);
        }
        Ok(())
    }

    /// Every key is known and every value one of the allowed.
    fn check_table(&self, table: &Table, prefix: &str) -> Result<()> {
        for (name, value) in table {
            let name = format!("{prefix}{name}");
            let inside = format!("{name}.");
            if let Some(key) = self.key_of(&name) {
                if key.kind.accept(value).is_none() {
                    return Err(self.wrong_value(key, value));
                }
            } else if KEYS.iter().any(|key| key.name.starts_with(&inside)) {
                match value {
                    Value::Table(inner) => self.check_table(inner, &inside)?,
                    value => return Err(self.not_a_table(&name, value)),
                }
            } else {
                return Err(self.unknown_key(&name, prefix));
            }
        }
        Ok(())
    }

    /// The key of that name; of several that of the kind that is given, or else the first.
    fn key_of(&self, name: &str) -> Option<&'static Key> {
        let all = || KEYS.iter().filter(|key| key.name == name);
        all().find(|key| self.applies(key)).or_else(|| all().next())
    }

    /// Whether the kind that the key belongs to is the one that is given.
    fn applies(&self, key: &Key) -> bool {
        key.belongs_to.is_none_or(|(owner, kinds)| {
            let kind = self.get(owner).and_then(Value::as_str);
            kind.is_some_and(|kind| kinds.contains(&kind))
        })
    }

    fn wrong_value(&self, key: &Key, value: &Value) -> Error {
        let error = Error::usage(self.key(key.name), format!("is {}", describe(value)))
            .expected(key.kind.expected());
        let given = match value {
            Value::Array(list) => list.iter().filter_map(Value::as_str).collect(),
            value => Vec::from_iter(value.as_str()),
        };
        let names = key.kind.names();
        let misspelled = given.into_iter().find(|name| !names.contains(name));
        match misspelled.and_then(|name| nearest(name, names.iter().copied())) {
            Some(name) => error.fix(format!("did you mean \"{name}\"?")),
            None => error,
        }
    }

    fn not_a_table(&self, name: &str, value: &Value) -> Error {
        Error::usage(self.key(name), format!("is {}", describe(value)))
            .expected(format!("a table with {}", keys_in(&format!("{name}."))))
    }

    fn unknown_key(&self, name: &str, prefix: &str) -> Error {
        let error = Error::usage(self.key(name), "is not a known key");
        let last = name.rsplit('.').next().unwrap_or(name);
        let ends_alike = |key: &&Key| key.name.rsplit('.').next() == Some(last);
        let near = nearest(name, KEYS.iter().map(|key| key.name).chain(TABLES))
            .or_else(|| KEYS.iter().find(ends_alike).map(|key| key.name));
        match near {
            Some(near) => error.fix(format!("did you mean `{near}`?")),
            None if prefix.is_empty() => error.expected(format!(
                "{} or a table of {}",
                "`seed`",
                TABLES.map(|table| format!("`{table}`")).join(", ")
            )),
            None => error.expected(keys_in(prefix)),
        }
    }

    /// An overridden kind takes the file's settings of the other kinds away.
    fn drop_other_kinds(&mut self) {
        for key in KEYS.iter() {
            let Some((owner, _)) = key.belongs_to else { continue };
            let is_of_another = self.get(owner).is_some()
                && self.key_of(key.name).is_some_and(|key| !self.applies(key));
            if is_of_another && self.is_overridden(owner) && !self.is_overridden(key.name)
            {
                self.remove(key.name);
            }
        }
    }

    /// Defaults that depend on whether other keys are given.
    fn derive_before_defaults(&mut self) -> Result<()> {
        if self.get("noise.kind").and_then(Value::as_str) != Some("labels") {
            let rate = if self.get("noise").is_some() { 0.2 } else { 0.0 };
            self.set_default("noise.rate", Value::Float(rate));
            let data_seed = self.get("data.seed").cloned().unwrap_or(Value::Integer(1));
            self.set_default("noise.seed", data_seed);
        }
        let kind = self.get("data.kind").and_then(Value::as_str);
        if let Some(set) = kind.and_then(data::named) {
            if set.needs_path() && self.get("data.path").is_none() {
                return Err(Error::usage(self.key("data.path"), "is missing")
                    .expected(format!("a path for data.kind = \"{}\"", set.name)));
            }
            if let Some(count) = set.pool() {
                self.derive_split(count, set.images)?;
            }
        }
        self.derive_net()?;
        match (self.get("train.epochs"), self.get("train.steps")) {
            (None, None) => self.set("train.epochs", Value::Integer(400)),
            (Some(_), Some(_)) if self.is_overridden("train.steps") => {
                self.remove("train.epochs");
            }
            (Some(_), Some(_)) if self.is_overridden("train.epochs") => {
                self.remove("train.steps");
            }
            (Some(_), Some(_)) => {
                return Err(Error::usage(
                    self.key("train.steps"),
                    "is given besides `train.epochs`",
                )
                .expected("one of the two"));
            }
            _ => {}
        }
        Ok(())
    }

    /// The numbers of training and of test images where all are one set.
    fn derive_split(&mut self, count: usize, images: &str) -> Result<()> {
        let (count, default) = (count as i64, TRAIN_OF_POOL as i64);
        self.set_default("data.n_train", Value::Integer(default));
        let given = |key| self.get(key).and_then(Value::as_integer);
        let n_train = given("data.n_train").unwrap_or(default);
        let n_test = given("data.n_test").unwrap_or((count - n_train).max(1));
        if n_train + n_test > count {
            let key = if n_train < count { "data.n_test" } else { "data.n_train" };
            let found = format!("makes {n_train} training and {n_test} test images");
            return Err(Error::usage(self.key(key), found)
                .expected(format!("together at most the {count} {images}")));
        }
        self.set_default("data.n_test", Value::Integer(n_test));
        Ok(())
    }

    /// Defaults of the net's settings that depend on others of them.
    fn derive_net(&mut self) -> Result<()> {
        let kind = self.get("net.kind").and_then(Value::as_str);
        let Some(net) = net::ALL.iter().find(|net| Some(net.name) == kind) else {
            return Ok(());
        };
        let Some(Value::Table(mut table)) = self.get("net").cloned() else {
            return Ok(());
        };
        (net.derive)(&mut table).map_err(|misfit| self.misfit(misfit))?;
        self.set("net", Value::Table(table));
        Ok(())
    }

    fn misfit(&self, misfit: Misfit) -> Error {
        Error::usage(self.key(misfit.key), misfit.found).expected(misfit.expected)
    }

    fn set_default(&mut self, key: &str, value: Value) {
        if self.get(key).is_none() {
            self.set(key, value);
        }
    }

    /// Brings one key into its final form: default, type, absolute path.
    fn complete(&mut self, key: &Key, base: &Path) -> Result<()> {
        if let Some((owner, _)) = key.belongs_to
            && !self.applies(key)
        {
            // Another key of this name may be the one that is meant.
            let is_meant = self.key_of(key.name).is_some_and(|key| self.applies(key));
            return match self.get(key.name) {
                Some(_) if !is_meant => Err(self.other_kind(key, owner)),
                _ => Ok(()),
            };
        }
        let value = match (self.get(key.name), key.fallback) {
            (Some(value), _) => value.clone(),
            (None, Fallback::Absent) => return Ok(()),
            (None, Fallback::Required) => {
                return Err(Error::usage(self.key(key.name), "is missing")
                    .expected(key.kind.expected()));
            }
            (None, Fallback::Toml(text)) => text.parse().expect("defaults are TOML"),
        };
        let value = match (&key.kind, &value) {
            (Kind::Path, Value::String(path)) => self.absolute(key, base, path)?,
            _ => key.kind.accept(&value).ok_or_else(|| self.wrong_value(key, &value))?,
        };
        self.set(key.name, value);
        Ok(())
    }

    fn other_kind(&self, key: &Key, owner: &str) -> Error {
        let alike = KEYS.iter().filter(|other| other.name == key.name);
        let kinds: Vec<&str> = alike
            .filter_map(|key| key.belongs_to)
            .flat_map(|(_, kinds)| kinds)
            .copied()
            .collect();
        let kinds = kinds.join("\" or \"");
        let kind = self.get(owner).map(Value::to_string).unwrap_or_default();
        Error::usage(self.key(key.name), format!("belongs to {owner} = \"{kinds}\""))
            .expected(format!("no such key with {owner} = {kind}"))
            .fix(format!("remove it, or set {owner}"))
    }

    fn absolute(&self, key: &Key, base: &Path, path: &str) -> Result<Value> {
        if key.name == "noise.path" && path.starts_with(IN_DATA_DIRECTORY) {
            return Ok(Value::String(path.to_owned()));
        }
        let path = std::path::absolute(base.join(path))
            .map_err(|source| Error::io(path.as_ref(), "has no absolute form", source))?;
        let text = path.to_str().ok_or_else(|| {
            Error::usage(self.key(key.name), format!("is in {}", path.display()))
                .expected("a path in Unicode")
        })?;
        Ok(Value::String(text.to_owned()))
    }

    /// The cosine's half period is the length of training where it is not given.
    fn derive_cosine_period(&mut self) -> Result<()> {
        let integer = |key: &str| self.get(key).and_then(Value::as_integer);
        let cosine =
            self.get("optimizer.schedule.kind").and_then(Value::as_str) == Some("cosine");
        if !cosine || self.get("optimizer.schedule.t_max").is_some() {
            return Ok(());
        }
        let n_train = integer("data.n_train").map(|n| n as usize);
        let batch_size = integer("train.batch_size").unwrap_or(1) as usize;
        let epochs = match (integer("train.epochs"), integer("train.steps"), n_train) {
            (Some(epochs), ..) => epochs as f64,
            (None, Some(steps), Some(n)) => {
                steps as f64 / steps_per_epoch(n, batch_size) as f64
            }
            _ => {
                return Err(Error::usage(
                    self.key("optimizer.schedule.t_max"),
                    "is missing",
                )
                .expected("the epochs of half a period")
                .fix("or give `train.epochs`, or `data.n_train`"));
            }
        };
        self.set("optimizer.schedule.t_max", Value::Float(epochs));
        Ok(())
    }

    /// What keys mean for each other.
    fn check_together(&self, experiment: &Experiment) -> Result<()> {
        let optimizer = &experiment.optimizer;
        experiment.net.check().map_err(|misfit| self.misfit(misfit))?;
        let sgd = optimizer.kind == OptimizerKind::Sgd;
        if sgd && optimizer.nesterov && optimizer.momentum == 0.0 {
            return Err(Error::usage(self.key("optimizer.nesterov"), "has no momentum")
                .expected("`optimizer.momentum` above 0"));
        }
        match (experiment.train.length, experiment.data.n_train) {
            (_, Some(n_train)) => experiment.check_epochs(n_train, |key| self.key(key)),
            // Without the number of images, epochs can be checked, and steps when it is known.
            (Length::Epochs(_), None) => experiment.check_epochs(2, |key| self.key(key)),
            (Length::Steps(_), None) => Ok(()),
        }
    }
}

impl Experiment {
    /// That no listed epoch lies past the end of training on `n_train` images.
    ///
    /// # Errors
    /// A usage error with the place that `place` gives the key.
    pub(crate) fn check_epochs(
        &self,
        n_train: usize,
        place: impl Fn(&str) -> String,
    ) -> Result<()> {
        let per_epoch = steps_per_epoch(n_train, self.train.batch_size);
        let Some((key, epoch)) = self.train.epoch_past_end(per_epoch) else {
            return Ok(());
        };
        let last = self.train.total_steps(per_epoch) as f64 / per_epoch as f64;
        Err(Error::usage(place(key), format!("names epoch {epoch}"))
            .expected(format!("at most {last}, the end of training")))
    }
}

/// The tables of an experiment file.
const TABLES: [&str; 9] = [
    "data",
    "noise",
    "net",
    "init",
    "optimizer",
    "train",
    "evaluation",
    "analysis",
    "engine",
];

/// The keys directly inside a table, `prefix` with its dot.
fn keys_in(prefix: &str) -> String {
    let mut names: Vec<&str> = Vec::new();
    for key in KEYS.iter().filter_map(|key| key.name.strip_prefix(prefix)) {
        let name = key.split('.').next().unwrap_or(key);
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

/// A value with its type, for errors.
fn describe(value: &Value) -> String {
    let kind = match value {
        Value::String(_) => "a string",
        Value::Integer(_) => "a whole number",
        Value::Float(_) => "a number",
        Value::Boolean(_) => "a boolean",
        Value::Datetime(_) => "a date",
        Value::Array(_) => "a list",
        Value::Table(_) => "a table",
    };
    let mut text = value.to_string().replace('\n', " ");
    if text.chars().count() > 60 {
        text = text.chars().take(57).collect::<String>() + "…";
    }
    format!("{text} ({kind})")
}
