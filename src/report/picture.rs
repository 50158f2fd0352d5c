//! A picture of decision regions as a file: chosen layers in rows, chosen epochs in columns.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use super::model::RunResults;
use super::panels::{strip_figure, strip_png};
use crate::analyze::{View, draw_regions};
use crate::data::Data;
use crate::error::{Error, Result};
use crate::experiment::TripletSource;
use crate::observer::Observer;
use crate::run_dir::{Recording, Regions, RunDir, write_atomic};

/// Which picture is drawn, and where it is written.
#[derive(Debug, Clone)]
pub struct Picture {
    /// A layer's name or glob, or `output`; absent: all layers.
    pub layers: Option<String>,
    /// Epochs of checkpoints; none stands for eight, evenly spaced in log-epoch.
    pub epochs: Vec<f64>,
    /// The source of the triplets: `test`, `train` or `corrupted`.
    pub group: String,
    /// The triplet's position in its source's list.
    pub triplet: usize,
    /// Points along a side.
    pub resolution: usize,
    /// The file, `.svg` or `.png` (one pixel a point, no words).
    pub out: PathBuf,
}

impl Picture {
    /// Draws the picture of the run in `root` and writes it.
    ///
    /// # Errors
    /// If the directory is a recording or has no such layer, checkpoint, source or triplet, or
    /// the file's name has another ending or cannot be written.
    pub fn write(&self, root: &Path, observer: &dyn Observer) -> Result<()> {
        let is_png = is_png(&self.out)?;
        let view = View {
            layers: self.layers.clone(),
            epochs: self.epochs.clone(),
            source: Some(source(&self.group)?),
            triplet: self.triplet,
            resolution: self.resolution,
        };
        if Recording::open(root)?.is_some() {
            let run = root.display().to_string();
            let found = "is a recording, which has no checkpoints and probes";
            return Err(Error::usage(run, found)
                .expected("a run that was trained or imported, for --regions"));
        }
        let run = RunDir::open(root)?;
        let data = Data::load(run.experiment())?;
        let drawn = draw_regions(&run, &data, &view, observer)?;
        let layers: Vec<&Regions> = drawn.iter().collect();
        let file = if is_png {
            strip_png(&layers, 0)
        } else {
            strip_figure(&RunResults::read(root)?, &layers, 0).into_bytes()
        };
        write_atomic(&self.out, &file)
    }
}

fn source(group: &str) -> Result<TripletSource> {
    let sources = [TripletSource::Test, TripletSource::Train, TripletSource::Corrupted];
    sources.into_iter().find(|source| source.name() == group).ok_or_else(|| {
        Error::usage("--group", format!("is `{group}`"))
            .expected("test, train or corrupted, where triplets are from")
    })
}

fn is_png(out: &Path) -> Result<bool> {
    match out.extension().and_then(OsStr::to_str) {
        Some("png") => Ok(true),
        Some("svg") => Ok(false),
        _ => Err(Error::usage("--out", format!("is {}", out.display()))
            .expected("a name that ends in .svg or .png")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observer::Silent;

    fn picture(group: &str, out: &str) -> Picture {
        let group = group.to_owned();
        let (layers, epochs, out) = (None, vec![], out.into());
        Picture { layers, epochs, group, triplet: 0, resolution: 2, out }
    }

    #[test]
    fn wrong_names_are_refused_before_anything_is_computed() {
        let empty = tempfile::tempdir().unwrap();
        let error = |picture: Picture| {
            picture.write(empty.path(), &Silent).unwrap_err().to_string()
        };
        let text = error(picture("test", "regions.jpg"));
        assert!(text.contains("regions.jpg") && text.contains(".svg or .png"), "{text}");
        let text = error(picture("train-clean", "regions.png"));
        assert!(text.contains("`train-clean`") && text.contains("corrupted"), "{text}");
    }
}
