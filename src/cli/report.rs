//! `stratagram report RUN`: matrices → page and figures, or figures for a paper.

use std::path::{Path, PathBuf};

use clap::ValueEnum;
use clap::builder::PossibleValue;

use super::open::check_run;
use super::output::print_result;
use crate::error::Result;
use crate::report::{Format, Paper};
use crate::run_dir::RunFile;

/// Write the page and figures of a run; with --figures, its figures at the width of a paper's
/// column.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  stratagram report runs/quickstart\n  \
    stratagram report runs/quickstart --force\n  \
    stratagram report runs/quickstart --figures pdf\n  \
    stratagram report runs/quickstart --figures svg,pdf,png --width 82mm --font 7pt --layers 'pool*' fc --out paper")]
pub(super) struct Arguments {
    /// The run directory.
    #[arg(add = super::complete::runs())]
    run: PathBuf,
    /// Write them even if this version wrote a page after everything that it shows.
    #[arg(long, conflicts_with = "figures")]
    force: bool,
    /// Write the figures for a paper in these formats, and not the page.
    #[arg(long, value_name = "FORMATS", value_delimiter = ',')]
    figures: Vec<Format>,
    /// Width of the figures: one column of most papers is 3.25in, two are 6.75in.
    #[arg(long, value_name = "LENGTH", default_value = "3.25in", requires = "figures", value_parser = length)]
    width: f64,
    /// Size of the letters at that width; numbers at ticks are 7/8 of it.
    #[arg(long, value_name = "SIZE", default_value = "8pt", requires = "figures", value_parser = font)]
    font: f64,
    /// Pixels per inch of PNG files.
    #[arg(long, value_name = "N", default_value_t = 300, requires = "figures", value_parser = clap::value_parser!(u16).range(36..=2400))]
    dpi: u16,
    /// Show only these layers: names or globs [default: all].
    #[arg(long, value_name = "GLOB", num_args = 1.., requires = "figures", add = super::complete::layers())]
    layers: Vec<String>,
    /// The folder for the figures [default: figures/NAME-OF-RUN].
    #[arg(long, value_name = "DIR", requires = "figures")]
    out: Option<PathBuf>,
}

impl ValueEnum for Format {
    fn value_variants<'a>() -> &'a [Self] {
        &Self::ALL
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(PossibleValue::new(self.name()))
    }
}

pub(super) fn run(arguments: &Arguments) -> Result<()> {
    check_run(&arguments.run)?;
    if !arguments.figures.is_empty() {
        return print_paths(&write_figures(arguments)?);
    }
    let page = RunFile::Page.path(&arguments.run);
    if !arguments.force && crate::report::is_current(&arguments.run) {
        return print_paths(&[page]);
    }
    print_paths(&crate::report::write(&arguments.run)?)
}

fn write_figures(arguments: &Arguments) -> Result<Vec<PathBuf>> {
    let paper = Paper {
        width: arguments.width,
        font: arguments.font,
        dpi: arguments.dpi.into(),
        layers: arguments.layers.clone(),
    };
    let mut formats = arguments.figures.clone();
    formats.sort_unstable();
    formats.dedup();
    let out = match &arguments.out {
        Some(out) => out.clone(),
        None => Path::new("figures").join(crate::report::directory_name(&arguments.run)),
    };
    paper.write(&arguments.run, &formats, &out)
}

fn print_paths(paths: &[PathBuf]) -> Result<()> {
    let lines: String =
        paths.iter().map(|path| format!("{}\n", path.display())).collect();
    print_result(&lines)
}

/// Units of lengths, and their points.
const UNITS: [(&str, f64); 4] =
    [("in", 72.0), ("mm", 72.0 / 25.4), ("cm", 72.0 / 2.54), ("pt", 1.0)];

/// A length in points.
fn length(text: &str) -> std::result::Result<f64, String> {
    let number = |unit: &str| text.strip_suffix(unit)?.trim().parse::<f64>().ok();
    UNITS
        .iter()
        .find_map(|(unit, points)| Some(number(unit)? * points))
        .filter(|length| length.is_finite() && *length > 0.0)
        .ok_or_else(|| {
            "expected a number and a unit: 3.25in, 82mm, 8.2cm or 234pt".into()
        })
}

/// The size of letters in points.
fn font(text: &str) -> std::result::Result<f64, String> {
    let size = text.strip_suffix("pt").and_then(|number| number.trim().parse().ok());
    size.filter(|size| (4.0..=24.0).contains(size))
        .ok_or_else(|| "expected a size from 4pt to 24pt, such as 8pt".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_need_a_unit() {
        assert_eq!(length("3.25in"), Ok(234.0));
        assert!((length("82 mm").unwrap() - 232.44).abs() < 0.01);
        assert_eq!(length("8.2cm").unwrap().round(), 232.0);
        assert_eq!(length("240pt"), Ok(240.0));
        for wrong in ["3.25", "in", "-2in", "3.25em", "infin"] {
            assert!(length(wrong).is_err(), "{wrong}");
        }
        assert_eq!(font("8pt"), Ok(8.0));
        assert!(font("8").is_err() && font("80pt").is_err());
    }
}
