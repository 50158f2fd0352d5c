//! The optimizers that there are: a line each.

use serde::{Deserialize, Serialize};

/// Makes [`OptimizerKind`] and its names from one line an optimizer.
macro_rules! optimizers {
    ($($(#[$about:meta])* $Kind:ident => $name:literal),+ $(,)?) => {
        /// The optimizers of this build, with the semantics of `torch.optim`: `optimizer.kind`.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
        pub enum OptimizerKind {
            $($(#[$about])* #[serde(rename = $name)] $Kind),+
        }

        impl OptimizerKind {
            /// The values of `optimizer.kind`.
            pub(crate) const NAMES: &[&str] = &[$($name),+];

            /// The value of `optimizer.kind`.
            pub(crate) fn name(self) -> &'static str {
                match self { $(Self::$Kind => $name),+ }
            }
        }
    };
}

optimizers! {
    /// Stochastic gradient descent, with momentum if wanted.
    Sgd => "sgd",
    /// Kingma & Ba 2015; weight decay is added to the gradient.
    Adam => "adam",
    /// Loshchilov & Hutter 2019; weight decay is decoupled.
    Adamw => "adamw",
}
