//! CIFAR-10 and CIFAR-100 in their official binary form, as files or inside the official
//! `.tar.gz`: records of one label byte (CIFAR-100: coarse and fine label) and 3,072 pixels,
//! `[channel, row, column]` (Krizhevsky 2009, <https://www.cs.toronto.edu/~kriz/cifar.html>).

use std::io::{BufReader, Read};
use std::path::Path;

use super::stored::{Source, open};
use super::tar::Tar;
use crate::array_file::read_npy;
use crate::data::{ImageSet, Pixels};
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
pub(in crate::data) enum Cifar {
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
    pub(in crate::data) const fn files(self) -> (&'static [&'static str], &'static str) {
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
    pub(in crate::data) const fn archive(self) -> (&'static str, &'static str) {
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
pub(in crate::data) fn load_folder(
    kind: Cifar,
    folder: &Path,
) -> Result<(ImageSet, ImageSet)> {
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
pub(in crate::data) fn load_file(kind: Cifar, path: &Path) -> Result<ImageSet> {
    let mut records = Records::default();
    read_file(kind, path, &mut records)?;
    Ok(records.into_set())
}

/// A part of CIFAR-10 in its binary layout: `train_*.bin`, `test_*.bin` and the positions of
/// the training images among the official 50,000, rising.
pub(in crate::data) fn load_subset(
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
pub(in crate::data) fn load_archive(
    kind: Cifar,
    path: &Path,
) -> Result<(ImageSet, ImageSet)> {
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    /// `n` records with labels that go round and pixels that tell image and position.
    fn records(kind: Cifar, n: usize, first: usize) -> Vec<u8> {
        let (_, n_labels, n_classes) = kind.layout();
        let record = |i: usize| {
            let mut labels = vec![(i % usize::from(n_classes)) as u8];
            if n_labels == 2 {
                labels.insert(0, (i % 20) as u8);
            }
            labels.into_iter().chain((0..PIXELS).map(move |at| (at * 3 + i) as u8))
        };
        (first..first + n).flat_map(record).collect()
    }

    /// All files of a data set, three records each.
    fn files(kind: Cifar) -> Vec<(String, Vec<u8>)> {
        let (train, test) = kind.files();
        let names = train.iter().chain([&test]).enumerate();
        names.map(|(i, name)| ((*name).to_owned(), records(kind, 3, 3 * i))).collect()
    }

    fn header(name: &str, size: usize, kind: u8) -> Vec<u8> {
        let mut header = vec![0; 512];
        header[..name.len()].copy_from_slice(name.as_bytes());
        header[124..135].copy_from_slice(format!("{size:011o}").as_bytes());
        header[148..156].fill(b' ');
        header[156] = kind;
        header[257..262].copy_from_slice(b"ustar");
        let sum: u64 = header.iter().map(|byte| u64::from(*byte)).sum();
        header[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
        header
    }

    fn member(name: &str, content: &[u8], kind: u8) -> Vec<u8> {
        let mut bytes = header(name, content.len(), kind);
        bytes.extend(content);
        bytes.resize(bytes.len().next_multiple_of(512), 0);
        bytes
    }

    /// The official archive with small files.
    fn archive(kind: Cifar) -> Vec<u8> {
        let folder = kind.archive().1;
        let mut bytes = member(&format!("{folder}/"), b"", b'5');
        bytes.extend(member(&format!("{folder}/readme.html"), &[b'x'; 700], b'0'));
        for (name, content) in files(kind) {
            bytes.extend(member(&format!("{folder}/{name}"), &content, b'0'));
        }
        bytes.resize(bytes.len() + 1024, 0);
        bytes
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder =
            flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn load_bytes(kind: Cifar, bytes: &[u8]) -> Result<(ImageSet, ImageSet)> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), bytes).unwrap();
        load_archive(kind, file.path())
    }

    #[test]
    fn files_and_archive_hold_the_same_images() {
        for kind in [Cifar::Ten, Cifar::Hundred] {
            let folder = tempfile::tempdir().unwrap();
            for (name, content) in files(kind) {
                std::fs::write(folder.path().join(name), content).unwrap();
            }
            let (train, test) = load_folder(kind, folder.path()).unwrap();
            let n_train = 3 * kind.files().0.len();
            assert_eq!((train.len(), test.len()), (n_train, 3));
            assert_eq!(train.labels[1], 1);
            assert_eq!(usize::from(test.labels[0]), n_train % kind.layout().2 as usize);
            let Pixels::U8 { values, .. } = &train.pixels else { panic!("bytes") };
            assert_eq!(values[2 * PIXELS..][..3], [2, 5, 8]);
            let packed = load_bytes(kind, &gzip(&archive(kind))).unwrap();
            assert_eq!(packed, (train, test));
        }
    }

    #[test]
    fn damaged_files_are_named_with_their_offset() {
        let kind = Cifar::Ten;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("data_batch_1.bin");
        let refused = |bytes: &[u8], part: &str| {
            std::fs::write(&path, bytes).unwrap();
            let message = load_file(kind, &path).unwrap_err().to_string();
            assert!(message.contains("data_batch_1.bin"), "{message}");
            assert!(message.contains(part), "{message}");
        };
        let whole = records(kind, 3, 0);
        refused(
            &whole[..whole.len() - 1],
            "has 9218 bytes; expected CIFAR-10 records of 3073",
        );
        refused(b"", "has 0 bytes");
        refused(
            &records(Cifar::Hundred, 3073, 0)[..3073 * 3],
            "at byte 3073: record 1 has",
        );
        let mut wrong = whole;
        wrong[2 * 3073] = 10;
        refused(&wrong, "at byte 6146: record 2 has label 10; expected labels below 10");
    }

    #[test]
    fn hostile_archives_are_refused() {
        let kind = Cifar::Ten;
        let folder = kind.archive().1;
        let refused = |bytes: &[u8], part: &str| {
            let start = std::time::Instant::now();
            let message = load_bytes(kind, bytes).unwrap_err().to_string();
            assert!(message.contains(part), "{message:?} does not say {part:?}");
            assert!(start.elapsed().as_secs() < 2, "{message}");
        };
        let tar = archive(kind);
        let packed = gzip(&tar);
        refused(b"not gzip", "cannot be read");
        refused(&packed[..packed.len() / 2], "at byte");
        refused(&gzip(&tar[..tar.len() / 2]), "the file ends");
        refused(&gzip(&[7; 2048]), "a header with a wrong checksum");
        let end = [0; 1024];
        refused(&gzip(&end), "does not hold `cifar-10-batches-bin/data_batch_1.bin`");
        let name = format!("{folder}/data_batch_1.bin");
        let content = records(kind, 1, 0);
        let twice =
            [member(&name, &content, b'0'), member(&name, &content, b'0')].concat();
        refused(&gzip(&twice), "twice");
        refused(&gzip(&member(&name, b"", b'2')), "as no regular file");
        refused(&gzip(&member(&name, &content[1..], b'0')), "has 3072 bytes");
        // Names that lead elsewhere are never opened or made.
        let outside = ["../../data_batch_1.bin", "/tmp/data_batch_1.bin"]
            .map(|name| [member(name, &content, b'0'), end.to_vec()].concat());
        outside.iter().for_each(|bytes| refused(&gzip(bytes), "does not hold"));
        // Sizes: 8 GiB claimed, and a member of zeros without end.
        refused(&gzip(&header("x", 0o77777777777, b'0')), "impossible size");
        refused(
            &gzip(&header(&name, 3073 * 1_000_001, b'0')),
            "expected CIFAR-10 records",
        );
    }

    #[test]
    fn a_subset_knows_its_positions() {
        use crate::array_file::{Array, npy_bytes};
        let folder = tempfile::tempdir().unwrap();
        let [train, test, index] =
            ["train.bin", "test.bin", "index.npy"].map(|name| folder.path().join(name));
        std::fs::write(&train, records(Cifar::Ten, 3, 0)).unwrap();
        std::fs::write(&test, records(Cifar::Ten, 1, 0)).unwrap();
        let with = |positions: &[i64]| {
            let array = Array::i64(&[positions.len()], positions.to_vec());
            std::fs::write(&index, npy_bytes(&array)).unwrap();
            load_subset(&train, &test, &index).map(|(.., positions)| positions)
        };
        assert_eq!(with(&[4, 7, 49_999]).unwrap(), [4, 7, 49_999]);
        for (positions, part) in [
            (&[1, 2][..], "has shape [2]; expected [3]"),
            (&[1, 2, 50_000], "names image 50000"),
            (&[1, 1, 2], "does not rise after entry 0"),
        ] {
            let message = with(positions).unwrap_err().to_string();
            assert!(message.contains(part), "{message}");
        }
    }
}
