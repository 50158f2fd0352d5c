//! Times, bytes and threads as a person would say them.

use std::time::Duration;

/// A duration, rounded up.
pub(super) fn rounded(duration: Duration) -> String {
    let seconds = duration.as_secs_f64().ceil() as u64;
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7200 => format!("{} min", seconds.div_ceil(60)),
        _ => format!("{:.1} h", seconds as f64 / 3600.0),
    }
}

/// A number of bytes, rounded up.
pub(super) fn bytes(n: u64) -> String {
    match n {
        0..1_000_000 => format!("{} kB", n.div_ceil(1000)),
        1_000_000..1_000_000_000 => format!("{} MB", n.div_ceil(1_000_000)),
        _ => format!("{:.1} GB", n as f64 / 1e9),
    }
}

/// A number of threads.
pub(super) fn counted(threads: usize) -> String {
    match threads {
        1 => "one thread".to_owned(),
        n => format!("{n} threads"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_and_bytes_are_rounded_up() {
        assert_eq!(rounded(Duration::from_millis(1200)), "2 s");
        assert_eq!(rounded(Duration::from_secs(121)), "3 min");
        assert_eq!(rounded(Duration::from_mins(150)), "2.5 h");
        assert_eq!(bytes(1), "1 kB");
        assert_eq!(bytes(1_500_001), "2 MB");
    }
}
