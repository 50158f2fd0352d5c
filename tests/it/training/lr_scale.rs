//! Learning rates per node: against PyTorch's parameter groups, in runs, forks and errors.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde::Deserialize;
use stratagram::engine::Update;
use stratagram::experiment::Experiment;

use crate::support::fixture::{array, fixtures, floats};
use crate::support::runs::{assert_same, command, promised, succeed, texts};

#[derive(Deserialize)]
struct Oracle {
    scales: BTreeMap<String, f64>,
    optimizers: BTreeMap<String, Trained>,
}

#[derive(Deserialize)]
struct Trained {
    #[serde(rename = "update")]
    rule: Settings,
    losses: Vec<f64>,
    #[serde(rename = "final")]
    parameters: BTreeMap<String, Values>,
}

#[derive(Deserialize)]
struct Settings {
    lr: f64,
    weight_decay: f64,
    #[serde(default)]
    momentum: f64,
    #[serde(default)]
    nesterov: bool,
    #[serde(default)]
    betas: [f64; 2],
    #[serde(default)]
    eps: f64,
}

#[derive(Deserialize)]
struct Values {
    stride: usize,
    largest: f64,
    #[serde(rename = "values")]
    kept: Vec<f64>,
}

impl Settings {
    fn update(&self, name: &str) -> Update {
        let Self { lr, weight_decay, momentum, nesterov, betas, eps } = *self;
        let decoupled = name == "adamw";
        match name {
            "adam" | "adamw" => Update::Adam { lr, betas, eps, weight_decay, decoupled },
            _ => Update::Sgd { lr, momentum, weight_decay, nesterov },
        }
    }
}

/// `tests/oracles/lr_scale/make.py` computes the expected values in float64.
#[test]
fn ten_steps_with_rates_of_their_own_are_those_of_pytorch() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/oracles/lr_scale/expected.json");
    let oracles: BTreeMap<String, Oracle> =
        serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    let mut compared = 0;
    for fixture in fixtures() {
        let Some(oracle) = oracles.get(&fixture.case.name) else { continue };
        let factors: Vec<f64> =
            fixture.net.nodes.iter().map(|node| oracle.factor(&node.name)).collect();
        let batches = fixture.names("trajectory/images").len();
        for (name, trained) in &oracle.optimizers {
            let mut engine = fixture.engine();
            engine.scale_rates(&factors);
            for (step, loss) in trained.losses.iter().enumerate() {
                let batch = step % batches;
                let images = fixture.images(&format!("trajectory/images/{batch}"));
                let labels = fixture.labels(&format!("trajectory/labels/{batch}"));
                let found = engine.gradients(&images, &labels);
                assert!(
                    (found - loss).abs() < 1e-4 * loss,
                    "{name}, step {step}: {found}, not {loss}"
                );
                engine.update(&trained.rule.update(name));
            }
            let weights = engine.weights();
            for (parameter, expected) in &trained.parameters {
                // Adam divides a gradient that is rounding alone by its own size.
                if name.starts_with("adam") && fixture.is_hidden_bias(parameter) {
                    continue;
                }
                let found = floats(array(&weights, parameter));
                let kept = found.iter().step_by(expected.stride);
                for (found, value) in kept.zip(&expected.kept) {
                    let off = (found - value).abs();
                    assert!(
                        off <= 1e-4 * expected.largest,
                        "{name}, {parameter}: {found}, not {value}"
                    );
                    compared += 1;
                }
            }
        }
    }
    assert!(compared > 5_000, "{compared} values compared");
}

impl Oracle {
    /// The factor of the first glob that matches: a name, or one with `*` at its end.
    fn factor(&self, node: &str) -> f64 {
        let matches = |glob: &str| match glob.strip_suffix('*') {
            Some(start) => node.starts_with(start),
            None => node == glob,
        };
        let found = self.scales.iter().find(|(glob, _)| matches(glob));
        found.map_or(1.0, |(_, factor)| *factor)
    }
}

const EXPERIMENT: &str = "
seed = 5
data = { kind = 'digits', n_train = 100, n_test = 40 }
net = { kind = 'cnn5', width = 2 }
optimizer = { lr = 0.05, momentum = 0.9, weight_decay = 0.001 }
train = { epochs = 4, batch_size = 32, checkpoints = [0, 1, 2, 4] }
";

fn new_directory() -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("e.toml"), EXPERIMENT).unwrap();
    directory
}

/// The settings as one argument of the command line, which has spaces.
fn with(scales: &str) -> String {
    format!("optimizer.lr_scale={scales}").replace(' ', "")
}

#[test]
fn factors_of_one_change_no_byte_and_others_do() {
    let directory = new_directory();
    let root = directory.path();
    succeed(root, "train e.toml --out plain");
    let bytes = |run: &str| {
        let mut files = promised(&root.join(run));
        // The settings differ, and so does their checksum.
        let is_of_settings =
            |name: &str| name == "experiment.toml" || name == "checksums/train.csv";
        files.retain(|(name, _)| !is_of_settings(name));
        files
    };
    succeed(root, &format!("train e.toml --out ones {}", with("{'*'=1.0}")));
    assert!(bytes("ones") == bytes("plain"));
    succeed(
        root,
        &format!("train e.toml --out slow {}", with("{conv1=1.0,'conv*'=0.1}")),
    );
    assert!(bytes("slow") != bytes("plain"));
}

#[test]
fn runs_with_factors_continue_exactly_and_forks_may_change_them() {
    let directory = new_directory();
    let root = directory.path();
    let scales = with("{conv1=0.5,'bn*'=0}");
    succeed(root, &format!("train e.toml --out whole {scales}"));
    let whole = promised(&root.join("whole"));
    succeed(
        root,
        &format!(
            "train e.toml --out parts {scales} train.epochs=2 train.checkpoints=[0,1,2]"
        ),
    );
    succeed(root, "train --from whole@2 --out same");
    let history =
        |run: &str| fs::read_to_string(root.join(run).join("history.csv")).unwrap();
    assert_eq!(history("same"), history("whole"));
    assert!(history("whole").starts_with(&history("parts")));
    assert_same(&root.join("whole"), &whole, "after a fork");
    succeed(root, &format!("train --from whole@2 --out other {}", with("{conv1=0.1}")));
    assert_ne!(history("other"), history("whole"));
    let text = fs::read_to_string(root.join("other/experiment.toml")).unwrap();
    assert!(text.contains("[optimizer.lr_scale]\nconv1 = 0.1\n"), "{text}");
}

#[test]
fn what_names_no_layer_or_two_factors_is_refused_before_anything_is_made() {
    let directory = new_directory();
    let root = directory.path();
    for (scales, parts) in [
        ("{conv9=0.1}", &["names `conv9`", "did you mean `conv"][..]),
        ("{relu1=0.1}", &["names `relu1`, which is no layer with parameters"]),
        (
            "{'conv*'=0.1,'*1'=0.5}",
            &["gives conv1 0.5 by `*1` and 0.1 by `conv*`", "name the layer itself"],
        ),
        ("{conv1=-1}", &["lr_scale` is", "a number of at least 0"]),
        ("{}", &["a table of names or globs"]),
        ("0.5", &["a table of names or globs"]),
    ] {
        let scales = with(scales);
        for arguments in [
            format!("train e.toml --out run {scales}"),
            format!("run e.toml --out run --dry-run {scales}"),
        ] {
            let output = command(root, &arguments).output().unwrap();
            let [_, message] = texts(&output);
            assert_eq!(output.status.code(), Some(2), "{arguments}: {message}");
            for part in parts {
                assert!(message.contains(part), "{arguments}: {message}");
            }
            assert!(!root.join("run/history.csv").exists());
        }
    }
}

#[test]
fn a_table_of_factors_has_its_names_with_and_without_quotes() {
    let parse = |optimizer: &str| {
        let text = format!(
            "[data]\nkind='digits'\n[net]\nkind='resnet18'\nwidth=1\n[optimizer]\n{optimizer}"
        );
        Experiment::parse("e.toml", &text, ".".as_ref(), &[]).unwrap()
    };
    let quoted = parse("lr_scale = { conv1 = 1, 'layer4.0.conv1' = 0.1 }");
    let dotted = parse("lr_scale.conv1 = 1.0\nlr_scale.layer4.0.conv1 = 0.1");
    assert_eq!(quoted, dotted);
    let scales: Vec<(&str, f64)> = quoted
        .optimizer
        .lr_scale
        .iter()
        .map(|(name, factor)| (&name[..], *factor))
        .collect();
    assert_eq!(scales, [("conv1", 1.0), ("layer4.0.conv1", 0.1)]);
    let again =
        Experiment::parse("e.toml", &quoted.to_toml(), ".".as_ref(), &[]).unwrap();
    assert_eq!(again, quoted);
    assert!(!parse("lr = 0.1").to_toml().contains("lr_scale"));
}
