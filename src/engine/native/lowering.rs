//! From a net's nodes to the steps that are run.
//!
//! Steps are fused nodes: a convolution with the sum, and in evaluation the BatchNorm and
//! `ReLU`, that follow it; a BatchNorm with its `ReLU`; a token's linear layer with the
//! LayerNorm or GELU before it and the sum that follows.

use crate::net::{Net, Op, TokenPool};

/// What a step computes. Nodes are positions in the net.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Kind {
    /// The images.
    Input,
    /// A convolution or linear layer, then what follows it.
    Conv {
        node: usize,
        add: Option<usize>,
        batchnorm: Option<usize>,
        relu: bool,
    },
    /// BatchNorm, with its `ReLU` and, in training, that one's max-pool of this size.
    BatchNorm {
        node: usize,
        relu: bool,
        pool: Option<[usize; 2]>,
    },
    Relu,
    MaxPool {
        size: [usize; 2],
    },
    Subsample {
        stride: usize,
    },
    GlobalAvgPool,
    Flatten,
    Add {
        other: usize,
    },
    /// A linear layer on tokens, with what stands before it and a sum behind it.
    TokenLinear {
        node: usize,
        before: Option<usize>,
        add: Option<usize>,
    },
    /// Class token and positions.
    Embed {
        node: usize,
    },
    LayerNorm,
    Gelu,
    Attention {
        heads: usize,
    },
    Dropout {
        node: usize,
        p: f64,
    },
    TokenPool {
        pool: TokenPool,
    },
}

impl Kind {
    /// The other term of the step's sum.
    pub(super) fn other(self) -> Option<usize> {
        match self {
            Kind::Conv { add, .. } | Kind::TokenLinear { add, .. } => add,
            Kind::Add { other } => Some(other),
            _ => None,
        }
    }
}

/// One step: reads the value of node `input` and leaves the value of node `output`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Step {
    pub(super) kind: Kind,
    pub(super) input: usize,
    pub(super) output: usize,
}

impl Step {
    /// The node whose value the step reads in the backward pass.
    pub(super) fn read_back(&self) -> Option<usize> {
        match self.kind {
            Kind::Input
            | Kind::Subsample { .. }
            | Kind::GlobalAvgPool
            | Kind::Flatten
            | Kind::Add { .. }
            | Kind::Embed { .. }
            | Kind::Dropout { .. }
            | Kind::TokenPool { .. } => None,
            Kind::Relu => Some(self.output),
            Kind::Conv { .. }
            | Kind::BatchNorm { .. }
            | Kind::MaxPool { .. }
            | Kind::TokenLinear { .. }
            | Kind::LayerNorm
            | Kind::Gelu
            | Kind::Attention { .. } => Some(self.input),
        }
    }

    /// Whether the gradient of the input may take the place of that of the output.
    pub(super) fn is_in_place(&self) -> bool {
        matches!(
            self.kind,
            Kind::BatchNorm { pool: None, .. }
                | Kind::Relu
                | Kind::Add { .. }
                | Kind::Gelu
                | Kind::Dropout { .. }
        )
    }
}

/// The steps that compute `roots`; the values of `kept` nodes are stored. Only in evaluation
/// are `BatchNorms` folded into convolutions.
pub(super) fn lower(
    net: &Net,
    roots: &[usize],
    kept: &[usize],
    evaluation: bool,
) -> Vec<Step> {
    let mut lowering = Lowering::new(net, roots, kept);
    let mut steps = vec![];
    for node in 0..net.nodes.len() {
        if lowering.needed[node] && !lowering.absorbed[node] && !lowering.joins(node) {
            steps.push(lowering.step(node, evaluation));
        }
    }
    steps
}

struct Lowering<'a> {
    net: &'a Net,
    needed: Vec<bool>,
    absorbed: Vec<bool>,
    kept: &'a [usize],
    consumers: Vec<Vec<usize>>,
}

impl<'a> Lowering<'a> {
    fn new(net: &'a Net, roots: &[usize], kept: &'a [usize]) -> Self {
        let n = net.nodes.len();
        let mut needed = vec![false; n];
        let mut consumers = vec![vec![]; n];
        for node in (0..n).rev() {
            needed[node] |= roots.contains(&node);
            if needed[node] {
                for &input in &net.nodes[node].inputs {
                    needed[input] = true;
                    consumers[input].push(node);
                }
            }
        }
        Self { net, needed, absorbed: vec![false; n], kept, consumers }
    }

    fn op(&self, node: usize) -> &Op {
        &self.net.nodes[node].op
    }

    /// The only reader of a node whose value need not be stored.
    fn follower(&self, node: usize) -> Option<usize> {
        match self.consumers[node][..] {
            [follower] if !self.kept.contains(&node) => Some(follower),
            _ => None,
        }
    }

    /// Takes the following `ReLU` into the step.
    fn relu(&mut self, output: &mut usize) -> bool {
        let follower = self.follower(*output).filter(|&f| *self.op(f) == Op::Relu);
        if let Some(relu) = follower {
            self.absorbed[relu] = true;
            *output = relu;
        }
        follower.is_some()
    }

    /// Takes the following max-pool into the step; gives its size.
    fn pool(&mut self, output: &mut usize) -> Option<[usize; 2]> {
        let follower = self.follower(*output)?;
        let Op::MaxPool { size } = *self.op(follower) else { return None };
        self.absorbed[follower] = true;
        *output = follower;
        Some(size)
    }

    /// Whether a node is computed inside the linear layer that follows.
    fn joins(&self, node: usize) -> bool {
        matches!(self.op(node), Op::LayerNorm { .. } | Op::Gelu)
            && self
                .follower(node)
                .is_some_and(|next| matches!(self.op(next), Op::TokenLinear { .. }))
    }

    fn step(&mut self, node: usize, evaluation: bool) -> Step {
        let inputs = &self.net.nodes[node].inputs;
        let mut input = inputs.first().copied().unwrap_or(node);
        let mut output = node;
        let kind = match *self.op(node) {
            Op::Input => Kind::Input,
            Op::Conv2d { .. } | Op::Linear { .. } => {
                let add = self.sum(&mut output);
                let mut batchnorm = None;
                let mut relu = false;
                if evaluation {
                    let follower = self.follower(output);
                    batchnorm = follower.filter(|&f| *self.op(f) == Op::BatchNorm);
                    if let Some(follower) = batchnorm {
                        self.absorbed[follower] = true;
                        output = follower;
                    }
                    relu = self.relu(&mut output);
                }
                Kind::Conv { node, add, batchnorm, relu }
            }
            Op::BatchNorm => {
                let relu = self.relu(&mut output);
                let pool =
                    if relu && !evaluation { self.pool(&mut output) } else { None };
                Kind::BatchNorm { node, relu, pool }
            }
            Op::Relu => Kind::Relu,
            Op::MaxPool { size } => Kind::MaxPool { size },
            Op::Subsample { stride, .. } => Kind::Subsample { stride },
            Op::GlobalAvgPool => Kind::GlobalAvgPool,
            Op::Flatten => Kind::Flatten,
            Op::Add => Kind::Add { other: inputs[1] },
            Op::TokenLinear { .. } => {
                let before = Some(input).filter(|&node| self.joins(node));
                if before.is_some() {
                    input = self.net.nodes[input].inputs[0];
                }
                if evaluation {
                    self.dropout(&mut output);
                }
                Kind::TokenLinear { node, before, add: self.sum(&mut output) }
            }
            Op::Embed | Op::Gelu => {
                if evaluation {
                    self.dropout(&mut output);
                }
                if *self.op(node) == Op::Gelu { Kind::Gelu } else { Kind::Embed { node } }
            }
            Op::LayerNorm { .. } => Kind::LayerNorm,
            Op::Attention { heads } => Kind::Attention { heads },
            // Outside training it is a copy, where it could not join the step before.
            Op::Dropout { p } => {
                Kind::Dropout { node, p: if evaluation { 0.0 } else { p } }
            }
            Op::TokenPool { pool } => Kind::TokenPool { pool },
        };
        Step { kind, input, output }
    }

    /// Takes the dropout that follows, outside training, into the step.
    fn dropout(&mut self, output: &mut usize) {
        let follower = self.follower(*output);
        let follower =
            follower.filter(|&next| matches!(self.op(next), Op::Dropout { .. }));
        if let Some(dropout) = follower {
            self.absorbed[dropout] = true;
            *output = dropout;
        }
    }

    /// Takes the sum that follows a convolution into its step, if the other term is ready;
    /// gives the other term.
    fn sum(&mut self, output: &mut usize) -> Option<usize> {
        let conv = *output;
        let follower = self.follower(conv).filter(|&f| *self.op(f) == Op::Add)?;
        let inputs = &self.net.nodes[follower].inputs;
        let other = *inputs.iter().find(|&&input| input < conv)?;
        if !inputs.contains(&conv) {
            return None;
        }
        self.absorbed[follower] = true;
        *output = follower;
        Some(other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::{NetConfig, Shape};

    fn resnet() -> Net {
        let input = Shape { channels: 3, height: 32, width: 32 };
        NetConfig::resnet18(4).build(input, 10)
    }

    #[test]
    fn evaluation_folds_batchnorm_relu_and_sums_into_convolutions() {
        let net = resnet();
        let logits = net.nodes.len() - 1;
        let steps = lower(&net, &[logits], &[logits], true);
        // Input, stem, 8 blocks of (bn1, conv1, conv2), 3 shortcuts, pool, linear; before a
        // shortcut, bn1 is the sum's only reader and belongs to the step before.
        assert_eq!(steps.len(), 1 + 1 + 8 * 3 + 3 + 2 - 3);
        assert!(steps.iter().all(|s| !matches!(s.kind, Kind::Add { .. } | Kind::Relu)));
    }

    #[test]
    fn nodes_behind_the_last_wanted_one_are_not_computed() {
        let net = resnet();
        let conv1 = net.position("layer1.0.conv1").unwrap();
        let steps = lower(&net, &[conv1], &[conv1], true);
        assert_eq!(steps.len(), 3); // input, stem with bn1 and relu1, conv1
        assert_eq!(steps[2].output, conv1);
    }
}
