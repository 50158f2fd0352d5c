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

    /// What can be done about weights that do not fit it, where they are of a code that is
    /// known; `any` says whether one line of what was found has a text.
    fn advice(&self, any: &dyn Fn(&str) -> bool) -> Option<&'static str> {
        advice_on_torchvision(any)
    }

    /// The net for images that suit it.
    fn build(&self, input: Shape, n_classes: usize) -> Net;
}

/// What can be done about torchvision's `ResNets`, which no convolutional net here is.
pub(super) fn advice_on_torchvision(any: &dyn Fn(&str) -> bool) -> Option<&'static str> {
    if any("`layer1.0.conv3.weight` is unexpected") {
        Some(
            "its blocks are bottlenecks (ResNet-50 and deeper), which no net here has: save its \
             activations and import these with --activations",
        )
    } else if any("`conv1.weight`") && any("×7×7, expected") {
        Some(
            "it has a 7×7 stem; ours is 3×3, as small images need it (conv1 = Conv2d(c, w, 3, \
             padding=1, bias=False), maxpool = Identity()). Else import its activations with \
             --activations",
        )
    } else {
        None
    }
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
