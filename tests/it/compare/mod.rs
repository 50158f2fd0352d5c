//! Runs against runs: statistics through the whole path, endpoints in closed form, refusals,
//! files, and a pilot of real runs.

mod endpoints;
mod figures;
mod file;
mod fixture;
mod grouped;
mod output;
mod pilot;
mod refusals;
mod signatures;
mod statistics;
