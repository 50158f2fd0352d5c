//! What a step does to each layer: how far it moves the weights, and how much of the gradient
//! is too small for Adam to follow.

use crate::array_file::{Array, NamedArrays};
use crate::engine::Engine;
use crate::experiment::OptimizerConfig;
use crate::run_dir::tables::UpdateRow;
use crate::run_dir::{Maybe, Number};

/// The weights before a step that a row of the history follows.
pub(super) struct Before {
    weights: NamedArrays,
}

impl Before {
    pub(super) fn of(engine: &Engine) -> Self {
        Self { weights: engine.weights() }
    }

    /// The rows of the step that was made: of each node with trained parameters,
    ///
    /// ```text
    /// ‖w′ − w‖/‖w‖  and the fraction of gradients |g| < ε
    /// ```
    ///
    /// w before, w′ after the step, g as the optimizer took it, ε that of the experiment (10⁻⁸
    /// unless it says otherwise, for SGD too). Frozen parameters have no
    /// gradient and do not move.
    ///
    /// Cost: a few passes over the parameters.
    pub(super) fn rows(
        &self,
        (step, epoch): (u64, f64),
        engine: &Engine,
        config: &OptimizerConfig,
    ) -> Vec<UpdateRow> {
        let (after, gradients) = (engine.weights(), engine.last_gradients());
        let eps = config.eps;
        let net = engine.net();
        let mut rows = vec![];
        for node in &net.nodes {
            let own = net.node_parameters(node).into_iter();
            let names: Vec<String> =
                own.filter(|p| p.role.is_trained()).map(|p| p.name).collect();
            if names.is_empty() {
                continue;
            }
            let [moved, length] = self.norms(&names, &after);
            let of_node = names.iter().filter_map(|name| gradients.get(name));
            let gradient: Vec<f32> = of_node.flat_map(Array::to_f32).collect();
            let small = gradient.iter().filter(|g| f64::from(g.abs()) < eps).count();
            rows.push(UpdateRow {
                step,
                epoch: Number(epoch),
                layer: node.name.clone(),
                update: Maybe(moved / length),
                below_eps: Maybe(small as f64 / gradient.len() as f64),
            });
        }
        rows
    }

    /// Norms of the change of some parameters and of themselves.
    fn norms(&self, names: &[String], after: &NamedArrays) -> [f64; 2] {
        let (mut moved, mut length) = (0.0, 0.0);
        for name in names {
            let [before, after] = [&self.weights, after]
                .map(|own| own.get(name).map_or_else(Vec::new, Array::to_f32));
            for (before, after) in before.iter().zip(&after) {
                moved += (f64::from(*after) - f64::from(*before)).powi(2);
                length += f64::from(*before).powi(2);
            }
        }
        [moved, length].map(f64::sqrt)
    }
}
