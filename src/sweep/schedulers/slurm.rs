//! Slurm: job arrays that are put back into the queue when a node dies or their time is over.
//!
//! `srun` starts each unit as a step, because steps hear the signals of time limits and
//! preemption at once, the batch script only at the end. A unit that is told that its time
//! is nearly over saves and asks for its own task to be requeued by `ARRAY_TASK`: the plain
//! job id of an array's last task is that of the whole array.

use std::process::Command;

use super::submission::{Scheduler, Script, Submission};
use crate::error::{Error, ErrorKind, Result};
use crate::shell;
use crate::sweep::units::{Batch, UnitKind};

/// The scheduler.
pub(super) const SLURM: Scheduler = Scheduler {
    name: "slurm",
    about: "job arrays with requeue and dependencies",
    most_tasks,
    scripts,
};

/// Slurm's own default of `MaxArraySize`.
const MAX_ARRAY_SIZE: usize = 1001;

/// What every job is submitted with; the user's options come later and win.
const DEFAULTS: [&str; 5] = [
    "--parsable",
    "--requeue",
    "--open-mode=append",
    "--signal=USR1@120",
    "--kill-on-invalid-dep=yes",
];

fn scripts(submission: &Submission) -> Vec<Script> {
    let folder = submission.plan.folder.join("slurm");
    let task = Script { path: folder.join("task.sh"), text: task_script(submission) };
    let submit = submit_script(submission);
    vec![Script { path: folder.join("submit.sh"), text: submit }, task]
}

/// What one task of an array runs; its words name the units.
fn task_script(submission: &Submission) -> String {
    let unit_run = shell::words(&submission.unit_run());
    format!(
        "#!/bin/sh\n\
         # One task of a sweep. Load modules here if the jobs do not inherit them.\n\
         exec srun ${{SLURM_CPUS_PER_TASK:+--cpus-per-task=\"$SLURM_CPUS_PER_TASK\"}} \\\n    \
         {unit_run} \\\n    \
         --threads \"${{SLURM_CPUS_PER_TASK:-1}}\" \"$@\"\n"
    )
}

/// The commands that submit all arrays.
fn submit_script(submission: &Submission) -> String {
    let folder = submission.plan.folder.display().to_string();
    let options = shell::words(submission.options);
    let mut text = format!(
        "#!/bin/sh\n\
         # Submits what is left of a sweep; written by `stratagram sweep submit`.\n\
         set -e\n\
         cd {}\n\
         mkdir -p logs\n\
         submit() {{\n    \
         sbatch {} \\\n        {options} \"$@\"\n\
         }}\n",
        shell::quoted(&folder),
        DEFAULTS.join(" "),
    );
    for (at, batch) in submission.batches.iter().enumerate() {
        text += &array(submission, at, batch);
    }
    text + &gather(submission)
}

/// The command that submits one array and keeps its id in `$jobN`.
fn array(submission: &Submission, at: usize, batch: &Batch) -> String {
    let kind = batch.kind.name();
    let limit = submission.at_once.map_or_else(String::new, |n| format!("%{n}"));
    // Of a plain variable and a whole word: the names of jobs are numbers.
    let after = batch
        .after
        .map_or_else(String::new, |job| format!(" --dependency=aftercorr:\"$job{job}\""));
    let list = batch.list();
    let flags = submission.flags(batch).join(" ");
    format!(
        "job{at}=$(submit --job-name={kind} --array={list}{limit}{after} \\\n    \
         --output=logs/slurm-{kind}-%A_%a.log slurm/task.sh {flags})\n\
         job{at}=${{job{at}%%;*}}\n\
         echo \"{kind} {list}: job $job{at}\"\n"
    )
}

/// The command that submits the last unit: after all analyses, also those that failed, which
/// its table then names.
fn gather(submission: &Submission) -> String {
    let last = |(at, batch): (usize, &Batch)| {
        (batch.kind == UnitKind::Analyze).then(|| format!(":\"$job{at}\""))
    };
    let jobs: String = submission.batches.iter().enumerate().filter_map(last).collect();
    let after =
        if jobs.is_empty() { jobs } else { format!(" --dependency=afterany{jobs}") };
    let unit = submission.last_unit();
    format!(
        "job=$(submit --job-name=gather{after} \\\n    \
         --output=logs/slurm-gather-%j.log slurm/task.sh --index {unit})\n\
         echo \"gather: job ${{job%%;*}}\"\n"
    )
}

/// How many tasks an array may have on this cluster: numbers are below `MaxArraySize`.
fn most_tasks() -> usize {
    let output = Command::new("scontrol").args(["show", "config"]).output().ok();
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
    text.and_then(|text| max_array_size(&text)).unwrap_or(MAX_ARRAY_SIZE)
}

fn max_array_size(config: &str) -> Option<usize> {
    let line = config.lines().find(|line| line.starts_with("MaxArraySize"))?;
    line.split_once('=')?.1.trim().parse().ok().filter(|size| *size > 0)
}

/// Whether this process is part of a job.
pub fn is_in_job(variable: impl Fn(&str) -> Option<String>) -> bool {
    variable("SLURM_JOB_ID").is_some()
}

/// Puts the task that this process is back into the queue.
///
/// # Errors
/// If Slurm refuses.
pub fn requeue(variable: impl Fn(&str) -> Option<String>) -> Result<()> {
    let Some(job) = own_task(variable) else { return Ok(()) };
    let refused = |found: String| {
        Err(Error::new(ErrorKind::Io, format!("scontrol requeue {job}"), found)
            .fix("stratagram sweep resubmit PLAN submits what is left"))
    };
    match Command::new("scontrol").args(["requeue", &job]).output() {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => {
            let error = String::from_utf8_lossy(&output.stderr);
            refused(format!("failed: {}", error.trim().escape_default()))
        }
        Err(error) => refused(format!("cannot be started: {error}")),
    }
}

/// The name of this task or job for `scontrol`.
fn own_task(variable: impl Fn(&str) -> Option<String>) -> Option<String> {
    let array = variable("SLURM_ARRAY_JOB_ID").zip(variable("SLURM_ARRAY_TASK_ID"));
    array.map(|(job, task)| format!("{job}_{task}")).or_else(|| variable("SLURM_JOB_ID"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sweep::schedulers::tests::scripts as written;

    #[test]
    fn arrays_depend_on_each_other_and_tasks_run_units() {
        let scripts = written(&SLURM, &["--partition=gpu", "--time=1:00:00"]);
        let expected = r#"#!/bin/sh
# Submits what is left of a sweep; written by `stratagram sweep submit`.
set -e
cd '/data/my runs'
mkdir -p logs
submit() {
    sbatch --parsable --requeue --open-mode=append --signal=USR1@120 --kill-on-invalid-dep=yes \
        --partition=gpu --time=1:00:00 "$@"
}
job0=$(submit --job-name=train --array=1%8 \
    --output=logs/slurm-train-%A_%a.log slurm/task.sh --units 0..1 --pack 1)
job0=${job0%%;*}
echo "train 1: job $job0"
job1=$(submit --job-name=analyze --array=1%8 --dependency=aftercorr:"$job0" \
    --output=logs/slurm-analyze-%A_%a.log slurm/task.sh --units 3..4 --pack 1)
job1=${job1%%;*}
echo "analyze 1: job $job1"
job2=$(submit --job-name=analyze --array=0%8 \
    --output=logs/slurm-analyze-%A_%a.log slurm/task.sh --units 3..4 --pack 1)
job2=${job2%%;*}
echo "analyze 0: job $job2"
job3=$(submit --job-name=train --array=0%8 \
    --output=logs/slurm-train-%A_%a.log slurm/task.sh --units 2..2 --pack 1)
job3=${job3%%;*}
echo "train 0: job $job3"
job4=$(submit --job-name=analyze --array=0%8 --dependency=aftercorr:"$job3" \
    --output=logs/slurm-analyze-%A_%a.log slurm/task.sh --units 5..5 --pack 1)
job4=${job4%%;*}
echo "analyze 0: job $job4"
job=$(submit --job-name=gather --dependency=afterany:"$job1":"$job2":"$job4" \
    --output=logs/slurm-gather-%j.log slurm/task.sh --index 6)
echo "gather: job ${job%%;*}"
"#;
        assert_eq!(scripts[0].text, expected);
        assert!(scripts[0].path.ends_with("slurm/submit.sh"));
        let task = r#"#!/bin/sh
# One task of a sweep. Load modules here if the jobs do not inherit them.
exec srun ${SLURM_CPUS_PER_TASK:+--cpus-per-task="$SLURM_CPUS_PER_TASK"} \
    '/opt/my tools/stratagram' unit run --plan '/data/my runs/plan.json' \
    --threads "${SLURM_CPUS_PER_TASK:-1}" "$@"
"#;
        assert_eq!(scripts[1].text, task);
        assert!(scripts[1].path.ends_with("slurm/task.sh"));
    }

    #[test]
    fn the_size_of_arrays_is_the_clusters() {
        let config = "Foo = 1\nMaxArraySize            = 5001\nMaxDBDMsgs = 20\n";
        assert_eq!(max_array_size(config), Some(5001));
        assert_eq!(max_array_size("MaxArraySize = (null)\n"), None);
    }

    #[test]
    fn a_task_is_requeued_by_array_and_number() {
        let job = |name: &str| (name == "SLURM_JOB_ID").then(|| "12".to_owned());
        assert_eq!(own_task(job).as_deref(), Some("12"));
        let array = |name: &str| match name {
            "SLURM_JOB_ID" | "SLURM_ARRAY_JOB_ID" => Some("12".to_owned()),
            "SLURM_ARRAY_TASK_ID" => Some("7".to_owned()),
            _ => None,
        };
        assert_eq!(own_task(array).as_deref(), Some("12_7"));
        assert_eq!(own_task(|_| None), None);
        assert!(is_in_job(job) && !is_in_job(|_| None));
    }
}
