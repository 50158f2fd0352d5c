//! A convolution or linear layer of a net: its passes and where its parameters are.

use super::conv_pass::{Pass, WeightPass};
use super::geometry::{Windows, pixels};
use super::isa::Isa;
use super::tensor::Batch;
use crate::net::{Net, Op};

/// A convolution or linear layer.
#[derive(Debug)]
pub(super) struct Conv {
    pub(super) forward: Pass,
    pub(super) backward: Pass,
    pub(super) weights: WeightPass,
    /// Position of the weight among the parameters; the bias follows it.
    pub(super) weight: usize,
    pub(super) bias: bool,
    /// Distances in the weight between its input channels and between its outputs.
    strides: [usize; 2],
}

impl Conv {
    pub(super) fn new(isa: Isa, net: &Net, node: usize, weight: usize) -> Option<Self> {
        let to = net.nodes[node].shape;
        let from = net.nodes[*net.nodes[node].inputs.first()?].shape;
        let (kernel, stride, padding, bias) = match net.nodes[node].op {
            Op::Conv2d { kernel, stride, padding, bias, .. } => {
                (kernel, stride, padding, bias)
            }
            Op::Linear { .. } => {
                assert_eq!(pixels(from), 1, "a linear layer reads vectors, not {from:?}");
                ([1, 1], 1, [0, 0], true)
            }
            _ => return None,
        };
        let sides = [from, to].map(|shape| [shape.height, shape.width]);
        let windows = Windows { kernel, stride, padding, from: sides[0], to: sides[1] };
        let [inputs, outputs] = [from.channels, to.channels];
        Some(Self {
            forward: Pass::forward(isa, &windows, inputs, outputs),
            backward: Pass::backward(isa, &windows, inputs, outputs),
            weights: WeightPass::new(isa, &windows, inputs, outputs),
            weight,
            bias,
            strides: [windows.taps(), windows.taps() * inputs],
        })
    }

    /// Room for packed weights, and in training for the gradient of the weights.
    pub(super) fn scratch_size(&self, batch: Batch, training: bool) -> usize {
        let forward = self.forward.packed_size();
        if !training {
            return forward;
        }
        let gradient = self.weights.scratch_size(batch.blocks);
        forward.max(self.backward.packed_size()).max(gradient)
    }

    /// Packs the weights for the forward pass.
    pub(super) fn pack_forward(&self, values: &[Vec<f32>], packed: &mut [f32]) {
        self.forward.pack(&values[self.weight], self.strides, packed);
    }

    /// Packs the weights for the gradient of the input.
    pub(super) fn pack_backward(&self, values: &[Vec<f32>], packed: &mut [f32]) {
        let [input, output] = self.strides;
        self.backward.pack(&values[self.weight], [output, input], packed);
    }
}
