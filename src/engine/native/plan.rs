//! The arrays of a pass: which values and gradients there are, and how long each is needed.
//!
//! Values that a BatchNorm leaves are not kept for the backward pass, which computes them
//! again from the BatchNorm's input where a step reads them (Chen et al. 2016,
//! arXiv:1604.06174): the input is kept anyway.

use std::ops::Range;

use super::elementwise;
use super::lowering::{Kind, Step};
use super::memory::{Lifetime, Rest, place, split};
use crate::net::Net;

/// Where the gradient of a step's input goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Target {
    /// Nowhere: the input is the images.
    None,
    /// Over the gradient of the output.
    InPlace,
    /// Into an array.
    Write(usize),
    /// Onto what an array holds.
    Accumulate(usize),
}

impl Target {
    /// The array, if it is one of its own.
    pub(super) fn array(self) -> Option<usize> {
        match self {
            Target::Write(array) | Target::Accumulate(array) => Some(array),
            Target::None | Target::InPlace => None,
        }
    }
}

/// One step of the backward pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Back {
    /// Position of the step.
    pub(super) step: usize,
    /// Position of the BatchNorm whose output has to be computed again before.
    pub(super) restore: Option<usize>,
    /// Array of the gradient of its output.
    pub(super) gradient: usize,
    /// The gradient of its input.
    pub(super) input: Target,
    /// The gradient of a sum's other term.
    pub(super) other: Target,
}

/// Steps and the arrays of their values and gradients.
#[derive(Debug)]
pub(super) struct Program {
    pub(super) steps: Vec<Step>,
    pub(super) backward: Vec<Back>,
    /// Array of each node's value in the forward pass, and in the backward pass.
    value: [Vec<Option<usize>>; 2],
    /// Places of the arrays.
    places: Vec<Range<usize>>,
    /// Length of the memory.
    pub(super) length: usize,
}

/// The values of nodes, as a step reads them.
#[derive(Debug)]
pub(super) struct Values<'a> {
    places: &'a [Range<usize>],
    value: &'a [Option<usize>],
    rest: Rest<'a>,
}

impl<'a> Values<'a> {
    /// The value of a node.
    pub(super) fn get(&self, node: usize) -> &'a [f32] {
        self.rest.get(&self.places[self.value[node].expect("is stored")])
    }
}

/// What a step of the backward pass reads and writes.
#[derive(Debug)]
pub(super) struct Flow<'a> {
    pub(super) values: Values<'a>,
    /// The gradient of the step's output.
    pub(super) dy: &'a mut [f32],
    /// Where the gradient of its input goes, if it has a place of its own; and whether it is
    /// added to what is there.
    pub(super) dx: Option<(&'a mut [f32], bool)>,
}

impl Flow<'_> {
    /// Passes dy on as dx.
    pub(super) fn hand_over(self) {
        match self.dx {
            Some((dx, true)) => elementwise::accumulate(self.dy, dx),
            Some((dx, false)) => dx.copy_from_slice(self.dy),
            None => {}
        }
    }
}

impl Program {
    /// Forward only. `size` gives the length of a node's value.
    pub(super) fn forward(
        net: &Net,
        steps: Vec<Step>,
        size: impl Fn(usize) -> usize,
    ) -> Self {
        let (arrays, value) = values(net, &steps, &size);
        let (places, length) = place(&arrays);
        Self { steps, backward: vec![], value: [value.clone(), value], places, length }
    }

    /// Forward and backward; gradients stop at nodes that nothing trained leads to.
    pub(super) fn training(
        net: &Net,
        steps: Vec<Step>,
        trains: &[bool],
        size: impl Fn(usize) -> usize,
    ) -> Self {
        let (arrays, value) = values(net, &steps, &size);
        let root = steps[steps.len() - 1].output;
        let gradient = vec![None; net.nodes.len()];
        let mut planning = Planning { trains, size, arrays, gradient };
        let restorable = restorable(net, &steps);
        let mut kept = value.clone();
        for (node, producer) in restorable.iter().enumerate() {
            if producer.is_some() {
                kept[node] = None;
            }
        }
        let last = steps.len();
        planning.read(value[root].expect("the last step's output is stored"), last);
        planning.gradient[root] = Some(planning.array(root, last));
        let mut backward = vec![];
        for (position, step) in steps.iter().enumerate().rev() {
            let now = 2 * last - position;
            let Some(own) = planning.gradient[step.output] else { continue };
            if step.kind == Kind::Input {
                continue;
            }
            planning.read(own, now);
            let mut restore = None;
            if let Some(node) = step.read_back() {
                if let (None, Some(producer)) = (kept[node], restorable[node]) {
                    kept[node] = Some(planning.array(node, now));
                    let source = kept[steps[producer].input].expect("is kept");
                    planning.read(source, now);
                    restore = Some(producer);
                }
                planning.read(kept[node].expect("is stored"), now);
            }
            let input = planning.target(step.input, own, step.is_in_place(), now);
            let other = step.kind.other().map_or(Target::None, |other| {
                let free = input != Target::InPlace;
                planning.target(other, own, free, now)
            });
            backward.push(Back { step: position, restore, gradient: own, input, other });
        }
        let (places, length) = place(&planning.arrays);
        Self { steps, backward, value: [value, kept], places, length }
    }

    /// What a step of the forward pass reads, and where it writes.
    pub(super) fn forward_step<'a>(
        &'a self,
        memory: &'a mut [f32],
        step: &Step,
    ) -> (Values<'a>, &'a mut [f32]) {
        let (rest, [out]) = split(memory, &[self.place(self.value[0][step.output])]);
        (self.values(0, rest), out)
    }

    /// What computes a BatchNorm's output again reads, and where it writes.
    pub(super) fn restoring_step<'a>(
        &'a self,
        memory: &'a mut [f32],
        step: &Step,
    ) -> (Values<'a>, &'a mut [f32]) {
        let (rest, [out]) = split(memory, &[self.place(self.value[1][step.output])]);
        (self.values(1, rest), out)
    }

    /// What a step of the backward pass works on, with the gradient of its input or, for
    /// `other`, of a sum's other term.
    pub(super) fn backward_step<'a>(
        &'a self,
        memory: &'a mut [f32],
        back: &Back,
        target: Target,
    ) -> Flow<'a> {
        let places = [Some(back.gradient), target.array()].map(|array| self.place(array));
        let (rest, [dy, dx]) = split(memory, &places);
        let accumulate = matches!(target, Target::Accumulate(_));
        let dx = target.array().map(|_| (dx, accumulate));
        Flow { values: self.values(1, rest), dy, dx }
    }

    /// The place of the logits' gradient, and the values.
    pub(super) fn loss_step<'a>(
        &'a self,
        memory: &'a mut [f32],
    ) -> (Values<'a>, &'a mut [f32]) {
        let (rest, [out]) = split(memory, &[self.place(Some(self.backward[0].gradient))]);
        (self.values(0, rest), out)
    }

    fn values<'a>(&'a self, pass: usize, rest: Rest<'a>) -> Values<'a> {
        Values { places: &self.places, value: &self.value[pass], rest }
    }

    fn place(&self, array: Option<usize>) -> Range<usize> {
        array.map_or(0..0, |array| self.places[array].clone())
    }
}

/// The arrays of a backward pass as they are planned.
struct Planning<'a, F> {
    trains: &'a [bool],
    size: F,
    arrays: Vec<Lifetime>,
    /// Array of each node's gradient.
    gradient: Vec<Option<usize>>,
}

impl<F: Fn(usize) -> usize> Planning<'_, F> {
    /// A new array for a node.
    fn array(&mut self, node: usize, now: usize) -> usize {
        self.arrays.push(Lifetime { start: now, end: now, size: (self.size)(node) });
        self.arrays.len() - 1
    }

    /// Keeps an array up to now.
    fn read(&mut self, array: usize, now: usize) {
        self.arrays[array].end = self.arrays[array].end.max(now);
    }

    /// Where a step that has the gradient `own` leaves a node's gradient.
    fn target(&mut self, node: usize, own: usize, in_place: bool, now: usize) -> Target {
        if !self.trains[node] {
            return Target::None;
        }
        if let Some(array) = self.gradient[node] {
            self.read(array, now);
            return Target::Accumulate(array);
        }
        if in_place {
            self.gradient[node] = Some(own);
            return Target::InPlace;
        }
        let array = self.array(node, now);
        self.gradient[node] = Some(array);
        Target::Write(array)
    }
}

/// The position of the step that can compute a node's value again from what is kept: a
/// BatchNorm of a kept value.
fn restorable(net: &Net, steps: &[Step]) -> Vec<Option<usize>> {
    let mut producers = vec![None; net.nodes.len()];
    for (position, step) in steps.iter().enumerate() {
        let batchnorm = matches!(step.kind, Kind::BatchNorm { pool: None, .. });
        if batchnorm && producers[step.input].is_none() {
            producers[step.output] = Some(position);
        }
    }
    producers
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

#[cfg(test)]
mod tests {
    use super::super::lowering::lower;
    use super::*;
    use crate::net::{NetConfig, Shape};

    fn resnet() -> Net {
        let input = Shape { channels: 3, height: 32, width: 32 };
        NetConfig::resnet18(4).build(input, 10)
    }

    #[test]
    fn a_forward_pass_needs_little_memory() {
        let net = resnet();
        let logits = net.nodes.len() - 1;
        let steps = lower(&net, &[logits], &[logits], true);
        let size = |n: usize| net.nodes[n].shape.size();
        let program = Program::forward(&net, steps, size);
        // The largest values are those of the first blocks: input, inner value, sum.
        assert!(program.length <= 3 * 4 * 32 * 32 + 64, "{}", program.length);
    }

    #[test]
    fn training_keeps_two_values_of_a_block() {
        let net = resnet();
        let logits = net.nodes.len() - 1;
        let steps = lower(&net, &[logits], &[logits], false);
        // As many images as make the smallest values of a block fill whole pages.
        let size = |n: usize| 16 * net.nodes[n].shape.size();
        let trains = vec![true; net.nodes.len()];
        let program = Program::training(&net, steps, &trains, size);
        // The most is needed where the first block of the second size goes back through its
        // second convolution: the images; in halves of a value of the first size, two values
        // of each of two blocks, the block's input (2) and inner value (1), both normalized
        // again, and the gradients of the input (2), of the inner value and of the sum (1).
        let images = size(0);
        let half = size(net.position("layer1.0").unwrap()) / 2;
        let most = images + half * (2 * 4 + (2 + 1) + (2 + 1) + (2 + 1 + 1));
        assert_eq!(program.length, most);
    }

    #[test]
    fn what_is_computed_again_is_there_when_it_is_read() {
        let net = resnet();
        let logits = net.nodes.len() - 1;
        let steps = lower(&net, &[logits], &[logits], false);
        let trains = vec![true; net.nodes.len()];
        let program = Program::training(&net, steps, &trains, |_| 16);
        let restored = program.backward.iter().filter_map(|back| back.restore);
        // Two in each block, and the last before the mean is not read again.
        assert_eq!(restored.count(), 16);
        for back in &program.backward {
            let step = &program.steps[back.step];
            let Some(node) = step.read_back() else { continue };
            let value = program.place(program.value[1][node]);
            for written in [Some(back.gradient), back.input.array()].into_iter().flatten()
            {
                let written = &program.places[written];
                assert!(value.end <= written.start || written.end <= value.start);
            }
        }
    }
}
