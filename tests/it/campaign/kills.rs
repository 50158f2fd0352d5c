//! Every verb that writes, killed again and again: the same command must end with the bytes of
//! one that nothing disturbed, and leave nothing behind.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use super::{Random, copy, differences, made, steady, times};
use crate::support::runs::{Files, command, succeed, texts};

/// What is done before, what is killed, and the folder that it writes.
struct Verb {
    name: &'static str,
    before: &'static [&'static str],
    command: &'static str,
    out: &'static str,
}

const TRAINED: &str = "train f.toml --out r";
const WHOLE: &str = "run f.toml --out r";
const IMPORT: &str = "import p/checkpoints --net cnn5 net.width=2 data.kind=digits \
    data.n_train=60 data.n_test=30 train.batch_size=32 noise.rate=0.3 seed=5 --out r";

const VERBS: &[Verb] = &[
    Verb { name: "train", before: &[], command: TRAINED, out: "r" },
    Verb { name: "run", before: &[], command: WHOLE, out: "r" },
    Verb { name: "analyze", before: &[TRAINED], command: "analyze r", out: "r" },
    Verb {
        name: "analyze, other settings",
        before: &[WHOLE],
        command: "analyze r analysis.measures=[cka,rsa] analysis.drs.resolution=5",
        out: "r",
    },
    Verb {
        name: "report",
        before: &[TRAINED, "analyze r"],
        command: "report r",
        out: "r",
    },
    Verb {
        name: "run --seeds",
        before: &[],
        command: "run f.toml train.epochs=2 --seeds 0..2 --out r",
        out: "r",
    },
    Verb {
        name: "sweep",
        before: &[],
        command: "sweep sweep.toml --jobs 2 --out r",
        out: "r",
    },
    Verb {
        name: "run --from",
        before: &["run f.toml --out p"],
        command: "run --from p@2 train.freeze=[conv1] --out r",
        out: "r",
    },
    Verb { name: "import", before: &["train f.toml --out p"], command: IMPORT, out: "r" },
    Verb {
        name: "import --activations",
        before: &[],
        command: "import --activations x --out r",
        out: "r",
    },
    Verb {
        name: "export",
        before: &[WHOLE],
        command: "export r --to parquet --out e",
        out: "e",
    },
    Verb {
        name: "compare",
        before: &[
            "run f.toml train.epochs=2 --seeds 0..1 --out p",
            "run f.toml train.epochs=2 optimizer.lr=0.02 \
             --seeds 0..1 --out q",
        ],
        command: "compare p/seed-0 p/seed-1 q/seed-0 q/seed-1 --by optimizer.lr --out c",
        out: "c",
    },
];

const SWEEP: &str =
    "experiment = 'f.toml'\nset = { 'train.epochs' = 2 }\n[axes]\nseed = '0..1'\n";

#[test]
#[ignore = "a storm: scripts/check --all"]
fn kills_of_every_verb_change_no_bytes() {
    let mut wrong = vec![];
    for verb in VERBS {
        wrong.extend(storm(verb, times(100, 300)));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Kills a verb so often, always continuing with the same command; what was wrong.
fn storm(verb: &Verb, n_kills: usize) -> Vec<String> {
    let start = made(&[]);
    fs::write(start.path().join("sweep.toml"), SWEEP).unwrap();
    for before in verb.before {
        succeed(start.path(), before);
    }
    let reference = tempfile::tempdir().unwrap();
    copy(start.path(), reference.path());
    let began = Instant::now();
    succeed(reference.path(), verb.command);
    let duration = began.elapsed();
    let expected = steady(&reference.path().join(verb.out));

    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    copy(start.path(), root);
    let mut random = Random(2026);
    let (mut kills, mut finished, mut wrong) = (0, 0, vec![]);
    while kills < n_kills {
        let fraction = random.below(1000) as f64 / 1e3;
        let limit = duration.mul_f64(fraction * (random.below(1000) as f64 / 1e3));
        if kill_after(root, verb.command, limit) {
            kills += 1;
            continue;
        }
        finished += 1;
        wrong.extend(check(root, verb, &expected));
        copy(start.path(), root);
    }
    succeed_or(&mut wrong, root, verb);
    wrong.extend(check(root, verb, &expected));
    println!(
        "{}: {kills} kills, {} finished, {} wrong",
        verb.name,
        finished + 1,
        wrong.len()
    );
    wrong
}

/// Whether the process was killed, and did not end before.
fn kill_after(root: &Path, arguments: &str, limit: Duration) -> bool {
    let mut child = command(root, arguments).spawn().unwrap();
    let began = Instant::now();
    while began.elapsed() < limit {
        if child.try_wait().unwrap().is_some() {
            return false;
        }
        std::thread::sleep(Duration::from_micros(500));
    }
    child.kill().unwrap();
    let status = child.wait_with_output().unwrap().status;
    !status.success()
}

fn succeed_or(wrong: &mut Vec<String>, root: &Path, verb: &Verb) {
    let output = command(root, verb.command).output().unwrap();
    if !output.status.success() {
        wrong.push(format!("{}: {}", verb.name, texts(&output)[1]));
    }
}

fn check(root: &Path, verb: &Verb, expected: &Files) -> Vec<String> {
    let found = differences(&root.join(verb.out), expected);
    found.iter().map(|difference| format!("{}: {difference}", verb.name)).collect()
}
