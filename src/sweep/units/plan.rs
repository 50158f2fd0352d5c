//! `plan.json`: the units of a sweep in the order in which they may be done.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::costs::{Cost, costs};
use super::keep::Keep;
use crate::disk;
use crate::error::{Error, Result};
use crate::experiment::Experiment;
use crate::run_dir::write_atomic;
use crate::sweep::plan::Plan;
use crate::version;

/// The version of the format that this build writes and reads.
const FORMAT: u32 = 1;
/// The file's name in the directory of the runs.
const NAME: &str = "plan.json";
/// Digits of a unit's id.
const DIGITS: usize = 16;

/// The units of a sweep.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UnitPlan {
    /// Version of the format.
    pub format: u32,
    /// Version of the program that made the plan, and that works on it.
    pub stratagram: String,
    /// Commit it was built from, where that is known.
    pub git: Option<String>,
    /// Seconds between two signs of life of a process that works on a unit.
    pub heartbeat: f64,
    /// Which checkpoints stay once a run is analyzed.
    pub keep: Keep,
    /// The runs, the most expensive first, so that the last ones to finish are short.
    pub runs: Vec<UnitRun>,
    /// The training of every run, the analysis of every run, and the table of all.
    pub units: Vec<Unit>,
    /// The directory of the runs, in which the plan is.
    #[serde(skip)]
    pub folder: PathBuf,
}

/// A run of the plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UnitRun {
    /// Its folder.
    pub name: String,
    /// The experiment file, complete.
    pub experiment: String,
    /// SHA-256 of the data set's pixels and labels.
    pub data_sha256: String,
}

/// A unit of work.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Unit {
    /// A checksum of what is done: the kind, the complete experiment, the data, the program.
    pub id: String,
    /// What is done.
    pub kind: UnitKind,
    /// The run's position among the runs; none for `gather`.
    pub run: Option<usize>,
    /// Estimated seconds, on one thread of the machine that made the plan.
    pub seconds: f64,
}

/// What a unit does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum UnitKind {
    /// Trains a run.
    Train,
    /// Analyzes a trained run and writes its page.
    Analyze,
    /// Puts all runs together.
    Gather,
}

impl UnitKind {
    /// The word in `plan.json` and in tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::Analyze => "analyze",
            Self::Gather => "gather",
        }
    }
}

impl UnitPlan {
    /// Plans the runs of a sweep file in `folder`: loads their data for its checksum, and
    /// estimates what each costs.
    ///
    /// # Errors
    /// If data cannot be loaded, or the analysis of a run cannot be done.
    pub fn new(sweep: &Plan, folder: &Path, keep: Keep, heartbeat: f64) -> Result<Self> {
        let costs = costs(&sweep.runs)?;
        let mut order: Vec<(usize, &Cost)> = costs.iter().enumerate().collect();
        order.sort_by(|a, b| b.1.operations.total_cmp(&a.1.operations));
        let run = |&(at, cost): &(usize, &Cost)| UnitRun {
            name: sweep.runs[at].name.clone(),
            experiment: sweep.runs[at].experiment.to_toml(),
            data_sha256: cost.data_sha256.clone(),
        };
        let runs: Vec<UnitRun> = order.iter().map(run).collect();
        let of = |kind, seconds: fn(&Cost) -> f64| {
            let costs = order.iter().map(move |(_, cost)| seconds(cost));
            let all = runs.iter().zip(costs).enumerate();
            all.map(move |(at, (run, seconds))| Unit::of_run(kind, at, run, seconds))
        };
        let mut units: Vec<Unit> = of(UnitKind::Train, |cost| cost.training).collect();
        units.extend(of(UnitKind::Analyze, |cost| cost.analysis));
        units.push(Unit::gather(&units));
        Ok(Self {
            format: FORMAT,
            stratagram: version::VERSION.into(),
            git: version::COMMIT.map(str::to_owned),
            heartbeat,
            keep,
            runs,
            units,
            folder: absolute(folder),
        })
    }

    /// Reads a plan: the file itself, or the directory that it is in.
    ///
    /// # Errors
    /// If it cannot be read, is damaged, or was made by another version of the program.
    pub fn read(path: &Path) -> Result<Self> {
        let path = if path.is_dir() { path.join(NAME) } else { path.to_owned() };
        if !path.exists() {
            return Err(Error::usage(path.display().to_string(), "is not there")
                .expected("a plan, or the directory that it is in")
                .fix("make one: stratagram sweep plan SWEEP.toml"));
        }
        let text = disk::read_text(&path, disk::LIST)?;
        let damaged = |found: String| {
            Error::data(&path, found)
                .expected("a plan as `stratagram sweep plan` writes it")
                .fix("plan again with --replace; runs that are there are kept")
        };
        let mut plan: Self = serde_json::from_str(&text)
            .map_err(|error| damaged(format!("is malformed ({error})")))?;
        plan.check_version(&path)?;
        plan.check_units().map_err(damaged)?;
        plan.folder = absolute(path.parent().unwrap_or(Path::new(".")));
        Ok(plan)
    }

    /// Refuses a plan of another program: its runs could have other bytes.
    fn check_version(&self, path: &Path) -> Result<()> {
        let own = (version::VERSION, version::COMMIT);
        let found = (self.stratagram.as_str(), self.git.as_deref());
        if self.format == FORMAT && found == own {
            return Ok(());
        }
        let words = |(version, commit): (&str, Option<&str>)| {
            format!("version {version}, commit {}", commit.unwrap_or("unknown"))
        };
        Err(Error::data(path, format!("was made by {}", words(found)))
            .expected(format!("{}, which is this program", words(own)))
            .fix(
                "use that program, or plan again with --replace; runs that are there are \
                 kept",
            ))
    }

    /// That units are those of the runs, in their order, and unchanged; else what is wrong.
    fn check_units(&self) -> std::result::Result<(), String> {
        let n = self.runs.len();
        if self.units.len() != 2 * n + 1 {
            return Err(format!("has {} units for {n} runs", self.units.len()));
        }
        let (of_runs, last) = self.units.split_at(2 * n);
        for (at, unit) in of_runs.iter().enumerate() {
            let kind = if at < n { UnitKind::Train } else { UnitKind::Analyze };
            let expected = Unit::of_run(kind, at % n, &self.runs[at % n], unit.seconds);
            if *unit != expected {
                return Err(format!("has a unit {at} that was changed"));
            }
        }
        if last[0] == Unit::gather(of_runs) {
            Ok(())
        } else {
            Err("has a last unit that was changed".to_owned())
        }
    }

    /// Writes the plan into its directory. A plan that is there is kept where it has the same
    /// units, and replaced only where that is asked for: jobs that wait in a queue name units
    /// by their numbers.
    ///
    /// # Errors
    /// If another plan is there, or the operating system refuses.
    ///
    /// # Panics
    /// If an estimate is not a finite number.
    pub fn write(&self, replace: bool) -> Result<()> {
        let path = self.path();
        if path.exists() && !replace {
            let there = Self::read(&path)?;
            let ids = |plan: &Self| -> Vec<String> {
                plan.units.iter().map(|unit| unit.id.clone()).collect()
            };
            let settings = |plan: &Self| (plan.keep, plan.heartbeat.to_bits());
            if ids(&there) == ids(self) && settings(&there) == settings(self) {
                return Ok(());
            }
            let found = format!(
                "holds another plan, of {} runs instead of {}, or of other settings",
                there.runs.len(),
                self.runs.len()
            );
            return Err(Error::usage(path.display().to_string(), found).fix(
                "cancel its jobs and plan again with --replace (runs that are there are \
                 kept), or choose another --out",
            ));
        }
        let text = serde_json::to_string_pretty(self).expect("a plan has a JSON form");
        write_atomic(&path, (text + "\n").as_bytes())
    }

    /// The file.
    pub fn path(&self) -> PathBuf {
        self.folder.join(NAME)
    }

    /// The unit of this number.
    ///
    /// # Errors
    /// If there is none.
    pub fn unit(&self, index: usize) -> Result<&Unit> {
        self.units.get(index).ok_or_else(|| {
            Error::usage(format!("unit {index}"), "is not in the plan")
                .expected(format!("0 to {}", self.units.len() - 1))
        })
    }

    /// The directory of a run.
    pub fn root(&self, run: usize) -> PathBuf {
        self.folder.join(&self.runs[run].name)
    }

    /// The checked experiment of a run.
    ///
    /// # Errors
    /// If the plan holds none.
    pub fn experiment(&self, run: usize) -> Result<Experiment> {
        let UnitRun { name, experiment, .. } = &self.runs[run];
        let place = format!("{}: run {name}", self.path().display());
        Experiment::parse(&place, experiment, &self.folder, &[])
    }

    /// What a unit is called in messages: `train net.width-4`.
    pub fn title(&self, unit: &Unit) -> String {
        let name = unit.run.map(|run| self.runs[run].name.as_str());
        [Some(unit.kind.name()), name].into_iter().flatten().collect::<Vec<_>>().join(" ")
    }
}

impl Unit {
    fn of_run(kind: UnitKind, at: usize, run: &UnitRun, seconds: f64) -> Self {
        let parts = [&run.experiment, &run.data_sha256];
        Self { id: id(kind, &parts), kind, run: Some(at), seconds }
    }

    /// The last unit, of all the others.
    fn gather(units: &[Self]) -> Self {
        let parts: Vec<&String> = units.iter().map(|unit| &unit.id).collect();
        Self {
            id: id(UnitKind::Gather, &parts),
            kind: UnitKind::Gather,
            run: None,
            seconds: 0.0,
        }
    }
}

/// SHA-256 of kind, program and parts, shortened.
fn id(kind: UnitKind, parts: &[&String]) -> String {
    let mut hash = Sha256::new();
    let commit = version::COMMIT.unwrap_or_default();
    let program = [kind.name(), version::VERSION, commit];
    for part in program.into_iter().chain(parts.iter().map(|part| part.as_str())) {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    let text: String = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    text[..DIGITS].to_owned()
}

fn absolute(path: &Path) -> PathBuf {
    let path = if path == Path::new("") { Path::new(".") } else { path };
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const BASE: &str = "data = { kind = 'digits', n_train = 40, n_test = 20 }\n\
        net = { kind = 'cnn5', width = 2 }\ntrain = { epochs = 2, batch_size = 32 }\n\
        analysis = { n_examples = 8, drs = { triplets = 2, resolution = 4 } }\n";

    fn plan(folder: &Path, axes: &str) -> UnitPlan {
        std::fs::write(folder.join("base.toml"), BASE).unwrap();
        let file = folder.join("sweep.toml");
        std::fs::write(&file, format!("experiment = 'base.toml'\n[axes]\n{axes}\n"))
            .unwrap();
        let sweep = Plan::read(&file, &[]).unwrap();
        UnitPlan::new(&sweep, &folder.join("runs"), Keep::All, 15.0).unwrap()
    }

    #[test]
    fn units_are_ordered_and_named_by_what_they_do() {
        let folder = tempfile::tempdir().unwrap();
        let plan = plan(folder.path(), "'net.width' = [2, 4]\nseed = [0, 1]");
        let kinds: Vec<&str> = plan.units.iter().map(|unit| unit.kind.name()).collect();
        assert_eq!(
            kinds,
            [
                "train", "train", "train", "train", "analyze", "analyze", "analyze",
                "analyze", "gather"
            ]
        );
        // The expensive ones first, equal ones in the order of the sweep.
        let names: Vec<&str> = plan.runs.iter().map(|run| run.name.as_str()).collect();
        assert_eq!(
            names,
            [
                "net.width-4_seed-0",
                "net.width-4_seed-1",
                "net.width-2_seed-0",
                "net.width-2_seed-1"
            ]
        );
        let mut ids: Vec<&str> = plan.units.iter().map(|unit| unit.id.as_str()).collect();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), 9, "no two units have one id");
        assert_eq!(plan.experiment(0).unwrap().to_toml(), plan.runs[0].experiment);
        assert_eq!(plan.title(&plan.units[4]), "analyze net.width-4_seed-0");
    }

    #[test]
    fn ids_depend_on_settings_and_not_on_what_else_the_sweep_holds() {
        let folder = tempfile::tempdir().unwrap();
        let of = |axes: &str| {
            let plan = plan(folder.path(), axes);
            plan.runs
                .iter()
                .zip(&plan.units)
                .map(|(run, unit)| (run.name.clone(), unit.id.clone()))
                .collect::<Vec<_>>()
        };
        let (few, more) = (of("seed = [1]"), of("seed = [0, 1]"));
        assert!(more.contains(&few[0]));
        assert_ne!(more[0].1, more[1].1);
    }

    #[test]
    fn a_plan_is_read_as_it_was_written_and_never_silently_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let one = plan(folder.path(), "seed = [0]");
        one.write(false).unwrap();
        assert_eq!(UnitPlan::read(&one.folder).unwrap(), one);
        let again = plan(folder.path(), "seed = [0]");
        again.write(false).unwrap();
        assert_eq!(UnitPlan::read(&one.path()).unwrap(), one, "kept as it is");
        let other = plan(folder.path(), "seed = [0, 1]");
        let error = other.write(false).unwrap_err();
        assert!(
            error.to_string().contains("another plan, of 1 runs instead of 2"),
            "{error}"
        );
        other.write(true).unwrap();
        assert_eq!(UnitPlan::read(&one.folder).unwrap(), other);
    }

    #[test]
    fn damaged_and_foreign_plans_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let plan = plan(folder.path(), "seed = [0]");
        plan.write(false).unwrap();
        let text = std::fs::read_to_string(plan.path()).unwrap();
        let missing = UnitPlan::read(&folder.path().join("nowhere")).unwrap_err();
        assert_eq!(missing.exit_code(), 2);
        for (from, to, part) in [
            ("batch_size = 32", "batch_size = 16", "unit 0 that was changed"),
            ("\"analyze\"", "\"train\"", "unit 1 that was changed"),
            ("\"stratagram\": \"", "\"stratagram\": \"9", "was made by version 9"),
            ("\"units\"", "\"unites\"", "malformed"),
        ] {
            assert!(text.contains(from), "{from}");
            std::fs::write(plan.path(), text.replacen(from, to, 1)).unwrap();
            let error = UnitPlan::read(&plan.folder).unwrap_err();
            assert!(error.to_string().contains(part), "{error} does not say {part}");
        }
    }
}
