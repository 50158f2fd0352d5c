//! The similarities of one place with every digit, and without each group of examples.

use super::reasoned::Reasoned;
use super::source::{Entry, Kind};
use crate::analyze::join::signatures::Element;
use crate::array_file::{Array, Values};
use crate::error::Result;
use crate::findings::Matrix;
use crate::findings::defaults::GROUPS;
use crate::run_dir::{MatrixFile, Place, RunDir};
use crate::similarity::{Estimator, Undefined, drs, exact_cosines, without_groups};

/// A matrix, and for standard errors the same without each group of examples or planes.
pub(super) struct Similarities {
    pub(super) values: Matrix,
    /// Or why there are none.
    pub(super) without: Reasoned<Vec<Matrix>>,
}

/// Classes or numbers, one row an epoch.
enum Rows {
    F32(Vec<f32>, usize),
    Classes(Vec<u16>, usize),
}

impl Similarities {
    /// Of a run with so many epochs: from the signatures, which give every digit; without
    /// them the stored matrix, and no standard errors. Nothing where there is no matrix.
    pub(super) fn read(
        run: &RunDir,
        entry: &Entry<'_>,
        n_epochs: usize,
    ) -> Result<Option<Self>> {
        let Some(stored) = stored(run, entry.place, n_epochs)? else { return Ok(None) };
        let defined: Vec<bool> =
            (0..n_epochs).map(|i| stored[i * n_epochs + i].is_finite()).collect();
        let found = match entry.kind {
            Kind::Angles => Err("not computed for angles".into()),
            Kind::Kappa => Err("not computed for κ".into()),
            _ if !defined.contains(&true) => Err("no similarity is defined".into()),
            kind => rows(run, entry.place, n_epochs)?
                .and_then(|rows| kind.compare(&rows, &defined)),
        };
        Ok(Some(match found {
            Ok(found) => found,
            Err(reason) => {
                let is_angle = matches!(entry.kind, Kind::Angles);
                let similarity =
                    |value: &f64| if is_angle { value.cos() } else { *value };
                let values = stored.iter().map(similarity).collect();
                Self { values: Matrix::new(n_epochs, values), without: Err(reason) }
            }
        }))
    }
}

/// The stored matrix of a place, if there is one; NaN where it is undefined.
pub(super) fn stored(
    run: &RunDir,
    Place { measure, group, layer }: Place<'_>,
    n_epochs: usize,
) -> Result<Option<Vec<f64>>> {
    let path = run.matrix(measure, group, layer);
    if !path.is_file() {
        return Ok(None);
    }
    let [measure, group, layer] = [measure, group, layer].map(str::to_owned);
    MatrixFile { measure, group, layer, path }.read(n_epochs).map(Some)
}

/// The signatures of a place, or why there are none.
fn rows(run: &RunDir, place: Place<'_>, n_epochs: usize) -> Result<Reasoned<Rows>> {
    let path = run.signatures(place.measure, place.group, place.layer);
    let name = path.strip_prefix(run.root()).unwrap_or(&path).display().to_string();
    Ok(match run.read_signatures(place)? {
        None => Err(format!("{name} is missing")),
        Some(Array { shape, values }) if shape[0] == n_epochs => match values {
            Values::F32(values) => Ok(Rows::F32(values, shape[1])),
            values => u16::take(values)
                .map(|values| Rows::Classes(values, shape[1]))
                .ok_or_else(|| format!("{name} holds no signatures")),
        },
        Some(_) => Err(format!("{name} holds other checkpoints")),
    })
}

impl Kind {
    /// The similarities of the `defined` rows.
    fn compare(self, rows: &Rows, defined: &[bool]) -> Reasoned<Similarities> {
        match (self, rows) {
            (Self::Grams { measure, n, settings }, Rows::F32(values, length))
                if *length == measure.signature_len(n, 1, &settings) =>
            {
                let rows = values.chunks(*length).zip(defined);
                let rows: Vec<std::result::Result<&[f32], Undefined>> = rows
                    .map(
                        |(row, own)| {
                            if *own { Ok(row) } else { Err(Undefined::NonFinite) }
                        },
                    )
                    .collect();
                Ok(of_grams(&rows, n, settings.estimator))
            }
            (Self::Decisions { points_per_plane }, Rows::Classes(values, length))
                if length.is_multiple_of(points_per_plane) =>
            {
                let rows: Vec<&[u16]> = values.chunks(*length).collect();
                Ok(of_decisions(&rows, points_per_plane, defined))
            }
            _ => Err("the signatures are of other examples".into()),
        }
    }
}

/// The similarities of centered Gram matrices of n examples, in f64: the roughness of a layer at
/// rest is smaller than the rounding of the stored matrix.
pub(super) fn of_grams(
    signatures: &[std::result::Result<&[f32], Undefined>],
    n: usize,
    estimator: Estimator,
) -> Similarities {
    let values = exact_cosines(signatures);
    let matrix = |values| Matrix::new(signatures.len(), values);
    let without = without_groups(signatures, n, estimator, GROUPS.min(n));
    let none = "not computed for minibatches, nor for few examples";
    Similarities {
        values: matrix(values),
        without: without
            .map(|without| without.into_iter().map(matrix).collect())
            .ok_or_else(|| none.to_owned()),
    }
}

fn of_decisions(
    rows: &[&[u16]],
    points_per_plane: usize,
    defined: &[bool],
) -> Similarities {
    let n_planes = rows[0].len() / points_per_plane;
    let matrix = |mut values: Vec<f64>| {
        let n = defined.len();
        for (at, value) in values.iter_mut().enumerate() {
            if !(defined[at / n] && defined[at % n]) {
                *value = f64::NAN;
            }
        }
        Matrix::new(n, values)
    };
    let n_groups = GROUPS.min(n_planes);
    let without = if n_groups < 2 {
        Err("one plane has no standard error".into())
    } else {
        let without = drs::without_groups(rows, points_per_plane, n_groups);
        Ok(without.into_iter().map(matrix).collect())
    };
    let values = matrix(drs::matrix(rows, points_per_plane).values);
    Similarities { values, without }
}
