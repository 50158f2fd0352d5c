//! `stratagram data planes`: the inputs on which decision regions are compared, as arrays.

use std::path::PathBuf;

use super::choices::triplet_sources;
use super::output::print_result;
use crate::data::Data;
use crate::error::Result;
use crate::experiment::{Experiment, TripletSource};
use crate::planes::write_planes;
use crate::run_dir::RunDir;

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

pub(super) fn run(arguments: &Arguments) -> Result<()> {
    let experiment = if arguments.source.is_dir() {
        RunDir::open(&arguments.source)?.experiment().clone()
    } else {
        Experiment::read(&arguments.source, &[])?
    };
    let data = Data::load(&experiment)?;
    let first = experiment.analysis.drs.source.list()[0];
    let source = arguments.triplets.unwrap_or(first);
    let written = write_planes(&arguments.out, &experiment, &data, source)?;
    print_result(&format!(
        "{}: {} planes, points {:?} f32, as the net is given images\n",
        arguments.out.display(),
        written.n_planes,
        written.points
    ))
}
