//! Figures for papers: as wide as asked, letters as large as asked and embedded, no text over another
//! or beyond the edge, the same bytes every time.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use resvg::usvg::{self, Node, fontdb};
use stratagram::report::{Paper, RunResults, figures};

use super::quickstart;
use crate::support::runs::{answer, files, succeed, texts};

/// Widths of one and of two columns in points, with sizes of letters.
const SHEETS: [(f64, f64); 4] = [(234.0, 8.0), (234.0, 7.0), (486.0, 8.0), (345.0, 10.0)];

fn paper((width, font): (f64, f64), layers: &[&str]) -> Paper {
    let layers = layers.iter().map(|&layer| layer.to_owned()).collect();
    Paper { width, font, dpi: 300.0, layers }
}

fn laid_out(run: &Path, paper: &Paper) -> BTreeMap<String, String> {
    let run = paper.lay_out(RunResults::read(run).unwrap()).unwrap();
    figures(&run).into_iter().collect()
}

/// The drawing as the font that is embedded makes it, in points.
fn tree(svg: &str) -> usvg::Tree {
    let mut fonts = fontdb::Database::new();
    let regular = include_bytes!("../../../src/report/figure/fonts/Arimo-Regular.ttf");
    let bold = include_bytes!("../../../src/report/figure/fonts/Arimo-Bold.ttf");
    fonts.load_font_data(regular.to_vec());
    fonts.load_font_data(bold.to_vec());
    let fontdb = Arc::new(fonts);
    let options = usvg::Options { dpi: 72.0, fontdb, ..usvg::Options::default() };
    usvg::Tree::from_str(svg, &options).unwrap()
}

/// A text where it is drawn: the corners of the box from the foot of its line to the top of its
/// capitals.
#[derive(Debug)]
struct Placed {
    text: String,
    /// In points.
    size: f64,
    corners: [(f64, f64); 4],
}

fn placed(group: &usvg::Group, found: &mut Vec<Placed>) {
    for node in group.children() {
        match node {
            Node::Group(group) => placed(group, found),
            Node::Text(text) => found.push(place(text)),
            _ => {}
        }
    }
}

fn place(text: &usvg::Text) -> Placed {
    let (bounds, transform) = (text.bounding_box(), text.abs_transform());
    let size = text.chunks()[0].spans()[0].font_size().get();
    // Boxes reach from the font's ascent (0.905) to its descent (-0.212).
    let (top, bottom) = (bounds.top() + 0.19 * size, bounds.bottom() - 0.1 * size);
    let corner = |x: f32, y: f32| {
        let mut point = usvg::tiny_skia_path::Point::from_xy(x, y);
        transform.map_point(&mut point);
        (f64::from(point.x), f64::from(point.y))
    };
    let (left, right) = (bounds.left(), bounds.right());
    let corners = [
        corner(left, top),
        corner(right, top),
        corner(right, bottom),
        corner(left, bottom),
    ];
    let scale = f64::from(transform.sx).hypot(f64::from(transform.ky));
    let text = text.chunks().iter().map(usvg::TextChunk::text).collect();
    Placed { text, size: f64::from(size) * scale, corners }
}

/// Whether two boxes overlap: no line separates them.
fn overlap(a: &Placed, b: &Placed) -> bool {
    let separated = |by: &Placed| {
        (0..4).any(|side| {
            let (from, to) = (by.corners[side], by.corners[(side + 1) % 4]);
            let normal = (to.1 - from.1, from.0 - to.0);
            let along = |other: &Placed| {
                let places = other.corners.map(|(x, y)| x * normal.0 + y * normal.1);
                let least = places.into_iter().fold(f64::INFINITY, f64::min);
                (least, places.into_iter().fold(f64::NEG_INFINITY, f64::max))
            };
            let ((a0, a1), (b0, b1)) = (along(a), along(b));
            let slack = 0.1 * normal.0.hypot(normal.1);
            a1 <= b0 + slack || b1 <= a0 + slack
        })
    };
    !separated(a) && !separated(b)
}

/// Digits on the images of a picture lie where the images lie, one over the other if these do.
fn is_of_a_picture(placed: &Placed) -> bool {
    placed.text.len() <= 2 && placed.text.parse::<u8>().is_ok()
}

/// What is wrong with the texts of a drawing of this size.
fn faults(texts: &[Placed], (width, height): (f64, f64)) -> Vec<String> {
    let mut faults = vec![];
    for text in texts {
        let is_inside = |&(x, y): &(f64, f64)| {
            (-0.1..=width + 0.1).contains(&x) && (-0.1..=height + 0.1).contains(&y)
        };
        if !text.corners.iter().all(is_inside) {
            faults.push(format!("`{}` leaves the figure: {:?}", text.text, text.corners));
        }
    }
    for (at, a) in texts.iter().enumerate() {
        for b in &texts[at + 1..] {
            if overlap(a, b) && !(is_of_a_picture(a) && is_of_a_picture(b)) {
                faults.push(format!("`{}` lies over `{}`", a.text, b.text));
            }
        }
    }
    faults
}

#[test]
fn texts_have_their_size_and_lie_neither_over_each_other_nor_beyond_the_edge() {
    let world = quickstart();
    let run = world.path().join("runs/quickstart");
    let mut found = vec![];
    for (width, font) in SHEETS {
        let figures = laid_out(&run, &paper((width, font), &[]));
        assert!(figures.len() > 9, "{:?}", figures.keys());
        for (name, svg) in &figures {
            let tree = tree(svg);
            let size = [tree.size().width(), tree.size().height()].map(f64::from);
            assert!((size[0] - width).abs() < 0.01, "{name}: {size:?}");
            let mut texts = vec![];
            placed(tree.root(), &mut texts);
            assert!(!texts.is_empty(), "{name}");
            for text in &texts {
                let range = 0.87 * font..=1.005 * font;
                assert!(range.contains(&text.size), "{name}: {text:?}");
            }
            let at = format!("{name} at {width} pt with {font} pt");
            let faults = faults(&texts, size.into());
            found.extend(faults.into_iter().map(|fault| format!("{at}: {fault}")));
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn two_texts_that_meet_are_found() {
    let svg = |second: &str| {
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"100\" height=\"100\" font-family=\"Arimo\" font-size=\"10\">\
             <text x=\"10\" y=\"50\">first</text>{second}</svg>"
        )
    };
    let faults = |second: &str| {
        let mut texts = vec![];
        placed(tree(&svg(second)).root(), &mut texts);
        faults(&texts, (100.0, 100.0)).len()
    };
    assert_eq!(faults("<text x=\"40\" y=\"50\">next</text>"), 0);
    assert_eq!(faults("<text x=\"20\" y=\"45\">over</text>"), 1);
    assert_eq!(faults("<text x=\"90\" y=\"80\">beyond</text>"), 1);
    let turned = |x: u8| {
        format!("<text transform=\"translate({x} 60) rotate(-90)\">turned</text>")
    };
    assert_eq!([faults(&turned(20)), faults(&turned(50))], [1, 0]);
}

#[test]
fn files_are_the_same_every_time_and_have_the_size_that_was_asked_for() {
    let world = quickstart();
    let figures = |out: &str| -> BTreeMap<String, Vec<u8>> {
        succeed(
            world.path(),
            &format!(
                "report runs/quickstart --figures svg,pdf,png --width 82mm --dpi 200 --out {out}"
            ),
        );
        files(&world.path().join(out)).into_iter().collect()
    };
    let first = figures("first");
    assert_eq!(first, figures("second"));
    assert!(first.keys().all(|name| name.to_lowercase() == *name), "one name, one file");
    let width = 82.0 / 25.4;
    for (name, bytes) in &first {
        if name.ends_with("png") {
            let pixels = u32::from_be_bytes(bytes[16..20].try_into().unwrap());
            assert_eq!(f64::from(pixels), (200.0_f64 * width).round(), "{name}");
        } else if name.ends_with("pdf") {
            check_pdf(name, bytes, 72.0 * width);
        }
    }
    for ending in ["svg", "pdf", "png"] {
        assert!(first.contains_key(&format!("headline.{ending}")), "{:?}", first.keys());
    }
}

/// A page of that width, fonts that are embedded, and the letters that their glyphs stand for.
fn check_pdf(name: &str, bytes: &[u8], width: f64) {
    let text = String::from_utf8_lossy(bytes);
    let media = text.split("/MediaBox [0 0 ").nth(1).unwrap();
    let found: f64 = media.split(' ').next().unwrap().parse().unwrap();
    assert!((found - width).abs() < 0.01, "{name}: {found}");
    let count = |part: &str| text.matches(part).count();
    let fonts = count("/Subtype /Type0");
    assert!(fonts > 0, "{name}");
    let [files, maps] = ["/FontFile2 ", "/ToUnicode "].map(count);
    assert_eq!([files, maps], [fonts; 2], "{name}");
    for part in ["+Arimo-Regular", "> <0065>\n"] {
        assert!(text.contains(part), "{name}: {part}");
    }
    for part in ["/CreationDate", "/ID", "/Producer"] {
        assert!(!text.contains(part), "{name}: {part}");
    }
}

#[test]
fn layers_are_chosen_by_name_and_glob() {
    let world = quickstart();
    let run = world.path().join("runs/quickstart");
    let figures = laid_out(&run, &paper(SHEETS[0], &["pool*", "fc"]));
    let svg = &figures["probes"];
    assert!(svg.contains(">pool4<") && svg.contains(">fc<") && !svg.contains(">relu1<"));
    let refused = |arguments: &str| {
        let line = format!("report runs/quickstart --figures svg {arguments}");
        let arguments: Vec<&str> = line.split(' ').collect();
        let output = answer(&arguments, world.path());
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        texts(&output)[1].clone()
    };
    let message = refused("--layers pol4");
    assert!(message.contains("`pol4` is no layer of the run"), "{message}");
    assert!(message.contains("pool4"), "{message}");
    assert!(refused("--width 3.25").contains("3.25in, 82mm"));
    assert!(refused("--width 1in").contains("letters of 8 pt"));
    assert!(refused("--font 2pt").contains("4pt to 24pt"));
    assert!(fs::read_dir(world.path().join("figures")).is_err(), "nothing is written");
}
