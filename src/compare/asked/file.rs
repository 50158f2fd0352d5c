//! The comparison file: what is compared, declared before the runs.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};
use toml::{Table, Value};

use super::statement::{Asked, Subject};
use crate::compare::runs::{Lens, run_directories};
use crate::compare::sample::Pairing;
use crate::disk;
use crate::error::{Error, Result};
use crate::experiment::{key_lines, syntax_error};
use crate::setting::nearest;

/// The keys at the top of the file.
const TOP: &[&str] = &["layers", "differ", "variants", "arms", "statements"];
/// The keys of a statement.
const STATEMENT: &[&str] = &[
    "id", "name", "plus", "minus", "arms", "also", "d", "pair", "layers", "variants",
    "differ",
];

/// A checked comparison file.
#[derive(Debug)]
pub struct ComparisonFile {
    /// Its path as it was given.
    pub(crate) place: String,
    /// Of its bytes, in hexadecimal.
    pub(crate) sha256: String,
    /// Names of arms and the directories of their runs.
    pub(crate) arms: Vec<(String, Vec<PathBuf>)>,
    /// In the order of the file.
    pub(crate) statements: Vec<Asked>,
}

impl ComparisonFile {
    /// Reads and checks a comparison file; its paths are relative to it.
    ///
    /// # Errors
    /// Usage errors that name the key, what was found, what is expected, and the nearest known
    /// name; an I/O error if the file cannot be read.
    pub fn read(path: &Path) -> Result<Self> {
        let place = path.display().to_string();
        let bytes = disk::read(path, disk::SETTINGS).map_err(|error| {
            error.fix("docs/FORMAT.md, \"Comparison files\", has an example")
        })?;
        let text = String::from_utf8(bytes).map_err(|_| {
            Error::usage(&place, "is not UTF-8 text").expected("a comparison file (TOML)")
        })?;
        let table: Table =
            text.parse().map_err(|error| syntax_error(&place, &text, &error))?;
        let keys = Keys { place: &place, lines: key_lines(&text) };
        keys.check_known(&table, "", TOP)?;
        let arms = keys.arms(&table, path.parent().unwrap_or(Path::new("")))?;
        let statements = keys.statements(&table, &arms)?;
        let sha256 = Sha256::digest(text.as_bytes());
        let sha256 = sha256.iter().map(|byte| format!("{byte:02x}")).collect();
        Ok(Self { place, sha256, arms, statements })
    }
}

/// The file's name and the lines of its keys, for errors.
struct Keys<'a> {
    place: &'a str,
    lines: BTreeMap<String, usize>,
}

/// Names of arms and the directories of their runs.
type Arms = Vec<(String, Vec<PathBuf>)>;

impl Keys<'_> {
    fn key(&self, key: &str) -> String {
        match self.lines.get(key) {
            Some(line) => format!("{}:{line}: `{key}`", self.place),
            None => format!("{}: `{key}`", self.place),
        }
    }

    fn wrong(&self, key: &str, value: &Value, expected: &str) -> Error {
        Error::usage(self.key(key), format!("is {value}")).expected(expected)
    }

    fn missing(&self, key: &str, expected: &str) -> Error {
        Error::usage(self.key(key), "is missing").expected(expected)
    }

    /// A name that is not one of those known.
    fn unknown(&self, key: &str, name: &str, known: &[&str]) -> Error {
        let error = Error::usage(self.key(key), format!("names `{name}`"))
            .expected(format!("one of {}", known.join(", ")));
        match nearest(name, known.iter().copied()) {
            Some(near) => error.fix(format!("did you mean \"{near}\"?")),
            None => error,
        }
    }

    fn check_known(&self, table: &Table, prefix: &str, known: &[&str]) -> Result<()> {
        let Some(name) = table.keys().find(|key| !known.contains(&key.as_str())) else {
            return Ok(());
        };
        let error =
            Error::usage(self.key(&format!("{prefix}{name}")), "is not a known key");
        Err(match nearest(name, known.iter().copied()) {
            Some(near) => error.fix(format!("did you mean `{prefix}{near}`?")),
            None => error.expected(format!("one of {}", known.join(", "))),
        })
    }

    /// A text, or a list of texts.
    fn texts(
        &self,
        table: &Table,
        prefix: &str,
        name: &str,
    ) -> Result<Option<Vec<String>>> {
        let Some(value) = table.get(name) else { return Ok(None) };
        let list = match value {
            Value::Array(list) => list.clone(),
            one => vec![one.clone()],
        };
        let text =
            |value: &Value| value.as_str().filter(|s| !s.is_empty()).map(str::to_owned);
        let texts: Option<Vec<String>> = list.iter().map(text).collect();
        let wrong =
            || self.wrong(&format!("{prefix}{name}"), value, "a name or a list of names");
        texts.map(Some).ok_or_else(wrong)
    }

    fn text(&self, table: &Table, prefix: &str, name: &str) -> Result<Option<String>> {
        let Some(value) = table.get(name) else { return Ok(None) };
        let wrong = || self.wrong(&format!("{prefix}{name}"), value, "a name");
        value.as_str().map(|text| Some(text.to_owned())).ok_or_else(wrong)
    }

    fn arms(&self, table: &Table, base: &Path) -> Result<Arms> {
        let expected = "names with run directories, such as sgd = \"runs/sgd-*\"";
        let arms = table.get("arms").ok_or_else(|| self.missing("arms", expected))?;
        let arms = arms.as_table().filter(|arms| !arms.is_empty());
        let arms = arms.ok_or_else(|| self.wrong("arms", &table["arms"], expected))?;
        let mut read: Arms = vec![];
        for name in arms.keys() {
            let patterns = self.texts(arms, "arms.", name)?.unwrap_or_default();
            let place = self.key(&format!("arms.{name}"));
            let mut directories = vec![];
            for pattern in &patterns {
                directories.extend(run_directories(&place, pattern, base)?);
            }
            directories.sort();
            directories.dedup();
            read.push((name.clone(), directories));
        }
        Ok(read)
    }

    fn statements(&self, table: &Table, arms: &Arms) -> Result<Vec<Asked>> {
        let expected = "one or more tables [[statements]] with an `id`";
        let list = table
            .get("statements")
            .ok_or_else(|| self.missing("statements", expected))?;
        let tables = list.as_array().filter(|list| !list.is_empty());
        let tables = tables.ok_or_else(|| self.wrong("statements", list, expected))?;
        let common = Common {
            layers: self.texts(table, "", "layers")?.unwrap_or_default(),
            variants: self.texts(table, "", "variants")?,
            differ: self.texts(table, "", "differ")?.unwrap_or_default(),
        };
        let statement = |(at, value): (usize, &Value)| {
            let prefix = format!("statements[{at}].");
            let table = value.as_table();
            let table = table.ok_or_else(|| self.wrong("statements", value, expected))?;
            self.check_known(table, &prefix, STATEMENT)?;
            self.statement(table, &prefix, (arms, &common))
        };
        tables.iter().enumerate().map(statement).collect()
    }

    fn statement(
        &self,
        table: &Table,
        prefix: &str,
        (arms, common): (&Arms, &Common),
    ) -> Result<Asked> {
        let id_key = format!("{prefix}id");
        let id = self.text(table, prefix, "id")?;
        let id = id.ok_or_else(|| {
            self.missing(&id_key, "P1 … P8, or the name of an endpoint")
        })?;
        let subject = Subject::of_id(&id)
            .ok_or_else(|| self.unknown(&id_key, &id, &Subject::ids()))?;
        let texts = |name: &str| self.texts(table, prefix, name);
        let asked = Asked {
            name: self.text(table, prefix, "name")?,
            plus: self.text(table, prefix, "plus")?,
            minus: self.text(table, prefix, "minus")?,
            arms: texts("arms")?.unwrap_or_default(),
            also: self.also(table, prefix)?,
            d: self.d(table, prefix)?,
            pairing: self.pairing(table, prefix)?,
            layers: texts("layers")?.unwrap_or_else(|| common.layers.clone()),
            variants: texts("variants")?.or_else(|| common.variants.clone()),
            differ: [texts("differ")?.unwrap_or_default(), common.differ.clone()]
                .concat(),
            subject,
        };
        self.check_names(&asked, prefix, arms)?;
        self.check_needs(&asked, prefix)?;
        Ok(asked)
    }

    /// Whether arms and variants are known.
    fn check_names(&self, asked: &Asked, prefix: &str, arms: &Arms) -> Result<()> {
        let names: Vec<&str> = arms.iter().map(|(name, _)| name.as_str()).collect();
        for (key, name) in asked.named_arms() {
            if !names.contains(&name.as_str()) {
                return Err(self.unknown(&format!("{prefix}{key}"), name, &names));
            }
        }
        let unknown = |name: &&String| Lens::of_variant(name).is_none();
        if let Some(variant) = asked.variants.iter().flatten().find(unknown) {
            let names = Lens::names();
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            return Err(self.unknown(&format!("{prefix}variants"), variant, &names));
        }
        Ok(())
    }

    /// Whether the arms are given that the statement needs.
    fn check_needs(&self, asked: &Asked, prefix: &str) -> Result<()> {
        let needs = asked.subject.needs();
        let id = asked.subject.id();
        for (name, is_needed, arm) in
            [("plus", needs.plus, &asked.plus), ("minus", needs.minus, &asked.minus)]
        {
            if is_needed && arm.is_none() {
                let expected = format!("the name of an arm: {id} needs it");
                return Err(self.missing(&format!("{prefix}{name}"), &expected));
            }
        }
        if asked.arms.len() < needs.arms {
            let found = format!("has {} arms", asked.arms.len());
            return Err(Error::usage(self.key(&format!("{prefix}arms")), found)
                .expected(format!("{} or more for {id}", needs.arms)));
        }
        Ok(())
    }

    /// Further pairs of arms.
    fn also(&self, table: &Table, prefix: &str) -> Result<Vec<[String; 2]>> {
        let Some(value) = table.get("also") else { return Ok(vec![]) };
        let pair = |pair: &Value| -> Option<[String; 2]> {
            let names: Vec<&str> =
                pair.as_array()?.iter().filter_map(Value::as_str).collect();
            <[&str; 2]>::try_from(names).ok().map(|pair| pair.map(str::to_owned))
        };
        let pairs = value.as_array().and_then(|pairs| pairs.iter().map(pair).collect());
        let expected = "pairs of arms, such as [[\"sgd-low\", \"adam-low\"]]";
        pairs.ok_or_else(|| self.wrong(&format!("{prefix}also"), value, expected))
    }

    fn d(&self, table: &Table, prefix: &str) -> Result<Option<f64>> {
        let Some(value) = table.get("d") else { return Ok(None) };
        let number = value.as_float().or_else(|| value.as_integer().map(|i| i as f64));
        let number = number.filter(|d| d.is_finite() && *d > 0.0);
        let wrong = || self.wrong(&format!("{prefix}d"), value, "a number above 0");
        number.map(Some).ok_or_else(wrong)
    }

    fn pairing(&self, table: &Table, prefix: &str) -> Result<Option<Pairing>> {
        match table.get("pair").map(|value| (value, value.as_str())) {
            None => Ok(None),
            Some((_, Some("seed"))) => Ok(Some(Pairing::Seed)),
            Some((_, Some("none"))) => Ok(Some(Pairing::None)),
            Some((value, _)) => {
                Err(self.wrong(&format!("{prefix}pair"), value, "\"seed\" or \"none\""))
            }
        }
    }
}

/// What all statements of a file share.
struct Common {
    layers: Vec<String>,
    variants: Option<Vec<String>>,
    differ: Vec<String>,
}
