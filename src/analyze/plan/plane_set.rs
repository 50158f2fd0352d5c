//! The planes through triplets of one source, with all that does not change over the epochs.

use std::ops::Range;

use rayon::prelude::*;

use crate::data::{Data, ImageSet};
use crate::error::Result;
use crate::experiment::{Experiment, TripletSource};
use crate::planes::{Grid, ImagePlane, image_planes, triplet_source};
use crate::similarity::geometry::Images;
use crate::similarity::regions::Points;

/// The planes of one source.
pub(crate) struct PlaneSet<'a> {
    /// The group of its matrices.
    pub(crate) group: &'static str,
    pub(crate) planes: Vec<ImagePlane>,
    pub(crate) grids: Vec<Grid>,
    /// For comparing regions.
    pub(crate) points: Points,
    /// The images on each plane's grid.
    pub(crate) images: Vec<Images>,
    data: &'a Data,
    set: &'a ImageSet,
}

impl<'a> PlaneSet<'a> {
    pub(crate) fn new(
        experiment: &Experiment,
        data: &'a Data,
        source: TripletSource,
    ) -> Result<Self> {
        let drs = &experiment.analysis.drs;
        let planes = image_planes(experiment, data, source)?;
        let grids: Vec<Grid> =
            planes.iter().map(|p| p.plane.grid(drs.resolution, drs.margin)).collect();
        let inside: Vec<bool> = grids.iter().flat_map(Grid::inside).collect();
        let points = Points::new(&inside, drs.resolution.pow(2), data.n_classes);
        let (set, labels) = triplet_source(data, source);
        let is_train = source != TripletSource::Test;
        let images = planes
            .iter()
            .zip(&grids)
            .map(|(plane, grid)| Images {
                points: grid.nearest_to_images(),
                labels: plane.triplet.map(|i| labels[i]),
                corrupted: plane.triplet.map(|i| is_train && data.is_corrupted(i)),
            })
            .collect();
        let group = source.name();
        Ok(Self { group, planes, grids, points, images, data, set })
    }

    /// The three images of each plane, from position `range` on in the list of all of them.
    pub(crate) fn image_batch(&self, range: Range<usize>) -> Vec<f32> {
        let indices: Vec<usize> =
            range.map(|k| self.planes[k / 3].triplet[k % 3]).collect();
        self.data.batch(self.set, &indices)
    }
}

/// The points `range` of the grids one after the other, `[n, height, width, channels]`.
pub(crate) fn points(grids: &[Grid], range: Range<usize>) -> Vec<f32> {
    let size = grids[0].dimension();
    let per_grid = grids[0].len();
    let mut points = vec![0.0; range.len() * size];
    points.par_chunks_mut(size).zip(range).for_each(|(point, k)| {
        grids[k / per_grid].point(k % per_grid, point);
    });
    points
}
