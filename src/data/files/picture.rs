//! JPEG and PNG pictures → bytes `[channel, row, column]`.
//!
//! JPEG is decoded without processor-specific code, so every machine sees the same bytes;
//! they differ from libjpeg's by a few levels, as any two decoders do. Alpha is dropped.

use std::io::Cursor;

use zune_jpeg::JpegDecoder;
use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

use crate::net::Shape;

/// Sides beyond this are no training images.
const LONGEST_SIDE: usize = 4096;

/// A decoded picture of one (gray) or three channels.
pub(in crate::data) struct Picture {
    pub(in crate::data) shape: Shape,
    pub(in crate::data) pixels: Vec<u8>,
    pub(in crate::data) is_jpeg: bool,
}

impl Picture {
    /// Decodes the bytes of a file; a sentence in words where they are no picture.
    pub(in crate::data) fn decode(bytes: &[u8]) -> Result<Self, String> {
        match bytes {
            [0xff, 0xd8, ..] => jpeg(bytes).map_err(|why| format!("a JPEG that {why}")),
            [0x89, b'P', b'N', b'G', ..] => {
                png(bytes).map_err(|why| format!("a PNG that {why}"))
            }
            _ => {
                let start = bytes[..bytes.len().min(8)].escape_ascii();
                Err(format!("neither a JPEG nor a PNG (it starts with `{start}`)"))
            }
        }
    }

    /// The same with three equal channels where it is gray.
    pub(in crate::data) fn into_color(mut self) -> Self {
        if self.shape.channels == 1 {
            self.pixels = self.pixels.repeat(3);
            self.shape.channels = 3;
        }
        self
    }
}

fn jpeg(bytes: &[u8]) -> Result<Picture, String> {
    let options = DecoderOptions::default()
        .set_max_width(LONGEST_SIDE)
        .set_max_height(LONGEST_SIDE)
        .set_strict_mode(true)
        .set_use_unsafe(false);
    let damaged = |error| format!("cannot be decoded ({error})");
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(bytes), options);
    decoder.decode_headers().map_err(damaged)?;
    let info = decoder.info().ok_or("has no header")?;
    let (color, channels) = match info.components {
        1 => (ColorSpace::Luma, 1),
        3 => (ColorSpace::RGB, 3),
        n => return Err(format!("has {n} channels; expected 1 or 3")),
    };
    let (height, width) = (usize::from(info.height), usize::from(info.width));
    check_size(channels * height * width, bytes)?;
    decoder.set_options(options.jpeg_set_out_colorspace(color));
    let pixels = decoder.decode().map_err(damaged)?;
    picture(&pixels, channels, channels, (height, width), true)
}

fn png(bytes: &[u8]) -> Result<Picture, String> {
    let limits = png::Limits { bytes: most_bytes(bytes) };
    let damaged = |error| format!("cannot be decoded ({error})");
    let mut decoder = png::Decoder::new_with_limits(Cursor::new(bytes), limits);
    decoder.set_ignore_text_chunk(true);
    decoder.set_transformations(png::Transformations::normalize_to_color8());
    let mut reader = decoder.read_info().map_err(damaged)?;
    let (height, width) = (reader.info().height as usize, reader.info().width as usize);
    if height > LONGEST_SIDE || width > LONGEST_SIDE {
        return Err(format!(
            "has {height}×{width} pixels; expected at most {LONGEST_SIDE}"
        ));
    }
    let size = reader.output_buffer_size().ok_or("is too large")?;
    check_size(size, bytes)?;
    let mut pixels = vec![0; size];
    let frame = reader.next_frame(&mut pixels).map_err(damaged)?;
    let (stored, kept) = match frame.color_type {
        png::ColorType::Grayscale => (1, 1),
        png::ColorType::GrayscaleAlpha => (2, 1),
        png::ColorType::Rgb => (3, 3),
        png::ColorType::Rgba => (4, 3),
        png::ColorType::Indexed => return Err("has a palette that is missing".into()),
    };
    picture(&pixels, stored, kept, (height, width), false)
}

/// What the bytes of a file may unpack to: no photograph or drawing of this size takes less.
fn most_bytes(file: &[u8]) -> usize {
    100 * file.len() + (8 << 20)
}

fn check_size(size: usize, file: &[u8]) -> Result<(), String> {
    let most = most_bytes(file);
    if size <= most {
        return Ok(());
    }
    Err(format!("unpacks to {size} bytes; expected at most {most} of {}", file.len()))
}

/// From `[row, column, stored]` to `[kept, row, column]`.
fn picture(
    pixels: &[u8],
    stored: usize,
    kept: usize,
    (height, width): (usize, usize),
    is_jpeg: bool,
) -> Result<Picture, String> {
    let shape = Shape { channels: kept, height, width };
    if shape.size() == 0 || pixels.len() != stored * height * width {
        return Err(format!("has {} bytes for {height}×{width} pixels", pixels.len()));
    }
    let channel = |c: usize| pixels.iter().copied().skip(c).step_by(stored);
    Ok(Picture { shape, pixels: (0..kept).flat_map(channel).collect(), is_jpeg })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn png_bytes(color: png::ColorType, pixels: &[u8], side: u32) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut encoder = png::Encoder::new(&mut bytes, side, side);
        encoder.set_color(color);
        encoder.write_header().unwrap().write_image_data(pixels).unwrap();
        bytes
    }

    #[test]
    fn png_channels_are_split_and_alpha_is_dropped() {
        let bytes = png_bytes(
            png::ColorType::Rgba,
            &[1, 2, 3, 99, 4, 5, 6, 98, 7, 8, 9, 97, 10, 11, 12, 96],
            2,
        );
        let picture = Picture::decode(&bytes).unwrap();
        assert_eq!(picture.shape, Shape { channels: 3, height: 2, width: 2 });
        assert_eq!(picture.pixels, [1, 4, 7, 10, 2, 5, 8, 11, 3, 6, 9, 12]);
        let gray = png_bytes(png::ColorType::Grayscale, &[1, 2, 3, 4], 2);
        let gray = Picture::decode(&gray).unwrap();
        assert_eq!(gray.pixels, [1, 2, 3, 4]);
        assert_eq!(gray.into_color().pixels, [1, 2, 3, 4, 1, 2, 3, 4, 1, 2, 3, 4]);
    }

    #[test]
    fn what_is_no_picture_is_said() {
        let refused = |bytes: &[u8]| Picture::decode(bytes).err().unwrap();
        assert!(refused(b"GIF89a..").contains("`GIF89a..`"));
        assert!(refused(b"").contains("neither"));
        let whole = png_bytes(png::ColorType::Rgb, &[7; 192], 8);
        for end in [8, 30, whole.len() / 2] {
            assert!(refused(&whole[..end]).starts_with("a PNG that"), "{end}");
        }
    }
}
