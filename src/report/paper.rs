//! Figures for papers: those of the page, laid out for a column of so many points with letters of so
//! many, as SVG, PDF and PNG.

use std::path::{Path, PathBuf};

use super::figure::{output, sheet::Sheet};
use super::model::RunResults;
use super::panels;
use crate::error::{Error, Result};
use crate::represent::glob_matches;
use crate::run_dir::{sums_of, write_atomic};

/// A form of a figure's file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Format {
    /// Shapes and text, for a browser or a drawing program.
    Svg,
    /// Shapes and text with its letters embedded, for LaTeX.
    Pdf,
    /// Pixels.
    Png,
}

impl Format {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Svg, Self::Pdf, Self::Png];

    /// Its name, which its files end in.
    pub fn name(self) -> &'static str {
        match self {
            Self::Svg => "svg",
            Self::Pdf => "pdf",
            Self::Png => "png",
        }
    }
}

/// What figures of a paper look like.
#[derive(Debug, Clone, PartialEq)]
pub struct Paper {
    /// Width of every figure in points (1/72 inch).
    pub width: f64,
    /// Size of the names of axes in points; numbers at ticks are 7/8 of it.
    pub font: f64,
    /// Pixels per inch of PNG files.
    pub dpi: f64,
    /// Names and globs of the layers that are shown; empty for all.
    pub layers: Vec<String>,
}

/// Units (see [`Sheet`]) that the narrowest layout needs.
const LEAST: f64 = 170.0;
/// Units beyond which a layout only gets emptier.
const MOST: f64 = 1000.0;

impl Paper {
    /// Writes every figure of the run in `run_root` into the folder `out`, and returns their paths.
    /// The same run gives the same names and the same bytes.
    ///
    /// # Errors
    /// If the width does not go with the size of letters, no layer has such a name, the run cannot be
    /// read, or a file cannot be written.
    pub fn write(
        &self,
        run_root: &Path,
        formats: &[Format],
        out: &Path,
    ) -> Result<Vec<PathBuf>> {
        let run = self.lay_out(RunResults::read(run_root)?)?;
        sums_of(run_root, &panels::shown_files(run_root)?)?;
        let mut written = vec![];
        for (name, svg) in panels::drawings(panels::shown(&run)) {
            for format in formats {
                let bytes = match format {
                    Format::Svg => svg.clone().into_bytes(),
                    Format::Pdf => output::pdf(&svg)?,
                    Format::Png => output::png(&svg, self.dpi)?,
                };
                let path = out.join(format!("{name}.{}", format.name()));
                write_atomic(&path, &bytes)?;
                written.push(path);
            }
        }
        Ok(written)
    }

    /// The run with the layers that are shown, and figures that are laid out for the paper.
    ///
    /// # Errors
    /// As [`write`](Self::write).
    pub fn lay_out(&self, mut run: RunResults) -> Result<RunResults> {
        let sheet = Sheet::paper(self.width, self.font);
        if !(LEAST..=MOST).contains(&sheet.width) {
            let [least, most] = [LEAST, MOST].map(|units| units * sheet.scale / 72.0);
            let found = format!("is {:.2}in", self.width / 72.0);
            return Err(Error::usage("`--width`", found)
                .expected(format!(
                    "{least:.2}in to {most:.2}in with letters of {} pt",
                    self.font
                ))
                .fix("choose another --font"));
        }
        run.sheet = sheet;
        if !self.layers.is_empty() {
            check_layers(&run, &self.layers)?;
            run.keep_layers(&self.layers);
        }
        Ok(run)
    }
}

/// Every name and glob must mean a layer.
fn check_layers(run: &RunResults, wanted: &[String]) -> Result<()> {
    let known = run.layer_names();
    for glob in wanted {
        if known.iter().any(|name| glob_matches(glob, name)) {
            continue;
        }
        let alike =
            |name: &&&str| strsim::normalized_damerau_levenshtein(glob, name) > 0.4;
        let mut near: Vec<&str> = known.iter().filter(alike).copied().collect();
        if near.is_empty() {
            near.clone_from(&known);
        }
        return Err(Error::usage(
            "`--layers`",
            format!("`{glob}` is no layer of the run"),
        )
        .expected(format!("a name or a glob, such as {}", near.join(", "))));
    }
    Ok(())
}
