//! The forward pass in training mode.

use super::batchnorm::BatchNorm;
use super::batchnorm_pool::BatchNormPool;
use super::conv::Epilogue;
use super::elementwise;
use super::flatten::Flatten;
use super::geometry::pixels;
use super::lowering::{Kind, Step};
use super::network::{Network, Plan};
use super::plan::Values;
use super::pool::{GlobalAvgPool, MaxPool};
use super::subsample::Subsample;
use super::tensor::{Batch, pack_images};

impl Network {
    /// Computes the values of all steps in `memory`.
    pub(super) fn forward(
        &mut self,
        plan: &Plan,
        batch: Batch,
        images: &[f32],
        memory: &mut [f32],
    ) {
        for step in &plan.program.steps {
            let (values, out) = plan.program.forward_step(memory, step);
            match step.kind {
                Kind::Input => {
                    let shape = self.net.input();
                    pack_images(images, shape.channels, pixels(shape), batch, out);
                }
                Kind::Conv { .. } => self.conv_forward(plan, batch, step, &values, out),
                Kind::BatchNorm { .. } => {
                    self.batchnorm_forward(step, batch, values.get(step.input), out);
                }
                _ => self.step(step, batch, &values, out),
            }
        }
    }

    fn conv_forward(
        &mut self,
        plan: &Plan,
        batch: Batch,
        step: &Step,
        values: &Values,
        out: &mut [f32],
    ) {
        let Kind::Conv { node, add, .. } = step.kind else { return };
        let conv = self.convs[node].as_ref().expect("is a convolution");
        let [gather, _] = &plan.gathers[node];
        let epilogue = Epilogue {
            bias: conv.bias.then(|| &self.values[conv.weight + 1][..]),
            add: add.map(|other| values.get(other)),
            ..Epilogue::default()
        };
        let packed = self.scratch.get_mut(conv.forward.packed_size());
        conv.pack_forward(&self.values, packed);
        let sources = [&*packed, values.get(step.input)];
        conv.forward.run(gather.as_ref(), batch, sources, epilogue, out);
    }

    fn batchnorm_forward(
        &mut self,
        step: &Step,
        batch: Batch,
        input: &[f32],
        out: &mut [f32],
    ) {
        let Kind::BatchNorm { node, relu, pool } = step.kind else { return };
        let first = self.first_parameter[node];
        let weights = [&self.values[first][..], &self.values[first + 1]];
        let batchnorm = self.batchnorm(node, relu, batch);
        let pool = pool.map(|size| self.max_pool(size, step, batch));
        let saved = &mut self.saved[node];
        match pool {
            None => batchnorm.train(input, weights, saved, out),
            Some(pool) => {
                BatchNormPool { batchnorm, pool }.train(input, weights, saved, out);
            }
        }
    }

    /// Every step whose forward pass leaves nothing but its output.
    fn step(&self, step: &Step, batch: Batch, values: &Values, out: &mut [f32]) {
        let input = values.get(step.input);
        match step.kind {
            Kind::Relu => elementwise::relu(input, out),
            Kind::MaxPool { size } => {
                self.max_pool(size, step, batch).forward(input, out);
            }
            Kind::Subsample { stride } => {
                self.subsample(stride, step, batch).forward(input, out);
            }
            Kind::GlobalAvgPool => self.global_pool(step, batch).forward(input, out),
            Kind::Flatten => self.flatten(step, batch).forward(input, out),
            Kind::Add { other } => elementwise::add(input, values.get(other), out),
            _ => self.token_step(step, batch, &|node| values.get(node), out),
        }
    }

    pub(super) fn batchnorm(&self, node: usize, relu: bool, batch: Batch) -> BatchNorm {
        let pixels = pixels(self.net.nodes[node].shape);
        BatchNorm { isa: self.isa, batch, pixels, relu }
    }

    pub(super) fn max_pool(
        &self,
        size: [usize; 2],
        step: &Step,
        batch: Batch,
    ) -> MaxPool {
        let [from, to] = [step.input, step.output].map(|node| {
            let shape = self.net.nodes[node].shape;
            [shape.height, shape.width]
        });
        MaxPool { isa: self.isa, batch, size, from, to }
    }

    pub(super) fn subsample(
        &self,
        stride: usize,
        step: &Step,
        batch: Batch,
    ) -> Subsample {
        let shapes = [step.input, step.output].map(|node| self.net.nodes[node].shape);
        Subsample::new(batch, stride, shapes)
    }

    pub(super) fn flatten(&self, step: &Step, batch: Batch) -> Flatten {
        Flatten { batch, pixels: pixels(self.net.nodes[step.input].shape) }
    }

    pub(super) fn global_pool(&self, step: &Step, batch: Batch) -> GlobalAvgPool {
        let pixels = pixels(self.net.nodes[step.input].shape);
        GlobalAvgPool { isa: self.isa, batch, pixels }
    }
}
