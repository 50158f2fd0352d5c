//! The page: its sections, its data, and names that are hostile.

use std::fs;
use std::path::Path;

use stratagram::array_file::{Array, npy_bytes};
use stratagram::report::{RunResults, write};
use stratagram::run_dir::{RegionPlanes, Regions};
use stratagram::similarity::MatrixKind;

use super::{
    EXPERIMENT, between, complete, data_of, descending_twice, figure, page_of, put,
};

#[test]
fn a_complete_run_has_every_section_and_figure() {
    let run = tempfile::tempdir().unwrap();
    complete(run.path(), &["fc", "relu1", "pool4"]);
    let written = write(run.path()).unwrap();
    let names: Vec<String> = written
        .iter()
        .map(|path| path.strip_prefix(run.path()).unwrap().display().to_string())
        .collect();
    assert_eq!(
        names,
        [
            "report/index.html",
            "report/figures/headline.svg",
            "report/figures/headline-wide.svg",
            "report/figures/reading-maps.svg",
            "report/figures/cka-test.svg",
            "report/figures/drs-test.svg",
            "report/figures/probes.svg",
            "report/figures/prediction-depth.svg",
            "report/figures/regions-output.svg",
            "report/figures/strip-0.svg",
        ]
    );
    let page = fs::read_to_string(&written[0]).unwrap();
    for id in ["verdict", "headline", "phases", "layers", "probes", "regions", "settings"]
    {
        assert!(page.contains(&format!("<section id=\"{id}\"")), "{id}");
    }
    assert!(!page.contains("class=\"absent\">There"), "nothing is missing");
    assert!(page.contains(
        "Test error falls to about 0.034 at epoch 1, rises to about 0.124 at epoch 3 and \
         falls again to about 0.088 at epoch 7"
    ));
    assert!(page.contains("Passed over a peak at epoch 0.5: it holds 1 row."));
    assert!(page.contains("they differ by up to 0.076, at epoch 3"), "BatchNorm warning");
    assert!(
        page.contains("Dotted: the same probe on the pixels. Epoch 0 is the randomly")
    );
    assert!(page.contains("test images; trained on true labels"));
    assert!(page.contains("4 training images with a right and 4 with a wrong label"));
}

#[test]
fn layers_stand_in_depth_order() {
    let run = tempfile::tempdir().unwrap();
    complete(run.path(), &["fc", "pool2", "relu1", "relu10", "relu9", "pool4"]);
    let results = RunResults::read(run.path()).unwrap();
    let drs = results.matrix_set(&MatrixKind::DRS, "test").unwrap();
    let names: Vec<&str> =
        drs.layers.iter().map(|matrix| matrix.layer.as_str()).collect();
    // Names the net does not have follow, their numbers compared as numbers.
    assert_eq!(names, ["relu1", "pool2", "pool4", "fc", "relu9", "relu10", "output"]);
    let headline = figure(&results, "headline");
    let maps = headline.split("data-layer=\"").skip(1);
    let layers: Vec<&str> = maps.filter_map(|rest| rest.split('"').next()).collect();
    assert_eq!(layers, ["relu1", "fc", "relu10"]);
}

#[test]
fn the_page_admits_only_its_own_script_and_style_and_no_network() {
    use base64::Engine as _;
    use sha2::{Digest, Sha256};
    let run = tempfile::tempdir().unwrap();
    complete(run.path(), &["relu1"]);
    let page = page_of(run.path());
    let policy = between(&page, "Content-Security-Policy\" content=\"", "\"");
    assert!(policy.starts_with("default-src 'none'"), "{policy}");
    for (from, to) in [("<script>", "</script>"), ("<style>", "</style>")] {
        let digest = Sha256::digest(between(&page, from, to).as_bytes());
        let hash = base64::engine::general_purpose::STANDARD.encode(digest);
        assert!(policy.contains(&format!("'sha256-{hash}'")), "{from}");
    }
    let links = page.matches("http").count();
    let namespaces = page.matches("http://www.w3.org/2000/svg").count()
        + page.matches("http-equiv").count();
    assert_eq!(links, namespaces, "no address but SVG's namespace");
    assert!(!page.contains(" style=\""), "the policy forbids style attributes");
}

#[test]
fn hostile_names_stay_text() {
    let layers =
        ["<!--<script>", "\"><img src=x onerror=alert(1)>", "{{data}}';alert(2);'"];
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("<script>alert(3)<b onload=\"x\">&'");
    complete(&root, &layers);
    let experiment = EXPERIMENT.replace("digits", "</title><script>alert(4)</script>");
    put(&root, "experiment.toml", experiment);
    put(&root, "run.json", r#"{"stratagram": "</script><svg onload=alert(5)>"}"#);
    let written = write(&root).unwrap();
    for path in &written {
        let text = fs::read_to_string(path).unwrap();
        for payload in ["<script>alert", "<img", "<!--", "<svg onload", "<b onload"] {
            assert!(!text.contains(payload), "{payload} in {}", path.display());
        }
    }
    let page = fs::read_to_string(&written[0]).unwrap();
    assert_eq!(page.matches("<script").count(), 2);
    let names = data_of(&page)["sets"][0]["layers"].clone();
    let names: Vec<&str> =
        names.as_array().unwrap().iter().map(|l| l["name"].as_str().unwrap()).collect();
    for layer in layers {
        assert!(names.contains(&layer), "{layer}");
    }
}

#[test]
fn a_fork_that_is_not_analyzed_has_the_verdict_of_its_curve_and_names_its_parent() {
    let run = tempfile::tempdir().unwrap();
    let clean = format!("{EXPERIMENT}\n[train]\nlabels = \"clean\"\nepochs = 119\n");
    put(run.path(), "experiment.toml", clean);
    let fork = r#"{"run": "/home/ada/runs/noisy", "epoch": 22.0, "step": 176}"#;
    let manifest =
        format!(r#"{{"stratagram": "0.1.0", "status": "trained", "fork": {fork}}}"#);
    put(run.path(), "run.json", manifest);
    put(run.path(), "history.csv", descending_twice());
    let page = page_of(run.path());
    assert!(page.contains("double descent of the test error over the epochs"));
    assert!(!page.contains("No verdict") && !page.contains("phases.json is absent"));
    assert!(page.contains("fork of noisy at epoch 22") && !page.contains("/home/ada"));
    assert!(page.contains("with 20 % label noise, on true labels after epoch 22"));
}

#[test]
fn regions_of_every_checkpoint_are_those_of_the_signatures() {
    use stratagram::array_file::Values;
    let run = tempfile::tempdir().unwrap();
    complete(run.path(), &["pool4"]);
    let few = &data_of(&page_of(run.path()))["regions"];
    assert_eq!(few["epochs"], serde_json::json!([0.0, 7.0]), "those of the pictures");
    let drs = "[analysis.drs]\nsource = \"test\"\nresolution = 2\n";
    put(run.path(), "experiment.toml", format!("{EXPERIMENT}{drs}"));
    // Two triplets' planes at four checkpoints; pictures are of the first.
    let classes: Vec<u8> = (0..4 * 2 * 4).map(|at| (at % 3) as u8).collect();
    let signatures = npy_bytes(&Array::new(&[4, 8], Values::U8(classes.clone())));
    for layer in ["pool4", "output"] {
        put(run.path(), &format!("signatures/drs/test/{layer}.npy"), &signatures);
    }
    let results = RunResults::read(run.path()).unwrap();
    let [pool4, _] = &results.decisions[..] else { panic!("{:?}", results.decisions) };
    let expected = [0, 8, 16, 24].map(|from: usize| classes[from..from + 4].to_vec());
    assert_eq!(pool4.classes, expected.concat());
    let all = &data_of(&page_of(run.path()))["regions"];
    assert_eq!(all["epochs"], serde_json::json!([0.0, 1.0, 3.0, 7.0]));
    assert_eq!(all["confidence"], false);
}

/// Pictures of 20 × 20 points on 12 planes, with borders that move.
fn put_many_regions(root: &Path, layer: &str, epochs: &[f64]) {
    let (side, n) = (20, 12);
    let planes = RegionPlanes {
        steps: epochs.iter().map(|epoch| 8 * *epoch as i64).collect(),
        epochs: epochs.to_vec(),
        side,
        sources: vec![0; n],
        positions: (0..n as i64).collect(),
        triplets: vec![[5, 6, 7]; n],
        labels: vec![[0, 1, 2]; n],
        corrupted: vec![[false; 3]; n],
        corners: vec![[0.0, 2.0, 0.0, 1.0]; n],
        images: vec![[[0.0, 0.0], [2.0, 0.0], [1.0, 1.0]]; n],
    };
    let seed = layer.len() as f64;
    let point = |at: usize| {
        let (k, p, i, j) =
            (at / (n * side * side), at / (side * side) % n, at / side % side, at % side);
        let (x, y) = (i as f64 / side as f64, j as f64 / side as f64);
        let border = (3.0 * x + seed + p as f64 + 0.02 * k as f64).sin() * 0.5 + 0.5;
        (u8::from(y > border) + 2 * (p % 4) as u8, (y - border).abs() as f32)
    };
    let points: Vec<(u8, f32)> = (0..epochs.len() * n * side * side).map(point).collect();
    let (classes, confidence) = points.into_iter().unzip();
    let regions = Regions { layer: layer.into(), planes, classes, confidence };
    let path = root.join(format!("regions/{layer}.npz"));
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    regions.write(&path).unwrap();
}

#[test]
fn a_page_of_21_layers_and_60_checkpoints_has_all_pictures_and_is_below_8_mb() {
    let run = tempfile::tempdir().unwrap();
    let layers: Vec<String> = (1..=21).map(|k| format!("layer{k}")).collect();
    complete(run.path(), &[]);
    let epochs: Vec<f64> = (0..60).map(f64::from).collect();
    let axis = epochs.iter().map(|epoch| format!("{},{epoch}\n", 8.0 * epoch));
    put(
        run.path(),
        "matrices/axis.csv",
        "step,epoch\n".to_owned() + &axis.collect::<String>(),
    );
    fs::remove_file(run.path().join("matrices/drs/test/output.npy")).unwrap();
    fs::remove_file(run.path().join("regions/pool4.npz")).unwrap();
    let wave = |i: usize, k: usize| ((i * 37 + k * 101) % 997) as f32 / 997.0;
    for (l, layer) in layers.iter().enumerate() {
        for measure in ["cka/test", "cka/train-clean", "drs/test"] {
            let values = (0..3600).map(|at| wave(at / 60, at % 60 + l)).collect();
            let array = npy_bytes(&Array::f32(&[60, 60], values));
            put(run.path(), &format!("matrices/{measure}/{layer}.npy"), array);
        }
    }
    for layer in layers.iter().map(String::as_str).chain(["output"]) {
        put_many_regions(run.path(), layer, &epochs);
    }
    let page = page_of(run.path());
    let regions = &data_of(&page)["regions"];
    assert_eq!(regions["layers"].as_array().unwrap().len(), 22);
    assert_eq!(regions["epochs"].as_array().unwrap().len(), 60);
    assert!(page.len() <= 8_000_000, "{} bytes", page.len());
    let short = &data_of(&page)["sets"][0]["layers"][4]["short"];
    assert_eq!(short, "layer5");
}

#[test]
fn one_checkpoint_makes_a_page() {
    let run = tempfile::tempdir().unwrap();
    put(run.path(), "experiment.toml", EXPERIMENT);
    put(run.path(), "history.csv", "step,epoch,test_error\n0,0,0.9\n");
    put(run.path(), "matrices/axis.csv", "step,epoch\n0,0\n");
    let one = npy_bytes(&Array::f32(&[1, 1], vec![1.0]));
    put(run.path(), "matrices/cka/test/fc.npy", one);
    let page = page_of(run.path());
    assert!(page.contains("1 checkpoint on"));
    assert!(!page.contains("NaN") && !page.contains("inf "));
}
