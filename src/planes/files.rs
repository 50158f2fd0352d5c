//! Planes as files, for any program to decide on: their points as images, the triplets they go
//! through, and where these lie.

use std::path::Path;

use super::{Grid, ImagePlane, image_planes, triplet_source};
use crate::array_file::{Array, npy_bytes};
use crate::data::Data;
use crate::error::Result;
use crate::experiment::{Experiment, TripletSource};
use crate::run_dir::write_atomic;

/// What [`write_planes`] wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlaneFiles {
    /// Planes.
    pub n_planes: usize,
    /// The shape of `points.npy`: `[planes·points, channels, height, width]`.
    pub points: Vec<usize>,
}

/// Writes the planes of an experiment through images of one source: `points.npy`,
/// `triplets.npy`, `labels.npy`, `coordinates.npy`, `corners.npy` and, when all are there,
/// `planes.json` (`docs/FORMAT.md`).
///
/// # Errors
/// As [`image_planes`], or if the operating system refuses.
///
/// # Panics
/// If `data` is not that of the experiment.
pub fn write_planes(
    out: &Path,
    experiment: &Experiment,
    data: &Data,
    source: TripletSource,
) -> Result<PlaneFiles> {
    let drs = &experiment.analysis.drs;
    let planes = image_planes(experiment, data, source)?;
    let grid = |p: &ImagePlane| p.plane.grid(drs.resolution, drs.margin);
    let grids: Vec<Grid> = planes.iter().map(grid).collect();
    let (_, labels) = triplet_source(data, source);
    let n = planes.len();
    let triplets = || planes.iter().flat_map(|p| p.triplet);
    let arrays = [
        ("points", points(&grids, data)),
        ("triplets", Array::i64(&[n, 3], triplets().map(|i| i as i64).collect())),
        ("labels", Array::i64(&[n, 3], triplets().map(|i| labels[i].into()).collect())),
        (
            "coordinates",
            Array::f64(
                &[n, 3, 2],
                planes.iter().flat_map(|p| p.plane.coordinates.concat()).collect(),
            ),
        ),
        ("corners", Array::f64(&[n, 4], grids.iter().flat_map(Grid::corners).collect())),
    ];
    for (name, array) in &arrays {
        write_atomic(&out.join(format!("{name}.npy")), &npy_bytes(array))?;
    }
    let about = serde_json::json!({
        "group": source.name(),
        "n_planes": n,
        "resolution": drs.resolution,
        "margin": drs.margin,
    });
    let text = serde_json::to_string_pretty(&about).expect("numbers have a JSON form");
    // The last: a folder with it is complete.
    write_atomic(&out.join("planes.json"), (text + "\n").as_bytes())?;
    Ok(PlaneFiles { n_planes: n, points: arrays[0].1.shape.clone() })
}

/// All points, `[planes·points, channels, height, width]`.
fn points(grids: &[Grid], data: &Data) -> Array {
    let shape = data.train.shape;
    let (area, size) = (shape.height * shape.width, shape.size());
    let n: usize = grids.iter().map(Grid::len).sum();
    let mut values = vec![0.0; n * size];
    // Our images are [height, width, channels].
    let mut point = vec![0.0; size];
    let places = grids.iter().flat_map(|grid| (0..grid.len()).map(move |k| (grid, k)));
    for ((grid, k), to) in places.zip(values.chunks_mut(size)) {
        grid.point(k, &mut point);
        for (at, value) in point.iter().enumerate() {
            to[at % shape.channels * area + at / shape.channels] = *value;
        }
    }
    Array::f32(&[n, shape.channels, shape.height, shape.width], values)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::array_file::read_npy;

    #[test]
    fn points_are_images_with_channels_first() {
        let text = "data = { kind = 'digits', n_train = 60, n_test = 40 }\n\
            net = { kind = 'cnn5', width = 2 }\n\
            analysis = { drs = { triplets = 2, resolution = 3 } }\n";
        let experiment = Experiment::parse("test", text, ".".as_ref(), &[]).unwrap();
        let data = Data::load(&experiment).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path();
        let written = write_planes(out, &experiment, &data, TripletSource::Test).unwrap();
        let expected = PlaneFiles { n_planes: 2, points: vec![2 * 9, 1, 8, 8] };
        assert_eq!(written, expected);
        let points = read_npy(&out.join("points.npy")).unwrap();
        assert_eq!(points.shape, expected.points);
        let planes = image_planes(&experiment, &data, TripletSource::Test).unwrap();
        let drs = &experiment.analysis.drs;
        let mut point = vec![0.0; 64];
        planes[1].plane.grid(drs.resolution, drs.margin).point(4, &mut point);
        assert_eq!(points.to_f32()[(9 + 4) * 64..][..64], point);
        let labels = read_npy(&out.join("labels.npy")).unwrap().to_i64().unwrap();
        for (own, plane) in labels.chunks(3).zip(&planes) {
            assert_eq!(own, plane.triplet.map(|i| i64::from(data.test.labels[i])));
        }
        assert!(out.join("planes.json").exists());
    }
}
