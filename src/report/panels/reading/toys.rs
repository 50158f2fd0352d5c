//! Four toy layers that show what speed and roughness tell apart: trails of checkpoints from
//! fixed random numbers, with their matrices.

use std::f64::consts::PI;

use crate::findings::Matrix;
use crate::findings::curves::{Speedometer, roughness2, speed};
use crate::findings::defaults::H;
use crate::findings::surrogates::Normals;
use crate::report::found::Point;

/// Checkpoints of a trail, evenly spaced in ln(1 + epoch).
pub(super) const N: usize = 41;
/// The last epoch.
pub(super) const LAST: f64 = 300.0;
/// Dimensions in which it shakes; two of them are drawn.
pub(super) const DIMENSIONS: usize = 24;
/// How far it goes in all.
const LENGTH: f64 = 1.2;
/// How far it leaves the straight line on its way.
const BEND: f64 = 0.3;
/// Where, as a share of log time, the burst and the settling lie.
const EVENT: f64 = 0.6;

/// A layer that does one thing.
#[derive(Debug, Clone)]
pub(super) struct Toy {
    pub(super) name: &'static str,
    pub(super) detail: &'static str,
    /// The first two of its dimensions.
    pub(super) trail: Vec<[f64; 2]>,
    /// Similarity of all checkpoints.
    pub(super) similarity: Matrix,
}

/// What a toy does.
struct Plan {
    name: &'static str,
    detail: &'static str,
    /// How much of its way is done at a share of log time.
    progress: fn(f64) -> f64,
    /// How much it shakes then.
    jitter: fn(f64) -> f64,
}

const PLANS: [Plan; 4] = [
    Plan { name: "Drift", detail: "goes on evenly", progress: |u| u, jitter: |_| 0.03 },
    Plan {
        name: "Burst",
        detail: "jumps once",
        progress: |u| 0.25 * u + 0.75 / (1.0 + (-(u - EVENT) / 0.03).exp()),
        jitter: |_| 0.03,
    },
    Plan {
        name: "Jitter",
        detail: "shakes on the spot",
        progress: |_| 0.5,
        jitter: |_| 0.4,
    },
    Plan {
        name: "Settling",
        detail: "shakes, then stops",
        progress: |u| u,
        jitter: |u| if u < EVENT { 0.4 } else { 0.03 },
    },
];

/// The four toys.
pub(super) fn toys() -> [Toy; 4] {
    PLANS.map(|plan| toy(&plan))
}

/// Log times of the checkpoints.
pub(super) fn times() -> Vec<f64> {
    let end = LAST.ln_1p();
    (0..N).map(|i| end * i as f64 / (N - 1) as f64).collect()
}

/// Epochs of the checkpoints.
pub(super) fn epochs() -> Vec<f64> {
    times().into_iter().map(f64::exp_m1).collect()
}

fn toy(plan: &Plan) -> Toy {
    let mut z = vec![0.0; N * DIMENSIONS];
    Normals::new(&format!("report/toys/{}", plan.name)).fill(0, &mut z);
    let point = |i: usize| -> Vec<f64> {
        let u = i as f64 / (N - 1) as f64;
        let done = (plan.progress)(u);
        let shake = (plan.jitter)(u) / (DIMENSIONS as f64).sqrt();
        let mut point: Vec<f64> =
            z[i * DIMENSIONS..(i + 1) * DIMENSIONS].iter().map(|z| shake * z).collect();
        point[0] += LENGTH * done;
        point[1] += BEND * (PI * done).sin();
        point
    };
    let points: Vec<Vec<f64>> = (0..N).map(point).collect();
    let similarity = Matrix::from_fn(N, |i, j| {
        let pairs = points[i].iter().zip(&points[j]);
        1.0 - 0.5 * pairs.map(|(a, b)| (a - b).powi(2)).sum::<f64>()
    });
    let trail = points.iter().map(|point| [point[0], point[1]]).collect();
    Toy { name: plan.name, detail: plan.detail, trail, similarity }
}

impl Toy {
    /// Speed at the cuts.
    pub(super) fn speed(&self) -> Vec<Point> {
        let speedometer = Speedometer::new(&times(), H, 1.0);
        let speeds = speed(&speedometer.speed2(&self.similarity.distances()));
        points(speedometer.cut_times(), &speeds)
    }

    /// Roughness at the checkpoints but the first and the last.
    pub(super) fn roughness(&self) -> Vec<Point> {
        let x = times();
        let squares = roughness2(&self.similarity.distances(), &x);
        let values: Vec<f64> = squares.into_iter().map(f64::sqrt).collect();
        points(&x[1..N - 1], &values)
    }
}

fn points(x: &[f64], values: &[f64]) -> Vec<Point> {
    let point = |(x, value): (&f64, &f64)| Point {
        epoch: x.exp_m1(),
        value: *value,
        se: f64::NAN,
    };
    x.iter().zip(values).map(point).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::findings::boundaries::{Boundary, BoundaryKind};
    use crate::findings::{Geometry, LayerFindings, LayerInput, Replicates, RunContext};

    fn boundaries(toy: &Toy) -> Vec<Boundary> {
        let input = LayerInput {
            layer: toy.name,
            depth: 0,
            measure: "cka",
            group: "toy",
            geometry: Geometry::Vectors,
            epoch: &epochs(),
            similarity: &toy.similarity,
            replicates: Replicates::Missing("a toy"),
            weights: None,
        };
        let found = LayerFindings::of(&input, &RunContext::default());
        found.boundaries.unwrap().into_iter().filter(|boundary| !boundary.edge).collect()
    }

    #[test]
    fn the_tests_find_in_each_toy_what_its_name_says_and_nothing_else() {
        let [drift, burst, jitter, settling] = toys();
        assert_eq!(boundaries(&drift), []);
        assert_eq!(boundaries(&jitter), []);
        let event = EVENT * LAST.ln_1p();
        for (toy, kind) in
            [(burst, BoundaryKind::Burst), (settling, BoundaryKind::Settling)]
        {
            let found = boundaries(&toy);
            assert_eq!(found.len(), 1, "{}: {found:?}", toy.name);
            assert_eq!(found[0].kind, kind);
            assert!((found[0].log_time - event).abs() < 0.2, "{found:?}");
        }
    }

    #[test]
    fn similarities_fit_the_scale_of_the_maps() {
        for toy in toys() {
            let values = toy.similarity.values();
            assert!(values.iter().all(|s| (0.0..=1.0).contains(s)), "{}", toy.name);
        }
    }
}
