//! Files of data sets, byte by byte.

use std::io::Write;

use flate2::Compression;
use flate2::write::{GzEncoder, ZlibEncoder};

/// `bytes` so many times, as zlib packs them.
pub(super) fn zlib(bytes: &[u8], times: usize) -> Vec<u8> {
    let mut out = ZlibEncoder::new(vec![], Compression::best());
    (0..times).for_each(|_| out.write_all(bytes).unwrap());
    out.finish().unwrap()
}

/// A start and so many MiB of zeros, as gzip packs them.
pub(super) fn gzip(start: &[u8], zero_mebibytes: usize) -> Vec<u8> {
    let mut out = GzEncoder::new(vec![], Compression::best());
    out.write_all(start).unwrap();
    let zeros = vec![0; 1 << 20];
    (0..zero_mebibytes).for_each(|_| out.write_all(&zeros).unwrap());
    out.finish().unwrap()
}

/// An IDX file: magic number, lengths, values.
pub(super) fn idx(magic: u32, lengths: &[u32], data: &[u8]) -> Vec<u8> {
    let words = [magic].into_iter().chain(lengths.iter().copied());
    [words.flat_map(u32::to_be_bytes).collect(), data.to_vec()].concat()
}

/// A chunk of a PNG.
pub(super) fn chunk(kind: [u8; 4], data: &[u8]) -> Vec<u8> {
    let mut sum = flate2::Crc::new();
    sum.update(&kind);
    sum.update(data);
    let length = (data.len() as u32).to_be_bytes();
    [&length[..], &kind, data, &sum.sum().to_be_bytes()].concat()
}

/// A PNG of this size in colors, with packed rows and with chunks before them.
pub(super) fn png([width, height]: [u32; 2], pixels: &[u8], extra: &[u8]) -> Vec<u8> {
    let mut header = [width, height].map(u32::to_be_bytes).concat();
    header.extend([8, 2, 0, 0, 0]);
    let parts = [chunk(*b"IHDR", &header), extra.to_vec(), chunk(*b"IDAT", pixels)];
    [b"\x89PNG\r\n\x1a\n".to_vec(), parts.concat(), chunk(*b"IEND", b"")].concat()
}

/// A PNG whose chunks have the checksums that their contents should have.
pub(super) fn with_right_checksums(png: &[u8]) -> Vec<u8> {
    let mut out = png.to_vec();
    let mut at = 8;
    while let Some(length) = out.get(at..at + 4) {
        let length = u32::from_be_bytes(length.try_into().unwrap()) as usize;
        let end = at.saturating_add(8).saturating_add(length);
        let Some(content) = out.get(at + 4..end) else { break };
        let mut sum = flate2::Crc::new();
        sum.update(content);
        let Some(own) = out.get_mut(end..end + 4) else { break };
        own.copy_from_slice(&sum.sum().to_be_bytes());
        at = end + 4;
    }
    out
}
