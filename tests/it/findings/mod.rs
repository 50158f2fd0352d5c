//! Findings: golden values, properties, and simulated paths with and without boundaries.

mod golden;
mod of_runs;
mod outputs;
mod page;
mod paths;
mod properties;
mod simulations;
