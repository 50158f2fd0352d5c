//! Arrays on disk: `.npy`, `.npz` and `.safetensors`, read with limits and without pickles.
//!
//! Every size that a file declares is checked against the file's length before anything is
//! allocated, and no reader recurses, so a hostile file costs an error and no more. Files of
//! pickled Python objects are refused. The writers give the same bytes for the same arrays.

mod element;
mod npy;
mod npy_columns;
mod npy_header;
mod npz;
mod tensors;

use std::path::Path;

use crate::error::{Error, Result};

pub(crate) use crate::disk::open;
pub(crate) use element::{Element, read_error};
pub(crate) use npy::{Member, read_npy_member};
pub use npy::{npy_bytes, read_npy};
pub use npy_columns::NpyColumns;
pub use npz::{npz_bytes, read_npz, read_npz_member, read_npz_members};
pub(crate) use npz::{open_zip, read_npz_any};
pub use tensors::{read_safetensors, safetensors_bytes};

/// The most axes an array may have, as in NumPy before version 2.
const MAX_AXES: usize = 32;

/// A dense array in row-major order.
#[derive(Debug, Clone, PartialEq)]
pub struct Array {
    /// Lengths of the axes; empty for a scalar.
    pub shape: Vec<usize>,
    /// The elements.
    pub values: Values,
}

/// The elements of an [`Array`]. Narrower integers on disk are read as `I64`, half-precision
/// floats as `F32`.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs)]
pub enum Values {
    F32(Vec<f32>),
    F64(Vec<f64>),
    U8(Vec<u8>),
    I64(Vec<i64>),
    Bool(Vec<bool>),
}

/// Named arrays in a fixed order: the members of an `.npz` or `.safetensors` file, a net's
/// weights, an optimizer's state.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct NamedArrays(pub Vec<(String, Array)>);

impl Values {
    /// The number of elements.
    pub fn len(&self) -> usize {
        match self {
            Values::F32(values) => values.len(),
            Values::F64(values) => values.len(),
            Values::U8(values) => values.len(),
            Values::I64(values) => values.len(),
            Values::Bool(values) => values.len(),
        }
    }

    /// Whether there are no elements.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Array {
    /// An array of the given shape.
    ///
    /// # Panics
    /// If the number of values is not the product of the lengths of the axes.
    ///
    /// # Example
    /// ```
    /// use stratagram::array_file::{Array, Values};
    /// let array = Array::new(&[2, 2], Values::U8(vec![1, 2, 3, 4]));
    /// assert_eq!(array.to_f32(), [1.0, 2.0, 3.0, 4.0]);
    /// ```
    pub fn new(shape: &[usize], values: Values) -> Self {
        assert_eq!(
            shape.iter().product::<usize>(),
            values.len(),
            "shape {shape:?} does not hold {} values",
            values.len(),
        );
        Self { shape: shape.to_vec(), values }
    }

    /// An array of f32; panics as [`Array::new`].
    pub fn f32(shape: &[usize], values: Vec<f32>) -> Self {
        Self::new(shape, Values::F32(values))
    }

    /// An array of f64; panics as [`Array::new`].
    pub fn f64(shape: &[usize], values: Vec<f64>) -> Self {
        Self::new(shape, Values::F64(values))
    }

    /// An array of u8; panics as [`Array::new`].
    pub fn u8(shape: &[usize], values: Vec<u8>) -> Self {
        Self::new(shape, Values::U8(values))
    }

    /// An array of i64; panics as [`Array::new`].
    pub fn i64(shape: &[usize], values: Vec<i64>) -> Self {
        Self::new(shape, Values::I64(values))
    }

    /// An array of bool; panics as [`Array::new`].
    pub fn bool(shape: &[usize], values: Vec<bool>) -> Self {
        Self::new(shape, Values::Bool(values))
    }

    /// The number of elements.
    pub fn len(&self) -> usize {
        self.values.len()
    }

    /// Whether there are no elements.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// The elements as f32, rounded where they have more digits.
    pub fn to_f32(&self) -> Vec<f32> {
        match &self.values {
            Values::F32(values) => values.clone(),
            Values::F64(values) => values.iter().map(|&v| v as f32).collect(),
            Values::U8(values) => values.iter().map(|&v| f32::from(v)).collect(),
            Values::I64(values) => values.iter().map(|&v| v as f32).collect(),
            Values::Bool(values) => {
                values.iter().map(|&v| f32::from(u8::from(v))).collect()
            }
        }
    }

    /// The elements as f64, rounded where integers have more digits.
    pub fn to_f64(&self) -> Vec<f64> {
        match &self.values {
            Values::F32(values) => values.iter().map(|&v| f64::from(v)).collect(),
            Values::F64(values) => values.clone(),
            Values::U8(values) => values.iter().map(|&v| f64::from(v)).collect(),
            Values::I64(values) => values.iter().map(|&v| v as f64).collect(),
            Values::Bool(values) => {
                values.iter().map(|&v| f64::from(u8::from(v))).collect()
            }
        }
    }

    /// The elements as i64, or nothing if one of them is not an integer (|v| ≤ 2⁵³ for
    /// floats).
    ///
    /// # Example
    /// ```
    /// use stratagram::array_file::Array;
    /// assert_eq!(Array::f32(&[2], vec![3.0, -1.0]).to_i64(), Some(vec![3, -1]));
    /// assert_eq!(Array::f32(&[1], vec![0.5]).to_i64(), None);
    /// ```
    pub fn to_i64(&self) -> Option<Vec<i64>> {
        match &self.values {
            Values::F32(values) => {
                values.iter().map(|&v| integer(f64::from(v))).collect()
            }
            Values::F64(values) => values.iter().map(|&v| integer(v)).collect(),
            Values::U8(values) => Some(values.iter().map(|&v| i64::from(v)).collect()),
            Values::I64(values) => Some(values.clone()),
            Values::Bool(values) => Some(values.iter().map(|&v| i64::from(v)).collect()),
        }
    }
}

fn integer(value: f64) -> Option<i64> {
    const EXACT: f64 = 9_007_199_254_740_992.0; // 2⁵³
    (value.fract() == 0.0 && value.abs() <= EXACT).then_some(value as i64)
}

impl NamedArrays {
    /// The array called `name`.
    pub fn get(&self, name: &str) -> Option<&Array> {
        self.0.iter().find(|(own, _)| own == name).map(|(_, array)| array)
    }

    /// Appends an array.
    pub fn push(&mut self, name: impl Into<String>, array: Array) {
        self.0.push((name.into(), array));
    }

    /// The names, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(name, _)| name.as_str())
    }
}

/// Reads a `.npy`, `.npz` or `.safetensors` file, told apart by the name's extension; the one
/// array of a `.npy` file gets the file's stem as its name.
///
/// # Errors
/// If the extension is another (pickled PyTorch checkpoints are never read), or as
/// [`read_npy`], [`read_npz`] and [`read_safetensors`].
pub fn read_arrays(path: &Path) -> Result<NamedArrays> {
    let extension = path.extension().and_then(|extension| extension.to_str());
    match extension.map(str::to_ascii_lowercase).as_deref() {
        Some("npy") => {
            let stem = path.file_stem().unwrap_or_default().to_string_lossy();
            Ok(NamedArrays(vec![(stem.into_owned(), read_npy(path)?)]))
        }
        Some("npz") => read_npz(path),
        Some("safetensors") => read_safetensors(path),
        Some("pt" | "pth" | "ckpt" | "bin" | "pkl" | "pickle") => Err(Error::data(
            path,
            "may hold pickled Python code, which is never run",
        )
        .expected("a .safetensors, .npz or .npy file")
        .fix(
            "convert it: safetensors.torch.save_file(state_dict, \"x.safetensors\"); weights of \
             a run are read by `stratagram import`",
        )),
        _ => Err(Error::data(path, "has an unknown extension")
            .expected(".npy, .npz or .safetensors")),
    }
}

/// A shape for messages: `3×4`, or `scalar`.
pub(crate) fn show(shape: &[usize]) -> String {
    if shape.is_empty() {
        return "scalar".into();
    }
    shape.iter().map(usize::to_string).collect::<Vec<_>>().join("×")
}

/// Text from a file for messages: at most 80 characters, those that are not printable ASCII
/// escaped, so that no file can send control codes to a terminal.
pub(crate) fn printable(text: &str) -> String {
    let mut shown = String::new();
    for character in text.chars().take(80) {
        match character {
            ' '..='~' => shown.push(character),
            _ => shown.extend(character.escape_default()),
        }
    }
    if text.chars().nth(80).is_some() {
        shown.push('…');
    }
    shown
}
