//! The PyTorch engine's side of the program: a worker process (`python -m stratagram.worker`)
//! holds the net, its images and its optimizer on a device and answers requests in frames.
//!
//! `python/stratagram/worker/__init__.py` lists the requests. `process.rs` finds, starts and ends
//! the worker, `frame.rs` reads and writes what passes through its pipes, `client.rs` has a
//! function for each request.

mod client;
mod frame;
mod process;

pub(in crate::engine) use client::{Client, Steps};
pub(in crate::engine) use process::devices;
