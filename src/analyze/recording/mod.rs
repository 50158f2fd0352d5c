//! Recorded rows → signatures → matrices → phases: the second half of the pipeline, for runs
//! that another program has trained.

mod collapse;
mod reason;

use super::findings::{self, Source};
use super::join::joined;
use super::join::matrices::{Heading, Matrices};
use super::join::representations::compare;
use super::join::signatures::Element;
use super::join::{norms, probes};
use super::part::ProbesOfLayer;
use super::pipeline::write_phases;
use super::plan::OUTPUT;
use super::store;
use crate::array_file::{Array, read_npz_member};
use crate::error::{Error, ErrorKind, Result};
use crate::observer::{Observer, Progress};
use crate::run_dir::{
    Checkpoint, Place, READOUT, Recording, RunFile, finish, remove_unfinished_below,
};
use crate::similarity::regions::Similarity;
use crate::similarity::{AGREEMENT, Measure, Settings, Undefined, drs};

/// Compares every layer of a recording with itself over the epochs, and writes signatures,
/// matrices, phases and findings into its directory. What is there already for the same rows is kept,
/// unless `force` asks for it again; the recorded rows themselves stay as they are.
///
/// # Errors
/// If there are no rows, one is damaged, a file cannot be written, another process analyzes
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
    remove_unfinished_below(run.root());
    if force {
        run.remove_analysis()?;
    }
    let joined = joined::axis(run)?;
    let is_same =
        joined.iter().map(|(step, _)| *step).eq(rows.iter().map(|row| row.step));
    if !is_same {
        findings::remove(run)?;
        compare_all(recording, &rows, observer)?;
        joined::finish(run, &rows)?;
    }
    if !(is_same && collapse::is_current(run)) {
        collapse::write(recording, &rows)?;
    }
    if run.has_errors() {
        write_phases(run)?;
    } else {
        observer.note(
            "no phases: rec.log was given no train_error and test_error, which they are found \
             in",
        );
    }
    findings::write(run, &Source::of_recording(recording, &rows)?, observer)?;
    finish(run.root(), RunFile::AnalysisChecksums)
}

fn compare_all(
    recording: &Recording,
    rows: &[Checkpoint],
    observer: &dyn Observer,
) -> Result<()> {
    let mut matrices = Matrices::new(recording.run(), rows);
    let places = places(recording, rows)?;
    for (done, of) in places.iter().enumerate() {
        let name = of.heading.place.to_string();
        observer.progress(&Progress {
            stage: "compare",
            done: done as u64,
            total: places.len() as u64,
            detail: name.clone(),
        });
        if observer.should_stop() {
            let found = format!("stopped before {name}");
            return Err(Error::new(ErrorKind::Interrupted, "analysis", found));
        }
        compare_place(recording, rows, of, &mut matrices)?;
    }
    write_probes(recording, rows)?;
    matrices.write()
}

/// Writes the signatures of a place and its matrix.
fn compare_place(
    recording: &Recording,
    rows: &[Checkpoint],
    of: &RecordedPlace,
    matrices: &mut Matrices,
) -> Result<()> {
    let (run, heading) = (recording.run(), of.heading);
    match of.kind {
        Kind::Representations(n) => {
            let (values, reasons) = signatures::<f32>(rows, of)?;
            let recorded: Vec<std::result::Result<&[f32], Undefined>> = values
                .chunks(of.length)
                .zip(marks(&reasons))
                .map(|(row, own)| own.map_or(Ok(row), Err))
                .collect();
            let measured = (Measure::Cka, n);
            let (matrix, floor) = compare(measured, &of.settings, &recorded, None);
            let array = Array::f32(&[rows.len(), of.length], values);
            run.write_signatures(heading.place, &array)?;
            let Place { group, layer, .. } = heading.place;
            norms::join_recorded(run, (group, layer), rows, n + 1)?;
            if let Some(floor) = floor {
                matrices.add_floor(heading, floor);
            }
            matrices.add(heading, &matrix, &reasons)
        }
        Kind::Decisions(per_plane) => {
            let (values, reasons) = signatures::<u16>(rows, of)?;
            let classes: Vec<&[u16]> = values.chunks(of.length).collect();
            let mut matrix = drs::matrix(&classes, per_plane);
            // There is a byte of an undefined classifier's class, which means nothing.
            matrix.undefine(&marks(&reasons));
            let array = Array::new(&[rows.len(), of.length], u16::put(values));
            run.write_signatures(heading.place, &array)?;
            matrices.add(heading, &matrix, &reasons)
        }
    }
}

/// Which rows are undefined: the reasons themselves are text, for the table.
fn marks(reasons: &[Option<String>]) -> Vec<Option<Undefined>> {
    reasons.iter().map(|own| own.as_ref().map(|_| Undefined::NonFinite)).collect()
}

/// `probes.csv`, where layers have probes.
fn write_probes(recording: &Recording, rows: &[Checkpoint]) -> Result<()> {
    let recorded = recording.recorded();
    if recorded.probes.is_none() {
        return Ok(());
    }
    let mut table = vec![];
    for row in rows {
        for layer in &recorded.layers {
            // A layer that is not finite has none.
            let name = format!("probe/{layer}");
            let Some(array) = read_npz_member(&row.path, &name)? else { continue };
            let of = ProbesOfLayer {
                layer: layer.clone(),
                rows: store::rows(&row.path, &name, &array)?,
            };
            table.extend(probes::rows(&of, row));
        }
    }
    recording.run().write_rows(&table)
}

/// A matrix of a recording.
struct RecordedPlace<'a> {
    heading: Heading<'a>,
    kind: Kind,
    /// Numbers in a row.
    length: usize,
    settings: Settings,
}

/// What the rows of a place are.
enum Kind {
    /// CKA of so many examples.
    Representations(usize),
    /// Classes at so many points of each plane.
    Decisions(usize),
}

/// Every matrix of a recording.
fn places<'a>(
    recording: &'a Recording,
    rows: &[Checkpoint],
) -> Result<Vec<RecordedPlace<'a>>> {
    let recorded = recording.recorded();
    let settings = Settings { estimator: recorded.estimator, ..Settings::default() };
    let mut places = vec![];
    for group in &recorded.groups {
        for layer in &recorded.layers {
            let place = Place { measure: Measure::Cka.name(), group: &group.name, layer };
            let estimator = recorded.estimator.name();
            let n = group.n_examples;
            places.push(RecordedPlace {
                heading: Heading { place, estimator, is_symmetric: true },
                kind: Kind::Representations(n),
                length: Measure::Cka.signature_len(n, 1, &settings),
                settings,
            });
        }
    }
    if let Some(planes) = &recorded.decisions {
        let probed = recorded.layers.iter().filter(|_| recorded.probes.is_some());
        for layer in probed.map(String::as_str).chain([OUTPUT]) {
            let name = Similarity::Agreement.name();
            places.push(RecordedPlace {
                heading: Heading::of_decisions(name, &planes.group, layer),
                kind: Kind::Decisions(planes.points_per_plane),
                length: planes.n_planes * planes.points_per_plane,
                settings,
            });
        }
    }
    for layer in answering(recording, rows)? {
        let images = recorded.answers.as_ref().map_or(0, |answers| answers.n_images);
        places.push(RecordedPlace {
            heading: Heading::of_decisions(AGREEMENT, "test", layer),
            kind: Kind::Decisions(1),
            length: images,
            settings,
        });
    }
    Ok(places)
}

/// What has answered to the test images: the model, and a readout that all rows have.
fn answering(recording: &Recording, rows: &[Checkpoint]) -> Result<Vec<&'static str>> {
    let recorded = recording.recorded();
    if recorded.answers.is_none() {
        return Ok(vec![]);
    }
    let place = Place { measure: AGREEMENT, group: "test", layer: READOUT }.to_string();
    let mut has_readout = recorded.readout.is_some();
    for row in rows {
        has_readout = has_readout && read_npz_member(&row.path, &place)?.is_some();
    }
    Ok([OUTPUT].into_iter().chain(has_readout.then_some(READOUT)).collect())
}

/// The signatures of all rows, one after the other, and the reasons of undefined ones.
fn signatures<T: Element>(
    rows: &[Checkpoint],
    of: &RecordedPlace,
) -> Result<(Vec<T>, Vec<Option<String>>)> {
    let name = of.heading.place.to_string();
    let (mut all, mut reasons) = (Vec::with_capacity(rows.len() * of.length), vec![]);
    for row in rows {
        let Array { shape, values } =
            read_npz_member(&row.path, &name)?.ok_or_else(|| {
                Error::data(&row.path, format!("holds no `{name}`"))
                    .expected("a row of every layer and group that run.json names")
            })?;
        let values = T::take(values).filter(|_| shape == [of.length]);
        all.extend(values.ok_or_else(|| {
            let kind = match of.kind {
                Kind::Representations(_) => "f32",
                Kind::Decisions(_) => "u8 or u16",
            };
            Error::data(&row.path, format!("has `{name}` of the shape {shape:?}"))
                .expected(format!("{kind} [{}]", of.length))
        })?);
        reasons.push(reason::read(&row.path, &name)?);
    }
    Ok((all, reasons))
}
