//! The learning rate of every step, as `torch.optim`'s `lr_scheduler`s define it.

use std::f64::consts::PI;

use super::{OptimizerConfig, Schedule};

impl OptimizerConfig {
    /// The learning rate of step number `step` (0 is the first).
    ///
    /// With epoch e = ⌊step/`steps_per_epoch`⌋:
    ///
    /// - constant: lr
    /// - cosine: lr·(1 + cos(π·e/`t_max`))/2, the closed form of `CosineAnnealingLR`, which
    ///   rises again after `t_max`
    /// - inverse-sqrt: lr/√(1 + ⌊step/period⌋), Nakkiran et al. 2019, appendix B
    /// - step: lr·gamma^m with m the number of milestones reached (`MultiStepLR`)
    ///
    /// and in the first `warmup_steps` steps all of it times (step + 1)/`warmup_steps`.
    ///
    /// # Panics
    /// If `steps_per_epoch` is 0.
    ///
    /// # Example
    /// ```
    /// # use stratagram::experiment::Experiment;
    /// let text = "[data]\nkind = 'digits'\n[net]\nkind = 'cnn5'\nwidth = 4\n\
    ///     [optimizer]\nlr = 0.1\nschedule = { kind = 'inverse-sqrt' }";
    /// let experiment = Experiment::parse("example", text, ".".as_ref(), &[])?;
    /// assert_eq!(experiment.optimizer.rate(511, 8), 0.1);
    /// assert_eq!(experiment.optimizer.rate(3 * 512, 8), 0.05); // 0.1/√4
    /// # Ok::<(), stratagram::Error>(())
    /// ```
    pub fn rate(&self, step: u64, steps_per_epoch: u64) -> f64 {
        let epoch = step / steps_per_epoch;
        let rate = match &self.schedule {
            Schedule::Constant => self.lr,
            Schedule::Cosine { t_max } => {
                self.lr * (1.0 + (PI * epoch as f64 / t_max).cos()) / 2.0
            }
            Schedule::InverseSqrt { period } => {
                self.lr / (1.0 + (step / period) as f64).sqrt()
            }
            Schedule::Step { milestones, gamma } => {
                let first_step = |epoch: f64| (epoch * steps_per_epoch as f64).round();
                let reached = |m: &&f64| step as f64 >= first_step(**m);
                // Repeated products: `powi` may round differently on another platform.
                milestones.iter().filter(reached).fold(self.lr, |rate, _| rate * gamma)
            }
        };
        if step < self.warmup_steps {
            rate * (step + 1) as f64 / self.warmup_steps as f64
        } else {
            rate
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::OptimizerKind;

    fn optimizer(schedule: Schedule) -> OptimizerConfig {
        OptimizerConfig {
            kind: OptimizerKind::Sgd,
            lr: 0.1,
            momentum: 0.0,
            nesterov: false,
            betas: [0.9, 0.999],
            eps: 1e-8,
            weight_decay: 0.0,
            clip_norm: None,
            lr_scale: std::collections::BTreeMap::default(),
            schedule,
            warmup_steps: 0,
        }
    }

    fn assert_rates(config: &OptimizerConfig, expected: &[(u64, f64)]) {
        for &(step, rate) in expected {
            let actual = config.rate(step, 8);
            assert!((actual - rate).abs() < 1e-15, "step {step}: {actual} is not {rate}");
        }
    }

    #[test]
    fn constant_stays() {
        assert_rates(&optimizer(Schedule::Constant), &[(0, 0.1), (1_000_000, 0.1)]);
    }

    #[test]
    fn cosine_changes_by_epoch_through_known_angles() {
        // cos of 0°, 60°, 90°, 120°, 180° and, past t_max, 240°.
        let expected = [
            (0, 0.1),
            (7, 0.1),
            (2 * 8, 0.075),
            (2 * 8 + 7, 0.075),
            (3 * 8, 0.05),
            (4 * 8, 0.025),
            (6 * 8, 0.0),
            (8 * 8, 0.025),
        ];
        assert_rates(&optimizer(Schedule::Cosine { t_max: 6.0 }), &expected);
    }

    #[test]
    fn inverse_sqrt_changes_by_period() {
        // 1 + ⌊step/512⌋ = 1, 1, 2, 4, 16.
        let expected = [
            (0, 0.1),
            (511, 0.1),
            (512, 0.1 * std::f64::consts::FRAC_1_SQRT_2),
            (1536, 0.05),
            (7680, 0.025),
        ];
        assert_rates(&optimizer(Schedule::InverseSqrt { period: 512 }), &expected);
    }

    #[test]
    fn step_multiplies_at_milestones() {
        let schedule = Schedule::Step { milestones: vec![2.0, 4.5], gamma: 0.1 };
        let expected = [(15, 0.1), (16, 0.01), (35, 0.01), (36, 0.001), (1000, 0.001)];
        assert_rates(&optimizer(schedule), &expected);
    }

    #[test]
    fn warmup_multiplies_the_schedule() {
        let schedule = Schedule::Step { milestones: vec![1.0], gamma: 0.5 };
        let config = OptimizerConfig { warmup_steps: 10, ..optimizer(schedule) };
        // Steps 0, 4, 8 (after the milestone), 9 and 10: tenths 1, 5, 9, 10, and none.
        let expected = [(0, 0.01), (4, 0.05), (8, 0.045), (9, 0.05), (10, 0.05)];
        assert_rates(&config, &expected);
    }
}
