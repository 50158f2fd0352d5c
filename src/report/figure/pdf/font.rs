//! The fonts of a document: of each the letters that are used, and the text that they stand for.

use pdf_writer::types::{CidFontType, FontFlags, SystemInfo, UnicodeCmap};
use pdf_writer::{Filter, Finish, Name, Pdf, Rect, Ref, Str};
use resvg::usvg::fontdb::{Database, ID};
use resvg::usvg::layout::PositionedGlyph;
use sha2::{Digest, Sha256};
use subsetter::GlyphRemapper;

use super::object::{Numbers, Resource, compressed};

/// A font with the letters that are used so far.
pub(super) struct Font {
    id: ID,
    pub(super) resource: Resource,
    glyphs: GlyphRemapper,
    /// The text of each glyph, in the order of their new numbers from 1.
    texts: Vec<String>,
}

/// Finds the font of a glyph, or adds it, and gives the glyph a number there.
pub(super) fn number_of<'a>(
    fonts: &'a mut Vec<Font>,
    numbers: &mut Numbers,
    glyph: &PositionedGlyph,
) -> (&'a Font, u16) {
    let known = fonts.iter().position(|font| font.id == glyph.font);
    let at = known.unwrap_or_else(|| {
        let name = format!("F{}", fonts.len());
        let resource = Resource { name, id: numbers.next() };
        let (glyphs, texts) = (GlyphRemapper::new(), vec![]);
        fonts.push(Font { id: glyph.font, resource, glyphs, texts });
        fonts.len() - 1
    });
    let font = &mut fonts[at];
    let number = font.glyphs.remap(glyph.id.0);
    if usize::from(number) > font.texts.len() {
        font.texts.push(glyph.text.clone());
    }
    (font, number)
}

impl Font {
    /// Writes the font, which `known` has whole.
    pub(super) fn write(&self, pdf: &mut Pdf, numbers: &mut Numbers, known: &Database) {
        let [descendant, descriptor, file, to_unicode] = [(); 4].map(|()| numbers.next());
        let embedded = known
            .with_face_data(self.id, |data, index| Embedded::new(data, index, self))
            .expect("the font is in the program");
        let name = Name(embedded.name.as_bytes());
        pdf.type0_font(self.resource.id)
            .base_font(name)
            .encoding_predefined(Name(b"Identity-H"))
            .descendant_font(descendant)
            .to_unicode(to_unicode);
        let mut cid = pdf.cid_font(descendant);
        cid.subtype(CidFontType::Type2).base_font(name).system_info(IDENTITY);
        cid.font_descriptor(descriptor).cid_to_gid_map_predefined(Name(b"Identity"));
        cid.widths().consecutive(0, embedded.widths.iter().copied());
        cid.finish();
        embedded.write(pdf, descriptor, file);
        let mut map = UnicodeCmap::new(Name(b"Custom"), IDENTITY);
        for (number, text) in (1_u16..).zip(&self.texts) {
            map.pair_with_multiple(number, text.chars());
        }
        pdf.cmap(to_unicode, &map.finish());
    }
}

const IDENTITY: SystemInfo<'static> =
    SystemInfo { registry: Str(b"Adobe"), ordering: Str(b"Identity"), supplement: 0 };

/// What a document holds of a font; lengths in thousandths of its size.
struct Embedded {
    name: String,
    file: Vec<u8>,
    widths: Vec<f32>,
    bbox: [f32; 4],
    ascent: f32,
    descent: f32,
}

impl Embedded {
    fn new(data: &[u8], index: u32, font: &Font) -> Self {
        let face = ttf_parser::Face::parse(data, index).expect("the font is whole");
        let scale = 1000.0 / f32::from(face.units_per_em());
        let width = |glyph: u16| {
            let advance = face.glyph_hor_advance(ttf_parser::GlyphId(glyph));
            f32::from(advance.unwrap_or_default()) * scale
        };
        let file =
            subsetter::subset(data, index, &font.glyphs).expect("the font is whole");
        // Documents that are joined tell subsets of one font apart by six letters.
        let digest = Sha256::digest(&file);
        let tag: String =
            digest.iter().take(6).map(|byte| char::from(b'A' + byte % 26)).collect();
        let weight = if face.is_bold() { "Bold" } else { "Regular" };
        let bbox = face.global_bounding_box();
        let ends = [bbox.x_min, bbox.y_min, bbox.x_max, bbox.y_max];
        Self {
            name: format!("{tag}+Arimo-{weight}"),
            file,
            widths: font.glyphs.remapped_gids().map(width).collect(),
            bbox: ends.map(|end| f32::from(end) * scale),
            ascent: f32::from(face.ascender()) * scale,
            descent: f32::from(face.descender()) * scale,
        }
    }
    /// Writes what readers know of the font, and its file.
    fn write(&self, pdf: &mut Pdf, descriptor: Ref, file: Ref) {
        let [left, bottom, right, top] = self.bbox;
        pdf.font_descriptor(descriptor)
            .name(Name(self.name.as_bytes()))
            .flags(FontFlags::NON_SYMBOLIC)
            .bbox(Rect::new(left, bottom, right, top))
            .italic_angle(0.0)
            .ascent(self.ascent)
            .descent(self.descent)
            .cap_height(self.ascent)
            .stem_v(80.0)
            .font_file2(file);
        let data = compressed(&self.file);
        let mut stream = pdf.stream(file, &data);
        stream.filter(Filter::FlateDecode);
        stream.pair(Name(b"Length1"), self.file.len() as i32);
        stream.finish();
    }
}
