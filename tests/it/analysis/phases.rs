//! Phases: the command against values computed by brute force, and how often the detectors
//! err on curves of known shape.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use serde_json::Value;
use stratagram::phases::{Curves, Phases, Verdict};

fn oracles() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/oracles/phases")
}

fn phases_of(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_stratagram"))
        .arg("phases")
        .args(arguments)
        .output()
        .expect("the program starts")
}

/// Asserts that every value of `expected` is in `actual`, numbers to 1e-12.
fn assert_contains(actual: &Value, expected: &Value, place: &str) {
    match expected {
        Value::Object(members) => {
            for (key, value) in members {
                let found = actual.get(key).unwrap_or(&Value::Null);
                assert_contains(found, value, &format!("{place}.{key}"));
            }
        }
        Value::Array(items) => {
            for (i, item) in items.iter().enumerate() {
                assert_contains(&actual[i], item, &format!("{place}[{i}]"));
            }
        }
        Value::Number(number) => {
            let (expected, actual) = (number.as_f64().unwrap(), actual.as_f64());
            let close = actual.is_some_and(|a| (a - expected).abs() <= 1e-12);
            assert!(close, "{place} is {actual:?}, expected {expected}");
        }
        other => assert_eq!(actual, other, "{place}"),
    }
}

#[test]
fn phases_agree_with_brute_force() {
    let text = std::fs::read_to_string(oracles().join("expected.json")).unwrap();
    let expected: Value = serde_json::from_str(&text).unwrap();
    let curves = expected.as_object().unwrap();
    assert_eq!(curves.len(), 16);
    for (name, expected) in curves {
        let path = oracles().join(format!("{name}.csv"));
        let output = phases_of(&[path.to_str().unwrap(), "--json"]);
        assert!(output.status.success(), "{name}: {output:?}");
        let actual: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_contains(&actual, expected, name);
    }
}

#[test]
fn the_json_begins_with_the_fields_of_the_contract() {
    let path = oracles().join("digits-like.csv");
    let output = phases_of(&[path.to_str().unwrap(), "--json"]);
    let value: Value = serde_json::from_slice(&output.stdout).unwrap();
    let keys =
        |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(keys(&value), ["perfect_fit", "double_descent", "axis", "notes"]);
    assert_eq!(keys(&value["perfect_fit"])[0], "epoch");
    assert_eq!(
        keys(&value["double_descent"])[..6],
        ["verdict", "min", "peak", "second_min", "rise", "fall"]
    );
    // Whole epochs are written without a fraction.
    assert_eq!(value["double_descent"]["min"].to_string(), "4");
}

#[test]
fn sentences_tell_the_curve() {
    let path = oracles().join("digits-like.csv");
    let output = phases_of(&[path.to_str().unwrap()]);
    let text = String::from_utf8(output.stdout).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(
        lines[0],
        "perfect fit at epoch 38 (train error ≤ 0.001); corrupted labels fitted at epoch 62"
    );
    assert_eq!(
        lines[1],
        "test error falls to about 0.044 (epoch 4), rises to about 0.153 (epoch 26), falls to \
         about 0.089 (epoch 164): double descent at the perfect fit"
    );
    // A log that never fits to 0.1 % has no perfect fit, but a training error of 1 %.
    let path = oracles().join("logs/min_smooth.csv");
    let text = String::from_utf8(phases_of(&[path.to_str().unwrap()]).stdout).unwrap();
    assert!(text.starts_with("no perfect fit: "), "{text}");
    assert!(
        text.contains("double descent where the training error reaches 1 %\n"),
        "{text}"
    );
}

#[test]
fn bad_logs_are_refused_with_place_and_fix() {
    let directory = tempfile::tempdir().unwrap();
    let cases = [
        ("epoch,loss\n1,2\n", "has no column `test_error`; it has epoch, loss"),
        (
            "epoch,train_error,test_error\n1,.5,.5\n2,high,.5\n",
            "has `high` under `train_error` in line 3; expected a number",
        ),
    ];
    for (text, message) in cases {
        let path = directory.path().join("log.csv");
        std::fs::write(&path, text).unwrap();
        let output = phases_of(&[path.to_str().unwrap()]);
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{text}: {stderr}");
        assert!(stderr.contains(message), "{text:?} gives {stderr}");
        assert!(stderr.contains("log.csv"), "{stderr}");
        assert!(output.stdout.is_empty());
    }
    let output = phases_of(&["no-such-log.csv"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8(output.stderr).unwrap().contains("cannot be read"));
}

/// Independent standard normal numbers.
pub(super) struct Normal(pub(super) ChaCha8Rng);

impl Normal {
    pub(super) fn draw(&mut self) -> f64 {
        // Box-Muller; 1 − u keeps the logarithm's argument above 0.
        let mut uniform = || (self.0.next_u64() >> 11) as f64 / (1u64 << 53) as f64;
        let (u, v) = (1.0 - uniform(), uniform());
        (-2.0 * u.ln()).sqrt() * (std::f64::consts::TAU * v).cos()
    }
}

/// The logged epochs of `history = "auto"`: every epoch to 100, then ⌊100·1.02^i⌋.
fn auto_epochs(last: f64) -> Vec<f64> {
    let tail = (1..).map(|i| (100.0 * 1.02f64.powi(i)).floor());
    let mut epochs: Vec<f64> =
        (0..=100).map(f64::from).chain(tail.take_while(|&t| t <= last)).collect();
    epochs.dedup();
    epochs
}

/// The epochs of `checkpoints = "log-spaced"`: 0…10, then ⌊10·1.12^i⌋ without repeats.
pub(super) fn log_spaced(last: f64) -> Vec<f64> {
    let tail = (1..).map(|i| (10.0 * 1.12f64.powi(i)).floor());
    let mut epochs: Vec<f64> =
        (0..=10).map(f64::from).chain(tail.take_while(|&t| t <= last)).collect();
    epochs.dedup();
    epochs
}

/// Verdicts of 500 noisy versions of a test error over `epochs`; the training loss has a
/// noise of 10 % of its value.
fn verdicts(
    epochs: &[f64],
    sigma: f64,
    test: impl Fn(f64) -> f64,
    loss: impl Fn(f64) -> f64,
) -> Vec<Verdict> {
    let one = |seed: u64| {
        let mut normal = Normal(ChaCha8Rng::seed_from_u64(seed));
        let noisy: Vec<f64> = epochs
            .iter()
            .map(|&t| (test(t) + sigma * normal.draw()).clamp(0., 1.))
            .collect();
        let loss = epochs.iter().map(|&t| loss(t) * (0.1 * normal.draw()).exp());
        let train = epochs.iter().map(|t| (-t / 15.0).exp()).collect();
        let curves = Curves::new(epochs.to_vec(), train, noisy)
            .unwrap()
            .with_train_loss(loss.collect());
        Phases::of(&curves).double_descent.verdict.unwrap()
    };
    (0..500).map(one).collect()
}

pub(super) fn share(verdicts: &[Verdict], wanted: Verdict) -> f64 {
    verdicts.iter().filter(|&&v| v == wanted).count() as f64 / verdicts.len() as f64
}

/// e^(−((ln(1+t) − ln(1+centre))/width)²).
fn bell(t: f64, centre: f64, width: f64) -> f64 {
    (-((t.ln_1p() - centre.ln_1p()) / width).powi(2)).exp()
}

/// Of 18 settings of 500 curves each the worst has about 2 % (σ = 0.02 around a plateau that
/// is reached within 3 epochs, where windows of one row smooth nothing).
#[test]
fn noise_around_a_decay_is_hardly_ever_a_double_descent() {
    for sigma in [0.002, 0.005, 0.02] {
        for scale in [1.5, 6.0, 40.0] {
            for epochs in [auto_epochs(400.0), auto_epochs(4000.0)] {
                let decay = |t: f64| 0.1 + 0.8 * (-t / scale).exp();
                let rate = share(
                    &verdicts(&epochs, sigma, decay, fitting),
                    Verdict::DoubleDescent,
                );
                assert!(rate <= 0.05, "σ {sigma}, decay over {scale}: {rate}");
            }
        }
    }
}

/// Measured over 36 settings of 500 curves each: the least shares are those of peaks at epoch
/// 20 of log-spaced rows, where few rows tell the noise. The training loss falls through the
/// peak, so none may become an instability.
#[test]
fn planted_double_descents_are_found() {
    for (sigma, height, least) in
        [(0.002, 0.03, 0.9), (0.005, 0.04, 0.7), (0.01, 0.08, 0.8)]
    {
        for centre in [20.0, 40.0, 150.0] {
            for epochs in [auto_epochs(2000.0), log_spaced(2000.0)] {
                for scale in [15.0, 60.0] {
                    let test = |t: f64| {
                        0.1 + 0.8 * (-t / 1.5).exp() + height * bell(t, centre, 0.5)
                    };
                    let loss = |t: f64| 2.3 * (-t / scale).exp();
                    let verdicts = verdicts(&epochs, sigma, test, loss);
                    let rate = share(&verdicts, Verdict::DoubleDescent);
                    assert!(
                        rate >= least,
                        "σ {sigma}, height {height} at {centre}: {rate}"
                    );
                }
            }
        }
    }
}

/// 500 curves in each of 12 settings; of the noisiest with a bump at epoch 20, 1.2 % are called
/// a double descent.
#[test]
fn a_bump_of_the_training_loss_is_no_double_descent() {
    for sigma in [0.002, 0.01] {
        for centre in [20.0, 60.0, 300.0] {
            for epochs in [auto_epochs(2000.0), log_spaced(2000.0)] {
                let test =
                    |t: f64| 0.1 + 0.8 * (-t / 1.5).exp() + 0.1 * bell(t, centre, 0.3);
                let loss = |t: f64| 2.3 * (-t / 4.0).exp() + 0.4 * bell(t, centre, 0.3);
                let verdicts = verdicts(&epochs, sigma, test, loss);
                let (double, unstable) = (
                    share(&verdicts, Verdict::DoubleDescent),
                    share(&verdicts, Verdict::Instability),
                );
                assert!(double <= 0.02, "σ {sigma}, at {centre}: {double}");
                assert!(unstable >= 0.9, "σ {sigma}, at {centre}: {unstable}");
            }
        }
    }
}

/// Reduced from public logs: a wild row at epoch 5, a wobble at epochs 8 to 11, a u-shape.
#[test]
fn one_wild_row_does_not_hide_what_a_log_shows() {
    let phases = |name: &str| {
        let path = oracles().join(format!("logs/min_{name}.csv"));
        Phases::of(&stratagram::run_dir::read_curves(&path).unwrap()).double_descent
    };
    let smooth = phases("smooth");
    assert_eq!(smooth.verdict, Some(Verdict::DoubleDescent));
    assert!(smooth.rejected.is_empty());
    let spike = phases("spike");
    assert_eq!(spike.verdict, Some(Verdict::DoubleDescent));
    let points = |found: &stratagram::phases::DoubleDescent| {
        [found.min, found.peak, found.second_min]
    };
    assert_eq!(points(&spike), [Some(31.0), Some(115.0), Some(299.0)]);
    assert_eq!(points(&smooth), points(&spike));
    assert_eq!(spike.rejected.iter().map(|peak| peak.epoch).collect::<Vec<_>>(), [5.0]);
    for name in ["u", "u_spike"] {
        assert_eq!(phases(name).verdict, Some(Verdict::UShape), "{name}");
    }
    for name in ["mono", "wobble"] {
        assert_eq!(phases(name).verdict, Some(Verdict::Monotone), "{name}");
    }
}

#[test]
fn a_log_of_400_000_rows_takes_no_quadratic_time() {
    let epoch: Vec<f64> = (0..400_000).map(|row| f64::from(row) / 1000.0).collect();
    let bumpy = |t: f64| 0.1 + 0.5 * (-t).exp() + 0.1 * bell(t, 40.0, 0.4);
    let wobble = |t: f64| bumpy(t) + 0.02 * (t * 1e6).sin();
    let test: Vec<f64> = epoch.iter().map(|&t| wobble(t)).collect();
    let train: Vec<f64> = epoch.iter().map(|t| (-t / 15.0).exp()).collect();
    let curves = Curves::new(epoch, train, test).unwrap();
    let start = std::time::Instant::now();
    let found = Phases::of(&curves).double_descent;
    // 0.3 s alone on a slow core; quadratic time was 23 s.
    assert!(start.elapsed().as_secs() < 8, "{:?}", start.elapsed());
    assert_eq!(found.verdict, Some(Verdict::DoubleDescent), "{}", found.reason);
}

/// A training loss that falls to interpolation.
fn fitting(epoch: f64) -> f64 {
    2.3 * (-epoch / 15.0).exp()
}
