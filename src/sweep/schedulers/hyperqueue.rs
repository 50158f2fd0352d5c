//! `HyperQueue`: many short units inside of a few large jobs. Its jobs know no dependencies between
//! tasks of two arrays, so each array waits for the one before.

use super::submission::{Scheduler, Script, Submission};
use crate::shell;

/// The scheduler.
pub(super) const HYPERQUEUE: Scheduler = Scheduler {
    name: "hq",
    about: "HyperQueue, inside of jobs of a cluster",
    most_tasks: || usize::MAX,
    scripts,
};

fn scripts(submission: &Submission) -> Vec<Script> {
    let unit_run = shell::words(&submission.unit_run());
    let folder = submission.plan.folder.display().to_string();
    let mut text = format!(
        "#!/bin/sh\n\
         # Runs what is left of a sweep on a running `hq server`; the same script again does\n\
         # what failed.\n\
         cd {}\n\
         mkdir -p logs\n\
         submit() {{\n    \
         hq submit --wait --stdout=none {} \"$@\"\n\
         }}\n",
        shell::quoted(&folder),
        shell::words(submission.options),
    );
    for batch in submission.batches {
        let (kind, list) = (batch.kind.name(), batch.list());
        let flags = submission.flags(batch).join(" ");
        text += &format!(
            "submit --name={kind} --array={list} --stderr='logs/hq-{kind}-%{{TASK_ID}}.log' -- \
             \\\n    {unit_run} {flags}\n"
        );
    }
    let last = submission.last_unit();
    text += &format!(
        "submit --name=gather --stderr=logs/hq-gather.log -- \\\n    {unit_run} --index {last}\n"
    );
    vec![Script { path: submission.plan.folder.join("hq").join("submit.sh"), text }]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sweep::schedulers::tests::scripts as written;

    #[test]
    fn arrays_come_one_after_the_other() {
        let scripts = written(&HYPERQUEUE, &["--cpus=4"]);
        let text = &scripts[0].text;
        let lines: Vec<&str> =
            text.lines().filter(|line| line.starts_with("submit -")).collect();
        let starts = [
            "submit --name=train --array=1 ",
            "submit --name=analyze --array=1 ",
            "submit --name=analyze --array=0 ",
            "submit --name=train --array=0 ",
            "submit --name=analyze --array=0 ",
            "submit --name=gather ",
        ];
        assert_eq!(lines.len(), starts.len(), "{text}");
        for (line, start) in lines.iter().zip(starts) {
            assert!(line.starts_with(start), "{line}");
        }
        assert!(
            text.contains("hq submit --wait --stdout=none --cpus=4 \"$@\""),
            "{text}"
        );
        let unit = "'/opt/my tools/stratagram' unit run --plan '/data/my runs/plan.json' \
            --units 0..1 --pack 1\n";
        assert!(text.contains(unit), "{text}");
    }
}
