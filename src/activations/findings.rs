//! What the matrices of a list of saved epochs say, without a run.

use super::comparison::Comparison;
use crate::error::{Error, Result};
use crate::findings::halves::DoubleDescent;
use crate::findings::{
    Geometry, LayerFindings, LayerInput, Matrix, Replicates, RunContext, RunFindings,
};
use crate::similarity::Measure;

/// The findings of comparisons of all pairs, one per layer, whose names end in their epochs, as
/// `epoch-12.npy` does. There are no events, rates or errors over examples.
///
/// # Errors
/// If a name holds no epoch, epochs do not rise or differ between layers, rows were compared
/// with others, or the measure has no distances.
pub fn findings(comparisons: &[Comparison]) -> Result<RunFindings> {
    let epochs: Vec<Vec<f64>> =
        comparisons.iter().map(epochs_of).collect::<Result<_>>()?;
    if epochs.iter().any(|own| *own != epochs[0]) {
        return Err(Error::usage("`--findings`", "was given layers of different epochs")
            .expected("the same epochs of every layer"));
    }
    let context = RunContext::default();
    let mut layers = vec![];
    for (depth, (comparison, epoch)) in comparisons.iter().zip(&epochs).enumerate() {
        let (geometry, values) = similarities(comparison)?;
        let similarity = Matrix::new(epoch.len(), values);
        layers.push(LayerFindings::of(
            &LayerInput {
                layer: comparison.layer.as_deref().unwrap_or("activations"),
                depth,
                measure: comparison.measure.name(),
                group: "all",
                geometry,
                epoch,
                similarity: &similarity,
                replicates: Replicates::Missing("computed for runs alone"),
                weights: None,
            },
            &context,
        ));
    }
    let epoch = epochs.first().map_or(&[][..], |epoch| epoch);
    Ok(RunFindings::of(epoch, layers, DoubleDescent::unpaired(), &context))
}

/// The measure's similarities, whose squared distances are 2(1 − S).
fn similarities(comparison: &Comparison) -> Result<(Geometry, Vec<f64>)> {
    if comparison.columns.is_some() {
        return Err(Error::usage("`--findings`", "has no meaning with `--against`")
            .expected("all pairs of one list of epochs"));
    }
    let values = comparison.values.iter().copied();
    match comparison.measure {
        Measure::Cka | Measure::CkaRbf => Ok((Geometry::Vectors, values.collect())),
        Measure::Shape => Ok((Geometry::Formal, values.map(f64::cos).collect())),
        measure => {
            let found = format!("has no meaning for {}", measure.name());
            Err(Error::usage("`--findings`", found).expected("cka, cka-rbf or shape"))
        }
    }
}

/// The epochs in the names of the rows: the number behind the last `-` or `_`.
fn epochs_of(comparison: &Comparison) -> Result<Vec<f64>> {
    let epoch = |name: &String| {
        let number = name.rsplit(['-', '_', '/', ':']).next().unwrap_or_default();
        let epoch = number.parse().ok().filter(|epoch: &f64| *epoch >= 0.0);
        epoch.filter(|epoch| epoch.is_finite()).ok_or_else(|| {
            Error::usage(format!("`{name}`"), "has no epoch at the end of its name")
                .expected("a name such as epoch-12.npy")
        })
    };
    let epochs: Vec<f64> = comparison.rows.iter().map(epoch).collect::<Result<_>>()?;
    if !epochs.is_sorted_by(|a, b| a < b) {
        return Err(Error::usage("`--findings`", "was given epochs that do not rise")
            .expected("each epoch once, in order"));
    }
    Ok(epochs)
}
