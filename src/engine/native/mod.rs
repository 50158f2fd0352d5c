//! The CPU engine: one operation a file, forward beside backward; `lowering.rs` turns nodes
//! into steps, `plan.rs` and `memory.rs` give their values places, `forward.rs` and
//! `backward.rs` run them in training, `evaluation.rs` outside it; `network.rs` has what lasts.
//!
//! More than a dozen files: each is one operation or one part of a convolution's arithmetic, and
//! all stand on the same few (`isa`, `tensor`, `tokens`), so that folders would only repeat names.

// A kernel is compiled for an instruction set only where it is inlined into the function
// that enables the set; its loops name the registers of a tile by index.
#![allow(clippy::inline_always, clippy::needless_range_loop)]

mod attention;
mod averages;
mod backward;
mod batchnorm;
mod batchnorm_pool;
mod conv;
mod conv_layer;
mod conv_pass;
mod conv_weights;
mod dropout;
mod elementwise;
mod evaluation;
mod evaluation_cache;
mod flatten;
mod forward;
mod gelu;
mod geometry;
mod isa;
mod layernorm;
mod linear;
mod linear_weights;
mod loss;
mod lowering;
mod memory;
mod network;
mod optimizer;
mod plan;
mod pool;
mod special;
mod step;
mod subsample;
mod tensor;
mod token_layer;
mod token_steps;
mod tokens;
mod winograd;
mod winograd_tile;
mod winograd_weights;

#[cfg(test)]
pub(in crate::engine) use dropout::Dropout;
pub(in crate::engine) use isa::Isa;
pub(in crate::engine) use network::Network;
pub(in crate::engine) use optimizer::State;
