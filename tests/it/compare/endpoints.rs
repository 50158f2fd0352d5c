//! Endpoints of runs whose matrices are known in closed form.

use std::f64::consts::LN_2;
use std::fs;
use std::path::Path;

use stratagram::compare::{ComparisonFile, Finding, compare};

use super::fixture::{EPOCHS, Planted, write_file};

/// What a file's statements find.
fn found(root: &Path, text: &str) -> Vec<Finding> {
    let file = ComparisonFile::read(&write_file(root, text)).unwrap();
    compare(&file).unwrap_or_else(|error| panic!("{error}")).statements
}

/// Mean of |xᵢ − xⱼ| over pairs of checkpoints from one epoch to another, weighted by the
/// trapezoid weights of the whole axis: on a circle of speed v, movement is v times this.
fn mean_distance(from: f64, to: f64) -> f64 {
    let x: Vec<f64> = EPOCHS.iter().map(|epoch| epoch.ln_1p()).collect();
    let n = x.len();
    let width = |i: usize| {
        let left = if i > 0 { x[i] - x[i - 1] } else { 0.0 };
        let right = if i + 1 < n { x[i + 1] - x[i] } else { 0.0 };
        f64::midpoint(left, right)
    };
    let inside: Vec<usize> =
        (0..n).filter(|&i| EPOCHS[i] >= from && EPOCHS[i] <= to).collect();
    let (mut sum, mut all) = (0.0, 0.0);
    for &i in &inside {
        for &j in inside.iter().filter(|&&j| j > i) {
            sum += width(i) * width(j) * (x[j] - x[i]);
            all += width(i) * width(j);
        }
    }
    sum / all
}

/// A run whose layers move with these speeds.
fn moving(seed: u64, speeds: [f64; 4]) -> Planted {
    let mut run = Planted::of_seed(seed);
    for (layer, speed) in run.layers.iter_mut().zip(speeds) {
        layer.speed = speed;
    }
    run
}

/// Noise raises the speed of the deepest layer; the control's window is that of the run with
/// descent.
#[test]
fn p1_is_the_contrast_in_the_window_of_the_descent_and_its_slope() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path();
    for seed in 0..6 {
        let bump = 0.01 * seed as f64;
        for (name, noise, deep) in
            [("n0", 0.0, 0.2), ("n10", 0.1, 0.25), ("n20", 0.2, 0.3), ("n40", 0.4, 0.4)]
        {
            let mut run = moving(seed, [0.1, 0.1, 0.1, deep + bump]);
            run.settings = vec![format!("noise.rate={noise}")];
            run.descent = Some([0.5 * noise + 0.02, 0.02]);
            run.write(&root.join(format!("{name}-{seed}")));
        }
        let mut without = moving(seed, [0.1, 0.1, 0.1, 0.2]);
        without.descent = None;
        without.settings = vec!["optimizer.lr=0.01".into()];
        // Its own turns are of no account.
        without.turns = [2.0, 8.0, 27.0];
        without.write(&root.join(format!("without-{seed}")));
    }
    let text = "differ = 'optimizer.lr'\n[arms]\nn0 = 'n0-*'\nn10 = 'n10-*'\nn20 = 'n20-*'\n\
        n40 = 'n40-*'\nwithout = 'without-*'\n[[statements]]\nid = 'P1'\nplus = 'n20'\n\
        minus = 'without'\narms = ['n0', 'n10', 'n20', 'n40']\n";
    let p1 = &found(root, text)[0];
    let distance = mean_distance(5.0, 60.0);
    // (0.3 + bump − 0.1) − (0.2 − 0.1), bump 0 to 0.05.
    assert!((p1.mean.unwrap() - 0.125 * distance).abs() < 1e-9, "{p1:?}");
    let names: Vec<&str> = p1.parts.iter().map(|part| part.endpoint.as_str()).collect();
    assert_eq!(names, ["depth-contrast", "depth-contrast-on-descent"]);
    // C rises by 0.5 of the noise, rise and fall by half the noise.
    assert!((p1.parts[1].mean.unwrap() - distance).abs() < 1e-9, "{p1:?}");
    assert_eq!(p1.parts[1].p_for, Some(1.0 / 64.0));
    // L: the shallow layer does not change, so it is all of ln(deep/deep control).
    assert_eq!(p1.beside[1].endpoint, "depth-contrast-of-seeds");
    assert_eq!((p1.beside[1].n, p1.beside[1].p_for), (0, None), "no signatures");
    let beyond = p1.beside[0].mean.unwrap();
    let logs: f64 = (0..6).map(|s| ((0.3 + 0.01 * f64::from(s)) / 0.2_f64).ln()).sum();
    assert!((beyond - logs / 6.0).abs() < 1e-9, "{beyond}");
    assert_eq!(p1.verdict.unwrap().name(), "consistent with");
}

#[test]
fn p1_leaves_out_seeds_without_a_descent_and_controls_with_one() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path();
    for seed in 0..8 {
        for (name, noise) in [("a", 0.0), ("b", 0.2), ("c", 0.4)] {
            let mut run = moving(seed, [0.1, 0.1, 0.1, 0.1 + noise]);
            run.settings = vec![format!("noise.rate={noise}")];
            run.descent = Some([0.1 + noise, 0.1]);
            if seed == 3 && name == "b" {
                run.descent = None;
            }
            run.write(&root.join(format!("{name}-{seed}")));
        }
        let control = Planted {
            descent: (seed == 5).then_some([0.1; 2]),
            ..Planted::of_seed(seed)
        };
        control.write(&root.join(format!("control-{seed}")));
    }
    let text = "[arms]\na = 'a-*'\nb = 'b-*'\nc = 'c-*'\ncontrol = 'control-*'\n\
        [[statements]]\nid = 'P1'\nplus = 'b'\nminus = 'control'\narms = ['a', 'b', 'c']\n";
    let p1 = &found(root, text)[0];
    assert_eq!(p1.n, 6);
    let why = |run: &str| {
        let left_out = p1.left_out.iter().find(|left_out| left_out.run.ends_with(run));
        left_out.unwrap_or_else(|| panic!("{:?}", p1.left_out)).why.as_str()
    };
    assert_eq!(why("b-3"), "no measured double descent");
    assert_eq!(why("control-5"), "a control with a double descent of its own");
}

/// The scatter falls by a factor at the fit of each arm, in all blocks; in the last arm one
/// checkpoint late in two seeds and one early in two.
#[test]
fn p2_tracks_the_fit_over_arms_and_asks_for_each_block() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path();
    let fits = [[8.0, 9.0], [15.0, 18.0], [27.0, 33.0], [49.0, 60.0]];
    let last = [73.0, 73.0, 49.0, 49.0, 60.0, 60.0];
    for (arm, fit) in fits.iter().enumerate() {
        for seed in 0..6 {
            let mut run = moving(seed, [0.02; 4]);
            for layer in &mut run.layers {
                layer.jitter = [0.3 + 0.01 * seed as f64, 0.03];
            }
            run.fit = *fit;
            run.settles = if arm == 3 { last[seed as usize] } else { fit[1] };
            run.settings = vec![format!("optimizer.lr={}", 0.1 / (1 + arm) as f64)];
            run.write(&root.join(format!("arm{arm}-{seed}")));
        }
    }
    let text = "layers = ['conv1', 'conv3']\n[arms]\na = 'arm0-*'\nb = 'arm1-*'\nc = 'arm2-*'\n\
        d = 'arm3-*'\n[[statements]]\nid = 'P2'\narms = ['a', 'b', 'c', 'd']\n";
    let p2 = &found(root, text)[0];
    let layers: Vec<Option<&str>> =
        p2.parts.iter().map(|part| part.layer.as_deref()).collect();
    assert_eq!(layers, [None, Some("conv1"), Some("conv3")]);
    assert!((p2.mean.unwrap() - 1.0).abs() < 0.15, "{:?}", p2.mean);
    let seeds: Vec<f64> = p2.values.iter().map(|row| row.plus.unwrap()).collect();
    let in_order = seeds[0] > 1.0 && seeds[4] < seeds[0] && seeds[2] < seeds[4];
    assert!(in_order, "late, in time, early: {seeds:?}");
    // Scatter falls from 0.325 to 0.03 in the mean; its steps are medians over both sides.
    for part in &p2.parts[1..] {
        assert!(part.mean.unwrap() > LN_2 && part.mean.unwrap() < 2.6, "{part:?}");
        assert_eq!(part.p_for, Some(1.0 / 64.0));
    }
    assert_eq!(p2.verdict.unwrap().name(), "consistent with");
    // Of 4! orders only that of the arms themselves is as near.
    let beside = &p2.beside[0];
    assert_eq!((beside.n, beside.p_for), (6, Some(1.0 / 24.0)), "{beside:?}");
    assert!(beside.mean.unwrap() > 0.4, "{beside:?}");
    // Three arms are too few, and a rate that changes is a condition that fails.
    let file = write_file(root, &text.replace("'c', 'd']", "'c']"));
    let error = ComparisonFile::read(&file).unwrap_err().to_string();
    assert!(
        error.contains("`statements[0].arms` has 3 arms; expected 4 or more for P2"),
        "{error}"
    );
    let scheduled = Planted { schedule: true, ..moving(0, [0.02; 4]) };
    let scheduled =
        Planted { fit: fits[0], settings: vec!["optimizer.lr=0.1".into()], ..scheduled };
    fs::remove_dir_all(root.join("arm0-0")).unwrap();
    scheduled.write(&root.join("arm0-0"));
    let reason = &found(root, text)[0].reason;
    assert!(reason.contains("the learning rate changes in"), "{reason}");
}

/// −½ ln of the ratio of ρ² far from the fit: with the same α and β on both sides that of the
/// jitters squared, up to drift.
#[test]
fn p4_is_the_fall_of_the_roughness_on_corrupted_examples() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path();
    for seed in 0..6 {
        for (name, optimizer, after) in [("sgd", "sgd", 0.01), ("adam", "adam", 0.1)] {
            let mut run = moving(seed, [0.001; 4]);
            for layer in &mut run.layers {
                layer.jitter = [0.2, after];
            }
            run.settings = vec![format!("optimizer.kind={optimizer}")];
            run.write(&root.join(format!("{name}-{seed}")));
        }
    }
    let text = "arms = { sgd = 'sgd-*', adam = 'adam-*' }\n[[statements]]\nid = 'P4'\n\
        plus = 'sgd'\nminus = 'adam'\nalso = [['sgd', 'adam'], ['sgd', 'adam']]\n";
    let p4 = found(root, text);
    let values = &p4[0].values[0];
    // Jitter τ puts τ²/(1 + τ²) of the squared norm off the circle.
    let share = |tau: f64| (tau * tau / (1.0 + tau * tau)).ln() / 2.0;
    let expected = [0.01, 0.1].map(|after| share(0.2) - share(after));
    let near =
        |found: Option<f64>, expected: f64| (found.unwrap() - expected).abs() < 0.25;
    assert!(near(values.plus, expected[0]), "{values:?} for {expected:?}");
    assert!(near(values.minus, expected[1]), "{values:?} for {expected:?}");
    assert_eq!(p4[0].verdict.unwrap().name(), "consistent with");
    // Without curves of the weights nothing is said beyond them.
    assert_eq!((p4[1].n, p4[1].verdict.unwrap().name()), (0, "cannot be judged"));
    assert_eq!(
        p4[1].left_out[0].why,
        "conv1: the weights are not known at these checkpoints"
    );
}

#[test]
fn p7_has_two_sides_and_p8_ranks_layers_by_movement() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path();
    for seed in 0..8 {
        // Ranks 1, 2, 4, 3: Spearman 0.8.
        let mut narrow = moving(seed, [0.1, 0.2, 0.4, 0.3 + 0.001 * seed as f64]);
        narrow.write(&root.join(format!("narrow-{seed}")));
        narrow.layers[3].speed = 0.35;
        narrow.layers[0].speed = 0.05;
        narrow.settings = vec!["net.width=16".into()];
        // Without a descent: from the fit at 1 % to the end.
        narrow.descent = None;
        narrow.write(&root.join(format!("wide-{seed}")));
    }
    let text = "arms = { narrow = 'narrow-*', wide = 'wide-*' }\n[[statements]]\nid = 'P7'\n\
        plus = 'narrow'\nminus = 'wide'\n[[statements]]\nid = 'P8'\nplus = 'narrow'\n";
    let both = found(root, text);
    let (p7, p8) = (&both[0], &both[1]);
    let seed3 = &p7.values[3];
    let [own, to_end] = [mean_distance(5.0, 60.0), mean_distance(18.0, 134.0)];
    assert!((seed3.plus.unwrap() - 0.203 * own).abs() < 1e-9, "{seed3:?}");
    assert!((seed3.minus.unwrap() - 0.3 * to_end).abs() < 1e-9, "{seed3:?}");
    // All of one sign: 2·2⁻⁸; the larger of the family's two p is not multiplied.
    assert_eq!(p7.p_for, Some(2.0 / 256.0));
    assert_eq!(p7.adjusted.unwrap()[0], 2.0 / 256.0);
    assert_eq!(p8.adjusted.unwrap()[0], 2.0 / 256.0);
    assert!((p8.mean.unwrap() - 0.8).abs() < 1e-12);
    assert_eq!(p7.verdict.unwrap().name(), "consistent with");
}

/// Layers whose speeds have bumps at other times: computed as shares of drift is in
/// `findings`; here that the same layers in step are 0 and unequal numbers are refused.
#[test]
fn p6_compares_relative_asynchrony_of_as_many_layers() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path();
    for seed in 0..6 {
        let mut resnet = moving(seed, [0.2; 4]);
        resnet.layers[1].jitter = [0.3, 0.0];
        resnet.settings = vec!["net.width=8".into()];
        resnet.write(&root.join(format!("resnet-{seed}")));
        moving(seed, [0.2; 4]).write(&root.join(format!("vit-{seed}")));
    }
    let text = "arms = { resnet = 'resnet-*', vit = 'vit-*' }\n[[statements]]\nid = 'P6'\n\
        plus = 'resnet'\nminus = 'vit'\nalso = [['resnet', 'vit']]\n";
    let p6 = &found(root, text)[0];
    let vit: Vec<f64> = p6.values.iter().filter_map(|row| row.minus).collect();
    assert_eq!(vit.len(), 6);
    assert!(vit.iter().all(|value| value.abs() < 1e-9), "in step: {vit:?}");
    assert!(p6.mean.unwrap() > 0.0 && p6.above_zero == [36, 36], "{p6:?}");
    let mut fewer = Planted::of_seed(9);
    fewer.layers.truncate(3);
    for seed in 0..6 {
        fs::remove_dir_all(root.join(format!("vit-{seed}"))).unwrap();
        Planted { seed, ..fewer.clone() }.write(&root.join(format!("vit-{seed}")));
    }
    assert_eq!(found(root, text)[0].reason, "resnet has 4 layers, vit has 3");
}
