//! The inputs, by the reader that they are made for.

use std::fmt::Write as _;
use std::io::Write as _;

use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use crate::campaign::bytes::{chunk, gzip, idx, png, zlib};
use crate::support::torch::{Pickle, archive, member, zip as zip_stored};

/// Files and what is asked of the program with them.
pub(super) struct Input {
    pub(super) name: String,
    pub(super) files: Vec<(String, Vec<u8>)>,
    pub(super) arguments: String,
    /// Whether the input is strange, but nothing is wrong with it.
    pub(super) is_fine: bool,
}

fn input(name: &str, file: &str, bytes: Vec<u8>, arguments: &str) -> Input {
    Input {
        name: name.into(),
        files: vec![(file.into(), bytes)],
        arguments: arguments.into(),
        is_fine: false,
    }
}

fn fine(mut input: Input) -> Input {
    input.is_fine = true;
    input
}

pub(super) fn all() -> Vec<Input> {
    [
        npy(),
        npz(),
        safetensors(),
        torch(),
        settings(),
        tables(),
        data(),
        pictures(),
        runs(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

// -- arrays --------------------------------------------------------------------------------

fn raw_npy(version: u8, length: usize, header: &[u8], data: &[u8]) -> Vec<u8> {
    let mut out = b"\x93NUMPY".to_vec();
    out.extend([version, 0]);
    match version {
        1 => out.extend((length as u16).to_le_bytes()),
        _ => out.extend((length as u32).to_le_bytes()),
    }
    [out, header.to_vec(), data.to_vec()].concat()
}

fn npy_with(header: &str, data: &[u8]) -> Vec<u8> {
    raw_npy(1, header.len(), header.as_bytes(), data)
}

fn npy_of(descr: &str, shape: &str, data: &[u8]) -> Vec<u8> {
    let header =
        format!("{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}");
    npy_with(&header, data)
}

/// 8 × 4 numbers.
fn good() -> Vec<u8> {
    (0..32).flat_map(|i| ((i * 37 % 29) as f32 - 11.0).to_le_bytes()).collect()
}

fn floats(value: f32) -> Vec<u8> {
    (0..32).flat_map(|_| value.to_le_bytes()).collect()
}

const SIMILARITY: &str = "similarity --measure cka";

fn npy() -> Vec<Input> {
    let good = good();
    let f32_of = |shape: &str| npy_of("'<f4'", shape, &good);
    let nested = format!("{{'descr': {}", "[".repeat(3000));
    let deep = format!(
        "{{'descr': '<f4', 'fortran_order': False, 'shape': {}{}}}",
        "(".repeat(5000),
        ")".repeat(5000)
    );
    let axes = format!("({})", "1,".repeat(33));
    let twice =
        "{'descr': '<f4', 'shape': (8, 4), 'fortran_order': False, 'shape': (4, 8)}";
    let cases: Vec<(&str, Vec<u8>)> = vec![
        ("huge shape", f32_of("(1099511627776, 1099511627776)")),
        ("32 GiB", f32_of("(8589934592, 1)")),
        ("negative", f32_of("(-8, 4)")),
        ("over 64 bits", f32_of("(18446744073709551616, 4)")),
        ("over 63 bits", f32_of("(9223372036854775808, 4)")),
        ("underscores", f32_of("(8_0, 4)")),
        ("float length", f32_of("(8.0, 4)")),
        ("text length", f32_of("('8', 4)")),
        ("none", f32_of("None")),
        ("nested type", npy_with(&nested, b"")),
        ("nested shape", npy_with(&deep, b"")),
        ("header of 4 GiB", raw_npy(2, 0xffff_fff0, b"{}", &good)),
        ("header of 60 kB", npy_with(&" ".repeat(60_000), &good)),
        ("objects", npy_of("'|O'", "(8,)", &b"\x80\x04.".repeat(10))),
        ("structure", npy_of("[('a', '<f4')]", "(8,)", &good)),
        ("33 axes", npy_of("'<f4'", &axes, &good[..4])),
        ("cut", npy_of("'<f4'", "(8, 4)", &good[..127])),
        ("longer", npy_of("'<f4'", "(8, 4)", &[&good[..], b"x"].concat())),
        ("complex", npy_of("'<c8'", "(4, 4)", &good)),
        ("booleans of 2", npy_of("'|b1'", "(8, 16)", &[2; 128])),
        ("text", npy_of("'<U4'", "(8,)", &good)),
        ("dates", npy_of("'<M8[s]'", "(4, 4)", &good)),
        ("long double", npy_of("'<f16'", "(2, 4)", &good)),
        ("two shapes", npy_with(twice, &good)),
        ("version 9", raw_npy(9, 10, b"{}", &good)),
        ("empty", vec![]),
        ("magic alone", b"\x93NUMPY".to_vec()),
        ("control codes", npy_of("'\x1b[2J<f4'", "(8, 4)", &good)),
        ("scalar", npy_of("'<f4'", "()", &good[..4])),
    ];
    let case = |(name, bytes): (&str, Vec<u8>)| {
        input(&format!("npy: {name}"), "a.npy", bytes, &format!("{SIMILARITY} a.npy"))
    };
    let mut inputs: Vec<Input> = cases.into_iter().map(case).collect();
    // What has no similarity is undefined, with its reason.
    let by_column = "{'descr': '<f4', 'fortran_order': True, 'shape': (8, 4), }";
    for own in [
        ("columns first", npy_with(by_column, &good)),
        ("nan", npy_of("'<f4'", "(8, 4)", &floats(f32::NAN))),
        ("inf", npy_of("'<f4'", "(8, 4)", &floats(f32::INFINITY))),
        ("no numbers", npy_of("'<f4'", "(0, 4)", b"")),
        ("no numbers, huge", npy_of("'<f4'", "(0, 99999999999999999)", b"")),
    ] {
        inputs.push(fine(case(own)));
    }
    for (name, path) in [("device", "/dev/zero"), ("directory", "/proc/self")] {
        let arguments = format!("{SIMILARITY} {path}");
        inputs.push(input(&format!("npy: {name}"), "x", vec![], &arguments));
    }
    inputs
}

// -- archives ------------------------------------------------------------------------------

fn zip_of(members: &[(&str, &[u8])], method: CompressionMethod) -> Vec<u8> {
    let mut writer = ZipWriter::new(std::io::Cursor::new(vec![]));
    let options = SimpleFileOptions::default().compression_method(method);
    for (name, bytes) in members {
        writer.start_file(*name, options).unwrap();
        writer.write_all(bytes).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

fn npz() -> Vec<Input> {
    let one = npy_of("'<f4'", "(8, 4)", &good());
    let stored = |members: &[(&str, &[u8])]| zip_of(members, CompressionMethod::Stored);
    let bomb = |shape: &str, mebibytes: usize| {
        let mut bytes = npy_of("'<f4'", shape, b"");
        bytes.resize(bytes.len() + (mebibytes << 20), 0);
        zip_of(&[("a.npy", &bytes)], CompressionMethod::Deflated)
    };
    let mut many: Vec<_> = vec![];
    (0..100_001).for_each(|at| many.push(member(&format!("a{at}.npy"), b"x")));
    let named = |name: &str| zip_stored(&[member(name, &one)]);
    let mut lying = member("a.npy", &one);
    lying.declared = Some(0x7fff_ffff);
    let mut method = member("a.npy", &one);
    method.method = 99;
    let whole = named("a.npy");
    let cases: Vec<(&str, Vec<u8>)> = vec![
        ("bomb, honest", bomb("(8, 8388608)", 256)),
        ("bomb, small shape", bomb("(8, 4)", 256)),
        ("two of one name", zip_stored(&[member("a.npy", &one), member("a.npy", &one)])),
        ("a and a.npy", zip_stored(&[member("a.npy", &one), member("a", &one)])),
        ("none", zip_stored(&[])),
        ("100,001", zip_stored(&many)),
        ("no array", stored(&[("a.txt", b"hello")])),
        ("archive inside", stored(&[("a.npz", &whole)])),
        ("lying size", zip_stored(&[lying])),
        ("unknown method", zip_stored(&[method])),
        ("junk before", [&b"JUNK".repeat(100)[..], &whole].concat()),
        ("cut", whole[..whole.len() - 10].to_vec()),
        ("end alone", whole[whole.len() - 22..].to_vec()),
        ("empty", vec![]),
        ("control codes", stored(&[("\x1b[31mred\n.npy", b"x")])),
    ];
    let case = |(name, bytes): (&str, Vec<u8>)| {
        input(&format!("npz: {name}"), "a.npz", bytes, &format!("{SIMILARITY} a.npz"))
    };
    let mut inputs: Vec<Input> = cases.into_iter().map(case).collect();
    // Names are labels; nothing is unpacked.
    for name in ["../../x.npy", "/etc/x.npy"] {
        inputs.push(fine(case((name, named(name)))));
    }
    inputs
}

fn safetensors_of(header: &[u8], declared: Option<u64>, data: &[u8]) -> Vec<u8> {
    let length = declared.unwrap_or(header.len() as u64);
    [&length.to_le_bytes()[..], header, data].concat()
}

fn safetensors() -> Vec<Input> {
    let good = good();
    let tensor = |dtype: &str, shape: &str, to: usize| {
        format!(r#""dtype":"{dtype}","shape":{shape},"data_offsets":[0,{to}]"#)
    };
    let one = |dtype: &str, shape: &str, to: usize| {
        safetensors_of(
            format!("{{\"a\":{{{}}}}}", tensor(dtype, shape, to)).as_bytes(),
            None,
            &good,
        )
    };
    let many = |n: usize| {
        let mut header = String::from("{");
        for at in 0..n {
            let comma = if at == 0 { "" } else { "," };
            let _ = write!(header, "{comma}\"t{at}\":{{{}}}", tensor("F32", "[0]", 0));
        }
        safetensors_of((header + "}").as_bytes(), None, b"")
    };
    let two = |name: &str| {
        let same = tensor("F32", "[8,4]", 128);
        format!("{{\"a\":{{{same}}},\"{name}\":{{{same}}}}}")
    };
    let deep = format!("{{\"a\":{}", "[".repeat(100_000));
    let deep_about = format!("{{\"__metadata__\":{}", "{\"a\":".repeat(20_000));
    let long =
        format!("{{\"{}\":{{{}}}}}", "n".repeat(5000), tensor("F32", "[8,4]", 128));
    let gap = r#"{"a":{"dtype":"F32","shape":[4,4],"data_offsets":[64,128]}}"#;
    let cases: Vec<(&str, Vec<u8>)> = vec![
        ("header of 2^63", safetensors_of(b"{}", Some(1 << 63), b"")),
        ("header of 200 MB", safetensors_of(b"{}", Some(200_000_000), b"")),
        ("nested", safetensors_of(deep.as_bytes(), None, b"")),
        ("nested metadata", safetensors_of(deep_about.as_bytes(), None, b"")),
        ("huge shape", one("F32", "[1099511627776,1099511627776]", 128)),
        ("negative", one("F32", "[-1,4]", 128)),
        ("overlap", safetensors_of(two("b").as_bytes(), None, &good)),
        ("two of one name", safetensors_of(two("a").as_bytes(), None, &good)),
        ("gap", safetensors_of(gap.as_bytes(), None, &good)),
        ("100,001", many(100_001)),
        ("no numbers, huge", one("F32", "[0,1152921504606846976]", 0)),
        ("f8", one("F8_E4M3", "[8,4]", 32)),
        ("unknown type", one("X1", "[8,4]", 128)),
        ("byte order mark", safetensors_of(b"\xef\xbb\xbf{}", None, b"")),
        ("no text", safetensors_of(b"{\"\xff\":1}", None, b"")),
        ("list", safetensors_of(b"[]", None, b"")),
        ("long name", safetensors_of(long.as_bytes(), None, &good)),
        ("cut", one("F32", "[8,4]", 128)[..60].to_vec()),
        ("11 MB of spaces", safetensors_of(&[b' '; 11_000_000], None, b"")),
        ("empty", vec![]),
    ];
    let case = |(name, bytes): (&str, Vec<u8>)| {
        let arguments = format!("{SIMILARITY} a.safetensors");
        input(&format!("safetensors: {name}"), "a.safetensors", bytes, &arguments)
    };
    cases.into_iter().map(case).collect()
}

// -- checkpoints ---------------------------------------------------------------------------

fn torch() -> Vec<Input> {
    let of = |pickle: &[u8]| archive(pickle, &good());
    let memo = {
        let mut bytes = b"\x80\x02]q\x00".to_vec();
        for at in 1..40_u8 {
            bytes.extend([b']', b'q', at, b'(']);
            (0..10).for_each(|_| bytes.extend([b'h', at - 1]));
            bytes.push(b'e');
        }
        bytes.push(b'.');
        bytes
    };
    let mut members = vec![member("a/data.pkl", &Pickle::one(4, 0, &[2, 2], &[2, 1]))];
    members.push(member("a/data.pkl", b"\x80\x02N."));
    let cases: Vec<(&str, Vec<u8>)> = vec![
        ("os.system", of(&Pickle::call("os", "system"))),
        ("posix.system", of(&Pickle::call("posix", "system"))),
        ("builtins.eval", of(&Pickle::call("builtins", "eval"))),
        (
            "stack global",
            of(b"\x80\x04\x8c\x05posix\x8c\x06system\x93\x8c\x0ctouch canary\x85R."),
        ),
        ("text protocol", of(b"cos\nsystem\n(S'touch canary'\ntR.")),
        (
            "a million marks",
            of(&[b"\x80\x02", &vec![b'('; 1_000_000][..], b"."].concat()),
        ),
        ("nested tuples", of(&[b"\x80\x02)", &vec![0x85; 1_900_000][..], b"."].concat())),
        ("memo bomb", of(&memo)),
        ("long of 2 GiB", of(b"\x80\x02\x8b\xff\xff\xff\x7f")),
        ("text of 2^63", of(b"\x80\x04\x8d\xff\xff\xff\xff\xff\xff\xff\x7f")),
        ("memo entry 2^32", of(b"\x80\x02Nr\xff\xff\xff\xff.")),
        (
            "five million copies",
            of(&[b"\x80\x02N", &vec![b'2'; 5_000_000][..], b"."].concat()),
        ),
        ("an object's state", of(b"\x80\x02}(X\x01\x00\x00\x00aK\x01ub.")),
        ("itself", of(b"\x80\x02}q\x00h\x00h\x00s.")),
        ("storage of 2^31", of(&Pickle::one(i32::MAX, 0, &[2, 2], &[2, 1]))),
        ("negative shape", of(&Pickle::one(4, 0, &[-2, 2], &[2, 1]))),
        ("strides beyond", of(&Pickle::one(4, 0, &[2, 2], &[1 << 30, 1]))),
        ("offset beyond", of(&Pickle::one(4, 1 << 30, &[2, 2], &[2, 1]))),
        ("huge shape", of(&Pickle::one(4, 0, &[1 << 30, 1 << 30, 1 << 30], &[0, 0, 0]))),
        ("repeated", of(&Pickle::one(4, 0, &[1 << 30], &[0]))),
        ("two pickles", zip_stored(&members)),
        (
            "legacy, cut",
            b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.\x80\x02M\xe9\x03.".to_vec(),
        ),
        ("empty", vec![]),
        ("text", b"hello".to_vec()),
        ("no pickle", zip_stored(&[member("a/version", b"3\n")])),
    ];
    let import = "import c.pt --net cnn5 net.width=2 data.kind=digits --epoch 1 --out r";
    let case = |(name, bytes): (&str, Vec<u8>)| {
        input(&format!("torch: {name}"), "c.pt", bytes, import)
    };
    cases.into_iter().map(case).collect()
}

// -- settings ------------------------------------------------------------------------------

fn settings() -> Vec<Input> {
    let with = |more: &str| {
        format!("[data]\nkind = 'digits'\n[net]\nkind = 'cnn5'\nwidth = 4\n{more}")
            .into_bytes()
    };
    let keys = |n: usize| (0..n).map(|at| format!("k{at} = 1\n")).collect::<String>();
    let list = (0..400_000).map(|at| at.to_string()).collect::<Vec<_>>().join(",");
    let cases: Vec<(&str, Vec<u8>)> = vec![
        ("nested lists", format!("a={}", "[".repeat(100_000)).into_bytes()),
        ("nested tables", format!("a={}", "{a=".repeat(50_000)).into_bytes()),
        ("dotted", format!("a{}=1", ".a".repeat(100_000)).into_bytes()),
        ("20,000 unknown keys", keys(20_000).into_bytes()),
        ("8 MB of keys", keys(700_000).into_bytes()),
        ("10 MB of comments", with(&"# x\n".repeat(2_500_000))),
        ("twice", b"[net]\nkind='cnn5'\nkind='cnn5'\n".to_vec()),
        ("no text", b"\xff\xfe[net]".to_vec()),
        ("nul", b"seed=0\0".to_vec()),
        ("another alphabet", "[n\u{435}t]\nkind='cnn5'\n".into()),
        ("big seed", b"seed=99999999999999999999".to_vec()),
        ("negative seed", with("[noise]\nseed = -1\n")),
        (
            "wide",
            b"[data]\nkind='digits'\n[net]\nkind='cnn5'\nwidth=1000000000000".to_vec(),
        ),
        ("rate nan", with("[optimizer]\nlr = nan\n")),
        ("rate inf", with("[optimizer]\nlr = inf\n")),
        (
            "epochs",
            with("[train]\nepochs = 9223372036854775807\ncheckpoints = 'every'\n"),
        ),
        ("100 M epochs", with("[train]\nepochs = 100000000\ncheckpoints = 'every'\n")),
        (
            "triplets",
            with("[analysis]\ndrs = { triplets = 1000000000, resolution = 100000 }\n"),
        ),
        ("batch 0", with("[train]\nbatch_size = 0\n")),
        ("list of epochs", with(&format!("[train]\ncheckpoints = [{list}]\n"))),
        ("control codes", with("[optimizer]\nkind = \"\\u001b[31m\"\n")),
        (
            "depth",
            b"[data]\nkind='digits'\n[net]\nkind='vit'\ndepth=1000000\npatch=1\n"
                .to_vec(),
        ),
        ("glob", with(&format!("[analysis]\nlayers = ['{}b']\n", "*a".repeat(5000)))),
        ("no layer", with("[analysis]\nlayers = []\n")),
        ("empty", vec![]),
    ];
    let case = |(name, bytes): (&str, Vec<u8>)| {
        let arguments = "run e.toml --dry-run --out r";
        input(&format!("experiment: {name}"), "e.toml", bytes, arguments)
    };
    let mut inputs: Vec<Input> = cases.into_iter().map(case).collect();
    let product =
        "experiment = 'e.toml'\n[axes]\nseed = '0..99999999'\nb = '0..99999999'\n";
    inputs.push(input(
        "sweep: 10^16 runs",
        "s.toml",
        product.into(),
        "sweep s.toml --out r",
    ));
    let arms = format!("[arms]\na = \"{}\"\n", "*/".repeat(2000));
    let compare = "compare c.toml --out c";
    inputs.push(input("compare: deep glob", "c.toml", arms.into_bytes(), compare));
    inputs.push(input("compare: keys", "c.toml", keys(20_000).into_bytes(), compare));
    inputs
}

// -- tables --------------------------------------------------------------------------------

fn tables() -> Vec<Input> {
    let header = "epoch,train_error,test_error";
    let of = |rows: &str| format!("{header}\n{rows}").into_bytes();
    let many: String = (0..1_000_000).fold(String::new(), |mut text, at| {
        let _ = write!(text, ",c{at}");
        text
    });
    let ones = ",1".repeat(1_000_000);
    let cases: Vec<(&str, Vec<u8>)> = vec![
        ("a million columns", format!("{header}{many}\n1,0.5,0.5{ones}\n").into_bytes()),
        ("50 MB in a field", of(&format!("1,.1,{}", "1".repeat(50_000_000)))),
        (
            "negative",
            of(&(0..20).map(|at| format!("{at},-0.1,0.1\n")).collect::<String>()),
        ),
        (
            "1e308",
            of(&(0..20).map(|at| format!("{at},1e308,1e308\n")).collect::<String>()),
        ),
        ("negative epochs", of("-5,.1,.1\n-1,.2,.2\n")),
        ("no header", b"1,2,3\n".to_vec()),
        ("open quote", of("\"1,.1,.1\n")),
        ("nul", of("1,\0,.1\n2,.1,.1\n")),
        ("empty", vec![]),
        ("header alone", header.as_bytes().to_vec()),
        ("text", of("one,two,three\n")),
        ("control codes", of("1,\x1b[2J,.1\n2,.1,.1\n")),
        ("picture", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR".to_vec()),
    ];
    let case = |(name, bytes): (&str, Vec<u8>)| {
        input(&format!("log: {name}"), "log.csv", bytes, "phases log.csv")
    };
    let mut inputs: Vec<Input> = cases.into_iter().map(case).collect();
    inputs.push(input("log: device", "x", vec![], "phases /dev/zero"));
    inputs
}

// -- data sets -----------------------------------------------------------------------------

/// A header of `tar` with this name, kind and size.
fn tar_header(name: &str, kind: u8, size: &[u8]) -> Vec<u8> {
    let mut header = vec![0; 512];
    header[..name.len()].copy_from_slice(name.as_bytes());
    header[100..108].copy_from_slice(b"0000644\0");
    header[124..124 + size.len()].copy_from_slice(size);
    header[156] = kind;
    header[157..168].copy_from_slice(b"/etc/passwd");
    header[257..263].copy_from_slice(b"ustar\0");
    header[148..156].fill(b' ');
    let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    header
}

fn data() -> Vec<Input> {
    const BATCH: &str = "cifar-10-batches-bin/data_batch_1.bin";
    let idx_with = |name: &str, file: &str, images: Vec<u8>| {
        let mut input =
            input(&format!("idx: {name}"), "", vec![], "data verify mnist --data d");
        let (three, one) = (0x803, 0x801);
        input.files = [
            (file, images),
            ("train-labels-idx1-ubyte", idx(one, &[1], b"\0")),
            ("t10k-images-idx3-ubyte", idx(three, &[1, 28, 28], &[0; 784])),
            ("t10k-labels-idx1-ubyte", idx(one, &[1], b"\0")),
        ]
        .map(|(file, bytes)| (format!("d/mnist/{file}"), bytes))
        .into();
        input
    };
    let (plain, packed) = ("train-images-idx3-ubyte", "train-images-idx3-ubyte.gz");
    let images = |lengths: &[u32], data: &[u8]| idx(0x803, lengths, data);
    let tar = |name: &str, bytes: Vec<u8>| {
        let file = "d/cifar10/cifar-10-binary.tar.gz";
        input(&format!("tar: {name}"), file, bytes, "data verify cifar10 --data d")
    };
    let entry =
        |name: &str, kind: u8, size: &[u8]| gzip(&tar_header(name, kind, size), 0);
    let huge = [0x80, 0, 0, 0, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff];
    vec![
        idx_with("4 G images", plain, images(&[u32::MAX, 28, 28], &[0; 784])),
        idx_with("sides of 65,535", plain, images(&[1, 65_535, 65_535], &[0; 784])),
        idx_with("lengths overflow", plain, images(&[u32::MAX; 3], b"x")),
        idx_with("no images", plain, images(&[0, 28, 28], b"")),
        idx_with("another magic", plain, idx(0x0d03, &[1, 28, 28], &[0; 784])),
        idx_with("cut", plain, images(&[1, 28, 28], &[0; 700])),
        idx_with("longer", plain, images(&[1, 28, 28], &[0; 800])),
        idx_with(
            "gzip, 4 M images",
            packed,
            gzip(&images(&[4_000_000, 28, 28], b""), 300),
        ),
        idx_with("gzip, zeros", packed, gzip(b"", 300)),
        idx_with("gzip, cut", packed, gzip(&images(&[1, 28, 28], b""), 0)[..12].to_vec()),
        tar("above", entry("../../canary", b'0', b"00000000003\0")),
        tar("absolute", entry("/tmp/canary", b'0', b"00000000003\0")),
        tar("symbolic link", entry(BATCH, b'2', b"00000000000\0")),
        tar("hard link", entry(BATCH, b'1', b"00000000000\0")),
        tar("device", entry(BATCH, b'3', b"00000000000\0")),
        tar("8 EiB", entry(BATCH, b'0', &huge)),
        tar("negative size", entry(BATCH, b'0', b"-0000000001\0")),
        tar("skips 2 GiB", gzip(&tar_header("skip.bin", b'0', b"20000000000\0"), 300)),
        tar("zeros", gzip(b"", 300)),
        tar("no archive", b"hello".repeat(100)),
        tar("cut", entry(BATCH, b'0', b"00000000003\0")[..20].to_vec()),
        input(
            "parquet: footer of 4 GiB",
            "d/train.parquet",
            [&b"PAR1"[..], &u32::MAX.to_le_bytes(), b"PAR1"].concat(),
            "train data.kind=parquet data.path=d net.kind=cnn5 net.width=2 --out r",
        ),
        input(
            "parquet: empty",
            "d/train.parquet",
            vec![],
            "train data.kind=parquet data.path=d net.kind=cnn5 net.width=2 --out r",
        ),
    ]
}

// -- pictures ------------------------------------------------------------------------------

fn pictures() -> Vec<Input> {
    let rows = zlib(&[0; 25], 8);
    let good = png([8, 8], &rows, b"");
    let zeros = zlib(&vec![0; 1 << 20], 256);
    let named = [b"a\0\0".to_vec(), zeros.clone()].concat();
    let jpeg = b"\xff\xd8\xff\xe0\0\x10JFIF\0\x01\x01\0\0\x01\0\x01\0\0\xff\xc0\0\x11\x08\xff\xff\
        \xff\xff\x03\x01\x22\0\x02\x11\x01\x03\x11\x01\xff\xda";
    let cases: Vec<(&str, &str, Vec<u8>)> = vec![
        ("65,535 square", "png", png([65_535, 65_535], &zlib(b"", 1), b"")),
        ("18,000 square", "png", png([18_000, 18_000], &zeros, b"")),
        ("4,096 square of nothing", "png", png([4096, 4096], &zeros, b"")),
        ("2^31", "png", png([0x7fff_ffff; 2], &rows, b"")),
        ("no size", "png", png([0, 0], &rows, b"")),
        ("too few rows", "png", png([8, 8], &zlib(&[0; 25], 2), b"")),
        ("cut", "png", good[..40].to_vec()),
        ("empty", "png", vec![]),
        ("jpeg of 65,535", "jpg", [&jpeg[..], &[0; 100]].concat()),
        ("jpeg, cut", "jpg", b"\xff\xd8\xff".to_vec()),
    ];
    let folder = |name: &str, extension: &str, bytes: Vec<u8>| {
        let arguments = "train data.kind=folder data.path=d net.kind=cnn5 net.width=2 \
            train.epochs=1 train.batch_size=2 --out r";
        let mut input = input(&format!("picture: {name}"), "", vec![], arguments);
        let places = ["train/a", "train/b", "test/a", "test/b"];
        input.files =
            places.map(|place| (format!("d/{place}/0.png"), good.clone())).into();
        input.files.push((format!("d/train/a/1.{extension}"), bytes));
        input
    };
    let mut inputs: Vec<Input> = cases
        .into_iter()
        .map(|(name, extension, bytes)| folder(name, extension, bytes))
        .collect();
    // What is never read costs nothing, whatever it unpacks to.
    for kind in [b"zTXt", b"iCCP"] {
        let name = format!("{} of 256 MiB", String::from_utf8_lossy(kind));
        let bytes = png([8, 8], &rows, &chunk(*kind, &named));
        inputs.push(folder(&name, "png", bytes));
    }
    inputs
}

// -- run directories -----------------------------------------------------------------------

fn runs() -> Vec<Input> {
    let own =
        r#"{"format": 1, "stratagram": "0.1.0", "source": "recorded", "recording": "#;
    let recording = |inner: &str| format!("{own}{inner}}}").into_bytes();
    let cases: Vec<(&str, &str, Vec<u8>)> = vec![
        ("two MB", "run.json", vec![b' '; 2 << 20]),
        ("nested", "run.json", "[".repeat(100_000).into_bytes()),
        ("another version", "run.json", br#"{"format": 9, "stratagram": "9"}"#.to_vec()),
        (
            "name above",
            "run.json",
            recording(
                r#"{"estimator": "biased", "layers": ["../../x"], "groups": [], "decisions": null}"#,
            ),
        ),
        ("control codes", "run.json", recording("\"\\u001b[2J\"")),
        (
            "no layers",
            "run.json",
            recording(
                r#"{"estimator": "biased", "layers": [], "groups": [], "decisions": null}"#,
            ),
        ),
        ("no text", "run.json", b"\xff\xfe".to_vec()),
    ];
    let case = |(name, file, bytes): (&str, &str, Vec<u8>)| {
        input(&format!("run: {name}"), &format!("r/{file}"), bytes, "show r")
    };
    cases.into_iter().map(case).collect()
}
