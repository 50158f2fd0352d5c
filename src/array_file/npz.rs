//! NumPy's `.npz`: a zip archive of `.npy` files, one array each.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{BufReader, Cursor, Read, Write};
use std::path::Path;

use zip::read::{ArchiveOffset, Config};
use zip::result::ZipError;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, ZipArchive, ZipWriter};

use super::element::read_error;
use super::npy::{self, Member};
use super::{Array, NamedArrays, open, printable};
use crate::error::{Error, Result};

/// Members beyond this are an attack, not a data set.
const MAX_MEMBERS: usize = 100_000;

/// An archive may unpack to this many times its length, plus [`FREE_SIZE`]: labels and masks
/// compress well, but the members of a decompression bomb do so a thousandfold.
const MAX_RATIO: u64 = 200;

/// What every archive may unpack to: 16 MiB.
const FREE_SIZE: u64 = 16 << 20;

/// Reads an `.npz` file, stored or deflated; members are called as in NumPy, without `.npy`.
///
/// # Errors
/// If the file cannot be read, is no such archive, has two members of one name or members
/// that overlap, unpacks to more than 200 times its length (beyond 16 MiB), or if a member is
/// not a readable `.npy` ([`read_npy`](super::read_npy)).
pub fn read_npz(path: &Path) -> Result<NamedArrays> {
    read_npz_members(path, |_| true)
}

/// Reads those members of an `.npz` file that are wanted by their names, and no others.
///
/// # Errors
/// As [`read_npz`], of the members that are read.
pub fn read_npz_members(
    path: &Path,
    wanted: impl Fn(&str) -> bool,
) -> Result<NamedArrays> {
    let mut arrays = NamedArrays::default();
    for (name, member) in members(path, wanted)? {
        let place = format!("member `{}` ", printable(&name));
        arrays.push(name, member.into_array(path, &place)?);
    }
    Ok(arrays)
}

/// Reads all members of an `.npz` file, of text and of objects, too.
///
/// # Errors
/// As [`read_npz`], but for members that are no numbers.
pub(crate) fn read_npz_any(path: &Path) -> Result<Vec<(String, Member)>> {
    members(path, |_| true)
}

fn members(path: &Path, wanted: impl Fn(&str) -> bool) -> Result<Vec<(String, Member)>> {
    let (file, length) = open(path)?;
    let mut archive = open_zip(file)
        .map_err(|error| damaged(path, &error).expected("the output of numpy.savez"))?;
    check(&mut archive, length, path)?;
    let mut names = BTreeSet::new();
    let mut found = vec![];
    for member in 0..archive.len() {
        // A name that cannot be read is an error of that member.
        if let Some(Ok(name)) = archive.name_for_index(member)
            && !wanted(name.strip_suffix(".npy").unwrap_or(&name))
        {
            continue;
        }
        let (name, member) = read_member(&mut archive, member, path)?;
        if !names.insert(name.clone()) {
            return Err(twice(path, &name));
        }
        found.push((name, member));
    }
    Ok(found)
}

/// Reads one member of an `.npz` file; `None` if there is none of that name. Only its own bytes
/// are read.
///
/// # Errors
/// As [`read_npz`].
pub fn read_npz_member(path: &Path, name: &str) -> Result<Option<Array>> {
    let (file, length) = open(path)?;
    let mut archive = open_zip(file)
        .map_err(|error| damaged(path, &error).expected("the output of numpy.savez"))?;
    check(&mut archive, length, path)?;
    let Some(member) = archive.index_for_name(&format!("{name}.npy")) else {
        return Ok(None);
    };
    let place = format!("member `{}` ", printable(name));
    Ok(Some(read_member(&mut archive, member, path)?.1.into_array(path, &place)?))
}

/// Opens an archive that begins where its file does.
///
/// Where that is not said, the zip crate looks for the directory where it would end at the last
/// record. But `torch.save` writes records of zip64 (76 bytes) between the two, and where the
/// second entry begins 76 bytes behind the first (a name of 30 bytes) it takes that for the
/// directory's start and every position for 76 bytes too small.
pub(crate) fn open_zip(
    file: File,
) -> std::result::Result<ZipArchive<BufReader<File>>, ZipError> {
    let config = Config { archive_offset: ArchiveOffset::Known(0) };
    ZipArchive::with_config(config, BufReader::new(file))
}

/// Checks the archive's directory: nothing is unpacked before.
fn check(
    archive: &mut ZipArchive<BufReader<File>>,
    length: u64,
    path: &Path,
) -> Result<()> {
    if archive.len() > MAX_MEMBERS {
        return Err(Error::data(path, format!("has {} members", archive.len()))
            .expected(format!("at most {MAX_MEMBERS}")));
    }
    if archive.has_duplicate_names() {
        return Err(twice(path, ""));
    }
    if archive.has_overlapping_entries().map_err(|error| damaged(path, &error))? {
        return Err(Error::data(path, "has members that share bytes")
            .expected("an ordinary archive")
            .fix("write it again with numpy.savez"));
    }
    let limit = length.saturating_mul(MAX_RATIO).saturating_add(FREE_SIZE);
    match archive.decompressed_size() {
        Some(size) if size <= u128::from(limit) => Ok(()),
        size => Err(Error::data(
            path,
            format!(
                "unpacks to {} bytes",
                size.map_or("an unknown number of".into(), |size| size.to_string())
            ),
        )
        .expected(format!("at most {limit} for an archive of {length} bytes"))
        .fix("write it with numpy.savez instead of savez_compressed")),
    }
}

fn read_member(
    archive: &mut ZipArchive<BufReader<File>>,
    member: usize,
    path: &Path,
) -> Result<(String, Member)> {
    let mut file = archive.by_index(member).map_err(|error| damaged(path, &error))?;
    let name = file.name().map_err(|error| damaged(path, &error))?.into_owned();
    let place = format!("member `{}` ", printable(&name));
    let size = file.size();
    let array = npy::read_member(&mut file, size, path, &place)?;
    // The checksum is compared when the member's end is reached.
    let rest = file.read(&mut [0]).map_err(|error| read_error(path, &place, error))?;
    if rest != 0 {
        return Err(Error::data(path, format!("{place}is longer than it declares")));
    }
    let name = name.strip_suffix(".npy").map_or(name.clone(), str::to_owned);
    Ok((name, array))
}

fn twice(path: &Path, name: &str) -> Error {
    let name =
        if name.is_empty() { String::new() } else { format!(" `{}`", printable(name)) };
    Error::data(path, format!("has two members of one name{name}"))
        .expected("every name once")
        .fix("write it again with numpy.savez")
}

fn damaged(path: &Path, error: &ZipError) -> Error {
    Error::data(path, format!("is not a readable zip archive ({error})"))
}

/// The bytes of an `.npz` file: members stored, in the given order, dated 1980-01-01.
///
/// # Panics
/// If two arrays have the same name.
pub fn npz_bytes(arrays: &NamedArrays) -> Vec<u8> {
    let options = SimpleFileOptions::default()
        .compression_method(CompressionMethod::Stored)
        .last_modified_time(DateTime::default())
        .unix_permissions(0o644);
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, array) in &arrays.0 {
        let bytes = npy::npy_bytes(array);
        let options = options.large_file(bytes.len() > u32::MAX as usize);
        writer
            .start_file(format!("{name}.npy"), options)
            .unwrap_or_else(|error| panic!("npz member {name:?}: {error}"));
        writer.write_all(&bytes).expect("memory can be written");
    }
    writer.finish().expect("memory can be written").into_inner()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back_in_order() {
        let arrays = NamedArrays(vec![
            ("z".into(), Array::i64(&[2], vec![1, -1])),
            ("a".into(), Array::f32(&[1, 2], vec![0.5, 2.0])),
            ("mask".into(), Array::bool(&[3], vec![true, false, true])),
        ]);
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("x.npz");
        let bytes = npz_bytes(&arrays);
        assert_eq!(bytes, npz_bytes(&arrays));
        std::fs::write(&path, bytes).unwrap();
        assert_eq!(read_npz(&path).unwrap(), arrays);
        let one = read_npz_members(&path, |name| name == "a").unwrap();
        assert_eq!(one.0, arrays.0[1..2]);
    }

    #[test]
    fn archives_of_numpy_are_read() {
        let path = Path::new("tests/oracles/probe/data.npz");
        let arrays = read_npz(path).unwrap();
        let x = arrays.get("X").unwrap();
        let y = arrays.get("y").unwrap();
        assert_eq!(x.shape[0], y.shape[0]);
        assert!(y.to_i64().is_some());
    }
}
