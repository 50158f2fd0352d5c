//! The fields of tables. Numbers are written with the shortest digits that give them back, an
//! undefined one as an empty field.

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Whole numbers.
    Whole,
    /// Numbers.
    Number,
    /// Text.
    Text,
}

/// A type of fields.
pub trait Cell {
    /// What a column of them holds.
    const KIND: Kind;
    /// Whether a table may lack the column, as tables of earlier versions and recordings do.
    const IS_OPTIONAL: bool;
    /// Whether fields are always in quotes.
    const IS_QUOTED: bool;
}

/// Whether a field holds what a column of this kind does.
pub(super) fn fits(kind: Kind, is_optional: bool, field: &str) -> bool {
    let field = field.trim();
    match kind {
        Kind::Text => true,
        Kind::Whole => is_optional || field.parse::<u64>().is_ok(),
        Kind::Number if field.is_empty() => is_optional,
        Kind::Number => {
            field.parse::<f64>().is_ok_and(|value| is_optional || value.is_finite())
        }
    }
}

/// A finite number.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd, Default)]
pub struct Number(pub f64);

/// A number, or NaN where the field is empty or the column is absent.
#[derive(Debug, Clone, Copy)]
pub struct Maybe(pub f64);

/// A number written with `DIGITS` decimals.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Fixed<const DIGITS: usize>(pub f64);

/// A step that a table may lack.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct MaybeStep(pub Option<u64>);

/// Text that is always written in quotes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Quoted(pub String);

macro_rules! cells {
    ($($type:ty: $kind:ident, $is_optional:literal, $is_quoted:literal;)+) => {
        $(impl Cell for $type {
            const KIND: Kind = Kind::$kind;
            const IS_OPTIONAL: bool = $is_optional;
            const IS_QUOTED: bool = $is_quoted;
        })+
    };
}

cells! {
    u64: Whole, false, false;
    MaybeStep: Whole, true, false;
    Number: Number, false, false;
    Maybe: Number, true, false;
    Fixed<1>: Number, true, false;
    Fixed<6>: Number, true, false;
    String: Text, false, false;
    Quoted: Text, true, true;
}

impl Default for Maybe {
    fn default() -> Self {
        Self(f64::NAN)
    }
}

/// Undefined numbers are equal.
impl PartialEq for Maybe {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0 || self.0.is_nan() && other.0.is_nan()
    }
}

impl Serialize for Number {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl Serialize for Maybe {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.0.is_nan() {
            serializer.serialize_str("")
        } else {
            serializer.collect_str(&self.0)
        }
    }
}

impl<const DIGITS: usize> Serialize for Fixed<DIGITS> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{:.DIGITS$}", self.0))
    }
}

impl Serialize for MaybeStep {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Some(step) => serializer.serialize_u64(step),
            None => serializer.serialize_str(""),
        }
    }
}

/// For a writer that adds no quotes of its own.
impl Serialize for Quoted {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let text = self.0.replace('"', "\"\"");
        serializer.collect_str(&format_args!("\"{text}\""))
    }
}

/// A field as a number; an empty one is NaN.
fn number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    let text = String::deserialize(deserializer)?;
    match text.trim() {
        "" => Ok(f64::NAN),
        text => text.parse().map_err(|_| D::Error::custom("not a number")),
    }
}

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = number(deserializer)?;
        if value.is_finite() {
            Ok(Self(value))
        } else {
            Err(D::Error::custom("empty or not finite"))
        }
    }
}

impl<'de> Deserialize<'de> for Maybe {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        number(deserializer).map(Self)
    }
}

impl<'de, const DIGITS: usize> Deserialize<'de> for Fixed<DIGITS> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        number(deserializer).map(Self)
    }
}

impl<'de> Deserialize<'de> for MaybeStep {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|text| Self(text.trim().parse().ok()))
    }
}

impl<'de> Deserialize<'de> for Quoted {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self)
    }
}
