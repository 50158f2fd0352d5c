//! The IDX files of the MNIST family, plain or `.gz`: a magic number, big-endian lengths,
//! bytes (Le Cun, Cortes and Burges, <http://yann.lecun.com/exdb/mnist/>).

use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

use super::stored::{Source, is_gzip, open};
use crate::data::{ImageSet, Pixels};
use crate::error::{Error, Result};
use crate::net::Shape;

/// The files of the training and the test set, without `.gz`: images, labels.
pub(in crate::data) const FILES: [[&str; 2]; 2] = [
    ["train-images-idx3-ubyte", "train-labels-idx1-ubyte"],
    ["t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"],
];
const IMAGES: u32 = 0x0803;
const LABELS: u32 = 0x0801;
/// Sides and counts beyond these are no MNIST.
const LONGEST_SIDE: usize = 4096;
const MOST_IMAGES: usize = 10_000_000;
/// How many times its size a compressed file may unpack to, beside what any may: pictures of
/// digits take a fifth.
const MAX_RATIO: u64 = 50;
const FREE_SIZE: u64 = 16 << 20;

/// The file of that name in the folder, plain before compressed.
pub(in crate::data) fn find(folder: &Path, name: &str) -> Option<PathBuf> {
    [name.to_owned(), format!("{name}.gz")]
        .map(|name| folder.join(name))
        .into_iter()
        .find(|path| path.is_file())
}

/// Both sets of a folder; labels are below `n_classes`.
pub(in crate::data) fn load(
    folder: &Path,
    n_classes: u8,
) -> Result<(ImageSet, ImageSet)> {
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

/// A file as a stream, with what it can hold.
type Opened = (Source<Box<dyn Read>>, Size);

/// Bytes of a file's content.
#[derive(Clone, Copy)]
enum Size {
    /// Of a plain file.
    Exact(u64),
    /// Of a compressed one, by its length.
    Most(u64),
}

fn source(path: &Path) -> Result<Opened> {
    let (file, length) = open(path)?;
    let file = BufReader::with_capacity(1 << 16, file);
    Ok(if is_gzip(path) {
        let most = length.saturating_mul(MAX_RATIO).saturating_add(FREE_SIZE);
        (
            Source::new(Box::new(flate2::read::GzDecoder::new(file)), path),
            Size::Most(most),
        )
    } else {
        (Source::new(Box::new(file), path), Size::Exact(length))
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
    length: Size,
    header: u64,
    size: usize,
    what: &str,
) -> Result<Vec<u8>> {
    let (fits, holds) = match length {
        Size::Exact(length) => {
            (length == header + size as u64, format!("a file of {length}"))
        }
        Size::Most(most) => {
            (size as u64 <= most, format!("a compressed file of at most {most}"))
        }
    };
    if !fits {
        return Err(source
            .wrong_at(4, format!("lengths of {size} bytes in {holds}"))
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn images(n: u32, side: u32) -> Vec<u8> {
        let mut bytes: Vec<u8> =
            [IMAGES, n, side, side].into_iter().flat_map(u32::to_be_bytes).collect();
        bytes.extend((0..n * side * side).map(|i| (i % 253) as u8));
        bytes
    }

    fn labels(n: u32) -> Vec<u8> {
        let mut bytes: Vec<u8> =
            [LABELS, n].into_iter().flat_map(u32::to_be_bytes).collect();
        bytes.extend((0..n).map(|i| (i % 10) as u8));
        bytes
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder =
            flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    /// A folder with 12 training and 5 test images of 8×8 pixels.
    fn folder() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for ([image_file, label_file], n) in FILES.into_iter().zip([12, 5]) {
            std::fs::write(folder.path().join(image_file), images(n, 8)).unwrap();
            std::fs::write(folder.path().join(label_file), labels(n)).unwrap();
        }
        folder
    }

    #[test]
    fn plain_and_compressed_files_are_the_same() {
        let folder = folder();
        let (train, test) = load(folder.path(), 10).unwrap();
        assert_eq!((train.len(), test.len(), train.shape.height), (12, 5, 8));
        assert_eq!(train.labels[..3], [0, 1, 2]);
        let Pixels::U8 { values, .. } = &train.pixels else { panic!("bytes") };
        assert_eq!(values[64..68], [64, 65, 66, 67]);
        for name in FILES.into_iter().flatten() {
            let path = folder.path().join(name);
            let bytes = std::fs::read(&path).unwrap();
            std::fs::write(folder.path().join(format!("{name}.gz")), gzip(&bytes))
                .unwrap();
            std::fs::remove_file(path).unwrap();
        }
        assert_eq!(load(folder.path(), 10).unwrap(), (train, test));
    }

    #[test]
    fn damage_is_named_with_its_offset() {
        let folder = folder();
        let [image_file, label_file] = FILES[0].map(|name| folder.path().join(name));
        let refused = |file: &Path, bytes: &[u8], part: &str| {
            let before = std::fs::read(file).unwrap();
            std::fs::write(file, bytes).unwrap();
            let message = load(folder.path(), 10).unwrap_err().to_string();
            assert!(message.contains(part), "{message:?} does not say {part:?}");
            assert!(message.contains(&file.display().to_string()), "{message}");
            std::fs::write(file, before).unwrap();
        };
        let whole = images(12, 8);
        refused(&image_file, b"ab", "at byte 2: the file ends 2 bytes into the magic");
        refused(
            &image_file,
            &labels(12),
            "at byte 0: magic number 0x00000801; expected 0x00",
        );
        refused(
            &image_file,
            &whole[..whole.len() - 1],
            "lengths of 768 bytes in a file of 783",
        );
        let mut huge = whole.clone();
        huge[4..8].fill(0xff);
        refused(&image_file, &huge, "at byte 4: 4294967295 images");
        huge[4..16].copy_from_slice(&[0, 0x10, 0, 0, 0, 0, 16, 0, 0, 0, 16, 0]);
        refused(&image_file, &huge, "lengths of 17592186044416 bytes");
        refused(
            &label_file,
            &labels(11),
            "at byte 4: 11 labels; expected 12, one an image",
        );
        let mut wrong = labels(12);
        wrong[8 + 7] = 10;
        refused(&label_file, &wrong, "at byte 15: label 10; expected labels below 10");
        std::fs::remove_file(&label_file).unwrap();
        let message = load(folder.path(), 10).unwrap_err().to_string();
        assert!(message.contains("does not hold `train-labels-idx1-ubyte`"), "{message}");
    }

    #[test]
    fn compressed_files_that_claim_more_than_they_hold_cost_nothing() {
        let folder = folder();
        let mut huge = images(12, 8);
        huge[4..16].copy_from_slice(&[0, 0x10, 0, 0, 0, 0, 16, 0, 0, 0, 16, 0]);
        let name = FILES[0][0];
        std::fs::remove_file(folder.path().join(name)).unwrap();
        let path = folder.path().join(format!("{name}.gz"));
        std::fs::write(&path, gzip(&huge)).unwrap();
        let message = load(folder.path(), 10).unwrap_err().to_string();
        assert!(message.contains("in a compressed file of at most"), "{message}");
        let packed = gzip(&images(12, 8));
        std::fs::write(&path, &packed[..packed.len() - 20]).unwrap();
        let message = load(folder.path(), 10).unwrap_err().to_string();
        assert!(message.contains("cannot be read"), "{message}");
    }
}
