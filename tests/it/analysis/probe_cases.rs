//! Every solver on awkward features, against scikit-learn and PyTorch in f64
//! (`tests/oracles/probe-cases/make.py`).

use std::path::Path;
use std::process::Command;

use stratagram::array_file::{Array, NamedArrays, npz_bytes, read_npz};
use stratagram::probe::neighbours::{NEIGHBOURS, vote};
use stratagram::probe::{Design, Fit, FitOptions, Recipe, Solver};

const CASES: [&str; 8] =
    ["separable", "wide", "unbalanced", "missing", "constant", "offset", "tiny", "two"];

struct Case {
    arrays: NamedArrays,
    x: Vec<f64>,
    y: Vec<u8>,
    l2: f64,
    standardize: bool,
}

impl Case {
    fn read(name: &str) -> Self {
        let path = format!("tests/oracles/probe-cases/{name}.npz");
        let arrays = read_npz(Path::new(&path)).unwrap();
        let number = |name: &str| arrays.get(name).unwrap().to_f64()[0];
        let (x, y) = (arrays.get("X").unwrap().to_f64(), classes(&arrays, "y"));
        let (l2, standardize) = (number("l2"), number("standardize") > 0.0);
        Self { arrays, x, y, l2, standardize }
    }

    fn d(&self) -> usize {
        self.x.len() / self.y.len()
    }

    fn n_classes(&self) -> usize {
        usize::from(*self.y.iter().max().unwrap()) + 1
    }

    fn design(&self, solver: &Solver) -> Design<f64> {
        let prepare =
            if solver.takes_batches() { Design::unrotated } else { Design::new };
        prepare(&self.x, self.y.len(), self.d(), self.standardize).unwrap()
    }

    fn options(&self, solver: Solver) -> FitOptions {
        FitOptions { l2: self.l2, tolerance: 1e-9, max_iterations: 10_000, solver }
    }

    fn fit(&self, solver: Solver) -> Fit {
        let options = self.options(solver);
        self.design(&solver).fit(&self.y, self.n_classes(), &options, None)
    }

    /// How many test examples get another class than the oracle's.
    fn differing(&self, fit: &Fit, name: &str) -> usize {
        let test = self.arrays.get("X_test").unwrap().to_f64();
        let found = fit.predict(&test, test.len() / self.d());
        found.iter().zip(classes(&self.arrays, name)).filter(|(a, b)| **a != *b).count()
    }
}

fn classes(arrays: &NamedArrays, name: &str) -> Vec<u8> {
    let values = arrays.get(name).unwrap().to_i64().unwrap();
    values.into_iter().map(|class| class as u8).collect()
}

#[test]
fn logistic_and_ridge_predict_as_scikit_learn() {
    for name in CASES {
        let case = Case::read(name);
        for (solver, oracle) in [(Solver::Logistic, "logistic"), (Solver::Ridge, "ridge")]
        {
            let fit = case.fit(solver);
            assert!(fit.converged, "{name} {oracle}");
            assert!(fit.gradient_norm < 1e-8, "{name} {oracle}: {}", fit.gradient_norm);
            assert_eq!(case.differing(&fit, oracle), 0, "{name} {oracle}");
        }
    }
}

#[test]
fn recipes_end_where_pytorch_does() {
    for name in CASES {
        let case = Case::read(name);
        let recipe = |lr| Recipe { epochs: 40, batch_size: 100_000, lr, seed: 3 };
        for (solver, oracle) in [
            (Solver::Sgd { recipe: recipe(0.05), momentum: 0.9 }, "sgd"),
            (Solver::Adam(recipe(0.01)), "adam"),
        ] {
            let fit = case.fit(solver);
            assert_eq!(fit.iterations, 40);
            assert_eq!(case.differing(&fit, oracle), 0, "{name} {oracle}");
            // W and b in the units of the fit.
            let design = case.design(&solver);
            let standard = design.standardization();
            let mut square = 0.0;
            for (row, bias) in fit.weight.chunks(case.d()).zip(&fit.bias) {
                if bias.is_finite() {
                    let moved = row.iter().zip(&standard.mean).map(|(w, m)| w * m);
                    let bias = bias + moved.sum::<f64>();
                    let w = row.iter().zip(&standard.scale).map(|(w, s)| (w * s).powi(2));
                    square += bias * bias + w.sum::<f64>();
                }
            }
            let expected = case.arrays.get(&format!("{oracle}_norm")).unwrap().to_f64();
            let relative = square.sqrt() / expected[0] - 1.0;
            assert!(relative.abs() < 1e-9, "{name} {oracle}: {relative:e}");
        }
    }
}

#[test]
fn held_out_predictions_are_those_of_five_fits() {
    for name in CASES {
        let case = Case::read(name);
        let design = case.design(&Solver::Logistic);
        let options = case.options(Solver::Logistic);
        let start = design.fit(&case.y, case.n_classes(), &options, None).probe;
        let held_out =
            design.cross_validate(&case.y, case.n_classes(), &options, 5, &start);
        assert_eq!(held_out.n_unconverged, 0, "{name}");
        assert!(held_out.predictions == classes(&case.arrays, "cross"), "{name}");
    }
}

#[test]
fn neighbours_vote_as_in_scikit_learn() {
    for name in CASES {
        let case = Case::read(name);
        let queries: Vec<usize> = (0..case.y.len()).collect();
        let found = vote(&case.x, &case.y, case.d(), &queries, NEIGHBOURS);
        assert!(found == classes(&case.arrays, "neighbours"), "{name}");
    }
}

#[test]
fn a_warm_start_predicts_as_a_cold_one_at_every_penalty() {
    for name in CASES {
        let case = Case::read(name);
        let design = case.design(&Solver::Logistic);
        let fit = |l2, warm: Option<&Fit>| {
            let options = FitOptions { l2, ..case.options(Solver::Logistic) };
            let warm = warm.map(|fit| &fit.probe);
            design.fit(&case.y, case.n_classes(), &options, warm)
        };
        let test = case.arrays.get("X_test").unwrap().to_f64();
        let predict = |fit: &Fit| fit.predict(&test, test.len() / case.d());
        let first = fit(1e-2, None);
        for l2 in [1e-4, 1e-3, 1e-1] {
            let (warm, cold) = (fit(l2, Some(&first)), fit(l2, None));
            assert!(warm.converged && cold.converged, "{name} {l2}");
            assert!(predict(&warm) == predict(&cold), "{name} {l2}");
        }
    }
}

#[test]
fn batches_are_the_same_at_any_number_of_threads_and_differ_by_seed() {
    let case = Case::read("offset");
    let run = |threads: usize, seed: u64| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let recipe = Recipe { epochs: 3, batch_size: 32, lr: 0.05, seed };
        pool.install(|| case.fit(Solver::Sgd { recipe, momentum: 0.9 }).weight)
    };
    assert!(run(1, 0) == run(2, 0));
    assert!(run(1, 0) != run(1, 1));
}

#[test]
fn many_epochs_of_small_batches_come_near_the_optimum() {
    let case = Case::read("two");
    let optimum = case.fit(Solver::Logistic).objective;
    let recipe = Recipe { epochs: 3000, batch_size: 64, lr: 0.002, seed: 1 };
    for solver in [Solver::Sgd { recipe, momentum: 0.9 }, Solver::Adam(recipe)] {
        let found = case.fit(solver).objective;
        assert!(found > optimum && found < 1.001 * optimum, "{found} {optimum}");
    }
}

#[test]
fn the_verb_fits_by_every_solver() {
    let path = "tests/oracles/probe-cases/constant.npz";
    let case = Case::read("constant");
    let folder = tempfile::tempdir().unwrap();
    let copy = folder.path().join("constant.npz");
    let mut arrays = NamedArrays::default();
    for name in ["X", "y", "X_test"] {
        let array: &Array = case.arrays.get(name).unwrap();
        arrays.push(name, array.clone());
    }
    std::fs::write(&copy, npz_bytes(&arrays)).unwrap();
    let run = |path: &str, more: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_stratagram"));
        let more = more.split_whitespace();
        let output = command.args(["probe", path, "--l2", "1e-3", "--json"]).args(more);
        output.output().unwrap()
    };
    for (solver, more) in [
        ("logistic", ""),
        ("ridge", ""),
        ("sgd", "--lr 0.05 --epochs 40 --batch-size 9999"),
        ("adam", "--lr 0.01 --epochs 40 --batch-size 9999"),
    ] {
        let more = format!("--standardize --solver {solver} {more}");
        let output = run(copy.to_str().unwrap(), &more);
        let found: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        let expected = case.arrays.get(solver).unwrap().to_i64().unwrap();
        assert_eq!(found["predictions"], serde_json::json!(expected), "{solver}");
    }
    let output = run(path, "--solver sgd --lr 0");
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.code() == Some(2) && error.contains("--lr"), "{error}");
}
