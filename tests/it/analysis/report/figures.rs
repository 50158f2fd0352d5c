//! The figures: their marks, cells and places.

use serde_json::Value;
use stratagram::array_file::{Array, npy_bytes};
use stratagram::report::RunResults;
use stratagram::similarity::MatrixKind;

use super::{HISTORY, PHASES, between, complete, data_of, figure, matrix, page_of, put};

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
