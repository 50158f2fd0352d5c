//! The planes through triplets of one source, with all that does not change over the epochs.

use crate::data::{Data, Split};
use crate::error::Result;
use crate::experiment::{Experiment, TripletSource};
use crate::planes::{Grid, ImagePlane, image_planes, triplet_source};
use crate::similarity::geometry::Images;
use crate::similarity::regions::Points;

/// The planes of one source.
pub(crate) struct PlaneSet {
    /// The group of its matrices.
    pub(crate) group: &'static str,
    pub(crate) planes: Vec<ImagePlane>,
    pub(crate) grids: Vec<Grid>,
    /// For comparing regions.
    pub(crate) points: Points,
    /// The images on each plane's grid.
    pub(crate) images: Vec<Images>,
    /// Which images the planes go through, and their positions.
    pub(crate) split: Split,
    pub(crate) triplets: Vec<[usize; 3]>,
}

impl PlaneSet {
    pub(crate) fn new(
        experiment: &Experiment,
        data: &Data,
        source: TripletSource,
    ) -> Result<Self> {
        let drs = &experiment.analysis.drs;
        let planes = image_planes(experiment, data, source)?;
        let grids: Vec<Grid> =
            planes.iter().map(|p| p.plane.grid(drs.resolution, drs.margin)).collect();
        let inside: Vec<bool> = grids.iter().flat_map(Grid::inside).collect();
        let points = Points::new(&inside, drs.resolution.pow(2), data.n_classes);
        let (split, labels) = triplet_source(data, source);
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
        let triplets = planes.iter().map(|plane| plane.triplet).collect();
        Ok(Self { group, planes, grids, points, images, split, triplets })
    }
}
