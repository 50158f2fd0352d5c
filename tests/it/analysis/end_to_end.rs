//! The whole pipeline against an independent recomputation: for small trained runs, what
//! `stratagram analyze` makes of their checkpoints is what numpy and scikit-learn make of
//! them. CKA cells, probes, their classes at 100 plane points, decision-region agreement and
//! the history's errors and losses, to 1e-4; predictions are equal.
//!
//! `tests/end_to_end/make_fixtures.py` makes the runs and the expected values, and the values
//! that four planted faults give: each must be told from the run's in every measure.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde::Deserialize;
use serde_json::{Map, Value};
use stratagram::array_file::{Array, Values, read_npy};
use tempfile::TempDir;

/// `expected.json`.
#[derive(Deserialize)]
struct Expected {
    tolerance: f64,
    /// Steps of the checkpoints; records name them by position.
    steps: Vec<u64>,
    /// Plane points whose classes are compared.
    points: Vec<usize>,
    records: Vec<Record>,
    /// What each planted fault gives instead.
    faults: BTreeMap<String, Vec<Record>>,
}

/// A recomputed value with its place: kind, layer, and the row or cell of its matrix.
#[derive(Deserialize)]
struct Record {
    kind: String,
    #[serde(default)]
    group: String,
    #[serde(default)]
    layer: String,
    #[serde(default)]
    row: usize,
    #[serde(default)]
    i: usize,
    #[serde(default)]
    j: usize,
    /// Numbers, and classes as a text of digits.
    #[serde(flatten)]
    values: Map<String, Value>,
}

/// A committed run, copied and analysed by the program.
struct Run {
    name: &'static str,
    root: TempDir,
    expected: Expected,
    /// `analysis.drs.source`, the group of the decision regions.
    source: &'static str,
}

fn fixtures(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/end_to_end").join(name)
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy(&path, &target);
        } else {
            fs::copy(&path, target).unwrap();
        }
    }
}

fn stratagram(arguments: &[&str]) {
    let output =
        Command::new(env!("CARGO_BIN_EXE_stratagram")).args(arguments).output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "stratagram {}\n{stderr}", arguments.join(" "));
}

fn read_table(path: &Path) -> Vec<BTreeMap<String, String>> {
    csv::Reader::from_path(path).unwrap().deserialize().map(Result::unwrap).collect()
}

impl Run {
    fn analysed(name: &'static str, source: &'static str) -> Self {
        let root = TempDir::new().unwrap();
        copy(&fixtures(name).join("run"), root.path());
        stratagram(&["analyze", root.path().to_str().unwrap()]);
        let text = fs::read_to_string(fixtures(name).join("expected.json")).unwrap();
        Self { name, root, expected: serde_json::from_str(&text).unwrap(), source }
    }

    fn array(&self, kind: &str, measure: &str, group: &str, layer: &str) -> Array {
        let file = format!("{kind}/{measure}/{group}/{layer}.npy");
        read_npy(&self.root.path().join(file)).unwrap()
    }

    /// The value of the cell (i, j) of a matrix.
    fn cell(&self, record: &Record) -> f64 {
        let group = if record.kind == "drs" { self.source } else { &record.group };
        let matrix = self.array("matrices", &record.kind, group, &record.layer);
        let n = self.expected.steps.len();
        assert_eq!(matrix.shape, [n, n], "{}", record.place());
        let Values::F32(values) = matrix.values else { panic!("matrices are f32") };
        let [upper, lower] =
            [(record.i, record.j), (record.j, record.i)].map(|(i, j)| values[i * n + j]);
        assert_eq!(upper.to_bits(), lower.to_bits(), "{} is symmetric", record.place());
        f64::from(upper)
    }

    /// The classes at the compared points as a text of digits.
    fn classes(&self, record: &Record) -> String {
        let classes = self.array("signatures", "drs", self.source, &record.layer);
        let Values::U8(values) = classes.values else { panic!("classes are u8") };
        let row = &values[record.row * classes.shape[1]..][..classes.shape[1]];
        self.expected.points.iter().map(|&point| row[point].to_string()).collect()
    }

    /// The numbers of a line of `probes.csv`.
    fn probe(&self, record: &Record) -> BTreeMap<String, String> {
        let step = self.expected.steps[record.row].to_string();
        let table = read_table(&self.root.path().join("probes.csv"));
        let found =
            table.into_iter().find(|l| l["layer"] == record.layer && l["step"] == step);
        found.unwrap_or_else(|| panic!("no {}", record.place()))
    }

    /// Kinds of the records that the run's own values differ from, with one line each.
    fn differences(&self, records: &[Record]) -> BTreeMap<String, Vec<String>> {
        let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for record in records.iter().filter(|record| record.kind != "history") {
            let actual: BTreeMap<String, String> = match record.kind.as_str() {
                "cka" | "drs" => [("value".into(), self.cell(record).to_string())].into(),
                "classes" => [("classes".into(), self.classes(record))].into(),
                "probe" => self.probe(record),
                kind => panic!("no kind {kind}"),
            };
            for line in record.differences(&actual, self.expected.tolerance) {
                found.entry(record.kind.clone()).or_default().push(line);
            }
        }
        found
    }

    fn assert_sound(&self) {
        let differences = self.differences(&self.expected.records);
        let lines: Vec<_> = differences.into_values().flatten().collect();
        assert!(
            lines.is_empty(),
            "{}: {} recomputed values differ (tests/end_to_end/recompute.py)\n  {}",
            self.name,
            lines.len(),
            lines.join("\n  "),
        );
        let kinds: BTreeSet<&str> =
            self.expected.records.iter().map(|record| record.kind.as_str()).collect();
        let all = ["cka", "classes", "drs", "history", "probe"];
        assert_eq!(kinds, all.into(), "every measure was recomputed");
    }

    /// Each fault differs from the run in every measure.
    fn assert_faults_show(&self) {
        let faults: Vec<_> = self.expected.faults.keys().map(String::as_str).collect();
        let all = ["epoch-off", "neighbour-layer", "permuted-rows", "train-mode"];
        assert_eq!(faults, all);
        for (fault, records) in &self.expected.faults {
            let differences = self.differences(records);
            let kinds: Vec<_> = differences.keys().map(String::as_str).collect();
            assert_eq!(
                kinds,
                ["cka", "classes", "drs", "probe"],
                "{}: {fault}",
                self.name
            );
        }
    }

    /// Training that starts from a checkpoint first records the errors of that checkpoint.
    fn assert_history(&self) {
        for record in self.expected.records.iter().filter(|r| r.kind == "history") {
            let step = self.expected.steps[record.row];
            let weights = fixtures(self.name)
                .join(format!("run/checkpoints/step-{step:09}.safetensors"));
            let out = TempDir::new().unwrap();
            let experiment = fixtures(&format!("{}.toml", self.name));
            stratagram(&[
                "train",
                experiment.to_str().unwrap(),
                &format!("init.weights={:?}", weights.to_str().unwrap()),
                "train.epochs=1",
                "train.checkpoints=[0, 1]",
                "train.history=[0, 1]",
                "--out",
                out.path().join("run").to_str().unwrap(),
            ]);
            let history = read_table(&out.path().join("run/history.csv"));
            let lines = record.differences(&history[0], self.expected.tolerance);
            assert!(lines.is_empty(), "{}\n  {}", self.name, lines.join("\n  "));
        }
    }
}

impl Record {
    fn place(&self) -> String {
        let Self { kind, group, layer, row, i, j, .. } = self;
        match kind.as_str() {
            "cka" | "drs" => format!("{kind} {group} {layer} [{i}, {j}]"),
            _ => format!("{kind} {layer} row {row}"),
        }
    }

    /// One line for each value that differs: numbers by more than `tolerance`, text at all.
    fn differences(
        &self,
        actual: &BTreeMap<String, String>,
        tolerance: f64,
    ) -> Vec<String> {
        let differs = |(key, expected): &(&String, &Value)| {
            let actual = &actual[*key];
            match expected {
                Value::String(text) => actual != text,
                number => {
                    let difference =
                        actual.parse::<f64>().unwrap() - number.as_f64().unwrap();
                    difference.is_nan() || difference.abs() > tolerance
                }
            }
        };
        assert!(!self.values.is_empty(), "{} compares something", self.place());
        let line = |(key, expected)| {
            format!("{}: {key} is {}, recomputed {expected}", self.place(), actual[key])
        };
        self.values.iter().filter(differs).map(line).collect()
    }
}

#[test]
fn a_cnn5_run_is_what_an_independent_recomputation_gives() {
    let run = Run::analysed("cnn5", "test");
    run.assert_sound();
    run.assert_faults_show();
    run.assert_history();
}

#[test]
fn a_resnet18_run_is_what_an_independent_recomputation_gives() {
    let run = Run::analysed("resnet18", "train");
    run.assert_sound();
    run.assert_faults_show();
    run.assert_history();
}
