//! The CPU engine: one operation a file, forward beside backward; `plan.rs` turns nodes
//! into steps and buffers, `network.rs` runs them in training, `evaluation.rs` outside it.

// A kernel is compiled for an instruction set only where it is inlined into the function
// that enables the set; its loops name the registers of a tile by index.
#![allow(clippy::inline_always, clippy::needless_range_loop)]

mod batchnorm;
mod conv;
mod conv_pass;
mod conv_weights;
mod elementwise;
mod evaluation;
mod geometry;
mod isa;
mod loss;
mod network;
mod optimizer;
mod plan;
mod pool;
mod tensor;
mod winograd;
mod winograd_tile;
mod winograd_weights;

pub(in crate::engine) use isa::Isa;
pub(in crate::engine) use network::Network;
pub(in crate::engine) use optimizer::State;
