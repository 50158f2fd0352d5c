//! What a comparison reads of signatures: similarities without dominant examples, and the last
//! representation of each layer, for angles between seeds.

use std::collections::BTreeMap;
use std::path::Path;

use crate::array_file::Array;
use crate::error::Result;
use crate::findings::Matrix;
use crate::run_dir::{Place, Recording, RunDir, RunFile};
use crate::similarity::{Estimator, GramScale, MatrixKind, Undefined, without_dominant};

/// The share of examples that counts as dominant.
const DOMINANT: f64 = 0.01;

/// A run whose signatures are read.
enum Opened {
    Trained(RunDir),
    Recorded(Recording),
}

impl Opened {
    fn at(root: &Path) -> Result<Self> {
        match Recording::open(root)? {
            Some(recording) => Ok(Self::Recorded(recording)),
            None => RunDir::open(root).map(Self::Trained),
        }
    }

    fn run(&self) -> &RunDir {
        match self {
            Self::Trained(run) => run,
            Self::Recorded(recording) => recording.run(),
        }
    }

    fn estimator(&self) -> Estimator {
        match self {
            Self::Trained(run) => run.experiment().analysis.cka.estimator,
            Self::Recorded(recording) => recording.recorded().estimator,
        }
    }

    /// What two runs with the same examples of a group have in common; none where it is not
    /// known.
    fn examples(&self, group: &str) -> Result<Option<String>> {
        Ok(match self {
            Self::Trained(run) => {
                let positions = run.stored_positions(group)?;
                let data = run.manifest()?.data_sha256;
                positions.map(|positions| format!("{data:?} {positions:?}"))
            }
            Self::Recorded(recording) => {
                let groups = &recording.recorded().groups;
                let own = groups.iter().find(|own| own.name == group);
                own.map(|own| own.ids_sha256.clone())
            }
        })
    }

    /// The signatures of linear CKA, a row for each epoch.
    fn signatures(&self, group: &str, layer: &str) -> Result<Option<Vec<Vec<f32>>>> {
        let measure = MatrixKind::CKA.to_string();
        let place = Place { measure: &measure, group, layer };
        Ok(self.run().read_signatures(place)?.map(|array| rows(&array.to_f32(), &array)))
    }
}

fn rows<T: Clone>(values: &[T], array: &Array) -> Vec<Vec<T>> {
    let width = array.shape.last().copied().unwrap_or(1).max(1);
    values.chunks(width).map(<[T]>::to_vec).collect()
}

/// The similarities of a layer without the examples that dominate, over all checkpoints.
///
/// # Errors
/// If a file is damaged; in the inner one why there are none.
pub(super) fn of_others(
    root: &Path,
    (group, layer): (&str, &str),
) -> Result<std::result::Result<Matrix, String>> {
    let opened = Opened::at(root)?;
    let signatures = opened.signatures(group, layer)?;
    let norms = opened.run().read_norms(group, layer)?;
    let Some((signatures, norms)) = signatures.zip(norms) else {
        return Ok(Err("no signatures with the norms of their examples".into()));
    };
    let scales: Vec<Option<GramScale>> = rows(&norms.to_f64(), &norms)
        .iter()
        .map(|row| GramScale::from_numbers(row))
        .collect();
    let is_undefined = |row: &Vec<f32>| row.iter().any(|entry| entry.is_nan());
    let signatures: Vec<std::result::Result<&[f32], Undefined>> = signatures
        .iter()
        .map(
            |row| {
                if is_undefined(row) { Err(Undefined::NonFinite) } else { Ok(&row[..]) }
            },
        )
        .collect();
    let n = signatures.len();
    let found = (scales.len() == n)
        .then(|| without_dominant(&signatures, &scales, opened.estimator(), DOMINANT));
    let why = "the Gram matrices do not follow from what is stored";
    Ok(found.flatten().map(|values| Matrix::new(n, values)).ok_or_else(|| why.into()))
}

/// Whether a run holds what similarities without dominant examples are made of.
pub(super) fn are_stored(root: &Path) -> bool {
    [RunFile::Norms, RunFile::Signatures]
        .iter()
        .all(|file| file.list(root).is_ok_and(|found| !found.is_empty()))
}

/// The last representations of a run on a group.
#[derive(Debug, Default)]
pub(super) struct Ends {
    /// Which examples they are of.
    examples: Option<String>,
    estimator: Option<Estimator>,
    signatures: BTreeMap<String, Vec<f32>>,
}

impl Ends {
    /// Of these layers; without signatures none.
    pub(super) fn read(root: &Path, group: &str, layers: &[String]) -> Result<Self> {
        let opened = Opened::at(root)?;
        let mut signatures = BTreeMap::new();
        for layer in layers {
            let last = opened.signatures(group, layer)?.and_then(|mut rows| rows.pop());
            signatures.extend(last.map(|last| (layer.clone(), last)));
        }
        let estimator = Some(opened.estimator());
        Ok(Self { examples: opened.examples(group)?, estimator, signatures })
    }

    /// The angle between a layer of two runs.
    ///
    /// # Errors
    /// Why there is none.
    pub(super) fn angle(
        &self,
        other: &Self,
        layer: &str,
    ) -> std::result::Result<f64, String> {
        let same = self.examples.is_some() && self.examples == other.examples;
        if !same || self.estimator != other.estimator {
            return Err("another seed has other examples".into());
        }
        let both = self.signatures.get(layer).zip(other.signatures.get(layer));
        let (own, other) = both.ok_or("no signatures")?;
        let terms = own.iter().zip(other).map(|(a, b)| f64::from(*a) * f64::from(*b));
        Ok(terms.sum::<f64>().clamp(0.0, 1.0).acos())
    }
}
