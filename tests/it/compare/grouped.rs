//! `compare RUN… --by KEY`: all endpoints, exploratory.

use std::fs;
use std::path::Path;

use serde_json::Value;

use super::fixture::Planted;
use crate::support::runs::{answer, succeed, texts};

/// Two optimizers of three seeds.
fn runs(root: &Path) {
    for seed in 0..3 {
        for optimizer in ["sgd", "adam"] {
            let mut run = Planted::of_seed(seed);
            run.settings = vec![format!("optimizer.kind={optimizer}")];
            let more = if optimizer == "sgd" { 0.3 } else { 0.0 };
            run.layers
                .iter_mut()
                .for_each(|l| l.distinctness = 0.5 + more + 0.01 * seed as f64);
            run.write(&root.join(format!("{optimizer}-{seed}")));
        }
    }
}

fn statement<'a>(findings: &'a Value, id: &str) -> &'a Value {
    let statements = findings["statements"].as_array().unwrap();
    statements.iter().find(|statement| statement["id"] == id).unwrap()
}

#[test]
fn runs_are_grouped_by_a_setting_and_paired_by_seed() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path();
    runs(root);
    let names = "sgd-0 sgd-1 sgd-2 adam-0 adam-1 adam-2";
    let [text, _] =
        succeed(root, &format!("compare {names} --by optimizer.kind --out out"));
    assert!(
        text.contains("sgd less adam: +0.300 e-folds (0.300 to 0.300; 3 seeds, 3 of 3"),
        "{text}"
    );
    let json = fs::read_to_string(root.join("out/findings.json")).unwrap();
    let findings: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(findings["by"], "optimizer.kind");
    assert!(findings["comparison"].is_null());
    let found = statement(&findings, "distinctness");
    assert_eq!(found["exploratory"], true);
    assert!(found["verdict"].is_null() && found["adjusted"].is_null());
    assert_eq!((&found["pairing"], &found["n"]), (&"seed".into(), &3.into()));
    let keys: Vec<&str> = findings["settings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|setting| setting["key"].as_str().unwrap())
        .collect();
    assert!(
        keys.contains(&"optimizer.kind") && keys.contains(&"optimizer.momentum"),
        "{keys:?}"
    );
    // By the net there is nothing that runs of one seed share.
    for seed in 0..2 {
        let mut wide = Planted::of_seed(seed);
        wide.settings = vec!["net.width=8".into()];
        wide.write(&root.join(format!("wide-{seed}")));
    }
    succeed(root, "compare sgd-0 sgd-1 wide-0 wide-1 --by net.width --out nets");
    let json = fs::read_to_string(root.join("nets/findings.json")).unwrap();
    let found: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(statement(&found, "distinctness")["pairing"], "none");
    succeed(
        root,
        "compare sgd-0 sgd-1 wide-0 wide-1 --by net.width --pair-by seed --out nets",
    );
    let json = fs::read_to_string(root.join("nets/findings.json")).unwrap();
    let found: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(statement(&found, "distinctness")["pairing"], "seed");
}

#[test]
fn runs_of_one_setting_have_values_without_a_difference() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path();
    runs(root);
    let [text, _] = succeed(root, "compare sgd-0 sgd-1 sgd-2 --out out");
    assert!(text.contains("runs: +0.810 e-folds (0.800 to 0.820; 3 seeds"), "{text}");
    let csv = fs::read_to_string(root.join("out/effects.csv")).unwrap();
    let row = "distinctness,distinctness,primary,cka,test,,runs,,0,0.8,,";
    assert!(csv.lines().any(|line| line == row), "{csv}");
}

#[test]
fn wrong_arguments_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path();
    runs(root);
    let error = |arguments: &str| {
        let words: Vec<&str> = arguments.split(' ').collect();
        let output = answer(&words, root);
        assert_eq!(output.status.code(), Some(2), "{arguments}");
        texts(&output)[1].clone()
    };
    let text = error("compare sgd-0 adam-0 --by optimiser.kind --out out");
    assert!(
        text.contains("--by optimiser.kind is not a setting of these runs"),
        "{text}"
    );
    assert!(text.contains("did you mean `optimizer.kind`?"), "{text}");
    let text = error("compare sgd-0 --out adam-0");
    assert!(text.contains("adam-0 holds a run"), "{text}");
    fs::write(root.join("sweep.csv"), "run,state,error\n").unwrap();
    let text = error("compare sweep.csv --out out");
    assert!(text.contains("sweep.csv holds no run"), "{text}");
    // What else lies in a sweep's directory is left out, and said.
    let [text, _] = succeed(root, "compare sgd-0 sgd-1 sweep.csv --out out");
    assert!(text.contains("left out: sweep.csv: is not a run directory"), "{text}");
    let text = error("compare sgd-0 nothing --out out");
    assert!(text.contains("nothing is not a run directory"), "{text}");
    fs::write(root.join("c.toml"), "arms = 1").unwrap();
    let text = error("compare c.toml --by net.width --out out");
    assert!(text.contains("--by does not go with the comparison file c.toml"), "{text}");
    let text = error("compare c.toml sgd-0 --out out");
    assert!(text.contains("c.toml stands beside other paths"), "{text}");
}

#[test]
fn runs_that_differ_in_more_than_their_seeds_are_arms_of_their_own() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path();
    runs(root);
    let names = "adam-0 adam-1 sgd-0 sgd-1";
    let [text, _] = succeed(root, &format!("compare {names} --out out"));
    assert!(text.contains("sgd-0 less adam-0: +0.300 e-folds"), "{text}");
    let json = fs::read_to_string(root.join("out/findings.json")).unwrap();
    let findings: Value = serde_json::from_str(&json).unwrap();
    let arms = findings["arms"].as_array().unwrap();
    let of_arm = |arm: &Value| (arm["name"].clone(), arm["runs"].clone());
    assert_eq!(
        arms.iter().map(of_arm).collect::<Vec<_>>(),
        [
            ("adam-0".into(), serde_json::json!(["adam-0", "adam-1"])),
            ("sgd-0".into(), serde_json::json!(["sgd-0", "sgd-1"]))
        ]
    );
    assert!(findings["by"].is_null() && findings.get("not_compared").is_none());
}

#[test]
fn runs_of_other_checkpoints_are_shown_without_effects_and_the_page_says_why() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path();
    Planted::default().write(&root.join("a"));
    let mut other =
        Planted { settings: vec!["net.width=8".into()], ..Planted::default() };
    other.epochs[12] = 16.0;
    other.layers[1].name = "pool2";
    other.write(&root.join("b"));
    let [text, _] = succeed(root, "compare a b --out out");
    let why = "compares runs with different checkpoints: number 13 is epoch 1";
    assert!(
        text.contains("no effects between these arms: ") && text.contains(why),
        "{text}"
    );
    let json = fs::read_to_string(root.join("out/findings.json")).unwrap();
    let findings: Value = serde_json::from_str(&json).unwrap();
    assert!(findings["not_compared"].as_str().unwrap().contains(why));
    assert_eq!(findings["statements"], serde_json::json!([]));
    let page = fs::read_to_string(root.join("out/index.html")).unwrap();
    assert!(page.contains(why) && page.contains("others by their relative depth"));
    let data = page_data(&page);
    // All epochs of both, and each map on its own.
    assert_eq!(data["epochs"].as_array().unwrap().len(), 25);
    assert_eq!(data["times"].as_array().unwrap().len(), 2);
    let rows = &data["rows"][0];
    assert_eq!(rows[0]["label"], "conv1");
    assert_eq!(
        (&rows[1]["label"], &rows[1]["same"]),
        (&"about 33 % of the depth".into(), &false.into())
    );
    let cells = data["sets"][0]["layers"].as_array().unwrap();
    assert_eq!(cells.len(), 8);
    for cell in cells {
        assert_eq!(cell["values"].as_array().unwrap().len(), 24 * 25 / 2);
        assert_eq!(cell["values"][0], 10_000);
    }
}

/// The numbers inside a page.
fn page_data(page: &str) -> Value {
    let start = "<script type=\"application/json\" id=\"data\">";
    let (_, rest) = page.split_once(start).unwrap();
    serde_json::from_str(rest.split_once("</script>").unwrap().0).unwrap()
}
