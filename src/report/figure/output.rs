//! A drawing as PNG or PDF, its text in the embedded font.
//!
//! Fonts of the system are not looked at, and nothing but the drawing is written: the same drawing
//! gives the same bytes.

#[cfg(feature = "figures")]
use std::sync::{Arc, LazyLock};

#[cfg(feature = "figures")]
use resvg::{tiny_skia, usvg};

use crate::error::{Error, ErrorKind, Result};

/// A drawing as PNG with so many pixels per inch.
///
/// # Errors
/// If it has more than 2³⁰ pixels, or the program is built without the feature `figures`.
#[cfg(feature = "figures")]
pub(crate) fn png(svg: &str, dpi: f64) -> Result<Vec<u8>> {
    let tree = tree(svg);
    let scale = dpi / POINTS_PER_INCH;
    let [width, height] = [tree.size().width(), tree.size().height()]
        .map(|points| (f64::from(points) * scale).round().max(1.0));
    if width * height > f64::from(1 << 30) {
        return Err(Error::usage(
            "`--dpi`",
            format!("asks for {width} × {height} pixels"),
        )
        .expected("at most 1 GiB of them"));
    }
    let mut pixels =
        tiny_skia::Pixmap::new(width as u32, height as u32).ok_or_else(|| {
            Error::new(ErrorKind::Usage, "a figure", "has no pixels at this resolution")
        })?;
    resvg::render(
        &tree,
        tiny_skia::Transform::from_scale(scale as f32, scale as f32),
        &mut pixels.as_mut(),
    );
    // The paper is white, so no pixel lets anything through.
    let rgb: Vec<u8> =
        pixels.pixels().iter().flat_map(|p| [p.red(), p.green(), p.blue()]).collect();
    Ok(super::pixels::png_of_dpi((width as usize, height as usize), &rgb, dpi))
}

/// A drawing as PDF of one page with the drawing's size; the letters that it uses are embedded.
///
/// # Errors
/// If the program is built without the feature `figures`.
#[cfg(feature = "figures")]
#[expect(clippy::unnecessary_wraps, reason = "without the feature it is an error")]
pub(crate) fn pdf(svg: &str) -> Result<Vec<u8>> {
    Ok(super::pdf::document(&tree(svg)))
}

#[cfg(feature = "figures")]
const POINTS_PER_INCH: f64 = 72.0;

/// The drawing as a tree of shapes, in points.
#[cfg(feature = "figures")]
fn tree(svg: &str) -> usvg::Tree {
    let options = usvg::Options {
        dpi: POINTS_PER_INCH as f32,
        font_family: FAMILY.into(),
        fontdb: FONTS.clone(),
        ..usvg::Options::default()
    };
    usvg::Tree::from_str(svg, &options).expect("what is drawn is valid SVG")
}

#[cfg(feature = "figures")]
const FAMILY: &str = "Arimo";

/// The two weights of the font.
#[cfg(feature = "figures")]
static FONTS: LazyLock<Arc<usvg::fontdb::Database>> = LazyLock::new(|| {
    let mut fonts = usvg::fontdb::Database::new();
    fonts.load_font_data(include_bytes!("fonts/Arimo-Regular.ttf").to_vec());
    fonts.load_font_data(include_bytes!("fonts/Arimo-Bold.ttf").to_vec());
    fonts.set_sans_serif_family(FAMILY);
    Arc::new(fonts)
});

#[cfg(not(feature = "figures"))]
pub(crate) fn png(_svg: &str, _dpi: f64) -> Result<Vec<u8>> {
    Err(absent("PNG"))
}

#[cfg(not(feature = "figures"))]
pub(crate) fn pdf(_svg: &str) -> Result<Vec<u8>> {
    Err(absent("PDF"))
}

#[cfg(not(feature = "figures"))]
fn absent(format: &str) -> Error {
    Error::new(ErrorKind::Usage, format, "is left out of this program")
        .expected("SVG, or a program built with the feature `figures`")
}
