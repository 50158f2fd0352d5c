//! Evaluation-mode passes: chunks of images go through the whole net one after the other,
//! each on one thread with its own buffers. An image's lane computes the same whatever the
//! other lanes hold, so the bytes do not depend on how images are grouped.

use std::ops::Range;
use std::sync::PoisonError;

use rayon::prelude::*;

use super::averages::average_to;
use super::batchnorm::{Affine, BatchNorm};
use super::conv::Epilogue;
use super::elementwise;
use super::evaluation_cache::Plan;
use super::flatten::Flatten;
use super::geometry::pixels;
use super::lowering::{Kind, Step, lower};
use super::network::{Network, activation_size};
use super::plan::{Program, Values};
use super::pool::{GlobalAvgPool, MaxPool};
use super::tensor::{Batch, LINE, pack_images, unpack};
use super::tokens::Tokens;
use crate::engine::BatchNormStatistics;

/// Pixels of an image above which a chunk has fewer blocks.
const SMALL_IMAGE: usize = 400;

/// Plans that are kept.
const MAX_PLANS: usize = 32;

impl Network {
    /// See `Engine::evaluate_into`.
    pub(in crate::engine) fn evaluate(
        &mut self,
        images: &[f32],
        statistics: &BatchNormStatistics,
        pooled: &[(usize, Option<usize>)],
        outputs: &mut Vec<Vec<f32>>,
    ) {
        let wanted: Vec<usize> = pooled.iter().map(|(node, _)| *node).collect();
        self.pack_tokens(false);
        self.pack_convs();
        let size = self.net.input().size();
        let n = images.len() / size;
        let mut nodes = 0..self.net.nodes.len();
        let blocks = match pixels(self.net.input()) {
            // A block of tokens is as much work as a task needs, and less memory.
            _ if nodes.any(|node| self.net.has_tokens(node)) => 1,
            size if size <= SMALL_IMAGE => 6,
            _ => 3,
        };
        let chunk = blocks * self.isa.lanes();
        // Before both are asked for: the second must not push out the first.
        if self.evaluation.plans.len() + 2 > MAX_PLANS {
            self.evaluation.plans.clear();
        }
        for n in [chunk.min(n), n % chunk] {
            if n > 0 {
                self.prepare_evaluation(&wanted, Batch::new(self.isa, n));
            }
        }
        let width = |&(node, side): &(usize, Option<usize>)| {
            let shape = self.net.nodes[node].shape;
            side.map_or(shape.size(), |side| shape.channels * side * side)
        };
        let widths: Vec<_> = pooled.iter().map(width).collect();
        outputs.resize_with(widths.len(), Vec::new);
        for (output, width) in outputs.iter_mut().zip(&widths) {
            output.resize(n * width, 0.0);
        }
        let affines = self.affines(statistics);
        let mut tasks: Vec<_> =
            images.chunks(chunk * size).map(|part| (part, vec![])).collect();
        for (output, width) in outputs.iter_mut().zip(&widths) {
            for (task, part) in tasks.iter_mut().zip(output.chunks_mut(chunk * width)) {
                task.1.push(part);
            }
        }
        let own = &*self;
        tasks.into_par_iter().for_each(|(images, outputs)| {
            own.evaluate_chunk(images, &affines, (&wanted, pooled), outputs);
        });
    }

    /// Packs the weights of all convolutions for the forward pass.
    fn pack_convs(&mut self) {
        if !self.evaluation.weights.is_empty() {
            return;
        }
        let mut end = 0;
        let places = self.convs.iter().map(|conv| {
            let size = conv.as_ref().map_or(0, |conv| conv.forward.packed_size());
            let start = usize::next_multiple_of(end, LINE);
            end = start + size;
            start..end
        });
        let places: Vec<Range<usize>> = places.collect();
        self.memory.reserve(end);
        for (conv, place) in self.convs.iter().zip(&places) {
            if let Some(conv) = conv {
                conv.pack_forward(
                    &self.values,
                    &mut self.memory.get_mut(end)[place.clone()],
                );
            }
        }
        self.evaluation.weights = places;
    }

    fn affines(&self, statistics: &BatchNormStatistics) -> Vec<Option<Affine>> {
        let mut affines = vec![None; self.net.nodes.len()];
        for (&node, channels) in self.batchnorms.iter().zip(&statistics.0) {
            let first = self.first_parameter[node];
            let [gamma, beta] = [&self.values[first], &self.values[first + 1]];
            affines[node] = Some(Affine::new(&channels.mean, &channels.var, gamma, beta));
        }
        affines
    }

    fn prepare_evaluation(&mut self, wanted: &[usize], batch: Batch) {
        let key = (wanted.to_vec(), batch.blocks);
        if self.evaluation.plans.contains_key(&key) {
            return;
        }
        let net = &self.net;
        let steps = lower(net, wanted, wanted, true);
        // A wanted value leaves as soon as it is there, so none is kept for its own sake.
        let program = Program::forward(net, steps, |node| {
            activation_size(self.isa, net, node, batch)
        });
        let plan = |conv: &Option<super::conv_layer::Conv>| {
            conv.as_ref().and_then(|conv| conv.forward.plan(batch))
        };
        let gathers = self.convs.iter().map(plan).collect();
        self.evaluation.plans.insert(key, Plan { program, gathers });
    }

    fn evaluate_chunk(
        &self,
        images: &[f32],
        affines: &[Option<Affine>],
        (wanted, pooled): (&[usize], &[(usize, Option<usize>)]),
        mut outputs: Vec<&mut [f32]>,
    ) {
        let n = images.len() / self.net.input().size();
        let batch = Batch { serial: true, ..Batch::new(self.isa, n) };
        let plan = &self.evaluation.plans[&(wanted.to_vec(), batch.blocks)];
        let free = || self.evaluation.free.lock().unwrap_or_else(PoisonError::into_inner);
        let mut memory = free().pop().unwrap_or_default();
        memory.reserve(plan.program.length);
        let space = memory.get_mut(plan.program.length);
        let chunk = Chunk { network: self, plan, batch, affines };
        for step in &plan.program.steps {
            let (values, out) = plan.program.forward_step(space, step);
            if step.kind == Kind::Input {
                let shape = self.net.input();
                pack_images(images, shape.channels, pixels(shape), batch, out);
            } else {
                chunk.compute(step, &values, out);
            }
            for (&(node, side), to) in pooled.iter().zip(&mut outputs) {
                if node == step.output {
                    self.take_out(node, side, (out, batch), to);
                }
            }
        }
        free().push(memory);
    }

    fn take_out(
        &self,
        node: usize,
        side: Option<usize>,
        (value, batch): (&[f32], Batch),
        out: &mut [f32],
    ) {
        let shape = self.net.nodes[node].shape;
        if self.net.has_tokens(node) {
            let tokens = Tokens { isa: self.isa, batch, count: shape.height };
            tokens.unpack(value, shape.channels, out);
        } else if let Some(side) = side {
            average_to(side, self.isa, (value, shape), batch, out);
        } else {
            unpack(value, shape.channels, pixels(shape), batch, out);
        }
    }
}

/// A chunk of images on its way through the net.
struct Chunk<'a> {
    network: &'a Network,
    plan: &'a Plan,
    batch: Batch,
    affines: &'a [Option<Affine>],
}

impl Chunk<'_> {
    fn compute(&self, step: &Step, values: &Values, out: &mut [f32]) {
        let network = self.network;
        let input = values.get(step.input);
        let shapes = [step.input, step.output].map(|node| network.net.nodes[node].shape);
        let [from, to] = shapes.map(|shape| [shape.height, shape.width]);
        let (isa, batch, affines) = (network.isa, self.batch, self.affines);
        match step.kind {
            Kind::Conv { node, add, batchnorm, relu } => {
                let conv = network.convs[node].as_ref().expect("is a convolution");
                let gather = self.plan.gathers[node].as_ref();
                let epilogue = Epilogue {
                    bias: conv.bias.then(|| &network.values[conv.weight + 1][..]),
                    add: add.map(|other| values.get(other)),
                    accumulate: false,
                    affine: batchnorm.and_then(|node| affines[node].as_ref()),
                    relu,
                };
                let place = network.evaluation.weights[node].clone();
                let sources = [&network.memory.get(place.end)[place.start..], input];
                conv.forward.run(gather, batch, sources, epilogue, out);
            }
            Kind::BatchNorm { node, relu, .. } => {
                let affine = affines[node].as_ref().expect("has statistics");
                BatchNorm { isa, batch, pixels: pixels(shapes[0]), relu }
                    .apply(input, affine, out);
            }
            Kind::Relu => elementwise::relu(input, out),
            Kind::MaxPool { size } => {
                MaxPool { isa, batch, size, from, to }.forward(input, out);
            }
            Kind::Subsample { stride } => {
                network.subsample(stride, step, batch).forward(input, out);
            }
            Kind::GlobalAvgPool => {
                GlobalAvgPool { isa, batch, pixels: pixels(shapes[0]) }
                    .forward(input, out);
            }
            Kind::Flatten => {
                Flatten { batch, pixels: pixels(shapes[0]) }.forward(input, out);
            }
            Kind::Add { other } => elementwise::add(input, values.get(other), out),
            Kind::Input => unreachable!("has no input"),
            _ => network.token_step(step, batch, &|node| values.get(node), out),
        }
    }
}
