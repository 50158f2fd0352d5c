//! Runs that another program has recorded: `tests/reference/recording`, written by the Python
//! package (`tests/reference/make_recording.py`).

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use stratagram::array_file::{Array, NamedArrays, Values, npz_bytes, read_npy, read_npz};
use stratagram::similarity::{Estimator, cka};

const FIXTURE: &str = "tests/reference/recording";
const LAYERS: [&str; 3] = ["layer2.0", "layer10", "fc"];

struct Recorded {
    directory: tempfile::TempDir,
}

impl Recorded {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let run = directory.path().join("mine");
        fs::create_dir_all(run.join("recorded")).unwrap();
        let fixture = Path::new(FIXTURE).join("run");
        for folder in ["", "recorded"] {
            for entry in fs::read_dir(fixture.join(folder)).unwrap() {
                let from = entry.unwrap().path();
                if from.is_file() {
                    let to = run.join(folder).join(from.file_name().unwrap());
                    fs::copy(from, to).unwrap();
                }
            }
        }
        Self { directory }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join("mine").join(name)
    }

    fn stratagram(&self, arguments: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_stratagram"))
            .current_dir(self.directory.path())
            .args(arguments)
            .output()
            .unwrap()
    }

    /// The same as the recorder writes it with `probes`: of each layer a row of probes.csv and
    /// classes at the 12 points; the last layer's probe is undefined at epoch 1.
    fn with_probes() -> Self {
        let recorded = Self::new();
        let path = recorded.path("run.json");
        let manifest = fs::read_to_string(&path).unwrap();
        let with = "\"recording\": {\n    \"probes\": {\"l2\": 0.001, \"cap\": 2048},";
        fs::write(&path, manifest.replacen("\"recording\": {", with, 1)).unwrap();
        for epoch in 0..4 {
            let row = recorded.path(&format!("recorded/step-{:09}.npz", 8 * epoch));
            let mut part = read_npz(&row).unwrap();
            for (i, layer) in LAYERS.iter().enumerate() {
                let drs = format!("drs/test/{layer}");
                // Epochs 0 and 1 agree on half of each plane, 2 and 3 are the same.
                let classes = (0..12).map(|p| (p % 2) as u8 * epoch.min(2) as u8);
                part.push(drs.clone(), Array::u8(&[12], classes.collect()));
                if (i, epoch) == (2, 1) {
                    let text = Values::U8(b"a feature is NaN".to_vec());
                    part.push(format!("reason/{drs}"), Array::new(&[16], text));
                    continue;
                }
                let mut numbers = vec![f64::NAN; 14];
                numbers[..3].copy_from_slice(&[0.0, 0.001, 5.0]);
                numbers[9] = 0.25 * epoch as f64;
                part.push(
                    format!("probe/{layer}"),
                    Array::new(&[1, 14], Values::F64(numbers)),
                );
            }
            fs::write(&row, npz_bytes(&part)).unwrap();
        }
        recorded
    }

    #[track_caller]
    fn succeed(&self, arguments: &[&str]) -> String {
        let output = self.stratagram(arguments);
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments:?}: {error}");
        String::from_utf8(output.stdout).unwrap()
    }

    #[track_caller]
    fn refuse(&self, arguments: &[&str], part: &str) {
        let output = self.stratagram(arguments);
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && error.contains(part), "{error}");
    }

    fn analysis(&self) -> Vec<Vec<u8>> {
        let layers = LAYERS.iter().flat_map(|layer| {
            ["signatures", "matrices"].map(|kind| format!("{kind}/cka/test/{layer}.npy"))
        });
        let others = [
            "matrices/drs/test/output.npy",
            "matrices.csv",
            "noise.csv",
            "matrices/axis.csv",
            "phases.json",
        ];
        let files = layers.chain(others.map(String::from));
        files.map(|file| fs::read(self.path(&file)).unwrap()).collect()
    }
}

#[test]
fn recorded_signatures_are_those_of_the_analysis() {
    let recorded = Recorded::new();
    recorded.succeed(&["analyze", "mine"]);
    let activations = read_npz(&Path::new(FIXTURE).join("activations.npz")).unwrap();
    for layer in LAYERS {
        let path = recorded.path(&format!("signatures/cka/test/{layer}.npy"));
        let rows = read_npy(&path).unwrap();
        assert_eq!(rows.shape, [4, 78]);
        for (epoch, row) in rows.to_f32().chunks(78).enumerate() {
            let x = activations.get(&format!("{epoch}/{layer}")).unwrap();
            let own = cka::signature(&x.to_f32(), 12, x.shape[1], Estimator::Debiased);
            let Ok(own) = own else {
                assert!((epoch, layer) == (0, "fc") && row.iter().all(|v| v.is_nan()));
                continue;
            };
            for (a, b) in row.iter().zip(&own) {
                assert!((a - b).abs() < 1e-6, "{layer}, epoch {epoch}: {a} is not {b}");
            }
        }
    }
}

#[test]
fn a_recording_has_matrices_phases_and_a_page() {
    let recorded = Recorded::new();
    recorded.succeed(&["analyze", "mine"]);
    let axis = fs::read_to_string(recorded.path("matrices/axis.csv")).unwrap();
    assert_eq!(axis, "step,epoch\n0,0\n8,1\n16,2\n24,3\n");
    let table = fs::read_to_string(recorded.path("matrices.csv")).unwrap();
    assert!(table.contains("fc,cka,debiased,test,0,8,0,1,,,\"dead layer"), "{table}");
    // 4 rows: 10 cells of each of 4 matrices, and the header.
    assert_eq!(table.lines().count(), 41);
    let page = recorded.succeed(&["report", "mine"]);
    assert!(page.starts_with("mine/report/index.html\n"), "{page}");
    let page = fs::read_to_string(recorded.path("report/index.html")).unwrap();
    for part in [
        "Example, recorded over 3.5 epochs",
        "No probes were recorded",
        "A recording holds no pictures of decision regions",
        "no answer per example is stored. Given test=…",
        // What a recorder was given may be texts.
        "debiased linear CKA (test examples)",
    ] {
        assert!(page.contains(part), "{part}");
    }
    assert!(!page.contains("BatchNorm statistics"), "nothing is known of them");
    // Depth order is that of run.json, not the alphabet's.
    let at = |name: &str| page.find(&format!("\"name\":\"{name}\"")).unwrap();
    assert!(at("layer2.0") < at("layer10") && at("layer10") < at("fc"));
    let shown = recorded.succeed(&["show", "mine"]);
    assert!(
        shown.contains("recorded, 3 layers on 12 examples (test), 4 rows"),
        "{shown}"
    );
    assert!(shown.contains("layers: layer2.0 layer10 fc output"), "{shown}");
    assert!(recorded.succeed(&["show", "mine", "fc"]).contains("CKA of fc"));
}

/// A second run whose layer has at epoch 2 what it has in the first at epoch 3.
#[test]
fn a_layer_is_compared_with_itself_in_another_recording() {
    let recorded = Recorded::new();
    let other = recorded.directory.path().join("other");
    fs::create_dir_all(other.join("recorded")).unwrap();
    fs::copy(recorded.path("run.json"), other.join("run.json")).unwrap();
    for epoch in 0..4 {
        let row = format!("recorded/step-{:09}.npz", 8 * epoch);
        fs::copy(recorded.path(&row), other.join(&row)).unwrap();
    }
    let path = other.join("recorded/step-000000016.npz");
    let later = read_npz(&recorded.path("recorded/step-000000024.npz")).unwrap();
    let mut part = read_npz(&path).unwrap();
    let name = "cka/test/layer10";
    let place = part.0.iter().position(|(own, _)| own == name).unwrap();
    part.0[place].1 = later.get(name).unwrap().clone();
    fs::write(&path, npz_bytes(&part)).unwrap();
    recorded.succeed(&["analyze", "mine"]);
    recorded.succeed(&["analyze", "other"]);
    let shown = recorded.succeed(&["show", "mine", "layer10", "--against", "other"]);
    let values: Vec<&str> =
        shown.lines().skip(2).filter_map(|row| row.split_whitespace().nth(1)).collect();
    let matrix = read_npy(&recorded.path("matrices/cka/test/layer10.npy")).unwrap();
    let cell = format!("{:.4}", matrix.to_f32()[2 * 4 + 3]);
    assert_eq!(values, ["1.0000", "1.0000", &cell, "1.0000"], "{shown}");
    assert_ne!(cell, "1.0000");
    let drs = ["show", "mine", "layer10", "--against", "other", "--measure", "drs"];
    recorded.refuse(&drs, "is `drs`, of two recordings");
}

#[test]
fn later_rows_and_a_second_analysis_give_the_bytes_of_one() {
    let recorded = Recorded::new();
    recorded.succeed(&["analyze", "mine"]);
    let whole = recorded.analysis();
    recorded.succeed(&["analyze", "mine"]);
    assert!(recorded.analysis() == whole);
    recorded.succeed(&["analyze", "mine", "--force"]);
    assert!(recorded.analysis() == whole);
    let grown = Recorded::new();
    let last = grown.path("recorded/step-000000024.npz");
    let aside = grown.path("aside");
    fs::rename(&last, &aside).unwrap();
    grown.succeed(&["analyze", "mine"]);
    assert!(grown.analysis() != whole);
    fs::rename(&aside, &last).unwrap();
    grown.succeed(&["analyze", "mine"]);
    assert!(grown.analysis() == whole);
}

#[test]
fn probes_of_a_recording_have_rows_and_matrices() {
    let recorded = Recorded::with_probes();
    recorded.succeed(&["analyze", "mine"]);
    let table = fs::read_to_string(recorded.path("probes.csv")).unwrap();
    let rows: Vec<Vec<&str>> =
        table.lines().skip(1).map(|line| line.split(',').collect()).collect();
    let starts: Vec<_> = rows.iter().map(|row| row[..3].join(",")).collect();
    assert_eq!(rows.len(), 11, "{table}");
    assert_eq!(starts[..3], ["layer2.0,0,0", "layer10,0,0", "fc,0,0"]);
    assert!(!starts.contains(&"fc,8,1".to_string()));
    let test =
        table.lines().next().unwrap().split(',').position(|c| c == "test_accuracy");
    assert_eq!(rows.last().unwrap()[test.unwrap()], "0.75");
    let matrix = |layer: &str| {
        read_npy(&recorded.path(&format!("matrices/drs/test/{layer}.npy")))
            .unwrap()
            .to_f32()
    };
    let expected = [1.0, 0.5, 0.5, 0.5, 0.5, 1.0, 0.5, 0.5];
    assert_eq!(matrix("layer10")[..8], expected);
    assert_eq!(matrix("layer10")[8..], [0.5, 0.5, 1.0, 1.0, 0.5, 0.5, 1.0, 1.0]);
    let fc = matrix("fc");
    assert!(
        fc[4..8].iter().chain([&fc[1]]).all(|v| v.is_nan())
            && (fc[15] - 1.0).abs() < 1e-12,
        "{fc:?}"
    );
    recorded.succeed(&["report", "mine"]);
    let page = fs::read_to_string(recorded.path("report/index.html")).unwrap();
    assert!(page.contains("Accuracy of linear probes") && !page.contains("No probes"));
    let shown = recorded.succeed(&["show", "mine", "fc"]);
    assert!(shown.contains("fc"), "{shown}");
    // A probe that is of something else is refused.
    let row = recorded.path("recorded/step-000000024.npz");
    let mut part = read_npz(&row).unwrap();
    part.0.retain(|(name, _)| name != "probe/fc");
    part.push("probe/fc", Array::new(&[1, 2], Values::F64(vec![0.0; 2])));
    fs::write(&row, npz_bytes(&part)).unwrap();
    recorded.refuse(&["analyze", "mine", "--force"], "`probe/fc` of the shape [1, 2]");
}

/// Of 60 test images 60, 12, 36 and 6 are answered wrongly, the last ones of each list.
#[test]
fn answers_to_test_images_measure_a_double_descent() {
    let recorded = Recorded::new();
    let path = recorded.path("run.json");
    let manifest = fs::read_to_string(&path).unwrap();
    let with = "\"recording\": {\n    \"answers\": {\"n_images\": 60},";
    fs::write(&path, manifest.replacen("\"recording\": {", with, 1)).unwrap();
    // Classes above 255, as of a thousand.
    let label = |image: usize| 250 + (image % 20) as i64;
    let mut labels = NamedArrays::default();
    labels.push("test", Array::i64(&[60], (0..60).map(label).collect()));
    fs::write(recorded.path("labels.npz"), npz_bytes(&labels)).unwrap();
    for (epoch, wrong) in [60, 12, 36, 6].into_iter().enumerate() {
        let row = recorded.path(&format!("recorded/step-{:09}.npz", 8 * epoch));
        let mut part = read_npz(&row).unwrap();
        let answer = |image: usize| label(image) + i64::from(image >= 60 - wrong);
        let answers = Values::I64((0..60).map(answer).collect());
        part.push("agreement/test/output", Array::new(&[60], answers));
        fs::write(&row, npz_bytes(&part)).unwrap();
    }
    recorded.succeed(&["analyze", "mine"]);
    let matrix = read_npy(&recorded.path("matrices/agreement/test/output.npy")).unwrap();
    assert!((matrix.to_f32()[1] - 0.2).abs() < 1e-6, "60 and 12 wrong");
    let text = fs::read_to_string(recorded.path("findings.json")).unwrap();
    let found: serde_json::Value = serde_json::from_str(&text).unwrap();
    let descent = &found["double_descent"];
    assert_eq!((&descent["method"], &descent["n"]), (&"split halves".into(), &60.into()));
    for (key, expected) in [("rise", 0.4), ("fall", 0.5)] {
        let value = descent[key].as_f64().unwrap();
        assert!((value - expected).abs() < 1e-9, "{key}: {value}");
    }
    // Labels of other images are refused, and so is a recording without them.
    let mut labels = NamedArrays::default();
    labels.push("test", Array::i64(&[59], vec![0; 59]));
    fs::write(recorded.path("labels.npz"), npz_bytes(&labels)).unwrap();
    let refused = "does not have the labels of the recorded test images";
    recorded.refuse(&["analyze", "mine", "--force"], refused);
}

#[test]
fn classes_above_255_are_compared_whole() {
    let recorded = Recorded::new();
    for epoch in 0..4 {
        let row = recorded.path(&format!("recorded/step-{:09}.npz", 8 * epoch));
        let mut part = read_npz(&row).unwrap();
        part.0.retain(|(name, _)| name != "drs/test/output");
        // 300 and 44 have the same low byte.
        let classes = (0..12).map(|p| if p < 3 * epoch { 300 } else { 44 }).collect();
        part.push("drs/test/output", Array::new(&[12], Values::I64(classes)));
        fs::write(&row, npz_bytes(&part)).unwrap();
    }
    recorded.succeed(&["analyze", "mine"]);
    let matrix = read_npy(&recorded.path("matrices/drs/test/output.npy")).unwrap();
    assert_eq!(matrix.to_f32()[..4], [1.0, 0.75, 0.5, 0.25]);
    let stored = read_npy(&recorded.path("signatures/drs/test/output.npy")).unwrap();
    assert_eq!(stored.to_f32()[12..18], [300.0, 300.0, 300.0, 44.0, 44.0, 44.0]);
    recorded.succeed(&["report", "mine"]);
}

#[test]
fn a_recording_without_errors_has_a_page_that_says_so() {
    let recorded = Recorded::new();
    fs::write(recorded.path("history.csv"), "step,epoch\n0,0\n8,1\n16,2\n24,3\n")
        .unwrap();
    recorded.succeed(&["analyze", "mine"]);
    assert!(!recorded.path("phases.json").exists());
    recorded.succeed(&["report", "mine"]);
    let page = fs::read_to_string(recorded.path("report/index.html")).unwrap();
    assert!(page.contains("no train_error and test_error were recorded"));
    let shown = recorded.succeed(&["show", "mine"]);
    assert!(shown.contains("no curves"), "{shown}");
}

#[test]
fn what_is_wrong_in_a_recording_is_named() {
    let recorded = Recorded::new();
    let manifest = fs::read_to_string(recorded.path("run.json")).unwrap();
    let with = |from: &str, to: &str| {
        assert!(manifest.contains(from));
        fs::write(recorded.path("run.json"), manifest.replace(from, to)).unwrap();
    };
    with("\"layer10\"", "\"../layer10\"");
    recorded.refuse(&["analyze", "mine"], "cannot be a file name");
    with("\"n_examples\": 12", "\"n_examples\": 13");
    recorded.refuse(&["analyze", "mine"], "expected f32 [91]");
    with("\"debiased\"", "\"unbiased\"");
    recorded.refuse(&["analyze", "mine"], "no estimator is called `unbiased`");
    with("\"layer10\"", "\"layer11\"");
    recorded.refuse(&["analyze", "mine"], "holds no `cka/test/layer11`");
    with("\"fc\"", "\"fc\"");
    recorded
        .refuse(&["train", "--from", "mine@1"], "a recording, which has no experiment");
    let row = recorded.path("recorded/step-000000008.npz");
    fs::write(row, b"half a row").unwrap();
    recorded.refuse(&["analyze", "mine"], "step-000000008.npz");
    fs::remove_dir_all(recorded.path("recorded")).unwrap();
    recorded.refuse(&["analyze", "mine"], "holds no recorded rows");
}

#[test]
fn a_recording_answers_what_its_rows_hold_and_says_so() {
    let recorded = Recorded::new();
    recorded.succeed(&["analyze", "mine"]);
    let before = recorded.analysis();
    recorded.succeed(&["analyze", "mine", "analysis.measures=[cka]", "--force"]);
    recorded.succeed(&["analyze", "mine", "analysis.cka.estimator=debiased"]);
    assert_eq!(recorded.analysis(), before);
    for change in [
        "analysis.measures=[cka,rsa]",
        "analysis.cka.estimator=biased",
        "analysis.layers=[fc]",
        "analysis.drs.triplets=9",
    ] {
        recorded
            .refuse(&["analyze", "mine", change], &format!("cannot answer `{change}`"));
    }
    let rsa = ["analyze", "mine", "analysis.measures=[rsa]"];
    recorded.refuse(&rsa, "cka (estimator debiased) of 3 layers on test, no activations");
    recorded.refuse(&rsa, "this needs the activations: record the training again");
    recorded.refuse(&["analyze", "mine", "analysis.measures=[x]"], "analysis.measures");
    assert_eq!(recorded.analysis(), before);
}
