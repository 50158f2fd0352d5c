//! What other programs have saved becomes a run directory: checkpoints, or activations.
//!
//! Files of `torch.save` are read by an interpreter of our own that yields tensors and cannot run
//! anything (`pickle.rs`); names of other codes are mapped onto ours by `names.toml`; whatever
//! does not fit the net exactly is an error that lists it. Every file is read and checked once
//! before anything is written.

mod activations;
mod architecture;
mod checkpoint;
mod checkpoints;
mod folder;
#[cfg(feature = "fetch")]
mod hub;
mod joined;
mod names;
mod one_file;
mod pickle;
mod survey;
mod time;
mod torch_file;
mod tree;

pub use activations::{ActivationOptions, ImportedActivations, import_activations};
pub use checkpoint::{Beside, Checkpoint};
pub use checkpoints::{CheckpointOptions, Checkpoints, Import, Place, Timed};
#[cfg(feature = "fetch")]
pub use hub::Hub;
pub use names::NameMap;
pub use one_file::read_checkpoint;
pub use survey::{Fitting, Source, read_fitting};
pub use time::Time;
