//! Standard errors over examples of what is found in a layer (section 8.1): each value
//! computed again without each group. p-values and simulated means are not.

use super::path::Path;
use crate::findings::boundaries::largest_step;
use crate::findings::contrast::{Distinctness, best_blocks};
use crate::findings::curves::{Speedometer, log_speed};
use crate::findings::matrix::Matrix;
use crate::findings::movement::movement;
use crate::findings::perfect_fit::Drops;
use crate::findings::seeds::jackknife;
use crate::findings::series::highest_prominence;

impl Path {
    fn jackknife(&self, value: impl Fn(&Matrix, &Matrix) -> f64) -> Option<f64> {
        let replicates = self.replicates.iter();
        jackknife(&replicates.map(|r| value(&r.s, &r.d2)).collect::<Vec<_>>())
    }

    /// Of the movement between two log times.
    pub(super) fn movement_se(&self, lo: f64, hi: f64) -> Option<f64> {
        self.jackknife(|s, _| movement(s, &self.x, lo, hi))
    }

    /// Of the drop at a log time.
    pub(super) fn drop_se(&self, at: f64) -> Option<f64> {
        self.jackknife(|_, d2| Drops::of(d2, &self.x).at(at))
    }

    /// Of the contrast of the best three blocks, which are chosen again.
    pub(super) fn contrast_se(&self) -> Option<f64> {
        self.jackknife(|s, _| best_blocks(s, &self.x).map_or(f64::NAN, |best| best.0))
    }

    /// Of Λ. What smooth drift gives — its mean `drift` over the draws, of prominence and of
    /// step — is kept.
    pub(super) fn distinctness_se(
        &self,
        speedometer: &Speedometer,
        drift: [f64; 2],
    ) -> Option<f64> {
        self.jackknife(|_, d2| {
            let top = highest_prominence(&log_speed(&speedometer.speed2(d2)));
            let step = largest_step(d2, &self.x);
            Distinctness::from_parts(top - drift[0], step - drift[1]).value
        })
    }
}
