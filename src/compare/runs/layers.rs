//! The layers of a comparison: names and globs, in the order of depth.

use super::lens::Lens;
use super::run::{LeftOut, Run};
use crate::error::{Error, Result};
use crate::represent::glob_matches;

/// The layers of a run that names and globs mean, in the order of depth; all without any. The
/// output, which has decisions and no representation, is none.
pub(crate) fn layers_of(run: &Run, patterns: &[String]) -> Vec<String> {
    let measure = Lens::primary().measure;
    let mut named: Vec<(usize, &str)> = vec![];
    for found in run.findings.layers.iter().filter(|found| found.measure == measure) {
        let wanted = patterns.is_empty()
            || patterns.iter().any(|pattern| glob_matches(pattern, &found.layer));
        if wanted && !named.iter().any(|(_, name)| *name == found.layer) {
            named.push((found.depth, &found.layer));
        }
    }
    named.sort_by_key(|(depth, _)| *depth);
    named.into_iter().map(|(_, name)| name.to_owned()).collect()
}

/// The same, which must not be empty.
///
/// # Errors
/// Why the run is left out.
pub(crate) fn needed_layers(
    run: &Run,
    patterns: &[String],
) -> std::result::Result<Vec<String>, LeftOut> {
    let layers = layers_of(run, patterns);
    if layers.is_empty() {
        let why = format!("no layer among {}", patterns.join(", "));
        return Err(LeftOut::new(&run.name, why));
    }
    Ok(layers)
}

/// Refuses a pattern that means no layer of any run.
///
/// # Errors
/// A usage error at `place`.
pub(crate) fn check_patterns(
    place: &str,
    patterns: &[String],
    runs: &[&Run],
) -> Result<()> {
    let Some(first) = runs.first() else { return Ok(()) };
    let means_none = |pattern: &&String| {
        let one = std::slice::from_ref(*pattern);
        runs.iter().all(|run| layers_of(run, one).is_empty())
    };
    let Some(pattern) = patterns.iter().find(means_none) else { return Ok(()) };
    Err(Error::usage(place, format!("`{pattern}` means no layer"))
        .expected(format!("names and globs among {}", layers_of(first, &[]).join(" "))))
}
