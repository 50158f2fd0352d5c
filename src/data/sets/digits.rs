//! The 1,797 handwritten digits of the UCI Machine Learning Repository, as in scikit-learn's
//! `load_digits` (CC BY 4.0, data/README.md), embedded in the program.

use std::io::Read;

use super::set::{Origin, Set};
use crate::data::{ImageSet, Pixels};
use crate::net::Shape;

/// Number of the embedded digits.
const DIGITS_COUNT: usize = 1797;

/// Names of the classes, in the order of their numbers.
pub(in crate::data) const CLASSES: &[&str] =
    &["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"];

pub(in crate::data) const SET: Set = Set {
    name: "digits",
    title: "digits",
    images: "digits",
    classes: CLASSES,
    counts: [DIGITS_COUNT, 0],
    shape: [1, 8, 8],
    source: "UCI Machine Learning Repository and scikit-learn, CC BY 4.0",
    origin: Origin::Pool(load),
};

/// 64 pixels from 0 to 16 and the digit on each line, compressed.
const FILE: &[u8] = include_bytes!("../../../data/digits.csv.gz");

/// All digits in stored order.
pub(in crate::data) fn load() -> ImageSet {
    let mut text = String::new();
    flate2::read::GzDecoder::new(FILE)
        .read_to_string(&mut text)
        .expect("the embedded digits are compressed text");
    let mut values = Vec::with_capacity(DIGITS_COUNT * 64);
    let mut labels = Vec::with_capacity(DIGITS_COUNT);
    for line in text.lines() {
        let number = |field: &str| field.parse::<u8>().expect("the digits are numbers");
        let (pixels, label) = line.rsplit_once(',').expect("the digits have labels");
        values.extend(pixels.split(',').map(number));
        labels.push(number(label));
    }
    assert_eq!((values.len(), labels.len()), (DIGITS_COUNT * 64, DIGITS_COUNT));
    let shape = Shape { channels: 1, height: 8, width: 8 };
    ImageSet { shape, pixels: Pixels::U8 { values, scale: 1.0 / 16.0 }, labels }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_those_of_scikit_learn() {
        let digits = load();
        let Pixels::U8 { values, .. } = &digits.pixels else { panic!("bytes") };
        // load_digits().data.sum() and its class counts, from scikit-learn.
        assert_eq!(values.iter().map(|&v| u64::from(v)).sum::<u64>(), 561_718);
        assert_eq!(values.iter().max(), Some(&16));
        let mut counts = [0; 10];
        digits.labels.iter().for_each(|&label| counts[usize::from(label)] += 1);
        assert_eq!(counts, [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]);
        assert_eq!(values[..8], [0, 0, 5, 13, 9, 1, 0, 0]);
    }
}
