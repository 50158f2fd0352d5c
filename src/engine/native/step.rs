//! What happens to the parameters between two passes: clipping, update, freezing.

use rayon::prelude::*;

use super::network::Network;
use super::optimizer::{self, Trained};
use crate::engine::Update;
use crate::net::Parameter;

impl Network {
    /// One optimizer step.
    pub(in crate::engine) fn update(&mut self, update: &Update) {
        let mut trained: Vec<Trained> = vec![];
        let arrays = self.values.iter_mut().zip(&self.gradients);
        let marks = self.parameters.iter().zip(self.frozen.iter().zip(&self.rate_scales));
        for ((values, gradient), (parameter, (&frozen, &scale))) in arrays.zip(marks) {
            if parameter.role.is_trained() {
                trained.push(Trained { values, gradient, frozen, scale });
            }
        }
        let state = &mut self.state;
        if trained.iter().all(|parameter| parameter.values.len() <= optimizer::CHUNK) {
            // One task each: waking the other threads would take longer.
            optimizer::apply(update, state, &mut trained);
        } else {
            rayon::scope(|_| optimizer::apply(update, state, &mut trained));
        }
        self.packed = [false; 2];
        self.evaluation.forget_weights();
    }

    /// See `Engine::clip_gradients`. Gradients of frozen parameters are zero.
    pub(in crate::engine) fn clip(&mut self, max_norm: f64) -> f64 {
        let gradients = &mut self.gradients;
        rayon::scope(|_| {
            let all = gradients.iter().map(Vec::as_slice);
            let (coefficient, norm) = optimizer::clip_coefficient(all, max_norm);
            if coefficient < 1.0 || coefficient.is_nan() {
                let coefficient = coefficient as f32;
                gradients.par_iter_mut().for_each(|gradient| {
                    for value in gradient {
                        *value *= coefficient;
                    }
                });
            }
            norm
        })
    }

    /// See `Engine::freeze`; `frozen` says it of each parameter.
    pub(in crate::engine) fn freeze(&mut self, frozen: Vec<bool>) {
        assert_eq!(frozen.len(), self.parameters.len(), "one mark for each parameter");
        self.frozen = frozen;
        self.clear_frozen();
        // Where the backward pass ends may have changed.
        self.plans.clear();
    }

    /// See `Engine::scale_rates`; a factor for each parameter.
    pub(in crate::engine) fn scale_rates(&mut self, scales: Vec<f64>) {
        assert_eq!(scales.len(), self.parameters.len(), "one factor for each parameter");
        self.rate_scales = scales;
    }

    /// Takes away what the backward pass of a step gives frozen parameters by the way.
    pub(super) fn clear_frozen(&mut self) {
        let marked = self.gradients.iter_mut().zip(&self.frozen);
        for (gradient, _) in marked.filter(|(_, frozen)| **frozen) {
            gradient.fill(0.0);
        }
    }

    /// Whether a parameter that moves is in a node or before it. Nodes of tokens count
    /// always: their backward steps recompute what they read while they pass gradients on.
    pub(super) fn nodes_with_trained_ancestors(&self) -> Vec<bool> {
        let mut trains = vec![false; self.net.nodes.len()];
        for (node, description) in self.net.nodes.iter().enumerate() {
            let own = self.net.node_parameters(description);
            let moves = |p: &Parameter| {
                let at = self.parameters.iter().position(|q| q.name == p.name);
                p.role.is_trained() && at.is_some_and(|at| !self.frozen[at])
            };
            trains[node] = own.iter().any(moves)
                || self.net.has_tokens(node)
                || description.inputs.iter().any(|&input| trains[input]);
        }
        trains
    }
}
