//! What people see in a terminal: the examples of every help, the output of every verb, bars and
//! colors.

mod examples;
mod papers;
mod snapshots;
mod tty;
mod verbs;
mod watch;

use std::fs;
use std::path::Path;

use tempfile::TempDir;

use crate::support::runs::{command, texts};
use crate::support::shared::made_once;

/// Changes that make the quickstart short; its layers, and epoch 10, stay.
const SHORT: &str = "data.n_train=120 data.n_test=60 net.width=2 train.epochs=12 \
    train.batch_size=32 optimizer.warmup_steps=4 analysis.n_examples=20 \
    analysis.drs.triplets=4 analysis.drs.resolution=4";

/// The experiment of the examples.
const EXPERIMENT: &str = r#"
data = { kind = "digits", n_train = 64, n_test = 40 }
noise = { rate = 0.2 }
net = { kind = "cnn5", width = 2 }
train = { epochs = 11, batch_size = 32 }
analysis = { n_examples = 8, drs = { triplets = 3, resolution = 4 } }
"#;

/// A directory with a short quickstart in `runs/quickstart`, of portable kernels, whose numbers
/// do not depend on the processor.
fn quickstart() -> TempDir {
    made_once(&["terminal", "quickstart"], |root| {
        succeed_portably(root, &format!("run {SHORT} --threads 1"));
    })
}

/// Runs a command that must succeed with portable kernels.
fn succeed_portably(root: &Path, arguments: &str) {
    let mut run = command(root, arguments);
    let output = run.env("STRATAGRAM_ISA", "portable").output().unwrap();
    assert!(output.status.success(), "{arguments}: {}", texts(&output)[1]);
}

/// The same with the experiment in `experiment.toml`, which runs in the blink of an eye.
fn with_experiment() -> TempDir {
    let folder = quickstart();
    fs::write(folder.path().join("experiment.toml"), EXPERIMENT).unwrap();
    folder
}

/// Two sweeps and two seeds more.
fn with_sweeps() -> TempDir {
    made_once(&["terminal", "sweeps"], |root| {
        let base = with_experiment();
        copy(base.path(), root);
        let sweep = |name: &str, axes: &str| {
            let text = format!("experiment = \"experiment.toml\"\n[axes]\n{axes}");
            fs::write(root.join(name), text).unwrap();
        };
        sweep("widths.toml", "\"net.width\" = [1, 2]\n");
        sweep(
            "sweep.toml",
            "seed = \"0..1\"\n[axes.optimizer]\nsgd = { \"optimizer.kind\" = \"sgd\" }\n\
             adam = { \"optimizer.kind\" = \"adam\", \"optimizer.lr\" = 1e-3 }\n",
        );
        succeed_portably(root, "sweep widths.toml --jobs 2");
        succeed_portably(root, "sweep sweep.toml --jobs 2");
        succeed_portably(root, "sweep plan widths.toml");
        succeed_portably(root, &format!("run {SHORT} --seeds 0..1 --out runs/seeds"));
    })
}

fn copy(from: &Path, to: &Path) {
    for (name, bytes) in crate::support::runs::files(from) {
        let path = to.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
}
