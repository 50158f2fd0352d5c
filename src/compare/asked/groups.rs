//! Runs grouped by the value of a setting: all endpoints, exploratory.

use std::path::{Path, PathBuf};

use super::statement::{Asked, Subject};
use crate::compare::comparable::differences;
use crate::compare::endpoints;
use crate::compare::runs::{Absent, Arm, LeftOut, Run, holds_run};
use crate::compare::sample::Pairing;
use crate::error::{Error, Result};
use crate::experiment::Experiment;
use crate::setting::nearest;

/// Tables whose settings decide what a seed draws: runs that differ there share no
/// initialization or no images.
const UNPAIRED: [&str; 2] = ["net.", "data."];

/// The runs in these directories as arms, one for each value of the setting `key` in the order
/// of the directories; without a key as one.
///
/// # Errors
/// If a directory holds no run, a file is damaged, or no run has the setting.
pub(crate) fn arms_by(directories: &[PathBuf], key: Option<&str>) -> Result<Vec<Arm>> {
    let is_other = |path: &PathBuf| path.exists() && !holds_run(path);
    let (others, runs): (Vec<PathBuf>, Vec<PathBuf>) =
        directories.iter().cloned().partition(is_other);
    let mut all = Arm::read("runs", &runs)?;
    if all.runs.is_empty() && all.absent.is_empty() {
        let names: Vec<String> =
            others.iter().map(|path| path.display().to_string()).collect();
        return Err(Error::usage(names.join(" "), "holds no run")
            .expected("run directories, or one comparison file .toml"));
    }
    all.others = others.iter().map(|path| not_a_run(path)).collect();
    let Some(key) = key else { return Ok(vec![all]) };
    let order: Vec<String> =
        directories.iter().map(|path| path.display().to_string()).collect();
    check_key(key, &all)?;
    let mut arms: Vec<Arm> = vec![];
    let Arm { mut runs, mut absent, others, .. } = all;
    runs.sort_by_key(|run| order.iter().position(|name| *name == run.name));
    for run in runs {
        let name = value(run.experiment.as_ref(), key);
        arm_of(&mut arms, name).runs.push(run);
    }
    for run in absent.drain(..) {
        let name = value(run.experiment.as_ref(), key);
        arm_of(&mut arms, name).absent.push(run);
    }
    arms.iter_mut().for_each(Arm::sort);
    if let Some(first) = arms.first_mut() {
        first.others = others;
    }
    Ok(arms)
}

/// What a glob of a sweep's directory means besides its runs.
fn not_a_run(path: &Path) -> LeftOut {
    LeftOut::new(&path.display().to_string(), "is not a run directory")
}

/// The arm of that name, a new one where there is none.
fn arm_of(arms: &mut Vec<Arm>, name: String) -> &mut Arm {
    let at = arms.iter().position(|arm| arm.name == name).unwrap_or_else(|| {
        arms.push(Arm { name, ..Arm::default() });
        arms.len() - 1
    });
    &mut arms[at]
}

/// The value of a setting without quotes; `absent` where it has none.
fn value(experiment: Option<&Experiment>, key: &str) -> String {
    let settings = experiment.map_or(vec![], Experiment::settings);
    let found = settings.into_iter().find(|(name, _)| name == key);
    found.map_or_else(|| "absent".into(), |(_, value)| value.trim_matches('"').to_owned())
}

/// Refuses a setting that no run has.
fn check_key(key: &str, arm: &Arm) -> Result<()> {
    let own = arm.runs.iter().filter_map(|run: &Run| run.experiment.as_ref());
    let absent = arm.absent.iter().filter_map(|run: &Absent| run.experiment.as_ref());
    let known: Vec<String> =
        own.chain(absent).flat_map(Experiment::settings).map(|(name, _)| name).collect();
    if known.iter().any(|name| name == key) {
        return Ok(());
    }
    let error = Error::usage(format!("--by {key}"), "is not a setting of these runs")
        .expected("a key of their experiment.toml, such as optimizer.kind");
    Err(match nearest(key, known.iter().map(String::as_str)) {
        Some(near) => error.fix(format!("did you mean `{near}`?")),
        None => error,
    })
}

/// All endpoints as exploratory statements: of a single arm, or of each pair of arms.
pub(crate) fn exploratory(arms: &[Arm], pairing: Option<Pairing>) -> Vec<Asked> {
    let mut asked = vec![];
    for endpoint in endpoints::ALL {
        let ask = |plus: &Arm, minus: Option<&Arm>| Asked {
            subject: Subject::Endpoint(endpoint),
            name: None,
            plus: Some(plus.name.clone()),
            minus: minus.map(|arm| arm.name.clone()),
            arms: vec![],
            also: vec![],
            d: None,
            pairing: pairing.or_else(|| Some(pairing_of(plus, minus?))),
            layers: vec![],
            variants: None,
            differ: vec![],
        };
        if let [only] = arms {
            asked.push(ask(only, None));
        }
        for (at, plus) in arms.iter().enumerate() {
            asked.extend(arms[at + 1..].iter().map(|minus| ask(plus, Some(minus))));
        }
    }
    asked
}

/// By seed where two arms have seeds in common and neither net nor data differ.
fn pairing_of(plus: &Arm, minus: &Arm) -> Pairing {
    let pair = plus.runs.iter().find_map(|run| Some((run, minus.run_of(&run.seed())?)));
    let Some((one, other)) = pair else { return Pairing::None };
    let differs = |key: &str| UNPAIRED.iter().any(|table| key.starts_with(table));
    if differences(one, other).iter().any(|difference| differs(&difference.key)) {
        Pairing::None
    } else {
        Pairing::Seed
    }
}
