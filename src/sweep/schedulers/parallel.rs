//! GNU parallel: some machines without a scheduler (`--sshlogin`), or one.

use super::submission::{Scheduler, Script, Submission};
use crate::shell;

/// The scheduler.
pub(super) const PARALLEL: Scheduler = Scheduler {
    name: "parallel",
    about: "GNU parallel, on one machine or over ssh",
    most_tasks: || usize::MAX,
    scripts,
};

fn scripts(submission: &Submission) -> Vec<Script> {
    let unit_run = shell::words(&submission.unit_run());
    let jobs = submission.at_once.map_or_else(String::new, |n| format!("--jobs {n} "));
    let options = shell::words(submission.options);
    let mut text = "#!/bin/sh\n\
        # Runs what is left of a sweep; the same script again does what failed.\n"
        .to_owned();
    for batch in submission.batches {
        let flags = submission.flags(batch).join(" ");
        let tasks: Vec<String> = batch.tasks.iter().map(usize::to_string).collect();
        // Its own quoting, because parallel gives the words to a shell again.
        text += &format!(
            "parallel --quote {jobs}{options} \\\n    {unit_run} --threads 1 {flags} \
             --index {{}} ::: {}\n",
            tasks.join(" ")
        );
    }
    text += &format!("{unit_run} --index {}\n", submission.last_unit());
    vec![Script { path: submission.plan.folder.join("parallel").join("submit.sh"), text }]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sweep::schedulers::tests::scripts as written;

    #[test]
    fn every_task_is_an_argument() {
        let text = &written(&PARALLEL, &["--joblog", "log"])[0].text;
        let unit_run =
            "'/opt/my tools/stratagram' unit run --plan '/data/my runs/plan.json'";
        let first = format!(
            "parallel --quote --jobs 8 --joblog log \\\n    {unit_run} --threads 1 \
             --units 0..1 --pack 1 --index {{}} ::: 1\n"
        );
        assert!(text.contains(&first), "{text}");
        assert!(text.ends_with(&format!("{unit_run} --index 6\n")), "{text}");
    }
}
