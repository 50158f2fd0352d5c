//! What a comparison found: `findings.json`, `effects.csv`, and lines of text.

mod files;
mod found;
mod rows;
mod words;

pub use found::{
    ArmFound, Declared, Finding, PartFound, Results, SettingFound, VariantFound,
};
pub use rows::Effect;
pub(crate) use rows::rows;
