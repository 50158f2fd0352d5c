//! Counting equal classes with the widest vectors that the machine has.
#![allow(clippy::inline_always)] // Vector code must be inlined where it is dispatched.

use pulp::{Arch, Simd, WithSimd};

/// Bytes side by side in one register or a few.
const LANES: usize = 64;
/// Equal bytes that one lane can count.
const COUNT: usize = 255;

/// Gives `each` the number of places at which `a` and `b` hold the same class, for one piece
/// of `piece` classes after the other.
pub(crate) fn count_equal<T: Copy + PartialEq>(
    a: &[T],
    b: &[T],
    piece: usize,
    mut each: impl FnMut(u64),
) {
    for (a, b) in a.chunks_exact(piece).zip(b.chunks_exact(piece)) {
        each(Arch::new().dispatch(Count { a, b, class: None }));
    }
}

/// Adds to `counts[c]`, for each class c that `wanted` names, the number of places at which
/// both `a` and `b` hold c.
pub(crate) fn count_both(
    a: &[u8],
    b: &[u8],
    wanted: impl Iterator<Item = u8>,
    counts: &mut [u64],
) {
    for class in wanted {
        let count = Arch::new().dispatch(Count { a, b, class: Some(class) });
        counts[usize::from(class)] += count;
    }
}

/// Counts places of the same class, of all or of one.
struct Count<'a, T> {
    a: &'a [T],
    b: &'a [T],
    class: Option<T>,
}

impl<T: Copy + PartialEq> WithSimd for Count<'_, T> {
    type Output = u64;

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> u64 {
        let Self { a, b, class } = self;
        match class {
            None => count(a, b, |a, b| a == b),
            Some(class) => count(a, b, |a, b| (a == class) && (b == class)),
        }
    }
}

#[inline(always)]
fn count<T: Copy>(a: &[T], b: &[T], is_counted: impl Fn(T, T) -> bool) -> u64 {
    let (blocks_a, rest_a) = a.as_chunks::<LANES>();
    let (blocks_b, rest_b) = b.as_chunks::<LANES>();
    let rest = rest_a.iter().zip(rest_b).filter(|(a, b)| is_counted(**a, **b)).count();
    let mut sum = rest as u64;
    for (a, b) in blocks_a.chunks(COUNT).zip(blocks_b.chunks(COUNT)) {
        let mut lanes = [0u8; LANES];
        for (a, b) in a.iter().zip(b) {
            // Values, not places: the counts stay in registers.
            lanes = std::array::from_fn(|k| lanes[k] + u8::from(is_counted(a[k], b[k])));
        }
        sum += lanes.iter().map(|lane| u64::from(*lane)).sum::<u64>();
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all<T: Copy + PartialEq>(a: &[T], b: &[T]) -> u64 {
        let mut found = 0;
        count_equal(a, b, a.len(), |equal| found += equal);
        found
    }

    #[test]
    fn long_runs_of_equal_bytes_do_not_overflow_their_count() {
        for n in [1, 63, 64, 65, 255 * 64, 255 * 64 + 1, 100_000] {
            assert_eq!(all(&vec![7u8; n], &vec![7; n]), n as u64);
            assert_eq!(all(&vec![0u8; n], &vec![1; n]), 0);
            assert_eq!(all(&vec![300u16; n], &vec![300 - 256; n]), 0);
        }
    }

    #[test]
    fn counts_are_those_of_the_definition() {
        let a: Vec<u8> = (0..5000).map(|i| (i * i / 7 % 5) as u8).collect();
        let b: Vec<u8> = (0..5000).map(|i| (i * i / 9 % 5) as u8).collect();
        let equal = |class| {
            a.iter().zip(&b).filter(|(a, b)| a == b && class == **a).count() as u64
        };
        let mut counts = [0; 5];
        count_both(&a, &b, 0..4, &mut counts);
        assert_eq!(counts, [equal(0), equal(1), equal(2), equal(3), 0]);
        assert_eq!(all(&a, &b), (0..5).map(equal).sum::<u64>());
    }
}
