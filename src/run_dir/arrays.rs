//! The arrays of a run: which file holds which shape. `docs/FORMAT.md` says what they mean.

use std::collections::BTreeSet;
use std::fmt;
use std::path::{Path, PathBuf};

use super::checksums::{checked, write_file};
use super::files::{Found, RunFile};
use super::run::RunDir;
use super::table_file::first_column;
use super::tables::CellRow;
use crate::array_file::{
    Array, NamedArrays, Values, npy_bytes, npz_bytes, read_npy, read_npz_members,
};
use crate::error::{Error, Result};

/// A (measure, group, layer), which has signatures and a matrix.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place<'a> {
    /// `cka`, `drs`, …, as its folder is called.
    pub measure: &'a str,
    /// `test`, `train-clean`, …; for decision regions the source of the triplets.
    pub group: &'a str,
    /// The layer, or `output`.
    pub layer: &'a str,
}

/// As the members of parts and rows are called.
impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.measure, self.group, self.layer)
    }
}

/// What `labels.npz` holds. Groups are called as in the experiment.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Labels {
    /// True labels of the training images.
    pub truth: Vec<i64>,
    /// Their labels with noise.
    pub noisy: Vec<i64>,
    /// Which of them differ.
    pub corrupted: Vec<bool>,
    /// Labels of the test images.
    pub test: Vec<i64>,
    /// These with noise, where the experiment asks for it.
    pub test_noisy: Option<Vec<i64>>,
    /// Positions of the training images in the stored data set.
    pub train_index: Vec<i64>,
    /// Positions of the test images.
    pub test_index: Vec<i64>,
    /// The analyzed examples of each group: positions in its set.
    pub examples: Vec<(String, Vec<i64>)>,
    /// The triplets of each source of planes.
    pub triplets: Vec<(String, Vec<[i64; 3]>)>,
}

impl Labels {
    fn arrays(&self) -> NamedArrays {
        let vector = |values: &[i64]| Array::i64(&[values.len()], values.to_vec());
        let mut arrays = NamedArrays::default();
        arrays.push("true", vector(&self.truth));
        arrays.push("noisy", vector(&self.noisy));
        let corrupted = Array::bool(&[self.corrupted.len()], self.corrupted.clone());
        arrays.push("corrupted", corrupted);
        arrays.push("test", vector(&self.test));
        if let Some(noisy) = &self.test_noisy {
            arrays.push("test_noisy", vector(noisy));
        }
        arrays.push("train_index", vector(&self.train_index));
        arrays.push("test_index", vector(&self.test_index));
        for (group, examples) in &self.examples {
            arrays.push(examples_member(group), vector(examples));
        }
        for (k, (source, triplets)) in self.triplets.iter().enumerate() {
            let name = match k {
                0 => TRIPLETS.into(),
                _ => format!("{TRIPLETS}_{source}"),
            };
            arrays.push(name, Array::i64(&[triplets.len(), 3], triplets.concat()));
        }
        arrays
    }
}

/// Members of `labels.npz` that begin so are triplets; the first source's has no more.
const TRIPLETS: &str = "triplets";

fn examples_member(group: &str) -> String {
    format!("examples_{}", group.replace('-', "_"))
}

impl RunDir {
    /// Writes `labels.npz`.
    ///
    /// # Errors
    /// If the operating system refuses.
    pub fn write_labels(&self, labels: &Labels) -> Result<()> {
        write_file(&self.labels(), &npz_bytes(&labels.arrays()))
    }

    /// The positions in the stored data set of the examples of a group; nothing where
    /// `labels.npz` does not know the group.
    ///
    /// # Errors
    /// If the file cannot be read, or names an example that is not in the data.
    pub fn stored_positions(&self, group: &str) -> Result<Option<Vec<i64>>> {
        let examples = examples_member(group);
        let set = if group == "test" { "test_index" } else { "train_index" };
        let wanted = |name: &str| name == examples || name == set;
        let arrays = read_npz_members(checked(&self.labels())?, wanted)?;
        let member = |name: &str| arrays.get(name).and_then(Array::to_i64);
        let Some((examples, index)) = member(&examples).zip(member(set)) else {
            return Ok(None);
        };
        let stored =
            |at: &i64| usize::try_from(*at).ok().and_then(|at| index.get(at).copied());
        let found: Option<Vec<i64>> = examples.iter().map(stored).collect();
        let outside = "names an example that is not in the data";
        found.map(Some).ok_or_else(|| Error::data(&self.labels(), outside))
    }

    /// The triplets of all sources, as members of `labels.npz`.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn triplets(&self) -> Result<NamedArrays> {
        read_npz_members(checked(&self.labels())?, |name| name.starts_with(TRIPLETS))
    }

    /// The signatures of a place, `[E, S]`; nothing where there are none.
    ///
    /// # Errors
    /// If the file cannot be read, or is not an array of rows.
    pub fn read_signatures(&self, place: Place<'_>) -> Result<Option<Array>> {
        let path = self.signatures(place.measure, place.group, place.layer);
        if !path.is_file() {
            return Ok(None);
        }
        let rows = read_npy(checked(&path)?)?;
        // Classes above 255 are i64.
        let is_rows =
            matches!(rows.values, Values::F32(_) | Values::U8(_) | Values::I64(_));
        match rows.shape[..] {
            [_, length] if is_rows && length > 0 => Ok(Some(rows)),
            _ => Err(Error::data(&path, format!("has the shape {:?}", rows.shape))
                .expected("rows [E, S] of f32, u8 or i64")
                .fix("analyze again with --force")),
        }
    }

    /// Writes the signatures of a place.
    ///
    /// # Errors
    /// If the operating system refuses.
    pub fn write_signatures(&self, place: Place<'_>, rows: &Array) -> Result<()> {
        let path = self.signatures(place.measure, place.group, place.layer);
        write_file(&path, &npy_bytes(rows))
    }

    /// Writes the matrix of a place, `[E, E]`, as f32.
    ///
    /// # Panics
    /// If `values` are not a square.
    ///
    /// # Errors
    /// If the operating system refuses.
    pub fn write_matrix(&self, place: Place<'_>, values: &[f64]) -> Result<()> {
        let n = values.len().isqrt();
        let path = self.matrix(place.measure, place.group, place.layer);
        write_file(&path, &npy_bytes(&f32_array(&[n, n], values)))
    }

    /// Writes the intersection over union of each class's region, `[C, E, E]`, as f32.
    ///
    /// # Panics
    /// If `values` do not have the shape.
    ///
    /// # Errors
    /// If the operating system refuses.
    pub fn write_class_iou(
        &self,
        (group, layer): (&str, &str),
        shape: [usize; 3],
        values: &[f64],
    ) -> Result<()> {
        let path = self.class_iou(group, layer);
        write_file(&path, &npy_bytes(&f32_array(&shape, values)))
    }

    /// What the signatures of CKA leave out of their Gram matrices, f64 `[E, n + 1]`: squared
    /// norms of the centered examples, then the scale; nothing where none is stored, as in runs
    /// of an earlier version.
    ///
    /// # Errors
    /// If the file cannot be read, or is not an array of rows.
    pub fn read_norms(&self, group: &str, layer: &str) -> Result<Option<Array>> {
        let path = self.norms(group, layer);
        if !path.is_file() {
            return Ok(None);
        }
        let rows = read_npy(checked(&path)?)?;
        match rows.shape[..] {
            [_, _] => Ok(Some(rows)),
            _ => Err(Error::data(&path, format!("has the shape {:?}", rows.shape))
                .expected("rows [E, n + 1] of f64")
                .fix("analyze again with --force")),
        }
    }

    /// Writes what [`RunDir::read_norms`] reads.
    ///
    /// # Errors
    /// If the operating system refuses.
    pub fn write_norms(&self, group: &str, layer: &str, rows: &Array) -> Result<()> {
        write_file(&self.norms(group, layer), &npy_bytes(rows))
    }

    /// Writes the squared distances between the weights up to a layer, `[E, E]`, as f64.
    ///
    /// # Panics
    /// If `values` are not a square.
    ///
    /// # Errors
    /// If the operating system refuses.
    pub fn write_weight_distances(&self, layer: &str, values: &[f64]) -> Result<()> {
        let n = values.len().isqrt();
        let path = RunFile::WeightDistances.path_of(&self.root, &[("layer", layer)]);
        write_file(&path, &npy_bytes(&Array::f64(&[n, n], values.to_vec())))
    }
}

fn f32_array(shape: &[usize], values: &[f64]) -> Array {
    Array::f32(shape, values.iter().map(|value| *value as f32).collect())
}

/// A matrix on disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MatrixFile {
    /// `cka`, `drs`, ….
    pub measure: String,
    /// `test`, ….
    pub group: String,
    /// The layer, or `output`.
    pub layer: String,
    /// Where it is.
    pub path: PathBuf,
}

impl MatrixFile {
    /// The matrices of a run, in the order of measures, groups, layers.
    ///
    /// # Errors
    /// If a directory cannot be listed.
    pub fn list(root: &Path) -> Result<Vec<Self>> {
        let name = |found: &Found, of| found.name(of).to_owned();
        let matrix = |found: Found| Self {
            measure: name(&found, "measure"),
            group: name(&found, "group"),
            layer: name(&found, "layer"),
            path: found.path,
        };
        Ok(RunFile::Matrix.list(root)?.into_iter().map(matrix).collect())
    }

    /// The layers that have a matrix, in the order of `matrices.csv` (depth order), then others.
    ///
    /// # Errors
    /// If a directory cannot be listed, or the table cannot be read.
    pub fn layers(root: &Path) -> Result<Vec<String>> {
        let mut on_disk: BTreeSet<String> =
            Self::list(root)?.into_iter().map(|file| file.layer).collect();
        let mut layers = vec![];
        for layer in first_column::<CellRow>(root)? {
            if on_disk.remove(&layer) {
                layers.push(layer);
            }
        }
        layers.extend(on_disk);
        Ok(layers)
    }

    /// The values, `[E, E]`, for the epochs of `matrices/axis.csv`.
    ///
    /// # Errors
    /// If the file cannot be read, or has another shape.
    pub fn read(&self, n_epochs: usize) -> Result<Vec<f64>> {
        let array = read_npy(checked(&self.path)?)?;
        if array.shape == [n_epochs, n_epochs] {
            return Ok(array.to_f64());
        }
        Err(Error::data(&self.path, format!("has the shape {:?}", array.shape))
            .expected(format!("[{n_epochs}, {n_epochs}], the rows of matrices/axis.csv"))
            .fix("run `stratagram analyze` on this run again"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::array_file::read_npz;

    fn run(root: &Path) -> RunDir {
        RunDir { root: root.to_owned(), experiment: None, lock: None }
    }

    #[test]
    fn arrays_are_read_as_they_were_written() {
        let directory = tempfile::tempdir().unwrap();
        let run = run(directory.path());
        let place = Place { measure: "cka", group: "test", layer: "fc" };
        assert_eq!(run.read_signatures(place).unwrap(), None);
        let rows = Array::f32(&[2, 3], vec![0.0, 1.0, 2.0, 3.0, 4.0, 5.0]);
        run.write_signatures(place, &rows).unwrap();
        assert_eq!(run.read_signatures(place).unwrap(), Some(rows));
        run.write_matrix(place, &[1.0, 0.5, 0.5, 1.0]).unwrap();
        let [matrix] = &MatrixFile::list(run.root()).unwrap()[..] else { panic!() };
        assert_eq!(
            (&*matrix.measure, &*matrix.group, &*matrix.layer),
            ("cka", "test", "fc")
        );
        assert_eq!(matrix.read(2).unwrap(), [1.0, 0.5, 0.5, 1.0]);
        let error = matrix.read(3).unwrap_err().to_string();
        assert!(error.contains("[2, 2]") && error.contains("[3, 3]"), "{error}");
    }

    #[test]
    fn labels_name_the_stored_positions_of_examples() {
        let directory = tempfile::tempdir().unwrap();
        let run = run(directory.path());
        let mut labels = Labels {
            train_index: vec![70, 71, 72],
            test_index: vec![5, 6],
            examples: vec![("test".into(), vec![1]), ("train-clean".into(), vec![2, 0])],
            triplets: vec![
                ("test".into(), vec![[0, 1, 0]]),
                ("corrupted".into(), vec![[2, 1, 0]]),
            ],
            ..Labels::default()
        };
        run.write_labels(&labels).unwrap();
        assert_eq!(run.stored_positions("test").unwrap(), Some(vec![6]));
        assert_eq!(run.stored_positions("train-clean").unwrap(), Some(vec![72, 70]));
        assert_eq!(run.stored_positions("train-corrupted").unwrap(), None);
        let triplets = run.triplets().unwrap();
        let names: Vec<&str> = triplets.names().collect();
        assert_eq!(names, ["triplets", "triplets_corrupted"]);
        let members = read_npz(&run.labels()).unwrap();
        assert!(members.get("test_noisy").is_none());
        labels.examples[0].1[0] = 2;
        run.write_labels(&labels).unwrap();
        assert!(run.stored_positions("test").is_err());
    }
}
