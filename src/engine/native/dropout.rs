//! Dropout: `y = x·keep/(1 − p)`, `dx = dy·keep/(1 − p)`.
//!
//! Whether a value is kept is a hash of key, node, the image's position in the batch,
//! channel and token: nothing is stored, and neither threads nor vectors change it.

use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use super::isa::vectors_mut;
use super::tokens::{PANEL, Tokens};

/// Which values one node drops in one step.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in crate::engine) struct Dropout {
    /// The step's key, mixed with the node.
    key: u64,
    /// Hashes below this are dropped.
    threshold: u32,
    scale: f32,
}

/// The finalizer of splitmix64 (Steele et al. 2014).
fn mix64(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// A 32-bit mixer of low bias (Wellons' `lowbias32`).
#[inline(always)]
fn mix32(mut x: u32) -> u32 {
    x = (x ^ (x >> 16)).wrapping_mul(0x7feb_352d);
    x = (x ^ (x >> 15)).wrapping_mul(0x846c_a68b);
    x ^ (x >> 16)
}

impl Dropout {
    /// Drops with probability `p` at node number `node`.
    pub(in crate::engine) fn new(p: f64, key: u64, node: usize) -> Self {
        let key = mix64(key ^ mix64(node as u64 + 1));
        // 2³² values; p is below 1, so the largest threshold still keeps something.
        let threshold = (p * 4_294_967_296.0).round().min(4_294_967_295.0) as u32;
        Self { key, threshold, scale: (1.0 / (1.0 - p)) as f32 }
    }

    /// Two keys of a channel.
    fn channel(&self, channel: usize) -> [u32; 2] {
        let key = mix64(self.key.wrapping_add(channel as u64));
        [key as u32, (key >> 32) as u32]
    }

    /// What a value is multiplied by; `place` is image · tokens + token.
    #[inline(always)]
    fn factor(&self, [first, second]: [u32; 2], place: u32) -> f32 {
        let hash = mix32(mix32(place ^ first).wrapping_add(second));
        if hash < self.threshold { 0.0 } else { self.scale }
    }

    /// The factor of one value.
    #[cfg(test)]
    pub(in crate::engine) fn factor_of(&self, channel: usize, place: usize) -> f32 {
        self.factor(self.channel(channel), place as u32)
    }

    /// `to` = `from` times the factors.
    pub(super) fn apply(&self, tokens: Tokens, from: &[f32], to: &mut [f32]) {
        let channels = from.len() / tokens.size(1);
        let panel = tokens.panel(channels);
        let panels = to.par_chunks_mut(panel).zip(from.par_chunks(panel)).enumerate();
        panels.with_min_len(tokens.min_tasks(panel)).for_each(|(index, (to, from))| {
            to.copy_from_slice(from);
            tokens.isa.run(Panel { of: *self, tokens, index, values: to });
        });
    }

    /// Multiplies by the factors in place.
    pub(super) fn apply_in_place(&self, tokens: Tokens, values: &mut [f32]) {
        let panel = tokens.panel(values.len() / tokens.size(1));
        let panels = values.par_chunks_mut(panel).enumerate();
        panels.with_min_len(tokens.min_tasks(panel)).for_each(|(index, values)| {
            tokens.isa.run(Panel { of: *self, tokens, index, values });
        });
    }
}

struct Panel<'a> {
    of: Dropout,
    tokens: Tokens,
    index: usize,
    values: &'a mut [f32],
}

impl WithSimd for Panel<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let n_tokens = self.tokens.count as u32;
        let block = self.index / self.tokens.panels();
        let first = (self.index % self.tokens.panels() * PANEL) as u32;
        let image = (block * S::F32_LANES) as u32;
        let values = vectors_mut::<S>(self.values).as_chunks_mut::<PANEL>().0;
        for (channel, values) in values.iter_mut().enumerate() {
            let keys = self.of.channel(channel);
            for (token, value) in (first..).zip(values) {
                let mut factors = simd.splat_f32s(0.0);
                let lanes: &mut [f32] =
                    pulp::bytemuck::cast_slice_mut(std::slice::from_mut(&mut factors));
                for (image, factor) in (image..).zip(lanes) {
                    let place = image.wrapping_mul(n_tokens).wrapping_add(token);
                    *factor = self.of.factor(keys, place);
                }
                *value = simd.mul_f32s(*value, factors);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kept_values_have_their_share_in_every_direction() {
        for p in [0.1, 0.5, 0.9] {
            let dropout = Dropout::new(p, 7, 3);
            let factors: Vec<f32> =
                (0..1 << 20).map(|i| dropout.factor_of(i >> 12, i & 4095)).collect();
            let scale = (1.0 / (1.0 - p)) as f32;
            assert!(
                factors
                    .iter()
                    .all(|&f| f.to_bits() == 0 || f.to_bits() == scale.to_bits())
            );
            // Shares of all, of each channel and of each place, within 5 standard errors.
            let share = |values: &mut dyn Iterator<Item = &f32>| {
                let (mut kept, mut n) = (0.0, 0.0_f64);
                for &value in values {
                    kept += f64::from(u8::from(value > 0.0));
                    n += 1.0;
                }
                (kept / n - (1.0 - p)).abs() * (n / (p * (1.0 - p))).sqrt()
            };
            assert!(share(&mut factors.iter()) < 5.0);
            for channel in factors.chunks(4096) {
                assert!(share(&mut channel.iter()) < 5.0);
            }
            for place in 0..4096 {
                assert!(share(&mut factors[place..].iter().step_by(4096)) < 5.0);
            }
        }
    }

    #[test]
    fn keys_of_channels_are_those_of_the_pytorch_engine() {
        // As in tests/python/test_worker.py.
        assert_eq!(Dropout::new(0.5, 7, 3).channel(2), [3_685_739_808, 1_031_348_163]);
    }

    #[test]
    fn keys_and_nodes_drop_independently() {
        let base = Dropout::new(0.5, 1, 1);
        for other in [Dropout::new(0.5, 2, 1), Dropout::new(0.5, 1, 2)] {
            let equal = |i: &usize| {
                let same = [base, other].map(|d| d.factor_of(i >> 8, i & 255) > 0.0);
                same[0] == same[1]
            };
            let n = (0..1 << 16).filter(equal).count() as f64;
            // Half of 65,536, within 5 standard errors of 128.
            assert!((n - 32_768.0).abs() < 5.0 * 128.0, "{n}");
        }
        assert!(
            (0..1000).all(|i| Dropout::new(0.0, 5, 5).factor_of(i, i).to_bits()
                == 1.0_f32.to_bits())
        );
    }
}
