//! From a net's nodes to the steps that are run, and to the buffers they use.
//!
//! Steps are fused nodes: a convolution with the sum, and in evaluation the BatchNorm and
//! `ReLU`, that follow it; a BatchNorm with its `ReLU`; a token's linear layer with the
//! LayerNorm or GELU before it and the sum that follows. Buffers are shared between values whose
//! lifetimes do not overlap.

use crate::net::{Net, Op};

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
        pool: Option<usize>,
    },
    Relu,
    MaxPool {
        size: usize,
    },
    Subsample {
        stride: usize,
    },
    GlobalAvgPool,
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
        mean: bool,
    },
}

impl Kind {
    /// The other term of the step's sum.
    fn other(self) -> Option<usize> {
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
    fn pool(&mut self, output: &mut usize) -> Option<usize> {
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
            Op::TokenPool { pool } => {
                Kind::TokenPool { mean: pool == crate::net::TokenPool::Mean }
            }
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

/// Where the gradient of a step's input goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Target {
    /// Nowhere: the input is the images.
    None,
    /// Over the gradient of the output.
    InPlace,
    /// Into a buffer.
    Write(usize),
    /// Onto what a buffer holds.
    Accumulate(usize),
}

/// One step of the backward pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Back {
    /// Position of the step.
    pub(super) step: usize,
    /// Buffer of the gradient of its output.
    pub(super) gradient: usize,
    /// The gradient of its input.
    pub(super) input: Target,
    /// The gradient of a sum's other term.
    pub(super) other: Target,
}

/// Steps and the buffers of their values and gradients.
#[derive(Debug)]
pub(super) struct Program {
    pub(super) steps: Vec<Step>,
    /// Buffer of each node's value.
    pub(super) value: Vec<Option<usize>>,
    pub(super) backward: Vec<Back>,
    /// Sizes of the buffers.
    pub(super) buffers: Vec<usize>,
}

/// When a stored array is first and last used.
#[derive(Debug, Clone, Copy)]
struct Lifetime {
    start: usize,
    end: usize,
    size: usize,
}

impl Program {
    /// Forward only; `kept` nodes stay to the end. `size` gives the length of a node's value.
    pub(super) fn forward(
        net: &Net,
        steps: Vec<Step>,
        size: impl Fn(usize) -> usize,
    ) -> Self {
        let (arrays, value) = values(net, &steps, &size);
        Self::assign(steps, value, vec![], &arrays)
    }

    /// Forward and backward; gradients stop at nodes that nothing trained leads to.
    pub(super) fn training(
        net: &Net,
        steps: Vec<Step>,
        trains: &[bool],
        size: impl Fn(usize) -> usize,
    ) -> Self {
        let (mut arrays, value) = values(net, &steps, &size);
        let last = steps.len();
        let mut gradient: Vec<Option<usize>> = vec![None; net.nodes.len()];
        let root = steps[last - 1].output;
        arrays[value[root].expect("the last step's output is stored")].end = last;
        gradient[root] = Some(arrays.len());
        arrays.push(Lifetime { start: last, end: last, size: size(root) });
        let mut backward = vec![];
        for (position, step) in steps.iter().enumerate().rev() {
            let now = 2 * last - position;
            let Some(own) = gradient[step.output] else { continue };
            if step.kind == Kind::Input {
                continue;
            }
            arrays[own].end = now;
            if let Some(array) = value[step.input] {
                arrays[array].end = now;
            }
            if let Some(array) = value[step.output] {
                arrays[array].end = arrays[array].end.max(now);
            }
            let in_place = matches!(
                step.kind,
                Kind::BatchNorm { pool: None, .. }
                    | Kind::Relu
                    | Kind::Add { .. }
                    | Kind::Gelu
                    | Kind::Dropout { .. }
            );
            let mut target = |node: usize, in_place: bool, arrays: &mut Vec<Lifetime>| {
                if !trains[node] {
                    return Target::None;
                }
                if let Some(array) = gradient[node] {
                    arrays[array].end = now;
                    return Target::Accumulate(array);
                }
                if in_place {
                    gradient[node] = Some(own);
                    return Target::InPlace;
                }
                gradient[node] = Some(arrays.len());
                arrays.push(Lifetime { start: now, end: now, size: size(node) });
                Target::Write(arrays.len() - 1)
            };
            let input = target(step.input, in_place, &mut arrays);
            let other = match step.kind {
                Kind::Conv { add: Some(other), .. }
                | Kind::TokenLinear { add: Some(other), .. } => {
                    target(other, true, &mut arrays)
                }
                Kind::Add { other } => {
                    target(other, input != Target::InPlace, &mut arrays)
                }
                _ => Target::None,
            };
            backward.push(Back { step: position, gradient: own, input, other });
        }
        Self::assign(steps, value, backward, &arrays)
    }

    /// Gives every array a buffer.
    fn assign(
        steps: Vec<Step>,
        mut value: Vec<Option<usize>>,
        mut backward: Vec<Back>,
        arrays: &[Lifetime],
    ) -> Self {
        let (buffer, buffers) = share(arrays);
        for array in value.iter_mut().flatten() {
            *array = buffer[*array];
        }
        for back in &mut backward {
            back.gradient = buffer[back.gradient];
            for target in [&mut back.input, &mut back.other] {
                if let Target::Write(array) | Target::Accumulate(array) = target {
                    *array = buffer[*array];
                }
            }
        }
        Self { steps, value, backward, buffers }
    }
}

/// One array for each step's output, alive to its last reader in the forward pass.
fn values(
    net: &Net,
    steps: &[Step],
    size: &impl Fn(usize) -> usize,
) -> (Vec<Lifetime>, Vec<Option<usize>>) {
    let mut arrays: Vec<Lifetime> = vec![];
    let mut value = vec![None; net.nodes.len()];
    for (time, step) in steps.iter().enumerate() {
        for node in [Some(step.input), step.kind.other()].into_iter().flatten() {
            if let Some(array) = value[node] {
                let array: &mut Lifetime = &mut arrays[array];
                array.end = time;
            }
        }
        value[step.output] = Some(arrays.len());
        arrays.push(Lifetime { start: time, end: time, size: size(step.output) });
    }
    (arrays, value)
}

/// Assigns arrays to buffers, in the order of their starts: the free buffer of the nearest
/// size, or a new one. Gives each array's buffer, and the buffers' sizes.
fn share(arrays: &[Lifetime]) -> (Vec<usize>, Vec<usize>) {
    let mut order: Vec<usize> = (0..arrays.len()).collect();
    order.sort_by_key(|&array| (arrays[array].start, array));
    let mut buffer = vec![0; arrays.len()];
    let mut buffers: Vec<(usize, usize)> = vec![]; // (size, end of use)
    for array in order {
        let Lifetime { start, end, size } = arrays[array];
        let free = (0..buffers.len()).filter(|&b| buffers[b].1 < start);
        let nearest = free.min_by_key(|&b| buffers[b].0.abs_diff(size));
        let chosen = nearest.unwrap_or_else(|| {
            buffers.push((0, 0));
            buffers.len() - 1
        });
        buffers[chosen] = (buffers[chosen].0.max(size), end);
        buffer[array] = chosen;
    }
    (buffer, buffers.into_iter().map(|(size, _)| size).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::{NetConfig, Shape};

    fn resnet() -> Net {
        let input = Shape { channels: 3, height: 32, width: 32 };
        NetConfig::Resnet18 { width: 4 }.build(input, 10)
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

    #[test]
    fn buffers_of_a_forward_pass_are_few() {
        let net = resnet();
        let logits = net.nodes.len() - 1;
        let steps = lower(&net, &[logits], &[logits], true);
        let program = Program::forward(&net, steps, |n| net.nodes[n].shape.size());
        assert!(program.buffers.len() <= 4, "{:?}", program.buffers);
    }

    #[test]
    fn arrays_that_live_at_once_have_different_buffers() {
        let life = |start, end, size| Lifetime { start, end, size };
        let arrays =
            [life(0, 2, 5), life(1, 1, 7), life(2, 3, 7), life(3, 4, 5), life(2, 4, 1)];
        let (buffer, _) = share(&arrays);
        for (i, a) in arrays.iter().enumerate() {
            for (j, b) in arrays.iter().enumerate().take(i) {
                if a.start <= b.end && b.start <= a.end {
                    assert_ne!(buffer[i], buffer[j], "arrays {i} and {j}");
                }
            }
        }
    }
}
