//! Saved activations of any program, compared: which files and arrays, in which order, of
//! which examples, and the matrix of their similarities.
//!
//! Every array is one representation `[examples, …]`; what follows the first axis is flattened
//! to features, unless a [`Policy`] pools maps or chooses tokens. The rows of all arrays are the
//! same examples in the same order: another number of them, or other sample ids, is an error.
//! Files are taken in numeric order, `epoch-2` before `epoch-10`.
//!
//! More than a dozen files: what is read, in which order, reduced, compared and said of it.

mod blocks;
mod compare;
mod comparison;
mod examples;
mod files;
mod findings;
mod inputs;
mod labels;
mod lists;
mod options;
mod order;
mod policy;
mod reduce;

use std::path::{Path, PathBuf};

use crate::error::Result;

pub(crate) use examples::{Examples, check_examples};
pub(crate) use files::{files, layer_folders};
pub(crate) use inputs::{Features, Item, Reading, array_names, read, times};

pub use comparison::Comparison;
pub use findings::findings;
pub use options::Options;
pub use policy::{Maps, Policy, Tokens};

/// Compares the arrays of `paths`, all pairs, or against `options.against`. A folder stands for
/// the files in it; one folder of folders for a comparison of each, a layer.
///
/// # Errors
/// If the options contradict each other, a file cannot be read or holds no activations, or the
/// arrays are not of the same examples.
///
/// # Example
/// ```
/// use stratagram::activations::{Options, compare};
/// use stratagram::array_file::{Array, npy_bytes};
/// use stratagram::similarity::Measure;
/// let folder = std::env::temp_dir().join("stratagram-activations");
/// std::fs::create_dir_all(&folder).unwrap();
/// let x: Vec<f32> = (0..24).map(|i| (i * i % 11) as f32).collect();
/// let twice = x.iter().map(|x| 2.0 * x).collect();
/// for (name, values) in [("epoch-1.npy", x), ("epoch-2.npy", twice)] {
///     std::fs::write(folder.join(name), npy_bytes(&Array::f32(&[8, 3], values))).unwrap();
/// }
/// let comparison = &compare(&[folder], &Options::new(Measure::Cka))?[0];
/// assert_eq!(comparison.rows, ["epoch-1", "epoch-2"]);
/// assert!((comparison.values[1] - 1.0).abs() < 1e-6);
/// # Ok::<(), stratagram::Error>(())
/// ```
pub fn compare(paths: &[PathBuf], options: &Options) -> Result<Vec<Comparison>> {
    options.check()?;
    let folders = match paths {
        [folder] if folder.is_dir() && options.against.is_empty() => {
            layer_folders(folder)?
        }
        _ => vec![],
    };
    if folders.is_empty() {
        return Ok(vec![compare::compare(&files(paths)?, options, None)?]);
    }
    let one = |folder: &PathBuf| {
        let files = files(std::slice::from_ref(folder))?;
        compare::compare(&files, options, Some(name(folder)))
    };
    folders.iter().map(one).collect()
}

/// The last part of a folder's path: the layer's name.
pub(crate) fn name(folder: &Path) -> String {
    folder.file_name().unwrap_or_default().to_string_lossy().into_owned()
}
