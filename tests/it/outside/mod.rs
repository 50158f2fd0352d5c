//! What comes from outside: data sets, arrays, checkpoints, recordings, wrong input.

mod bad_input;
mod cli_similarity;
mod cli_similarity_routes;
mod data_sets;
mod doctor;
mod exported_features;
mod hostile_arrays;
mod hostile_checkpoints;
mod import;
mod real_data;
mod recordings;
mod run_files;
