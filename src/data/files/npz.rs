//! `data.kind = "arrays"`: an `.npz` file with the members `train_images`, `train_labels`,
//! `test_images` and `test_labels`; images u8 or f32 `[n, channels, height, width]`, labels
//! of any integer type from 0 to 255.

use std::cell::RefCell;
use std::path::Path;

use crate::array_file::{Array, NamedArrays, Values, read_npz_members};
use crate::data::{ImageSet, Pixels};
use crate::error::{Error, Result};
use crate::net::Shape;

/// No picture has more channels, and none fewer pixels in a row.
const MOST_CHANNELS: usize = 4;

/// The members that are read; others may be of any kind.
const MEMBERS: [&str; 4] = ["train_images", "train_labels", "test_images", "test_labels"];

/// The training and the test set of a file.
pub(in crate::data) fn load(path: &Path) -> Result<(ImageSet, ImageSet)> {
    let names = RefCell::new(vec![]);
    let is_wanted = |name: &str| {
        names.borrow_mut().push(name.to_owned());
        MEMBERS.contains(&name)
    };
    let mut members = read_npz_members(path, is_wanted)?;
    let names = names.into_inner();
    if let Some(missing) =
        MEMBERS.iter().find(|name| !names.iter().any(|own| own == *name))
    {
        let left = if names.is_empty() { "nothing".to_owned() } else { names.join(", ") };
        return Err(Error::data(path, format!("has no member `{missing}`"))
            .expected(MEMBERS.join(", "))
            .fix(format!("it holds {left}")));
    }
    let train = image_set(path, &mut members, "train")?;
    let test = image_set(path, &mut members, "test")?;
    if train.shape != test.shape {
        let found = format!(
            "has training images of shape {} and test images of shape {}",
            shape_text(train.shape),
            shape_text(test.shape),
        );
        return Err(Error::data(path, found).expected("the same shape"));
    }
    Ok((train, test))
}

fn shape_text(shape: Shape) -> String {
    format!("[{}, {}, {}]", shape.channels, shape.height, shape.width)
}

fn image_set(path: &Path, members: &mut NamedArrays, set: &str) -> Result<ImageSet> {
    let images = take(path, members, &format!("{set}_images"))?;
    let labels = take(path, members, &format!("{set}_labels"))?;
    let name = format!("{set}_images");
    let [n, channels, height, width] = images.shape[..] else {
        return Err(wrong(path, &name, format!("has shape {:?}", images.shape))
            .expected("[n, channels, height, width]")
            .fix("gray images of shape [n, h, w]: images.reshape(n, 1, h, w)"));
    };
    if channels > MOST_CHANNELS && width <= MOST_CHANNELS {
        let found = format!(
            "has shape {:?}, which is [n, height, width, channels]",
            images.shape
        );
        return Err(wrong(path, &name, found)
            .expected("[n, channels, height, width]")
            .fix("save images.transpose(0, 3, 1, 2)"));
    }
    let shape = Shape { channels, height, width };
    if n == 0 || shape.size() == 0 {
        return Err(wrong(path, &name, format!("has shape {:?}", images.shape))
            .expected("at least one image of at least one pixel"));
    }
    let labels = label_bytes(path, &format!("{set}_labels"), n, labels)?;
    let pixels = pixels(path, &name, shape.size(), images.values)?;
    Ok(ImageSet { shape, pixels, labels })
}

/// Takes a member out of the file's arrays: images need not be held twice.
fn take(path: &Path, members: &mut NamedArrays, name: &str) -> Result<Array> {
    if let Some(position) = members.0.iter().position(|(member, _)| member == name) {
        return Ok(members.0.swap_remove(position).1);
    }
    Err(Error::data(path, format!("has no member `{name}`")).expected(MEMBERS.join(", ")))
}

fn pixels(path: &Path, name: &str, size: usize, values: Values) -> Result<Pixels> {
    match values {
        Values::U8(values) => Ok(Pixels::U8 { values, scale: 1.0 / 255.0 }),
        Values::F32(values) => match values.iter().position(|value| !value.is_finite()) {
            None => Ok(Pixels::F32(values)),
            Some(at) => {
                let found = format!("holds {} in image {}", values[at], at / size);
                Err(wrong(path, name, found).expected("finite numbers"))
            }
        },
        other => Err(wrong(path, name, format!("is {}", type_name(&other)))
            .expected("u8 or f32")
            .fix("save images.astype(\"float32\")")),
    }
}

fn label_bytes(path: &Path, name: &str, n: usize, labels: Array) -> Result<Vec<u8>> {
    if labels.shape != [n] && labels.shape != [n, 1] {
        return Err(wrong(path, name, format!("has shape {:?}", labels.shape))
            .expected(format!("[{n}], one label an image")));
    }
    let wide = match labels.values {
        Values::U8(labels) => return Ok(labels),
        Values::I64(labels) => labels,
        other => {
            return Err(wrong(path, name, format!("is {}", type_name(&other)))
                .expected("an integer type"));
        }
    };
    let byte = |(i, label): (usize, i64)| {
        u8::try_from(label).map_err(|_| {
            wrong(path, name, format!("holds {label} for image {i}"))
                .expected("classes from 0 to 255")
        })
    };
    wide.into_iter().enumerate().map(byte).collect()
}

fn wrong(path: &Path, name: &str, found: impl std::fmt::Display) -> Error {
    Error::data(path, format!("member `{name}` {found}"))
}

fn type_name(values: &Values) -> &'static str {
    match values {
        Values::F32(_) => "f32",
        Values::F64(_) => "f64",
        Values::U8(_) => "u8",
        Values::I64(_) => "an integer type wider than u8",
        Values::Bool(_) => "bool",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::array_file::npz_bytes;

    fn members() -> Vec<(String, Array)> {
        let pixels = |n: usize| (0..n * 128).map(|i| (i % 251) as u8).collect();
        vec![
            ("train_images".into(), Array::u8(&[3, 2, 8, 8], pixels(3))),
            ("train_labels".into(), Array::i64(&[3], vec![0, 4, 1])),
            ("test_images".into(), Array::u8(&[2, 2, 8, 8], pixels(2))),
            ("test_labels".into(), Array::u8(&[2], vec![3, 0])),
        ]
    }

    fn load_members(members: Vec<(String, Array)>) -> Result<(ImageSet, ImageSet)> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), npz_bytes(&NamedArrays(members))).unwrap();
        load(file.path())
    }

    #[test]
    fn bytes_and_integers_of_any_width_are_read() {
        let (train, test) = load_members(members()).unwrap();
        assert_eq!(train.shape, Shape { channels: 2, height: 8, width: 8 });
        assert_eq!((train.labels, test.labels), (vec![0, 4, 1], vec![3, 0]));
        let Pixels::U8 { scale, .. } = train.pixels else { panic!("floats") };
        assert!((scale * 255.0 - 1.0).abs() < 1e-6);
    }

    #[test]
    fn columns_of_labels_and_other_members_do_not_matter() {
        let mut members = members();
        members[1].1 = Array::i64(&[3, 1], vec![0, 4, 1]);
        members.push(("seed".into(), Array::i64(&[], vec![7])));
        assert_eq!(load_members(members).unwrap().0.labels, [0, 4, 1]);
    }

    #[test]
    fn floats_pass_unchanged() {
        let mut members = members();
        let values: Vec<f32> = (0..3 * 128).map(|i| i as f32 / 7.0 - 3.0).collect();
        members[0].1 = Array::f32(&[3, 2, 8, 8], values.clone());
        assert_eq!(load_members(members).unwrap().0.pixels, Pixels::F32(values));
    }

    #[test]
    fn damage_is_named() {
        let image =
            |shape: &[usize]| Array::f32(shape, vec![0.0; shape.iter().product()]);
        let mut holed = image(&[3, 2, 8, 8]);
        holed.values = Values::F32(
            (0..384).map(|i| if i == 130 { f32::NAN } else { 0.0 }).collect(),
        );
        let cases = [
            (0, holed, "member `train_images` holds NaN in image 1; expected finite"),
            (0, image(&[3, 8, 8]), "has shape [3, 8, 8]; expected [n, channels"),
            (0, image(&[0, 1, 8, 8]), "expected at least one image"),
            (0, Array::f64(&[1, 1, 8, 8], vec![0.0; 64]), "has shape [3]; expected [1]"),
            (
                0,
                image(&[3, 8, 8, 2]),
                "[n, height, width, channels]; expected [n, channels, height, width]",
            ),
            (2, image(&[2, 1, 8, 8]), "[2, 8, 8] and test images of shape [1, 8, 8]"),
            (2, Array::f64(&[2, 2, 8, 8], vec![0.0; 256]), "is f64; expected u8 or f32"),
            (1, Array::i64(&[2], vec![0, 1]), "has shape [2]; expected [3], one label"),
            (
                1,
                Array::i64(&[3], vec![0, 256, 1]),
                "holds 256 for image 1; expected classes",
            ),
            (1, Array::i64(&[3], vec![0, -1, 1]), "holds -1 for image 1"),
            (3, Array::f32(&[2], vec![0.0; 2]), "is f32; expected an integer type"),
        ];
        for (member, array, expected) in cases {
            let mut members = members();
            members[member].1 = array;
            let message = load_members(members).unwrap_err().to_string();
            assert!(message.contains(expected), "{message}");
        }
        let mut incomplete = members();
        incomplete.remove(2);
        let message = load_members(incomplete).unwrap_err().to_string();
        assert!(message.contains("has no member `test_images`; expected"), "{message}");
    }
}
