//! Other settings of `[analysis]` for a run that is there: what they make stale is removed,
//! and the analysis then adds what is missing. The results are those of a run that had the
//! settings from the start.

use super::findings;
use super::join::known::Known;
use super::plan::Plan;
use super::store::Stamp;
use crate::data::Data;
use crate::error::{Error, Result};
use crate::experiment::{Difference, Experiment};
use crate::observer::Silent;
use crate::run_dir::{Recording, RunDir, RunFile, check_sources};
use crate::similarity::{MatrixKind, Measure};
use crate::train::write_labels;

/// Changes keys of `[analysis]` of a run that is open to write, `a.b=value` each, and writes
/// them into its `experiment.toml`; [`analyze`](super::analyze) then computes what is new.
///
/// # Errors
/// If a key is not one of `[analysis]`, a value does not fit the run, another process analyzes
/// it, a file to be analyzed is damaged, or the operating system refuses. Nothing is changed then
/// but for the last.
pub fn change(run: &mut RunDir, data: &Data, changes: &[String]) -> Result<()> {
    if changes.is_empty() {
        return Ok(());
    }
    let old = run.experiment().clone();
    let new = changed(run, &old, changes)?;
    let differences = old.differences(&new);
    let as_new = run.as_of(new.clone());
    // Names of layers and sources are checked here, before anything is removed.
    Plan::new(&as_new, data, &Silent)?;
    let _lock = run.lock_analysis()?;
    let stale = Stale::of((&old, &new), &differences);
    check_sources(run.root())?;
    remove(run, (&old, &new), &stale)?;
    run.become_of(new.clone())?;
    write_labels(&new, data, run)
}

/// The experiment with these changes.
fn changed(run: &RunDir, old: &Experiment, changes: &[String]) -> Result<Experiment> {
    let is_outside = |change: &&String| {
        let key = change.split('=').next().unwrap_or_default().trim();
        key != "analysis" && !key.starts_with("analysis.")
    };
    let outside: Vec<String> =
        changes.iter().filter(is_outside).map(|change| format!("`{change}`")).collect();
    let refused = |found: String| {
        Err(Error::usage(outside_of(run), found)
            .expected("changes of [analysis], such as analysis.measures=[cka,rsa]")
            .fix(format!(
                "what a run was trained with stays; start another from it: stratagram run \
                 --from {}@EPOCH KEY=VALUE",
                run.root().display()
            )))
    };
    if !outside.is_empty() {
        return refused(format!("cannot take {}", outside.join(", ")));
    }
    let place = run.experiment_toml().display().to_string();
    let new = Experiment::parse(&place, &old.to_toml(), run.root(), changes)?;
    let other = |difference: &Difference| !difference.key.starts_with("analysis.");
    match old.differences(&new).into_iter().find(other) {
        Some(difference) => refused(format!("cannot change `{}`", difference.key)),
        None => Ok(new),
    }
}

fn outside_of(run: &RunDir) -> String {
    run.root().display().to_string()
}

/// What is no longer of the experiment.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[allow(clippy::struct_excessive_bools)] // independent parts of what an analysis wrote
struct Stale {
    everything: bool,
    /// Signatures and matrices of these.
    measures: Vec<Measure>,
    /// `representations.csv`, `collapse.csv`.
    representations: bool,
    /// What is made of decisions, and their pictures.
    decisions: bool,
    /// `matrices.csv` and `noise.csv` alone.
    tables: bool,
}

impl Stale {
    fn of((old, new): (&Experiment, &Experiment), differences: &[Difference]) -> Self {
        let (before, after) = (&old.analysis.measures, &new.analysis.measures);
        let mut stale = Self::default();
        for difference in differences {
            match difference.key.as_str() {
                "analysis.memory" => continue,
                "analysis.measures" => {
                    let gone = before.iter().filter(|measure| !after.contains(measure));
                    stale.measures.extend(gone);
                    let aligns = |own: &[Measure]| own.contains(&Measure::Cka);
                    stale.representations |= aligns(before) != aligns(after);
                }
                "analysis.dimensions" => stale.representations = true,
                "analysis.cka.estimator" => {
                    let estimated =
                        before.iter().filter(|measure| measure.has_estimator());
                    stale.measures.extend(estimated);
                    stale.representations = true;
                }
                "analysis.features" | "analysis.grid" => {
                    stale.measures.extend(before);
                    stale.representations = true;
                }
                key if key.starts_with("analysis.drs.") => stale.decisions = true,
                _ => stale.everything = true,
            }
            stale.tables = true;
        }
        stale
    }

    /// Whether the matrices of that name are stale.
    fn is_of(&self, name: &str) -> bool {
        match MatrixKind::parse(name) {
            MatrixKind::Representations { measure, .. } => {
                self.measures.contains(&measure)
            }
            kind => self.decisions && kind.is_of_decisions(),
        }
    }
}

/// Removes what is stale; the sign that the analysis is whole goes first.
fn remove(
    run: &RunDir,
    (old, new): (&Experiment, &Experiment),
    stale: &Stale,
) -> Result<()> {
    if stale.everything {
        return run.remove_analysis();
    }
    let always = |_: &_| true;
    if *stale != Stale::default() {
        findings::remove(run)?;
    }
    if stale.tables {
        run.remove_files(&[RunFile::Matrices, RunFile::Noise], always)?;
        let mut known = Known::read(run, &Stamp::of(old));
        known.retain(|name| !stale.is_of(name));
        known.write(run, &Stamp::of(new))?;
    }
    if stale.representations {
        run.remove_files(&[RunFile::Representations, RunFile::Collapse], always)?;
    }
    let of_measures = [RunFile::Signatures, RunFile::Matrix];
    run.remove_files(&of_measures, |found| stale.is_of(found.name("measure")))?;
    if stale.measures.contains(&Measure::Cka) {
        run.remove_files(&[RunFile::Norms], always)?;
    }
    if stale.decisions {
        let of_decisions = [
            RunFile::ClassIou,
            RunFile::Geometry,
            RunFile::Layers,
            RunFile::Floor,
            RunFile::Regions,
        ];
        run.remove_files(&of_decisions, always)?;
    }
    Ok(())
}

/// Checks that the rows of a recording answer what is asked for: nothing else can be changed
/// there.
///
/// # Errors
/// If they do not; the message says what they hold.
pub fn change_recording(recording: &Recording, changes: &[String]) -> Result<()> {
    // Any experiment will do to check keys and values.
    const ANY: &str = "data = { kind = 'digits' }\nnet = { kind = 'cnn5', width = 1 }";
    let recorded = recording.recorded();
    let asked = Experiment::parse("analysis", ANY, ".".as_ref(), changes)?.analysis;
    let estimator = recorded.estimator.name();
    for change in changes {
        let key = change.split('=').next().unwrap_or_default().trim();
        let is_answered = match key {
            "analysis.measures" => asked.measures.iter().all(|m| *m == Measure::Cka),
            "analysis.cka.estimator" => asked.cka.estimator == recorded.estimator,
            "analysis.memory" => true,
            _ => false,
        };
        if !is_answered {
            let groups: Vec<&str> =
                recorded.groups.iter().map(|group| group.name.as_str()).collect();
            let place = format!("the recording {}", recording.run().root().display());
            return Err(Error::usage(place, format!("cannot answer `{change}`"))
                .expected(format!(
                    "what its rows hold: cka (estimator {estimator}) of {} layers on {}, no \
                     activations, no weights",
                    recorded.layers.len(),
                    groups.join(" ")
                ))
                .fix(
                    "this needs the activations: record the training again with the setting, \
                     or import its checkpoints (stratagram import), whose analysis can be \
                     changed",
                ));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stale(changes: &[&str]) -> Stale {
        let text = "data = { kind = 'digits' }\nnet = { kind = 'cnn5', width = 2 }\n\
                    analysis = { measures = ['cka', 'rsa'] }";
        let read = |changes: &[&str]| {
            let changes: Vec<String> = changes.iter().map(ToString::to_string).collect();
            Experiment::parse("test", text, ".".as_ref(), &changes).unwrap()
        };
        let (old, new) = (read(&[]), read(changes));
        Stale::of((&old, &new), &old.differences(&new))
    }

    #[test]
    fn a_change_makes_stale_what_depends_on_it() {
        assert_eq!(stale(&["analysis.memory=99"]), Stale::default());
        let tables = Stale { tables: true, ..Stale::default() };
        assert_eq!(stale(&["analysis.measures=[cka,rsa,shape]"]), tables);
        let gone = Stale { measures: vec![Measure::Rsa], ..tables.clone() };
        assert_eq!(stale(&["analysis.measures=[cka]"]), gone);
        let aligned = stale(&["analysis.measures=[rsa]"]);
        assert!(aligned.representations && aligned.measures == [Measure::Cka]);
        let estimator = stale(&["analysis.cka.estimator=biased"]);
        assert!(estimator.representations && estimator.measures == [Measure::Cka]);
        let decisions = Stale { decisions: true, ..tables };
        assert_eq!(stale(&["analysis.drs.triplets=3"]), decisions);
        assert!(stale(&["analysis.n_examples=30"]).everything);
        assert!(stale(&["analysis.probe.l2=0.01"]).everything);
    }
}
