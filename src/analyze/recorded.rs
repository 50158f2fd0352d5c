//! Recorded rows → signatures → matrices → phases: the second half of the pipeline, for runs
//! that another program has trained.

use std::fs;

use super::join::{
    MATRICES_HEADER, NOISE_HEADER, Place, Rows, Sizes, add_cells, add_floor, append_row,
    compare, write_matrix,
};
use super::joined;
use super::probes::ROW;
use super::tables::{PROBES_HEADER, add_probe};
use super::{OUTPUT, write_phases};
use crate::array_file::{Array, Values, npy_bytes, read_npz_member};
use crate::error::{Error, ErrorKind, Result};
use crate::observer::{Observer, Progress};
use crate::run_dir::{Checkpoint, Recording, write_atomic};
use crate::similarity::{EpochMatrix, Measure, Settings};

/// Compares every layer of a recording with itself over the epochs, and writes signatures,
/// matrices and phases into its directory. What is there already for the same rows is kept,
/// unless `force` asks for it anew; the recorded rows themselves stay as they are.
///
/// # Errors
/// If there are no rows, one is damaged, a file cannot be written, another process analyses
/// the recording, or the observer asks to stop.
pub fn analyze_recording(
    recording: &Recording,
    force: bool,
    observer: &dyn Observer,
) -> Result<()> {
    let run = recording.run();
    let rows = recording.rows()?;
    if rows.is_empty() {
        return Err(Error::data(run.root(), "holds no recorded rows")
            .expected("at least one in recorded/")
            .fix("record one: rec.log(epoch=…, step=…)"));
    }
    let _lock = run.lock_analysis()?;
    if force {
        joined::remove(run)?;
    }
    if joined::steps(run)? != super::steps_of(&rows) {
        compare_all(recording, &rows, observer)?;
        joined::finish(run, &rows)?;
    }
    phases(recording, observer)
}

fn compare_all(
    recording: &Recording,
    rows: &[Checkpoint],
    observer: &dyn Observer,
) -> Result<()> {
    let run = recording.run();
    let mut table = MATRICES_HEADER.to_string();
    let mut floors = NOISE_HEADER.to_string();
    let places = places(recording);
    for (done, (place, sizes)) in places.iter().enumerate() {
        observer.progress(&Progress {
            stage: "compare",
            done: done as u64,
            total: places.len() as u64,
            detail: place.name(),
        });
        if observer.should_stop() {
            let found = format!("stopped before {}", place.name());
            return Err(Error::new(ErrorKind::Interrupted, "analysis", found));
        }
        let (signatures, reasons) = signatures(rows, place, sizes)?;
        let path = run.signatures(place.measure, place.group, place.layer);
        write_atomic(&path, &npy_bytes(&signatures))?;
        let (mut matrix, floor) = compare(sizes, place, &signatures, &reasons, None);
        if let Rows::Classes(_) = place.of {
            undefine(&mut matrix, &reasons);
        }
        write_matrix(run, place, &matrix)?;
        add_floor(&mut floors, place, floor);
        add_cells(&mut table, place, rows, &matrix, &reasons);
    }
    write_probes(recording, rows)?;
    write_atomic(&run.matrices_table(), table.as_bytes())?;
    write_atomic(&run.noise_table(), floors.as_bytes())
}

/// Takes away the similarities of epochs that have no probe: there is a byte of its class at
/// every point, which means nothing.
fn undefine(matrix: &mut EpochMatrix, reasons: &[Option<String>]) {
    let n = matrix.n_epochs;
    let se = matrix.se.as_mut().expect("decisions have errors");
    for (i, j) in (0..n).flat_map(|i| (0..n).map(move |j| (i, j))) {
        if reasons[i].is_some() || reasons[j].is_some() {
            matrix.values[i * n + j] = f64::NAN;
            se[i * n + j] = f64::NAN;
        }
    }
}

/// `probes.csv`, where layers have probes.
fn write_probes(recording: &Recording, rows: &[Checkpoint]) -> Result<()> {
    let recorded = recording.recorded();
    if recorded.probes.is_none() {
        return Ok(());
    }
    let mut table = PROBES_HEADER.to_string();
    for row in rows {
        for layer in &recorded.layers {
            // A layer that is not finite has none.
            let name = format!("probe/{layer}");
            let Some(array) = read_npz_member(&row.path, &name)? else { continue };
            if array.shape != [1, ROW] {
                let found = format!("has `{name}` of the shape {:?}", array.shape);
                return Err(
                    Error::data(&row.path, found).expected(format!("f64 [1, {ROW}]"))
                );
            }
            add_probe(&mut table, layer, row, &array.to_f64());
        }
    }
    write_atomic(&recording.run().probes_table(), table.as_bytes())
}

/// Every matrix of a recording, with the sizes of its signatures.
fn places(recording: &Recording) -> Vec<(Place<'_>, Sizes)> {
    let recorded = recording.recorded();
    let settings = Settings { estimator: recorded.estimator, ..Settings::default() };
    let mut places = vec![];
    for group in &recorded.groups {
        for layer in &recorded.layers {
            let place = Place {
                of: Rows::Of(Measure::Cka),
                measure: Measure::Cka.name(),
                estimator: recorded.estimator.name(),
                group: &group.name,
                layer,
            };
            places.push((place, Sizes { n: group.n_examples, settings }));
        }
    }
    if let Some(planes) = &recorded.decisions {
        let probed = recorded.layers.iter().filter(|_| recorded.probes.is_some());
        for layer in probed.map(String::as_str).chain([OUTPUT]) {
            let place = Place {
                of: Rows::Classes(planes.points_per_plane),
                measure: "drs",
                estimator: "",
                group: &planes.group,
                layer,
            };
            places.push((place, Sizes { n: planes.n_planes, settings }));
        }
    }
    places
}

/// The signatures of all rows, `[E, S]`, and the reasons of undefined ones.
fn signatures(
    rows: &[Checkpoint],
    place: &Place,
    sizes: &Sizes,
) -> Result<(Array, Vec<Option<String>>)> {
    let name = place.name();
    let (mut all, mut reasons) = (None, vec![]);
    for row in rows {
        let array = read_npz_member(&row.path, &name)?.ok_or_else(|| {
            Error::data(&row.path, format!("holds no `{name}`"))
                .expected("a row of every layer and group that run.json names")
        })?;
        let (length, is_right) = match place.of {
            Rows::Of(measure) => (
                measure.signature_len(sizes.n, 1, &sizes.settings),
                matches!(array.values, Values::F32(_)),
            ),
            Rows::Classes(points) => {
                (sizes.n * points, matches!(array.values, Values::U8(_)))
            }
            Rows::Planes(_) => unreachable!("a recording has no planes of its own"),
        };
        if !is_right || array.shape != [length] {
            let kind = if matches!(place.of, Rows::Of(_)) { "f32" } else { "u8" };
            let found = format!("has `{name}` of the shape {:?}", array.shape);
            return Err(
                Error::data(&row.path, found).expected(format!("{kind} [{length}]"))
            );
        }
        let reason = read_npz_member(&row.path, &format!("reason/{name}"))?;
        reasons.push(reason.map(|reason| match reason.values {
            Values::U8(text) => {
                // It goes into a field of a table, in quotes.
                let text = String::from_utf8_lossy(&text).replace(['"', '\n', '\r'], " ");
                text.chars().filter(|c| !c.is_control()).take(200).collect()
            }
            _ => "undefined".into(),
        }));
        append_row(&mut all, &array);
    }
    Ok((all.expect("at least one row"), reasons))
}

/// `phases.json`, where both errors were recorded.
fn phases(recording: &Recording, observer: &dyn Observer) -> Result<()> {
    let run = recording.run();
    let text = fs::read_to_string(run.history()).unwrap_or_default();
    let header = text.lines().next().unwrap_or_default();
    let has = |set: &str| {
        let names =
            [format!("{set}_error"), format!("{set}_acc"), format!("{set}_accuracy")];
        header.split(',').any(|column| names.iter().any(|name| name == column))
    };
    if has("train") && has("test") {
        return write_phases(run);
    }
    observer.note(
        "no phases: rec.log was given no train_error and test_error, which they are found in",
    );
    Ok(())
}
