//! Pixels with rectangles and text: what a PNG needs of a figure whose SVG is drawn by others.

/// A glyph's columns and rows of dots, the last two below the line.
const GLYPH: (usize, usize) = (5, 9);
/// Pixels of a dot.
const DOT: usize = 2;
/// Pixels from one character to the next.
pub(crate) const ADVANCE: usize = (GLYPH.0 + 1) * DOT;
/// Pixels that a capital letter is high.
pub(crate) const TEXT: usize = (GLYPH.1 - 2) * DOT;

/// The characters from `!` to `~`: nine rows of five dots, the first row in the highest bits.
const FONT: [u64; 94] = [
    0x0421_0840_1000,
    0x0a50_0000_0000,
    0x0afa_94af_a800,
    0x047d_1c5f_1000,
    0x19c8_8889_cc00,
    0x0c95_1159_3400,
    0x0420_0000_0000,
    0x0222_1082_0800,
    0x0820_8422_2000,
    0x00ab_beea_8000,
    0x0021_3e42_0000,
    0x0000_0006_3088,
    0x0000_1c00_0000,
    0x0000_0006_3000,
    0x0108_8888_4000,
    0x0e8c_eb98_b800,
    0x0461_0842_3800,
    0x0e88_4444_7c00,
    0x0e88_4c18_b800,
    0x0232_a5f1_0800,
    0x1f87_8218_b800,
    0x0e84_3d18_b800,
    0x1f08_8844_2000,
    0x0e8c_5d18_b800,
    0x0e8c_5e10_b800,
    0x0063_00c6_0000,
    0x0003_1806_3088,
    0x0222_2082_0800,
    0x0007_c1f0_0000,
    0x0820_8222_2000,
    0x0e88_4440_1000,
    0x0e8d_eb68_3c00,
    0x0e8c_7f18_c400,
    0x1e8c_7d18_f800,
    0x0e8c_2108_b800,
    0x1e8c_6318_f800,
    0x1f84_3d08_7c00,
    0x1f84_3d08_4000,
    0x0e8c_2f18_bc00,
    0x118c_7f18_c400,
    0x0e21_0842_3800,
    0x0710_8429_3000,
    0x1195_3149_4400,
    0x1084_2108_7c00,
    0x11dd_6b18_c400,
    0x11ce_6b39_c400,
    0x0e8c_6318_b800,
    0x1e8c_7d08_4000,
    0x0e8c_6359_3400,
    0x1e8c_7d49_4400,
    0x0f84_1c10_f800,
    0x1f21_0842_1000,
    0x118c_6318_b800,
    0x118c_6315_1000,
    0x118c_6b5d_c400,
    0x118a_88a8_c400,
    0x118a_8842_1000,
    0x1f08_8888_7c00,
    0x0e42_1084_3800,
    0x1082_0820_8400,
    0x0e10_8421_3800,
    0x0454_4000_0000,
    0x0000_0000_7c00,
    0x0820_0000_0000,
    0x0003_82f8_bc00,
    0x1087_a318_f800,
    0x0003_a108_3800,
    0x010b_e318_bc00,
    0x0003_a3f8_3800,
    0x0642_3884_2000,
    0x0003_e318_bc2e,
    0x1087_a318_c400,
    0x0403_0842_3800,
    0x0201_8421_0a4c,
    0x1084_a98a_4800,
    0x0c21_0842_3800,
    0x0006_ab5a_d400,
    0x0007_a318_c400,
    0x0003_a318_b800,
    0x0007_a318_fa10,
    0x0003_e318_bc21,
    0x0005_b108_4000,
    0x0003_e0e0_f800,
    0x0847_1084_1800,
    0x0004_6318_bc00,
    0x0004_6315_1000,
    0x0004_635a_a800,
    0x0004_5445_4400,
    0x0004_6318_bc2e,
    0x0007_c444_7c00,
    0x0221_1042_0800,
    0x0421_0842_1000,
    0x0821_0442_2000,
    0x0002_2a20_0000,
];

/// A picture in RGB, white at first.
pub(crate) struct Canvas {
    size: (usize, usize),
    rgb: Vec<u8>,
}

/// Where a text reads.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Direction {
    /// To the right, from its upper left corner.
    Right,
    /// Upwards, from its lower left corner.
    Up,
}

impl Canvas {
    pub(crate) fn new(width: usize, height: usize) -> Self {
        Self { size: (width, height), rgb: vec![0xff; 3 * width * height] }
    }

    /// Fills a rectangle; what is beyond the picture is left out.
    pub(crate) fn fill(
        &mut self,
        (left, top): (usize, usize),
        (width, height): (usize, usize),
        colour: impl Fn(usize, usize) -> [u8; 3],
    ) {
        for y in top..(top + height).min(self.size.1) {
            for x in left..(left + width).min(self.size.0) {
                let at = 3 * (y * self.size.0 + x);
                self.rgb[at..at + 3].copy_from_slice(&colour(x, y));
            }
        }
    }

    /// The frame of a rectangle, a pixel outside of it.
    pub(crate) fn frame(&mut self, (left, top): (usize, usize), size: (usize, usize)) {
        let (width, height) = size;
        let line = |_, _| [0x55; 3];
        self.fill((left - 1, top - 1), (width + 2, 1), line);
        self.fill((left - 1, top + height), (width + 2, 1), line);
        self.fill((left - 1, top), (1, height), line);
        self.fill((left + width, top), (1, height), line);
    }

    /// Writes a text; characters beyond ASCII become boxes.
    pub(crate) fn text(
        &mut self,
        (x, y): (usize, usize),
        direction: Direction,
        text: &str,
    ) {
        for (place, character) in text.chars().enumerate() {
            if character == ' ' {
                continue;
            }
            let glyph = (character as usize).checked_sub('!' as usize);
            let dots = glyph.and_then(|at| FONT.get(at)).copied().unwrap_or(u64::MAX);
            for (row, column) in
                (0..GLYPH.1).flat_map(|row| (0..GLYPH.0).map(move |column| (row, column)))
            {
                let bit = GLYPH.0 * GLYPH.1 - 1 - row * GLYPH.0 - column;
                if dots >> bit & 1 == 0 {
                    continue;
                }
                let along = place * ADVANCE + column * DOT;
                let corner = match direction {
                    Direction::Right => (x + along, y + row * DOT),
                    Direction::Up => (x + row * DOT, y.saturating_sub(along + DOT)),
                };
                self.fill(corner, (DOT, DOT), |_, _| [0x22; 3]);
            }
        }
    }

    /// The picture as a PNG file.
    pub(crate) fn to_png(&self) -> Vec<u8> {
        png(self.size, &self.rgb)
    }
}

/// A picture in RGB as a PNG file. Compression is fixed, so that a run gives the same bytes
/// every time.
pub(crate) fn png((width, height): (usize, usize), rgb: &[u8]) -> Vec<u8> {
    let mut file = vec![];
    let mut encoder = png::Encoder::new(&mut file, width as u32, height as u32);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_compression(png::Compression::High);
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
