//! The integration tests: one program, so that shared code is compiled and shared runs are
//! trained once.

// What is exact is compared exactly.
#![allow(clippy::float_cmp)]

mod analysis;
mod architecture;
mod campaign;
mod compare;
mod conformance;
mod findings;
mod measures;
mod outside;
mod support;
mod terminal;
mod training;
