//! Which units a task of a job array does.

use std::ops::RangeInclusive;

use crate::error::{Error, Result};

/// Variables in which schedulers tell a task its number. One scheduler may run inside a job
/// of another, so the inner ones come first.
pub const TASK_VARIABLES: [&str; 5] = [
    "HQ_TASK_ID",
    "SLURM_ARRAY_TASK_ID",
    "JOB_COMPLETION_INDEX",
    "AWS_BATCH_JOB_ARRAY_INDEX",
    "PBS_ARRAY_INDEX",
];

/// How units are shared out among tasks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Share {
    /// The units that all tasks do together.
    pub units: RangeInclusive<usize>,
    /// Units of each task, at least one.
    pub pack: usize,
}

/// The number of the task that this process is: `index`, or the first of
/// [`TASK_VARIABLES`] that has a value.
///
/// # Errors
/// If there is none, or it is not a number.
pub fn task_number(
    index: Option<usize>,
    variable: impl Fn(&str) -> Option<String>,
) -> Result<usize> {
    if let Some(index) = index {
        return Ok(index);
    }
    let set = TASK_VARIABLES
        .iter()
        .find_map(|name| Some((name, variable(name).filter(|value| !value.is_empty())?)));
    let Some((name, value)) = set else {
        return Err(Error::usage("`--index`", "is missing")
            .expected(format!("a number, or one of {}", TASK_VARIABLES.join(", "))));
    };
    value.parse().map_err(|_| {
        Error::usage(format!("`{name}`"), format!("is `{}`", value.escape_default()))
            .expected("a whole number")
            .fix("name the task with --index")
    })
}

impl Share {
    /// The units of one task: `pack` of them from `first + task·pack` on, as far as they go.
    ///
    /// # Errors
    /// If there are none.
    pub fn of_task(&self, task: usize) -> Result<RangeInclusive<usize>> {
        let (first, last) = (*self.units.start(), *self.units.end());
        let begin = task.checked_mul(self.pack).and_then(|n| n.checked_add(first));
        match begin {
            Some(begin) if begin <= last => {
                Ok(begin..=last.min(begin.saturating_add(self.pack - 1)))
            }
            _ => Err(Error::usage(format!("task {task}"), "has no units").expected(
                format!("0 to {}, for units {first}..{last}", (last - first) / self.pack),
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_task_has_its_number_from_the_flag_or_its_scheduler() {
        let none = |_: &str| None;
        assert_eq!(task_number(Some(7), none).unwrap(), 7);
        for own in TASK_VARIABLES {
            let variable = |name: &str| (name == own).then(|| "12".to_owned());
            assert_eq!(task_number(None, variable).unwrap(), 12, "{own}");
            assert_eq!(task_number(Some(3), variable).unwrap(), 3, "the flag goes first");
        }
        // HyperQueue inside of a job of Slurm.
        let both = |name: &str| match name {
            "HQ_TASK_ID" => Some("5".to_owned()),
            "SLURM_ARRAY_TASK_ID" => Some("9".to_owned()),
            _ => None,
        };
        assert_eq!(task_number(None, both).unwrap(), 5);
        let error = task_number(None, none).unwrap_err();
        assert!(error.to_string().contains("SLURM_ARRAY_TASK_ID"), "{error}");
        for wrong in ["x", "-1", "1.5"] {
            let variable =
                |name: &str| (name == "PBS_ARRAY_INDEX").then(|| wrong.to_owned());
            let error = task_number(None, variable).unwrap_err();
            assert!(error.to_string().starts_with("`PBS_ARRAY_INDEX` is"), "{error}");
        }
    }

    #[test]
    fn every_unit_is_in_exactly_one_task() {
        for (first, last, pack) in [(0, 9, 1), (0, 9, 3), (10, 19, 4), (5, 5, 8)] {
            let share = Share { units: first..=last, pack };
            let tasks = (last - first) / pack;
            let units: Vec<usize> =
                (0..=tasks).flat_map(|task| share.of_task(task).unwrap()).collect();
            assert_eq!(units, (first..=last).collect::<Vec<_>>());
            let error = share.of_task(tasks + 1).unwrap_err();
            assert!(error.to_string().contains(&format!("0 to {tasks}")), "{error}");
            assert!(share.of_task(usize::MAX).is_err());
        }
    }
}
