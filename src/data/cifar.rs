//! CIFAR-10 and CIFAR-100 in their official binary form, as files or inside the official
//! `.tar.gz`: records of one label byte (CIFAR-100: coarse and fine label) and 3,072 pixels,
//! `[channel, row, column]` (Krizhevsky 2009, <https://www.cs.toronto.edu/~kriz/cifar.html>).

use std::io::{BufReader, Read};
use std::path::Path;

use super::stored::{Source, open};
use super::tar::Tar;
use super::{ImageSet, Pixels};
use crate::array_file::read_npy;
use crate::error::{Error, Result};
use crate::net::Shape;

/// One image.
const PIXELS: usize = 3072;
/// Bytes read at once.
const BLOCK: usize = 1 << 16;
/// Images of one file beyond this are no CIFAR.
const MOST_RECORDS: u64 = 1_000_000;

/// Which of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cifar {
    Ten,
    Hundred,
}

impl Cifar {
    /// Name, number of labels in front of the pixels, classes of the last label.
    const fn layout(self) -> (&'static str, usize, u8) {
        match self {
            Self::Ten => ("CIFAR-10", 1, 10),
            Self::Hundred => ("CIFAR-100", 2, 100),
        }
    }

    /// The files of the training and the test images, in order.
    pub(super) const fn files(self) -> (&'static [&'static str], &'static str) {
        const BATCHES: &[&str] = &[
            "data_batch_1.bin",
            "data_batch_2.bin",
            "data_batch_3.bin",
            "data_batch_4.bin",
            "data_batch_5.bin",
        ];
        match self {
            Self::Ten => (BATCHES, "test_batch.bin"),
            Self::Hundred => (&["train.bin"], "test.bin"),
        }
    }

    /// The archive of these files and the folder in it.
    pub(super) const fn archive(self) -> (&'static str, &'static str) {
        match self {
            Self::Ten => ("cifar-10-binary.tar.gz", "cifar-10-batches-bin"),
            Self::Hundred => ("cifar-100-binary.tar.gz", "cifar-100-binary"),
        }
    }
}

/// Records read so far.
#[derive(Default)]
struct Records {
    labels: Vec<u8>,
    pixels: Vec<u8>,
}

impl Records {
    fn into_set(self) -> ImageSet {
        let shape = Shape { channels: 3, height: 32, width: 32 };
        let pixels = Pixels::U8 { values: self.pixels, scale: 1.0 / 255.0 };
        ImageSet { shape, pixels, labels: self.labels }
    }
}

/// Both sets from the files of a folder.
pub(super) fn load_folder(kind: Cifar, folder: &Path) -> Result<(ImageSet, ImageSet)> {
    let (train, test) = kind.files();
    let mut records = Records::default();
    for name in train {
        read_file(kind, &folder.join(name), &mut records)?;
    }
    let mut test_records = Records::default();
    read_file(kind, &folder.join(test), &mut test_records)?;
    Ok((records.into_set(), test_records.into_set()))
}

/// The records of one file.
pub(super) fn load_file(kind: Cifar, path: &Path) -> Result<ImageSet> {
    let mut records = Records::default();
    read_file(kind, path, &mut records)?;
    Ok(records.into_set())
}

/// A part of CIFAR-10 in its binary layout: `train_*.bin`, `test_*.bin` and the positions of
/// the training images among the official 50,000, rising.
pub(super) fn load_subset(
    train: &Path,
    test: &Path,
    index: &Path,
) -> Result<(ImageSet, ImageSet, Vec<usize>)> {
    let (train, test) = (load_file(Cifar::Ten, train)?, load_file(Cifar::Ten, test)?);
    let array = read_npy(index)?;
    let positions = array.to_i64().unwrap_or_default();
    if array.shape != [train.len()] {
        return Err(Error::data(index, format!("has shape {:?}", array.shape)).expected(
            format!("[{}], the position of every training image", train.len()),
        ));
    }
    let fits = |position: &&i64| !(0..50_000).contains(*position);
    if let Some(position) = positions.iter().find(fits) {
        return Err(Error::data(index, format!("names image {position}"))
            .expected("positions from 0 to 49999"));
    }
    if let Some(at) = positions.windows(2).position(|pair| pair[0] >= pair[1]) {
        return Err(Error::data(index, format!("does not rise after entry {at}"))
            .expected("every position once, rising"));
    }
    Ok((train, test, positions.iter().map(|&position| position as usize).collect()))
}

fn read_file(kind: Cifar, path: &Path, records: &mut Records) -> Result<()> {
    let (file, length) = open(path)?;
    let mut source = Source::new(BufReader::with_capacity(BLOCK, file), path);
    read_records(kind, &mut source, length, records)?;
    source.expect_end()
}

/// Both sets from the official archive, which is never unpacked: its known files are read
/// as they pass by, everything else is skipped.
pub(super) fn load_archive(kind: Cifar, path: &Path) -> Result<(ImageSet, ImageSet)> {
    let (file, _) = open(path)?;
    let decoder = flate2::read::GzDecoder::new(BufReader::with_capacity(BLOCK, file));
    let mut tar = Tar::new(BufReader::with_capacity(BLOCK, decoder), path);
    let (train, test) = kind.files();
    let folder = kind.archive().1;
    let names: Vec<String> =
        train.iter().chain([&test]).map(|name| format!("{folder}/{name}")).collect();
    let mut found: Vec<Option<Records>> = names.iter().map(|_| None).collect();
    while let Some(member) = tar.next_member()? {
        let Some(at) = names.iter().position(|name| *name == member.name) else {
            tar.skip(&member)?;
            continue;
        };
        if found[at].is_some() || !member.is_file {
            let what = if member.is_file { "twice" } else { "as no regular file" };
            let found = format!("holds `{}` {what}", member.name);
            return Err(Error::data(path, found).expected("the official archive"));
        }
        let mut records = Records::default();
        read_records(kind, tar.content(), member.size, &mut records)?;
        tar.finish(&member)?;
        found[at] = Some(records);
    }
    let mut sets = Vec::new();
    for (name, records) in names.iter().zip(found) {
        sets.push(records.ok_or_else(|| {
            Error::data(path, format!("does not hold `{name}`"))
                .expected(format!("the official {}", kind.archive().0))
        })?);
    }
    let test = sets.pop().expect("the last name is the test file's");
    let mut train = Records::default();
    for batch in sets {
        train.labels.extend(batch.labels);
        train.pixels.extend(batch.pixels);
    }
    Ok((train.into_set(), test.into_set()))
}

/// Appends the records in the next `length` bytes.
fn read_records<R: Read>(
    kind: Cifar,
    source: &mut Source<R>,
    length: u64,
    records: &mut Records,
) -> Result<()> {
    let (name, n_labels, n_classes) = kind.layout();
    let size = n_labels + PIXELS;
    let count = length / size as u64;
    if count == 0 || !length.is_multiple_of(size as u64) || count > MOST_RECORDS {
        return Err(Error::data(source.place(), format!("has {length} bytes"))
            .expected(format!("{name} records of {size} bytes each"))
            .fix(format!(
                "the official files come with: stratagram data fetch {}",
                fetch_name(kind)
            )));
    }
    let mut record = vec![0; size];
    for i in 0..count {
        let start = source.offset();
        source.fill(&mut record, &format!("record {i}"))?;
        let label = record[n_labels - 1];
        let coarse = record[0];
        if label >= n_classes || (kind == Cifar::Hundred && coarse >= 20) {
            let found = format!("record {i} has label {}", label.max(coarse));
            return Err(source
                .wrong_at(start, found)
                .expected(format!("labels below {n_classes}, as {name} has")));
        }
        records.labels.push(label);
        records.pixels.extend_from_slice(&record[n_labels..]);
    }
    Ok(())
}

const fn fetch_name(kind: Cifar) -> &'static str {
    match kind {
        Cifar::Ten => "cifar10",
        Cifar::Hundred => "cifar100",
    }
}
