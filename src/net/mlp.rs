//! The multilayer perceptron: images or signals as one vector, then hidden layers of one width,
//! each a linear layer, BatchNorm where it is asked for, and `ReLU`.
//!
//! Names are those of a module with `fc1`, `bn1`, `relu1`, `fc2`, … and the output layer `head`.

use serde::{Deserialize, Serialize};

use super::architecture::Architecture;
use super::builder::Builder;
use super::node::{Net, Op, Shape};
use crate::setting::Fallback::Toml;
use crate::setting::Kind::{Bool, Integer};
use crate::setting::{Key, key};

/// The settings of a multilayer perceptron.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mlp {
    /// Features of each hidden layer, at least 1.
    pub width: usize,
    /// Hidden layers, at least 1.
    pub depth: usize,
    /// Whether a BatchNorm stands before each `ReLU`.
    pub batchnorm: bool,
}

impl Architecture for Mlp {
    const TITLE: &'static str = "MLP";
    const KEYS: &'static [Key] = &[
        key("net.width", Integer(1, 65_536), Toml("512")),
        key("net.depth", Integer(1, 1000), Toml("3")),
        key("net.batchnorm", Bool, Toml("false")),
    ];

    fn describe(&self) -> String {
        let norm = if self.batchnorm { ", BatchNorm" } else { "" };
        format!("MLP of width {}, depth {}{norm}", self.width, self.depth)
    }

    fn build(&self, input: Shape, n_classes: usize) -> Net {
        let mut net = Builder::new(input);
        let mut representations = vec![];
        let mut at = net.add("flatten", Op::Flatten, &[0]);
        for layer in 1..=self.depth {
            let linear = Op::Linear { out_features: self.width };
            at = net.add(format!("fc{layer}"), linear, &[at]);
            if self.batchnorm {
                at = net.add(format!("bn{layer}"), Op::BatchNorm, &[at]);
            }
            at = net.add(format!("relu{layer}"), Op::Relu, &[at]);
            representations.push(format!("relu{layer}"));
        }
        net.add("head", Op::Linear { out_features: n_classes }, &[at]);
        representations.push("head".into());
        Net { nodes: net.nodes, representations }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CIFAR: Shape = Shape { channels: 3, height: 32, width: 32 };

    #[test]
    fn counts_are_those_of_the_formulas() {
        for (width, depth) in [(1, 1), (64, 1), (512, 4)] {
            for batchnorm in [false, true] {
                let net = Mlp { width, depth, batchnorm }.build(CIFAR, 10);
                let norms = if batchnorm { 2 * width * depth } else { 0 };
                let inner = (depth - 1) * (width * width + width);
                let expected = 3072 * width + width + inner + 10 * width + 10 + norms;
                assert_eq!(net.parameter_count(), expected);
                let macs = 3072 * width + (depth - 1) * width * width + 10 * width;
                assert_eq!(net.mac_count(), macs);
                assert_eq!(net.has_batchnorm(), batchnorm);
            }
        }
    }

    #[test]
    fn parameters_are_those_of_the_module() {
        let signal = Shape { channels: 1, height: 1, width: 40 };
        let net = Mlp { width: 8, depth: 2, batchnorm: true }.build(signal, 10);
        let found: Vec<(String, Vec<usize>)> =
            net.parameters().into_iter().map(|p| (p.name, p.shape)).collect();
        let norm = ["weight", "bias", "running_mean", "running_var"];
        let mut expected = vec![];
        for (layer, inputs) in [(1, 40), (2, 8)] {
            expected.push((format!("fc{layer}.weight"), vec![8, inputs]));
            expected.push((format!("fc{layer}.bias"), vec![8]));
            expected.extend(norm.map(|name| (format!("bn{layer}.{name}"), vec![8])));
            expected.push((format!("bn{layer}.num_batches_tracked"), vec![]));
        }
        expected.push(("head.weight".into(), vec![10, 8]));
        expected.push(("head.bias".into(), vec![10]));
        assert_eq!(found, expected);
        assert_eq!(net.representations, ["relu1", "relu2", "head"]);
    }
}
