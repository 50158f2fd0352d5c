//! The representations of a file.

use std::fs;
use std::path::{Path, PathBuf};

use super::examples::{Examples, IDS, Origin, sidecar_ids, to_ids};
use super::order::numeric_order;
use super::policy::Policy;
use crate::array_file::{
    Array, Member, NpyColumns, Values, printable, read_arrays, read_npz_any,
    read_npz_members,
};
use crate::error::{Error, ErrorKind, Result};
use crate::similarity::{Columns, Dominance, MOST_FEATURES};

/// Members of an `.npz` that say when its arrays were saved.
const TIMES: [&str; 2] = ["epoch", "step"];

/// Files larger than this are streamed or read one by one, not side by side.
pub(super) const LARGE: u64 = 64 << 20;

/// Activations of one representation.
pub(crate) enum Features {
    F32(Vec<f32>),
    F64(Vec<f64>),
    /// Still on disk.
    Stream(NpyColumns),
}

/// One representation.
pub(crate) struct Item {
    pub(crate) examples: Examples,
    /// `[examples, p]`.
    pub(crate) features: Features,
    pub(crate) p: usize,
}

impl Columns for NpyColumns {
    fn shape(&self) -> (usize, usize) {
        Self::shape(self)
    }

    fn read(
        &mut self,
        columns: std::ops::Range<usize>,
        panel: &mut [f32],
    ) -> std::io::Result<()> {
        Self::read(self, columns, panel)
    }
}

/// How files are read.
#[derive(Clone, Copy)]
pub(crate) struct Reading {
    /// The first axis counts representations.
    pub(crate) stacked: bool,
    pub(crate) policy: Policy,
    /// Large f32 files may stay on disk.
    pub(crate) may_stream: bool,
}

/// The representations of one file, in numeric order of its arrays.
///
/// # Errors
/// If it cannot be read, holds no activations, or an array has no axis of examples.
pub(crate) fn read(file: &Path, reading: Reading) -> Result<Vec<Item>> {
    if let Some(item) = stream(file, reading)? {
        return Ok(vec![item]);
    }
    let mut ids = sidecar_ids(file)?;
    let (mut arrays, mut others) = (vec![], vec![]);
    for (name, member) in members(file)? {
        match member {
            member if IDS.contains(&name.as_str()) => ids = to_ids(member),
            Member::Array(array) if !is_time(&name, &array) => arrays.push((name, array)),
            // Text, objects and single numbers beside the activations.
            Member::Array(_) => {
                others.push(format!("`{}` is one number", printable(&name)));
            }
            Member::Texts(_) => others.push(format!("`{}` is text", printable(&name))),
            Member::Other(what) => {
                others.push(format!("`{}` is {what}", printable(&name)));
            }
        }
    }
    if arrays.is_empty() {
        let found = match &others[..] {
            [] => "holds no arrays".to_owned(),
            others => format!("holds no arrays of activations: {}", others.join(", ")),
        };
        return Err(Error::data(file, found).expected("at least one"));
    }
    arrays.sort_by(|(a, _), (b, _)| numeric_order(a, b));
    let several = arrays.len() > 1;
    let mut items = vec![];
    for (name, array) in arrays {
        let origin = Origin { file: file.to_owned(), member: several.then_some(name) };
        for (origin, array) in unstacked(origin, array, reading.stacked)? {
            items.push(Item::new(origin, array, ids.clone(), reading.policy)?);
        }
    }
    Ok(items)
}

/// The names of a file's arrays of activations, in its order.
///
/// # Errors
/// If it cannot be read.
pub(crate) fn array_names(file: &Path) -> Result<Vec<String>> {
    let is_activations = |name: &str, member: &Member| {
        let is_array = matches!(member, Member::Array(array) if !is_time(name, array));
        is_array && !IDS.contains(&name)
    };
    let mut members = members(file)?;
    members.retain(|(name, member)| is_activations(name, member));
    Ok(members.into_iter().map(|(name, _)| name).collect())
}

/// Whether an array is one number, such as the epoch of the others.
fn is_time(name: &str, array: &Array) -> bool {
    array.shape.is_empty() || TIMES.contains(&name) && array.len() == 1
}

/// The epoch and the step that an `.npz` says it is of.
///
/// # Errors
/// If it cannot be read.
pub(crate) fn times(file: &Path) -> Result<[Option<f64>; 2]> {
    if !is_npz(file) {
        return Ok([None; 2]);
    }
    let found = read_npz_members(file, |name| TIMES.contains(&name))?;
    let number = |name: &str| match found.get(name)?.to_f64()[..] {
        [number] if number.is_finite() && number >= 0.0 => Some(number),
        _ => None,
    };
    Ok(TIMES.map(number))
}

fn is_npz(file: &Path) -> bool {
    file.extension().is_some_and(|e| e.eq_ignore_ascii_case("npz"))
}

/// The members of a file of any kind; of other files than `.npz` all are numbers.
fn members(file: &Path) -> Result<Vec<(String, Member)>> {
    if is_npz(file) {
        return read_npz_any(file);
    }
    let arrays = read_arrays(file)?.0.into_iter();
    Ok(arrays.map(|(name, array)| (name, Member::Array(array))).collect())
}

/// A large f32 `.npy` file that can stay on disk.
fn stream(file: &Path, reading: Reading) -> Result<Option<Item>> {
    let is_npy = file.extension().is_some_and(|e| e.eq_ignore_ascii_case("npy"));
    let size = fs::metadata(file).map_or(0, |metadata| metadata.len());
    if !(reading.may_stream && is_npy && size > LARGE) {
        return Ok(None);
    }
    let Some(columns) = NpyColumns::open(file)? else { return Ok(None) };
    let (n, p) = columns.shape();
    if p <= MOST_FEATURES {
        // Small beside a Gram matrix of as many examples.
        return Ok(None);
    }
    let origin = Origin { file: PathBuf::from(file), member: None };
    let examples = Examples { origin, n, ids: sidecar_ids(file)? };
    Ok(Some(Item { examples, features: Features::Stream(columns), p }))
}

/// An array `[E, n, …]` as E arrays `[n, …]`, or the array itself.
fn unstacked(
    origin: Origin,
    array: Array,
    stacked: bool,
) -> Result<Vec<(Origin, Array)>> {
    if !stacked {
        return Ok(vec![(origin, array)]);
    }
    if array.shape.len() < 3 || array.shape[0] == 0 {
        return Err(Error::data(&origin.file, format!("has shape {:?}", array.shape))
            .expected("[representations, examples, features, …] with --stacked"));
    }
    let shape = &array.shape[1..];
    let size: usize = shape.iter().product();
    let part = |k: usize| {
        let range = k * size..(k + 1) * size;
        let values = match &array.values {
            Values::F32(values) => Values::F32(values[range].to_vec()),
            Values::F64(values) => Values::F64(values[range].to_vec()),
            Values::U8(values) => Values::U8(values[range].to_vec()),
            Values::I64(values) => Values::I64(values[range].to_vec()),
            Values::Bool(values) => Values::Bool(values[range].to_vec()),
        };
        let name = match &origin.member {
            Some(member) => format!("{member}:{k}"),
            None => k.to_string(),
        };
        let origin = Origin { member: Some(name), ..origin.clone() };
        (origin, Array::new(shape, values))
    };
    Ok((0..array.shape[0]).map(part).collect())
}

impl Item {
    /// An array as a representation.
    fn new(
        origin: Origin,
        array: Array,
        ids: Option<Vec<String>>,
        policy: Policy,
    ) -> Result<Self> {
        let place = origin.place();
        let array = policy.apply(&place, array)?;
        let Some((&n, rest)) = array.shape.split_first() else {
            return Err(Error::new(ErrorKind::Data, place, "is a single number")
                .expected("an array [examples, features, …]"));
        };
        let p = rest.iter().product();
        let features = match array.values {
            Values::F32(values) => Features::F32(values),
            _ => Features::F64(array.to_f64()),
        };
        Ok(Self { examples: Examples { origin, n, ids }, features, p })
    }

    /// Adds the norms of the examples.
    pub(super) fn add_to(&self, dominance: &mut Dominance) {
        match &self.features {
            Features::F32(values) => dominance.add(values),
            Features::F64(values) => dominance.add(values),
            Features::Stream(_) => unreachable!("files are read whole to leave rows out"),
        }
    }

    /// Keeps these examples alone.
    pub(super) fn keep(&mut self, rows: &[usize]) {
        let p = self.p;
        match &mut self.features {
            Features::F32(values) => *values = kept(values, rows, p),
            Features::F64(values) => *values = kept(values, rows, p),
            Features::Stream(_) => unreachable!("files are read whole to leave rows out"),
        }
        self.examples.keep(rows);
    }
}

fn kept<T: Copy>(values: &[T], rows: &[usize], p: usize) -> Vec<T> {
    rows.iter().flat_map(|row| &values[row * p..(row + 1) * p]).copied().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::array_file::{NamedArrays, npz_bytes};

    fn reading(stacked: bool) -> Reading {
        Reading { stacked, policy: Policy::default(), may_stream: true }
    }

    #[test]
    fn arrays_come_in_numeric_order_with_the_ids_of_their_file() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("run.npz");
        let mut arrays = NamedArrays::default();
        arrays.push("e10", Array::f32(&[2, 1], vec![5.0, 6.0]));
        arrays.push("e9", Array::f64(&[2, 1], vec![7.0, 8.0]));
        arrays.push("ids", Array::i64(&[2], vec![40, 41]));
        fs::write(&file, npz_bytes(&arrays)).unwrap();
        let items = read(&file, reading(false)).unwrap();
        let places: Vec<String> =
            items.iter().map(|item| item.examples.origin.place()).collect();
        let expected = ["e9", "e10"].map(|name| format!("{}:{name}", file.display()));
        assert_eq!(places, expected);
        for item in &items {
            let ids = item.examples.ids.as_deref().unwrap();
            assert_eq!(
                (ids, item.examples.n, item.p),
                (&["40", "41"].map(Into::into)[..], 2, 1)
            );
        }
    }

    #[test]
    fn a_stack_is_cut_along_its_first_axis_and_rows_are_kept() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("run.npz");
        let mut arrays = NamedArrays::default();
        arrays.push("x", Array::f32(&[2, 3, 1], vec![0.0, 1.0, 2.0, 3.0, 4.0, 5.0]));
        fs::write(&file, npz_bytes(&arrays)).unwrap();
        let mut items = read(&file, reading(true)).unwrap();
        assert_eq!(items.len(), 2);
        items[1].keep(&[0, 2]);
        let Features::F32(values) = &items[1].features else { panic!("f32 stays f32") };
        assert_eq!((values.as_slice(), items[1].examples.n), (&[3.0, 5.0][..], 2));
        assert_eq!(items[1].examples.origin.member.as_deref(), Some("1"));
    }
}
