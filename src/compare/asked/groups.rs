//! Runs grouped by the value of a setting: all endpoints, exploratory.

use std::path::{Path, PathBuf};

use super::statement::{Asked, Subject};
use crate::compare::comparable::{SEEDS, differences};
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
    check_key(key, &all)?;
    Ok(grouped(all, directories, |experiment, _| value(experiment, key)))
}

/// The runs in these directories as arms of runs that differ in their seeds alone, in the order of
/// the directories; each is called what its first run is called without its seed.
///
/// # Errors
/// As [`arms_by`].
pub(crate) fn arms_alike(directories: &[PathBuf]) -> Result<Vec<Arm>> {
    let all = arms_by(directories, None)?.remove(0);
    let mut known: Vec<(Vec<(String, String)>, String)> = vec![];
    Ok(grouped(all, directories, |experiment, run| {
        let settings = experiment.map_or_else(Vec::new, settings_but_seeds);
        if let Some((_, name)) = known.iter().find(|(other, _)| *other == settings) {
            return name.clone();
        }
        let own = without_seed(run);
        let mut name = own.clone();
        for count in 2.. {
            if known.iter().all(|(_, taken)| *taken != name) {
                break;
            }
            name = format!("{own} ({count})");
        }
        known.push((settings, name.clone()));
        name
    }))
}

/// Runs as arms, by what `name` makes of their experiments and directories, in the order of the
/// directories.
fn grouped(
    all: Arm,
    directories: &[PathBuf],
    mut name: impl FnMut(Option<&Experiment>, &str) -> String,
) -> Vec<Arm> {
    let order: Vec<String> =
        directories.iter().map(|path| path.display().to_string()).collect();
    let mut arms: Vec<Arm> = vec![];
    let Arm { mut runs, mut absent, others, .. } = all;
    runs.sort_by_key(|run| order.iter().position(|name| *name == run.name));
    for run in runs {
        let name = name(run.experiment.as_ref(), &run.name);
        arm_of(&mut arms, name).runs.push(run);
    }
    for run in absent.drain(..) {
        let name = name(run.experiment.as_ref(), &run.left_out.run);
        arm_of(&mut arms, name).absent.push(run);
    }
    arms.iter_mut().for_each(Arm::sort);
    if let Some(first) = arms.first_mut() {
        first.others = others;
    }
    arms
}

/// The settings of an experiment but for its seeds.
fn settings_but_seeds(experiment: &Experiment) -> Vec<(String, String)> {
    let settings = experiment.settings().into_iter();
    settings.filter(|(key, _)| !SEEDS.contains(&key.as_str())).collect()
}

/// The last part of a run's path without its seed, as sweeps put them together; that of its parent
/// where nothing is left.
fn without_seed(run: &str) -> String {
    let is_seed = |part: &str| {
        let number = part.strip_prefix("seed-");
        number.is_some_and(|text| text.parse::<u64>().is_ok())
    };
    let name_of = |path: Option<&Path>| {
        let name = path.and_then(Path::file_name);
        name.map(|name| name.to_string_lossy().into_owned())
    };
    let path = Path::new(run);
    let own = name_of(Some(path)).unwrap_or_default();
    let parts: Vec<&str> = own.split('_').filter(|part| !is_seed(part)).collect();
    match (parts.is_empty(), name_of(path.parent())) {
        (false, _) => parts.join("_"),
        (true, Some(parent)) => parent,
        (true, None) => "runs".into(),
    }
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
    let from = |at: usize| arms[at + 1..].iter().map(move |minus| (&arms[at], minus));
    asked_of(arms, &(0..arms.len()).flat_map(from).collect::<Vec<_>>(), pairing)
}

/// More arms than these are not compared without being asked for.
const MOST_ARMS: usize = 12;

/// All endpoints as exploratory statements: of a single arm, or of each arm and the first; none of
/// many arms, whose table nobody would read.
pub(crate) fn against_first(arms: &[Arm], pairing: Option<Pairing>) -> Vec<Asked> {
    match arms {
        [first, others @ ..] if arms.len() <= MOST_ARMS => {
            let pairs: Vec<_> = others.iter().map(|plus| (plus, first)).collect();
            asked_of(arms, &pairs, pairing)
        }
        _ => vec![],
    }
}

/// All endpoints of a single arm, or of pairs of arms.
fn asked_of(
    arms: &[Arm],
    pairs: &[(&Arm, &Arm)],
    pairing: Option<Pairing>,
) -> Vec<Asked> {
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
        asked.extend(pairs.iter().map(|(plus, minus)| ask(plus, Some(minus))));
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_arm_is_called_what_its_runs_are_but_for_their_seeds() {
        let names = [
            ("runs/s/seed-0_optimizer-sgd", "optimizer-sgd"),
            ("runs/s/data.n_train-64_seed-12", "data.n_train-64"),
            ("runs/two/seed-1", "two"),
            ("seed-1", "runs"),
            ("runs/seed-x", "seed-x"),
        ];
        for (run, name) in names {
            assert_eq!(without_seed(run), name);
        }
    }
}
