//! `regions/<layer>.npz`: pictures of one layer's decision regions, as they are written and
//! read.

use std::path::Path;

use crate::array_file::{Array, NamedArrays, Values, npz_bytes, read_npz};
use crate::error::{Error, Result};

use super::checksums::{checked, write_file};

/// Pictures of one layer's decision regions: `regions/<layer>.npz`.
#[derive(Debug, Clone, PartialEq)]
pub struct Regions {
    /// Name of the representation; `output` is the net itself.
    pub layer: String,
    /// When and where the pictures are.
    pub planes: RegionPlanes,
    /// Classes `[K, P, G, G]`, the last two axes along a and along b⊥.
    pub classes: Vec<u8>,
    /// Largest softmax probability, same shape.
    pub confidence: Vec<f32>,
}

/// What the pictures of all layers share: K checkpoints, and P planes through three images each.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct RegionPlanes {
    /// Steps of the K checkpoints.
    pub steps: Vec<i64>,
    /// Their epochs.
    pub epochs: Vec<f64>,
    /// Points along a side G.
    pub side: usize,
    /// Of each plane, the number of its source in `analysis.drs.source`.
    pub sources: Vec<i64>,
    /// Of each plane, its position in its source's list of triplets.
    pub positions: Vec<i64>,
    /// Of each plane, the images that it goes through: positions in their set.
    pub triplets: Vec<[i64; 3]>,
    /// Their classes.
    pub labels: Vec<[i64; 3]>,
    /// Whether their labels are wrong.
    pub corrupted: Vec<[bool; 3]>,
    /// The planes' extents: along a from, to; along b⊥ from, to.
    pub corners: Vec<[f64; 4]>,
    /// Plane coordinates of the three images.
    pub images: Vec<[[f64; 2]; 3]>,
}

impl RegionPlanes {
    /// The number of planes P.
    pub fn count(&self) -> usize {
        self.corners.len()
    }
}

impl Regions {
    /// The classes of epoch index `k` and plane `p`.
    pub(crate) fn map(&self, k: usize, p: usize) -> &[u8] {
        let start = self.offset(k, p);
        &self.classes[start..start + self.planes.side * self.planes.side]
    }

    /// Where the picture of epoch index `k` and plane `p` starts in `classes`.
    pub(crate) fn offset(&self, k: usize, p: usize) -> usize {
        (k * self.planes.count() + p) * self.planes.side * self.planes.side
    }

    /// Writes the file.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn write(&self, path: &Path) -> Result<()> {
        write_file(path, &npz_bytes(&self.arrays()))
    }

    fn arrays(&self) -> NamedArrays {
        let planes = &self.planes;
        let (k, p) = (planes.steps.len(), planes.count());
        let mut arrays = NamedArrays::default();
        let mut add = |name: &str, shape: &[usize], values| {
            arrays.push(name, Array::new(shape, values));
        };
        add("steps", &[k], Values::I64(planes.steps.clone()));
        add("epochs", &[k], Values::F64(planes.epochs.clone()));
        add("source", &[p], Values::I64(planes.sources.clone()));
        add("position", &[p], Values::I64(planes.positions.clone()));
        add("triplets", &[p, 3], Values::I64(planes.triplets.concat()));
        add("labels", &[p, 3], Values::I64(planes.labels.concat()));
        add("corrupted", &[p, 3], Values::Bool(planes.corrupted.concat()));
        add("corners", &[p, 4], Values::F64(planes.corners.concat()));
        add("images", &[p, 3, 2], Values::F64(planes.images.concat().concat()));
        let shape = [k, p, planes.side, planes.side];
        add("classes", &shape, Values::U8(self.classes.clone()));
        add("confidence", &shape, Values::F32(self.confidence.clone()));
        arrays
    }

    /// Reads the file of a layer.
    ///
    /// # Errors
    /// If it cannot be read, or an array is missing or has another shape or type.
    pub fn read(layer: String, path: &Path) -> Result<Self> {
        let file = Members { path, arrays: read_npz(checked(path)?)? };
        let (planes, shape) = file.planes()?;
        let classes = file.get("classes", &shape)?;
        let Values::U8(classes) = &classes.values else {
            return Err(Error::data(path, "`classes` is not of the type u8"));
        };
        let classes = classes.clone();
        let confidence = file.get("confidence", &shape)?.to_f32();
        Ok(Self { layer, planes, classes, confidence })
    }
}

struct Members<'a> {
    path: &'a Path,
    arrays: NamedArrays,
}

impl Members<'_> {
    /// When and where, and the shape `[K, P, G, G]` of the pictures.
    fn planes(&self) -> Result<(RegionPlanes, [usize; 4])> {
        let epochs = self.get("epochs", &[])?.to_f64();
        let classes = self.get("classes", &[])?;
        let &[k, p, side, other] = classes.shape.as_slice() else {
            return Err(self.wrong_shape("classes", classes, "[K, P, G, G]"));
        };
        if k != epochs.len() || side != other || side == 0 {
            return Err(self.wrong_shape(
                "classes",
                classes,
                "[K, P, G, G] with K epochs",
            ));
        }
        let corrupted = match &self.get("corrupted", &[p, 3])?.values {
            Values::Bool(all) => triples(all),
            _ => {
                return Err(Error::data(
                    self.path,
                    "`corrupted` is not of the type bool",
                ));
            }
        };
        let planes = RegionPlanes {
            steps: self.whole_numbers("steps", &[k])?,
            epochs,
            side,
            sources: self.whole_numbers("source", &[p])?,
            positions: self.whole_numbers("position", &[p])?,
            triplets: triples(&self.whole_numbers("triplets", &[p, 3])?),
            labels: triples(&self.whole_numbers("labels", &[p, 3])?),
            corrupted,
            corners: self.get("corners", &[p, 4])?.to_f64().as_chunks().0.to_vec(),
            images: triples(self.get("images", &[p, 3, 2])?.to_f64().as_chunks::<2>().0),
        };
        Ok((planes, [k, p, side, side]))
    }

    fn whole_numbers(&self, name: &str, shape: &[usize]) -> Result<Vec<i64>> {
        let wrong = || Error::data(self.path, format!("`{name}` holds no whole numbers"));
        self.get(name, shape)?.to_i64().ok_or_else(wrong)
    }

    /// A member of the given shape; an empty shape stands for any.
    fn get(&self, name: &str, shape: &[usize]) -> Result<&Array> {
        let array = self
            .arrays
            .get(name)
            .ok_or_else(|| Error::data(self.path, format!("has no member `{name}`")))?;
        if shape.is_empty() || array.shape == shape {
            return Ok(array);
        }
        Err(self.wrong_shape(name, array, &format!("{shape:?}")))
    }

    fn wrong_shape(&self, name: &str, array: &Array, expected: &str) -> Error {
        Error::data(self.path, format!("`{name}` has the shape {:?}", array.shape))
            .expected(expected)
    }
}

fn triples<T: Copy>(values: &[T]) -> Vec<[T; 3]> {
    values.as_chunks().0.to_vec()
}
