//! The rows of a place at all checkpoints, `[E, S]`: those joined earlier, then those of the
//! parts. The rows of one place are held at a time.

use std::path::Path;

use crate::array_file::{Array, Values};
use crate::error::{Error, Result};
use crate::run_dir::{Checkpoint, Place, RunDir};

/// An element of a row.
pub(crate) trait Element: Copy {
    fn take(values: Values) -> Option<Vec<Self>>;
    fn put(rows: Vec<Self>) -> Values;
}

impl Element for f32 {
    fn take(values: Values) -> Option<Vec<Self>> {
        if let Values::F32(values) = values { Some(values) } else { None }
    }

    fn put(rows: Vec<Self>) -> Values {
        Values::F32(rows)
    }
}

impl Element for u8 {
    fn take(values: Values) -> Option<Vec<Self>> {
        if let Values::U8(values) = values { Some(values) } else { None }
    }

    fn put(rows: Vec<Self>) -> Values {
        Values::U8(rows)
    }
}

/// Classes of a recorder's model, which may have more than 256: a byte each where that holds them.
impl Element for u16 {
    fn take(values: Values) -> Option<Vec<Self>> {
        match values {
            Values::U8(values) => Some(values.into_iter().map(Self::from).collect()),
            Values::I64(values) => {
                values.into_iter().map(|class| Self::try_from(class).ok()).collect()
            }
            _ => None,
        }
    }

    fn put(rows: Vec<Self>) -> Values {
        let bytes: Option<Vec<u8>> =
            rows.iter().map(|&class| u8::try_from(class).ok()).collect();
        let wide =
            |rows: Vec<Self>| Values::I64(rows.into_iter().map(i64::from).collect());
        bytes.map_or_else(|| wide(rows), Values::U8)
    }
}

/// The rows of all epochs, one after the other, each of this length.
pub(crate) struct Rows<T> {
    length: usize,
    values: Vec<T>,
}

impl<T> Rows<T> {
    pub(crate) fn iter(&self) -> impl Iterator<Item = &[T]> {
        self.values.chunks(self.length)
    }
}

/// Joins the rows of a place and writes them: the first `n_joined` checkpoints' are in its
/// file, the others' come from `read`, given the path of the part.
pub(crate) fn join_rows<T: Element>(
    run: &RunDir,
    checkpoints: &[Checkpoint],
    (place, n_joined): (Place<'_>, usize),
    mut read: impl FnMut(&Path) -> Result<Vec<T>>,
) -> Result<Rows<T>> {
    let earlier = if n_joined > 0 { read_joined(run, place, n_joined)? } else { None };
    let (mut values, mut length) = match earlier {
        Some(Joined { is_exact: true, rows }) if n_joined == checkpoints.len() => {
            return Ok(rows);
        }
        Some(Joined { rows, .. }) => (rows.values, Some(rows.length)),
        None => (vec![], None),
    };
    for checkpoint in &checkpoints[n_joined..] {
        let part = run.part(checkpoint.step);
        let row = read(&part)?;
        if *length.get_or_insert(row.len()) != row.len() {
            let found = format!("has {} numbers in `{place}`", row.len());
            return Err(Error::data(&part, found)
                .expected("as many as at the other checkpoints")
                .fix("analyze again with --force"));
        }
        values.extend(row);
    }
    let length = length.unwrap_or(0);
    let array = Array::new(&[checkpoints.len(), length], T::put(values));
    run.write_signatures(place, &array)?;
    Ok(Rows { length, values: T::take(array.values).expect("what was put") })
}

/// Rows that were joined earlier.
struct Joined<T> {
    rows: Rows<T>,
    /// Whether the file holds no more.
    is_exact: bool,
}

/// The first `n` rows of a place's file.
fn read_joined<T: Element>(
    run: &RunDir,
    place: Place<'_>,
    n: usize,
) -> Result<Option<Joined<T>>> {
    let Some(Array { shape, values }) = run.read_signatures(place)? else {
        return Ok(None);
    };
    let is_exact = shape[0] == n;
    let length = shape[1];
    let values = T::take(values).filter(|_| shape[0] >= n);
    let mut values = values.ok_or_else(|| {
        let path = run.signatures(place.measure, place.group, place.layer);
        Error::data(&path, format!("has the shape {shape:?}"))
            .expected(format!("rows of {n} checkpoints"))
            .fix("analyze again with --force")
    })?;
    values.truncate(n * length);
    Ok(Some(Joined { rows: Rows { length, values }, is_exact }))
}
