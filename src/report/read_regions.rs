//! Reads the pictures of decision regions, `regions/<layer>.npz` (docs/FORMAT.md).

use std::path::Path;

use super::model::Regions;
use crate::array_file::{Array, NamedArrays, Values, read_npz};
use crate::error::{Error, Result};

/// Reads one layer's pictures.
pub(super) fn read_regions(layer: String, path: &Path) -> Result<Regions> {
    Regions::of(layer, read_npz(path)?, path)
}

impl Regions {
    /// The pictures of one layer in arrays as `regions/<layer>.npz` holds them; errors name
    /// `path`.
    ///
    /// # Errors
    /// If an array is missing or has another shape or type.
    pub fn of(layer: String, arrays: NamedArrays, path: &Path) -> Result<Self> {
        parse(layer, &Members { path, arrays })
    }
}

fn parse(layer: String, file: &Members) -> Result<Regions> {
    let path = file.path;
    let epochs = file.get("epochs", &[])?.to_f64();
    let classes = file.get("classes", &[])?;
    let &[n_epochs, n_planes, side, other] = classes.shape.as_slice() else {
        return Err(file.wrong_shape("classes", classes, "[K, P, G, G]"));
    };
    if n_epochs != epochs.len() || side != other || side == 0 {
        return Err(file.wrong_shape("classes", classes, "[K, P, G, G] with K epochs"));
    }
    let Values::U8(class_values) = &classes.values else {
        return Err(Error::data(path, "`classes` is not of the type u8"));
    };
    let confidence = file.get("confidence", &classes.shape)?.to_f32();
    let corners = file.get("corners", &[n_planes, 4])?.to_f64();
    let images = file.get("images", &[n_planes, 3, 2])?.to_f64();
    let labels = file.get("labels", &[n_planes, 3])?.to_i64();
    let labels =
        labels.ok_or_else(|| Error::data(path, "`labels` are no whole numbers"))?;
    Ok(Regions {
        layer,
        epochs,
        n_planes,
        side,
        classes: class_values.clone(),
        confidence,
        corners: corners.chunks_exact(4).map(|c| [c[0], c[1], c[2], c[3]]).collect(),
        images: images
            .chunks_exact(6)
            .map(|v| [[v[0], v[1]], [v[2], v[3]], [v[4], v[5]]])
            .collect(),
        labels: labels.chunks_exact(3).map(|v| [v[0], v[1], v[2]]).collect(),
        corrupted: file.corrupted(n_planes),
        positions: (0..n_planes)
            .map(|p| (file.position("position", p, p), file.position("source", p, 0)))
            .collect(),
    })
}

struct Members<'a> {
    path: &'a Path,
    arrays: NamedArrays,
}

impl Members<'_> {
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

    /// Which images have a wrong label; none where the file does not say.
    fn corrupted(&self, n_planes: usize) -> Vec<[bool; 3]> {
        match self.arrays.get("corrupted").map(|array| &array.values) {
            Some(Values::Bool(all)) if all.len() == 3 * n_planes => {
                all.chunks_exact(3).map(|v| [v[0], v[1], v[2]]).collect()
            }
            _ => vec![[false; 3]; n_planes],
        }
    }

    /// A plane's number of a member; `absent` where the file does not say.
    fn position(&self, name: &str, plane: usize, absent: usize) -> usize {
        let numbers = self.arrays.get(name).and_then(Array::to_i64);
        let number = numbers.and_then(|numbers| numbers.get(plane).copied());
        number.and_then(|number| usize::try_from(number).ok()).unwrap_or(absent)
    }

    fn wrong_shape(&self, name: &str, array: &Array, expected: &str) -> Error {
        Error::data(self.path, format!("`{name}` has the shape {:?}", array.shape))
            .expected(expected)
    }
}
