//! The IDX files of the MNIST family, plain or `.gz`: a magic number, big-endian lengths,
//! bytes (LeCun, Cortes and Burges, <http://yann.lecun.com/exdb/mnist/>).

use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

use super::stored::{Source, is_gzip, open};
use super::{ImageSet, Pixels};
use crate::error::{Error, Result};
use crate::net::Shape;

/// The files of the training and the test set, without `.gz`: images, labels.
pub(super) const FILES: [[&str; 2]; 2] = [
    ["train-images-idx3-ubyte", "train-labels-idx1-ubyte"],
    ["t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"],
];
const IMAGES: u32 = 0x0803;
const LABELS: u32 = 0x0801;
/// Sides and counts beyond these are no MNIST.
const LONGEST_SIDE: usize = 4096;
const MOST_IMAGES: usize = 10_000_000;

/// The file of that name in the folder, plain before compressed.
pub(super) fn find(folder: &Path, name: &str) -> Option<PathBuf> {
    [name.to_owned(), format!("{name}.gz")]
        .map(|name| folder.join(name))
        .into_iter()
        .find(|path| path.is_file())
}

/// Both sets of a folder; labels are below `n_classes`.
pub(super) fn load(folder: &Path, n_classes: u8) -> Result<(ImageSet, ImageSet)> {
    let set = |[images, labels]: [&str; 2]| {
        let file = |name: &str| {
            find(folder, name).ok_or_else(|| {
                Error::data(folder, format!("does not hold `{name}` or `{name}.gz`"))
                    .expected("the four files of an MNIST-like data set")
            })
        };
        let (images, labels) = (file(images)?, file(labels)?);
        let (shape, values) = read_images(&images)?;
        let labels = read_labels(&labels, n_classes, values.len() / shape.size())?;
        let pixels = Pixels::U8 { values, scale: 1.0 / 255.0 };
        Ok(ImageSet { shape, pixels, labels })
    };
    Ok((set(FILES[0])?, set(FILES[1])?))
}

fn source(path: &Path) -> Result<(Source<Box<dyn Read>>, Option<u64>)> {
    let (file, length) = open(path)?;
    let file = BufReader::with_capacity(1 << 16, file);
    Ok(if is_gzip(path) {
        (Source::new(Box::new(flate2::read::GzDecoder::new(file)), path), None)
    } else {
        (Source::new(Box::new(file), path), Some(length))
    })
}

fn read_images(path: &Path) -> Result<(Shape, Vec<u8>)> {
    let (mut source, length) = source(path)?;
    let [count, height, width] = header(&mut source, IMAGES)?;
    let is_side = |side: usize| (1..=LONGEST_SIDE).contains(&side);
    if !is_side(height) || !is_side(width) || !(1..=MOST_IMAGES).contains(&count) {
        return Err(source
            .wrong_at(4, format!("{count} images of {height}×{width} pixels"))
            .expected(format!("1 to {MOST_IMAGES} images of sides to {LONGEST_SIDE}")));
    }
    let values = body(&mut source, length, 16, count * height * width, "the pixels")?;
    Ok((Shape { channels: 1, height, width }, values))
}

fn read_labels(path: &Path, n_classes: u8, n_images: usize) -> Result<Vec<u8>> {
    let (mut source, length) = source(path)?;
    let [count] = header(&mut source, LABELS)?;
    if count != n_images {
        return Err(source
            .wrong_at(4, format!("{count} labels"))
            .expected(format!("{n_images}, one an image")));
    }
    let labels = body(&mut source, length, 8, count, "the labels")?;
    if let Some(i) = labels.iter().position(|label| *label >= n_classes) {
        return Err(source
            .wrong_at(8 + i as u64, format!("label {}", labels[i]))
            .expected(format!("labels below {n_classes}")));
    }
    Ok(labels)
}

/// The lengths that follow the magic number.
fn header<const N: usize, R: Read>(
    source: &mut Source<R>,
    magic: u32,
) -> Result<[usize; N]> {
    let mut word = [0; 4];
    source.fill(&mut word, "the magic number")?;
    let found = u32::from_be_bytes(word);
    if found != magic {
        return Err(source
            .wrong_at(0, format!("magic number {found:#010x}"))
            .expected(format!("{magic:#010x}, an IDX file of bytes with {N} axes")));
    }
    let mut lengths = [0; N];
    for length in &mut lengths {
        source.fill(&mut word, "the lengths")?;
        *length = u32::from_be_bytes(word) as usize;
    }
    Ok(lengths)
}

/// Exactly `size` bytes after the header. A plain file must have them before memory is
/// taken; a compressed one fills memory no faster than it yields bytes.
fn body<R: Read>(
    source: &mut Source<R>,
    length: Option<u64>,
    header: u64,
    size: usize,
    what: &str,
) -> Result<Vec<u8>> {
    if let Some(length) = length.filter(|length| *length != header + size as u64) {
        return Err(source
            .wrong_at(4, format!("lengths of {size} bytes in a file of {length}"))
            .expected(format!("a file of {}", header + size as u64))
            .fix("the file is truncated or damaged: get it again"));
    }
    let mut values = Vec::new();
    while values.len() < size {
        let start = values.len();
        values.resize(size.min(start + (1 << 20)), 0);
        source.fill(&mut values[start..], what)?;
    }
    source.expect_end()?;
    Ok(values)
}
