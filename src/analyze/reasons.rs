//! Why results are undefined, as numbers in files.

use crate::array_file::Array;
use crate::similarity::Undefined;

/// Length of a reason's code.
const CODE: usize = 3;

/// The code of a reason: its number, then what it says of sizes.
pub(crate) fn code(reason: Undefined) -> [i64; CODE] {
    let (number, n, k) = match reason {
        Undefined::TooFewExamples { n } => (1, n, 0),
        Undefined::DeadLayer => (2, 0, 0),
        Undefined::NonFinite => (3, 0, 0),
        Undefined::OrthogonalExamples => (4, 0, 0),
        Undefined::CoincidingExamples => (5, 0, 0),
        Undefined::ConstantExample => (6, 0, 0),
        Undefined::ZeroExample => (7, 0, 0),
        Undefined::EqualDissimilarities => (8, 0, 0),
        Undefined::TooFewNeighbours { n, k } => (9, n, k),
        Undefined::Confounded => (10, 0, 0),
        Undefined::NoDecomposition => (11, 0, 0),
        Undefined::OneClass => (12, 0, 0),
        Undefined::NoPoints => (13, 0, 0),
        Undefined::DivergedProbe => (14, 0, 0),
        Undefined::AbsentClass { class } => (15, class, 0),
        Undefined::CoincidingMeans => (16, 0, 0),
        Undefined::NoAnswers => (17, 0, 0),
    };
    [number, n as i64, k as i64]
}

/// The reason of a code; none of 0 and of what no code is.
pub(crate) fn reason(code: &[i64]) -> Option<Undefined> {
    let &[number, n, k] = code else { return None };
    let (n, k) = (usize::try_from(n).ok()?, usize::try_from(k).ok()?);
    Some(match number {
        1 => Undefined::TooFewExamples { n },
        2 => Undefined::DeadLayer,
        3 => Undefined::NonFinite,
        4 => Undefined::OrthogonalExamples,
        5 => Undefined::CoincidingExamples,
        6 => Undefined::ConstantExample,
        7 => Undefined::ZeroExample,
        8 => Undefined::EqualDissimilarities,
        9 => Undefined::TooFewNeighbours { n, k },
        10 => Undefined::Confounded,
        11 => Undefined::NoDecomposition,
        12 => Undefined::OneClass,
        13 => Undefined::NoPoints,
        14 => Undefined::DivergedProbe,
        15 => Undefined::AbsentClass { class: n },
        16 => Undefined::CoincidingMeans,
        17 => Undefined::NoAnswers,
        _ => return None,
    })
}

/// A reason as an array.
pub(crate) fn coded(reason: Undefined) -> Array {
    Array::i64(&[CODE], code(reason).into())
}

/// The reason in an array of [`coded`].
pub(crate) fn decoded(array: &Array) -> Option<Undefined> {
    reason(&array.to_i64()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_is_found_by_its_code() {
        let mut found = 0;
        for number in 0..100 {
            let own = [number, 4, 10];
            let Some(undefined) = reason(&own) else { continue };
            let back = code(undefined);
            assert_eq!(back[0], number);
            assert_eq!(reason(&back), Some(undefined));
            found += 1;
        }
        assert_eq!(found, 17);
        let few = Undefined::TooFewNeighbours { n: 4, k: 10 };
        assert_eq!(decoded(&coded(few)), Some(few));
        assert_eq!(reason(&[9, -1, 0]), None);
    }
}
