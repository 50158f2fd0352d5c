//! The features that probes read, from streamed passes.

use crate::analyze::plan::pooled_nodes;
use crate::data::{Data, Split};
use crate::engine::Inputs;
use crate::error::Result;
use crate::probe::features::Pooling;
use crate::probe::metric_bytes;
use crate::represent::{Layer, Representer};

/// Bytes of each layer's features of all images.
pub(crate) fn sizes(data: &Data, layers: &[Layer], pooling: Pooling) -> Vec<u64> {
    let n = data.noisy.len() + data.test.labels.len();
    layers.iter().map(|layer| (4 * n * pooling.width(layer.shape)) as u64).collect()
}

/// Bytes of the largest layer's design and fit: features and reflections in f64, the metric.
pub(crate) fn design_bytes(data: &Data, layers: &[Layer], pooling: Pooling) -> u64 {
    let n = data.noisy.len();
    let bytes = |layer: &Layer| {
        let width = pooling.width(layer.shape);
        24 * n * width + metric_bytes(n.min(width) + 1, data.n_classes)
    };
    layers.iter().map(bytes).max().unwrap_or(0) as u64
}

/// Features of `layers` for all images of a set, from one streamed pass.
pub(crate) fn probe_features(
    net: &mut Representer<'_>,
    split: Split,
    layers: &[Layer],
    pooling: Pooling,
) -> Result<Vec<Vec<f32>>> {
    let nodes = pooled_nodes(layers, pooling);
    let mut features = vec![vec![]; layers.len()];
    net.stream(&Inputs::Set(split), &nodes, |_, outputs| {
        for ((layer, all), output) in layers.iter().zip(&mut features).zip(outputs) {
            all.extend_from_slice(&pooling.of_pooled(output, layer.shape));
        }
        Ok(())
    })?;
    Ok(features)
}

/// Whether features are numbers: none can be fitted or decided by otherwise.
pub(super) fn are_finite(features: &[f32]) -> bool {
    features.iter().all(|value| value.is_finite())
}
