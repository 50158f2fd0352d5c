//! What a net's own file says of it.

use toml::{Table, Value};

use super::node::{Net, Shape};
use crate::error::{Error, Result};
use crate::setting::{Key, Misfit};

/// What a net's file says of it with its settings.
pub(super) trait Architecture {
    /// The name in captions and sentences.
    const TITLE: &'static str;
    /// Its settings, and those of other tables that make sense with it alone.
    const KEYS: &'static [Key];

    /// Fills in settings of the table `[net]` whose defaults depend on others.
    fn derive(_: &mut Table) -> std::result::Result<(), Misfit> {
        Ok(())
    }

    /// The title with the sizes that tell nets of this kind apart.
    fn describe(&self) -> String;

    /// That settings, each within its range, fit together.
    fn check(&self) -> std::result::Result<(), Misfit> {
        Ok(())
    }

    /// That it can be built for such images; all have at least 8×8 pixels, signals 1×8.
    fn check_input(&self, _: Shape) -> Result<()> {
        Ok(())
    }

    /// The sides of small images that it can be built for.
    fn some_side(&self) -> usize {
        8
    }

    /// The net for images that suit it.
    fn build(&self, input: Shape, n_classes: usize) -> Net;
}

/// The error of images that do not suit a net.
pub(super) fn unsuited(input: Shape, expected: impl Into<String>) -> Error {
    let found = match input {
        Shape { height: 1, width, .. } => format!("has signals of 1×{width} points"),
        Shape { height, width, .. } => format!("has images of {height}×{width} pixels"),
    };
    Error::usage("`data`", found).expected(expected)
}

/// A whole number among the settings, if it is given.
pub(super) fn given(table: &Table, name: &str) -> Option<i64> {
    table.get(name).and_then(Value::as_integer)
}
