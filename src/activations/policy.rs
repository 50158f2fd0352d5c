//! How an array of maps or tokens becomes features.

use crate::array_file::{Array, Values};
use crate::error::{Error, ErrorKind, Result};
use crate::net::Shape;
use crate::probe::features::adaptive_average_pool;

/// What is made of maps `[n, channels, height, width]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Maps {
    /// Every number is a feature.
    #[default]
    Flatten,
    /// The mean of each channel.
    Average,
    /// The means of a grid of s×s windows of each channel.
    Grid,
}

/// What is made of tokens `[n, tokens, features]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Tokens {
    /// Every number is a feature.
    #[default]
    All,
    /// The first token.
    Cls,
    /// The mean of the tokens after the first.
    Mean,
}

/// Both; by default every number is a feature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// What maps become.
    pub maps: Maps,
    /// Side of the grid of [`Maps::Grid`].
    pub side: usize,
    /// What tokens become.
    pub tokens: Tokens,
}

impl Maps {
    /// All of them, in the order in which they are listed to users.
    pub const ALL: [Self; 3] = [Self::Flatten, Self::Average, Self::Grid];

    /// The name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Flatten => "flatten",
            Self::Average => "average",
            Self::Grid => "grid",
        }
    }

    /// What it does, in a line.
    pub fn about(self) -> &'static str {
        match self {
            Self::Flatten => "Every number is a feature",
            Self::Average => "The mean of each channel",
            Self::Grid => "The means of a grid of s×s windows of each channel",
        }
    }
}

impl Tokens {
    /// All of them, in the order in which they are listed to users.
    pub const ALL: [Self; 3] = [Self::All, Self::Cls, Self::Mean];

    /// The name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Cls => "cls",
            Self::Mean => "mean",
        }
    }

    /// What it does, in a line.
    pub fn about(self) -> &'static str {
        match self {
            Self::All => "Every number is a feature",
            Self::Cls => "The first token",
            Self::Mean => "The mean of the tokens after the first",
        }
    }
}

impl Default for Policy {
    fn default() -> Self {
        Self { maps: Maps::default(), side: 2, tokens: Tokens::default() }
    }
}

impl Policy {
    /// Whether arrays stay as they are.
    pub(super) fn is_flat(self) -> bool {
        self.maps == Maps::Flatten && self.tokens == Tokens::All
    }

    /// The name that is recorded.
    pub fn name(self) -> String {
        let maps = match self.maps {
            Maps::Grid => format!("grid {0}x{0}", self.side),
            other => other.name().to_owned(),
        };
        match self.tokens {
            Tokens::All => maps,
            Tokens::Cls => maps + ", cls token",
            Tokens::Mean => maps + ", mean of tokens",
        }
    }

    /// Applies it to one representation; arrays of other axes stay as they are.
    ///
    /// # Errors
    /// If a grid is finer than the maps, or tokens are missing.
    pub(super) fn apply(self, place: &str, array: Array) -> Result<Array> {
        match *array.shape.as_slice() {
            [n, channels, height, width] if self.maps != Maps::Flatten => {
                self.pooled(place, &array, n, Shape { channels, height, width })
            }
            [n, tokens, features] if self.tokens != Tokens::All => {
                if tokens < 2 {
                    return Err(Error::new(ErrorKind::Data, place, "has one token")
                        .expected("a first one and others"));
                }
                let values = array.to_f64();
                let rows = values.chunks(tokens * features);
                let chosen = rows.flat_map(|row| self.chosen(row, tokens, features));
                let chosen: Vec<f64> = chosen.collect();
                let shape = [n, features];
                Ok(match array.values {
                    Values::F32(_) => {
                        Array::f32(&shape, chosen.iter().map(|x| *x as f32).collect())
                    }
                    _ => Array::f64(&shape, chosen),
                })
            }
            _ => Ok(array),
        }
    }

    /// The means of windows of `n` examples' maps.
    fn pooled(self, place: &str, array: &Array, n: usize, shape: Shape) -> Result<Array> {
        let Shape { channels, height, width } = shape;
        let side = if self.maps == Maps::Average { 1 } else { self.side };
        if side > height || side > width {
            let found = format!("has maps of {height}×{width}");
            return Err(Error::new(ErrorKind::Data, place, found)
                .expected(format!("at least {side}×{side}, the grid")));
        }
        let pooled = adaptive_average_pool(&array.to_f32(), shape, side);
        Ok(Array::f32(&[n, channels * side * side], pooled))
    }

    /// The features of one example's tokens.
    fn chosen(self, row: &[f64], tokens: usize, features: usize) -> Vec<f64> {
        if self.tokens == Tokens::Cls {
            return row[..features].to_vec();
        }
        let sum = |c: usize| (1..tokens).map(|t| row[t * features + c]).sum::<f64>();
        (0..features).map(|c| sum(c) / (tokens - 1) as f64).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(maps: Maps, side: usize, tokens: Tokens) -> Policy {
        Policy { maps, side, tokens }
    }

    #[test]
    fn maps_are_pooled_and_tokens_chosen() {
        let maps =
            Array::f32(&[1, 2, 2, 2], vec![1.0, 3.0, 5.0, 7.0, 0.0, 0.0, 2.0, 2.0]);
        let apply = |p: Policy, a: &Array| p.apply("x", a.clone()).unwrap();
        let average = apply(policy(Maps::Average, 1, Tokens::All), &maps);
        assert_eq!(average, Array::f32(&[1, 2], vec![4.0, 1.0]));
        let grid = policy(Maps::Grid, 2, Tokens::All);
        assert_eq!(apply(grid, &maps).to_f32(), maps.to_f32());
        assert!(policy(Maps::Grid, 3, Tokens::All).apply("x", maps.clone()).is_err());
        assert_eq!(apply(policy(Maps::Flatten, 1, Tokens::Cls), &maps), maps);
        let tokens = Array::f32(&[1, 3, 2], vec![9.0, 8.0, 1.0, 2.0, 3.0, 4.0]);
        let cls = apply(policy(Maps::Average, 1, Tokens::Cls), &tokens);
        assert_eq!(cls, Array::f32(&[1, 2], vec![9.0, 8.0]));
        let mean = apply(policy(Maps::Flatten, 1, Tokens::Mean), &tokens);
        assert_eq!(mean, Array::f32(&[1, 2], vec![2.0, 3.0]));
    }
}
