//! `stratagram show`: a run's curves, phases and matrices in the terminal.

use std::io::IsTerminal;
use std::path::PathBuf;

use clap::builder::PossibleValuesParser;

use super::output::{print_in_color, print_result};
use super::progress::Terminal;
use crate::error::{Error, Result};
use crate::report::terminal::{self, Look, Question, RANGES, Range};
use crate::report::{Picture, write_between};
use crate::shell::verb_on;

/// Show a run in the terminal: its curves and phases, or one layer's matrices; draw its
/// decision regions; compare a layer with the same of another run.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  stratagram show runs/quickstart
  stratagram show runs/quickstart pool4 --group train-corrupted
  stratagram show runs/quickstart fc --measure drs-kappa --range layer
  stratagram show runs/quickstart output --regions --epoch 20 --triplet 3 --out regions.png
  stratagram show runs/quickstart 'pool*' --regions --resolution 200 --out strip.svg
  stratagram show runs/seeds/seed-0 fc --against runs/seeds/seed-1
  stratagram show runs/seeds/seed-0 fc --against runs/seeds/seed-1 --measure cka
  stratagram show runs/seeds/seed-0 fc --against runs/seeds/seed-1 --out between.svg")]
pub(super) struct Arguments {
    /// The run directory.
    #[arg(add = super::complete::runs())]
    run: PathBuf,
    /// The layer whose matrices are drawn; with --regions also `output` or a glob.
    #[arg(add = super::complete::layers())]
    layer: Option<String>,
    /// The examples of the matrices: test, train-clean or train-corrupted; of decision
    /// regions the source of the triplets: test, train or corrupted [default: test].
    #[arg(long, value_name = "GROUP")]
    group: Option<String>,
    /// The measure whose matrix is drawn [default: all but the variants drs-… and agreement];
    /// with --against that of the comparison [default: decision regions, and cka].
    #[arg(long, value_name = "M", conflicts_with = "regions")]
    measure: Option<String>,
    /// What the ends of a matrix's colors stand for: 0 and 1 (unit), the least and the greatest of
    /// the layer, or those of all layers.
    #[arg(long, value_name = "R", default_value = "unit", value_parser = PossibleValuesParser::new(RANGES.map(|range| range.0)))]
    range: String,
    /// Another run, such as of another seed: how alike the layer is in both at each epoch that
    /// both have, by its decision regions and by the representations of the same examples.
    #[arg(long, value_name = "RUN", requires = "layer", conflicts_with = "regions")]
    against: Option<PathBuf>,
    /// Draw the decision regions of the layer, a glob of layers, or all: a row each, epochs in
    /// columns.
    #[arg(long, requires = "out")]
    regions: bool,
    /// Epoch, once for each column; the nearest checkpoint is shown [default: 8, evenly spaced in
    /// log-epoch].
    #[arg(long, value_name = "E", requires = "regions")]
    epoch: Vec<f64>,
    /// Position of the triplet in its group's list.
    #[arg(long, value_name = "T", default_value_t = 0)]
    triplet: usize,
    /// Points along a side of each picture.
    #[arg(long, value_name = "R", default_value_t = 100, value_parser = clap::value_parser!(u16).range(2..=4096))]
    resolution: u16,
    /// The file, .svg or .png (one pixel a point, no words); with --against the similarity of the
    /// layer at all pairs of epochs, of .csv a table of it.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

pub(super) fn run(arguments: &Arguments) -> Result<()> {
    let run = &arguments.run;
    if arguments.regions {
        let picture = picture(arguments);
        picture.write(run, &Terminal::new("the same command"))?;
        return print_result(&format!("{}\n", picture.out.display()));
    }
    let (group, measure) = (arguments.group(), arguments.measure.as_deref());
    let question = |layer| Question { layer, group, measure };
    if let Some(out) = &arguments.out {
        let (Some(layer), Some(other)) = (&arguments.layer, &arguments.against) else {
            return Err(Error::usage("`--out`", "stands without --regions or --against")
                .expected("a picture of decision regions, or a second run"));
        };
        write_between([run, other], question(layer), out)?;
        return print_result(&format!("{}\n", out.display()));
    }
    let text = match (&arguments.layer, &arguments.against) {
        (None, _) => {
            arguments.refuse_without_layer()?;
            terminal::overview(run, look())?
        }
        (Some(layer), None) => {
            let range = Range::from_name(&arguments.range).unwrap_or_default();
            terminal::matrices(run, question(layer), range, look())?
        }
        (Some(layer), Some(other)) => terminal::against([run, other], question(layer))?,
    };
    print_in_color(&text)
}

impl Arguments {
    fn group(&self) -> &str {
        self.group.as_deref().unwrap_or("test")
    }

    /// Without a layer, what chooses among its matrices would be ignored.
    fn refuse_without_layer(&self) -> Result<()> {
        let flag = match (&self.group, &self.measure) {
            (Some(_), _) => "`--group`",
            (None, Some(_)) => "`--measure`",
            (None, None) => return Ok(()),
        };
        Err(Error::usage(flag, "stands without a layer")
            .expected(format!("{} LAYER", verb_on("show", &self.run))))
    }
}

fn picture(arguments: &Arguments) -> Picture {
    Picture {
        layers: arguments.layer.clone(),
        epochs: arguments.epoch.clone(),
        group: arguments.group().to_owned(),
        triplet: arguments.triplet,
        resolution: arguments.resolution.into(),
        out: arguments.out.clone().unwrap_or("regions.svg".into()),
    }
}

/// Colour and width only where the reader is a terminal, so that a file always gets the same.
fn look() -> Look {
    let terminal = std::io::stdout().is_terminal();
    let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
    let width = terminal_size::terminal_size().filter(|_| terminal);
    Look {
        width: width.map_or(80, |(width, _)| usize::from(width.0)).clamp(40, 200),
        colour: super::color::is_on(),
        unicode: !dumb,
    }
}
