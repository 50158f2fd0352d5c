//! `stratagram import`: what other programs have saved, as a run directory.

mod activations;
mod checkpoints;

use std::path::{Path, PathBuf};

use super::threads::Threads;
use crate::error::Result;
use crate::import::{Hub, Place};
use activations::Activations;
use checkpoints::Checkpoints;

/// Turn checkpoints or activations that another program saved into a run.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    stratagram import checkpoints/ --net resnet18 net.width=64 data.kind=cifar10\n  \
    stratagram import resnet20.th --epoch 200 --net resnet-cifar data.kind=cifar10 \\\n      \
    evaluation.batchnorm=running --out runs/resnet20\n  \
    stratagram import checkpoints/ --net vit net.dim=192 data.kind=cifar10 --dry-run\n  \
    stratagram import --hf OWNER/NAME --revisions 'step*' --net vit net.dim=192 data.kind=cifar10\n  \
    stratagram import --activations saved/ --history log.csv     # saved/LAYER/epoch-3.npy\n\n\
    Checkpoints are .safetensors and files of torch.save (.pt .pth .th .bin .ckpt); pickles are\n\
    never run. Epoch or step come from the names (epoch-12.pt, step-000336.pt, 12.pt) or from\n\
    `epoch` beside the weights; of --hf from the revisions (step1000). The Hub's cache, address and\n\
    token are those of huggingface_hub: HF_HUB_CACHE, HF_HOME, HF_ENDPOINT, HF_TOKEN.")]
pub(super) struct Arguments {
    /// Checkpoints: a folder, or one file.
    #[arg(required_unless_present_any = ["activations", "hf"])]
    path: Option<PathBuf>,
    /// Checkpoints: revisions of a repository of the Hugging Face Hub, from its local cache, or
    /// fetched into it.
    #[arg(long, value_name = "OWNER/NAME", conflicts_with = "activations")]
    hf: Option<String>,
    /// Its branches and tags: names and globs, separated by commas.
    #[arg(long, value_name = "GLOBS", requires = "hf", default_value = "*")]
    revisions: String,
    /// Read the local cache of the Hub only, as `HF_HUB_OFFLINE=1` does.
    #[arg(long, requires = "hf")]
    offline: bool,
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
    let Arguments { path, hf, activations, checkpoints, options, .. } = arguments;
    let out = |path: &Path| arguments.out.clone().unwrap_or_else(|| default_out(path));
    match (activations, hf, path) {
        (Some(path), ..) => {
            Threads { threads: None }.apply()?;
            activations::run(path, &out(path), options)
        }
        (None, Some(repository), first) => {
            // What the parser takes for the path is the first setting.
            let first = first.as_ref().map(|word| word.to_string_lossy());
            let place = Place::Hub(Hub {
                repository: repository.clone(),
                revisions: arguments.revisions.clone(),
                offline: arguments.offline,
            });
            let name = repository.rsplit('/').next().unwrap_or(repository);
            let out =
                arguments.out.clone().unwrap_or_else(|| Path::new("runs").join(name));
            checkpoints::run(place, first.as_deref(), &out, checkpoints)
        }
        (None, None, Some(path)) => {
            checkpoints::run(Place::Path(path.clone()), None, &out(path), checkpoints)
        }
        (None, None, None) => unreachable!("the parser asks for one of the three"),
    }
}

fn default_out(path: &Path) -> PathBuf {
    let path = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let name = if path.is_dir() { path.file_name() } else { path.file_stem() };
    Path::new("runs").join(name.unwrap_or("imported".as_ref()))
}
