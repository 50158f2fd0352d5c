//! From text and `a.b=value` overrides to a table that remembers where each key came from.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use toml::de::{DeTable, DeValue};
use toml::{Table, Value};

use super::Experiment;
use crate::disk;
use crate::error::{Error, Result};

/// The keys as given, before any check.
pub(super) struct Settings<'a> {
    /// What the experiment is called in errors: its file.
    pub(super) place: &'a str,
    /// The keys, overrides applied.
    pub(super) table: Table,
    /// Line of each key of the file.
    lines: BTreeMap<String, usize>,
    /// Keys (or whole tables) given on the command line.
    overridden: BTreeSet<String>,
}

impl Experiment {
    /// Reads and checks an experiment file with `a.b=value` overrides; relative paths in it
    /// and in the overrides are relative to the file.
    ///
    /// A value is TOML; where it is not, it is taken as a string (`data.kind=digits`,
    /// `data.augment=[crop, flip]`). An overridden `kind` drops the file's settings that
    /// belong to the other kind alone.
    ///
    /// # Errors
    /// Usage errors that name the key, what was found, what is allowed, and the nearest
    /// known name of an unknown key; an I/O error if the file cannot be read.
    pub fn read(path: &Path, overrides: &[String]) -> Result<Self> {
        let place = path.display().to_string();
        let bytes = disk::read(path, disk::SETTINGS).map_err(|error| {
            error.fix("name an experiment file, such as experiments/quickstart.toml")
        })?;
        let text = String::from_utf8(bytes).map_err(|_| {
            Error::usage(&place, "is not UTF-8 text")
                .expected("an experiment file (TOML)")
        })?;
        Self::parse(&place, &text, path.parent().unwrap_or(Path::new("")), overrides)
    }

    /// Checks the text of an experiment; `place` names it in errors, `base` is the directory
    /// that relative paths start from.
    ///
    /// # Errors
    /// As [`Experiment::read`].
    ///
    /// # Example
    /// ```
    /// # use stratagram::experiment::Experiment;
    /// let text = "[data]\nkind = 'digits'\n[net]\nkind = 'cnn5'\nwidth = 16";
    /// let overrides = ["train.epochs=10".to_owned()];
    /// let experiment = Experiment::parse("example", text, ".".as_ref(), &overrides)?;
    /// assert_eq!(experiment.data.n_train, Some(1000));
    /// assert_eq!(experiment.train.total_steps(8), 80);
    ///
    /// let error = Experiment::parse("example", "[net]\nwidht = 16", ".".as_ref(), &[]);
    /// let error = error.unwrap_err();
    /// assert_eq!(error.to_string(), "example:2: `net.widht` is not a known key");
    /// assert_eq!(error.help(), Some("did you mean `net.width`?"));
    /// # Ok::<(), stratagram::Error>(())
    /// ```
    pub fn parse(
        place: &str,
        text: &str,
        base: &Path,
        overrides: &[String],
    ) -> Result<Self> {
        let table = text.parse().map_err(|error| syntax_error(place, text, &error))?;
        let lines = key_lines(text);
        let mut settings = Settings { place, table, lines, overridden: BTreeSet::new() };
        for text in overrides {
            settings.apply(text)?;
        }
        settings.check(base)
    }
}

impl Settings<'_> {
    /// How errors name a key: with its line, or as part of the command line.
    pub(super) fn key(&self, key: &str) -> String {
        if self.is_overridden(key) {
            return format!("command line: `{key}`");
        }
        match self.lines.get(key) {
            Some(line) => format!("{}:{line}: `{key}`", self.place),
            None => format!("{}: `{key}`", self.place),
        }
    }

    /// Whether the key, or a table it is in, was given on the command line.
    pub(super) fn is_overridden(&self, key: &str) -> bool {
        let prefixes = key.match_indices('.').map(|(end, _)| &key[..end]).chain([key]);
        prefixes.into_iter().any(|prefix| self.overridden.contains(prefix))
    }

    /// The value of a dotted key.
    pub(super) fn get(&self, key: &str) -> Option<&Value> {
        let (path, name) = split(key);
        let table =
            path.iter().try_fold(&self.table, |table, part| table.get(*part)?.as_table());
        table?.get(name)
    }

    /// Sets a dotted key; every part of its path is a table or absent.
    pub(super) fn set(&mut self, key: &str, value: Value) {
        let (path, name) = split(key);
        if let Some(table) = subtable(&mut self.table, &path) {
            table.insert(name.to_owned(), value);
        }
    }

    /// Takes a dotted key away.
    pub(super) fn remove(&mut self, key: &str) -> Option<Value> {
        self.get(key)?;
        let (path, name) = split(key);
        subtable(&mut self.table, &path)?.remove(name)
    }

    fn apply(&mut self, text: &str) -> Result<()> {
        let form = "a key and a value, such as net.width=8";
        let wrong = |found: &str| {
            Error::usage(format!("override `{text}`"), found.to_owned()).expected(form)
        };
        let (key, value) = text.split_once('=').ok_or_else(|| wrong("has no `=`"))?;
        let (key, value) = (key.trim(), value.trim());
        let is_name = |part: &str| {
            !part.is_empty()
                && part.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-')
        };
        if !key.split('.').all(is_name) {
            return Err(wrong("does not start with a key"));
        }
        if value.is_empty() {
            return Err(wrong("has no value"));
        }
        let (path, name) = split(key);
        match subtable(&mut self.table, &path) {
            Some(table) => table.insert(name.to_owned(), override_value(value)),
            None => return Err(wrong("is inside a key that is no table")),
        };
        self.overridden.insert(key.to_owned());
        Ok(())
    }
}

/// `a.b.c` as its tables and its last name.
fn split(key: &str) -> (Vec<&str>, &str) {
    let mut parts: Vec<&str> = key.split('.').collect();
    let name = parts.pop().unwrap_or_default();
    (parts, name)
}

/// The table at `path`, made where it is missing; nothing where another value is in its way.
fn subtable<'t>(table: &'t mut Table, path: &[&str]) -> Option<&'t mut Table> {
    path.iter().try_fold(table, |table, part| {
        let inner = table.entry(*part).or_insert_with(|| Value::Table(Table::new()));
        inner.as_table_mut()
    })
}

/// The value of an override: TOML, a list of bare words, or one string.
fn override_value(text: &str) -> Value {
    if let Ok(value) = text.parse::<Value>() {
        return value;
    }
    match text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        Some(inner) if !inner.contains(['[', '"', '\'']) => {
            let items = inner.split(',').map(str::trim).filter(|item| !item.is_empty());
            Value::Array(items.map(override_value).collect())
        }
        _ => Value::String(text.to_owned()),
    }
}

/// Where and why a text is not TOML.
pub(crate) fn syntax_error(place: &str, text: &str, error: &toml::de::Error) -> Error {
    let found = format!("is not TOML: {}", error.message().replace('\n', ", "));
    match error.span() {
        Some(span) => {
            let (line, column) = position(text, span.start);
            Error::usage(format!("{place}:{line}:{column}"), found)
        }
        None => Error::usage(place, found),
    }
}

/// Line and column (in characters), from 1, of a byte offset.
fn position(text: &str, offset: usize) -> (usize, usize) {
    let mut end = offset.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let before = &text[..end];
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
}

/// The line of every key of a TOML text; those of the tables of a list are `list[0].key`.
pub(crate) fn key_lines(text: &str) -> BTreeMap<String, usize> {
    fn walk(
        table: &DeTable<'_>,
        prefix: &str,
        starts: &[usize],
        lines: &mut BTreeMap<String, usize>,
    ) {
        for (name, value) in table {
            let key = format!("{prefix}{}", name.get_ref());
            match value.get_ref() {
                DeValue::Table(inner) => walk(inner, &format!("{key}."), starts, lines),
                DeValue::Array(items) => {
                    for (at, item) in items.iter().enumerate() {
                        if let DeValue::Table(inner) = item.get_ref() {
                            walk(inner, &format!("{key}[{at}]."), starts, lines);
                        }
                    }
                }
                _ => {}
            }
            let line = starts.partition_point(|start| *start <= name.span().start);
            lines.insert(key, line);
        }
    }
    let mut lines = BTreeMap::new();
    let ends = text.match_indices('\n').map(|(end, _)| end + 1);
    let starts: Vec<usize> = [0].into_iter().chain(ends).collect();
    if let Ok(table) = DeTable::parse(text) {
        walk(table.get_ref(), "", &starts, &mut lines);
    }
    lines
}
