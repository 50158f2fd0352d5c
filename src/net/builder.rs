//! Nodes appended one after the other, with the shapes that follow.

use super::node::{Node, Op, Shape};

/// Appends nodes to a net, tracking shapes.
pub(super) struct Builder {
    pub(super) nodes: Vec<Node>,
}

impl Builder {
    pub(super) fn new(input: Shape) -> Self {
        let node =
            Node { name: "input".into(), op: Op::Input, inputs: vec![], shape: input };
        Self { nodes: vec![node] }
    }

    /// Adds a node and returns its position.
    pub(super) fn add(
        &mut self,
        name: impl Into<String>,
        op: Op,
        inputs: &[usize],
    ) -> usize {
        let from = self.nodes[inputs[0]].shape;
        let shape = match op {
            Op::Conv2d { out_channels, kernel, stride, padding, .. } => {
                let side = |axis: usize, length: usize| {
                    (length + 2 * padding[axis] - kernel[axis]) / stride + 1
                };
                Shape {
                    channels: out_channels,
                    height: side(0, from.height),
                    width: side(1, from.width),
                }
            }
            Op::MaxPool { size: [height, width] } => Shape {
                channels: from.channels,
                height: from.height / height,
                width: from.width / width,
            },
            Op::Subsample { out_channels, stride } => Shape {
                channels: out_channels,
                height: from.height.div_ceil(stride),
                width: from.width.div_ceil(stride),
            },
            Op::GlobalAvgPool => Shape { channels: from.channels, height: 1, width: 1 },
            Op::Flatten => Shape { channels: from.size(), height: 1, width: 1 },
            Op::Linear { out_features } => {
                Shape { channels: out_features, height: 1, width: 1 }
            }
            Op::Embed => Shape {
                channels: from.channels,
                height: 1 + from.height * from.width,
                width: 1,
            },
            Op::TokenLinear { out_features, .. } => {
                Shape { channels: out_features, ..from }
            }
            Op::Attention { .. } => Shape { channels: from.channels / 3, ..from },
            Op::TokenPool { .. } => {
                Shape { channels: from.channels, height: 1, width: 1 }
            }
            Op::Input
            | Op::BatchNorm
            | Op::Relu
            | Op::Add
            | Op::LayerNorm { .. }
            | Op::Gelu
            | Op::Dropout { .. } => from,
        };
        self.nodes.push(Node { name: name.into(), op, inputs: inputs.to_vec(), shape });
        self.nodes.len() - 1
    }

    /// Whether the net is one of signals.
    pub(super) fn reads_signals(&self) -> bool {
        self.nodes[0].shape.height == 1
    }

    /// Adds a 3×3 convolution with padding 1, or 1×3 on signals.
    pub(super) fn conv3(
        &mut self,
        name: impl Into<String>,
        out_channels: usize,
        stride: usize,
        bias: bool,
        input: usize,
    ) -> usize {
        let [kernel, padding] =
            if self.reads_signals() { [[1, 3], [0, 1]] } else { [[3, 3], [1, 1]] };
        let op = Op::Conv2d { out_channels, kernel, stride, padding, bias };
        self.add(name, op, &[input])
    }
}
