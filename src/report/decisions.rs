//! Decision regions at every checkpoint, on the planes of the pictures: the classes that the
//! matrices compare, from the signatures.

use std::path::Path;

use super::model::RunResults;
use crate::array_file::{Values, read_npy};
use crate::error::Result;
use crate::run_dir::{RegionPlanes, Regions, RunFile, check_name};
use crate::similarity::MatrixKind;

impl RunResults {
    /// Reads them for every layer that has pictures; none where a signature is not there or not of
    /// this shape, as in runs whose signatures were removed.
    ///
    /// # Errors
    /// If a signature cannot be read.
    pub(super) fn read_decisions(&self, root: &Path) -> Result<Vec<Regions>> {
        let Some(side) = self.resolution().filter(|_| !self.epochs.is_empty()) else {
            return Ok(vec![]);
        };
        let all: Result<Option<Vec<Regions>>> =
            self.regions.iter().map(|own| self.everywhen(root, own, side)).collect();
        Ok(all?.unwrap_or_default())
    }

    /// Points along a side of the planes that the matrices compare.
    fn resolution(&self) -> Option<usize> {
        let drs = self.experiment.get("analysis")?.get("drs")?;
        usize::try_from(drs.get("resolution")?.as_integer()?)
            .ok()
            .filter(|side| *side > 0)
    }

    /// The planes of a layer's pictures at every checkpoint.
    fn everywhen(
        &self,
        root: &Path,
        pictures: &Regions,
        side: usize,
    ) -> Result<Option<Regions>> {
        let own = &pictures.planes;
        let (checkpoints, points) = (self.epochs.len(), side * side);
        let shape = [checkpoints, own.count(), points];
        let mut classes = vec![0; shape.iter().product()];
        let mut confidence = vec![1.0; classes.len()];
        for p in 0..own.count() {
            let layer = pictures.layer.as_str();
            let source = self.triplet_sources().get(own.sources[p] as usize).copied();
            let Some(source) = source else { return Ok(None) };
            let Some(rows) = rows(root, (source, layer), checkpoints)? else {
                return Ok(None);
            };
            let from = own.positions[p] as usize * points;
            let set = self.matrix_set(&MatrixKind::DRS, source);
            let matrix = set.and_then(|set| set.layer(layer));
            for (k, row) in rows.chunks(rows.len() / checkpoints).enumerate() {
                let Some(plane) = row.get(from..from + points) else { return Ok(None) };
                let at = (k * own.count() + p) * points;
                classes[at..at + points].copy_from_slice(plane);
                if matrix.is_some_and(|matrix| matrix.value(k, k).is_nan()) {
                    confidence[at..at + points].fill(f32::NAN);
                }
            }
        }
        let steps = self.steps.iter().map(|step| *step as i64).collect();
        let planes =
            RegionPlanes { steps, epochs: self.epochs.clone(), side, ..own.clone() };
        Ok(Some(Regions { layer: pictures.layer.clone(), planes, classes, confidence }))
    }
}

/// The classes of a layer at all points of a source's planes, a row per checkpoint.
fn rows(
    root: &Path,
    (source, layer): (&str, &str),
    checkpoints: usize,
) -> Result<Option<Vec<u8>>> {
    // What this program did not write may have other names, and no signatures.
    if [source, layer].into_iter().any(|name| check_name(name).is_err()) {
        return Ok(None);
    }
    let place = [("measure", "drs"), ("group", source), ("layer", layer)];
    let path = RunFile::Signatures.path_of(root, &place);
    if !path.is_file() {
        return Ok(None);
    }
    let array = read_npy(&path)?;
    Ok(match (array.shape.as_slice(), array.values) {
        ([n, length], Values::U8(rows)) if *n == checkpoints && *length > 0 => Some(rows),
        _ => None,
    })
}
