//! Findings against the golden values of a numpy reference (`tests/oracles/findings`).

use serde_json::Value;
use stratagram::findings::Matrix;
use stratagram::findings::axis::{
    cut_times, log_time, used_checkpoints, weights, windows,
};
use stratagram::findings::boundaries::{Bursts, PowerLaws, Schedule, Steps, bursts};
use stratagram::findings::contrast::{
    Distinctness, best_blocks, block_contrast, drift_matrix, visible_contrast,
};
use stratagram::findings::convergence::settled;
use stratagram::findings::curves::{
    Speedometer, diffusion_factor, jitter2, log_speed, roughness2,
};
use stratagram::findings::defaults::H;
use stratagram::findings::halves::{MeanOverImages, peak_of, rise_and_fall};
use stratagram::findings::movement::{depth_contrast, movement};
use stratagram::findings::perfect_fit::Drops;
use stratagram::findings::seeds::{
    equivalent_p, flip_interval, flip_p, holm, jackknife, split_p, verdict,
};
use stratagram::findings::series::{falling, null_fit, peaks, rising, valley_fit};
use stratagram::findings::surrogates::{PathModel, persistence};
use stratagram::findings::synchrony::{asynchrony, coherence, residual, shares};

fn golden() -> Value {
    serde_json::from_str(include_str!("../../oracles/findings/golden.json")).unwrap()
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect()
}

fn rows(value: &Value) -> Vec<Vec<f64>> {
    value.as_array().unwrap().iter().map(numbers).collect()
}

fn positions(value: &Value) -> Vec<usize> {
    value.as_array().unwrap().iter().map(|v| v.as_u64().unwrap() as usize).collect()
}

/// Numbers within 1e-9·max(1, |expected|).
#[track_caller]
fn assert_close(name: &str, found: &[f64], expected: &Value) {
    let expected = match expected {
        Value::Array(_) => numbers(expected),
        one => vec![one.as_f64().unwrap()],
    };
    assert_eq!(found.len(), expected.len(), "length of {name}");
    for (i, (found, expected)) in found.iter().zip(&expected).enumerate() {
        let off = (found - expected).abs();
        assert!(
            off <= 1e-9 * expected.abs().max(1.0),
            "{name}[{i}]: {found}, not {expected}"
        );
    }
}

/// One of the golden matrices and what is derived from it.
struct Case {
    golden: Value,
    name: String,
    epoch: Vec<f64>,
    x: Vec<f64>,
    s: Matrix,
    d2: Matrix,
}

fn cases() -> Vec<Case> {
    let all = golden();
    let matrices = all["matrices"].as_array().unwrap().iter();
    matrices
        .map(|golden| {
            let epoch = numbers(&golden["epoch"]);
            let s = Matrix::new(epoch.len(), rows(&golden["S"]).concat());
            let name = golden["name"].as_str().unwrap().to_string();
            let (x, d2) = (log_time(&epoch), s.distances());
            Case { golden: golden.clone(), name, epoch, x, s, d2 }
        })
        .collect()
}

impl Case {
    #[track_caller]
    fn close(&self, key: &str, found: &[f64]) {
        self.close_at(key, found, &self.golden[key]);
    }

    #[track_caller]
    fn close_at(&self, key: &str, found: &[f64], expected: &Value) {
        assert_close(&format!("{} {key}", self.name), found, expected);
    }

    fn fluctuations(&self, key: &str) -> Vec<Vec<f64>> {
        rows(&self.golden[key])
    }

    fn log_speed(&self) -> Vec<f64> {
        let hurst = persistence(&self.d2, &self.x);
        log_speed(&Speedometer::new(&self.x, H, hurst).speed2(&self.d2))
    }
}

#[test]
fn axis_and_curves() {
    for case in cases() {
        let (x, d2) = (&case.x, &case.d2);
        case.close("x", x);
        case.close("weights", &weights(x));
        let windows = windows(x, H, 2);
        let expected: Vec<Vec<usize>> =
            case.golden["windows"].as_array().unwrap().iter().map(positions).collect();
        let found: Vec<Vec<usize>> =
            windows.iter().map(|w| vec![w.start, w.cut, w.end]).collect();
        assert_eq!(found, expected, "{}", case.name);
        case.close("cut_times", &cut_times(x, &windows));
        let straight = Speedometer::new(x, H, 1.0).speed2(d2);
        case.close("v2", &straight);
        case.close("log_speed_plain", &log_speed(&straight));
        let hurst = persistence(d2, x);
        case.close("hurst", &[hurst]);
        case.close("v2_hurst", &Speedometer::new(x, H, hurst).speed2(d2));
        case.close("log_speed", &case.log_speed());
        case.close("roughness2", &roughness2(d2, x));
        case.close("diffusion_factor", &diffusion_factor(x));
        case.close("jitter2", &jitter2(d2, x));
        case.close("settled_epoch_0_9", &[settled(&case.s, &case.epoch, 0.9).epoch]);
        let moved = movement(&case.s, x, 1_f64.ln_1p(), 20_f64.ln_1p());
        case.close("movement_1_20", &[moved]);
    }
    let axis = &golden()["axis"];
    let epoch = numbers(&axis["epoch"]);
    let undefined = positions(&axis["undefined"]);
    let defined: Vec<bool> = (0..epoch.len()).map(|i| !undefined.contains(&i)).collect();
    assert_eq!(used_checkpoints(&epoch, &defined), positions(&axis["kept"]));
}

#[test]
fn path_models() {
    for case in cases() {
        let model = PathModel::of(&case.d2, &case.x);
        let golden = &case.golden["model"];
        case.close_at("tau2", &model.jitter2, &golden["tau2"]);
        for (i, row) in golden["cov"].as_array().unwrap().iter().enumerate() {
            case.close_at("cov", model.covariance.row(i), row);
        }
        let dimensions = [model.drift_dimension, model.jitter_dimension];
        assert_eq!(
            dimensions.map(Value::from),
            [&golden["d1"], &golden["d"]].map(Value::clone)
        );
    }
}

#[test]
fn bursts_and_their_nulls() {
    for case in cases() {
        let y = case.log_speed();
        let found = peaks(&y);
        let expected = rows(&case.golden["peaks"]);
        assert_eq!(found.len(), expected.len());
        for (peak, expected) in found.iter().zip(&expected) {
            assert_eq!(peak.at as f64, expected[0]);
            assert!((peak.prominence - expected[1]).abs() < 1e-9);
        }
        case.close("valley_fit", &valley_fit(&y));
        case.close("null_fit_first_peak", &null_fit(&y, &[found[0].at]));
        let Bursts { accepted, rejected } = bursts(&y, &case.fluctuations("yfl"), 0.1, 4);
        let golden = &case.golden["bursts_alpha_0_1"];
        let flat = |b: &stratagram::findings::boundaries::Burst| {
            [b.cut as f64, b.prominence, b.p]
        };
        let expected = rows(&golden["accepted"]);
        assert_eq!(accepted.len(), expected.len(), "{}", case.name);
        for (burst, expected) in
            accepted.iter().zip(golden["accepted"].as_array().unwrap())
        {
            case.close_at("accepted", &flat(burst), expected);
        }
        case.close_at("rejected", &flat(&rejected.unwrap()), &golden["rejected"]);
    }
}

#[test]
fn settlings_and_drops() {
    for case in cases() {
        let (x, d2) = (&case.x, &case.d2);
        let laws = PowerLaws::new(&x[1..x.len() - 1], &diffusion_factor(x));
        case.close("power_fit", &laws.fit(&roughness2(d2, x)));
        let steps = Steps::of(d2, x, &case.fluctuations("zfl"));
        let (found, golden) = (steps.settling(), &case.golden["settling"]);
        case.close_at("settling time", &[found.time], &golden["time"]);
        case.close_at("settling step", &[found.step], &golden["step"]);
        case.close_at("settling p", &[found.p], &golden["p"]);
        let at = case.golden["perfect_fit_epoch"].as_f64().unwrap().ln_1p();
        let (drop, golden) = (Drops::of(d2, x).drop_at(at), &case.golden["drop_at"]);
        case.close_at("drop", &[drop.drop], &golden["step"]);
        case.close_at("rank", &[drop.rank], &golden["rank"]);
        case.close_at("steepest", &[drop.offset + at], &golden["steepest"]);
        let found =
            Distinctness::of(&case.log_speed(), &case.fluctuations("yfl"), &steps);
        let golden = &case.golden["distinctness"];
        case.close_at("Λ burst", &[found.burst], &golden["burst"]);
        case.close_at("Λ step", &[found.step], &golden["step"]);
    }
    let schedule = &golden()["schedule"];
    let rates = Schedule::new(&numbers(&schedule["epoch"]), &numbers(&schedule["lr"]));
    let step = rates.step_at(schedule["at_epoch"].as_f64().unwrap().ln_1p());
    assert_close("schedule_step", &[step.unwrap()], &schedule["value"]);
}

#[test]
fn visible_contrasts() {
    for case in cases() {
        let (x, s) = (&case.x, &case.s);
        let drift = drift_matrix(s, x);
        case.close("drift_matrix_row0", drift.row(0));
        let golden = &case.golden["visible"];
        let (best, edges) = best_blocks(s, x).unwrap();
        assert_eq!(edges.to_vec(), positions(&golden["edges"]), "{}", case.name);
        case.close_at("D", &[best], &golden["D"]);
        let visible = visible_contrast(s, x).unwrap();
        case.close_at("D₀", &[visible.drift], &golden["D0"]);
        case.close_at("X", &[visible.excess], &golden["X"]);
        let golden = &case.golden["visible_given"];
        let edges = positions(&golden["edges"]);
        case.close_at("D given", &[block_contrast(s, x, &edges)], &golden["D"]);
        case.close_at("D₀ given", &[block_contrast(&drift, x, &edges)], &golden["D0"]);
    }
}

#[test]
fn series() {
    let golden = &golden()["series"];
    let y = numbers(&golden["y"]);
    let flat: Vec<f64> =
        peaks(&y).iter().flat_map(|peak| [peak.at as f64, peak.prominence]).collect();
    assert_eq!(flat, rows(&golden["peaks"]).concat());
    assert_close("falling", &falling(&y), &golden["falling"]);
    assert_close("rising", &rising(&y), &golden["rising"]);
    assert_close("valley_fit", &valley_fit(&y), &golden["valley_fit"]);
    assert_close("null_fit 7", &null_fit(&y, &[7]), &golden["null_fit_7"]);
    assert_close("null_fit 1, 7", &null_fit(&y, &[1, 7]), &golden["null_fit_1_7"]);
}

#[test]
fn layers_of_a_run() {
    let golden = &golden()["layers"];
    let (v2, times) = (rows(&golden["v2"]), numbers(&golden["cut_times"]));
    for (v2, expected) in v2.iter().zip(golden["shares"].as_array().unwrap()) {
        assert_close("shares", &shares(v2, &times), expected);
    }
    let layers: Vec<&[f64]> = v2.iter().map(Vec::as_slice).collect();
    assert_close("asynchrony", &[asynchrony(&layers, &times)], &golden["asynchrony"]);
    let residuals: Vec<Vec<f64>> =
        v2.iter().map(|v2| residual(&log_speed(v2), &times).unwrap()).collect();
    assert_close("coherence", &[coherence(&residuals)], &golden["coherence"]);
    let contrast = &golden["depth_contrast"];
    let found = depth_contrast(&numbers(&contrast["A"]));
    assert_close("depth_contrast", &[found], &contrast["value"]);
}

#[test]
fn double_descent_by_halves() {
    let golden = &golden()["double_descent"];
    let wrong: Vec<Vec<bool>> = rows(&golden["wrong"])
        .iter()
        .map(|row| row.iter().map(|&wrong| wrong > 0.0).collect())
        .collect();
    let error = numbers(&golden["error"]);
    assert_eq!(peak_of(&error).to_vec(), positions(&golden["peak_of_whole"]));
    let halves: Vec<Vec<usize>> =
        golden["halves"].as_array().unwrap().iter().map(positions).collect();
    let epoch = numbers(&golden["epoch"]);
    let found = rise_and_fall(&wrong, &[&wrong], &epoch, &halves);
    let [rise, fall] = [&found[0].rise, &found[0].fall].map(|d| MeanOverImages::of(d));
    assert_close("rise", &[rise.mean], &golden["rise"]);
    assert_close("fall", &[fall.mean], &golden["fall"]);
    assert_close("se_rise", &[rise.se], &golden["se_rise"]);
    assert_close("se_fall", &[fall.se], &golden["se_fall"]);
}

#[test]
fn seeds() {
    let golden = &golden()["seeds"];
    let (d8, d5) = (numbers(&golden["d8"]), numbers(&golden["d5"]));
    let negative: Vec<f64> = d8.iter().map(|d| -d).collect();
    assert_close("flip_p", &[flip_p(&d8, 0.0)], &golden["flip_p"]);
    assert_close("against", &[flip_p(&negative, 0.0)], &golden["flip_p_against"]);
    assert_close("interval", &flip_interval(&d8).unwrap(), &golden["interval"]);
    assert_close("equivalent", &[equivalent_p(&d8, 0.05)], &golden["equivalent_p_0_05"]);
    assert_close("flip_p 5", &[flip_p(&d5, 0.0)], &golden["flip_p_d5"]);
    assert_eq!(flip_interval(&d5), None);
    assert!(golden["interval_d5"].is_null());
    let groups = &golden["two_groups"];
    let p = split_p(&numbers(&groups["a"]), &numbers(&groups["b"]), 0.0);
    assert_close("split_p", &[p], &groups["p"]);
    let family = &golden["holm"];
    assert_close("holm", &holm(&numbers(&family["p"])), &family["adjusted"]);
    let se = jackknife(&numbers(&golden["jackknife"]["t"])).unwrap();
    assert_close("jackknife", &[se], &golden["jackknife"]["se"]);
    for case in golden["verdicts"].as_array().unwrap() {
        let d = numbers(&case[0]);
        let negative: Vec<f64> = d.iter().map(|d| -d).collect();
        let p = [flip_p(&d, 0.0), flip_p(&negative, 0.0)];
        let found = verdict(&d, case[1].as_f64().unwrap(), p);
        assert_eq!(found.name(), case[2].as_str().unwrap(), "{d:?}");
    }
}
