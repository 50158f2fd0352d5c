//! A pilot of two seeds through the program: every statement can be computed.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::support::runs::succeed;

/// Small nets that fit their labels within 80 epochs.
const SMALL: &str = "
data = { kind = 'digits', n_train = 80, n_test = 60 }
noise = { rate = 0.2 }
net = { kind = 'cnn5', width = 4 }
optimizer = { lr = 0.05 }
train = { epochs = 80, batch_size = 20 }
[analysis]
n_examples = 24
layers = ['relu1', 'pool2', 'pool3', 'pool4']
prediction_depth = false
drs = { triplets = 2, resolution = 3, floor = 'none' }
";
/// A net whose test error, on enough images to measure it, descends twice.
const DESCENT: &str = "
data = { kind = 'digits', seed = 0, n_train = 500, n_test = 1200 }
noise = { rate = 0.2 }
net = { kind = 'cnn5', width = 8 }
optimizer = { lr = 0.05, weight_decay = 1e-3 }
train = { epochs = 120, batch_size = 64, history = 'log-spaced' }
[analysis]
n_examples = 64
layers = ['relu1', 'pool2', 'pool3', 'pool4']
prediction_depth = false
drs = { triplets = 2, resolution = 3, floor = 'none' }
";
const VIT: &str = "net.kind=vit net.patch=4 net.dim=16 net.depth=4 net.heads=2 net.dropout=0 \
    noise.rate=0 analysis.layers=['blocks.0','blocks.1','blocks.2','blocks.3']";

/// Arms, their experiments and their changes.
const ARMS: [(&str, &str); 16] = [
    ("descent", "descent.toml"),
    ("clean", "descent.toml noise.rate=0"),
    ("tenth", "descent.toml noise.rate=0.1"),
    ("half", "descent.toml noise.rate=0.4"),
    ("without", "descent.toml optimizer.lr=0.004"),
    ("sgd", "small.toml"),
    ("sgd-low", "small.toml optimizer.lr=0.02"),
    ("sgd-high", "small.toml optimizer.lr=0.1"),
    ("adam", "small.toml optimizer.kind=adam optimizer.lr=2e-3"),
    ("adam-low", "small.toml optimizer.kind=adam optimizer.lr=1e-3"),
    ("adam-high", "small.toml optimizer.kind=adam optimizer.lr=4e-3"),
    ("wide", "small.toml net.width=8"),
    ("vit", "small.toml VIT optimizer.lr=0.05"),
    ("vit-low", "small.toml VIT optimizer.lr=0.01"),
    ("vit-adam", "small.toml VIT optimizer.kind=adam optimizer.lr=4e-3"),
    ("vit-adam-low", "small.toml VIT optimizer.kind=adam optimizer.lr=7e-4"),
];

const STATEMENTS: &str = "
[[statements]]
id = 'P1'
plus = 'descent'
minus = 'without'
arms = ['clean', 'tenth', 'descent', 'half']
differ = 'optimizer.lr'
[[statements]]
id = 'P2'
arms = ['vit', 'vit-low', 'vit-adam', 'vit-adam-low']
[[statements]]
id = 'P3'
plus = 'sgd'
minus = 'adam'
also = [['sgd-low', 'adam-low'], ['sgd-high', 'adam-high']]
[[statements]]
id = 'P4'
plus = 'sgd'
minus = 'adam'
also = [['sgd-low', 'adam-low'], ['sgd-high', 'adam-high']]
[[statements]]
id = 'P5'
plus = 'vit'
minus = 'sgd'
also = [['vit-low', 'wide']]
[[statements]]
id = 'P6'
plus = 'sgd'
minus = 'vit'
also = [['wide', 'vit-low']]
[[statements]]
id = 'P7'
plus = 'sgd'
minus = 'wide'
[[statements]]
id = 'P8'
plus = 'sgd'
[[statements]]
id = 'excess-coherence'
plus = 'sgd'
minus = 'adam'
[[statements]]
id = 'rise-in-representation'
plus = 'sgd'
";

fn runs(root: &Path) {
    fs::write(root.join("small.toml"), SMALL).unwrap();
    fs::write(root.join("descent.toml"), DESCENT).unwrap();
    let mut text = "[arms]\n".to_owned();
    for (arm, changes) in ARMS {
        let changes = changes.replace("VIT", VIT);
        succeed(root, &format!("run {changes} --seeds 0..1 --out {arm}"));
        text += &format!("{arm} = '{arm}/seed-*'\n");
    }
    fs::write(root.join("pilot.toml"), text + STATEMENTS).unwrap();
}

#[test]
#[ignore = "trains 32 small nets: minutes"]
fn every_statement_is_computed_from_two_seeds_and_cannot_be_judged() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path();
    runs(root);
    succeed(root, "compare pilot.toml --out out");
    let json = fs::read_to_string(root.join("out/findings.json")).unwrap();
    let findings: Value = serde_json::from_str(&json).unwrap();
    let statements = findings["statements"].as_array().unwrap();
    assert_eq!(statements.len(), 8 + 4 + 2);
    for found in statements {
        let title = format!("{} {}", found["id"], found["reading"]);
        if found["exploratory"] == true {
            continue;
        }
        assert_eq!(found["verdict"], "cannot be judged", "{title}");
        assert!(found["interval"].is_null(), "{title}");
        let reason = found["reason"].as_str().unwrap();
        assert_eq!(found["n"], 2, "{title}: {}", found["left_out"]);
        assert!(reason.ends_with("2 seeds; an interval takes 6"), "{title}: {reason}");
    }
}
