//! `data.kind = "folder"`: pictures in `train/CLASS/` and `val/CLASS/` (or `test/CLASS/`), as
//! torchvision's `ImageFolder` reads them; classes are numbered in the order of their names.

use std::path::{Path, PathBuf};

use rayon::prelude::*;

use super::picture::Picture;
use super::stored::Stored;
use crate::data::{ImageSet, Pixels, resize};
use crate::error::{Error, Result};
use crate::net::Shape;

/// Classes are bytes.
const MOST_CLASSES: usize = 256;
/// No picture file of a training set is longer: 64 MiB.
const LONGEST_FILE: u64 = 64 << 20;

/// The pictures below `path`; those of different sizes need `size`, to which they are
/// averaged.
pub(in crate::data) fn load(path: &Path, size: Option<usize>) -> Result<Stored> {
    let train = path.join("train");
    let test = ["val", "test"].map(|name| path.join(name));
    let test = test.iter().find(|folder| folder.is_dir());
    let Some(test) = test.filter(|_| train.is_dir()) else {
        return Err(Error::data(path, "does not hold `train` and `val` (or `test`)")
            .expected("train/CLASS/*.png and val/CLASS/*.png (or .jpg)"));
    };
    let classes = names(&train, true)?;
    if classes.is_empty() || classes.len() > MOST_CLASSES {
        return Err(Error::data(&train, format!("has {} folders", classes.len()))
            .expected(format!("one a class, at most {MOST_CLASSES}")));
    }
    if let Some(class) = names(test, true)?.iter().find(|own| !classes.contains(own)) {
        let found = format!("has a folder `{}`", class.escape_debug());
        return Err(Error::data(test, found).expected("the classes of `train`"));
    }
    let train = read_set(&train, &classes)?;
    let test = read_set(test, &classes)?;
    let pictures = || train.iter().chain(&test);
    let channels = pictures().map(|(_, p, _)| p.shape.channels).max().unwrap_or(1);
    let first = train.first().map(|(_, picture, _)| picture.shape);
    let first = first.ok_or_else(|| {
        Error::data(path, "has no training picture").expected(".png, .jpg or .jpeg files")
    })?;
    let side = |shape: Shape| (shape.height, shape.width);
    let odd = pictures().find(|(_, picture, _)| side(picture.shape) != side(first));
    if let (Some((file, picture, _)), None) = (odd, size) {
        let Shape { height, width, .. } = picture.shape;
        return Err(Error::data(file, format!("has {height}×{width} pixels"))
            .expected(format!("{}×{}, as the first", first.height, first.width))
            .fix("bring them to one size with `data.size`"));
    }
    let side = size.filter(|_| odd.is_some());
    let notes = empty_folders(&train, &classes);
    let set = |set| image_set(set, channels, side);
    let stored = Stored::complete(set(train), set(test), classes, "image folder");
    Ok(Stored { notes, ..stored })
}

/// Says which classes have no picture to train on.
fn empty_folders(train: &[Labelled], classes: &[String]) -> Vec<String> {
    let is_empty =
        |class: &usize| !train.iter().any(|(.., own)| usize::from(*own) == *class);
    let note = |class: usize| {
        let name = classes[class].escape_debug();
        format!("the folder `train/{name}` holds no picture: class {class} has none")
    };
    (0..classes.len()).filter(is_empty).map(note).collect()
}

/// A file, its picture and its class.
type Labelled = (PathBuf, Picture, u8);

fn read_set(folder: &Path, classes: &[String]) -> Result<Vec<Labelled>> {
    let mut files = Vec::new();
    for (class, name) in classes.iter().enumerate() {
        let folder = folder.join(name);
        if !folder.is_dir() {
            continue;
        }
        for file in names(&folder, false)? {
            files.push((folder.join(file), class as u8));
        }
    }
    files.into_par_iter().map(|(file, class)| read_picture(file, class)).collect()
}

fn read_picture(file: PathBuf, class: u8) -> Result<Labelled> {
    let cannot = |error| Error::io(&file, "cannot be read", error);
    let length = std::fs::metadata(&file).map_err(cannot)?.len();
    if length > LONGEST_FILE {
        return Err(Error::data(&file, format!("has {length} bytes"))
            .expected(format!("a picture of at most {LONGEST_FILE}")));
    }
    let bytes = std::fs::read(&file).map_err(cannot)?;
    match Picture::decode(&bytes) {
        Ok(picture) => Ok((file, picture, class)),
        Err(why) => Err(Error::data(&file, format!("is {why}"))
            .expected("a JPEG or PNG picture")
            .fix("get the file again, or take it out of the folder")),
    }
}

/// The names of the folders, or of the pictures, in a folder; hidden ones are left out.
fn names(folder: &Path, folders: bool) -> Result<Vec<String>> {
    let cannot = |error| Error::io(folder, "cannot be read", error);
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(cannot)? {
        let path = entry.map_err(cannot)?.path();
        let Some(name) = path.file_name().and_then(|name| name.to_str()) else {
            return Err(Error::data(&path, "has a name that is no Unicode"));
        };
        let extension = path.extension().map(std::ffi::OsStr::to_ascii_lowercase);
        let is_picture = extension
            .is_some_and(|e| ["png", "jpg", "jpeg"].iter().any(|known| e == *known));
        let wanted = if folders { path.is_dir() } else { is_picture && path.is_file() };
        if wanted && !name.starts_with('.') {
            names.push(name.to_owned());
        }
    }
    names.sort_unstable();
    Ok(names)
}

/// One set of equal pictures; averaged to `size` first where it is given.
fn image_set(pictures: Vec<Labelled>, channels: usize, size: Option<usize>) -> ImageSet {
    let labels = pictures.iter().map(|(.., class)| *class).collect();
    let colored = |picture: Picture| {
        if channels == 3 { picture.into_color() } else { picture }
    };
    let scale = 1.0 / 255.0;
    let Some(size) = size else {
        let first = pictures.first().map(|(_, picture, _)| picture.shape);
        let (height, width) = first.map_or((0, 0), |shape| (shape.height, shape.width));
        let values =
            pictures.into_iter().flat_map(|(_, picture, _)| colored(picture).pixels);
        let pixels = Pixels::U8 { values: values.collect(), scale };
        return ImageSet { shape: Shape { channels, height, width }, pixels, labels };
    };
    let resized = |(_, picture, _): Labelled| {
        let Picture { shape, pixels, .. } = colored(picture);
        let pixels = Pixels::U8 { values: pixels, scale };
        let set = ImageSet { shape, pixels, labels: vec![0] };
        match resize::to_side(set, size).pixels {
            Pixels::F32(values) => values,
            // One that has the size already.
            Pixels::U8 { values, scale } => {
                values.iter().map(|value| f32::from(*value) * scale).collect()
            }
        }
    };
    let values: Vec<f32> = pictures.into_iter().flat_map(resized).collect();
    let shape = Shape { channels, height: size, width: size };
    ImageSet { shape, pixels: Pixels::F32(values), labels }
}
