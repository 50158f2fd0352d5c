//! Checkpoints made to run code, to exhaust memory or time, or to lead astray: each is refused
//! in less than a second, with a message that names file and place, and nothing is written.

use std::fs;
use std::path::Path;
use std::time::Duration;

use stratagram::array_file::Values;
use stratagram::import::read_checkpoint;

use crate::support::time::within;
use crate::support::torch::{Member, Pickle, archive, member, zip};

/// A file of the format before PyTorch 1.6.
fn legacy(little: bool, pickle: &[u8], keys: &[u8], storages: &[u8]) -> Vec<u8> {
    let mut out = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.".to_vec();
    out.extend(b"\x80\x02M\xe9\x03.");
    let order: &[u8] = if little { b"\x88" } else { b"\x89" };
    out.extend(Pickle::new().raw(b"}").text("little_endian").raw(order).raw(b"s.").0);
    out.extend(pickle);
    out.extend(keys);
    out.extend(storages);
    out
}

fn keys() -> Vec<u8> {
    Pickle::new().raw(b"](").text("0").raw(b"e.").0
}

/// Four f32 behind their number.
fn storage(elements: u64) -> Vec<u8> {
    let values = [1.0_f32, 2.0, 3.0, 4.0].into_iter().flat_map(f32::to_le_bytes);
    elements.to_le_bytes().into_iter().chain(values).collect()
}

/// Name of the file, its bytes, and what the message must say.
type Hostile = (&'static str, Vec<u8>, &'static str);

/// Four values in a 2×2 tensor, as they should be.
fn good() -> Vec<u8> {
    Pickle::one(4, 0, &[2, 2], &[2, 1])
}

fn values() -> Vec<u8> {
    storage(4)[8..].to_vec()
}

/// Pickles that call something, or that are no pickles.
fn programs() -> Vec<Hostile> {
    let data = &values();
    let stack_global =
        Pickle::new().text("os").text("system").raw(b"\x93(").text("x").raw(b"tR.");
    vec![
        (
            "system.pt",
            archive(&Pickle::call("os", "system"), data),
            "an object of `os.system`, which is never run",
        ),
        ("posix.pt", archive(&Pickle::call("posix", "system"), data), "`posix.system`"),
        ("eval.pt", archive(&Pickle::call("builtins", "eval"), data), "`builtins.eval`"),
        ("getattr.pt", archive(&Pickle::call("torch", "load"), data), "`torch.load`"),
        ("stack.pt", archive(&stack_global.0, data), "an object of `os.system`"),
        (
            "inst.pt",
            archive(b"\x80\x02(ios\nsystem\n.", data),
            "`os.system`, which is never",
        ),
        ("newobj.pt", archive(b"\x80\x02)\x81.", data), "NEWOBJ finds the stack empty"),
        ("ext.pt", archive(b"\x80\x02\x82\x01.", data), "EXT is not an opcode"),
        ("build.pt", archive(b"\x80\x02]}b.", data), "BUILD sets the state"),
        (
            "reduce.pt",
            archive(&Pickle::new().text("x").raw(b")R.").0, data),
            "is no function",
        ),
        (
            "text.pt",
            archive(b"\x80\x02X\xff\xff\xff\x7fabc", data),
            "needs 2147483647 bytes",
        ),
        (
            "frame.pt",
            archive(b"\x80\x04\x95\xff\xff\xff\xff\xff\xff\xff\xff.", data),
            "FRAME",
        ),
        ("protocol.pt", archive(b"\x80\x63.", data), "is of protocol 99"),
        ("memo.pt", archive(b"\x80\x02Nr\xff\xff\xff\x7f.", data), "memo of 0"),
        ("unknown.pt", archive(b"\x80\x02h\x07.", data), "reads entry 7"),
        ("empty.pt", archive(b"\x80\x02.", data), "finds the stack empty"),
    ]
}

/// Pickles that grow.
fn bombs() -> Vec<Hostile> {
    let data = &values();
    let nested = {
        let mut pickle = Pickle::new();
        pickle.0.extend(vec![b'('; 100_000]);
        pickle.0
    };
    let lists = {
        let mut pickle = Pickle::new().raw(&vec![b']'; 1_000_000]);
        pickle.0.extend(vec![b'a'; 999_999]);
        pickle.raw(b".").0
    };
    let many = Pickle::new().raw(&vec![b'N'; 3_000_000]).raw(b".").0;
    // Each dictionary holds the one before many times: 1000³ paths.
    let laughs = {
        let mut pickle = Pickle::new();
        for level in 0..4_u8 {
            pickle = pickle.raw(b"}q").raw(&[level]).raw(b"(");
            for i in 0..1000 {
                pickle = pickle.text(&format!("k{i}"));
                pickle = match level.checked_sub(1) {
                    Some(below) => pickle.raw(b"h").raw(&[below]),
                    None => pickle.raw(b"N"),
                };
            }
            pickle = pickle.raw(b"u");
        }
        pickle.raw(b".").0
    };
    let cycle = Pickle::new().raw(b"}q\x00").text("a").raw(b"h\x00s.").0;
    vec![
        ("marks.pt", archive(&nested, data), "nests too deeply"),
        ("lists.pt", archive(&lists, data), "makes more than 200000 lists"),
        ("values.pt", archive(&many, data), "makes more than 1000000 values"),
        ("laughs.pt", archive(&laughs, data), "holds no tensors"),
        ("cycle.pt", archive(&cycle, data), "holds no tensors"),
    ]
}

/// Tensors that do not fit their storages.
fn tensors() -> Vec<Hostile> {
    let data = &values();
    let two = |first: [i32; 2], second: [i32; 2]| {
        let pickle = Pickle::new().raw(b"}(").text("a");
        let pickle = pickle.tensor("0", 4, first[0], &[first[1]], &[1]).text("b");
        pickle.tensor("0", 4, second[0], &[second[1]], &[1]).raw(b"u.").0
    };
    let twice = {
        let pickle = Pickle::new().raw(b"}(").text("w").tensor("0", 4, 0, &[4], &[1]);
        pickle.text("w").tensor("0", 4, 0, &[4], &[1]).raw(b"u.").0
    };
    let shared = {
        let mut pickle = Pickle::new().raw(b"}(");
        for i in 0..2000 {
            pickle = pickle.text(&format!("w{i}")).tensor("0", 4096, 0, &[4096], &[1]);
        }
        pickle.raw(b"u.").0
    };
    vec![
        (
            "huge.pt",
            archive(
                &Pickle::one(4, 0, &[i32::MAX, i32::MAX, i32::MAX], &[0, 0, 0]),
                data,
            ),
            "from element 0 of 4",
        ),
        (
            "beyond.pt",
            archive(&Pickle::one(4, 1, &[4], &[1]), data),
            "from element 1 of 4",
        ),
        ("negative.pt", archive(&Pickle::one(4, -1, &[4], &[1]), data), "negative size"),
        (
            "repeat.pt",
            archive(&Pickle::one(4, 0, &[2, 2], &[1, 1]), data),
            "repeat elements",
        ),
        ("overlap.pt", archive(&two([0, 3], [2, 2]), data), "`a` and `b` that overlap"),
        ("twice.pt", archive(&twice, data), "holds `w` twice"),
        ("shared.pt", archive(&shared, &[0; 4 * 4096]), "no more than a file of"),
        ("short.pt", archive(&good(), &data[..8]), "member `a/data/0` has 8 bytes"),
    ]
}

/// Containers that are damaged, or lie.
fn containers() -> Vec<Hostile> {
    let (good, data) = (good(), &values());
    let truncated = archive(&good, data);
    let truncated = truncated[..truncated.len() - 30].to_vec();
    let mut flipped = archive(&good, data);
    let at = flipped.windows(16).position(|w| w == data).unwrap();
    flipped[at] ^= 1;
    let packed = Member { method: 8, ..member("a/data.pkl", &good) };
    let bomb = Member { declared: Some(u32::MAX - 1), ..member("a/data.pkl", &good) };
    let safe = |header: &str| {
        let mut out = (header.len() as u64).to_le_bytes().to_vec();
        out.extend(header.bytes());
        out.extend([0; 16]);
        out
    };
    vec![
        ("none.pt", zip(&[member("a/data.pkl", &good)]), "has no member `a/data/0`"),
        (
            "big.pt",
            zip(&[member("a/data.pkl", &good), member("a/byteorder", b"big")]),
            "byte order \"big\"",
        ),
        (
            "path.pt",
            zip(&[member("a/data.pkl", &good), member("a/data/../../../x", data)]),
            "has the member `a/data/../../../x`",
        ),
        ("root.pt", zip(&[member("/data.pkl", &good)]), "has the member `/data.pkl`"),
        (
            "names.pt",
            zip(&[member("a/data.pkl", &good), member("a/data.pkl", &good)]),
            "two members",
        ),
        ("packed.pt", zip(&[packed]), "packed member"),
        ("bomb.pt", zip(&[bomb]), "of two sizes"),
        (
            "script.pt",
            zip(&[member("a/data.pkl", &good), member("a/constants.pkl", b"")]),
            "TorchScript",
        ),
        ("cut.pt", truncated, "is not a readable zip archive"),
        ("crc.pt", flipped, "data/0"),
        ("plain.pt", Pickle::call("os", "system"), "begins with the bytes 80 02 63"),
        ("void.pt", vec![], "begins with the bytes"),
        (
            "old.th",
            legacy(true, &Pickle::call("os", "system"), &keys(), &[]),
            "`os.system`",
        ),
        ("endian.th", legacy(false, &good, &keys(), &storage(4)), "byte order"),
        ("count.th", legacy(true, &good, &keys(), &storage(1 << 60)), "elements"),
        (
            "early.th",
            legacy(true, &good, &keys(), &storage(4)[..20]),
            "has 4 elements of F32",
        ),
        ("headless.th", legacy(true, &good, &[], &[]), "ends early"),
        ("huge.safetensors", [&u64::MAX.to_le_bytes()[..], b"{}"].concat(), "header"),
        (
            "overlap.safetensors",
            safe(
                r#"{"a":{"dtype":"F32","shape":[4],"data_offsets":[0,16]},"b":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}"#,
            ),
            "header",
        ),
    ]
}

#[test]
fn hostile_checkpoints_are_refused_at_once() {
    let directory = tempfile::tempdir().unwrap();
    let all = [programs(), bombs(), tensors(), containers()].concat();
    assert!(all.len() >= 30);
    for (name, bytes, part) in &all {
        let path = directory.path().join(name);
        fs::write(&path, bytes).unwrap();
        let read = || read_checkpoint(&path, None).expect_err(name);
        let text = within(Duration::from_secs(1), name, read).to_string();
        assert!(text.contains(part), "{name}: {text}");
        assert!(text.contains(name), "{name} is not named: {text}");
        assert!(text.len() < 2000 && text.chars().all(|c| !c.is_control()), "{text}");
    }
    assert_eq!(
        fs::read_dir(directory.path()).unwrap().count(),
        all.len(),
        "wrote nothing"
    );
}

#[test]
fn a_run_is_not_begun_where_one_file_is_hostile() {
    let directory = tempfile::tempdir().unwrap();
    for (name, bytes, _) in programs().into_iter().take(12) {
        let folder = directory.path().join("checkpoints");
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("epoch-1.pt"), bytes).unwrap();
        let arguments =
            "import checkpoints --net cnn5 net.width=2 data.kind=digits --out out";
        let output =
            crate::support::runs::command(directory.path(), arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{name}");
        let names: Vec<_> = fs::read_dir(directory.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        assert_eq!(names, ["checkpoints"], "{name}");
    }
}

/// What the builders make is read where it is not hostile, strides and all.
#[test]
fn honest_checkpoints_of_both_formats_are_read() {
    let directory = tempfile::tempdir().unwrap();
    let read = |name: &str, bytes: &[u8]| {
        let path = directory.path().join(name);
        fs::write(&path, bytes).unwrap();
        read_checkpoint(Path::new(&path), None).unwrap()
    };
    let plain = Pickle::one(4, 0, &[2, 2], &[2, 1]);
    let turned = Pickle::one(4, 0, &[2, 2], &[1, 2]);
    let data = &storage(4)[8..];
    for (pickle, expected) in
        [(plain, [1.0_f32, 2.0, 3.0, 4.0]), (turned, [1.0, 3.0, 2.0, 4.0])]
    {
        let old = legacy(true, &pickle, &keys(), &storage(4));
        for found in [read("a.pt", &archive(&pickle, data)), read("a.th", &old)] {
            let array = found.weights.get("w").unwrap();
            assert_eq!(array.shape, [2, 2]);
            assert_eq!(array.values, Values::F32(expected.to_vec()));
        }
    }
}
