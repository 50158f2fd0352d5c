//! stratagram shows how a deep network's representations evolve over its training: it trains
//! nets with label noise far past perfect fitting and compares **each layer with itself over
//! the epochs**.
//!
//! It implements the method named in the abstract of Sharon and Dar, arXiv:2405.17377;
//! `docs/PAPER.md` leads from each definition to its file, function and test.
//!
//! # Example
//! One layer at two epochs, here three features of five examples, compared by debiased linear
//! CKA; the second is the first, turned, scaled and moved:
//! ```
//! use stratagram::similarity::{Estimator, cka};
//! let early = [1.0f32, 0.0, 2.0, 0.0, 3.0, 1.0, 2.0, 2.0, 0.0, 4.0, 1.0, 1.0, 0.0, 0.0, 5.0];
//! let late: Vec<f32> =
//!     early.chunks(3).flat_map(|x| [2.0 * x[1] + 7.0, -2.0 * x[0], 2.0 * x[2]]).collect();
//! let [a, b] = [&early[..], &late[..]]
//!     .map(|x| cka::signature(x, 5, 3, Estimator::Debiased).unwrap());
//! let matrix = cka::matrix(&[Ok(&a), Ok(&b)], 5, Estimator::Debiased);
//! assert!((matrix.value(0, 1) - 1.0).abs() < 1e-6);
//! ```
//!
//! # The pipeline
//! Each stage reads and writes files of a run directory ([`run_dir`], `docs/FORMAT.md`), can
//! be interrupted at any moment, and gives the same bytes at any number of threads.
//!
//! | stage | modules |
//! |---|---|
//! | an experiment | [`experiment`], [`data`], [`net`] |
//! | training → checkpoints, history | [`train`] on [`engine`] |
//! | or another program's checkpoints | [`import`] |
//! | checkpoints → signatures → matrices | [`analyze`] with [`represent`], [`probe`], [`planes`], [`similarity`] |
//! | perfect fit, double descent | [`phases`] |
//! | what the matrices say, and how surely | [`findings`] |
//! | runs against runs, seeds as the unit | [`compare`] |
//! | figures and the page | [`report`] |
//! | files for other tools | [`export`] |
//! | saved activations of any program → matrices | [`activations`] |
//! | many runs; what they would cost | [`sweep`], [`estimate`] |
//!
//! # Features
//! `cli` (default): the command-line program. Without it the crate parses no arguments and
//! prints nothing. `fetch` (part of `cli`): downloads of data sets.
#![deny(unsafe_code)]
// Tests of values that are exact compare them exactly.
#![cfg_attr(test, allow(clippy::float_cmp))]

pub mod activations;
pub mod analyze;
pub mod array_file;
#[cfg(feature = "cli")]
#[doc(hidden)]
pub mod cli;
pub mod compare;
pub mod data;
mod disk;
pub mod engine;
mod error;
pub mod estimate;
pub mod experiment;
pub mod export;
pub mod findings;
pub mod import;
pub mod net;
mod observer;
pub mod phases;
pub mod planes;
pub mod probe;
pub mod report;
pub mod represent;
pub mod run_dir;
mod seed;
mod setting;
mod shell;
pub mod similarity;
pub mod sweep;
pub mod train;
mod version;

pub use error::{Error, ErrorKind};
pub use observer::{Observer, Progress, Silent};
pub use run_dir::RunDir;
