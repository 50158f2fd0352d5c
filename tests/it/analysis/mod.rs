//! From a trained run to its matrices, regions, phases and page.
//!
//! More than a dozen files: one for each thing that an analysis gives.

mod analysis_measures;
mod curve_families;
mod end_to_end;
mod logs;
mod phases;
mod planes;
mod probe;
mod probe_analysis;
mod probe_cases;
mod probe_hostile;
mod regions;
mod regions_of_runs;
mod report;
mod similarity_of_runs;
