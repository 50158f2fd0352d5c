//! One block of memory for all arrays of a pass: those that are never needed at once lie
//! over each other.

use std::ops::Range;

/// Arrays start at multiples of so many values, a page. Processors tell loads from earlier
/// stores by their place in a page: a step that reads a little ahead of what it writes would
/// wait for stores that it does not depend on.
const ALIGNMENT: usize = 1024;

/// When an array is first and last used, and its length.
#[derive(Debug, Clone, Copy)]
pub(super) struct Lifetime {
    pub(super) start: usize,
    pub(super) end: usize,
    pub(super) size: usize,
}

impl Lifetime {
    fn meets(&self, other: &Lifetime) -> bool {
        self.start <= other.end && other.start <= self.end
    }
}

/// Gives every array its place, the largest first: the lowest one that is free as long as
/// the array lives. Also gives the length of the whole.
pub(super) fn place(arrays: &[Lifetime]) -> (Vec<Range<usize>>, usize) {
    let mut order: Vec<usize> = (0..arrays.len()).collect();
    order.sort_by_key(|&array| std::cmp::Reverse(arrays[array].size));
    let mut places = vec![0..0; arrays.len()];
    for (done, &array) in order.iter().enumerate() {
        let met =
            order[..done].iter().filter(|&&other| arrays[array].meets(&arrays[other]));
        let mut taken: Vec<&Range<usize>> = met.map(|&other| &places[other]).collect();
        taken.sort_by_key(|place| place.start);
        let size = arrays[array].size;
        let mut start = 0;
        for place in taken {
            if place.start >= start + size {
                break;
            }
            start = start.max(place.end.next_multiple_of(ALIGNMENT));
        }
        places[array] = start..start + size;
    }
    let length = places.iter().map(|place| place.end).max().unwrap_or(0);
    (places, length)
}

/// What a step may read: everything but the arrays that it writes.
#[derive(Debug)]
pub(super) struct Rest<'a>(Vec<(usize, &'a [f32])>);

impl<'a> Rest<'a> {
    pub(super) fn get(&self, place: &Range<usize>) -> &'a [f32] {
        let part = self.0.partition_point(|(start, _)| *start <= place.start) - 1;
        let (start, part) = self.0[part];
        &part[place.start - start..place.end - start]
    }
}

/// Takes out the places that a step writes, none of which meets another.
pub(super) fn split<'a, const N: usize>(
    memory: &'a mut [f32],
    places: &[Range<usize>; N],
) -> (Rest<'a>, [&'a mut [f32]; N]) {
    let mut order: [usize; N] = std::array::from_fn(|i| i);
    order.sort_by_key(|&i| (places[i].start, places[i].end));
    let mut written: [&'a mut [f32]; N] = std::array::from_fn(|_| Default::default());
    let mut rest = vec![];
    let mut left = memory;
    let mut start = 0;
    for i in order {
        let (before, after) = left.split_at_mut(places[i].start - start);
        rest.push((start, &*before));
        (written[i], left) = after.split_at_mut(places[i].len());
        start = places[i].end;
    }
    rest.push((start, &*left));
    (Rest(rest), written)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arrays_that_live_at_once_do_not_overlap() {
        let life = |start, end, size| Lifetime { start, end, size };
        let arrays = [
            life(0, 2, 5000),
            life(1, 1, 7000),
            life(2, 3, 7000),
            life(3, 4, 5000),
            life(2, 4, 1),
            life(4, 4, 9000),
        ];
        let (places, length) = place(&arrays);
        for (i, a) in arrays.iter().enumerate() {
            assert_eq!(places[i].len(), a.size);
            assert_eq!(places[i].start % ALIGNMENT, 0);
            for (j, b) in arrays.iter().enumerate().take(i) {
                let apart =
                    places[i].end <= places[j].start || places[j].end <= places[i].start;
                assert!(apart || !a.meets(b), "arrays {i} and {j}");
            }
        }
        // At time 4 there are 5000 + 1 + 9000 values.
        assert!((14_001..14_001 + 2 * ALIGNMENT).contains(&length), "{length}");
    }

    #[test]
    fn what_is_not_written_can_be_read() {
        let mut memory: Vec<f32> = (0..10u8).map(f32::from).collect();
        let (rest, [a, none, b]) = split(&mut memory, &[6..8, 0..0, 2..3]);
        assert_eq!((&*a, &*none, &*b), (&[6.0, 7.0][..], &[][..], &[2.0][..]));
        assert_eq!(rest.get(&(0..2)), [0.0, 1.0]);
        assert_eq!(rest.get(&(4..6)), [4.0, 5.0]);
        assert_eq!(rest.get(&(8..10)), [8.0, 9.0]);
    }
}
