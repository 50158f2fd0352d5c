//! Pixels as PNG files, with the same bytes for the same pixels.

/// A picture in RGB as a PNG file. Compression is fixed, so that a run gives the same bytes
/// every time.
pub(crate) fn png(size: (usize, usize), rgb: &[u8]) -> Vec<u8> {
    encoded(size, rgb, None)
}

/// The same with its pixels per inch, by which programs place it in its size.
#[cfg(feature = "figures")]
pub(crate) fn png_of_dpi(size: (usize, usize), rgb: &[u8], dpi: f64) -> Vec<u8> {
    let per_metre = (dpi / 0.0254).round() as u32;
    let unit = png::Unit::Meter;
    let dimensions = png::PixelDimensions { xppu: per_metre, yppu: per_metre, unit };
    encoded(size, rgb, Some(dimensions))
}

fn encoded(
    (width, height): (usize, usize),
    rgb: &[u8],
    dimensions: Option<png::PixelDimensions>,
) -> Vec<u8> {
    let mut file = vec![];
    let mut encoder = png::Encoder::new(&mut file, width as u32, height as u32);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_compression(png::Compression::High);
    encoder.set_pixel_dims(dimensions);
    let mut writer = encoder.write_header().expect("a header for memory cannot fail");
    writer.write_image_data(rgb).expect("the picture has width × height pixels");
    writer.finish().expect("writing to memory cannot fail");
    file
}

/// A picture in at most 256 colors as a PNG file; `points` are their numbers in `palette` (RGB).
pub(crate) fn palette_png(
    (width, height): (usize, usize),
    palette: &[u8],
    points: &[u8],
) -> Vec<u8> {
    let mut file = vec![];
    let mut encoder = png::Encoder::new(&mut file, width as u32, height as u32);
    encoder.set_color(png::ColorType::Indexed);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_palette(palette);
    encoder.set_compression(png::Compression::High);
    // Filters are for photographs: areas of one color are smallest without.
    encoder.set_filter(png::Filter::NoFilter);
    let mut writer = encoder.write_header().expect("a header for memory cannot fail");
    writer.write_image_data(points).expect("the picture has width × height points");
    writer.finish().expect("writing to memory cannot fail");
    file
}
