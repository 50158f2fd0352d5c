//! `stratagram import`: what other programs have saved, as a run directory.

mod activations;
mod checkpoints;

use std::path::{Path, PathBuf};

use crate::error::Result;
use activations::Activations;
use checkpoints::Checkpoints;

/// Turn checkpoints or activations that another program saved into a run.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    stratagram import checkpoints/ --net resnet18 net.width=64 data.kind=cifar10\n  \
    stratagram import resnet20.th --epoch 200 --net resnet-cifar data.kind=cifar10 \\\n      \
    evaluation.batchnorm=running --out runs/resnet20\n  \
    stratagram import checkpoints/ --net vit net.dim=192 data.kind=cifar10 --dry-run\n  \
    stratagram import --activations saved/ --history log.csv     # saved/LAYER/epoch-3.npy\n\n\
    Checkpoints are .safetensors and files of torch.save (.pt .pth .th .bin .ckpt); pickles are\n\
    never run. Epoch or step come from the names (epoch-12.pt, step-000336.pt, 12.pt) or from\n\
    `epoch` beside the weights.")]
pub(super) struct Arguments {
    /// Checkpoints: a folder, or one file.
    #[arg(required_unless_present = "activations")]
    path: Option<PathBuf>,
    /// Activations instead, rows being the same examples everywhere: `LAYER/epoch-3.npy`, or
    /// `epoch-3.npz` with an array per layer.
    #[arg(long, value_name = "DIR", conflicts_with = "path")]
    activations: Option<PathBuf>,
    /// Run directory [default: `runs/` and the name of the folder or file].
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    #[command(flatten, next_help_heading = "Checkpoints")]
    checkpoints: Checkpoints,
    #[command(flatten, next_help_heading = "Activations")]
    options: Activations,
}

pub(super) fn run(arguments: &Arguments) -> Result<()> {
    let out = |path: &Path| arguments.out.clone().unwrap_or_else(|| default_out(path));
    match (&arguments.activations, &arguments.path) {
        (Some(path), _) => activations::run(path, &out(path), &arguments.options),
        (None, Some(path)) => checkpoints::run(path, &out(path), &arguments.checkpoints),
        (None, None) => unreachable!("the parser asks for one of the two"),
    }
}

fn default_out(path: &Path) -> PathBuf {
    let path = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let name = if path.is_dir() { path.file_name() } else { path.file_stem() };
    Path::new("runs").join(name.unwrap_or("imported".as_ref()))
}
