//! The matrices of one layer, and what its probes say at other penalties.

use std::collections::BTreeSet;
use std::path::Path;

use super::look::Look;
use super::matrix;
use super::range::Range;
use crate::error::{Error, Result};
use crate::report::model::RunResults;
use crate::report::panels::{Penalties, QUANTITIES};
use crate::run_dir::tables::AxisRow;
use crate::run_dir::{MatrixFile, Recording, RunDir, read_rows};
use crate::similarity::MatrixKind;

/// What is asked of a layer.
#[derive(Debug, Clone, Copy)]
pub struct Question<'a> {
    /// The layer.
    pub layer: &'a str,
    /// The examples; for decision regions the source of the triplets.
    pub group: &'a str,
    /// The measure; absent: every measure of which a run has no variant.
    pub measure: Option<&'a str>,
}

impl Question<'_> {
    fn asks_for(&self, file: &MatrixFile) -> bool {
        let measure = match self.measure {
            Some(measure) => file.measure == measure,
            None => MatrixKind::parse(&file.measure).is_leading(),
        };
        measure && file.layer == self.layer && file.group == self.group
    }
}

/// The matrices of a layer of the run or recording in `root`.
///
/// # Errors
/// If it has no such matrix, or a file cannot be read.
pub fn matrices(
    root: &Path,
    question: Question,
    range: Range,
    look: Look,
) -> Result<String> {
    let run = match Recording::open(root)? {
        Some(_) => None,
        None => Some(RunDir::open(root)?),
    };
    let text = drawn(root, question, range, look)?;
    match run {
        Some(run) => Ok(text + &penalties(&run, question.layer)?),
        None => Ok(text),
    }
}

fn drawn(root: &Path, question: Question, range: Range, look: Look) -> Result<String> {
    let files = MatrixFile::list(root)?;
    let axis: Vec<AxisRow> = read_rows(root)?;
    let epochs: Vec<f64> = axis.iter().map(|row| row.epoch.0).collect();
    let Question { layer, group, .. } = question;
    let mut text = String::new();
    for file in files.iter().filter(|file| question.asks_for(file)) {
        let values = file.read(epochs.len())?;
        let name = file.measure.to_uppercase();
        text += &format!("{name} of {layer} with itself over the epochs, {group}\n");
        let ends = range.ends(file, &files, epochs.len())?;
        text += &matrix::draw(&values, &epochs, ends, look);
        text += &matrix::key(&values, ends, look);
    }
    if text.is_empty() { Err(no_such_matrix(root, question, &files)?) } else { Ok(text) }
}

fn no_such_matrix(root: &Path, asked: Question, files: &[MatrixFile]) -> Result<Error> {
    let place = root.display().to_string();
    if files.is_empty() {
        return Ok(
            Error::usage(place, "has no matrices").fix("`stratagram analyze` makes them")
        );
    }
    let Question { layer, group, measure } = asked;
    // What the run does not have at all is to blame before what it has elsewhere.
    let layers = MatrixFile::layers(root)?;
    if !layers.iter().any(|own| own == layer) {
        let error = Error::usage(place, format!("has no layer `{layer}`"));
        return Ok(error.expected(format!("one of {}", layers.join(", "))));
    }
    let measured = |file: &&MatrixFile| measure.is_none_or(|m| m == file.measure);
    if let Some(measure) = measure
        && !files.iter().any(|file| measured(&file))
    {
        let error =
            Error::usage(place, format!("has no matrix of `--measure {measure}`"));
        return Ok(error.expected(one_of(files.iter().map(|file| &file.measure))));
    }
    let found = match measure {
        Some(measure) => format!("has no `{measure}` of {layer} on `--group {group}`"),
        None => format!("has no matrix of {layer} on `--group {group}`"),
    };
    let own = files.iter().filter(|file| file.layer == layer).filter(measured);
    Ok(Error::usage(place, found).expected(one_of(own.map(|file| &file.group))))
}

/// Names, each once.
fn one_of<'a>(names: impl Iterator<Item = &'a String>) -> String {
    let names: BTreeSet<&str> = names.map(String::as_str).collect();
    format!("one of {}", names.into_iter().collect::<Vec<_>>().join(", "))
}

/// What a layer's probes say at other λ; nothing where there are none.
fn penalties(run: &RunDir, layer: &str) -> Result<String> {
    if run.experiment().analysis.probe.l2_also.is_empty() {
        return Ok(String::new());
    }
    let found = Penalties::of(&RunResults::read(run.root())?);
    let Some(found) = found else { return Ok(String::new()) };
    let Some((_, values)) = found.rows.iter().find(|row| row.0 == layer) else {
        return Ok(String::new());
    };
    let mut text =
        format!("its probes at λ = {} (epoch {})\n", found.order(), found.epoch);
    for (k, (values, quantity)) in values.iter().zip(QUANTITIES).enumerate() {
        text += &format!("       {:<22} {}\n", quantity.name, Penalties::cell(values, k));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::terminal::tests::{LOOK, run, with_matrices};

    const FC: Question = Question { layer: "fc", group: "test", measure: None };

    #[test]
    fn a_run_without_matrices_says_what_makes_them() {
        let directory = tempfile::tempdir().unwrap();
        let run = run(&directory.path().join("run"));
        let error = matrices(run.root(), FC, Range::Unit, LOOK).unwrap_err();
        assert!(error.help().unwrap().contains("analyze"));
        let error =
            matrices(directory.path(), FC, Range::Unit, LOOK).unwrap_err().to_string();
        assert!(error.contains("run.json"), "what is not a run is called so: {error}");
    }

    #[test]
    fn a_layer_shows_each_of_its_measures() {
        let directory = tempfile::tempdir().unwrap();
        let run = with_matrices(&directory.path().join("run"));
        assert_eq!(
            matrices(run.root(), FC, Range::Unit, LOOK).unwrap(),
            "CKA of fc with itself over the epochs, test\n       2?\n     0 92\n       0\n       \
             first decimal, - below 0, ? undefined; values from 0.250 to 1.000\n\n"
        );
        let unknown = Question { layer: "fc2", ..FC };
        let error =
            matrices(run.root(), unknown, Range::Unit, LOOK).unwrap_err().to_string();
        assert!(
            error.contains("no layer `fc2`; expected one of relu1, fc, output"),
            "{error}"
        );
        for (measure, group, part) in [
            (Some("rsa"), "test", "`--measure rsa`; expected one of cka, drs"),
            (Some("drs"), "test", "no `drs` of fc on `--group test`; expected one of "),
            (None, "train", "no matrix of fc on `--group train`; expected one of test"),
        ] {
            let question = Question { group, measure, ..FC };
            let error = matrices(run.root(), question, Range::Unit, LOOK)
                .unwrap_err()
                .to_string();
            assert!(error.contains(part), "{error}");
        }
        let variant = Question { layer: "output", measure: Some("drs"), ..FC };
        assert!(
            matrices(run.root(), variant, Range::Unit, LOOK)
                .unwrap()
                .starts_with("DRS of output")
        );
    }
}
