//! `signatures/.known.npz`: all matrices that were joined, with every digit, and why rows and
//! cells of them are undefined. A matrix that grows takes its first cells from here.

use std::collections::BTreeMap;
use std::path::Path;

use crate::analyze::reasons::{code, reason};
use crate::analyze::store::Stamp;
use crate::array_file::{Array, NamedArrays, npz_bytes, read_npz};
use crate::error::Result;
use crate::run_dir::{Place, RunDir, write_file};
use crate::similarity::{EpochMatrix, Undefined};

/// A matrix and the rows that have no signature.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct KnownMatrix {
    pub(crate) matrix: EpochMatrix,
    /// Of each epoch, why its signature is undefined.
    pub(crate) undefined: Vec<Option<Undefined>>,
}

/// The matrices over the checkpoints of these steps.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Known {
    pub(crate) steps: Vec<u64>,
    matrices: BTreeMap<String, KnownMatrix>,
}

impl Known {
    pub(crate) fn over(steps: Vec<u64>) -> Self {
        Self { steps, matrices: BTreeMap::new() }
    }

    /// What a run knows: nothing where the file is missing, damaged, of another version or of
    /// other settings, for then all of it is computed again.
    pub(crate) fn read(run: &RunDir, stamp: &Stamp) -> Self {
        let path = run.known_matrices();
        let found = stamp.is_on(&path).then(|| Self::from_file(&path));
        found.flatten().unwrap_or_default()
    }

    pub(crate) fn get(&self, place: Place<'_>) -> Option<&KnownMatrix> {
        self.matrices.get(&place.to_string())
    }

    pub(crate) fn insert(&mut self, place: Place<'_>, matrix: KnownMatrix) {
        self.matrices.insert(place.to_string(), matrix);
    }

    /// Keeps the matrices of some measures.
    pub(crate) fn retain(&mut self, keep: impl Fn(&str) -> bool) {
        let measure = |place: &str| place.split('/').next().is_some_and(&keep);
        self.matrices.retain(|place, _| measure(place));
    }

    pub(crate) fn write(&self, run: &RunDir, stamp: &Stamp) -> Result<()> {
        let mut arrays = NamedArrays::default();
        stamp.put(&mut arrays);
        let steps = self.steps.iter().map(|step| *step as i64).collect();
        arrays.push("steps", Array::i64(&[self.steps.len()], steps));
        for (place, known) in &self.matrices {
            let KnownMatrix { matrix, undefined } = known;
            let n = matrix.n_epochs;
            let numbers = |values: &[f64]| Array::f64(&[n, n], values.to_vec());
            arrays.push(format!("values/{place}"), numbers(&matrix.values));
            if let Some(se) = &matrix.se {
                arrays.push(format!("se/{place}"), numbers(se));
            }
            for (kind, reasons) in [("row", undefined), ("cell", &matrix.reasons)] {
                if reasons.iter().any(Option::is_some) {
                    arrays.push(format!("{kind}/{place}"), codes(reasons));
                }
            }
        }
        write_file(&run.known_matrices(), &npz_bytes(&arrays))
    }

    fn from_file(path: &Path) -> Option<Self> {
        let arrays: BTreeMap<String, Array> =
            read_npz(path).ok()?.0.into_iter().collect();
        let steps = arrays.get("steps")?.to_i64()?.into_iter().map(|step| step as u64);
        let mut known = Self::over(steps.collect());
        let n = known.steps.len();
        for (name, values) in &arrays {
            let Some(name) = name.strip_prefix("values/") else { continue };
            let numbers = |array: &Array| (array.shape == [n, n]).then(|| array.to_f64());
            let se = match arrays.get(&format!("se/{name}")) {
                Some(se) => Some(numbers(se)?),
                None => None,
            };
            let reasons =
                |kind: &str, n: usize| match arrays.get(&format!("{kind}/{name}")) {
                    Some(codes) => reasons(codes).filter(|reasons| reasons.len() == n),
                    None => Some(vec![None; n]),
                };
            let values = numbers(values)?;
            let cells = reasons("cell", n * n)?;
            let matrix = EpochMatrix { n_epochs: n, values, se, reasons: cells };
            let undefined = reasons("row", n)?;
            known.matrices.insert(name.to_owned(), KnownMatrix { matrix, undefined });
        }
        Some(known)
    }
}

fn codes(reasons: &[Option<Undefined>]) -> Array {
    let codes = reasons.iter().flat_map(|own| own.map_or([0; 3], code)).collect();
    Array::i64(&[reasons.len(), 3], codes)
}

fn reasons(codes: &Array) -> Option<Vec<Option<Undefined>>> {
    Some(codes.to_i64()?.chunks_exact(3).map(reason).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run_dir::RunDir;

    #[test]
    fn what_is_written_is_known_to_the_bit_and_to_its_own_settings_alone() {
        let mut known = Known::over(vec![0, 8]);
        let few = Undefined::TooFewNeighbours { n: 4, k: 10 };
        let matrix = EpochMatrix {
            n_epochs: 2,
            values: vec![1.0, 0.1 + 0.2, f64::NAN, -0.0],
            se: Some(vec![0.0, 1e-300, 0.5, 2.0]),
            reasons: vec![None, None, Some(few), Some(Undefined::OneClass)],
        };
        let undefined = vec![None, Some(few)];
        let cka = Place { measure: "cka", group: "test", layer: "fc" };
        known.insert(cka, KnownMatrix { matrix, undefined });
        let place = Place { measure: "drs", group: "test", layer: "output" };
        let plain = EpochMatrix {
            n_epochs: 2,
            values: vec![0.25; 4],
            se: None,
            reasons: vec![None; 4],
        };
        let plain = KnownMatrix { matrix: plain, undefined: vec![None; 2] };
        known.insert(place, plain.clone());

        let directory = tempfile::tempdir().unwrap();
        let experiment = |changes: &[String]| {
            let text = "data = { kind = 'digits' }\nnet = { kind = 'cnn5', width = 2 }";
            crate::experiment::Experiment::parse("test", text, ".".as_ref(), changes)
                .unwrap()
        };
        let own = experiment(&[]);
        let run = RunDir::create_or_open(directory.path(), &own, false).unwrap();
        assert_eq!(Known::read(&run, &Stamp::of(&own)), Known::default());
        known.write(&run, &Stamp::of(&own)).unwrap();
        let found = Known::read(&run, &Stamp::of(&own));
        let bits = |known: &Known| {
            let matrix = &known.get(cka).unwrap().matrix;
            matrix.values.iter().map(|value| value.to_bits()).collect::<Vec<_>>()
        };
        assert_eq!(bits(&found), bits(&known));
        assert_eq!(found.get(place), Some(&plain));
        let reasons = |known: &Known| {
            let known = known.get(cka).unwrap();
            (known.undefined.clone(), known.matrix.reasons.clone())
        };
        assert_eq!(reasons(&found), reasons(&known));

        let memory = experiment(&["analysis.memory=77".into()]);
        assert_eq!(Known::read(&run, &Stamp::of(&memory)).steps, [0, 8]);
        let other = experiment(&["analysis.dimensions=true".into()]);
        assert_eq!(Known::read(&run, &Stamp::of(&other)), Known::default());
    }
}
