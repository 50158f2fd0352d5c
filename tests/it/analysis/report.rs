//! The report on run directories made here: complete, poor, damaged and hostile ones.

use std::fs;
use std::path::Path;
use stratagram::similarity::MatrixKind;

use serde_json::Value;
use stratagram::array_file::{Array, npy_bytes};
use stratagram::report::{RunResults, figures, is_current, write};
use stratagram::run_dir::{RegionPlanes, Regions};

const EXPERIMENT: &str = r#"
seed = 3
[data]
kind = "digits"
n_train = 1000
[noise]
kind = "iid"
rate = 0.2
[net]
kind = "cnn5"
width = 4
[evaluation]
batchnorm = "recomputed"
"#;

const PHASES: &str = r#"{
  "perfect_fit": {"epoch": 3, "reason": null},
  "double_descent": {"verdict": "double descent", "min": 1, "peak": 3, "second_min": 7,
    "rise": 0.09, "fall": 0.036, "rise_threshold": 0.02, "fall_threshold": 0.01, "reason": "both exceed it",
    "error": {"min": 0.034, "peak": 0.124, "second_min": 0.088},
    "rejected": [{"epoch": 0.5, "reason": "it holds 1 row"}]}
}"#;

const HISTORY: &str = "\
step,epoch,train_error,train_error_clean,train_error_corrupted,test_error,test_error_running_bn
0,0,0.9,0.9,0.9,0.9,0.9
8,1,0.2,0.05,0.9,0.034,0.05
24,3,0,0,0,0.124,0.2
56,7,0,0,0,0.088,0.088
";

/// Epochs 0, 1, 3 and 7: on ln(1 + epoch) they are equally far apart.
const EPOCHS: [u64; 4] = [0, 1, 3, 7];

fn put(root: &Path, name: &str, bytes: impl AsRef<[u8]>) {
    let path = root.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, bytes).unwrap();
}

/// A symmetric matrix whose cell (i, j) is 1 − |i − j|/4, one of them undefined.
fn matrix(undefined: bool) -> Vec<u8> {
    let mut values: Vec<f32> =
        (0..16).map(|k: i32| 1.0 - (k / 4 - k % 4).abs() as f32 / 4.0).collect();
    if undefined {
        (values[1], values[4]) = (f32::NAN, f32::NAN);
    }
    npy_bytes(&Array::f32(&[4, 4], values))
}

/// The pictures of a layer on one plane at two epochs.
fn put_regions(root: &Path, layer: &str) {
    let planes = RegionPlanes {
        steps: vec![0, 56],
        epochs: vec![0.0, 7.0],
        side: 2,
        sources: vec![0],
        positions: vec![0],
        triplets: vec![[5, 6, 7]],
        labels: vec![[0, 1, 2]],
        corrupted: vec![[false; 3]],
        corners: vec![[0.0, 2.0, 0.0, 1.0]],
        images: vec![[[0.0, 0.0], [2.0, 0.0], [1.0, 1.0]]],
    };
    let regions = Regions {
        layer: layer.into(),
        planes,
        classes: vec![0, 1, 2, 2, 0, 1, 2, 2],
        confidence: vec![0.5; 8],
    };
    let path = root.join(format!("regions/{layer}.npz"));
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    regions.write(&path).unwrap();
    assert_eq!(Regions::read(layer.into(), &path).unwrap(), regions);
}

fn cells_table(layers: &[&str]) -> String {
    let mut table = String::from(
        "layer,measure,estimator,group,step_i,step_j,epoch_i,epoch_j,value,se,reason\n",
    );
    for layer in layers {
        let layer = layer.replace('"', "\"\"");
        table += &format!("\"{layer}\",cka,debiased,test,0,24,0,3,0.5,0.02,\n");
        table += &format!("\"{layer}\",cka,debiased,test,0,8,0,1,,,dead layer\n");
    }
    table
}

/// A figure of a run by its name.
fn figure(results: &RunResults, name: &str) -> String {
    let found = figures(results).into_iter().find(|(other, _)| other == name);
    found.unwrap_or_else(|| panic!("no figure {name}")).1
}

/// A small run with everything the report shows.
fn complete(root: &Path, layers: &[&str]) {
    put(root, "experiment.toml", EXPERIMENT);
    put(root, "run.json", r#"{"stratagram": "0.1.0", "status": "complete"}"#);
    put(root, "history.csv", HISTORY);
    put(root, "phases.json", PHASES);
    put(root, "matrices/axis.csv", "step,epoch\n0,0\n8,1\n24,3\n56,7\n");
    put(root, "matrices.csv", cells_table(layers));
    let mut probes = String::from(
        "layer,step,epoch,labels,test_accuracy,heldout_corrupted_noisy,heldout_corrupted_true\n\
         input,0,0,noisy,0.6,0.1,0.5\n",
    );
    for layer in layers {
        put(root, &format!("matrices/cka/test/{layer}.npy"), matrix(true));
        put(root, &format!("matrices/drs/test/{layer}.npy"), matrix(false));
        let quoted = layer.replace('"', "\"\"");
        for epoch in EPOCHS {
            let step = 8 * epoch;
            probes += &format!("\"{quoted}\",{step},{epoch},noisy,0.8,0.2,0.7\n");
            probes += &format!("\"{quoted}\",{step},{epoch},clean,0.9,,\n");
        }
    }
    put(root, "matrices/drs/test/output.npy", matrix(false));
    put(root, "probes.csv", probes);
    put(
        root,
        "prediction_depth.csv",
        "group,step,epoch,n,n_layers,mean,se,histogram\n\
         train-clean,0,0,4,2,1.5,0.3,0 2 2\ntrain-corrupted,0,0,4,2,2,0,0 0 4\n\
         train-clean,56,7,4,2,0.5,0.3,2 2 0\ntrain-corrupted,56,7,4,2,1.75,0.25,0 1 3\n",
    );
    put_regions(root, "output");
    put_regions(root, "pool4");
}

fn page_of(root: &Path) -> String {
    fs::read_to_string(&write(root).unwrap()[0]).unwrap()
}

fn between<'a>(text: &'a str, from: &str, to: &str) -> &'a str {
    text.split_once(from).unwrap().1.split_once(to).unwrap().0
}

fn data_of(page: &str) -> Value {
    let json =
        between(page, "<script type=\"application/json\" id=\"data\">", "</script>");
    serde_json::from_str(json).unwrap()
}

#[test]
fn a_page_is_current_until_a_file_of_it_or_the_program_changes() {
    let run = tempfile::tempdir().unwrap();
    let root = run.path();
    complete(root, &["fc"]);
    assert!(!is_current(root), "there is no page");
    let written = write(root).unwrap();
    assert!(is_current(root) && written.len() > 3);
    // What it shows, the page itself, and its figures: changed, removed, and as they were.
    let shown =
        ["history.csv", "probes.csv", "regions/pool4.npz", "matrices/cka/test/fc.npy"];
    let shown = shown.map(|name| root.join(name));
    for path in shown.iter().chain(&written) {
        let bytes = fs::read(path).unwrap();
        fs::write(path, [&bytes[..], b"\n"].concat()).unwrap();
        assert!(!is_current(root), "{} has changed", path.display());
        fs::remove_file(path).unwrap();
        assert!(!is_current(root), "{} is gone", path.display());
        fs::write(path, bytes).unwrap();
        assert!(is_current(root));
    }
    let other = root.join("matrices/cka/test/other.npy");
    fs::copy(&shown[3], &other).unwrap();
    assert!(!is_current(root), "there is a new matrix");
    fs::remove_file(other).unwrap();
    fs::write(root.join("run.json"), "{}").unwrap();
    assert!(is_current(root), "the status changes once more after the page");
    let program = concat!("stratagram ", env!("CARGO_PKG_VERSION"));
    let text = fs::read_to_string(&written[0]).unwrap();
    fs::write(&written[0], text.replace(program, "stratagram 0.0.0")).unwrap();
    assert!(!is_current(root), "another version wrote it");
}

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
fn the_page_names_the_figures_that_are_written_and_no_others() {
    let run = tempfile::tempdir().unwrap();
    complete(run.path(), &["fc", "relu1", "pool4"]);
    let mut written: Vec<String> = write(run.path()).unwrap()[1..]
        .iter()
        .map(|path| path.file_name().unwrap().to_str().unwrap().to_owned())
        .collect();
    let page = fs::read_to_string(run.path().join("report/index.html")).unwrap();
    let mut named: Vec<String> = page
        .split("<code>figures/")
        .skip(1)
        .map(|rest| rest.split_once("</code>").unwrap().0.to_owned())
        .collect();
    written.sort();
    named.sort();
    assert_eq!(named, written);
}

#[test]
fn two_writes_give_the_same_bytes() {
    let run = tempfile::tempdir().unwrap();
    complete(run.path(), &["relu1", "fc"]);
    let read = || -> Vec<Vec<u8>> {
        write(run.path()).unwrap().iter().map(|path| fs::read(path).unwrap()).collect()
    };
    assert_eq!(read(), read());
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
fn what_is_missing_is_named() {
    let run = tempfile::tempdir().unwrap();
    put(run.path(), "experiment.toml", EXPERIMENT);
    put(run.path(), "run.json", r#"{"stratagram": "0.1.0", "status": "training"}"#);
    let page = page_of(run.path());
    for reason in [
        "neither a history nor a matrix",
        "matrices/cka is absent",
        "matrices/drs is absent",
        "probes.csv is absent",
        "regions/ is absent",
        "training is not finished",
    ] {
        assert!(page.contains(reason), "{reason}");
    }
    put(run.path(), "history.csv", HISTORY);
    let page = page_of(run.path());
    assert!(page.contains("There are no matrices yet"));
}

/// A history of a double descent: the test error falls, rises and falls again.
fn descending_twice() -> String {
    let error = |epoch: i32| {
        let u = f64::from(epoch).ln_1p();
        0.05 + 0.85 * (-1.5 * u).exp() + 0.1 * (-((u - 3.0) / 0.5).powi(2)).exp()
    };
    let row = |epoch: i32| {
        let train = (0.9 - 0.03 * f64::from(epoch)).max(0.0);
        format!("{},{epoch},{train},{}\n", 8 * epoch, error(epoch))
    };
    "step,epoch,train_error,test_error\n".to_owned()
        + &(0..120).map(row).collect::<String>()
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
fn turns_are_marked_at_the_levels_of_the_curve_and_as_one_where_they_meet() {
    let run = tempfile::tempdir().unwrap();
    complete(run.path(), &["relu1"]);
    // The peak's own row is a dip of a wild curve.
    put(run.path(), "history.csv", HISTORY.replace("0.124", "0.06"));
    let circles = || {
        let figure = figure(&RunResults::read(run.path()).unwrap(), "headline");
        let circles = figure
            .split("<circle class=\"dot\"")
            .skip(1)
            .map(|circle| between(circle, "cy=\"", "\"").parse::<f64>().unwrap());
        (circles.collect::<Vec<f64>>(), figure.clone())
    };
    let (found, figure) = circles();
    let [min, peak, second] = found[..] else { panic!("{found:?}") };
    // Heights are proportional to the levels 0.034, 0.124, 0.088.
    let ratio = (min - peak) / (min - second);
    assert!((ratio - (0.124 - 0.034) / (0.088 - 0.034)).abs() < 0.02, "{found:?}");
    assert!(figure.contains(">min<") && figure.contains(">peak<"));
    let same = PHASES
        .replace("\"peak\": 3", "\"peak\": 1")
        .replace("\"peak\": 0.124", "\"peak\": 0.034");
    put(run.path(), "phases.json", same);
    let (found, figure) = circles();
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(figure.contains(">min, peak<"));
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

#[test]
fn figures_of_names_that_files_cannot_tell_apart_are_files_of_their_own() {
    let run = tempfile::tempdir().unwrap();
    complete(run.path(), &["fc"]);
    for group in ["my set", "my_set", "My_set"] {
        put(run.path(), &format!("matrices/cka/{group}/fc.npy"), matrix(false));
    }
    let written = write(run.path()).unwrap();
    let names: std::collections::BTreeSet<String> =
        written.iter().map(|path| path.to_string_lossy().to_lowercase()).collect();
    assert_eq!(names.len(), written.len(), "{written:?}");
    assert_eq!(names.iter().filter(|name| name.contains("cka-my_set")).count(), 3);
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
fn an_undefined_cell_is_hatched_and_has_its_reason() {
    let run = tempfile::tempdir().unwrap();
    complete(run.path(), &["relu1"]);
    let results = RunResults::read(run.path()).unwrap();
    let set = results.matrix_set(&MatrixKind::CKA, "test").unwrap();
    assert!(set.layers[0].value(0, 1).is_nan());
    let figure = figure(&results, "cka-test");
    assert!(figure.contains("fill=\"url(#hatch-cka-test)\""));
    assert!(figure.contains("Hatched cells are undefined"));
    let layer = &data_of(&page_of(run.path()))["sets"][0]["layers"][0];
    assert_eq!(layer["values"][1], Value::Null);
    assert_eq!(layer["reasons"], serde_json::json!([[0, 1, "dead layer"]]));
    // Row 0 of the triangle: (0,0), (0,1), (0,2) with its standard error, (0,3).
    assert_eq!(layer["values"][2], 5000);
    assert_eq!(layer["errors"][2], 200);
}

#[test]
fn cells_have_their_extent_in_log_epoch() {
    let run = tempfile::tempdir().unwrap();
    complete(run.path(), &["relu1"]);
    put(run.path(), "matrices/drs/test/relu1.npy", matrix(false));
    let results = RunResults::read(run.path()).unwrap();
    let figure = figure(&results, "drs-test");
    // Value 1/4 is the cell (0, 3) and its mirror image. The map is 104 points wide; the
    // four epochs are equally far apart, so the outer cells are a sixth of it.
    let corner = between(&figure, "<path fill=\"#3b528b\" d=\"M", "z");
    let side = 104.0;
    let (left, right) = (30.0 + side * 5.0 / 6.0, 30.0 + side);
    let numbers: Vec<f64> = corner
        .split(|c: char| c.is_ascii_alphabetic() || c == ' ')
        .filter(|text| !text.is_empty())
        .map(|text| text.parse().unwrap())
        .collect();
    let [x0, top, x1, bottom, ..] = numbers[..] else { panic!("{corner}") };
    assert!((x0 - left).abs() < 0.01 && (x1 - right).abs() < 0.01, "{corner}");
    assert!((bottom - 118.0).abs() < 0.01, "the row of epoch 0 is the lowest: {corner}");
    assert!((bottom - top - side / 6.0).abs() < 0.02, "{corner}");
}

#[test]
fn the_headline_has_cka_above_and_drs_below_the_diagonal() {
    let run = tempfile::tempdir().unwrap();
    complete(run.path(), &["relu1"]);
    put(
        run.path(),
        "matrices/cka/test/relu1.npy",
        npy_bytes(&Array::f32(&[4, 4], vec![1.0; 16])),
    );
    put(
        run.path(),
        "matrices/drs/test/relu1.npy",
        npy_bytes(&Array::f32(&[4, 4], vec![0.0; 16])),
    );
    let results = RunResults::read(run.path()).unwrap();
    for name in ["headline", "headline-wide"] {
        let figure = figure(&results, name);
        let rows = |colour: &str| -> usize {
            between(&figure, &format!("<path fill=\"{colour}\" d=\""), "\"")
                .matches('M')
                .count()
        };
        // Rows upwards: the upper triangle with the diagonal has 4, the lower one 3.
        assert_eq!((rows("#fde725"), rows("#440154")), (4, 3));
        assert!(figure.contains(">CKA</text>") && figure.contains(">DRS</text>"));
    }
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

#[test]
fn damaged_files_are_named() {
    let run = tempfile::tempdir().unwrap();
    let error = write(run.path()).unwrap_err().to_string();
    assert!(error.contains("holds no run"), "{error}");
    complete(run.path(), &["relu1"]);
    put(
        run.path(),
        "matrices/cka/test/relu1.npy",
        npy_bytes(&Array::f32(&[2], vec![0.0; 2])),
    );
    let error = write(run.path()).unwrap_err().to_string();
    assert!(error.contains("relu1.npy") && error.contains("[4, 4]"), "{error}");
    complete(run.path(), &["relu1"]);
    put(run.path(), "history.csv", "step,epoch,test_error\n0,zero,0.9\n");
    let error = write(run.path()).unwrap_err().to_string();
    assert!(error.contains("history.csv has `zero` under `epoch` in line 2"), "{error}");
}
