//! Distances between the weights of all checkpoints, up to each layer: what a layer is read
//! beside, because most of a settling is the optimizer coming to rest.

use pulp::Arch;
use rayon::prelude::*;

use super::reasoned::Reasoned;
use crate::analyze::plan::{OUTPUT, Plan, memory};
use crate::array_file::{Array, read_npz_member, read_safetensors};
use crate::error::{Error, Result};
use crate::findings::Matrix;
use crate::run_dir::{Checkpoint, checked};

/// Squares that are summed side by side.
const LANES: usize = 16;

/// The weights of a run at its checkpoints.
#[derive(Clone, Copy)]
pub(super) struct Checkpoints<'a> {
    pub(super) plan: &'a Plan<'a>,
    pub(super) checkpoints: &'a [Checkpoint],
}

/// The weights of a run of any kind.
#[derive(Clone, Copy)]
pub(super) enum Weights<'a> {
    Checkpoints(Checkpoints<'a>),
    Rows(Rows<'a>),
}

impl Weights<'_> {
    /// Squared distances up to each layer, or why there are none.
    ///
    /// # Errors
    /// If a file cannot be read.
    pub(super) fn distances(self) -> Result<Reasoned<Vec<(String, Matrix)>>> {
        match self {
            Self::Checkpoints(checkpoints) => checkpoints.distances().map(Ok),
            Self::Rows(rows) => rows.distances(),
        }
    }
}

/// A trained tensor of a node.
struct Tensor {
    node: usize,
    name: String,
    size: usize,
}

impl Checkpoints<'_> {
    /// Of each layer, and of the whole net as `output`,
    ///
    /// ```text
    /// D²ᵢⱼ = Σ_tensors ‖wᵢ/‖wᵢ‖ − wⱼ/‖wⱼ‖‖²
    /// ```
    ///
    /// over the trained tensors of all nodes up to and including its own; a tensor of zeros
    /// stays one. As many tensors as `analysis.memory` holds are read from all checkpoints at
    /// once.
    ///
    /// Cost E²/2 squares a weight, in f64.
    ///
    /// # Errors
    /// If a checkpoint cannot be read, or lacks a tensor.
    pub(super) fn distances(self) -> Result<Vec<(String, Matrix)>> {
        let Self { plan, checkpoints } = self;
        let tensors = self.tensors();
        let bytes = |tensor: &Tensor| 4 * (tensor.size * checkpoints.len()) as u64;
        let sizes: Vec<u64> = tensors.iter().map(bytes).collect();
        let limit = memory::bytes(&plan.experiment.analysis);
        let n = checkpoints.len();
        let mut of_nodes = vec![vec![0.0; n * n]; plan.net.nodes.len()];
        for batch in memory::batches(&sizes, 0, limit) {
            let tensors = &tensors[batch];
            let values = self.read(tensors)?;
            for (at, tensor) in tensors.iter().enumerate() {
                let rows: Vec<&[f32]> = values.iter().map(|own| &own[at][..]).collect();
                let sums = of_nodes[tensor.node].iter_mut();
                sums.zip(squared_distances(&directions(&rows)))
                    .for_each(|(sum, d2)| *sum += d2);
            }
        }
        Ok(self.up_to_layers(&of_nodes))
    }

    /// The trained tensors in the order of the nodes.
    fn tensors(self) -> Vec<Tensor> {
        let net = &self.plan.net;
        let of_node = |(node, own)| {
            let trained =
                net.node_parameters(own).into_iter().filter(|p| p.role.is_trained());
            trained.map(move |parameter| Tensor {
                node,
                size: parameter.shape.iter().product(),
                name: parameter.name,
            })
        };
        net.nodes.iter().enumerate().flat_map(of_node).collect()
    }

    /// The values of some tensors at every checkpoint.
    fn read(self, tensors: &[Tensor]) -> Result<Vec<Vec<Vec<f32>>>> {
        let of_checkpoint = |checkpoint: &Checkpoint| {
            let arrays = read_safetensors(checked(&checkpoint.path)?)?;
            let of_tensor = |tensor: &Tensor| {
                let array = arrays.get(&tensor.name).map(Array::to_f32);
                array.filter(|values| values.len() == tensor.size).ok_or_else(|| {
                    Error::data(&checkpoint.path, format!("has no `{}`", tensor.name))
                        .expected(format!("{} numbers", tensor.size))
                })
            };
            tensors.iter().map(of_tensor).collect()
        };
        self.checkpoints.iter().map(of_checkpoint).collect()
    }

    /// Sums over the nodes up to each layer.
    fn up_to_layers(self, of_nodes: &[Vec<f64>]) -> Vec<(String, Matrix)> {
        let n = self.checkpoints.len();
        let last = of_nodes.len() - 1;
        let layers =
            self.plan.layers.iter().map(|layer| (layer.name.clone(), layer.node));
        let up_to = |(name, node): (String, usize)| {
            let mut sums = vec![0.0; n * n];
            for own in &of_nodes[..=node] {
                sums.iter_mut().zip(own).for_each(|(sum, d2)| *sum += d2);
            }
            (name, Matrix::new(n, sums))
        };
        layers.chain([(OUTPUT.to_owned(), last)]).map(up_to).collect()
    }
}

/// The weights of a recording, as its rows keep them.
#[derive(Clone, Copy)]
pub(super) struct Rows<'a> {
    pub(super) layers: &'a [String],
    pub(super) rows: &'a [Checkpoint],
}

impl Rows<'_> {
    /// As [`Checkpoints::distances`], of what the recorder keeps of the tensors between one layer
    /// and the next: tensors over their norms, long ones by the sums of entries that docs/FORMAT.md
    /// describes, which have the same distances but for about 1 %. Or why there are none.
    ///
    /// # Errors
    /// If a row cannot be read.
    pub(super) fn distances(self) -> Result<Reasoned<Vec<(String, Matrix)>>> {
        let n = self.rows.len();
        let mut sums = vec![0.0; n * n];
        let mut found = vec![];
        let output = OUTPUT.to_owned();
        let rest = (!self.layers.contains(&output)).then_some(&output);
        for layer in self.layers.iter().chain(rest) {
            let kept = match self.kept(layer)? {
                Ok(kept) => kept,
                Err(reason) => return Ok(Err(reason)),
            };
            let rows: Vec<(&[f32], f64)> =
                kept.iter().map(|own| (&own[..], 1.0)).collect();
            let own = squared_distances(&rows);
            sums.iter_mut().zip(own).for_each(|(sum, d2)| *sum += d2);
            found.push((layer.clone(), Matrix::new(n, sums.clone())));
        }
        Ok(Ok(found))
    }

    /// What each row keeps of a layer's own tensors.
    fn kept(self, layer: &str) -> Result<Reasoned<Vec<Vec<f32>>>> {
        let mut kept: Vec<Vec<f32>> = vec![];
        for row in self.rows {
            let Some(own) = read_npz_member(&row.path, &format!("weights/{layer}"))?
            else {
                let reason = "the rows do not keep what distances between weights are \
                              made of, as those of Recorder(weights=True) do";
                return Ok(Err(reason.into()));
            };
            let own = own.to_f32();
            if kept.first().is_some_and(|first| first.len() != own.len()) {
                return Ok(Err("the rows are of models with other weights".into()));
            }
            kept.push(own);
        }
        Ok(Ok(kept))
    }
}

/// Each row with 1 over its norm; of a row of zeros 0.
fn directions<'a>(rows: &[&'a [f32]]) -> Vec<(&'a [f32], f64)> {
    let factor = |row: &[f32]| {
        let square: f64 = row.iter().map(|&w| f64::from(w).powi(2)).sum();
        if square > 0.0 { square.sqrt().recip() } else { 0.0 }
    };
    rows.iter().map(|row| (*row, factor(row))).collect()
}

/// Squared distances between rows times their factors, `[E, E]`.
fn squared_distances(rows: &[(&[f32], f64)]) -> Vec<f64> {
    let n = rows.len();
    let row = |i: usize| -> Vec<f64> {
        let to = |j: usize| Arch::new().dispatch(|| squared_distance([rows[i], rows[j]]));
        (0..i).map(to).collect()
    };
    let lower: Vec<Vec<f64>> = (0..n).into_par_iter().map(row).collect();
    let mut all = vec![0.0; n * n];
    for (i, row) in lower.iter().enumerate() {
        for (j, d2) in row.iter().enumerate() {
            (all[i * n + j], all[j * n + i]) = (*d2, *d2);
        }
    }
    all
}

/// Compiled for the vector registers of this machine where it is dispatched; nothing is fused
/// or reordered.
#[allow(clippy::inline_always)]
#[inline(always)]
fn squared_distance([(a, of_a), (b, of_b)]: [(&[f32], f64); 2]) -> f64 {
    let square = |a: f32, b: f32| (f64::from(a) * of_a - f64::from(b) * of_b).powi(2);
    let mut sums = [0.0; LANES];
    let (blocks_a, rest_a) = a.as_chunks::<LANES>();
    let (blocks_b, rest_b) = b.as_chunks::<LANES>();
    for (a, b) in blocks_a.iter().zip(blocks_b) {
        for lane in 0..LANES {
            sums[lane] += square(a[lane], b[lane]);
        }
    }
    let rest: f64 = rest_a.iter().zip(rest_b).map(|(&a, &b)| square(a, b)).sum();
    sums.iter().sum::<f64>() + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_are_those_of_directions() {
        let a: Vec<f32> = (0..37).map(|k| (k % 5) as f32 - 1.0).collect();
        let double: Vec<f32> = a.iter().map(|x| 2.0 * x).collect();
        let opposite: Vec<f32> = a.iter().map(|x| -x).collect();
        let rows = directions(&[&a, &double, &opposite, &[0.0; 37]]);
        let d2 = squared_distances(&rows);
        let expected = [0., 0., 4., 1., 0., 0., 4., 1., 4., 4., 0., 1., 1., 1., 1., 0.];
        for (found, expected) in d2.iter().zip(expected) {
            assert!((found - expected).abs() < 1e-12, "{d2:?}");
        }
    }
}
