//! How often the tests find boundaries in simulated paths that have none, and in those that
//! have them.

use rayon::prelude::*;
use stratagram::findings::axis::log_time;
use stratagram::findings::defaults::TOLERANCE;
use stratagram::findings::{
    Geometry, LayerFindings, LayerInput, Matrix, Replicates, RunContext,
};

use super::paths::{
    Random, constant_diffusion, decaying_persistence, epochs, settling, two_switches,
};

/// What is found in one simulated layer with 99 surrogates.
fn find(epoch: &[f64], similarity: &Matrix, name: &str) -> LayerFindings {
    let input = LayerInput {
        layer: name,
        depth: 0,
        measure: "cka",
        group: "test",
        geometry: Geometry::Vectors,
        epoch,
        similarity,
        replicates: Replicates::Of(&[]),
        weights: None,
    };
    LayerFindings::of(&input, &RunContext { draws: 99, ..RunContext::default() })
}

/// Number of `runs` in which any boundary is found.
fn runs_with_a_boundary(
    runs: u64,
    name: &str,
    path: impl Fn(&[f64], &mut Random) -> Matrix + Sync,
) -> usize {
    let epoch = epochs();
    let x = log_time(&epoch);
    let any = |run: &u64| {
        let matrix = path(&x, &mut Random::new(1000 + run));
        let found = find(&epoch, &matrix, &format!("{name}/{run}"));
        !found.boundaries.expect("41 checkpoints").is_empty()
    };
    (0..runs).into_par_iter().filter(any).count()
}

/// Share of planted times with a boundary within ln 1.5, over `runs` runs.
fn share_of_hits<const K: usize>(
    runs: u64,
    name: &str,
    path: impl Fn(&[f64], &mut Random) -> (Matrix, [f64; K]) + Sync,
) -> f64 {
    let epoch = epochs();
    let x = log_time(&epoch);
    let hits = |run: u64| {
        let (matrix, planted) = path(&x, &mut Random::new(2000 + run));
        let found = find(&epoch, &matrix, &format!("{name}/{run}"));
        let boundaries = found.boundaries.expect("41 checkpoints");
        let is_hit =
            |at: &&f64| boundaries.iter().any(|b| (b.log_time - **at).abs() <= TOLERANCE);
        planted.iter().filter(is_hit).count()
    };
    let hits: usize = (0..runs).into_par_iter().map(hits).sum();
    hits as f64 / (runs as usize * K) as f64
}

/// Measured: 11 and 16 of 200 runs with a boundary where none is planted, all switches and
/// settlings found; 13 s of processor time.
#[test]
fn smooth_drift_has_no_boundaries_and_planted_ones_are_found() {
    let diffusion = runs_with_a_boundary(200, "N2", constant_diffusion);
    let persistence = runs_with_a_boundary(200, "N4", decaying_persistence);
    assert!(diffusion <= 20 && persistence <= 20, "N2 {diffusion}, N4 {persistence}");
    let hits = share_of_hits(50, "A1", two_switches);
    assert!(hits >= 0.95, "A1: {hits} of the switches");
    let settled = share_of_hits(20, "N7", |x, random| {
        let (matrix, at) = settling(x, random);
        (matrix, [at])
    });
    assert!(settled >= 0.95, "N7: {settled} of the settlings");
}
