//! Files of `torch.save`, opcode by opcode.
#![allow(dead_code)] // Each test uses a part.

/// Opcodes of a pickle, one after the other.
#[derive(Clone, Default)]
pub(crate) struct Pickle(pub(crate) Vec<u8>);

impl Pickle {
    pub(crate) fn new() -> Self {
        Self(vec![0x80, 2])
    }

    pub(crate) fn raw(mut self, bytes: &[u8]) -> Self {
        self.0.extend(bytes);
        self
    }

    pub(crate) fn text(self, text: &str) -> Self {
        let length = (text.len() as u32).to_le_bytes();
        self.raw(b"X").raw(&length).raw(text.as_bytes())
    }

    pub(crate) fn int(self, value: i32) -> Self {
        self.raw(b"J").raw(&value.to_le_bytes())
    }

    pub(crate) fn ints(mut self, values: &[i32]) -> Self {
        self = self.raw(b"(");
        for value in values {
            self = self.int(*value);
        }
        self.raw(b"t")
    }

    pub(crate) fn global(self, module: &str, name: &str) -> Self {
        self.raw(format!("c{module}\n{name}\n").as_bytes())
    }

    /// A tensor of the storage `key` with these many elements.
    pub(crate) fn tensor(
        self,
        key: &str,
        held: i32,
        offset: i32,
        shape: &[i32],
        strides: &[i32],
    ) -> Self {
        self.global("torch._utils", "_rebuild_tensor_v2")
            .raw(b"((")
            .text("storage")
            .global("torch", "FloatStorage")
            .text(key)
            .text("cpu")
            .int(held)
            .raw(b"tQ")
            .int(offset)
            .ints(shape)
            .ints(strides)
            .raw(b"\x89N")
            .raw(b"tR")
    }

    /// `{"w": a tensor}` and the end.
    pub(crate) fn one(held: i32, offset: i32, shape: &[i32], strides: &[i32]) -> Vec<u8> {
        let pickle = Self::new().raw(b"}(").text("w");
        pickle.tensor("0", held, offset, shape, strides).raw(b"u.").0
    }

    pub(crate) fn call(module: &str, name: &str) -> Vec<u8> {
        Self::new().global(module, name).raw(b"(").text("touch canary").raw(b"tR.").0
    }
}

/// A member of an archive: name, bytes, and what its headers say instead of the truth.
pub(crate) struct Member {
    pub(crate) name: String,
    pub(crate) bytes: Vec<u8>,
    pub(crate) method: u16,
    pub(crate) declared: Option<u32>,
}

pub(crate) fn member(name: &str, bytes: &[u8]) -> Member {
    Member { name: name.into(), bytes: bytes.to_vec(), method: 0, declared: None }
}

/// A zip archive of stored members.
pub(crate) fn zip(members: &[Member]) -> Vec<u8> {
    archived(members, false)
}

/// The same with the records of zip64 before its last, as `torch.save` writes them.
pub(crate) fn zip64(members: &[Member]) -> Vec<u8> {
    archived(members, true)
}

fn archived(members: &[Member], has_zip64: bool) -> Vec<u8> {
    let (mut out, mut directory) = (vec![], vec![]);
    for Member { name, bytes, method, declared } in members {
        let mut crc = flate2::Crc::new();
        crc.update(bytes);
        let start = out.len() as u32;
        let size = declared.unwrap_or(bytes.len() as u32);
        let mut common = vec![20, 0, 0, 0];
        common.extend(method.to_le_bytes());
        common.extend([0, 0, 0x21, 0]); // 1980-01-01
        common.extend(crc.sum().to_le_bytes());
        common.extend((bytes.len() as u32).to_le_bytes());
        common.extend(size.to_le_bytes());
        common.extend((name.len() as u16).to_le_bytes());
        common.extend([0, 0]);
        out.extend(b"PK\x03\x04");
        out.extend(&common);
        out.extend(name.bytes());
        out.extend(bytes);
        directory.extend(b"PK\x01\x02\x14\0");
        directory.extend(&common);
        directory.extend([0; 10]);
        directory.extend(start.to_le_bytes());
        directory.extend(name.bytes());
    }
    let start = out.len() as u32;
    let n = (members.len() as u16).to_le_bytes();
    out.extend(&directory);
    if has_zip64 {
        let record = out.len() as u64;
        let counts = [members.len() as u64; 2].map(u64::to_le_bytes).concat();
        out.extend(b"PK\x06\x06");
        out.extend(44_u64.to_le_bytes());
        out.extend([30, 3, 45, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        out.extend(counts);
        out.extend((directory.len() as u64).to_le_bytes());
        out.extend(u64::from(start).to_le_bytes());
        out.extend(b"PK\x06\x07\0\0\0\0");
        out.extend(record.to_le_bytes());
        out.extend(1_u32.to_le_bytes());
    }
    out.extend(b"PK\x05\x06\0\0\0\0");
    out.extend([n, n].concat());
    out.extend((directory.len() as u32).to_le_bytes());
    out.extend(start.to_le_bytes());
    out.extend([0, 0]);
    out
}

/// An archive of torch.save with this pickle and one storage.
pub(crate) fn archive(pickle: &[u8], storage: &[u8]) -> Vec<u8> {
    zip(&[
        member("a/data.pkl", pickle),
        member("a/byteorder", b"little"),
        member("a/data/0", storage),
    ])
}

impl Pickle {
    /// A dictionary whose keys and values are what `items` appends.
    pub(crate) fn dict(self, items: impl FnOnce(Self) -> Self) -> Self {
        items(self.raw(b"}(")).raw(b"u")
    }

    /// An object of a class with a dictionary of attributes, as Python's `object` pickles.
    pub(crate) fn object(self, module: &str, name: &str) -> Self {
        let attributes = |p: Self| p.text("lr").int(1);
        self.global(module, name).raw(b")\x81").dict(attributes).raw(b"b")
    }

    /// A `state_dict` with an f32 for each name, of the storage `0`.
    pub(crate) fn state_dict(self, tensors: &[(&str, i32)]) -> Self {
        let held = tensors.len() as i32;
        let all = |p: Self| {
            let add = |p: Self, (name, at): &(&str, i32)| {
                p.text(name).tensor("0", held, *at, &[1], &[1])
            };
            tensors.iter().fold(p.raw(b"("), add).raw(b"u")
        };
        all(self.global("collections", "OrderedDict").raw(b")R"))
    }
}
