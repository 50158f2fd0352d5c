//! `collapse.csv` of a recording: neural collapse from the stored Gram matrices, where the classes
//! of the examples are known.

use rayon::prelude::*;

use super::reason;
use crate::analyze::join::{collapse, signatures::Element};
use crate::analyze::part::Collapsed;
use crate::analyze::store;
use crate::array_file::read_npz_member;
use crate::error::{Error, Result};
use crate::experiment::ProbeLabels;
use crate::run_dir::tables::CollapseRow;
use crate::run_dir::{Checkpoint, Place, RecordedGroup, Recording, RunDir, RunFile};
use crate::similarity::{Collapse, Estimator, GramScale, Labelled, Measure, Undefined};

/// The most classes that a byte tells apart, and one answer that is none of them.
const MOST_CLASSES: usize = u8::MAX as usize;

/// Writes the table, if the classes of any group are known.
pub(super) fn write(recording: &Recording, rows: &[Checkpoint]) -> Result<()> {
    let labelled = labelled(recording)?;
    if labelled.is_empty() {
        return Ok(());
    }
    let of_row = |at: &Checkpoint| -> Result<Vec<CollapseRow>> {
        let groups = labelled.iter().map(|group| group.rows(recording, at));
        Ok(groups.collect::<Result<Vec<_>>>()?.concat())
    };
    let table: Vec<_> = rows.par_iter().map(of_row).collect::<Result<_>>()?;
    recording.run().write_rows(&table.concat())
}

/// Whether the table is there and no older than the classes; labels may be added to a recording.
pub(super) fn is_current(run: &RunDir) -> bool {
    let time = |file: RunFile| file.path(run.root()).metadata().ok()?.modified().ok();
    time(RunFile::Collapse) >= time(RunFile::Labels)
}

/// A group of examples whose classes are known.
struct LabelledGroup<'a> {
    group: &'a RecordedGroup,
    kinds: Vec<OfKind>,
}

/// Labels of one kind, as positions among the classes that occur.
struct OfKind {
    kind: ProbeLabels,
    /// The classes that occur, in rising order.
    classes: Vec<u16>,
    labels: Vec<u16>,
}

fn labelled(recording: &Recording) -> Result<Vec<LabelledGroup<'_>>> {
    let of_kind = |(kind, labels): (ProbeLabels, Vec<u16>)| {
        let mut classes = labels.clone();
        classes.sort_unstable();
        classes.dedup();
        OfKind { kind, classes, labels }
    };
    let mut found = vec![];
    for group in &recording.recorded().groups {
        let kinds: Vec<OfKind> =
            recording.labels_of(group)?.into_iter().map(of_kind).collect();
        if !kinds.is_empty() {
            found.push(LabelledGroup { group, kinds });
        }
    }
    Ok(found)
}

impl LabelledGroup<'_> {
    /// The rows of all layers at one checkpoint.
    fn rows(&self, recording: &Recording, at: &Checkpoint) -> Result<Vec<CollapseRow>> {
        let group = &self.group.name;
        let answers = read_npz_member(&at.path, &format!("answers/{group}"))?;
        let answers = answers.and_then(|array| u16::take(array.values));
        let answers = answers.filter(|own| own.len() == self.group.n_examples);
        let mut rows = vec![];
        for layer in &recording.recorded().layers {
            let gram = self.gram(recording.recorded().estimator, at, layer)?;
            for own in &self.kinds {
                let (found, why) = own.collapse(gram.as_deref(), answers.as_deref());
                rows.push(collapse::row(at, (group, layer), &found, why));
            }
        }
        Ok(rows)
    }

    /// The Gram matrix of a layer, or why there is none.
    fn gram(
        &self,
        estimator: Estimator,
        at: &Checkpoint,
        layer: &str,
    ) -> Result<std::result::Result<Vec<f64>, String>> {
        let group = &self.group.name;
        let place = Place { measure: Measure::Cka.name(), group, layer }.to_string();
        if let Some(reason) = reason::read(&at.path, &place)? {
            return Ok(Err(reason));
        }
        let signature = read_npz_member(&at.path, &place)?
            .and_then(|array| f32::take(array.values))
            .ok_or_else(|| Error::data(&at.path, format!("holds no `{place}`")))?;
        let numbers = store::norms(&at.path, (group, layer))?;
        let numbers = numbers.filter(|own| own.len() == self.group.n_examples + 1);
        let Some(scale) = numbers.and_then(|own| GramScale::from_numbers(&own)) else {
            return Ok(Err(NO_NORMS.into()));
        };
        let gram = scale.gram(&signature, estimator);
        Ok(gram.ok_or_else(|| "minibatches hold no products between batches".into()))
    }
}

/// Why a row of an earlier version has no Gram matrix.
const NO_NORMS: &str = "the row was recorded without the norms of the examples";

impl OfKind {
    /// What a Gram matrix says of these classes, and why something of it has no value.
    fn collapse(
        &self,
        gram: std::result::Result<&[f64], &String>,
        answers: Option<&[u16]>,
    ) -> (Collapsed, String) {
        let place = |class: &u16| self.classes.binary_search(class).ok();
        let byte = |class: &u16| place(class).map_or(u8::MAX, |at| at as u8);
        let bytes = |classes: &[u16]| classes.iter().map(byte).collect::<Vec<u8>>();
        let (labels, decisions) = (bytes(&self.labels), answers.map(bytes));
        let n_classes = self.classes.len();
        let count = |class: &u16| self.labels.iter().filter(|own| *own == class).count();
        let fewest = self.classes.iter().map(count).min().unwrap_or(0);
        let found = match gram {
            _ if n_classes > MOST_CLASSES => {
                Err(format!("{n_classes} classes; at most {MOST_CLASSES} are compared"))
            }
            _ if n_classes < 2 => Err("the examples are of one class".into()),
            Err(reason) => Err(reason.clone()),
            Ok(gram) => {
                let of = Labelled {
                    labels: &labels,
                    n_classes,
                    decisions: decisions.as_deref(),
                };
                Collapse::of_gram(gram, of).map_err(|undefined| undefined.to_string())
            }
        };
        let of = |collapse| Collapsed { labels: self.kind, fewest, collapse };
        match found {
            Err(why) => (of(Collapse::none(Undefined::NonFinite)), why),
            Ok(found) => (of(found), missing(&found)),
        }
    }
}

/// What only features and answers would say.
fn missing(found: &Collapse) -> String {
    let features = "nc3: features are not stored";
    match found.undefined {
        None => features.into(),
        Some(Undefined::NoAnswers) => {
            format!("{features}; nc4: the model's answers to the examples are not stored")
        }
        Some(other) => other.to_string(),
    }
}
