//! The backward pass.

use super::batchnorm_pool::BatchNormPool;
use super::conv::Epilogue;
use super::conv_weights::bias_gradient;
use super::elementwise;
use super::geometry::pixels;
use super::lowering::{Kind, Step};
use super::network::{Network, Plan};
use super::plan::{Flow, Target};
use super::tensor::Batch;

impl Network {
    /// Computes the gradients of all parameters from the values and the logits' gradient in
    /// `memory`.
    pub(super) fn backward(&mut self, plan: &Plan, batch: Batch, memory: &mut [f32]) {
        let program = &plan.program;
        for back in &program.backward {
            if let Some(position) = back.restore {
                self.restore(plan, batch, &program.steps[position], memory);
            }
            let step = &program.steps[back.step];
            let flow = program.backward_step(memory, back, back.input);
            self.step_back(plan, batch, step, flow);
            if back.other != Target::None {
                program.backward_step(memory, back, back.other).hand_over();
            }
        }
    }

    /// Computes again what a BatchNorm gave in the forward pass.
    fn restore(&self, plan: &Plan, batch: Batch, step: &Step, memory: &mut [f32]) {
        let Kind::BatchNorm { node, relu, .. } = step.kind else { return };
        let (values, out) = plan.program.restoring_step(memory, step);
        let batchnorm = self.batchnorm(node, relu, batch);
        batchnorm.normalize(values.get(step.input), &self.saved[node], out);
    }

    fn step_back(&mut self, plan: &Plan, batch: Batch, step: &Step, flow: Flow) {
        match step.kind {
            Kind::Conv { node, .. } => {
                self.conv_back(plan, batch, (node, step.input), flow);
            }
            Kind::BatchNorm { .. } => self.batchnorm_back(batch, step, flow),
            Kind::Relu => {
                elementwise::relu_backward(flow.values.get(step.output), flow.dy);
                flow.hand_over();
            }
            Kind::Add { .. } => flow.hand_over(),
            Kind::MaxPool { size } => {
                if let Some((dx, add)) = flow.dx {
                    let pool = self.max_pool(size, step, batch);
                    pool.backward(flow.values.get(step.input), flow.dy, dx, add);
                }
            }
            Kind::Subsample { stride } => {
                if let Some((dx, add)) = flow.dx {
                    self.subsample(stride, step, batch).backward(flow.dy, dx, add);
                }
            }
            Kind::GlobalAvgPool => {
                if let Some((dx, add)) = flow.dx {
                    self.global_pool(step, batch).backward(flow.dy, dx, add);
                }
            }
            Kind::Flatten => {
                if let Some((dx, add)) = flow.dx {
                    self.flatten(step, batch).backward(flow.dy, dx, add);
                }
            }
            Kind::Input => {}
            _ => self.token_back(batch, step, flow),
        }
    }

    fn conv_back(
        &mut self,
        plan: &Plan,
        batch: Batch,
        (node, input): (usize, usize),
        flow: Flow,
    ) {
        let conv = self.convs[node].as_ref().expect("is a convolution");
        let weight = conv.weight;
        if !self.frozen[weight] {
            let sources = [flow.values.get(input), flow.dy];
            let gradient = &mut self.gradients[weight];
            conv.weights.run(batch, sources, &mut self.scratch, gradient);
            if conv.bias {
                let pixels = pixels(self.net.nodes[node].shape);
                let gradient = &mut self.gradients[weight + 1];
                bias_gradient(self.isa, batch, pixels, flow.dy, gradient);
            }
        }
        if let Some((dx, accumulate)) = flow.dx {
            let [_, gather] = &plan.gathers[node];
            let epilogue = Epilogue { accumulate, ..Epilogue::default() };
            let packed = self.scratch.get_mut(conv.backward.packed_size());
            conv.pack_backward(&self.values, packed);
            let sources = [&*packed, flow.dy];
            conv.backward.run(gather.as_ref(), batch, sources, epilogue, dx);
        }
    }

    fn batchnorm_back(&mut self, batch: Batch, step: &Step, flow: Flow) {
        let Kind::BatchNorm { node, relu, pool } = step.kind else { return };
        let batchnorm = self.batchnorm(node, relu, batch);
        let pool = pool.map(|size| self.max_pool(size, step, batch));
        let first = self.first_parameter[node];
        let [gamma, beta] = &mut self.gradients[first..first + 2] else { return };
        let gradients = [&mut gamma[..], &mut beta[..]];
        let saved = &self.saved[node];
        let x = flow.values.get(step.input);
        match pool {
            None => {
                let to = flow.dx.map(|(dx, _)| dx);
                batchnorm.backward(x, saved, flow.dy, to, gradients);
            }
            Some(pool) => {
                let both = BatchNormPool { batchnorm, pool };
                both.backward([x, flow.dy], saved, flow.dx, gradients);
            }
        }
    }
}
