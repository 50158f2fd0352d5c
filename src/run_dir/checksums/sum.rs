//! A checksum: how many bytes, and their SHA-256.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use sha2::{Digest, Sha256};

/// Bytes that are read at once.
const BLOCK: usize = 1 << 16;

/// The size of a content and its SHA-256.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sum {
    pub(super) bytes: u64,
    pub(super) sha256: [u8; 32],
}

impl Sum {
    pub(super) fn of(content: &[u8]) -> Self {
        Self { bytes: content.len() as u64, sha256: Sha256::digest(content).into() }
    }

    /// Of a file's first bytes; of fewer where it is shorter.
    pub(super) fn of_start(path: &Path, bytes: u64) -> io::Result<Self> {
        let mut file = File::open(path)?.take(bytes);
        let (mut running, mut block) = (Running::default(), vec![0; BLOCK]);
        loop {
            match file.read(&mut block) {
                Ok(0) => return Ok(running.sum()),
                Ok(n) => running.add(&block[..n]),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Of a line's fields.
    pub(super) fn parse(bytes: &str, sha256: &str) -> Option<Self> {
        let mut sum = Self { bytes: bytes.parse().ok()?, sha256: [0; 32] };
        if sha256.len() != 64 || !sha256.is_ascii() {
            return None;
        }
        for (at, byte) in sum.sha256.iter_mut().enumerate() {
            *byte = u8::from_str_radix(&sha256[2 * at..2 * at + 2], 16).ok()?;
        }
        Some(sum)
    }

    pub(super) fn hex(&self) -> String {
        self.sha256.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

/// As errors name it.
impl fmt::Display for Sum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes with the SHA-256 {}", self.bytes, self.hex())
    }
}

/// The checksum of a content that grows.
#[derive(Debug, Clone, Default)]
pub(in crate::run_dir) struct Running {
    bytes: u64,
    hash: Sha256,
}

impl Running {
    pub(in crate::run_dir) fn add(&mut self, content: &[u8]) {
        self.bytes += content.len() as u64;
        self.hash.update(content);
    }

    pub(super) fn sum(&self) -> Sum {
        Sum { bytes: self.bytes, sha256: self.hash.clone().finalize().into() }
    }
}
