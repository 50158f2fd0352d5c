//! The files of a comparison: their columns and keys, the same bytes, a page without a network.

use std::fs;
use std::path::Path;

use serde_json::Value;
use sha2::{Digest, Sha256};

use super::fixture::{Planted, write_file};
use crate::support::runs::{files, succeed};

/// Seven seeds of two optimizers, one run of which is not finished.
fn compared(root: &Path) {
    for seed in 0..7 {
        for (arm, more) in [("sgd", 0.4), ("adam", 0.0)] {
            let mut run = Planted::of_seed(seed);
            run.settings = vec![format!("optimizer.kind={arm}")];
            run.layers
                .iter_mut()
                .for_each(|l| l.distinctness = 0.5 + more + 0.02 * seed as f64);
            let path = root.join(format!("{arm}-{seed}"));
            if (seed, arm) == (6, "adam") {
                drop(run.write_without_findings(&path));
            } else {
                run.write(&path);
            }
        }
    }
    let text = "[arms]\nsgd = 'sgd-*'\n\"adam <b>\" = 'adam-*'\n[[statements]]\nid = 'P3'\n\
        plus = 'sgd'\nminus = 'adam <b>'\nalso = [['sgd', 'adam <b>'], ['sgd', 'adam <b>']]\n\
        variants = ['every-other', 'shape']\n[[statements]]\nid = 'depth-contrast'\nplus = 'sgd'\n";
    write_file(root, text);
    succeed(root, "compare comparison.toml --out out");
}

#[test]
fn files_have_their_columns_and_keys_and_the_hash_of_the_comparison() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path();
    compared(root);
    let csv = fs::read_to_string(root.join("out/effects.csv")).unwrap();
    let header = "statement,endpoint,variant,measure,group,layer,plus,minus,seed,value_plus,\
        value_minus,difference";
    assert_eq!(csv.lines().next(), Some(header));
    let row = "P3,distinctness,primary,cka,test,,sgd,adam <b>,0,0.9,0.5,0.4";
    assert!(csv.lines().any(|line| line == row), "{csv}");
    let count = |start: &str| csv.lines().filter(|line| line.starts_with(start)).count();
    assert_eq!(count("P3,distinctness,primary,"), 6);
    assert_eq!(count("P3,excess-distinctness,primary,"), 6);
    assert_eq!(count("P3,distinctness-burst,beside,"), 6);
    assert_eq!(count("depth-contrast,depth-contrast,primary,cka,test,,sgd,,"), 7);

    let json = fs::read_to_string(root.join("out/findings.json")).unwrap();
    let findings: Value = serde_json::from_str(&json).unwrap();
    let hash = Sha256::digest(fs::read(root.join("comparison.toml")).unwrap());
    let hash: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(findings["comparison"]["sha256"], hash);
    let keys = |value: &Value| -> Vec<String> {
        value.as_object().unwrap().keys().cloned().collect()
    };
    assert_eq!(
        keys(&findings),
        ["format", "comparison", "by", "arms", "settings", "statements"]
    );
    let p3 = &findings["statements"][0];
    let expected = "id name text source reading exploratory direction d unit pairing plus minus arms n \
        seeds mean interval range above_zero p_for p_against adjusted verdict reason parts variants \
        beside left_out";
    assert_eq!(keys(p3), expected.split_whitespace().collect::<Vec<_>>());
    assert_eq!(p3["verdict"], "consistent with");
    assert_eq!(p3["source"], "v2");
    assert_eq!(findings["statements"][1]["reading"], "beyond the weights");
    // Neither variant has a value: 12 checkpoints, and no matrices.
    for (at, name) in ["every-other", "shape"].iter().enumerate() {
        assert_eq!(p3["variants"][at]["name"], *name);
        assert_eq!(
            (&p3["variants"][at]["n"], &p3["variants"][at]["same_sign"]),
            (&0.into(), &Value::Null)
        );
    }
    assert_eq!(findings["arms"][1]["left_out"][0]["why"], "not finished: training");
    assert_eq!(findings["statements"][2]["verdict"], Value::Null);
}

#[test]
fn the_same_runs_give_the_same_bytes() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path();
    compared(root);
    let first = files(&root.join("out"));
    let names: Vec<&str> = first.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["effects.csv", "findings.json", "index.html"]);
    for threads in ["1", "3"] {
        let output =
            crate::support::runs::command(root, "compare comparison.toml --out again")
                .env("RAYON_NUM_THREADS", threads)
                .output()
                .unwrap();
        assert!(output.status.success());
        assert!(files(&root.join("again")) == first, "with {threads} threads");
    }
}

#[test]
fn the_page_needs_no_network_and_escapes_names() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path();
    compared(root);
    let page = fs::read_to_string(root.join("out/index.html")).unwrap();
    assert!(
        !page.contains("http://")
            || page.matches("http://").count()
                == page.matches("http://www.w3.org/").count()
    );
    assert!(!page.contains("https://") && !page.contains(" src="));
    assert!(page.contains("default-src 'none'") && page.matches("<script").count() == 2);
    assert!(!page.contains("adam <b>") && page.contains("adam &lt;b&gt;"));
    assert!(page.contains("prefers-color-scheme: dark"));
    for part in [
        "consistent with",
        "beyond the weights",
        "not finished: training",
        "optimizer.kind",
        "no run of seed 6 in arm",
    ] {
        assert!(page.contains(part), "{part}");
    }
    // Two readings of six pairs and an exploratory endpoint of seven runs.
    assert_eq!(page.matches("<circle class=\"effect\"").count(), 6 + 6 + 7);
}
