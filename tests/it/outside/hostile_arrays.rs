//! Files made to harm a reader: each must be an error, soon, without a panic and without
//! memory beyond the file's own size.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use stratagram::array_file::{
    Array, NamedArrays, npy_bytes, npz_bytes, read_arrays, safetensors_bytes,
};
use tempfile::TempDir;
use zip::write::SimpleFileOptions;

use crate::support::time::within;

struct Case {
    directory: TempDir,
}

impl Case {
    fn new() -> Self {
        Self { directory: tempfile::tempdir().unwrap() }
    }

    fn write(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.directory.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    }

    /// Asserts that `bytes` are refused within a second, in a message with `part`.
    fn refused(&self, name: &str, bytes: &[u8], part: &str) {
        let path = self.write(name, bytes);
        refused(&path, part);
    }
}

fn refused(path: &Path, part: &str) {
    let read = || read_arrays(path).expect_err("the file is hostile");
    let message = within(Duration::from_secs(1), part, read).to_string();
    assert!(message.contains(part), "{message:?} does not say {part:?}");
    assert!(message.starts_with(&path.display().to_string()), "{message}");
    assert!(!message.contains(['\n', '\x1b']), "{message:?}");
}

/// A version 1 `.npy` with this header and these elements.
fn npy(header: &str, elements: &[u8]) -> Vec<u8> {
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend(u16::try_from(header.len()).unwrap().to_le_bytes());
    bytes.extend(header.as_bytes());
    bytes.extend(elements);
    bytes
}

fn npy_of(descr: &str, shape: &str, elements: &[u8]) -> Vec<u8> {
    npy(
        &format!("{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}}}"),
        elements,
    )
}

fn safetensors(header: &str, data: &[u8]) -> Vec<u8> {
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend(header.as_bytes());
    bytes.extend(data);
    bytes
}

fn zip(members: &[(&str, &[u8])], method: zip::CompressionMethod) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default().compression_method(method);
    for (name, bytes) in members {
        writer.start_file(*name, options).unwrap();
        writer.write_all(bytes).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

#[test]
fn nested_brackets_in_an_npy_header() {
    let case = Case::new();
    // 34 bytes that take parsers of Python values 13 seconds, doubling with every bracket.
    case.refused("a.npy", &npy(&"[".repeat(24), b""), "`[[[");
    case.refused("b.npy", &npy(&"[".repeat(9000), b""), "a dictionary");
    case.refused("c.npy", &npy_of("'<f4'", &"(".repeat(5000), b""), "a length");
    case.refused("d.npy", &npy_of(&"[".repeat(5000), "(1,)", b""), "plain element type");
}

#[test]
fn npy_files_that_claim_what_they_do_not_hold() {
    let case = Case::new();
    case.refused("a.npy", &npy_of("'<f4'", "(8589934592,)", b""), "34359738368");
    case.refused(
        "b.npy",
        &npy_of("'<f8'", "(4294967296, 4294967296)", b""),
        "impossible",
    );
    case.refused("c.npy", &npy_of("'<f8'", "(2305843009213693952,)", b""), "impossible");
    case.refused("d.npy", &npy_of("'<f8'", "(18446744073709551616,)", b""), "a length");
    case.refused("e.npy", &npy_of("'<f4'", "(2,)", &[0; 12]), "12 bytes");
    let huge_header = [b"\x93NUMPY\x02\x00".as_slice(), &u32::MAX.to_le_bytes()].concat();
    case.refused("f.npy", &huge_header, "declares a header");
    case.refused("g.npy", &npy(&" ".repeat(10_001), b""), "declares a header");
    // An empty array may name any other length.
    let empty = case.write("h.npy", &npy_of("'<f4'", "(0, 99999999999)", b""));
    assert_eq!(read_arrays(&empty).unwrap().0[0].1.shape, [0, 99_999_999_999]);
}

#[test]
fn npy_files_of_objects_and_strange_headers() {
    let case = Case::new();
    case.refused("a.npy", &npy_of("'|O'", "(1,)", b"cos\nsystem\n"), "pickled");
    case.refused("b.npy", &npy_of("[('x', '|O')]", "(1,)", b""), "plain element type");
    case.refused("c.npy", &npy_of("'<U9'", "(1,)", &[0; 36]), "of text");
    case.refused("d.npy", &npy_of("'<c8'", "(1,)", &[0; 8]), "<c8");
    case.refused("e.npy", &npy_of("'>c16'", "(1,)", &[0; 16]), ">c16");
    case.refused("f.npy", &npy_of("'<f4'", "(-1,)", &[0; 4]), "a length, 0 or more");
    case.refused("g.npy", &npy_of("'<f4'", "(nan,)", &[0; 4]), "a length, 0 or more");
    case.refused("h.npy", &npy_of("'<f4'", "(1e3,)", &[0; 4]), "a comma");
    case.refused("i.npy", &npy_of("'<f4'", "None", &[0; 4]), "a tuple");
    case.refused("j.npy", &npy("\u{feff}{}", b""), "a dictionary");
    case.refused("k.npy", &npy("{}", b""), "too few entries");
    case.refused("l.npy", &npy("{'\x1b[31m\n': 1}", b""), "\\u{1b}[31m\\n");
    case.refused("m.npy", b"\xef\xbb\xbf\x93NUMPY\x01\x00", "does not start");
    case.refused("n.npy", b"", "has 0 bytes");
    case.refused("o.npy", b"\x93NUMPY\x09\x00v\x00{}", "version 9");
    case.refused("p.npy", &npy_of("'|b1'", "(1,)", &[7]), "7 among booleans");
    case.refused("q.npy", &npy_of("'<u8'", "(1,)", &[255; 8]), "over 2⁶³");
}

#[test]
fn every_truncation_and_extension_of_a_file() {
    let case = Case::new();
    let array = Array::f32(&[2, 2], vec![1.0, 2.0, 3.0, 4.0]);
    let arrays = NamedArrays(vec![
        ("a".into(), array.clone()),
        ("n".into(), Array::i64(&[], vec![3])),
    ]);
    let files = [
        ("x.npy", npy_bytes(&array)),
        ("x.npz", npz_bytes(&arrays)),
        ("x.safetensors", safetensors_bytes(&arrays)),
    ];
    for (name, bytes) in files {
        for length in 0..bytes.len() {
            case.refused(name, &bytes[..length], "");
        }
        if name != "x.npz" {
            case.refused(name, &[&bytes[..], &[0]].concat(), "bytes");
        }
        read_arrays(&case.write(name, &bytes)).unwrap();
    }
}

#[test]
fn every_flipped_bit_is_an_error_or_an_array() {
    let case = Case::new();
    let arrays = NamedArrays(vec![("a".into(), Array::f32(&[2], vec![1.0, 2.0]))]);
    let files = [
        ("x.npy", npy_bytes(&arrays.0[0].1)),
        ("x.npz", npz_bytes(&arrays)),
        ("x.safetensors", safetensors_bytes(&arrays)),
    ];
    let mut read = 0;
    within(Duration::from_secs(6), "every flipped bit", || {
        for (name, bytes) in files {
            for bit in 0..8 * bytes.len() {
                let mut damaged = bytes.clone();
                damaged[bit / 8] ^= 1 << (bit % 8);
                // Whatever the outcome, no panic and no large allocation.
                read += usize::from(read_arrays(&case.write(name, &damaged)).is_ok());
            }
        }
    });
    // Flips inside the elements of the two formats without a checksum, at least, are read.
    assert!(read >= 2 * 64, "{read}");
}

#[test]
fn archives_with_two_members_of_one_name() {
    let case = Case::new();
    let member = npy_bytes(&Array::u8(&[1], vec![1]));
    let stored = zip::CompressionMethod::Stored;
    // The writer refuses duplicates, so a name of the same length is changed in the bytes.
    let mut bytes = zip(&[("a.npy", &member), ("b.npy", &member)], stored);
    for at in 0..bytes.len() - 5 {
        if &bytes[at..at + 5] == b"b.npy" {
            bytes[at] = b'a';
        }
    }
    case.refused("a.npz", &bytes, "two members of one name");
    // `a` and `a.npy` are both called `a`.
    case.refused("b.npz", &zip(&[("a", &member), ("a.npy", &member)], stored), "`a`");
}

#[test]
fn archives_that_unpack_to_far_more_than_their_length() {
    let case = Case::new();
    let deflated = zip::CompressionMethod::Deflated;
    let bomb = npy_of("'|u1'", "(100000000,)", &vec![0; 100_000_000]);
    let bytes = zip(&[("a.npy", &bomb)], deflated);
    assert!(bytes.len() < 200_000);
    case.refused("a.npz", &bytes, "unpacks to 1000000");
    // A small member that declares 1 MB and unpacks to more, and one that holds less.
    let member = npy_of("'|u1'", "(1000000,)", &vec![0; 1_000_000]);
    let honest = zip(&[("a.npy", &member)], deflated);
    read_arrays(&case.write("b.npz", &honest)).unwrap();
    let size = u32::try_from(member.len()).unwrap();
    for declared in [size - 1, size + 1, size / 2, 8 * size] {
        let lie = replaced(&honest, &size.to_le_bytes(), &declared.to_le_bytes());
        case.refused("c.npz", &lie, "");
    }
}

#[test]
fn archives_of_something_else() {
    let case = Case::new();
    let stored = zip::CompressionMethod::Stored;
    case.refused("a.npz", b"PK\x03\x04", "zip archive");
    case.refused("b.npz", b"", "zip archive");
    case.refused("c.npz", &zip(&[("a.npy", b"hello, world")], stored), "does not start");
    case.refused("d.npz", &zip(&[("../../x\x1b", b"")], stored), "../../x");
    let object = npy_of("'|O'", "(1,)", b"cos\nsystem\n");
    case.refused("e.npz", &zip(&[("a.npy", &object)], stored), "pickled");
    // A checksum that does not match.
    let array = npy_bytes(&Array::u8(&[4], vec![11, 12, 13, 14]));
    let damaged = replaced(
        &zip(&[("a.npy", &array)], stored),
        &[11, 12, 13, 14],
        &[11, 12, 13, 15],
    );
    case.refused("f.npz", &damaged, "hecksum");
    // The end of a zip archive that declares 65,535 members.
    let mut end = b"PK\x05\x06\0\0\0\0".to_vec();
    end.extend([0xff; 4]);
    end.extend([0; 10]);
    case.refused("g.npz", &end, "zip archive");
}

fn replaced(bytes: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    assert_eq!(from.len(), to.len());
    let mut result = bytes.to_vec();
    let mut count = 0;
    for at in 0..=bytes.len() - from.len() {
        if &bytes[at..at + from.len()] == from {
            result[at..at + from.len()].copy_from_slice(to);
            count += 1;
        }
    }
    assert!(count > 0, "nothing to replace");
    result
}

#[test]
fn safetensors_with_hostile_headers() {
    let case = Case::new();
    case.refused("a.safetensors", &(1_u64 << 63).to_le_bytes(), "declares a header");
    case.refused("b.safetensors", &u64::MAX.to_le_bytes(), "declares a header");
    case.refused("c.safetensors", &safetensors(&"[".repeat(100_000), b""), "malformed");
    case.refused("d.safetensors", &safetensors("\u{feff}{}", b""), "malformed");
    let tensor = |shape: &str, end: &str, data: &[u8]| {
        let entry = format!(
            r#"{{"a":{{"dtype":"F32","shape":{shape},"data_offsets":[0,{end}]}}}}"#
        );
        safetensors(&entry, data)
    };
    let refused = |bytes: &[u8], part: &str| case.refused("e.safetensors", bytes, part);
    refused(&tensor("[4294967296,4294967296,4]", "0", b""), "malformed");
    refused(&tensor("[8589934592]", "34359738368", b""), "has 8");
    refused(&tensor("[-1]", "4", &[0; 4]), "malformed");
    refused(&tensor("[NaN]", "4", &[0; 4]), "malformed");
    refused(&tensor("[2]", "4", &[0; 4]), "malformed");
    refused(&tensor("[1]", "4", &[0; 9]), "bytes");
    refused(&tensor(&format!("[{}1]", "1,".repeat(40)), "4", &[0; 4]), "41 axes");
    refused(&tensor("[1]", "4", &[0; 4]).replace_dtype("F32", "C64"), "malformed");
    refused(&tensor("[8]", "4", &[0; 4]).replace_dtype("F32", "F4\""), "malformed");
    let long = format!(
        r#"{{"{}":{{"dtype":"U8","shape":[0],"data_offsets":[0,0]}}}}"#,
        "x".repeat(5000)
    );
    refused(&safetensors(&long, b""), "5000 bytes");
    let overlap = r#"{"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},
        "b":{"dtype":"U8","shape":[2],"data_offsets":[1,3]}}"#;
    refused(&safetensors(overlap, &[0; 3]), "malformed");
}

trait ReplaceDtype {
    fn replace_dtype(&self, from: &str, to: &str) -> Vec<u8>;
}

impl ReplaceDtype for Vec<u8> {
    fn replace_dtype(&self, from: &str, to: &str) -> Vec<u8> {
        replaced(self, from.as_bytes(), to.as_bytes())
    }
}

#[test]
fn safetensors_of_too_many_tensors() {
    let case = Case::new();
    let entries: Vec<String> = (0..100_001)
        .map(|i| format!(r#""{i}":{{"dtype":"U8","shape":[0],"data_offsets":[0,0]}}"#))
        .collect();
    let header = format!("{{{}}}", entries.join(","));
    assert!(header.len() < 10_000_000);
    case.refused("a.safetensors", &safetensors(&header, b""), "100001 tensors");
    case.refused("b.safetensors", &safetensors(&" ".repeat(10_000_001), b""), "header");
}

#[test]
fn pickles_and_things_that_are_no_files() {
    let case = Case::new();
    for name in ["x.pt", "x.PTH", "x.ckpt", "x.bin", "x.pkl"] {
        case.refused(name, b"cos\nsystem\n(S'true'\ntR.", "pickled");
    }
    case.refused("x.txt", b"", "unknown extension");
    let directory = case.directory.path().join("d.npy");
    std::fs::create_dir(&directory).unwrap();
    refused(&directory, "not a regular file");
    refused(&case.directory.path().join("none.npz"), "cannot be read");
}

#[cfg(unix)]
#[test]
fn devices_are_not_read() {
    let case = Case::new();
    let link = case.directory.path().join("zero.npy");
    std::os::unix::fs::symlink("/dev/zero", &link).unwrap();
    refused(&link, "not a regular file");
}
