//! Runs against runs, seeds as the unit: arms, statements, effects, verdicts.
//!
//! A comparison file ([`ComparisonFile`], declared before the runs; its hash stands in the
//! results) names arms of runs that differ in nothing but their seed, and statements about them.
//! What cannot be compared is refused, naming the first difference. Each statement is a sentence
//! of an abstract with its endpoint, its pairing, its smallest effect of interest and its
//! condition (`statements/`); each endpoint is a number that a run gives (`endpoints/`). Tests
//! are exact (sign flips of paired seeds, splits of unpaired ones), p-values are Holm's within
//! the statements of one abstract, and other ways to measure can only weaken a verdict.
//!
//! Without a file [`compare_by`] groups runs by a setting and reports all endpoints as
//! exploratory: intervals, no verdicts.

mod asked;
mod comparable;
mod endpoints;
mod evaluate;
mod judge;
mod rank;
mod results;
mod runs;
mod sample;
mod seen;
mod statements;

use std::path::PathBuf;

use asked::{Asked, against_first, arms_alike, arms_by, exploratory};
use evaluate::evaluate;
use runs::Arm;

use crate::error::{ErrorKind, Result};

pub use asked::ComparisonFile;
pub use results::{
    ArmFound, Declared, Effect, Finding, PartFound, Results, SettingFound, VariantFound,
};
pub use runs::{LeftOut, RunName};
pub use sample::{Pairing, SeedValues};
pub use seen::{SeenErrors, SeenLayer, SeenMap, SeenRun};
pub use statements::{Reading, Source};

/// Compares the runs of a comparison file.
///
/// # Errors
/// If a file of a run is damaged, or runs cannot be compared.
pub fn compare(file: &ComparisonFile) -> Result<Results> {
    let read =
        |(name, directories): &(String, Vec<PathBuf>)| Arm::read(name, directories);
    let arms = file.arms.iter().map(read).collect::<Result<Vec<_>>>()?;
    let mut results = judged(&file.place, &file.statements, &arms)?;
    results.comparison =
        Some(Declared { file: file.place.clone(), sha256: file.sha256.clone() });
    Ok(results)
}

/// Compares all endpoints of runs, grouped by the value of a setting: each pair of values. Without a
/// setting as [`compare_all`].
///
/// # Errors
/// As [`compare_all`], and if no run has the setting.
pub fn compare_by(
    runs: &[PathBuf],
    key: Option<&str>,
    pairing: Option<Pairing>,
) -> Result<Results> {
    let mut arms = if key.is_some() { arms_by(runs, key)? } else { arms_alike(runs)? };
    if let (None, [only]) = (key, &mut arms[..]) {
        only.name = "runs".into();
    }
    let asked = if key.is_some() {
        exploratory(&arms, pairing)
    } else {
        against_first(&arms, pairing)
    };
    let results = shown(&asked, &arms)?;
    Ok(Results { by: key.map(str::to_owned), ..results })
}

/// Compares runs as they are: those that differ in nothing but their seeds are an arm, and each
/// arm is compared with the first.
///
/// # Errors
/// If no directory holds a run, or a file of a run is damaged.
pub fn compare_all(runs: &[PathBuf]) -> Result<Results> {
    let arms = arms_alike(runs)?;
    shown(&against_first(&arms, None), &arms)
}

/// What keeps exploratory effects from being computed does not keep runs from being shown:
/// [`Results::not_compared`] says it.
fn shown(asked: &[Asked], arms: &[Arm]) -> Result<Results> {
    match judged("compare", asked, arms) {
        Err(error) if error.kind() == ErrorKind::Usage => {
            let shown = judged("compare", &[], arms)?;
            Ok(Results { not_compared: Some(error.to_string()), ..shown })
        }
        results => results,
    }
}

/// The ids that a comparison file may ask for: statements, then endpoints.
pub fn ids() -> Vec<&'static str> {
    asked::Subject::ids()
}

fn judged(place: &str, asked: &[Asked], arms: &[Arm]) -> Result<Results> {
    let mut evaluated = vec![];
    for asked in asked {
        let place = format!("{place}: {}", asked.title());
        evaluated.extend(evaluate(&place, asked, arms)?);
    }
    let adjusted = judge::adjusted(&evaluated);
    let findings = evaluated.iter().zip(adjusted).map(|(e, p)| Finding::of(e, p));
    let arm = |(arm, seen): (&Arm, Vec<SeenRun>)| ArmFound {
        name: arm.name.clone(),
        runs: arm.names(),
        left_out: arm.left_out(),
        settings: all_settings(arm),
        seen,
    };
    Ok(Results {
        format: 1,
        comparison: None,
        by: None,
        not_compared: None,
        arms: arms.iter().zip(seen::seen(arms)).map(arm).collect(),
        settings: settings(arms),
        statements: findings.collect(),
        effects: evaluated.iter().flat_map(results::rows).collect(),
    })
}

/// All settings of an arm, each with the values of its runs.
fn all_settings(arm: &Arm) -> Vec<(String, Vec<String>)> {
    let mut all: Vec<(String, Vec<String>)> = vec![];
    for experiment in arm.runs.iter().filter_map(|run| run.experiment.as_ref()) {
        for (key, value) in experiment.settings() {
            match all.iter_mut().find(|(name, _)| *name == key) {
                Some((_, values)) if values.contains(&value) => {}
                Some((_, values)) => values.push(value),
                None => all.push((key, vec![value])),
            }
        }
    }
    all
}

/// The settings in which the first runs of the arms differ.
fn settings(arms: &[Arm]) -> Vec<SettingFound> {
    let firsts: Vec<(&str, Vec<(String, String)>)> = arms
        .iter()
        .filter_map(|arm| {
            let experiment = arm.runs.first()?.experiment.as_ref()?;
            Some((arm.name.as_str(), experiment.settings()))
        })
        .collect();
    let mut keys: Vec<&String> = vec![];
    for (key, _) in firsts.iter().flat_map(|(_, settings)| settings) {
        if !keys.contains(&key) {
            keys.push(key);
        }
    }
    let of_key = |key: &String| {
        let value = |settings: &[(String, String)]| {
            let found = settings.iter().find(|(name, _)| name == key);
            found.map_or_else(|| "absent".to_owned(), |(_, value)| value.clone())
        };
        let values: Vec<(String, String)> =
            firsts.iter().map(|(arm, s)| ((*arm).to_owned(), value(s))).collect();
        let differ = values.iter().any(|(_, value)| *value != values[0].1);
        (differ && key != "seed").then(|| SettingFound { key: key.clone(), values })
    };
    keys.into_iter().filter_map(of_key).collect()
}
