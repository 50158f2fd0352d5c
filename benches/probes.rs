//! Probes of every layer at every checkpoint: `benches/probe_peers.py` runs this beside
//! scikit-learn.
//!
//! - `probes write FOLDER [n_train=N …]` trains a ResNet-18 on Fashion-MNIST for a few epochs
//!   and writes the features of 20 layers at each checkpoint, `FOLDER/EPOCH/LAYER.npy`, and
//!   `FOLDER/labels.npy`.
//! - `probes fit FOLDER` reads epochs from standard input, one a line, fits the probes of
//!   all layers there, each started at the one of the epoch before as the pipeline does,
//!   prints the seconds that it took without reading, and writes `LAYER.pred.npy`. With a
//!   layer's name after the epoch it fits that one alone, started anew.
#![allow(clippy::print_stdout)]

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Instant;

use rayon::prelude::*;
use stratagram::array_file::{Array, npy_bytes, read_npy, read_safetensors};
use stratagram::data::{Data, Split};
use stratagram::engine::{Device, Inputs};
use stratagram::experiment::{Experiment, Layers};
use stratagram::probe::features::{adaptive_average_pool, pooled_side};
use stratagram::probe::{Design, Fit, FitOptions, Probe};
use stratagram::represent::{Layer, Representer, layers};
use stratagram::train::train;
use stratagram::{RunDir, Silent};

const EXPERIMENT: &str = "
data = { kind = 'fashion-mnist', n_train = 2000, n_test = 1000, size = 16 }
noise = { rate = 0.2 }
net = { kind = 'resnet18', width = 16 }
optimizer = { lr = 0.05 }
train = { epochs = 8, checkpoints = [0, 1, 2, 4, 8] }
";
const CAP: usize = 2048;
/// The pipeline's.
const TOLERANCE: f64 = 1e-7;

fn main() {
    // `cargo bench` adds an argument of its own.
    let arguments: Vec<String> =
        std::env::args().skip(1).filter(|a| a != "--bench").collect();
    let texts: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match texts[..] {
        ["write", folder, ref changes @ ..] => write(Path::new(folder), changes),
        ["fit", folder] => fit(Path::new(folder)),
        _ => println!("usage: write FOLDER | fit FOLDER (see benches/probe_peers.py)"),
    }
}

/// Twenty layers in depth order: the stem, both convolutions of each block, the sums of the
/// last three blocks.
fn chosen(experiment: &Experiment, data: &Data) -> Vec<Layer> {
    let net = experiment.net.build(data.train.shape, data.n_classes);
    let names = ["conv1", "layer*.*.conv*", "layer2.1", "layer3.1", "layer4.1"];
    let names = names.map(String::from).to_vec();
    layers(&net, &Layers::Many(names), None).expect("nodes of the net")
}

fn write(folder: &Path, changes: &[&str]) {
    let changes: Vec<String> = changes.iter().map(|&change| change.into()).collect();
    let experiment =
        Experiment::parse("bench", EXPERIMENT, ".".as_ref(), &changes).unwrap();
    let data = Data::load(&experiment).unwrap();
    let run = RunDir::create_or_open(&folder.join("run"), &experiment, true).unwrap();
    train(&experiment, &data, &run, &Silent).unwrap();
    let labels = data.noisy.iter().map(|&label| i64::from(label)).collect::<Vec<_>>();
    save(&folder.join("labels.npy"), &Array::i64(&[labels.len()], labels));
    let net = experiment.net.build(data.train.shape, data.n_classes);
    let device = Device::open(&experiment.engine, &data, &data.noisy).unwrap();
    let layers = chosen(&experiment, &data);
    let nodes: Vec<usize> = layers.iter().map(|layer| layer.node).collect();
    for checkpoint in run.checkpoints().unwrap() {
        let weights = read_safetensors(&checkpoint.path).unwrap();
        let choice = experiment.evaluation.batchnorm;
        let mut represent =
            Representer::new(&device, &data, &net, &weights, choice).unwrap();
        let n = data.noisy.len();
        let outputs = represent.represent(&Inputs::Set(Split::Train), &nodes).unwrap();
        for (layer, output) in layers.iter().zip(outputs) {
            let features = if layer.shape.size() > CAP {
                let side = pooled_side(layer.shape, CAP);
                adaptive_average_pool(&output, layer.shape, side)
            } else {
                output
            };
            let directory = folder.join(checkpoint.epoch.to_string());
            fs::create_dir_all(&directory).unwrap();
            let array = Array::f32(&[n, features.len() / n], features);
            save(&directory.join(format!("{}.npy", layer.name)), &array);
        }
    }
}

fn save(path: &Path, array: &Array) {
    fs::write(path, npy_bytes(array)).unwrap();
}

fn fit(folder: &Path) {
    let labels = read_npy(&folder.join("labels.npy")).unwrap().to_i64().unwrap();
    let labels: Vec<u8> = labels.iter().map(|&label| label as u8).collect();
    let n_classes = usize::from(*labels.iter().max().unwrap()) + 1;
    let options = FitOptions { tolerance: TOLERANCE, ..FitOptions::default() };
    let mut warm: BTreeMap<PathBuf, Probe> = BTreeMap::new();
    for line in std::io::stdin().lines() {
        let line = line.unwrap();
        let (epoch, alone) = match line.trim().split_once(' ') {
            Some((epoch, layer)) => (epoch, Some(format!("{layer}.npy"))),
            None => (line.trim(), None),
        };
        let directory = folder.join(epoch);
        let mut files: Vec<PathBuf> =
            fs::read_dir(&directory).unwrap().map(|file| file.unwrap().path()).collect();
        files.retain(|file| !file.to_string_lossy().ends_with(".pred.npy"));
        if let Some(alone) = &alone {
            files = vec![directory.join(alone)];
        }
        files.sort();
        let features: Vec<Array> =
            files.par_iter().map(|file| read_npy(file).unwrap()).collect();
        let features: Vec<(Vec<f32>, usize)> =
            features.iter().map(|array| (array.to_f32(), array.shape[1])).collect();
        let start = Instant::now();
        let fits: Vec<Fit> = files
            .par_iter()
            .zip(&features)
            .map(|(file, (features, d))| {
                let design = Design::new(features, labels.len(), *d, true).unwrap();
                let warm = match alone {
                    None => warm.get(Path::new(file.file_name().unwrap())),
                    Some(_) => None,
                };
                design.fit(&labels, n_classes, &options, warm)
            })
            .collect();
        let seconds = start.elapsed().as_secs_f64();
        for ((file, fit), (features, _)) in files.iter().zip(fits).zip(&features) {
            let classes = fit.probe.predict(features, labels.len());
            let classes = Array::u8(&[labels.len()], classes);
            save(&file.with_extension("pred.npy"), &classes);
            warm.insert(file.file_name().unwrap().into(), fit.probe);
        }
        println!("{seconds}");
        std::io::stdout().flush().unwrap();
    }
}
