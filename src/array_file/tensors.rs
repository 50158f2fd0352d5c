//! Hugging Face's `.safetensors`: named tensors behind a JSON header.

use std::collections::HashMap;
use std::io::{BufReader, Read};
use std::path::Path;

use safetensors::Dtype;
use safetensors::tensor::{Metadata, TensorInfo, TensorView};

use super::element::{Element, read_error};
use super::{Array, MAX_AXES, NamedArrays, Values, open, printable, show};
use crate::error::{Error, Result};

/// The header's largest size, a tenth of the format's own limit: parsing more is slow.
const MAX_HEADER: u64 = 10_000_000;

/// The largest number of tensors.
const MAX_TENSORS: usize = 50_000;

/// The longest name, in bytes.
const MAX_NAME: usize = 4096;

/// Reads a `.safetensors` file, in the order of the tensors' bytes.
///
/// F64, F32, F16, BF16, I64 to I8, U64 to U8 and BOOL are read.
///
/// # Errors
/// If the file cannot be read, its header is malformed, over 10 MB or names over 50,000
/// tensors, a tensor's shape does not match its bytes, or an element type is another.
pub fn read_safetensors(path: &Path) -> Result<NamedArrays> {
    let (file, length) = open(path)?;
    let mut reader = BufReader::new(file);
    let metadata = read_header(&mut reader, length, path)?;
    let mut tensors: Vec<(String, &TensorInfo)> =
        metadata.tensors().into_iter().collect();
    if tensors.len() > MAX_TENSORS {
        return Err(too_many(path, tensors.len()));
    }
    // Empty tensors share their place; the names decide their order.
    tensors.sort_by(|a, b| {
        a.1.data_offsets.cmp(&b.1.data_offsets).then_with(|| a.0.cmp(&b.0))
    });
    let mut arrays = NamedArrays::default();
    for (name, info) in tensors {
        let array = read_tensor(&mut reader, &name, info, path)?;
        arrays.push(name, array);
    }
    Ok(arrays)
}

/// The header, with every tensor's bytes inside the file, without gap or overlap.
fn read_header(reader: &mut dyn Read, length: u64, path: &Path) -> Result<Metadata> {
    let wrong = |found: String| Error::data(path, found);
    if length < 8 {
        return Err(wrong(format!("has {length} bytes")).expected("a .safetensors file"));
    }
    let mut size = [0; 8];
    reader.read_exact(&mut size).map_err(|error| read_error(path, "", error))?;
    let size = u64::from_le_bytes(size);
    if size > MAX_HEADER || size > length - 8 {
        return Err(wrong(format!("declares a header of {size} bytes"))
            .expected(format!("at most {MAX_HEADER}, and not beyond the file's end"))
            .fix(
                "write it with safetensors.torch.save_file; rename it if it is a pickle",
            ));
    }
    let mut header = vec![0; size as usize];
    reader.read_exact(&mut header).map_err(|error| read_error(path, "", error))?;
    // Counted before parsing, which is slow.
    let entries = header.windows(14).filter(|bytes| bytes == b"\"data_offsets\"").count();
    if entries > MAX_TENSORS {
        return Err(too_many(path, entries));
    }
    let metadata: Metadata = serde_json::from_slice(&header)
        .map_err(|error| wrong(format!("has a malformed header ({error})")))?;
    let tensors = metadata.tensors().len();
    if tensors < entries {
        return Err(wrong(format!("describes {entries} tensors under {tensors} names"))
            .expected("every name once"));
    }
    let end = 8 + size + metadata.data_len() as u64;
    if end != length {
        return Err(wrong(format!("has {length} bytes"))
            .expected(format!("{end}, as its header says"))
            .fix("copy or write the file again"));
    }
    Ok(metadata)
}

fn too_many(path: &Path, tensors: usize) -> Error {
    Error::data(path, format!("has {tensors} tensors"))
        .expected(format!("at most {MAX_TENSORS}"))
}

fn read_tensor(
    reader: &mut dyn Read,
    name: &str,
    info: &TensorInfo,
    path: &Path,
) -> Result<Array> {
    let place = format!("tensor `{}` ", printable(name));
    let wrong = |found: String| Error::data(path, format!("{place}{found}"));
    if name.len() > MAX_NAME || info.shape.len() > MAX_AXES {
        return Err(wrong(format!(
            "has a name of {} bytes, {} axes",
            name.len(),
            info.shape.len()
        ))
        .expected(format!("at most {MAX_NAME} bytes and {MAX_AXES} axes")));
    }
    let element = match info.dtype {
        Dtype::F64 => Element::F64,
        Dtype::F32 => Element::F32,
        Dtype::F16 => Element::F16,
        Dtype::BF16 => Element::Bf16,
        Dtype::I64 => Element::I64,
        Dtype::I32 => Element::I32,
        Dtype::I16 => Element::I16,
        Dtype::I8 => Element::I8,
        Dtype::U64 => Element::U64,
        Dtype::U32 => Element::U32,
        Dtype::U16 => Element::U16,
        Dtype::U8 => Element::U8,
        Dtype::BOOL => Element::Bool,
        other => {
            return Err(wrong(format!("has the element type {other:?}"))
                .expected("F64, F32, F16, BF16, I64 to I8, U64 to U8 or BOOL"));
        }
    };
    let (start, end) = info.data_offsets;
    if element.array_size(&info.shape) != Some((end - start) as u64) {
        return Err(wrong(format!("has {} bytes", end - start))
            .expected(format!("those of the shape {}", show(&info.shape))));
    }
    let n = info.shape.iter().product();
    let values =
        element.read(n, reader).map_err(|error| read_error(path, &place, error))?;
    Ok(Array { shape: info.shape.clone(), values })
}

/// The bytes of a `.safetensors` file that PyTorch loads: tensors by falling size of their
/// elements, then by name; the metadata holds the single key `format`, "pt".
///
/// # Panics
/// If two arrays have the same name.
pub fn safetensors_bytes(arrays: &NamedArrays) -> Vec<u8> {
    let bytes: Vec<Vec<u8>> =
        arrays.0.iter().map(|(_, array)| array.values.to_bytes()).collect();
    let views = arrays.0.iter().zip(&bytes).map(|((name, array), bytes)| {
        let dtype = match array.values {
            Values::F32(_) => Dtype::F32,
            Values::F64(_) => Dtype::F64,
            Values::U8(_) => Dtype::U8,
            Values::I64(_) => Dtype::I64,
            Values::Bool(_) => Dtype::BOOL,
        };
        let view = TensorView::new(dtype, array.shape.clone(), bytes);
        (name.as_str(), view.expect("an Array's shape matches its values"))
    });
    // One entry, so the map's order cannot show.
    let metadata = HashMap::from([("format".to_owned(), "pt".to_owned())]);
    let names: std::collections::BTreeSet<&str> = arrays.names().collect();
    assert_eq!(names.len(), arrays.0.len(), "two tensors have the same name");
    safetensors::serialize(views, Some(metadata)).expect("sizes were checked above")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back_by_size_and_name() {
        let arrays = NamedArrays(vec![
            ("bn1.weight".into(), Array::f32(&[2], vec![1.0, 2.0])),
            ("bn1.num_batches_tracked".into(), Array::i64(&[], vec![7])),
            ("b".into(), Array::bool(&[1], vec![true])),
            ("a".into(), Array::f32(&[1, 2], vec![3.0, f32::NAN.copysign(-1.0)])),
        ]);
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("x.safetensors");
        std::fs::write(&path, safetensors_bytes(&arrays)).unwrap();
        let read = read_safetensors(&path).unwrap();
        let names: Vec<&str> = read.names().collect();
        assert_eq!(names, ["bn1.num_batches_tracked", "a", "bn1.weight", "b"]);
        assert_eq!(read.get("bn1.weight"), arrays.get("bn1.weight"));
        assert_eq!(read.get("bn1.num_batches_tracked").unwrap().shape, [0; 0]);
        // NaN is kept bit by bit, so the bytes say it.
        assert_eq!(safetensors_bytes(&read), std::fs::read(&path).unwrap());
    }

    #[test]
    fn metadata_holds_the_format_alone() {
        let bytes = safetensors_bytes(&NamedArrays::default());
        assert!(bytes[8..].starts_with(br#"{"__metadata__":{"format":"pt"}}"#));
    }
}
