//! Every example of every `--help` runs as it stands there.

use std::env;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use stratagram::array_file::{Array, NamedArrays, npy_bytes, npz_bytes};

use super::with_sweeps;
use crate::support::runs::succeed;
use crate::support::shared::made_once;
use crate::support::similarity::{activations, write};

/// Beginnings of examples that take what is not on every machine, and what that is.
const ELSEWHERE: [(&str, &str); 8] = [
    ("stratagram watch", "Ctrl-C to end, as in watch.rs"),
    ("stratagram run  ", "the minutes of the whole quickstart"),
    ("stratagram import checkpoints/", "CIFAR-10"),
    ("stratagram import resnet20.th", "CIFAR-10"),
    ("stratagram import hf://", "the network"),
    ("stratagram import --hf", "the network"),
    ("stratagram data fetch", "the network"),
    ("stratagram data verify cifar10", "CIFAR-10"),
];

/// The verbs that `stratagram --help` lists.
fn verbs(root: &Path) -> Vec<String> {
    let [help, _] = succeed(root, "--help");
    let listed =
        help.split("Commands:").nth(1).unwrap().split("Options:").next().unwrap();
    let verb = |line: &str| {
        let is_entry = line.starts_with("  ") && !line.starts_with("   ");
        is_entry.then(|| line.split_whitespace().next().unwrap().to_owned())
    };
    listed.lines().filter_map(verb).filter(|verb| verb != "help").collect()
}

/// The commands of a help below its usage, lines that end in a backslash joined.
fn examples(help: &str) -> Vec<String> {
    let joined = help.split_once("Options:").unwrap().1.replace("\\\n", " ");
    let lines = joined.lines().map(str::trim);
    lines.filter(|line| line.starts_with("stratagram ")).map(str::to_owned).collect()
}

/// A directory in which all examples can run.
fn world() -> tempfile::TempDir {
    made_once(&["terminal", "world"], |root| {
        let base = with_sweeps();
        super::copy(base.path(), root);
        succeed(root, "train experiment.toml net.width=8 --out runs/narrow");
        let comparison = "[arms]\nsgd = \"runs/sweep/*optimizer-sgd*\"\n\
            adam = \"runs/sweep/*optimizer-adam*\"\n\
            [[statements]]\nid = \"P3\"\nplus = \"sgd\"\nminus = \"adam\"\n";
        write(root, "optimizers.toml", comparison.as_bytes());
        for epoch in 0..6 {
            let bytes = npy_bytes(&activations(30, epoch));
            for folder in ["activations", "a", "b", ".", "saved/fc"] {
                write(root, &format!("{folder}/epoch-{epoch}.npy"), &bytes);
            }
        }
        write(root, "pixels.npy", &npy_bytes(&activations(30, 9)));
        let stacked: Vec<f32> =
            (0..6).flat_map(|e| activations(30, e).to_f32()).collect();
        let mut run = NamedArrays::default();
        run.push("x", Array::f32(&[6, 30, 6], stacked));
        write(root, "run.npz", &npz_bytes(&run));
        let mut features = NamedArrays::default();
        features.push("X", activations(30, 1));
        features.push("y", Array::i64(&[30], (0..30).map(|i| i % 3).collect()));
        write(root, "features.npz", &npz_bytes(&features));
        let mut log = "epoch,train_error,test_error\n".to_owned();
        let [mut lightning, mut wandb] =
            ["epoch,train_acc,val_acc\n", "Step,run-7 - val_acc\n"].map(str::to_owned);
        let [mut tag_test, mut tag_train] =
            ["Wall time,Step,Value\n"; 2].map(str::to_owned);
        for epoch in 0..40 {
            let error = 0.9 * (-f64::from(epoch) / 5.0).exp();
            log += &format!("{epoch},{error},{error}\n");
            lightning += &format!("{epoch},{},{}\n", 1.0 - error, 1.0 - error);
            wandb += &format!("{epoch},{}\n", 1.0 - error);
            tag_test += &format!("{epoch}.5,{epoch},{error}\n");
            tag_train += &format!("{epoch}.5,{epoch},{error}\n");
        }
        for (name, text) in [
            ("log.csv", log),
            ("lightning_logs/version_0/metrics.csv", lightning),
            ("wandb_export.csv", wandb),
            ("tag_test.csv", tag_test),
            ("tag_train.csv", tag_train),
        ] {
            write(root, name, text.as_bytes());
        }
        for folder in [".local/share/bash-completion/completions", ".zfunc"] {
            fs::create_dir_all(root.join(folder)).unwrap();
            write(root, &format!("{folder}/.keep"), b"");
        }
        write(root, ".config/fish/completions/.keep", b"");
    })
}

#[cfg(unix)]
#[test]
fn every_example_of_every_help_runs() {
    let world = world();
    let program = Path::new(env!("CARGO_BIN_EXE_stratagram"));
    let mut path = vec![program.parent().unwrap().to_owned()];
    path.extend(env::split_paths(&env::var_os("PATH").unwrap()));
    let path = env::join_paths(path).unwrap();
    let mut n_run = 0;
    for verb in verbs(world.path()) {
        let [help, _] = succeed(world.path(), &format!("{verb} --help"));
        let examples = examples(&help);
        assert!(!examples.is_empty() || verb == "doctor", "{verb} has no examples");
        for example in examples {
            let is_elsewhere = |(start, _): &&(&str, &str)| example.starts_with(start);
            if let Some((_, what)) = ELSEWHERE.iter().find(is_elsewhere) {
                eprintln!("SKIP {example}: takes {what}");
                continue;
            }
            // One example leaves nothing behind for the next.
            let world = self::world();
            let mut shell = Command::new("sh");
            shell.args(["-c", &example]).current_dir(world.path());
            shell.env("PATH", &path).env("HOME", world.path());
            shell.env_remove("DISPLAY").env_remove("WAYLAND_DISPLAY");
            let output = shell.stdin(Stdio::null()).output().unwrap();
            let error = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{example}: {:?}: {error}", output.status);
            n_run += 1;
        }
    }
    assert!(n_run > 40, "{n_run}");
}
