//! What findings could say besides, and why a run does not have it.

use super::similarities;
use super::source::Source;
use crate::analyze::join::joined;
use crate::error::Result;
use crate::findings::Missing;
use crate::run_dir::{Place, RunDir};
use crate::similarity::Measure;

/// What is missing, `no_weights` being why there are no distances between weights.
pub(super) fn of(
    run: &RunDir,
    source: &Source<'_>,
    no_weights: Option<&String>,
) -> Result<Vec<Missing>> {
    let of_weights = no_weights.map(|reason| Missing {
        what: "the weights as control".into(),
        reason: reason.clone(),
    });
    let of_norms = lacks_norms(run, source)?.then(|| Missing {
        what: "the norms of the examples, for matrices without those that dominate".into(),
        reason: "signatures of an earlier version have none; `stratagram analyze RUN --force` \
                 writes them where there are checkpoints"
            .into(),
    });
    Ok(of_weights.into_iter().chain(of_norms).collect())
}

/// Whether a matrix of CKA is defined at some checkpoint whose norms are not there.
fn lacks_norms(run: &RunDir, source: &Source<'_>) -> Result<bool> {
    let n = joined::axis(run)?.len();
    for entry in source.entries() {
        let Place { measure, group, layer } = entry.place;
        if measure != Measure::Cka.name() {
            continue;
        }
        let Some(stored) = similarities::stored(run, entry.place, n)? else { continue };
        let norms = run.read_norms(group, layer)?.filter(|norms| norms.shape[0] == n);
        let first: Vec<f64> = norms.map_or_else(Vec::new, |norms| {
            norms.to_f64().chunks(norms.shape[1].max(1)).map(|row| row[0]).collect()
        });
        let has = |at: usize| first.get(at).is_some_and(|own| own.is_finite());
        if (0..n).any(|at| stored[at * n + at].is_finite() && !has(at)) {
            return Ok(true);
        }
    }
    Ok(false)
}
