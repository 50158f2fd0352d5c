//! Linear probes: multinomial logistic regression with an L2 penalty on a layer's frozen
//! representations (Alain and Bengio 2016, arXiv:1610.01644), or one of the other
//! [`Solver`]s; and nearest neighbours in a representation ([`neighbours`]).
//!
//! The penalty makes the optimum unique, so that a probe is a property of the
//! representation and not of an optimizer's path: two probes differ because two layers do.
//! A probe is stored like a `torch.nn.Linear`: `weight` `[n_classes, n_features]` and `bias`.

mod design;
pub mod features;
mod file;
mod fit;
mod metric;
pub mod neighbours;
mod product;
mod recipe;
mod ridge;
mod rotation;
mod softmax;
mod solver;

pub use design::Design;
pub use file::{FileFit, FileOptions};
pub use fit::{Fit, FitOptions, HeldOut, Probe, Solver};
pub use product::Scalar;
pub use recipe::Recipe;

pub(crate) use metric::metric_bytes;
