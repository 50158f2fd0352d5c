//! The pre-activation ResNet-18 of width k (He et al. 2016b, as used by Nakkiran et al.
//! 2019): BatchNorm and `ReLU` before each convolution, no BatchNorm after the stem or before
//! the average pool, 1×1 shortcuts on the pre-activated input where the shape changes.

use serde::{Deserialize, Serialize};

use super::architecture::{Architecture, advice_on_torchvision};
use super::builder::Builder;
use super::node::{Net, Op, Shape};
use crate::setting::Fallback::Required;
use crate::setting::Kind::Integer;
use crate::setting::{Key, key};

/// The pre-activation ResNet-18 of widths k, 2k, 4k, 8k.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Resnet18 {
    /// k, at least 1; 64 is the standard ResNet-18.
    pub width: usize,
}

impl Architecture for Resnet18 {
    const TITLE: &'static str = "ResNet18";
    const KEYS: &'static [Key] = &[key("net.width", Integer(1, 4096), Required)];

    fn describe(&self) -> String {
        format!("ResNet18 of width {}", self.width)
    }

    fn advice(&self, any: &dyn Fn(&str) -> bool) -> Option<&'static str> {
        let is_post =
            any("`bn1.weight` is unexpected") && !any("`layer1.0.bn1.weight` is missing");
        let post = "a BatchNorm behind the stem is of a post-activation ResNet: --net \
                    resnet18-post or --net resnet-cifar";
        if is_post { Some(post) } else { advice_on_torchvision(any) }
    }

    fn build(&self, input: Shape, n_classes: usize) -> Net {
        build(self.width, input, n_classes)
    }
}

fn build(width: usize, input: Shape, n_classes: usize) -> Net {
    assert!(width > 0, "width must be at least 1");
    let mut net = Builder::new(input);
    let mut at = net.conv3("conv1", width, 1, false, 0);
    let mut representations = vec!["conv1".to_string()];
    for stage in 0..4 {
        for block in 0..2 {
            let stride = if stage > 0 && block == 0 { 2 } else { 1 };
            let name = format!("layer{}.{block}", stage + 1);
            at = pre_activation_block(&mut net, &name, width << stage, stride, at);
            representations.push(name);
        }
    }
    at = net.add("avgpool", Op::GlobalAvgPool, &[at]);
    net.add("linear", Op::Linear { out_features: n_classes }, &[at]);
    representations.extend(["avgpool".to_string(), "linear".to_string()]);
    Net { nodes: net.nodes, representations }
}

/// `conv2(relu(bn2(conv1(relu(bn1(x)))))) + shortcut`; the sum is the node called `name`.
fn pre_activation_block(
    net: &mut Builder,
    name: &str,
    channels: usize,
    stride: usize,
    input: usize,
) -> usize {
    let bn1 = net.add(format!("{name}.bn1"), Op::BatchNorm, &[input]);
    let relu1 = net.add(format!("{name}.relu1"), Op::Relu, &[bn1]);
    let conv1 = net.conv3(format!("{name}.conv1"), channels, stride, false, relu1);
    let bn2 = net.add(format!("{name}.bn2"), Op::BatchNorm, &[conv1]);
    let relu2 = net.add(format!("{name}.relu2"), Op::Relu, &[bn2]);
    let conv2 = net.conv3(format!("{name}.conv2"), channels, 1, false, relu2);
    let shortcut = if stride != 1 || net.nodes[input].shape.channels != channels {
        let op = Op::Conv2d {
            out_channels: channels,
            kernel: [1, 1],
            stride,
            padding: [0, 0],
            bias: false,
        };
        net.add(format!("{name}.shortcut.0"), op, &[relu1])
    } else {
        input
    };
    net.add(name, Op::Add, &[conv2, shortcut])
}
