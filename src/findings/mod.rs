//! Findings: what a run's epoch × epoch matrices say, and how sure one may be.
//!
//! What looks like a block in such a matrix has three causes: *drift* (the representation
//! moves, at a changing speed), *scatter* (it jumps about from checkpoint to checkpoint without
//! getting anywhere) and the axis. A matrix of a path of constant speed has as much block
//! contrast as one with planted phases. So each layer is first reduced to two curves over log
//! time, jitter-free **speed** and **roughness**. A phase boundary is a **burst** (a peak of
//! speed that smooth drift does not give) or a **settling** (a step of roughness that a power
//! law does not give); both have a p-value from simulated paths.
//!
//! Plain arrays in, plain values out: nothing here knows of files or nets.
//! [`LayerFindings`] holds all that is found in one layer, [`RunFindings`] in a run.
//!
//! | section | module |
//! |---|---|
//! | 0, 1.1 checkpoints, weights, windows | [`axis`], [`defaults`] |
//! | 1.2 speed, roughness, jitter | [`curves`] |
//! | 1.3 simulated paths | [`surrogates`] |
//! | 1.4 bursts, 1.5 settling, 1.6 boundaries and phases | [`boundaries`], [`series`] |
//! | 1.6 distinctness, visible contrast, other detectors | [`contrast`] |
//! | 2 convergence | [`convergence`] |
//! | 3 the perfect fit as a transition, 3a weights as control | [`perfect_fit`] |
//! | 4 synchrony | [`synchrony`] |
//! | 5 movement and depth | [`movement`] |
//! | 6 double descent by halves of the test images | [`halves`] |
//! | 7 seeds, verdicts; 8.1 errors over examples | [`seeds`] |
//! | 8.2 the values of `findings.json` | [`LayerFindings`], [`RunFindings`] |
//!
//! The conventions: time is x = ln(1 + epoch); S is a similarity matrix with 1 on its diagonal,
//! D² = 2(1 − S) the squared distances of unit vectors. Numbers called defaults are results
//! of simulations; the paper names none.

pub mod axis;
pub mod boundaries;
pub mod contrast;
pub mod convergence;
pub mod curves;
pub mod defaults;
pub mod halves;
mod matrix;
pub mod movement;
pub mod perfect_fit;
pub mod seeds;
pub mod series;
mod summary;
pub mod surrogates;
pub mod synchrony;
mod whole;
mod words;

pub use matrix::Matrix;
pub use summary::{
    Checkpoints, Geometry, LayerCurves, LayerFindings, LayerInput, LayerWeights, Missing,
    Movement, Replicates, RunContext, RunFindings, SettledAt, Synchrony, WeightsControl,
    share_of_layers,
};
