//! `findings.json`, `phases.csv`, `curves.csv`, `convergence.csv`: what the matrices of a run of any kind say.
//!
//! The files of an earlier analysis are removed before anything that they depend on changes,
//! and `findings.json` is written last: where it is, it is of the run as it is.

mod answers;
mod context;
mod missing;
mod null;
mod reasoned;
mod similarities;
mod source;
mod tables;
mod weights;

use std::time::SystemTime;

use super::join::joined;
use crate::error::{Error, ErrorKind, Result};
use crate::findings::defaults::DRAWS;
use crate::findings::{LayerFindings, LayerInput, LayerWeights, Replicates, RunFindings};
use crate::observer::{Observer, Progress};
use crate::run_dir::{RunDir, RunFile};
use context::Context;
use reasoned::Reasoned;
use similarities::Similarities;
use source::Entry;

pub use null::straight_line;
pub(crate) use source::Source;

/// The files of findings, the sign that they are there first.
const FILES: [RunFile; 4] =
    [RunFile::Findings, RunFile::Boundaries, RunFile::LayerCurves, RunFile::Convergence];

/// Removes the findings, whose matrices are about to change.
pub(crate) fn remove(run: &RunDir) -> Result<()> {
    run.remove_files(&FILES, |_| true)
}

/// Writes the findings, unless they are there and no older than the history.
///
/// Cost: 399 simulated paths a matrix, about 0.2 s on a core, and for standard errors two
/// products of all signatures.
pub(crate) fn write(
    run: &RunDir,
    source: &Source<'_>,
    observer: &dyn Observer,
) -> Result<()> {
    if is_current(run) {
        return Ok(());
    }
    remove(run)?;
    let axis = joined::axis(run)?;
    let epoch: Vec<f64> = axis.iter().map(|(_, epoch)| *epoch).collect();
    let context = Context::of(run, source, &epoch)?;
    let weights = weights_of(run, source, &epoch)?;
    let missing = missing::of(run, source, weights.as_ref().err())?;
    let weights = weights.unwrap_or_default();
    let entries = source.entries();
    let (mut layers, mut convergence) = (vec![], vec![]);
    for (done, entry) in entries.iter().enumerate() {
        report(entry, (done, entries.len()), observer)?;
        let Some(read) = Similarities::read(run, entry, epoch.len())? else { continue };
        convergence.extend(tables::convergence(entry, &axis, &read.values));
        layers.push(find(&read, entry, &epoch, (&context, &weights)));
    }
    let double_descent = context.double_descent.clone();
    let found = RunFindings::of(&epoch, layers, double_descent, &context.of_run());
    let findings = RunFindings { missing, ..found };
    run.write_rows(&tables::boundaries(&findings))?;
    run.write_rows(&tables::curves(&findings, &weights))?;
    run.write_rows(&convergence)?;
    run.write_findings(&findings)
}

/// The weights up to each layer, whose distances are written; or why there are none.
fn weights_of(
    run: &RunDir,
    source: &Source<'_>,
    epoch: &[f64],
) -> Result<Reasoned<Vec<(String, LayerWeights)>>> {
    let distances = match source.weights.distances()? {
        Ok(distances) => distances,
        Err(reason) => return Ok(Err(reason)),
    };
    let mut found = vec![];
    for (layer, d2) in distances {
        run.write_weight_distances(&layer, d2.values())?;
        let of_layer = LayerWeights::of(&layer, epoch, &d2, DRAWS);
        found.extend(of_layer.map(|of_layer| (layer, of_layer)));
    }
    Ok(Ok(found))
}

/// What one matrix says.
fn find(
    Similarities { values, without }: &Similarities,
    entry: &Entry<'_>,
    epoch: &[f64],
    (context, weights): (&Context, &[(String, LayerWeights)]),
) -> LayerFindings {
    let input = LayerInput {
        layer: entry.place.layer,
        depth: entry.depth,
        measure: entry.place.measure,
        group: entry.place.group,
        geometry: entry.kind.geometry(),
        epoch,
        similarity: values,
        replicates: match without {
            Ok(without) => Replicates::Of(without),
            Err(reason) => Replicates::Missing(reason),
        },
        weights: weights
            .iter()
            .find(|(layer, _)| layer == entry.place.layer)
            .map(|(_, weights)| weights),
    };
    LayerFindings::of(&input, &context.of_run())
}

fn report(
    entry: &Entry<'_>,
    (done, total): (usize, usize),
    observer: &dyn Observer,
) -> Result<()> {
    let name = entry.place.to_string();
    if observer.should_stop() {
        let found = format!("stopped before the findings of {name}");
        return Err(Error::new(ErrorKind::Interrupted, "analysis", found));
    }
    observer.progress(&Progress {
        stage: "findings",
        done: done as u64,
        total: total as u64,
        detail: name,
    });
    Ok(())
}

/// Whether the findings are there, and no older than the history that their events are of.
fn is_current(run: &RunDir) -> bool {
    let time = |file: RunFile| -> Option<SystemTime> {
        file.path(run.root()).metadata().ok()?.modified().ok()
    };
    let tables = FILES.iter().all(|file| file.path(run.root()).is_file());
    tables && time(RunFile::Findings) >= time(RunFile::History)
}
