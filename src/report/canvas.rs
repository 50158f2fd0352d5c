//! Pixels with rectangles and text: what a PNG needs of a figure whose SVG is drawn by others.

/// A glyph's columns and rows of dots.
const GLYPH: (usize, usize) = (5, 7);
/// Pixels of a dot.
const DOT: usize = 2;
/// Pixels from one character to the next.
pub(super) const ADVANCE: usize = (GLYPH.0 + 1) * DOT;
/// Pixels that a line of text is high.
pub(super) const TEXT: usize = GLYPH.1 * DOT;

/// The characters from `!` to `~`: seven rows of five dots, the first row in the highest bits.
const FONT: [u64; 94] = [
    0x1_0842_1004,
    0x2_9400_0000,
    0x2_bea5_2bea,
    0x1_1f47_17c4,
    0x6_7222_2273,
    0x3_2544_564d,
    0x1_0800_0000,
    0x0_8884_2082,
    0x2_0821_0888,
    0x0_2aef_baa0,
    0x0_084f_9080,
    0x0_0000_3088,
    0x0_0007_0000,
    0x0_0000_018c,
    0x0_4222_2210,
    0x3_a33a_e62e,
    0x1_1842_108e,
    0x3_a211_111f,
    0x3_a213_062e,
    0x0_8ca9_7c42,
    0x7_e1e0_862e,
    0x3_a10f_462e,
    0x7_c222_1108,
    0x3_a317_462e,
    0x3_a317_842e,
    0x0_18c0_3180,
    0x0_18c0_3088,
    0x0_8888_2082,
    0x0_01f0_7c00,
    0x2_0820_8888,
    0x3_a211_1004,
    0x3_a37a_da0f,
    0x3_a31f_c631,
    0x7_a31f_463e,
    0x3_a308_422e,
    0x7_a318_c63e,
    0x7_e10f_421f,
    0x7_e10f_4210,
    0x3_a30b_c62f,
    0x4_631f_c631,
    0x3_8842_108e,
    0x1_c421_0a4c,
    0x4_654c_5251,
    0x4_2108_421f,
    0x4_775a_c631,
    0x4_739a_ce71,
    0x3_a318_c62e,
    0x7_a31f_4210,
    0x3_a318_d64d,
    0x7_a31f_5251,
    0x3_e107_043e,
    0x7_c842_1084,
    0x4_6318_c62e,
    0x4_6318_c544,
    0x4_631a_d771,
    0x4_62a2_2a31,
    0x4_62a2_1084,
    0x7_c222_221f,
    0x3_9084_210e,
    0x4_2082_0821,
    0x3_8421_084e,
    0x1_1510_0000,
    0x0_0000_001f,
    0x2_0800_0000,
    0x0_00e0_be2f,
    0x4_21e8_c63e,
    0x0_00e8_420e,
    0x0_42f8_c62f,
    0x0_00e8_fe0e,
    0x1_908e_2108,
    0x0_1f18_bc2e,
    0x4_21e8_c631,
    0x1_00c2_108e,
    0x0_8061_0a4c,
    0x4_212a_6292,
    0x3_0842_108e,
    0x0_01aa_d6b5,
    0x0_01e8_c631,
    0x0_00e8_c62e,
    0x0_3d18_fa10,
    0x0_1f18_bc21,
    0x0_016c_4210,
    0x0_00f8_383e,
    0x2_11c4_2106,
    0x0_0118_c62f,
    0x0_0118_c544,
    0x0_0118_d6aa,
    0x0_0115_1151,
    0x0_2318_bc2e,
    0x0_01f1_111f,
    0x0_8844_1082,
    0x1_0842_1084,
    0x2_0841_1088,
    0x0_008a_8800,
];

/// A picture in RGB, white at first.
pub(super) struct Canvas {
    size: (usize, usize),
    rgb: Vec<u8>,
}

/// Where a text reads.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Direction {
    /// To the right, from its upper left corner.
    Right,
    /// Upwards, from its lower left corner.
    Up,
}

impl Canvas {
    pub(super) fn new(width: usize, height: usize) -> Self {
        Self { size: (width, height), rgb: vec![0xff; 3 * width * height] }
    }

    /// Fills a rectangle; what is beyond the picture is left out.
    pub(super) fn fill(
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
    pub(super) fn frame(&mut self, (left, top): (usize, usize), size: (usize, usize)) {
        let (width, height) = size;
        let line = |_, _| [0x55; 3];
        self.fill((left - 1, top - 1), (width + 2, 1), line);
        self.fill((left - 1, top + height), (width + 2, 1), line);
        self.fill((left - 1, top), (1, height), line);
        self.fill((left + width, top), (1, height), line);
    }

    /// Writes a text; characters beyond ASCII become boxes.
    pub(super) fn text(
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
    pub(super) fn to_png(&self) -> Vec<u8> {
        super::regions::png(self.size, &self.rgb)
    }
}
