//! Activations from files: which arrays, in which order, of which examples.

use std::fs;
use std::path::{Path, PathBuf};

use super::order::numeric_order;
use super::policy::Policy;
use crate::array_file::{Array, NpyColumns, Values, read_arrays};
use crate::error::{Error, ErrorKind, Result};
use crate::similarity::{Columns, Dominance, MOST_FEATURES};

/// Files larger than this are streamed or read one by one, not side by side.
pub(in crate::cli) const LARGE: u64 = 64 << 20;
/// Names of an array that holds the examples' ids instead of activations.
pub(in crate::cli) const IDS: [&str; 2] = ["ids", "sample_ids"];
/// Extensions of files with arrays.
const EXTENSIONS: [&str; 3] = ["npy", "npz", "safetensors"];

/// Where one representation came from.
#[derive(Debug, Clone)]
pub(in crate::cli) struct Origin {
    pub(in crate::cli) file: PathBuf,
    /// Its name within a file of several.
    pub(in crate::cli) member: Option<String>,
    pub(in crate::cli) n: usize,
}

impl Origin {
    /// For messages: the file, and the array in it.
    pub(in crate::cli) fn place(&self) -> String {
        match &self.member {
            Some(member) => format!("{}:{member}", self.file.display()),
            None => self.file.display().to_string(),
        }
    }
}

/// Activations of one representation.
pub(in crate::cli) enum Features {
    F32(Vec<f32>),
    F64(Vec<f64>),
    /// Still on disk.
    Stream(NpyColumns),
}

/// One representation.
pub(in crate::cli) struct Item {
    pub(in crate::cli) origin: Origin,
    pub(in crate::cli) features: Features,
    pub(in crate::cli) p: usize,
    pub(in crate::cli) ids: Option<Vec<String>>,
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

/// Files in numeric order; a folder stands for the files of arrays in it.
///
/// # Errors
/// If a folder cannot be read or holds no arrays.
pub(in crate::cli) fn files(paths: &[PathBuf]) -> Result<Vec<PathBuf>> {
    let mut files = vec![];
    for path in paths {
        if path.is_dir() {
            let inside = arrays_in(path)?;
            if inside.is_empty() {
                return Err(Error::data(path, "holds no arrays")
                    .expected("files of .npy, .npz or .safetensors"));
            }
            files.extend(inside);
        } else if !is_sidecar(path) {
            files.push(path.clone());
        }
    }
    sort(&mut files);
    Ok(files)
}

/// The folders in `root` that hold arrays, in numeric order: a layer each.
///
/// # Errors
/// If the folder cannot be read.
pub(in crate::cli) fn layer_folders(root: &Path) -> Result<Vec<PathBuf>> {
    let mut folders = vec![];
    for path in entries(root)? {
        if path.is_dir() && !arrays_in(&path)?.is_empty() {
            folders.push(path);
        }
    }
    sort(&mut folders);
    Ok(folders)
}

fn sort(paths: &mut [PathBuf]) {
    paths.sort_by(|a, b| numeric_order(&a.to_string_lossy(), &b.to_string_lossy()));
}

fn arrays_in(folder: &Path) -> Result<Vec<PathBuf>> {
    let is_array = |path: &PathBuf| {
        let extension = path.extension().and_then(|e| e.to_str()).unwrap_or_default();
        EXTENSIONS.contains(&extension) && path.is_file() && !is_sidecar(path)
    };
    Ok(entries(folder)?.into_iter().filter(is_array).collect())
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>> {
    let cannot = |error| Error::io(folder, "cannot be read", error);
    let entries = fs::read_dir(folder).map_err(cannot)?;
    entries.map(|entry| Ok(entry.map_err(cannot)?.path())).collect()
}

/// `epoch-1.ids.npy` holds the ids of `epoch-1.npy`, not activations.
fn is_sidecar(path: &Path) -> bool {
    path.file_stem().is_some_and(|stem| stem.to_string_lossy().ends_with(".ids"))
}

/// How files are read.
#[derive(Clone, Copy)]
pub(in crate::cli) struct Reading {
    /// The first axis counts representations.
    pub(in crate::cli) stacked: bool,
    pub(in crate::cli) policy: Policy,
    /// Large f32 files may stay on disk.
    pub(in crate::cli) may_stream: bool,
}

/// The representations of one file, in numeric order of its arrays.
///
/// # Errors
/// If it cannot be read, holds no activations, or an array has no axis of examples.
pub(in crate::cli) fn read(file: &Path, reading: Reading) -> Result<Vec<Item>> {
    if let Some(item) = stream(file, reading)? {
        return Ok(vec![item]);
    }
    let mut arrays = read_arrays(file)?.0;
    let mut ids = sidecar_ids(file)?;
    arrays.retain(|(name, array)| {
        let is_ids = IDS.contains(&name.as_str());
        if is_ids {
            ids = to_ids(array);
        }
        !is_ids
    });
    if arrays.is_empty() {
        return Err(Error::data(file, "holds no arrays").expected("at least one"));
    }
    arrays.sort_by(|(a, _), (b, _)| numeric_order(a, b));
    let several = arrays.len() > 1;
    let mut items = vec![];
    for (name, array) in arrays {
        let member = several.then_some(name);
        for (member, array) in unstacked(file, member, array, reading.stacked)? {
            let place = Origin { file: file.to_owned(), member: member.clone(), n: 0 };
            let array = reading.policy.apply(&place.place(), array)?;
            let Some((&n, rest)) = array.shape.split_first() else {
                return Err(Error::new(
                    ErrorKind::Data,
                    place.place(),
                    "is a single number",
                )
                .expected("an array [examples, features, …]"));
            };
            let p = rest.iter().product();
            let features = match array.values {
                Values::F32(values) => Features::F32(values),
                _ => Features::F64(array.to_f64()),
            };
            let origin = Origin { n, ..place };
            items.push(Item { origin, features, p, ids: ids.clone() });
        }
    }
    Ok(items)
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
    let origin = Origin { file: file.to_owned(), member: None, n };
    let ids = sidecar_ids(file)?;
    Ok(Some(Item { origin, features: Features::Stream(columns), p, ids }))
}

/// An array `[E, n, …]` as E arrays `[n, …]`, or the array itself.
fn unstacked(
    file: &Path,
    member: Option<String>,
    array: Array,
    stacked: bool,
) -> Result<Vec<(Option<String>, Array)>> {
    if !stacked {
        return Ok(vec![(member, array)]);
    }
    if array.shape.len() < 3 || array.shape[0] == 0 {
        return Err(Error::data(file, format!("has shape {:?}", array.shape))
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
        let name = match &member {
            Some(member) => format!("{member}:{k}"),
            None => k.to_string(),
        };
        (Some(name), Array::new(shape, values))
    };
    Ok((0..array.shape[0]).map(part).collect())
}

/// The ids beside a file: `<stem>.ids.txt`, one a line, or `<stem>.ids.npy`.
fn sidecar_ids(file: &Path) -> Result<Option<Vec<String>>> {
    let text = file.with_extension("ids.txt");
    if text.is_file() {
        let text = fs::read_to_string(&text)
            .map_err(|error| Error::io(&text, "cannot be read", error))?;
        return Ok(Some(text.lines().map(str::to_owned).collect()));
    }
    let array = file.with_extension("ids.npy");
    if !array.is_file() {
        return Ok(None);
    }
    Ok(read_arrays(&array)?.0.first().and_then(|(_, array)| to_ids(array)))
}

fn to_ids(array: &Array) -> Option<Vec<String>> {
    array.to_i64().map(|ids| ids.iter().map(ToString::to_string).collect())
}

/// Refuses representations that are not of the same examples: another number of them, or
/// other ids.
///
/// # Errors
/// Names the first mismatch.
pub(in crate::cli) fn check_examples(
    items: &[(Origin, Option<Vec<String>>)],
) -> Result<()> {
    let Some(((first, _), rest)) = items.split_first() else { return Ok(()) };
    for (origin, _) in rest {
        if origin.n != first.n {
            return Err(Error::new(
                ErrorKind::Data,
                origin.place(),
                format!("holds {} examples", origin.n),
            )
            .expected(format!("{}, as in {}", first.n, first.place()))
            .fix("the rows of all arrays are the same examples in the same order"));
        }
    }
    let Some((reference, ids)) =
        items.iter().find_map(|(origin, ids)| ids.as_ref().map(|ids| (origin, ids)))
    else {
        return Ok(());
    };
    for (origin, own) in items {
        let Some(own) = own else {
            return Err(Error::new(ErrorKind::Data, origin.place(), "has no sample ids")
                .expected(format!("those of {}", reference.place()))
                .fix("give all arrays their ids, or none"));
        };
        check_ids(origin, own, reference, ids)?;
    }
    Ok(())
}

fn check_ids(
    origin: &Origin,
    own: &[String],
    reference: &Origin,
    ids: &[String],
) -> Result<()> {
    let wrong = |found: String| Error::new(ErrorKind::Data, origin.place(), found);
    if own.len() != origin.n {
        return Err(wrong(format!("has {} sample ids", own.len()))
            .expected(format!("{}, one an example", origin.n)));
    }
    match own.iter().zip(ids).position(|(a, b)| a != b) {
        None => Ok(()),
        Some(row) => Err(wrong(format!("has the sample `{}` in row {row}", own[row]))
            .expected(format!("`{}`, as in {}", ids[row], reference.place()))
            .fix("order the rows of all arrays alike")),
    }
}

impl Item {
    /// Adds the norms of the examples.
    pub(in crate::cli) fn add_to(&self, dominance: &mut Dominance) {
        match &self.features {
            Features::F32(values) => dominance.add(values),
            Features::F64(values) => dominance.add(values),
            Features::Stream(_) => unreachable!("files are read whole to leave rows out"),
        }
    }

    /// Keeps these examples alone.
    pub(in crate::cli) fn keep(&mut self, rows: &[usize]) {
        let p = self.p;
        match &mut self.features {
            Features::F32(values) => *values = kept(values, rows, p),
            Features::F64(values) => *values = kept(values, rows, p),
            Features::Stream(_) => unreachable!("files are read whole to leave rows out"),
        }
        self.origin.n = rows.len();
    }
}

fn kept<T: Copy>(values: &[T], rows: &[usize], p: usize) -> Vec<T> {
    rows.iter().flat_map(|row| &values[row * p..(row + 1) * p]).copied().collect()
}
