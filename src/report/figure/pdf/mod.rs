//! A drawing as PDF: shapes, pictures and text, whose letters are embedded.
//!
//! Of PDF no more is written than figures need: paths in one color, hatching, pictures in RGB, text.
//! Nothing tells of the time or the machine, so the same drawing gives the same bytes.

mod font;
mod object;

use pdf_writer::types::{
    ColorSpaceOperand, LineCapStyle, LineJoinStyle, PaintType, TilingType,
};
use pdf_writer::{Content, Filter, Finish, Name, Pdf, Rect, Ref, Str};
use resvg::tiny_skia::{PathSegment, Transform};
use resvg::usvg::{self, Group, ImageKind, LineCap, LineJoin, Node, Paint, Tree};

use font::{Font, number_of};
use object::{Numbers, Resource, compressed, name_all};

/// The drawing as a document of one page, which has its size.
pub(super) fn document(tree: &Tree) -> Vec<u8> {
    let mut writer = Writer::new(tree);
    let mut content = Content::new();
    writer.group(&mut content, tree.root(), 1.0);
    writer.finish(&content.finish())
}

struct Writer<'a> {
    tree: &'a Tree,
    pdf: Pdf,
    numbers: Numbers,
    /// From the drawing's coordinates, whose y runs downwards, to those of the page.
    page: Transform,
    fonts: Vec<Font>,
    /// By the share of light that they hold back, in thousandths.
    opacities: Vec<(u32, Resource)>,
    pictures: Vec<Resource>,
    hatchings: Vec<Resource>,
}

impl<'a> Writer<'a> {
    fn new(tree: &'a Tree) -> Self {
        Self {
            tree,
            pdf: Pdf::new(),
            numbers: Numbers::new(),
            page: Transform::from_row(1.0, 0.0, 0.0, -1.0, 0.0, tree.size().height()),
            fonts: vec![],
            opacities: vec![],
            pictures: vec![],
            hatchings: vec![],
        }
    }

    fn group(&mut self, content: &mut Content, group: &Group, opacity: f32) {
        let opacity = opacity * group.opacity().get();
        for node in group.children() {
            match node {
                Node::Group(group) => self.group(content, group, opacity),
                Node::Path(path) => self.path(content, path, opacity),
                Node::Image(image) => self.picture(content, image),
                Node::Text(text) => self.text(content, text, opacity),
            }
        }
    }

    /// A shape: filled, then its outline.
    fn path(&mut self, content: &mut Content, path: &usvg::Path, opacity: f32) {
        if !path.is_visible() {
            return;
        }
        if let Some(fill) = path.fill() {
            content.save_state();
            self.opacity(content, opacity * fill.opacity().get());
            match fill.paint() {
                Paint::Color(color) => {
                    let [red, green, blue] = channels(*color);
                    content.set_fill_rgb(red, green, blue);
                }
                Paint::Pattern(pattern) => {
                    let hatching = self.hatching(pattern, path.abs_transform());
                    content.set_fill_color_space(ColorSpaceOperand::Pattern);
                    content.set_fill_pattern(None, Name(hatching.as_bytes()));
                }
                Paint::LinearGradient(_) | Paint::RadialGradient(_) => {
                    unreachable!("figures have no gradients")
                }
            }
            content.transform(row(self.page.pre_concat(path.abs_transform())));
            segments(content, path);
            match fill.paint() {
                // Cells that meet: viewers would show the paper between them.
                Paint::Color(color)
                    if !path.rendering_mode().use_shape_antialiasing() =>
                {
                    let [red, green, blue] = channels(*color);
                    content.set_stroke_rgb(red, green, blue).set_line_width(0.15);
                    content.fill_nonzero_and_stroke();
                }
                _ => {
                    content.fill_nonzero();
                }
            }
            content.restore_state();
        }
        self.outline(content, path, opacity);
    }

    fn outline(&mut self, content: &mut Content, path: &usvg::Path, opacity: f32) {
        let Some(stroke) = path.stroke() else { return };
        let Paint::Color(color) = stroke.paint() else { return };
        content.save_state();
        self.opacity(content, opacity * stroke.opacity().get());
        let [red, green, blue] = channels(*color);
        content.set_stroke_rgb(red, green, blue);
        content.transform(row(self.page.pre_concat(path.abs_transform())));
        content.set_line_width(stroke.width().get());
        content.set_line_cap(match stroke.linecap() {
            LineCap::Butt => LineCapStyle::ButtCap,
            LineCap::Round => LineCapStyle::RoundCap,
            LineCap::Square => LineCapStyle::ProjectingSquareCap,
        });
        content.set_line_join(match stroke.linejoin() {
            LineJoin::Round => LineJoinStyle::RoundJoin,
            LineJoin::Bevel => LineJoinStyle::BevelJoin,
            LineJoin::Miter | LineJoin::MiterClip => LineJoinStyle::MiterJoin,
        });
        if let Some(dashes) = stroke.dasharray() {
            content.set_dash_pattern(dashes.iter().copied(), stroke.dashoffset());
        }
        segments(content, path);
        content.stroke();
        content.restore_state();
    }

    /// Lets through what an opacity below 1 lets through.
    fn opacity(&mut self, content: &mut Content, opacity: f32) {
        let held = (opacity * 1000.0).round() as u32;
        if held >= 1000 {
            return;
        }
        let known = self.opacities.iter().position(|(other, _)| *other == held);
        let at = known.unwrap_or_else(|| {
            let name = format!("O{}", self.opacities.len());
            let id = self.numbers.next();
            let alpha = held as f32 / 1000.0;
            self.pdf.ext_graphics(id).non_stroking_alpha(alpha).stroking_alpha(alpha);
            self.opacities.push((held, Resource { name, id }));
            self.opacities.len() - 1
        });
        content.set_parameters(Name(self.opacities[at].1.name.as_bytes()));
    }

    /// Writes a pattern as it lies on a shape; returns its name.
    fn hatching(&mut self, pattern: &usvg::Pattern, shape: Transform) -> String {
        let (name, id) = (format!("H{}", self.hatchings.len()), self.numbers.next());
        let rect = pattern.rect();
        let mut content = Content::new();
        // Within the pattern y runs downwards, as in the drawing.
        let page = std::mem::replace(&mut self.page, Transform::identity());
        self.group(&mut content, pattern.root(), 1.0);
        self.page = page;
        let content = content.finish();
        let matrix = self.page.pre_concat(shape).pre_concat(pattern.transform());
        let mut tile = self.pdf.tiling_pattern(id, &content);
        tile.paint_type(PaintType::Colored)
            .tiling_type(TilingType::ConstantSpacing)
            .bbox(Rect::new(rect.left(), rect.top(), rect.right(), rect.bottom()))
            .x_step(rect.width())
            .y_step(rect.height())
            .matrix(row(matrix));
        tile.resources();
        tile.finish();
        self.hatchings.push(Resource { name: name.clone(), id });
        name
    }

    /// A picture, whose file is one that `pixels` wrote.
    fn picture(&mut self, content: &mut Content, image: &usvg::Image) {
        let ImageKind::PNG(file) = image.kind() else { return };
        let (size, rgb) = decoded(file);
        let (name, id) = (format!("P{}", self.pictures.len()), self.numbers.next());
        let data = compressed(&rgb);
        let mut object = self.pdf.image_xobject(id, &data);
        object.filter(Filter::FlateDecode);
        object.width(size.0 as i32).height(size.1 as i32);
        object.color_space().device_rgb();
        object.bits_per_component(8).interpolate(false);
        object.finish();
        let natural = image.size();
        let placed = self
            .page
            .pre_concat(image.abs_transform())
            .pre_concat(Transform::from_translate(0.0, natural.height()))
            .pre_concat(Transform::from_scale(natural.width(), -natural.height()));
        content.save_state();
        content.transform(row(placed));
        content.x_object(Name(name.as_bytes()));
        content.restore_state();
        self.pictures.push(Resource { name, id });
    }

    /// Text, letter by letter where it stands; a rim lies below it.
    fn text(&mut self, content: &mut Content, text: &usvg::Text, opacity: f32) {
        if text.layouted().iter().any(|span| span.stroke.is_some()) {
            self.rims(content, text.flattened(), opacity);
        }
        for span in text.layouted() {
            let Some(Paint::Color(color)) = span.fill.as_ref().map(usvg::Fill::paint)
            else {
                continue;
            };
            let [red, green, blue] = channels(*color);
            content.save_state();
            self.opacity(content, opacity);
            content.begin_text();
            content.set_fill_rgb(red, green, blue);
            for glyph in &span.positioned_glyphs {
                let (font, number) = number_of(&mut self.fonts, &mut self.numbers, glyph);
                let size = glyph.font_size();
                let units = 1.0 / (glyph.transform().sx / size);
                let upright = Transform::from_scale(units / size, -units / size);
                let placed = self
                    .page
                    .pre_concat(text.abs_transform())
                    .pre_concat(glyph.transform())
                    .pre_concat(upright);
                content.set_font(Name(font.resource.name.as_bytes()), size);
                content.set_text_matrix(row(placed));
                content.show(Str(&number.to_be_bytes()));
            }
            content.end_text();
            content.restore_state();
        }
    }

    /// The outlines of letters.
    fn rims(&mut self, content: &mut Content, group: &Group, opacity: f32) {
        for node in group.children() {
            match node {
                Node::Group(group) => self.rims(content, group, opacity),
                Node::Path(path) => self.outline(content, path, opacity),
                Node::Image(_) | Node::Text(_) => {}
            }
        }
    }

    /// The fonts, the page and what it refers to.
    fn finish(mut self, content: &[u8]) -> Vec<u8> {
        for font in &self.fonts {
            font.write(&mut self.pdf, &mut self.numbers, self.tree.fontdb());
        }
        let [catalog, pages, page] = [1, 2, 3].map(Ref::new);
        let contents = self.numbers.next();
        self.pdf.catalog(catalog).pages(pages);
        self.pdf.pages(pages).kids([page]).count(1);
        let size = self.tree.size();
        let mut object = self.pdf.page(page);
        object.parent(pages).contents(contents);
        object.media_box(Rect::new(0.0, 0.0, size.width(), size.height()));
        let mut resources = object.resources();
        let fonts = self.fonts.iter().map(|font| &font.resource);
        name_all(resources.fonts(), fonts);
        name_all(resources.x_objects(), self.pictures.iter());
        name_all(resources.patterns(), self.hatchings.iter());
        name_all(resources.ext_g_states(), self.opacities.iter().map(|(_, o)| o));
        resources.finish();
        object.finish();
        let data = compressed(content);
        self.pdf.stream(contents, &data).filter(Filter::FlateDecode);
        self.pdf.finish()
    }
}

fn channels(color: usvg::Color) -> [f32; 3] {
    [color.red, color.green, color.blue].map(|channel| f32::from(channel) / 255.0)
}

fn row(transform: Transform) -> [f32; 6] {
    let Transform { sx, ky, kx, sy, tx, ty } = transform;
    [sx, ky, kx, sy, tx, ty]
}

/// The lines and curves of a path.
fn segments(content: &mut Content, path: &usvg::Path) {
    let mut last = (0.0, 0.0);
    for segment in path.data().segments() {
        match segment {
            PathSegment::MoveTo(to) => {
                content.move_to(to.x, to.y);
                last = (to.x, to.y);
            }
            PathSegment::LineTo(to) => {
                content.line_to(to.x, to.y);
                last = (to.x, to.y);
            }
            PathSegment::QuadTo(by, to) => {
                // The cubic curve that is the same.
                let third = |from: f32, by: f32| from + 2.0 / 3.0 * (by - from);
                let first = (third(last.0, by.x), third(last.1, by.y));
                let second = (third(to.x, by.x), third(to.y, by.y));
                content.cubic_to(first.0, first.1, second.0, second.1, to.x, to.y);
                last = (to.x, to.y);
            }
            PathSegment::CubicTo(a, b, to) => {
                content.cubic_to(a.x, a.y, b.x, b.y, to.x, to.y);
                last = (to.x, to.y);
            }
            PathSegment::Close => {
                content.close_path();
            }
        }
    }
}

/// Size and colors of a PNG file in RGB.
fn decoded(file: &[u8]) -> ((u32, u32), Vec<u8>) {
    let decoder = png::Decoder::new(std::io::Cursor::new(file));
    let mut reader = decoder.read_info().expect("the picture was written here");
    let size = reader.output_buffer_size().expect("the picture was written here");
    let mut rgb = vec![0; size];
    reader.next_frame(&mut rgb).expect("the picture was written here");
    (reader.info().size(), rgb)
}
