//! `stratagram show`: a run's curves, phases and matrices in the terminal.

use std::collections::BTreeSet;
use std::fs;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};

use super::draw::{self, Look};
use super::picture::Picture;
use super::print_result;
use crate::analyze::compare_runs;
use crate::array_file::read_npy;
use crate::data::Data;
use crate::error::{Error, Result};
use crate::experiment::Length;
use crate::net::{NetConfig, VitConfig};
use crate::phases::Phases;
use crate::report::{Penalties, QUANTITIES, RunResults};
use crate::run_dir::{Recording, RunDir};
use crate::similarity::regions::Similarity;

/// Show a run in the terminal: its curves and phases, or one layer's matrices; draw its
/// decision regions; compare a layer's decisions with those of other runs.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  stratagram show runs/quickstart
  stratagram show runs/quickstart layer4.1 --group train-corrupted
  stratagram show runs/quickstart fc --measure drs-kappa
  stratagram show runs/quickstart output --regions --epoch 20 --triplet 3 --out regions.png
  stratagram show runs/quickstart 'pool*' --regions --resolution 200 --out strip.svg
  stratagram show runs/seed-0 fc --against runs/seed-1")]
pub(super) struct Arguments {
    /// The run directory.
    run: PathBuf,
    /// The layer whose matrices are drawn; with --regions also `output` or a glob.
    layer: Option<String>,
    /// The examples of the matrices: test, train-clean or train-corrupted; of decision
    /// regions the source of the triplets: test, train or corrupted.
    #[arg(long, default_value = "test")]
    group: String,
    /// The measure whose matrix is drawn [default: all but the variants drs-… and agreement].
    #[arg(long, value_name = "M", conflicts_with = "regions")]
    measure: Option<String>,
    /// Another run, such as of another seed: agreement of both runs' decision regions of the
    /// layer at each epoch that both have.
    #[arg(long, value_name = "RUN", requires = "layer", conflicts_with_all = ["regions", "measure"])]
    against: Option<PathBuf>,
    #[command(flatten)]
    picture: Picture,
}

pub(super) fn run(arguments: &Arguments) -> Result<()> {
    let measure = arguments.measure.as_deref();
    let text = if let Some(recording) = Recording::open(&arguments.run)? {
        refuse_for_recordings(arguments)?;
        match &arguments.layer {
            None => recorded_overview(&recording, look())?,
            Some(layer) => {
                let examples = (arguments.group.as_str(), measure);
                matrices(recording.run(), layer, examples, look())?
            }
        }
    } else {
        let run = RunDir::open(&arguments.run)?;
        if arguments.picture.is_wanted() {
            let layer = arguments.layer.as_deref();
            return arguments.picture.draw(&run, layer, &arguments.group);
        }
        match (&arguments.layer, &arguments.against) {
            (None, _) => overview(&run, look())?,
            (Some(layer), None) => {
                let text = matrices(&run, layer, (&arguments.group, measure), look())?;
                text + &penalties(&run, layer)?
            }
            (Some(layer), Some(other)) => {
                across(&run, &RunDir::open(other)?, layer, &arguments.group)?
            }
        }
    };
    print_result(&text)
}

/// A recording has neither checkpoints nor probes to answer anew with.
fn refuse_for_recordings(arguments: &Arguments) -> Result<()> {
    if !arguments.picture.is_wanted() && arguments.against.is_none() {
        return Ok(());
    }
    let run = arguments.run.display().to_string();
    Err(Error::usage(run, "is a recording, which has no checkpoints and probes")
        .expected("a run that was trained or imported, for --regions and --against"))
}

/// The agreement of two runs at the epochs that both have.
fn across(run: &RunDir, other: &RunDir, layer: &str, group: &str) -> Result<String> {
    let data = Data::load(run.experiment())?;
    let rows = compare_runs(run, other, &data, (layer, group))?;
    let name = |similarity: Similarity| {
        let name = similarity.name();
        format!("{:>8}{:>4}", name.strip_prefix("drs-").unwrap_or(name), "se")
    };
    let mut text = format!(
        "decision regions of {layer} in {} and {}, {group} triplets\n{:>8}{}\n",
        run.root().display(),
        other.root().display(),
        "epoch",
        Similarity::ALL.map(name).concat(),
    );
    for (epoch, found) in rows {
        let cells = Similarity::ALL.map(|similarity| {
            let (value, se) = found.get(similarity);
            let se = format!("{se:.3}");
            format!("{value:>7.3}{:>5}", se.trim_start_matches('0'))
        });
        text += &format!("{epoch:>8}{}\n", cells.concat());
    }
    Ok(text)
}

/// What a layer's probes say at other λ; nothing where there are none.
fn penalties(run: &RunDir, layer: &str) -> Result<String> {
    if run.experiment().analysis.probe.l2_also.is_empty() {
        return Ok(String::new());
    }
    let found = Penalties::of(&RunResults::read(run.root())?);
    let Some(found) = found else { return Ok(String::new()) };
    let Some((_, values)) = found.rows.iter().find(|row| row.0 == layer) else {
        return Ok(String::new());
    };
    let mut text =
        format!("its probes at λ = {} (epoch {})\n", found.order(), found.epoch);
    for (k, (values, (name, _))) in values.iter().zip(QUANTITIES).enumerate() {
        text += &format!("       {name:<22} {}\n", found.cell(values, k));
    }
    Ok(text)
}

/// Colour and width only where the reader is a terminal, so that a file always gets the same.
fn look() -> Look {
    let terminal = std::io::stdout().is_terminal();
    let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
    let no_colour = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let width = terminal_size::terminal_size().filter(|_| terminal);
    Look {
        width: width.map_or(80, |(width, _)| usize::from(width.0)).clamp(40, 200),
        colour: terminal && !dumb && !no_colour,
        unicode: !dumb,
    }
}

fn overview(run: &RunDir, look: Look) -> Result<String> {
    let layers = layer_line(run)?;
    Ok(format!("{}\n\n{}\n{layers}\n", header(run), plot(run, look)?))
}

/// The same of a recording, which may hold no errors.
fn recorded_overview(recording: &Recording, look: Look) -> Result<String> {
    let (run, recorded) = (recording.run(), recording.recorded());
    let groups: Vec<String> = recorded
        .groups
        .iter()
        .map(|group| format!("{} examples ({})", group.n_examples, group.name))
        .collect();
    let rows = recording.rows()?;
    let curves = match run.curves() {
        Ok(_) => plot(run, look)?,
        Err(error) => format!("no curves: {error}\n"),
    };
    Ok(format!(
        "{}: recorded, {} layers on {}, {} rows to epoch {}\n\n{curves}\n{}\n",
        run.root().display(),
        recorded.layers.len(),
        groups.join(", "),
        rows.len(),
        rows.last().map_or(0.0, |row| row.epoch),
        layer_line(run)?
    ))
}

/// The curves with their phases.
fn plot(run: &RunDir, look: Look) -> Result<String> {
    let curves = run.curves()?;
    let phases = Phases::of(&curves);
    Ok(format!("{}{}\n{phases}\n", draw::curves(&curves, &phases, look), legend(look)))
}

fn layer_line(run: &RunDir) -> Result<String> {
    let layers = layers(run)?;
    Ok(if layers.is_empty() {
        "no matrices yet: `stratagram analyze` makes them".into()
    } else {
        format!("layers: {}", layers.join(" "))
    })
}

fn header(run: &RunDir) -> String {
    let experiment = run.experiment();
    let net = match &experiment.net {
        NetConfig::Cnn5 { width } => format!("CNN5 k={width}"),
        NetConfig::Resnet18 { width } => format!("ResNet-18 k={width}"),
        NetConfig::Resnet18Post { width } => {
            format!("ResNet-18 (post-activation) k={width}")
        }
        NetConfig::ResnetCifar { depth, width } => format!("ResNet-{depth} k={width}"),
        NetConfig::Vit(VitConfig { patch, dim, depth, .. }) => {
            format!("ViT patch={patch} dim={dim} depth={depth}")
        }
    };
    let kind = serde_json::json!(experiment.data.kind);
    let images = experiment.data.n_train.map_or("all".into(), |n| n.to_string());
    let length = match experiment.train.length {
        Length::Epochs(epochs) => format!("{epochs} epochs"),
        Length::Steps(steps) => format!("{steps} steps"),
    };
    format!(
        "{}: {net}, {} ({images} training images), label noise {}, {length}, seed {}",
        run.root().display(),
        kind.as_str().unwrap_or("data"),
        experiment.noise.rate,
        experiment.seed
    )
}

fn legend(look: Look) -> String {
    let (test, train) = if look.unicode { ("⠒⠒", "··") } else { ("**", "..") };
    format!(
        "       {test} test error  {train} train error  over ln(1 + epoch)\n       F perfect \
         fit  m minimum  p peak  q second minimum\n"
    )
}

fn matrices(
    run: &RunDir,
    layer: &str,
    (group, wanted): (&str, Option<&str>),
    look: Look,
) -> Result<String> {
    let mut text = String::new();
    let is_wanted = |measure: &str| match wanted {
        Some(wanted) => measure == wanted,
        None => !measure.starts_with("drs-") && measure != "agreement",
    };
    for measure in names(&run.root().join("matrices"))? {
        if !is_wanted(&measure) {
            continue;
        }
        let path = run.matrix(&measure, group, layer);
        if !path.is_file() {
            continue;
        }
        let array = read_npy(&path)?;
        let epoch = epochs(run)?;
        if array.shape != [epoch.len(), epoch.len()] {
            return Err(Error::data(&path, format!("has shape {:?}", array.shape))
                .expected(format!("[{0}, {0}], as matrices/axis.csv", epoch.len()))
                .fix("make it anew with `stratagram analyze --force`"));
        }
        let (values, name) = (array.to_f64(), measure.to_uppercase());
        text += &[
            format!("{name} of {layer} with itself over the epochs, {group}\n"),
            draw::matrix(&values, &epoch, look),
            scale(&values, look),
        ]
        .concat();
    }
    if text.is_empty() {
        return Err(unknown_layer(run, layer, group)?);
    }
    Ok(text)
}

fn scale(values: &[f64], look: Look) -> String {
    let defined = values.iter().copied().filter(|v| v.is_finite());
    let (low, high) = defined
        .fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), v| (l.min(v), h.max(v)));
    let key = if look.colour {
        "viridis over 0..1, grey undefined"
    } else {
        "first decimal, - below 0, ? undefined"
    };
    if low <= high {
        format!("       {key}; values from {low:.3} to {high:.3}\n\n")
    } else {
        format!("       {key}; no value is defined\n\n")
    }
}

fn unknown_layer(run: &RunDir, layer: &str, group: &str) -> Result<Error> {
    let layers = layers(run)?;
    let place = run.root().display().to_string();
    if layers.is_empty() {
        return Ok(
            Error::usage(place, "has no matrices").fix("`stratagram analyze` makes them")
        );
    }
    let measures = names(&run.root().join("matrices"))?;
    Ok(Error::usage(
        place,
        format!("has no such matrix of layer `{layer}`, group `{group}`"),
    )
    .expected(format!("a layer among {}", layers.join(", ")))
    .fix(format!("or another --measure among {}", measures.join(", "))))
}

/// The epoch of each row and column of the matrices.
fn epochs(run: &RunDir) -> Result<Vec<f64>> {
    let path = run.axis_table();
    let text = fs::read_to_string(&path)
        .map_err(|error| Error::io(&path, "cannot be read", error))?;
    let rows = text.lines().skip(1).map(|line| line.split(',').nth(1)?.parse().ok());
    rows.collect::<Option<_>>().ok_or_else(|| {
        Error::data(&path, "is no table of steps and epochs").expected("step,epoch")
    })
}

/// The layers that have a matrix, in the order of matrices.csv (depth order), then others.
fn layers(run: &RunDir) -> Result<Vec<String>> {
    let matrices = run.root().join("matrices");
    let mut on_disk = BTreeSet::new();
    for measure in names(&matrices)? {
        for group in names(&matrices.join(&measure))? {
            let files = names(&matrices.join(&measure).join(group))?;
            on_disk.extend(
                files.iter().filter_map(|f| f.strip_suffix(".npy")).map(String::from),
            );
        }
    }
    let table = fs::read_to_string(run.matrices_table()).unwrap_or_default();
    let mut layers = Vec::new();
    for line in table.lines().skip(1) {
        let layer = line.split(',').next().unwrap_or_default();
        if on_disk.remove(layer) {
            layers.push(layer.to_owned());
        }
    }
    layers.extend(on_disk);
    Ok(layers)
}

/// The names in a directory, sorted; none where it is missing or a file.
fn names(directory: &Path) -> Result<Vec<String>> {
    if !directory.is_dir() {
        return Ok(Vec::new());
    }
    let unreadable = |error| Error::io(directory, "cannot be read", error);
    let mut names = Vec::new();
    for entry in fs::read_dir(directory).map_err(unreadable)? {
        names.extend(entry.map_err(unreadable)?.file_name().into_string());
    }
    names.sort();
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::array_file::{Array, npy_bytes};
    use crate::experiment::Experiment;
    use crate::run_dir::write_atomic;

    const LOOK: Look = Look { width: 60, colour: false, unicode: true };

    fn example(root: &Path) -> RunDir {
        let text = "[data]\nkind = 'digits'\nn_train = 1000\n[noise]\nrate = 0.2\n\
                    [net]\nkind = 'cnn5'\nwidth = 4\n";
        let experiment = Experiment::parse("test", text, ".".as_ref(), &[]).unwrap();
        let run = RunDir::create_or_open(root, &experiment, false).unwrap();
        let history = "step,epoch,train_error,test_error\n0,0,0.9,0.9\n8,1,0.4,0.3\n\
                       16,2,0.0,0.2\n";
        write_atomic(&run.history(), history.as_bytes()).unwrap();
        run
    }

    fn with_matrices(root: &Path) -> RunDir {
        let run = example(root);
        write_atomic(&run.axis_table(), b"step,epoch\n0,0\n16,2\n").unwrap();
        write_atomic(&run.matrices_table(), b"layer\nrelu1\nfc\n").unwrap();
        let matrix = Array::f32(&[2, 2], vec![1.0, 0.25, 0.25, f32::NAN]);
        for (measure, layer) in [("cka", "fc"), ("cka", "relu1"), ("drs", "output")] {
            let path = run.matrix(measure, "test", layer);
            write_atomic(&path, &npy_bytes(&matrix)).unwrap();
        }
        run
    }

    #[test]
    fn the_overview_tells_settings_phases_and_layers_in_depth_order() {
        let directory = tempfile::tempdir().unwrap();
        let text = overview(&with_matrices(&directory.path().join("run")), LOOK).unwrap();
        assert!(text.lines().next().unwrap().ends_with(
            "run: CNN5 k=4, digits (1000 training images), label noise 0.2, 400 epochs, \
             seed 0"
        ));
        assert!(text.contains("perfect fit at epoch 2"), "{text}");
        assert!(text.ends_with("layers: relu1 fc output\n"), "{text}");
    }

    #[test]
    fn a_run_without_matrices_says_what_makes_them() {
        let directory = tempfile::tempdir().unwrap();
        let run = example(&directory.path().join("run"));
        assert!(overview(&run, LOOK).unwrap().contains("no matrices yet"));
        let error = matrices(&run, "fc", ("test", None), LOOK).unwrap_err();
        assert!(error.help().unwrap().contains("analyze"));
    }

    #[test]
    fn a_layer_shows_each_of_its_measures() {
        let directory = tempfile::tempdir().unwrap();
        let run = with_matrices(&directory.path().join("run"));
        assert_eq!(
            matrices(&run, "fc", ("test", None), LOOK).unwrap(),
            "CKA of fc with itself over the epochs, test\n       2?\n     0 92\n       0\n       \
             first decimal, - below 0, ? undefined; values from 0.250 to 1.000\n\n"
        );
        let error = matrices(&run, "fc2", ("test", None), LOOK).unwrap_err().to_string();
        assert!(error.contains("expected a layer among relu1, fc, output"), "{error}");
    }
}
