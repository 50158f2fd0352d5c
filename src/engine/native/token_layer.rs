//! A linear layer on tokens, with its weights as the kernels read them.

use super::isa::Isa;
use super::linear::Packed;
use super::linear_weights::WeightGradient;
use crate::net::{Net, Op};

/// A linear layer on tokens.
#[derive(Debug)]
pub(super) struct TokenLayer {
    /// Weights towards the outputs and towards the inputs.
    pub(super) packed: [Packed; 2],
    pub(super) gradient: WeightGradient,
    pub(super) inputs: usize,
    /// Position of the weight among the parameters; the bias follows it.
    pub(super) weight: usize,
    pub(super) bias: bool,
}

impl TokenLayer {
    pub(super) fn new(isa: Isa, net: &Net, node: usize, weight: usize) -> Option<Self> {
        let Op::TokenLinear { out_features: outputs, bias } = net.nodes[node].op else {
            return None;
        };
        let inputs = net.nodes[net.nodes[node].inputs[0]].shape.channels;
        let packed =
            [[inputs, outputs], [outputs, inputs]].map(|[i, o]| Packed::new(isa, i, o));
        let gradient = WeightGradient::new(inputs, outputs);
        Some(Self { packed, gradient, inputs, weight, bias })
    }

    /// Packs the weights for one direction.
    pub(super) fn pack(&mut self, values: &[Vec<f32>], backward: bool) {
        let [input, output] = [1, self.inputs];
        let strides = if backward { [output, input] } else { [input, output] };
        self.packed[usize::from(backward)].pack(&values[self.weight], strides);
    }
}
