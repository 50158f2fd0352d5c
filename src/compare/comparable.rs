//! Whether runs can be compared: equal checkpoints, equal layers, and no settings that differ
//! but those which are compared. What cannot be is refused, naming the first difference.

use super::asked::Asked;
use super::runs::{Arm, Run, layers_of};
use super::sample::Pairing;
use super::statements::Question;
use crate::error::{Error, Result};
use crate::experiment::Difference;
use crate::represent::glob_matches;

/// Epochs that differ by at most this share are the same: roughness and raw rates depend on
/// the spacing.
const SAME_EPOCH: f64 = 0.02;
/// Settings in which runs of one arm differ.
pub(crate) const SEEDS: [&str; 3] = ["seed", "data.seed", "noise.seed"];
/// Longer runs are cut, and memory changes no result.
const HARMLESS: [&str; 3] = ["train.epochs", "train.steps", "analysis.memory"];

/// Checks the runs of a statement's arms, and finds where longer ones are cut; none where all
/// end at the same epoch.
///
/// # Errors
/// A usage error at `place` that names two runs and the first difference.
pub(crate) fn check(
    place: &str,
    asked: &Asked,
    question: &Question<'_>,
) -> Result<Option<f64>> {
    let arms = question.all_arms();
    let runs: Vec<&Run> = arms.iter().flat_map(|arm| &arm.runs).collect();
    let end = same_checkpoints(place, &runs)?;
    for arm in &arms {
        check_arm(place, arm, asked, question)?;
    }
    if question.pairing == Pairing::Seed {
        check_pairs(place, &arms, asked, question)?;
    }
    Ok(end)
}

/// The keys in which runs may differ: these and those that the comparison declares.
fn allowed(asked: &Asked, keys: &[&str]) -> Vec<String> {
    let keys = keys.iter().chain(&HARMLESS).map(|key| (*key).to_owned());
    keys.chain(asked.differ.iter().cloned()).collect()
}

/// Runs of one arm differ in their seeds alone.
fn check_arm(
    place: &str,
    arm: &Arm,
    asked: &Asked,
    question: &Question<'_>,
) -> Result<()> {
    check_seeds(place, arm)?;
    let Some((first, others)) = arm.runs.split_first() else { return Ok(()) };
    for run in others {
        same_settings(place, [first, run], &allowed(asked, &SEEDS))?;
        same_layers(place, [first, run], question.layers)?;
    }
    Ok(())
}

/// Runs of one seed differ in what is compared alone.
fn check_pairs(
    place: &str,
    arms: &[&Arm],
    asked: &Asked,
    question: &Question<'_>,
) -> Result<()> {
    let Some((first, others)) = arms.split_first() else { return Ok(()) };
    for run in others.iter().flat_map(|arm| &arm.runs) {
        if let Some(counterpart) = first.run_of(&run.seed()) {
            let allowed = allowed(asked, asked.subject.differ());
            same_settings(place, [counterpart, run], &allowed)?;
            same_layers(place, [counterpart, run], question.layers)?;
        }
    }
    Ok(())
}

/// The epoch of the shortest run's end, if others go on, and whether all have the same
/// checkpoints up to there.
fn same_checkpoints(place: &str, runs: &[&Run]) -> Result<Option<f64>> {
    let last =
        |run: &&Run| run.findings.checkpoints.epochs.last().copied().unwrap_or(0.0);
    let shortest = runs.iter().map(last).fold(f64::INFINITY, f64::min);
    let end = shortest * (1.0 + SAME_EPOCH);
    let kept = |run: &Run| -> Vec<f64> {
        let epochs = run.findings.checkpoints.epochs.iter().copied();
        epochs.filter(|epoch| *epoch <= end).collect()
    };
    let Some(first) = runs.first() else { return Ok(None) };
    let expected = kept(first);
    for run in &runs[1..] {
        let found = kept(run);
        let n = expected.len().max(found.len());
        let differs = (0..n).find(|&at| match (expected.get(at), found.get(at)) {
            (Some(a), Some(b)) => (a - b).abs() > SAME_EPOCH * a.max(*b),
            _ => true,
        });
        if let Some(at) = differs {
            let epoch = |epochs: &[f64]| {
                epochs
                    .get(at)
                    .map_or_else(|| "no more".into(), |epoch| format!("epoch {epoch}"))
            };
            let found = format!(
                "compares runs with different checkpoints: number {} is {} in {} and {} in {}",
                at + 1,
                epoch(&expected),
                first.name,
                epoch(&found),
                run.name
            );
            return Err(Error::usage(place, found)
                .expected("the same epochs within 2 % up to the end of the shorter run")
                .fix("train both with the same `train.checkpoints`"));
        }
    }
    Ok(runs.iter().any(|run| last(run) > end).then_some(end))
}

/// Each seed once.
fn check_seeds(place: &str, arm: &Arm) -> Result<()> {
    let repeated = |pair: &&[Run]| pair[0].seed() == pair[1].seed();
    let Some([first, second]) = arm.runs.windows(2).find(repeated) else {
        return Ok(());
    };
    let found = format!(
        "has two runs of seed {} in `{}`: {} and {}",
        first.seed(),
        arm.name,
        first.name,
        second.name
    );
    let differences = differences(first, second);
    let error = Error::usage(place, found).expected("one run per seed in each arm");
    Err(match differences.first() {
        None => error,
        Some(difference) => error
            .fix(format!("they differ in `{}`: make arms of its values", difference.key)),
    })
}

/// Equal settings but for those whose keys match `allowed`.
fn same_settings(place: &str, [one, other]: [&Run; 2], allowed: &[String]) -> Result<()> {
    let is_allowed = |difference: &Difference| {
        allowed.iter().any(|key| glob_matches(key, &difference.key))
    };
    let Some(difference) = differences(one, other).into_iter().find(|d| !is_allowed(d))
    else {
        return Ok(());
    };
    let Difference { key, mine, theirs } = difference;
    let found = format!(
        "compares runs that differ in `{key}`: {mine} in {} and {theirs} in {}",
        one.name, other.name
    );
    Err(Error::usage(place, found)
        .expected(format!("equal settings but for {}", allowed.join(", ")))
        .fix(format!(
            "choose runs of one setting, or declare it in a comparison file: differ = [\"{key}\"]"
        )))
}

/// What two runs were made with that differs; nothing of recordings, which have no settings.
pub(crate) fn differences(one: &Run, other: &Run) -> Vec<Difference> {
    match (&one.experiment, &other.experiment) {
        (Some(one), Some(other)) => one.differences(other),
        _ => vec![],
    }
}

fn same_layers(place: &str, [one, other]: [&Run; 2], patterns: &[String]) -> Result<()> {
    let [a, b] = [one, other].map(|run| layers_of(run, patterns));
    if a == b {
        return Ok(());
    }
    let longer = a.len().max(b.len());
    let at = (0..longer).find(|&at| a.get(at) != b.get(at)).unwrap_or_default();
    let name =
        |layers: &[String]| layers.get(at).map_or("no more", String::as_str).to_owned();
    let found = format!(
        "compares runs with different layers: number {} is {} in {} and {} in {}",
        at + 1,
        name(&a),
        one.name,
        name(&b),
        other.name
    );
    Err(Error::usage(place, found)
        .expected("the same layers in both")
        .fix("name those that both have: layers = [\"…\"]"))
}
