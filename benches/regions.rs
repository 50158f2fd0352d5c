//! Time of decision regions: plane points through ResNet-18 k=16 with and without the probes of
//! all layers, and the matrix of 100 epochs over 1.25 million points.
//!
//! ```text
//! cargo bench --bench regions
//! ```
//!
//! `benches/regions.py` compares with PyTorch and numpy; it asks through `--serve`. Threads:
//! `RAYON_NUM_THREADS`.
#![allow(missing_docs, clippy::print_stdout)]

use std::hint::black_box;
use std::io::BufRead;
use std::time::Instant;

use rayon::prelude::*;
use stratagram::engine::{BatchNormStatistics, Engine};
use stratagram::net::{Net, NetConfig, Shape, initial_weights};
use stratagram::planes::{Grid, Plane};
use stratagram::probe::Probe;
use stratagram::probe::features::pooled_side;
use stratagram::similarity::drs;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

const SHAPE: Shape = Shape { channels: 3, height: 32, width: 32 };
/// Points of one measurement: those of one block of the analysis.
const POINTS: usize = 512;
const N_CLASSES: usize = 10;
/// The experiment file's default `analysis.probe.cap`.
const CAP: usize = 2048;
const N_EPOCHS: usize = 100;
const N_PLANES: usize = 500;
const PER_PLANE: usize = 2500;

fn main() -> Result<()> {
    if std::env::args().any(|word| word == "--serve") {
        for line in std::io::stdin().lock().lines() {
            println!("{}", measure(line?.trim())?);
        }
        return Ok(());
    }
    for what in ["points", "probed", "matrix"] {
        println!("{what}: {:.2} ms", measure(what)?);
    }
    Ok(())
}

/// Milliseconds for 512 plane points (their pixels, the net, its classes), with the classes of
/// all layers' probes, or for the matrix.
fn measure(what: &str) -> Result<f64> {
    match what {
        "matrix" => {
            let rows = decisions();
            let rows: Vec<&[u8]> = rows.iter().map(Vec::as_slice).collect();
            Ok(time_ms(|| drs::matrix(&rows, PER_PLANE)))
        }
        "points" | "probed" => {
            let mut case = Case::new()?;
            Ok(time_ms(|| case.classify(what == "probed")))
        }
        other => Err(format!("expected points, probed or matrix, not {other}").into()),
    }
}

struct Case {
    net: Net,
    engine: Engine,
    statistics: BatchNormStatistics,
    grid: Grid,
    /// Each layer's node, what its maps are averaged to, and its probe.
    probes: Vec<(usize, Option<usize>, Probe)>,
    outputs: Vec<Vec<f32>>,
}

impl Case {
    fn new() -> Result<Self> {
        let net = NetConfig::resnet18(16).build(SHAPE, N_CLASSES);
        let engine = Engine::new(&net, &initial_weights(&net, 0))?;
        let statistics = engine.running_statistics();
        let image = |k: usize| -> Vec<f32> {
            (0..SHAPE.size())
                .map(|i| (i * (7919 + k) % 1013) as f32 / 500.0 - 1.0)
                .collect()
        };
        let plane = Plane::through(&image(0), &image(1), &image(2)).ok_or("no plane")?;
        let grid = plane.grid(50, 0.1);
        let mut probes = vec![];
        for (node, of) in net.nodes.iter().enumerate() {
            if !net.representations.contains(&of.name) {
                continue;
            }
            let side = (of.shape.size() > CAP).then(|| pooled_side(of.shape, CAP));
            let n_features = match side {
                None => of.shape.size(),
                Some(side) => of.shape.channels * side * side,
            };
            let value = |i: usize| (i * 31 % 997) as f32 / 997.0 - 0.5;
            let weight = (0..N_CLASSES * n_features).map(value).collect();
            let bias = vec![0.0; N_CLASSES];
            let probe = Probe { n_classes: N_CLASSES, n_features, weight, bias };
            probes.push((node, side, probe));
        }
        Ok(Self { net, engine, statistics, grid, probes, outputs: vec![] })
    }

    /// As the analysis does for one block of points.
    fn classify(&mut self, with_probes: bool) {
        let size = SHAPE.size();
        let mut points = vec![0.0; POINTS * size];
        let grid = &self.grid;
        points.par_chunks_mut(size).enumerate().for_each(|(k, to)| grid.point(k, to));
        let output = self.net.nodes.len() - 1;
        let mut wanted = vec![];
        if with_probes {
            wanted.extend(self.probes.iter().map(|(node, side, _)| (*node, *side)));
        }
        wanted.push((output, None));
        let outputs = &mut self.outputs;
        self.engine.evaluate_into(&points, &self.statistics, &wanted, outputs);
        let (logits, outputs) = outputs.split_last().expect("the output was asked for");
        let largest = |row: &[f32]| {
            (0..N_CLASSES).max_by(|a, b| row[*a].total_cmp(&row[*b])).unwrap_or(0) as u8
        };
        black_box(logits.chunks(N_CLASSES).map(largest).collect::<Vec<u8>>());
        let layers = outputs.par_iter().zip(&self.probes);
        layers.for_each(|(features, (.., probe))| {
            black_box(probe.predict(features, POINTS));
        });
    }
}

/// Classes that move by a twentieth from epoch to epoch.
fn decisions() -> Vec<Vec<u8>> {
    let n = N_PLANES * PER_PLANE;
    let hash =
        |x: usize| (x as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29);
    let class =
        |x: usize, t: usize| (hash(x * 20 + (hash(x) as usize + t) / 20) % 10) as u8;
    (0..N_EPOCHS).into_par_iter().map(|t| (0..n).map(|x| class(x, t)).collect()).collect()
}

/// Median of the times of `run` over at least 5 runs and about a second, after two that do not
/// count.
fn time_ms<R>(mut run: impl FnMut() -> R) -> f64 {
    black_box(run());
    black_box(run());
    let mut times = vec![];
    let start = Instant::now();
    while times.len() < 5 || start.elapsed().as_secs_f64() < 1.0 {
        let start = Instant::now();
        black_box(run());
        times.push(start.elapsed().as_secs_f64() * 1e3);
    }
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}
