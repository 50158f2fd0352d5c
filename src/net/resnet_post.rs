//! Post-activation `ResNets` (He et al. 2016a), in which BatchNorm and `ReLU` follow the
//! convolutions: ResNet-n for CIFAR, whose shortcuts have no parameters, and ResNet-18 with
//! the 3×3 stem for small images and 1×1 shortcuts with BatchNorm.
//!
//! Names are those of PyTorch's common codes for CIFAR. A block's node is its last `ReLU`, as
//! the output of the module of that name is; the stem's is `relu1`.

use serde::{Deserialize, Serialize};

use super::architecture::Architecture;
use super::builder::Builder;
use super::node::{Net, Op, Shape};
use crate::setting::Fallback::{Required, Toml};
use crate::setting::Kind::Integer;
use crate::setting::{Key, Misfit, key};

/// The post-activation ResNet-18 of widths k, 2k, 4k, 8k with a 3×3 stem.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Resnet18Post {
    /// k, at least 1; 64 is the standard ResNet-18.
    pub width: usize,
}

/// The post-activation ResNet-n for CIFAR of widths k, 2k, 4k (He et al. 2016a).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ResnetCifar {
    /// n = 6b + 2 for b blocks a stage.
    pub depth: usize,
    /// k, at least 1; 16 is the standard.
    pub width: usize,
}

impl Architecture for Resnet18Post {
    const TITLE: &'static str = "post-activation ResNet18";
    const KEYS: &'static [Key] = &[key("net.width", Integer(1, 4096), Required)];

    fn describe(&self) -> String {
        format!("post-activation ResNet18 of width {}", self.width)
    }

    fn build(&self, input: Shape, n_classes: usize) -> Net {
        build_18(self.width, input, n_classes)
    }
}

impl Architecture for ResnetCifar {
    const TITLE: &'static str = "ResNet for CIFAR";
    /// The defaults are ResNet-20's.
    const KEYS: &'static [Key] = &[
        key("net.depth", Integer(1, 1000), Toml("20")),
        key("net.width", Integer(1, 4096), Toml("16")),
    ];

    fn describe(&self) -> String {
        format!("ResNet-{} of width {}", self.depth, self.width)
    }

    fn check(&self) -> Result<(), Misfit> {
        if self.depth >= 8 && self.depth % 6 == 2 {
            return Ok(());
        }
        Err(Misfit {
            key: "net.depth",
            found: format!("is {}", self.depth),
            expected: "6n + 2 with net.kind = \"resnet-cifar\": 8, 14, 20, 26, …".into(),
        })
    }

    fn build(&self, input: Shape, n_classes: usize) -> Net {
        build_cifar(self.depth, self.width, input, n_classes)
    }
}

/// How a block's input gets the shape of its output.
#[derive(Debug, Clone, Copy)]
enum Shortcut {
    /// Every second pixel, and channels of zeros ("option A").
    Pad,
    /// A 1×1 convolution and a BatchNorm ("option B").
    Project,
}

/// ResNet-n of depth n = 6·b + 2: three stages of b blocks, of widths k, 2k, 4k.
fn build_cifar(depth: usize, width: usize, input: Shape, n_classes: usize) -> Net {
    assert!(depth >= 8 && depth % 6 == 2, "a depth of 6n + 2, not {depth}");
    build([3, (depth - 2) / 6], width, Shortcut::Pad, input, n_classes)
}

/// ResNet-18: four stages of two blocks, of widths k, 2k, 4k, 8k.
fn build_18(width: usize, input: Shape, n_classes: usize) -> Net {
    build([4, 2], width, Shortcut::Project, input, n_classes)
}

fn build(
    [stages, blocks]: [usize; 2],
    width: usize,
    shortcut: Shortcut,
    input: Shape,
    n_classes: usize,
) -> Net {
    assert!(width > 0, "width must be at least 1");
    let mut net = Builder::new(input);
    let mut at = net.conv3("conv1", width, 1, false, 0);
    at = net.add("bn1", Op::BatchNorm, &[at]);
    at = net.add("relu1", Op::Relu, &[at]);
    let mut representations = vec!["relu1".to_string()];
    for stage in 0..stages {
        for block in 0..blocks {
            let stride = if stage > 0 && block == 0 { 2 } else { 1 };
            let name = format!("layer{}.{block}", stage + 1);
            at = basic_block(&mut net, &name, [width << stage, stride], shortcut, at);
            representations.push(name);
        }
    }
    at = net.add("avgpool", Op::GlobalAvgPool, &[at]);
    net.add("linear", Op::Linear { out_features: n_classes }, &[at]);
    representations.extend(["avgpool".to_string(), "linear".to_string()]);
    Net { nodes: net.nodes, representations }
}

/// `relu(bn2(conv2(relu(bn1(conv1(x))))) + shortcut)`, the node called `name`.
fn basic_block(
    net: &mut Builder,
    name: &str,
    [channels, stride]: [usize; 2],
    shortcut: Shortcut,
    input: usize,
) -> usize {
    let part = |part: &str| format!("{name}.{part}");
    let mut at = net.conv3(part("conv1"), channels, stride, false, input);
    at = net.add(part("bn1"), Op::BatchNorm, &[at]);
    at = net.add(part("relu1"), Op::Relu, &[at]);
    at = net.conv3(part("conv2"), channels, 1, false, at);
    at = net.add(part("bn2"), Op::BatchNorm, &[at]);
    let same = stride == 1 && net.nodes[input].shape.channels == channels;
    let other = match shortcut {
        _ if same => input,
        Shortcut::Pad => {
            let op = Op::Subsample { out_channels: channels, stride };
            net.add(part("shortcut"), op, &[input])
        }
        Shortcut::Project => {
            let op = Op::Conv2d {
                out_channels: channels,
                kernel: [1, 1],
                stride,
                padding: [0, 0],
                bias: false,
            };
            let conv = net.add(part("shortcut.0"), op, &[input]);
            net.add(part("shortcut.1"), Op::BatchNorm, &[conv])
        }
    };
    let sum = net.add(part("sum"), Op::Add, &[at, other]);
    net.add(name, Op::Relu, &[sum])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resnet_20_has_the_published_parameters() {
        let input = Shape { channels: 3, height: 32, width: 32 };
        // He et al. 2016a, table 6, and the counts of akamaster's code.
        for (depth, parameters) in [(20, 269_722), (32, 464_154), (56, 853_018)] {
            let net = build_cifar(depth, 16, input, 10);
            assert_eq!(net.parameter_count(), parameters);
            let convolutions =
                net.nodes.iter().filter(|n| matches!(n.op, Op::Conv2d { .. })).count();
            assert_eq!(convolutions + 1, depth);
        }
        // kuangliu's ResNet18.
        assert_eq!(build_18(64, input, 10).parameter_count(), 11_173_962);
    }

    #[test]
    fn representations_are_nodes_in_depth_order() {
        for side in [8, 10, 28] {
            let input = Shape { channels: 1, height: side, width: side };
            for net in [build_cifar(8, 3, input, 10), build_18(3, input, 10)] {
                let found: Vec<usize> = net
                    .representations
                    .iter()
                    .map(|name| net.position(name).unwrap())
                    .collect();
                assert!(found.windows(2).all(|pair| pair[0] < pair[1]));
                assert_eq!(found.last(), Some(&(net.nodes.len() - 1)));
            }
        }
    }
}
