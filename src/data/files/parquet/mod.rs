//! Images in Hugging Face's Parquet files: a column `img` or `image` of pictures
//! (`{bytes, path}`) and a column of classes.
//!
//! A reader of our own for the few features that these files use, because the general one
//! costs half a minute of build time and a C compiler. Format:
//! <https://parquet.apache.org/docs/file-format/>.

mod pages;
mod thrift;

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rayon::prelude::*;

use super::picture::Picture;
use super::stored::{Stored, open};
use crate::data::{ImageSet, Pixels};
use crate::error::{Error, Result};
use crate::net::Shape;
use pages::{Chunk, Physical, Values};
use thrift::Value;

const IMAGES: [&str; 2] = ["img", "image"];
const LABELS: [&str; 3] = ["label", "fine_label", "labels"];
/// Metadata beyond this is an attack.
const LONGEST_FOOTER: u64 = 16 << 20;
/// A picture with its row takes more bytes than this.
const LEAST_BYTES_A_ROW: u64 = 16;
/// All pictures may unpack to this many times the length of their file, plus [`FREE_SIZE`].
const MAX_RATIO: u64 = 200;
const FREE_SIZE: u64 = 16 << 20;

/// The images of some files, and what the files say of them.
struct Images {
    set: ImageSet,
    class_names: Vec<String>,
    is_jpeg: bool,
    /// Gray pictures among colored ones.
    n_gray: usize,
}

/// Training and test images in Hugging Face's files; where they are JPEG, the name says so:
/// such images are not those of the original.
pub(in crate::data) fn load_pair(
    train: &[PathBuf],
    test: &[PathBuf],
    title: &str,
) -> Result<Stored> {
    let (train, test) = (load(train)?, load(test)?);
    let is_jpeg = train.is_jpeg || test.is_jpeg;
    let name = if is_jpeg { format!("{title} (JPEG)") } else { title.to_owned() };
    let n_gray = train.n_gray + test.n_gray;
    let mut stored = Stored::complete(train.set, test.set, train.class_names, name);
    if n_gray > 0 {
        let note = format!("{n_gray} gray pictures got three equal channels");
        stored.notes.push(note);
    }
    Ok(stored)
}

/// The images of `files`, in that order, in the order of their rows.
fn load(files: &[PathBuf]) -> Result<Images> {
    let mut images: Option<Images> = None;
    for path in files {
        let read = read_file(path)?;
        let Some(all) = &mut images else {
            images = Some(read);
            continue;
        };
        let (Pixels::U8 { values, .. }, Pixels::U8 { values: more, .. }) =
            (&mut all.set.pixels, &read.set.pixels)
        else {
            unreachable!("pictures are bytes");
        };
        if all.set.shape != read.set.shape {
            return Err(wrong_shape(path, read.set.shape, all.set.shape));
        }
        values.extend_from_slice(more);
        all.set.labels.extend(read.set.labels);
        all.is_jpeg |= read.is_jpeg;
        all.n_gray += read.n_gray;
    }
    images.ok_or_else(|| Error::usage("`data.path`", "names no Parquet file"))
}

fn wrong_shape(path: &Path, found: Shape, expected: Shape) -> Error {
    let text = |s: Shape| format!("{}×{}×{}", s.channels, s.height, s.width);
    Error::data(path, format!("holds a picture of shape {}", text(found)))
        .expected(format!("{}, as the pictures before", text(expected)))
}

/// A column that is read.
struct Column {
    /// Its number among the columns of a row group.
    index: usize,
    name: String,
    physical: Physical,
    max_definition: u32,
}

struct Reader {
    file: File,
    path: PathBuf,
    length: u64,
}

fn read_file(path: &Path) -> Result<Images> {
    let (file, length) = open(path)?;
    let mut reader = Reader { file, path: path.to_owned(), length };
    let footer = reader.footer()?;
    let footer_at = length - 8 - footer.len() as u64;
    let (metadata, _) =
        thrift::parse(&footer).map_err(|why| reader.wrong(footer_at, &why))?;
    let columns = leaves(&metadata).map_err(|why| reader.wrong(footer_at, &why))?;
    let find = |names: &[&str]| {
        let wanted = |column: &&Column| names.contains(&column.name.as_str());
        columns.iter().find(wanted).ok_or_else(|| {
            let known: Vec<&str> = columns.iter().map(|c| c.name.as_str()).collect();
            Error::data(
                path,
                format!("has the columns {}", known.join(", ").escape_debug()),
            )
            .expected(format!("one of {}", names.join(", ")))
        })
    };
    let (images, labels) = (find(&IMAGES)?, find(&LABELS)?);
    let n_rows = metadata.count(3).unwrap_or(0);
    if n_rows == 0 || n_rows as u64 > length / LEAST_BYTES_A_ROW {
        let found = format!("claims {n_rows} rows in {length} bytes");
        return Err(Error::data(path, found).expected("a row or more, of a picture each"));
    }
    let mut pictures = Pictures::new(n_rows, length);
    let mut classes = Vec::new();
    for group in metadata.list(4) {
        let left = n_rows - pictures.count;
        reader.column(group, images, left, |values| pictures.append(values))?;
        let left = n_rows - classes.len();
        reader
            .column(group, labels, left, |values| append_classes(&mut classes, values))?;
    }
    if pictures.count != n_rows || classes.len() != n_rows {
        let found =
            format!("holds {} pictures and {} labels", pictures.count, classes.len());
        return Err(Error::data(path, found).expected(format!("{n_rows}, its rows")));
    }
    let class_names = class_names(&metadata, &labels.name);
    Ok(pictures.images(classes, class_names))
}

impl Reader {
    fn wrong(&self, offset: u64, found: &str) -> Error {
        Error::data(&self.path, format!("at byte {offset}: {found}"))
            .expected("a Parquet file of images")
    }

    fn read(&mut self, start: u64, length: u64) -> Result<Vec<u8>> {
        if start.checked_add(length).is_none_or(|end| end > self.length) {
            let found = format!("{length} bytes in a file of {}", self.length);
            return Err(self.wrong(start, &found));
        }
        let mut bytes = vec![0; length as usize];
        let read = self
            .file
            .seek(SeekFrom::Start(start))
            .and_then(|_| self.file.read_exact(&mut bytes));
        read.map_err(|error| Error::io(&self.path, "cannot be read", error))?;
        Ok(bytes)
    }

    /// The metadata at the end of the file.
    fn footer(&mut self) -> Result<Vec<u8>> {
        const MARK: &[u8] = b"PAR1";
        if self.length < 12 || self.read(0, 4)? != MARK {
            return Err(self.wrong(0, "no mark `PAR1`"));
        }
        let end = self.length - 8;
        let tail = self.read(end, 8)?;
        if &tail[4..] != MARK {
            return Err(self
                .wrong(end + 4, "no mark `PAR1` at the end")
                .fix("the file is truncated: get it again"));
        }
        let length = u64::from(u32::from_le_bytes([tail[0], tail[1], tail[2], tail[3]]));
        if length > LONGEST_FOOTER || length + 4 > end {
            let found =
                format!("metadata of {length} bytes in a file of {}", self.length);
            return Err(self.wrong(end, &found));
        }
        self.read(end - length, length)
    }

    /// Gives the values of one column of a row group, page by page, to `each`.
    fn column(
        &mut self,
        group: &Value<'_>,
        column: &Column,
        left: usize,
        each: impl FnMut(Values) -> std::result::Result<(), String>,
    ) -> Result<()> {
        let chunk = group.list(1).get(column.index).and_then(|chunk| chunk.field(3));
        let read = chunk.and_then(|chunk| {
            let data = chunk.count(9)?;
            // Some writers put 0 where there is no dictionary.
            let dictionary = chunk.count(11).filter(|at| *at > 0).unwrap_or(data);
            Some((chunk, data.min(dictionary) as u64, chunk.count(7)?, chunk.count(5)?))
        });
        let Some((chunk, start, size, n_values)) = read else {
            let found = format!("no place for column `{}` in a row group", column.name);
            return Err(self.wrong(self.length - 8, &found));
        };
        if n_values > left {
            let found = format!("{n_values} values where {left} rows are left");
            return Err(self.wrong(start, &found));
        }
        let bytes = self.read(start, size as u64)?;
        let chunk = Chunk {
            bytes: &bytes,
            physical: column.physical,
            codec: chunk.integer(4).unwrap_or(-1),
            max_definition: column.max_definition,
            n_values,
        };
        chunk.pages(each).map_err(|(at, why)| {
            self.wrong(start + at as u64, &format!("column `{}`: {why}", column.name))
        })
    }
}

/// The columns of the types that are read; repeated ones are left out.
fn leaves(metadata: &Value<'_>) -> std::result::Result<Vec<Column>, String> {
    let mut columns = Vec::new();
    let mut index = 0;
    // Tables whose columns follow: name at the top, optional levels, repeated, columns left.
    let mut open: Vec<(String, u32, bool, usize)> = Vec::new();
    let schema = metadata.list(2);
    let n_top = schema.first().and_then(|root| root.count(5)).ok_or("no schema")?;
    open.push((String::new(), 0, false, n_top));
    for element in schema.iter().skip(1) {
        while open.last().is_some_and(|(.., left)| *left == 0) {
            open.pop();
        }
        let (top, levels, repeated, left) =
            open.last_mut().ok_or("a schema of two roots")?;
        *left -= 1;
        let name = String::from_utf8_lossy(element.bytes(4).unwrap_or_default());
        let is_bytes_of_top = !top.is_empty() && name == "bytes";
        let is_top = top.is_empty();
        let name = if is_top { name.into_owned() } else { top.clone() };
        let repetition = element.integer(3);
        let levels = *levels + u32::from(repetition != Some(0));
        let repeated = *repeated || repetition == Some(2);
        if let Some(n_children) = element.count(5).filter(|n| *n > 0) {
            if open.len() > 16 {
                return Err("a schema that nests too deep".into());
            }
            open.push((name, levels, repeated, n_children));
            continue;
        }
        let physical = element.integer(1).and_then(Physical::of);
        if let Some(physical) =
            physical.filter(|_| !repeated && (is_top || is_bytes_of_top))
        {
            columns.push(Column { index, name, physical, max_definition: levels });
        }
        index += 1;
    }
    Ok(columns)
}

/// Pictures decoded so far.
struct Pictures {
    pixels: Vec<u8>,
    shape: Option<Shape>,
    count: usize,
    is_jpeg: bool,
    n_gray: usize,
    n_rows: usize,
    limit: u64,
}

impl Pictures {
    fn new(n_rows: usize, file_length: u64) -> Self {
        let limit = file_length.saturating_mul(MAX_RATIO).saturating_add(FREE_SIZE);
        Self {
            pixels: vec![],
            shape: None,
            count: 0,
            is_jpeg: false,
            n_gray: 0,
            n_rows,
            limit,
        }
    }

    fn append(&mut self, values: Values) -> std::result::Result<(), String> {
        let Values::Bytes(files) = values else {
            return Err("numbers, not pictures".into());
        };
        let Some(first) = files.first() else { return Ok(()) };
        if self.shape.is_none() {
            self.set_shape(Picture::decode(first)?.shape)?;
        }
        let sides = self.shape.map(|shape| [shape.height, shape.width]);
        let decode = |(i, file): (usize, &Arc<[u8]>)| {
            let row = self.count + i;
            let picture = Picture::decode(file)
                .map_err(|why| format!("the picture of row {row} is {why}"))?;
            let own = [picture.shape.height, picture.shape.width];
            match sides {
                Some(sides) if sides != own => Err(format!(
                    "the picture of row {row} has the sides {own:?} instead of {sides:?}"
                )),
                _ => Ok(picture),
            }
        };
        let pictures: std::result::Result<Vec<Picture>, String> =
            files.par_iter().enumerate().map(decode).collect();
        for picture in pictures? {
            self.push(picture)?;
        }
        Ok(())
    }

    /// Adds a picture; gray ones get three equal channels where there are colored ones.
    fn push(&mut self, picture: Picture) -> std::result::Result<(), String> {
        let shape = self.shape.unwrap_or(picture.shape);
        self.is_jpeg |= picture.is_jpeg;
        self.n_gray += usize::from(picture.shape.channels == 1);
        let picture = if shape.channels == 3 { picture.into_color() } else { picture };
        if picture.shape.channels > shape.channels {
            self.set_shape(picture.shape)?;
            let gray = std::mem::take(&mut self.pixels);
            let size = shape.size();
            self.pixels = gray.chunks(size).flat_map(|pixels| pixels.repeat(3)).collect();
        }
        self.pixels.extend_from_slice(&picture.pixels);
        self.count += 1;
        Ok(())
    }

    fn images(self, labels: Vec<u8>, class_names: Vec<String>) -> Images {
        let shape = self.shape.expect("there is a row");
        let pixels = Pixels::U8 { values: self.pixels, scale: 1.0 / 255.0 };
        let set = ImageSet { shape, pixels, labels };
        let n_gray = if shape.channels == 3 { self.n_gray } else { 0 };
        Images { set, class_names, is_jpeg: self.is_jpeg, n_gray }
    }

    /// Takes the shape of all pictures, if they do not unpack to too much.
    fn set_shape(&mut self, shape: Shape) -> std::result::Result<(), String> {
        let size = shape.size() as u64 * self.n_rows as u64;
        if size > self.limit {
            return Err(format!("pictures that unpack to {size} bytes in all"));
        }
        self.shape = Some(shape);
        Ok(())
    }
}

fn append_classes(
    classes: &mut Vec<u8>,
    values: Values,
) -> std::result::Result<(), String> {
    let Values::Integers(values) = values else { return Err("no whole numbers".into()) };
    for value in values {
        let row = classes.len();
        classes.push(u8::try_from(value).map_err(|_| {
            format!("row {row} has class {value}; classes are from 0 to 255")
        })?);
    }
    Ok(())
}

/// The names of the classes that Hugging Face's library writes into the metadata.
fn class_names(metadata: &Value<'_>, column: &str) -> Vec<String> {
    let mut pairs = metadata.list(5).iter();
    let features = pairs.find(|pair| pair.bytes(1) == Some(b"huggingface"));
    let json = features
        .and_then(|pair| pair.bytes(2))
        .and_then(|text| serde_json::from_slice::<serde_json::Value>(text).ok());
    let names = json
        .as_ref()
        .and_then(|json| json["info"]["features"][column]["names"].as_array());
    let names = names.into_iter().flatten().filter_map(|name| name.as_str());
    names.map(|name| name.escape_debug().to_string()).collect()
}
