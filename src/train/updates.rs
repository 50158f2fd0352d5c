//! What a step does to each layer: how far it moves the weights, and how much of the gradient
//! is too small for Adam to follow.

use std::collections::BTreeMap;

use crate::engine::Session;
use crate::error::Result;
use crate::experiment::OptimizerConfig;
use crate::run_dir::tables::UpdateRow;
use crate::run_dir::{Maybe, Number};

/// The trained parameters before a step that a row of the history follows, in the net's order.
pub(super) struct Before(Vec<Vec<f32>>);

impl Before {
    pub(super) fn of(session: &Session<'_>) -> Result<Self> {
        let trained = session.trained()?.into_iter();
        Ok(Self(trained.map(|own| own.values.into_owned()).collect()))
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
    /// Cost: a pass over the parameters, about a twentieth of a step; made once per row of the
    /// history.
    pub(super) fn rows(
        &self,
        (step, epoch): (u64, f64),
        session: &Session<'_>,
        config: &OptimizerConfig,
    ) -> Result<Vec<UpdateRow>> {
        let net = session.net();
        let trained = session.trained()?;
        let by_name: BTreeMap<_, _> = trained
            .iter()
            .zip(&self.0)
            .map(|(own, before)| {
                let gradient = own.gradient.as_deref().unwrap_or_default();
                (&own.name, (before, &own.values[..], gradient))
            })
            .collect();
        let mut rows = vec![];
        for node in &net.nodes {
            let parameters = net.node_parameters(node);
            let own: Vec<_> =
                parameters.iter().filter_map(|p| by_name.get(&p.name)).collect();
            if own.is_empty() {
                continue;
            }
            let mut sums = Sums::default();
            for (before, after, gradient) in own {
                sums.add(before, after, gradient, config.eps);
            }
            rows.push(UpdateRow {
                step,
                epoch: Number(epoch),
                layer: node.name.clone(),
                update: Maybe(sums.moved.sqrt() / sums.length.sqrt()),
                below_eps: Maybe(sums.small as f64 / sums.gradients as f64),
            });
        }
        Ok(rows)
    }
}

/// Sums over the parameters of a node: squared lengths of the change and of the parameters
/// before, gradients and those below ε.
#[derive(Default)]
struct Sums {
    moved: f64,
    length: f64,
    gradients: usize,
    small: usize,
}

impl Sums {
    fn add(&mut self, before: &[f32], after: &[f32], gradient: &[f32], eps: f64) {
        for (before, after) in before.iter().zip(after) {
            self.moved += (f64::from(*after) - f64::from(*before)).powi(2);
            self.length += f64::from(*before).powi(2);
        }
        self.gradients += gradient.len();
        self.small += gradient.iter().filter(|g| f64::from(g.abs()) < eps).count();
    }
}
