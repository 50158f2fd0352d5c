//! Memory that a thread's matrices leave for its next ones: the pages of fresh memory cost more
//! than the arithmetic on them.

use std::cell::RefCell;
use std::thread::LocalKey;

/// A thread keeps at most so many bytes of each type; a panel of 4,096 examples is less.
const MOST_BYTES: usize = 80 << 20;
/// And at most so many pieces, the largest.
const MOST_PIECES: usize = 4;

/// Pieces of memory that nobody uses.
type Spare<T> = RefCell<Vec<Vec<T>>>;

thread_local! {
    static OF_F32: Spare<f32> = const { RefCell::new(vec![]) };
    static OF_F64: Spare<f64> = const { RefCell::new(vec![]) };
}

/// A type of number whose memory threads keep. Private to the library, so that `Feature` is
/// sealed.
pub trait Kept: Copy + Default + 'static {
    /// Memory that this thread's matrices left.
    #[doc(hidden)]
    fn spare() -> &'static LocalKey<Spare<Self>>;
}

impl Kept for f32 {
    fn spare() -> &'static LocalKey<Spare<Self>> {
        &OF_F32
    }
}

impl Kept for f64 {
    fn spare() -> &'static LocalKey<Spare<Self>> {
        &OF_F64
    }
}

/// So many numbers, whichever.
pub(crate) fn take<T: Kept>(len: usize) -> Vec<T> {
    let Some(mut memory) = smallest_of(len) else {
        return vec![T::default(); len];
    };
    memory.resize(len, T::default());
    memory
}

/// So many zeros. Fresh ones cost nothing until they are touched, by whichever thread that is.
pub(crate) fn zeros<T: Kept>(len: usize) -> Vec<T> {
    let Some(mut memory) = smallest_of(len) else {
        return vec![T::default(); len];
    };
    memory.clear();
    memory.resize(len, T::default());
    memory
}

/// The smallest piece that has room for `len`.
fn smallest_of<T: Kept>(len: usize) -> Option<Vec<T>> {
    T::spare().with_borrow_mut(|pieces| {
        let fits = pieces.iter().enumerate().filter(|(_, piece)| piece.capacity() >= len);
        let (at, _) = fits.min_by_key(|(_, piece)| piece.capacity())?;
        Some(pieces.swap_remove(at))
    })
}

/// Leaves memory for this thread's next matrix.
pub(crate) fn keep<T: Kept>(memory: Vec<T>) {
    // A thread that ends has no use for it.
    let _ = T::spare().try_with(|pieces| {
        let mut pieces = pieces.borrow_mut();
        pieces.push(memory);
        pieces.sort_by_key(|piece| std::cmp::Reverse(piece.capacity()));
        pieces.truncate(MOST_PIECES);
        let mut bytes = 0;
        pieces.retain(|piece| {
            let own = piece.capacity() * size_of::<T>();
            let fits = bytes + own <= MOST_BYTES;
            bytes += if fits { own } else { 0 };
            fits
        });
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_used_again_and_zeros_are_zeros() {
        let mut large = take::<f64>(1000);
        let mut small = take::<f64>(10);
        large.fill(1.0);
        small.fill(2.0);
        let (of_large, of_small) = (large.as_ptr(), small.as_ptr());
        keep(large);
        keep(small);
        // The smallest that is enough, however little of it was used last.
        let small = zeros::<f64>(7);
        assert_eq!((small.as_ptr(), &small[..]), (of_small, &[0.0; 7][..]));
        let large = take::<f64>(11);
        assert_eq!((large.as_ptr(), large.len()), (of_large, 11));
        assert_eq!(take::<f64>(11), [0.0; 11]);
    }

    #[test]
    fn little_is_kept() {
        for len in 1..20 {
            keep(vec![0.0f32; len]);
        }
        keep(vec![0.0f32; MOST_BYTES / 4 + 1]);
        keep(vec![0.0f32; MOST_BYTES / 4 - 30]);
        let sizes: Vec<usize> =
            f32::spare().with_borrow(|pieces| pieces.iter().map(Vec::capacity).collect());
        assert_eq!(sizes, [MOST_BYTES / 4 - 30, 19]);
    }
}
