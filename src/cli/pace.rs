//! How long something still takes, judged by what this process has done of it: what was there
//! before took no time.

use std::fmt;
use std::time::{Duration, Instant};

use super::quantities::rounded;

/// Units done over time.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace {
    begun: Instant,
    /// Units that were there at the beginning.
    before: u64,
    latest: Instant,
    done: u64,
    total: u64,
}

impl Pace {
    /// Begins now, with `done` units of `total` there already.
    pub(super) fn begin(now: Instant, done: u64, total: u64) -> Self {
        Self { begun: now, before: done, latest: now, done, total }
    }

    /// `done` units are done now.
    pub(super) fn reach(&mut self, now: Instant, done: u64) {
        if done != self.done {
            (self.latest, self.done) = (now, done);
        }
    }

    /// Some units more are done now; they took no time if they were found done.
    pub(super) fn add(&mut self, now: Instant, units: u64, are_found: bool) {
        if are_found {
            self.before += units;
            self.done += units;
        } else {
            self.reach(now, self.done + units);
        }
    }

    /// The time left: none before a unit is done. Between two units it is counted down, and
    /// where the next one takes longer than those before, it is as long as it takes.
    pub(super) fn left(&self, now: Instant) -> Option<Duration> {
        let own = self.done.checked_sub(self.before).filter(|own| *own > 0)? as f64;
        let left = self.total.saturating_sub(self.done) as f64;
        let unit = (self.latest - self.begun).as_secs_f64() / own;
        let counted = left * unit - (now - self.latest).as_secs_f64();
        let slower =
            (left - 1.0).max(0.0) * (now - self.begun).as_secs_f64() / (own + 1.0);
        Some(Duration::from_secs_f64(counted.max(slower).max(0.0)))
    }

    /// The time left in words, of at most 11 characters.
    pub(super) fn write_left(&self, now: Instant, to: &mut dyn fmt::Write) {
        let left = self.left(now).map(|left| format!("{} left", rounded(left)));
        let _ = write!(to, "{:>11}", left.unwrap_or_default());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_there_before_takes_no_time_and_the_rest_is_counted_down() {
        let start = Instant::now();
        let at = |seconds: u64| start + Duration::from_secs(seconds);
        let mut pace = Pace::begin(start, 80, 100);
        assert_eq!(pace.left(at(3)), None);
        pace.reach(at(10), 85);
        let left = |pace: &Pace, now| pace.left(at(now)).unwrap().as_secs_f64();
        assert!((left(&pace, 10) - 30.0).abs() < 1e-6, "15 units of 2 s");
        assert!((left(&pace, 12) - 28.0).abs() < 1e-6);
        // The next unit takes long.
        assert!(left(&pace, 60) >= 14.0 * 10.0 - 1e-6);
        pace.add(at(10), 5, true);
        assert!((left(&pace, 10) - 20.0).abs() < 1e-6);
        pace.add(at(40), 10, false);
        assert!(left(&pace, 50).abs() < 1e-6);
        let mut text = String::new();
        Pace::begin(start, 0, 1).write_left(start, &mut text);
        pace.write_left(at(50), &mut text);
        assert_eq!(text, "              0 s left");
    }
}
