//! Files of `torch.save`: the zip format and the one before it. Tensors come out, nothing is run,
//! and every size is checked against the file before memory is taken.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::Path;

use zip::{CompressionMethod, ZipArchive};

use super::checkpoint::Checkpoint;
use super::pickle::{Place, StorageType, TensorRef, Unpickled, unpickle};
use super::tree::{Found, find};
use crate::array_file::{
    Array, Element, NamedArrays, Values, open_zip, printable, read_error,
};
use crate::error::{Error, Result};

/// What a file of the zip format begins with.
pub(super) const ZIP: [u8; 4] = *b"PK\x03\x04";

/// What a file of the old format begins with: its magic number, pickled.
pub(super) const LEGACY: [u8; 15] =
    [0x80, 2, 0x8a, 10, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19, b'.'];

/// Members of an archive, or storages.
const MAX_MEMBERS: usize = 100_000;

/// The longest description of the tensors.
const MAX_PICKLE: u64 = 32 << 20;

/// Tensors that share storages may take this many times the file's length.
const MAX_RATIO: u64 = 4;

/// Reads a checkpoint of the zip format; `key` names the dictionary of tensors where there are
/// several.
pub(super) fn read_zip(file: File, path: &Path, key: Option<&str>) -> Result<Checkpoint> {
    let damaged = |error: zip::result::ZipError| {
        Error::data(path, format!("is not a readable zip archive ({error})"))
            .fix("copy or save the file again")
    };
    let length = file.metadata().map_err(|e| Error::io(path, "cannot be read", e))?.len();
    let mut archive = open_zip(file).map_err(damaged)?;
    let prefix = check_members(&mut archive, path)?;
    check_byte_order(&mut archive, &prefix, path)?;
    let name = format!("{prefix}data.pkl");
    let bytes = member(&mut archive, &name, MAX_PICKLE, path)?;
    let pickle = unpickle(&bytes, Place { path, member: &name, start: 0 })?;
    let found = find(&pickle, path, key)?;
    check_total(&pickle, &found, length, path)?;
    let mut storages = BTreeMap::new();
    for tensor in &found.tensors {
        let index = pickle.tensors[tensor.1].storage;
        if storages.contains_key(&index) {
            continue;
        }
        let storage = &pickle.storages[index];
        let name = format!("{prefix}data/{}", storage.key);
        let expected = (storage.elements as u64).checked_mul(size_of(storage.of));
        let mut member = archive.by_name(&name).map_err(|_| {
            Error::data(path, format!("has no member `{}`", printable(&name)))
                .expected("one for every storage")
        })?;
        if Some(member.size()) != expected {
            let found =
                format!("member `{}` has {} bytes", printable(&name), member.size());
            return Err(Error::data(path, found)
                .expected(format!("{} elements of {:?}", storage.elements, storage.of)));
        }
        let values = read_values(storage.of, storage.elements, &mut member, path, &name)?;
        // The checksum is compared when the member's end is reached.
        let rest = member.read(&mut [0]).map_err(|e| read_error(path, &name, e))?;
        if rest != 0 {
            return Err(Error::data(
                path,
                format!("member `{}` is too long", printable(&name)),
            ));
        }
        storages.insert(index, values);
    }
    Ok(checkpoint(&pickle, found, &storages))
}

/// Checks the archive's directory before anything of it is read; gives the folder of all
/// members, with its slash.
fn check_members(
    archive: &mut ZipArchive<BufReader<File>>,
    path: &Path,
) -> Result<String> {
    let wrong = |found: String| {
        Err(Error::data(path, found).expected("an archive as torch.save writes it"))
    };
    if archive.len() > MAX_MEMBERS {
        return wrong(format!("has {} members", archive.len()));
    }
    if archive.has_duplicate_names() {
        return wrong("has two members of one name".into());
    }
    let mut names = BTreeSet::new();
    for index in 0..archive.len() {
        let member = archive.by_index_raw(index).map_err(|error| {
            Error::data(path, format!("has a damaged member ({error})"))
        })?;
        let name = match member.name() {
            Ok(name) => name.into_owned(),
            Err(_) => return wrong(format!("has member {index} whose name is no text")),
        };
        let parts = name.split('/').any(|part| part == "..");
        if parts || name.starts_with('/') || name.contains(['\\', '\0', ':']) {
            return wrong(format!("has the member `{}`", printable(&name)));
        }
        if member.compression() != CompressionMethod::Stored || member.encrypted() {
            return wrong(format!("has the packed member `{}`", printable(&name)));
        }
        if member.size() != member.compressed_size() {
            return wrong(format!("has the member `{}` of two sizes", printable(&name)));
        }
        if !names.insert(name.clone()) {
            return wrong(format!("has two members `{}`", printable(&name)));
        }
    }
    if archive.has_overlapping_entries().unwrap_or(true) {
        return wrong("has members that share bytes".into());
    }
    let pickles: Vec<&str> =
        names.iter().filter_map(|name| name.strip_suffix("data.pkl")).collect();
    match pickles[..] {
        [prefix] if names.contains(&format!("{prefix}constants.pkl")) => {
            Err(Error::data(path, "is a TorchScript program, which is never run")
                .expected("a state_dict")
                .fix("save one: torch.save(torch.jit.load(FILE).state_dict(), \"epoch-1.pt\")"))
        }
        [prefix] if prefix.is_empty() || prefix.ends_with('/') => Ok(prefix.to_owned()),
        [] => wrong("has no member `data.pkl`".into()),
        _ => wrong(format!("has {} members `data.pkl`", pickles.len())),
    }
}

/// That elements are little-endian; files of PyTorch before 2.0 do not say.
fn check_byte_order(
    archive: &mut ZipArchive<BufReader<File>>,
    prefix: &str,
    path: &Path,
) -> Result<()> {
    let name = format!("{prefix}byteorder");
    if archive.index_for_name(&name).is_none() {
        return Ok(());
    }
    match &member(archive, &name, 100, path)?[..] {
        b"little" => Ok(()),
        other => Err(big_endian(path, &printable(&String::from_utf8_lossy(other)))),
    }
}

fn big_endian(path: &Path, found: &str) -> Error {
    Error::data(path, format!("has elements in the byte order \"{found}\""))
        .expected("\"little\"")
        .fix("load and save it on a little-endian machine")
}

/// The bytes of a small member.
fn member(
    archive: &mut ZipArchive<BufReader<File>>,
    name: &str,
    limit: u64,
    path: &Path,
) -> Result<Vec<u8>> {
    let place = format!("member `{}` ", printable(name));
    let wrong = |found: String| Error::data(path, format!("{place}{found}"));
    let mut member =
        archive.by_name(name).map_err(|error| wrong(format!("is damaged ({error})")))?;
    if member.size() > limit {
        return Err(wrong(format!("has {} bytes", member.size()))
            .expected(format!("at most {limit}")));
    }
    let mut bytes = vec![];
    let read = member.by_ref().take(limit + 1).read_to_end(&mut bytes);
    read.map_err(|error| read_error(path, &place, error))?;
    Ok(bytes)
}

/// Reads a checkpoint of the format before PyTorch 1.6: magic number, version, system, object
/// and storage keys as pickles, then each storage behind its length.
pub(super) fn read_legacy(
    mut file: File,
    path: &Path,
    key: Option<&str>,
) -> Result<Checkpoint> {
    let io = |error| Error::io(path, "cannot be read", error);
    let length = file.metadata().map_err(io)?.len();
    // The pickles' length is not stored; they are small, the storages behind them are not.
    let mut head = vec![];
    file.by_ref().take(MAX_PICKLE).read_to_end(&mut head).map_err(io)?;
    let mut at = LEGACY.len();
    let mut next = |expected: &str| {
        let place = Place { path, member: "", start: at };
        let pickle =
            unpickle(&head[at..], place).map_err(|error| match head.len() - at {
                0 => Error::data(path, "ends early").expected(expected.to_owned()),
                _ => error,
            })?;
        at += pickle.length;
        Ok::<_, Error>(pickle)
    };
    next("its version")?;
    let system = next("its byte order")?;
    if system.entry("little_endian") != Some(super::pickle::Value::Bool(true)) {
        return Err(big_endian(path, "big or unknown"));
    }
    let pickle = next("the object that was saved")?;
    let keys = next("the keys of its storages")?;
    let found = find(&pickle, path, key)?;
    check_total(&pickle, &found, length, path)?;
    let wanted: BTreeSet<usize> =
        found.tensors.iter().map(|(_, tensor)| pickle.tensors[*tensor].storage).collect();
    let by_key: BTreeMap<&str, usize> = pickle
        .storages
        .iter()
        .enumerate()
        .map(|(at, storage)| (storage.key, at))
        .collect();
    file.seek(SeekFrom::Start(at as u64)).map_err(io)?;
    let mut file = BufReader::new(file);
    let mut position = at as u64;
    let mut storages = BTreeMap::new();
    let Some(keys) = keys.texts() else {
        return Err(Error::data(path, format!("byte {at}: has no list of storage keys")));
    };
    for key in keys {
        let name = format!("storage `{}` at byte {position} ", printable(key));
        let wrong = |found: String| Error::data(path, format!("{name}{found}"));
        let Some(&index) = by_key.get(key) else {
            return Err(wrong("belongs to no tensor".into()));
        };
        let storage = &pickle.storages[index];
        let mut elements = [0; 8];
        file.read_exact(&mut elements).map_err(|error| read_error(path, &name, error))?;
        let elements = u64::from_le_bytes(elements);
        if elements != storage.elements as u64 {
            return Err(wrong(format!("declares {elements} elements"))
                .expected(format!("{}, as its tensor says", storage.elements)));
        }
        let bytes = elements.checked_mul(size_of(storage.of));
        position += 8;
        let Some(bytes) = bytes.filter(|&bytes| bytes <= length - position.min(length))
        else {
            return Err(wrong(format!("has {elements} elements of {:?}", storage.of))
                .expected(format!("at most the file's {length} bytes")));
        };
        position += bytes;
        if wanted.contains(&index) {
            let values =
                read_values(storage.of, storage.elements, &mut file, path, &name)?;
            if storages.insert(index, values).is_some() {
                return Err(wrong("is there twice".into()));
            }
        } else {
            file.seek_relative(bytes as i64).map_err(io)?;
        }
    }
    if let Some(missing) = wanted.iter().find(|index| !storages.contains_key(index)) {
        let key = printable(pickle.storages[*missing].key);
        return Err(Error::data(path, format!("has no storage `{key}`")));
    }
    Ok(checkpoint(&pickle, found, &storages))
}

/// That the wanted tensors take no more than a few times the file's length, and that no two
/// share a part of a storage.
fn check_total(
    pickle: &Unpickled<'_>,
    found: &Found<'_>,
    length: u64,
    path: &Path,
) -> Result<()> {
    let mut bytes = 0_u64;
    let mut ranges = vec![];
    for (name, tensor) in &found.tensors {
        let TensorRef { storage, offset, .. } = pickle.tensors[*tensor];
        let storage_ref = &pickle.storages[storage];
        let tensor = &pickle.tensors[*tensor];
        let own = (tensor.elements() as u64).saturating_mul(size_of(storage_ref.of));
        bytes = bytes.saturating_add(own);
        ranges.push((storage, offset, tensor.end().unwrap_or(usize::MAX), name));
    }
    let limit = length.saturating_mul(MAX_RATIO);
    let needed = found.tensors.iter().map(|(_, tensor)| pickle.tensors[*tensor].storage);
    let needed: BTreeSet<usize> = needed.collect();
    let stored = needed.iter().fold(0_u64, |sum, &index| {
        let storage = &pickle.storages[index];
        let own = (storage.elements as u64).saturating_mul(size_of(storage.of));
        sum.saturating_add(own)
    });
    if bytes > limit || stored > length {
        let found = format!("has tensors of {bytes} bytes in storages of {stored}");
        return Err(Error::data(path, found)
            .expected(format!("no more than a file of {length} bytes holds")));
    }
    ranges.sort_unstable();
    for pair in ranges.windows(2) {
        let [(storage, start, end, one), (other, next, next_end, two)] = pair else {
            continue;
        };
        let same = (start, end) == (next, next_end);
        if storage == other && next < end && next < next_end && !same {
            let [one, two] = [one, two].map(|name| printable(name));
            return Err(Error::data(
                path,
                format!("has tensors `{one}` and `{two}` that overlap"),
            )
            .expected("tensors of their own, or the same one twice")
            .fix("save copies: {k: v.clone() for k, v in model.state_dict().items()}"));
        }
    }
    Ok(())
}

/// The tensors in row-major order.
fn checkpoint(
    pickle: &Unpickled<'_>,
    found: Found<'_>,
    storages: &BTreeMap<usize, Values>,
) -> Checkpoint {
    let mut weights = NamedArrays::default();
    for (name, tensor) in &found.tensors {
        let tensor = &pickle.tensors[*tensor];
        let values = gather(tensor, &storages[&tensor.storage]);
        weights.push(*name, Array { shape: tensor.shape.clone(), values });
    }
    let Found { key, beside, notes, .. } = found;
    Checkpoint { weights, key, beside, notes }
}

fn gather(tensor: &TensorRef, storage: &Values) -> Values {
    let at = positions(tensor);
    match storage {
        Values::F32(values) => Values::F32(at.into_iter().map(|i| values[i]).collect()),
        Values::F64(values) => Values::F64(at.into_iter().map(|i| values[i]).collect()),
        Values::U8(values) => Values::U8(at.into_iter().map(|i| values[i]).collect()),
        Values::I64(values) => Values::I64(at.into_iter().map(|i| values[i]).collect()),
        Values::Bool(values) => Values::Bool(at.into_iter().map(|i| values[i]).collect()),
    }
}

/// The storage's position of each element, in row-major order.
fn positions(tensor: &TensorRef) -> Vec<usize> {
    let mut at = vec![tensor.offset];
    if tensor.shape.contains(&0) {
        return vec![];
    }
    for (&length, &stride) in tensor.shape.iter().zip(&tensor.strides) {
        let inner = |first: usize| (0..length).map(move |i| first + i * stride);
        at = at.into_iter().flat_map(inner).collect();
    }
    at
}

fn read_values(
    of: StorageType,
    elements: usize,
    reader: &mut dyn Read,
    path: &Path,
    place: &str,
) -> Result<Values> {
    element(of).read(elements, reader).map_err(|error| read_error(path, place, error))
}

fn size_of(of: StorageType) -> u64 {
    element(of).size() as u64
}

fn element(of: StorageType) -> Element {
    match of {
        StorageType::F64 => Element::F64,
        StorageType::F32 => Element::F32,
        StorageType::F16 => Element::F16,
        StorageType::Bf16 => Element::Bf16,
        StorageType::I64 => Element::I64,
        StorageType::I32 => Element::I32,
        StorageType::I16 => Element::I16,
        StorageType::I8 => Element::I8,
        StorageType::U8 => Element::U8,
        StorageType::Bool => Element::Bool,
    }
}
