//! Time in tests: how long something may take depends on the machine and on what else it does,
//! so limits are asserted by `scripts/check --all` alone, and with a tenfold margin.

use std::process::Child;
use std::time::{Duration, Instant};

/// The result of `work`, which takes less than this time on an idle machine.
#[track_caller]
pub(crate) fn within<T>(time: Duration, what: &str, work: impl FnOnce() -> T) -> T {
    let start = Instant::now();
    let result = work();
    let taken = start.elapsed();
    if std::env::var_os("STRATAGRAM_LIMITS").is_some() {
        assert!(taken < 10 * time, "{what} took {taken:?}, over ten times {time:?}");
    }
    result
}

/// Waits until the condition holds, as long as the process runs that has to bring it about.
#[track_caller]
pub(crate) fn wait_for(what: &str, child: &mut Child, condition: impl Fn() -> bool) {
    while !condition() {
        let ended = child.try_wait().unwrap();
        assert!(ended.is_none() || condition(), "{what} does not come: {ended:?}");
        std::thread::sleep(Duration::from_millis(1));
    }
}
