//! Who works on a unit, and whether that process can still be at work.

use std::fs;

use serde::{Deserialize, Serialize};

/// A process, named so that others can tell whether it has ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Holder {
    /// The machine's name.
    pub(super) host: String,
    /// The process.
    pub(super) pid: u32,
    /// When it was started, in ticks since the machine was: numbers of processes return.
    pub(super) born: Option<u64>,
    /// The machine since its last start, and the name space of its processes.
    pub(super) space: Option<String>,
    /// The scheduler's job, of which it runs no two processes at once.
    pub(super) job: Option<String>,
}

impl Holder {
    /// This process.
    pub(super) fn this() -> Self {
        let pid = std::process::id();
        let variable = |name: &str| std::env::var(name).ok();
        let job = variable("SLURM_JOB_ID").map(|job| {
            let rank = variable("SLURM_PROCID").unwrap_or_default();
            format!("slurm {job}.{rank}")
        });
        let host = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
        Self { host: host.trim().to_owned(), pid, born: born(pid), space: space(), job }
    }

    /// A process of which nothing is known.
    pub(super) fn nobody() -> Self {
        Self { host: String::new(), pid: 0, born: None, space: None, job: None }
    }

    /// Whether this process certainly has ended, as `me` sees it: it was of the same job, which
    /// the scheduler has started again, or of the same machine, where it is no longer. False
    /// where nobody can know.
    pub(super) fn has_ended(&self, me: &Self) -> bool {
        if self == me {
            return false;
        }
        if self.job.is_some() && self.job == me.job {
            return true;
        }
        let is_here = self.space.is_some() && self.space == me.space;
        is_here && self.born.is_some() && born(self.pid) != self.born
    }
}

/// The 22nd field of `/proc/PID/stat`; the second one, a name in brackets, may hold anything.
fn born(pid: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let fields = stat.rsplit_once(')')?.1;
    let mut fields = fields.split_whitespace();
    // A process that has ended and is not collected yet is at work no longer.
    let state = fields.next()?;
    if state == "Z" { None } else { fields.nth(18)?.parse().ok() }
}

fn space() -> Option<String> {
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    let processes = fs::read_link("/proc/self/ns/pid").ok()?;
    Some(format!("{} {}", boot.trim(), processes.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_has_ended_when_its_job_began_again_or_its_machine_has_it_no_more() {
        let me = Holder::this();
        assert!(!me.has_ended(&me));
        let job = Some("slurm 7.0".to_owned());
        let first = Holder { pid: 1, space: None, job: job.clone(), ..me.clone() };
        assert!(first.has_ended(&Holder { job, ..me.clone() }));
        let elsewhere =
            Holder { host: "n7".into(), space: Some("other".into()), ..me.clone() };
        assert!(!elsewhere.has_ended(&me), "nobody can know");
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn the_process_of_a_machine_is_told_from_a_later_one_of_its_number() {
        let me = Holder::this();
        assert!(me.born.is_some());
        let alive = Holder { host: "x".into(), ..me.clone() };
        assert!(!alive.has_ended(&me), "it is this process");
        let earlier = Holder { born: me.born.map(|born| born + 1), ..me.clone() };
        assert!(earlier.has_ended(&me));
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let holder =
            Holder { pid: child.id(), born: born(child.id()).or(Some(1)), ..me.clone() };
        child.wait().unwrap();
        assert!(holder.has_ended(&me));
    }
}
