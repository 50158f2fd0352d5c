//! The figures of a comparison: boundaries and movement of every seed, variants of statements.

use std::fs;
use std::path::Path;

use super::fixture::{EPOCHS, Layer, Planted, write_file};
use crate::support::runs::succeed;

/// Three seeds with label noise, whose deep layers move and which settle at other epochs, and
/// three without.
fn page(root: &Path) -> String {
    for seed in 0..3 {
        for (arm, rate, speed) in [("noisy", 0.2, 0.4), ("control", 0.0, 0.1)] {
            let mut run = Planted::of_seed(seed);
            run.settings = vec![format!("noise.rate={rate}")];
            run.layers = vec![
                Layer::new("conv1", 0.05),
                Layer::new("conv2", speed + 0.02 * seed as f64),
            ];
            run.boundary = (arm == "noisy").then_some(20.0 + 10.0 * seed as f64);
            run.descent = (arm == "noisy").then_some([0.1, 0.05]);
            run.write(&root.join(format!("{arm}-{seed}")));
        }
    }
    let text = "differ = 'noise.rate'\n[arms]\nnoisy = 'noisy-*'\ncontrol = 'control-*'\n[[statements]]\n\
        id = 'depth-contrast'\nplus = 'noisy'\nminus = 'control'\n";
    write_file(root, text);
    succeed(root, "compare comparison.toml --out out");
    fs::read_to_string(root.join("out/index.html")).unwrap()
}

/// What lies between the first of one text and the next of another.
fn between<'a>(text: &'a str, from: &str, to: &str) -> &'a str {
    text.split_once(from).unwrap().1.split_once(to).unwrap().0
}

#[test]
fn the_raster_has_a_mark_at_the_boundary_of_every_seed() {
    let directory = tempfile::tempdir().unwrap();
    let page = page(directory.path());
    let raster = between(&page, "<section id=\"boundaries\">", "</section>");
    let marks: Vec<[f64; 2]> = raster
        .split("<path class=\"mark-settling\"")
        .skip(1)
        .map(|mark| {
            let place = between(mark, "d=\"M", "l");
            let (x, y) = place.split_once(' ').unwrap();
            [x.parse().unwrap(), y.parse().unwrap()]
        })
        .collect();
    assert_eq!(marks.len(), 3, "{raster}");
    // Equal steps of ln(1 + epoch) are equal distances, seeds lie below each other.
    let time = |seed: f64| (20.0 + 10.0 * seed).ln_1p();
    let scale = (marks[2][0] - marks[0][0]) / (time(2.0) - time(0.0));
    let middle = marks[0][0] + scale * (time(1.0) - time(0.0));
    assert!((marks[1][0] - middle).abs() < 0.02, "{marks:?}");
    assert!((scale - 196.0 / EPOCHS[23].ln_1p()).abs() < 0.02, "{scale}");
    assert!(marks.is_sorted_by(|a, b| a[1] < b[1]));
    // A fit per seed, layer (and the row of the other detectors) and arm.
    assert_eq!(raster.matches("<path class=\"fit\"").count(), 2 * 3 * 3);
    assert!(raster.contains("n: 6 runs of 2 arms, 0 left out"));
}

#[test]
fn movement_has_a_thin_curve_per_seed_and_a_thick_one_of_their_mean() {
    let directory = tempfile::tempdir().unwrap();
    let page = page(directory.path());
    let figure = between(&page, "<section id=\"movement\">", "</section>");
    // The y of the deep layer at the end of each curve, run and control.
    let ends = |class: &str, width: &str| -> Vec<f64> {
        let start = format!("<path class=\"{class}\" d=\"M");
        let curves = figure.split(&start).skip(1);
        let of_width = curves.filter(|rest| {
            rest.split('>').next().unwrap().contains(&format!("stroke-width=\"{width}\""))
        });
        of_width
            .filter_map(|rest| rest.split_once('L'))
            .map(|(_, end)| {
                let end = end.split('"').next().unwrap();
                end.split_once(' ').unwrap().1.parse().unwrap()
            })
            .collect()
    };
    for class in ["line-corrupted", "line-test"] {
        let [thin, thick] = ["0.5", "1.7"].map(|width| ends(class, width));
        let seeds = &thin[..3];
        assert_eq!(thin.len(), 3, "{figure}");
        let mean = seeds.iter().sum::<f64>() / 3.0;
        assert!((thick[0] - mean).abs() < 0.02, "{thin:?} {thick:?}");
        // Later seeds move more; y runs downwards.
        assert!(seeds.is_sorted_by(|a, b| a > b), "{seeds:?}");
    }
    assert!(figure.contains("3 noisy") && figure.contains("3 control"));
}
