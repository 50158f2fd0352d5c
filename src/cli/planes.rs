//! `stratagram data planes`: the inputs on which decision regions are compared, as arrays.

use std::path::PathBuf;

use clap::builder::{PossibleValuesParser, TypedValueParser};

use super::print_result;
use crate::array_file::{Array, npy_bytes};
use crate::data::Data;
use crate::error::Result;
use crate::experiment::{Experiment, TripletSource};
use crate::planes::{Grid, ImagePlane, image_planes, triplet_source};
use crate::run_dir::{RunDir, write_atomic};

/// Arguments of `data planes`.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// A run directory, or an experiment file.
    #[arg(value_name = "RUN|EXPERIMENT.toml")]
    source: PathBuf,
    /// The images that triplets are drawn from [default: the first of `analysis.drs.source`].
    #[arg(long, value_name = "test|train|corrupted", value_parser = triplet_sources())]
    triplets: Option<TripletSource>,
    /// Where the arrays go.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
}

fn triplet_sources() -> impl TypedValueParser<Value = TripletSource> {
    let all = [TripletSource::Test, TripletSource::Train, TripletSource::Corrupted];
    PossibleValuesParser::new(all.map(TripletSource::name)).map(move |name| {
        let named = all.into_iter().find(|source| source.name() == name);
        named.expect("one of the possible values")
    })
}

pub(super) fn run(arguments: &Arguments) -> Result<()> {
    let experiment = if arguments.source.is_dir() {
        RunDir::open(&arguments.source)?.experiment().clone()
    } else {
        Experiment::read(&arguments.source, &[])?
    };
    let data = Data::load(&experiment)?;
    let drs = &experiment.analysis.drs;
    let source = arguments.triplets.unwrap_or(drs.source.list()[0]);
    let planes = image_planes(&experiment, &data, source)?;
    let grid = |p: &ImagePlane| p.plane.grid(drs.resolution, drs.margin);
    let grids: Vec<Grid> = planes.iter().map(grid).collect();
    let (_, labels) = triplet_source(&data, source);
    let n = planes.len();
    let triplets = || planes.iter().flat_map(|p| p.triplet);
    let arrays = [
        ("points", points(&grids, &data)),
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
        write_atomic(&arguments.out.join(format!("{name}.npy")), &npy_bytes(array))?;
    }
    let about = serde_json::json!({
        "group": source.name(),
        "n_planes": n,
        "resolution": drs.resolution,
        "margin": drs.margin,
    });
    let text = serde_json::to_string_pretty(&about).expect("numbers have a JSON form");
    // The last: a folder with it is complete.
    let path = arguments.out.join("planes.json");
    write_atomic(&path, (text + "\n").as_bytes())?;
    let shape = &arrays[0].1.shape;
    print_result(&format!(
        "{}: {n} planes, points {shape:?} f32, as the net is given images\n",
        arguments.out.display()
    ))
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
