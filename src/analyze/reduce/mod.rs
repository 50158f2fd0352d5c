//! One checkpoint → its [`Part`], from one streamed forward pass over each set of inputs.

mod classes;
mod collapse;
mod depth;
mod features;
mod fit;
mod floor;
mod probes;
mod regions;
mod representations;

use super::part::{Part, Wanted};
use super::plan::Plan;
use super::store::Stamp;
use crate::array_file::read_safetensors;
use crate::error::Result;
use crate::run_dir::{Checkpoint, checked};

use collapse::Classifier;

pub(crate) use classes::largest;
pub(crate) use features::{design_bytes, probe_features, sizes};
pub(crate) use fit::fit_probes;

/// Reduces one checkpoint to what is wanted of it: signatures of every group and layer, a
/// probe of every layer, and the decisions of probes and output on all plane points.
///
/// Warm starts use the stored probes of the preceding checkpoint and nothing else, so the
/// result does not depend on where work was interrupted.
pub(crate) fn reduce<'a>(
    plan: &'a Plan,
    (wanted, stamp): (&Wanted, &Stamp),
    (checkpoint, previous): (&Checkpoint, Option<&Checkpoint>),
) -> Result<Part<'a>> {
    let weights = read_safetensors(checked(&checkpoint.path)?)?;
    let classifier = Classifier::of(plan, &weights);
    let mut net = plan.representer_of(&weights, plan.experiment.evaluation.batchnorm)?;
    let mut part = Part::default();
    representations::add(plan, (wanted, &classifier), &mut net, &mut part)?;
    if wanted.probes {
        let fitted = probes::fit_all(plan, &mut net, (checkpoint, previous), stamp)?;
        // Baselines come first and do not vote.
        let own = &fitted[fitted.len() - plan.layers.len()..];
        let votes: Vec<&[u8]> = own.iter().map(|layer| &layer.votes[..]).collect();
        part.numbers.depths = depth::depths(plan, &mut net, &votes)?;
        part.numbers.probes = fitted.into_iter().map(|layer| layer.probes).collect();
    }
    if wanted.decisions {
        let probes = plan.layers.iter().map(|layer| plan.probes(layer, checkpoint));
        let probes = probes.collect::<Result<Vec<_>>>()?;
        let floor = floor::probes(plan, &mut net, (checkpoint, previous), &probes)?;
        regions::add(plan, &mut net, (&probes, &floor), &mut part)?;
    }
    Ok(part)
}
