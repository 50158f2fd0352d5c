//! Standard normal numbers of a named stream, any of which can be reached at once.

use rand::Rng;
use rand_chacha::ChaCha8Rng;

use crate::seed;

/// Words of 32 bits that one pair of numbers takes.
const WORDS_PER_PAIR: u128 = 4;

/// The standard normal numbers of one stream, made in pairs by Box and Muller's transform.
/// A pair always takes the same number of words, so a draw starts at its place in the stream
/// whatever thread makes it and whatever was made before.
#[derive(Clone)]
pub(crate) struct Normals(ChaCha8Rng);

impl Normals {
    pub(crate) fn new(stream: &str) -> Self {
        Self(seed::stream(0, stream, 0))
    }

    /// Fills `out` with the numbers from position `from` of the stream on.
    pub(crate) fn fill(&self, from: usize, out: &mut [f64]) {
        let mut rng = self.0.clone();
        rng.set_word_pos((from / 2) as u128 * WORDS_PER_PAIR);
        let mut rest = out;
        if from % 2 == 1 && !rest.is_empty() {
            rest[0] = pair(&mut rng)[1];
            rest = &mut rest[1..];
        }
        let mut pairs = rest.chunks_exact_mut(2);
        for two in &mut pairs {
            two.copy_from_slice(&pair(&mut rng));
        }
        if let [last] = pairs.into_remainder() {
            *last = pair(&mut rng)[0];
        }
    }
}

/// Two independent standard normal numbers.
fn pair(rng: &mut ChaCha8Rng) -> [f64; 2] {
    let [u, v] = [(); 2].map(|()| (rng.next_u64() >> 11) as f64 / (1_u64 << 53) as f64);
    let (sin, cos) = (std::f64::consts::TAU * v).sin_cos();
    // 1 − u is in (0, 1], so that the logarithm is finite.
    let radius = (-2.0 * (1.0 - u).ln()).sqrt();
    [radius * cos, radius * sin]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_position_of_a_stream_can_be_reached_at_once() {
        let normals = Normals::new("a test");
        let mut all = [0.0; 999];
        normals.fill(0, &mut all);
        for from in [0, 1, 2, 7, 130, 513, 998] {
            let mut part = vec![0.0; (all.len() - from).min(301)];
            normals.fill(from, &mut part);
            assert_eq!(part, all[from..from + part.len()], "from {from}");
        }
    }

    #[test]
    fn they_are_standard_and_normal() {
        let mut z = vec![0.0; 100_000];
        Normals::new("moments").fill(0, &mut z);
        let mean = |power: i32| z.iter().map(|z| z.powi(power)).sum::<f64>() / 1e5;
        // Within five standard errors: 1/√n, √(2/n), √(15/n), √(96/n).
        for (power, expected, sd) in [(1, 0.0, 1.0), (2, 1.0, 1.42), (3, 0.0, 3.9)] {
            assert!((mean(power) - expected).abs() < 5.0 * sd / 316.0, "power {power}");
        }
        assert!((mean(4) - 3.0).abs() < 5.0 * 9.8 / 316.0);
    }
}
