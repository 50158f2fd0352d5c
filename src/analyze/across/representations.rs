//! Representations of the same layer in two runs at the same epochs: how alike two seeds
//! become, the scale to read the epochs of one run by.

use std::path::Path;

use crate::analyze::join::joined;
use crate::array_file::Values;
use crate::error::{Error, ErrorKind, Result};
use crate::run_dir::{Place, Recording, RunDir};
use crate::similarity::{Estimator, Measure, Settings, Undefined};

/// The similarity of two runs at an epoch.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AtEpoch {
    /// The epoch, which both runs have.
    pub epoch: f64,
    /// NaN where a signature is undefined.
    pub value: f64,
    /// Its standard error over examples, where the measure has one.
    pub se: Option<f64>,
}

/// Which signatures are compared.
#[derive(Debug, Clone, Copy)]
pub struct Which<'a> {
    /// The measure.
    pub measure: Measure,
    /// The layer.
    pub layer: &'a str,
    /// The examples.
    pub group: &'a str,
}

/// The examples behind a run's signatures, and how these were made.
#[derive(Debug)]
struct Examples {
    n: usize,
    estimator: Estimator,
    ids: Ids,
}

#[derive(Debug, PartialEq)]
enum Ids {
    /// Positions in a stored data set, and its checksum.
    Stored(Option<String>, Vec<i64>),
    /// The checksum of a recording's sample ids.
    Recorded(String),
}

/// A run that was trained or imported, or a recording.
enum Opened {
    Run(RunDir),
    Recording(Recording),
}

/// Whether a run holds signatures of these representations.
pub fn has_signatures(run: &RunDir, which: Which<'_>) -> bool {
    run.signatures(which.measure.name(), which.group, which.layer).is_file()
}

/// Compares a layer's representations in two analyzed runs, or two recordings, at every epoch
/// that both have; from their signatures, so no net is evaluated.
///
/// # Errors
/// If a run has no such signatures, they are of other examples or of another estimator, or no
/// epoch is shared.
pub fn compare_representations(
    runs: [&Path; 2],
    which: Which<'_>,
) -> Result<(Estimator, Vec<AtEpoch>)> {
    let Pair { n, estimator, signatures } = Pair::read(runs, which)?;
    let [(epochs, rows), (other_epochs, others)] = signatures;
    let settings = Settings { estimator, ..Settings::default() };
    let mut shared = vec![];
    for (epoch, row) in epochs.iter().zip(&rows) {
        let mut theirs = other_epochs.iter().zip(&others);
        let Some((_, other)) = theirs.find(|(other, _)| other.total_cmp(epoch).is_eq())
        else {
            continue;
        };
        let pair = [row, other].map(|row| as_signature(row));
        let matrix = which.measure.across(&pair, 1, n, &settings);
        shared.push(AtEpoch {
            epoch: *epoch,
            value: matrix.value(0, 1),
            se: matrix.error(0, 1),
        });
    }
    if shared.is_empty() {
        return Err(wrong(runs[1], "shares no epoch with the first run".into()));
    }
    Ok((estimator, shared))
}

/// A layer of one run at each of its epochs beside the same layer of another at each of its own.
#[derive(Debug, Clone, PartialEq)]
pub struct Between {
    /// What the measure is estimated by.
    pub estimator: Estimator,
    /// Epochs of the first and of the second run.
    pub epochs: [Vec<f64>; 2],
    /// Row by row, a row for each epoch of the first run; NaN where undefined.
    pub values: Vec<f64>,
    /// Their standard errors over examples; NaN where the measure has none.
    pub errors: Vec<f64>,
}

/// Compares a layer's representations in two analyzed runs, or two recordings, at all pairs of
/// epochs.
///
/// # Errors
/// If a run has no such signatures, or they are of other examples or of another estimator.
pub fn compare_all_epochs(runs: [&Path; 2], which: Which<'_>) -> Result<Between> {
    let Pair { n, estimator, signatures } = Pair::read(runs, which)?;
    let [(epochs, rows), (other_epochs, others)] = signatures;
    let all: Vec<_> = rows.iter().chain(&others).map(|row| as_signature(row)).collect();
    let settings = Settings { estimator, ..Settings::default() };
    let matrix = which.measure.across(&all, rows.len(), n, &settings);
    let cells =
        (0..rows.len()).flat_map(|i| (rows.len()..all.len()).map(move |j| (i, j)));
    let (values, errors) = cells
        .map(|(i, j)| (matrix.value(i, j), matrix.error(i, j).unwrap_or(f64::NAN)))
        .unzip();
    Ok(Between { estimator, epochs: [epochs, other_epochs], values, errors })
}

/// Epochs and the signature at each.
type Signatures = (Vec<f64>, Vec<Vec<f32>>);

/// Signatures of the same examples, by the same estimator, in two runs.
struct Pair {
    n: usize,
    estimator: Estimator,
    signatures: [Signatures; 2],
}

impl Pair {
    fn read(runs: [&Path; 2], which: Which<'_>) -> Result<Self> {
        crate::run_dir::check_name(which.layer)?;
        let [a, b] = [Opened::at(runs[0])?, Opened::at(runs[1])?];
        let (ours, theirs) = (a.examples(which.group)?, b.examples(which.group)?);
        same_examples(&ours, &theirs, runs)?;
        let has_estimator = which.measure.has_estimator();
        if has_estimator && ours.estimator != theirs.estimator {
            let found = format!("has the estimator `{}`", theirs.estimator.name());
            let expected =
                format!("`{}`, as in {}", ours.estimator.name(), runs[0].display());
            return Err(wrong(runs[1], found)
                .expected(expected)
                .fix("analyze both runs with the same analysis.cka.estimator"));
        }
        let signatures = [a.signatures(which)?, b.signatures(which)?];
        Ok(Self { n: ours.n, estimator: ours.estimator, signatures })
    }
}

/// Undefined rows are stored as NaN; their reason stands in `matrices.csv`.
fn as_signature(row: &[f32]) -> std::result::Result<&[f32], Undefined> {
    if row.iter().any(|x| x.is_nan()) { Err(Undefined::NonFinite) } else { Ok(row) }
}

fn wrong(run: &Path, found: String) -> Error {
    Error::new(ErrorKind::Usage, run.display().to_string(), found)
}

/// Refuses other examples, naming the first that differs.
fn same_examples(ours: &Examples, theirs: &Examples, runs: [&Path; 2]) -> Result<()> {
    if ours.ids == theirs.ids && ours.n == theirs.n {
        return Ok(());
    }
    let found = match (&ours.ids, &theirs.ids) {
        (Ids::Stored(a, _), Ids::Stored(b, _)) if a != b => "has other data".into(),
        (Ids::Stored(_, a), Ids::Stored(_, b)) if a.len() == b.len() => {
            let row = a.iter().zip(b).position(|(a, b)| a != b).unwrap_or(0);
            let (a, b) = (a[row], b[row]);
            format!("has image {b} as example {row}, where the first run has image {a}")
        }
        _ if ours.n != theirs.n => format!("has {} examples, not {}", theirs.n, ours.n),
        _ => "has other sample ids".into(),
    };
    Err(wrong(runs[1], found)
        .expected(format!("the examples of {}", runs[0].display()))
        .fix(
            "give both runs the same [data], data.seed, [noise] and analysis.n_examples",
        ))
}

impl Opened {
    fn at(root: &Path) -> Result<Self> {
        match Recording::open(root)? {
            Some(recording) => Ok(Self::Recording(recording)),
            None => RunDir::open(root).map(Self::Run),
        }
    }

    fn run(&self) -> &RunDir {
        match self {
            Self::Run(run) => run,
            Self::Recording(recording) => recording.run(),
        }
    }

    fn examples(&self, group: &str) -> Result<Examples> {
        let unknown = || {
            wrong(self.run().root(), format!("has no group of examples `{group}`"))
                .expected("a group of its matrices, such as `test`")
        };
        match self {
            Self::Recording(recording) => {
                let recorded = recording.recorded();
                let of_group = recorded.groups.iter().find(|own| own.name == group);
                let own = of_group.ok_or_else(unknown)?;
                Ok(Examples {
                    n: own.n_examples,
                    estimator: recorded.estimator,
                    ids: Ids::Recorded(own.ids_sha256.clone()),
                })
            }
            Self::Run(run) => {
                let ids = run.stored_positions(group)?.ok_or_else(unknown)?;
                Ok(Examples {
                    n: ids.len(),
                    estimator: run.experiment().analysis.cka.estimator,
                    ids: Ids::Stored(run.manifest()?.data_sha256, ids),
                })
            }
        }
    }

    /// The epochs of the joined signatures, and these.
    fn signatures(&self, which: Which<'_>) -> Result<Signatures> {
        let run = self.run();
        let Which { measure, layer, group } = which;
        let place = Place { measure: measure.name(), group, layer };
        let Some(array) = run.read_signatures(place)? else {
            let found =
                format!("has no {} signatures of `{layer}` on {group}", place.measure);
            return Err(wrong(run.root(), found)
                .expected("a layer and group of its matrices")
                .fix("analyze it with that measure in analysis.measures"));
        };
        let epochs: Vec<f64> = joined::axis(run)?.into_iter().map(|(_, e)| e).collect();
        match (&array.values, &array.shape[..]) {
            (Values::F32(values), &[n, length]) if n == epochs.len() => {
                Ok((epochs, values.chunks(length).map(<[f32]>::to_vec).collect()))
            }
            _ => {
                let path = run.signatures(place.measure, place.group, place.layer);
                Err(Error::data(&path, format!("has the shape {:?}", array.shape))
                    .expected(format!("f32 rows of {} checkpoints", epochs.len()))
                    .fix("analyze again with --force"))
            }
        }
    }
}
