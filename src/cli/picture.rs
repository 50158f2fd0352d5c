//! `stratagram show RUN --regions`: pictures of decision regions as a file.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use super::print_result;
use super::progress::Terminal;
use crate::analyze::{View, draw_regions};
use crate::data::Data;
use crate::error::{Error, Result};
use crate::experiment::TripletSource;
use crate::report::{Regions, RunResults, strip_figure, strip_png};
use crate::run_dir::{RunDir, write_atomic};

/// Which picture is drawn.
#[derive(Debug, clap::Args)]
pub(super) struct Picture {
    /// Draw the decision regions of the layer, a glob of layers, or all: a row each, epochs in
    /// columns.
    #[arg(long, requires = "out")]
    regions: bool,
    /// Epoch of a checkpoint, once for each column [default: 8, evenly spaced in log-epoch].
    #[arg(long, value_name = "E", requires = "regions")]
    epoch: Vec<f64>,
    /// Position of the triplet in its group's list.
    #[arg(long, value_name = "T", default_value_t = 0)]
    triplet: usize,
    /// Points along a side of each picture.
    #[arg(long, value_name = "R", default_value_t = 100, value_parser = clap::value_parser!(u16).range(2..=4096))]
    resolution: u16,
    /// The file, .svg or .png (one pixel a point, no words).
    #[arg(long, value_name = "FILE", requires = "regions")]
    out: Option<PathBuf>,
}

impl Picture {
    pub(super) fn is_wanted(&self) -> bool {
        self.regions
    }

    pub(super) fn draw(
        &self,
        run: &RunDir,
        layer: Option<&str>,
        group: &str,
    ) -> Result<()> {
        let out = self.out.as_deref().unwrap_or(Path::new("regions.svg"));
        let is_png = is_png(out)?;
        let sources =
            [TripletSource::Test, TripletSource::Train, TripletSource::Corrupted];
        let source = sources.into_iter().find(|source| source.name() == group);
        let source = source.ok_or_else(|| {
            Error::usage("--group", format!("is `{group}`"))
                .expected("test, train or corrupted, where triplets are from")
        })?;
        let view = View {
            layers: layer.map(str::to_owned),
            epochs: self.epoch.clone(),
            source: Some(source),
            triplet: self.triplet,
            resolution: self.resolution.into(),
        };
        let data = Data::load(run.experiment())?;
        let terminal = Terminal::new("the same command again");
        let drawn = draw_regions(run, &data, &view, &terminal)?;
        let regions = drawn
            .into_iter()
            .map(|(layer, arrays)| Regions::of(layer, arrays, run.root()))
            .collect::<Result<Vec<_>>>()?;
        let layers: Vec<&Regions> = regions.iter().collect();
        let file = if is_png {
            strip_png(&layers, 0)
        } else {
            strip_figure(&RunResults::read(run.root())?, &layers, 0).into_bytes()
        };
        write_atomic(out, &file)?;
        print_result(&format!("{}\n", out.display()))
    }
}

fn is_png(out: &Path) -> Result<bool> {
    match out.extension().and_then(OsStr::to_str) {
        Some("png") => Ok(true),
        Some("svg") => Ok(false),
        _ => Err(Error::usage("--out", format!("is {}", out.display()))
            .expected("a name that ends in .svg or .png")),
    }
}
