//! Schedulers that can work on a plan: one file for each, which writes the commands that
//! hand the units over. What is written is a script beside the plan; it can be read, changed
//! and run by hand.

mod hyperqueue;
mod parallel;
pub mod slurm;
mod submission;

use crate::error::{Error, Result};

pub use submission::{Scheduler, Script, Submission};

/// All schedulers.
pub const SCHEDULERS: [Scheduler; 3] =
    [slurm::SLURM, hyperqueue::HYPERQUEUE, parallel::PARALLEL];

/// The scheduler of this name.
///
/// # Errors
/// If there is none.
pub fn scheduler(name: &str) -> Result<&'static Scheduler> {
    let all = SCHEDULERS.iter().map(|scheduler| scheduler.name).collect::<Vec<_>>();
    SCHEDULERS.iter().find(|scheduler| scheduler.name == name).ok_or_else(|| {
        Error::usage(format!("the scheduler `{name}`"), "is not known")
            .expected(all.join(", "))
    })
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::process::Command;

    use super::*;
    use crate::sweep::units::UnitState::{Done, Waiting};
    use crate::sweep::units::batches;
    use crate::sweep::units::shares_tests::plan;

    /// The text of the files that a scheduler gets for some runs, of which one is trained.
    pub(super) fn scripts(scheduler: &Scheduler, options: &[&str]) -> Vec<Script> {
        let (plan, units) = plan(&[Done, Waiting, Waiting, Waiting, Waiting, Waiting]);
        let batches = batches(&plan, &units, 1, 2);
        let options: Vec<String> = options.iter().map(|&option| option.into()).collect();
        let program = ["/opt/my tools/stratagram".to_owned()];
        (scheduler.scripts)(&Submission {
            plan: &plan,
            batches: &batches,
            pack: 1,
            at_once: Some(8),
            options: &options,
            program: &program,
        })
    }

    #[test]
    fn names_are_known_and_told_apart() {
        for scheduler in &SCHEDULERS {
            assert_eq!(super::scheduler(scheduler.name).unwrap().name, scheduler.name);
        }
        let error = super::scheduler("pbs").unwrap_err();
        assert!(error.to_string().contains("slurm, hq, parallel"), "{error}");
    }

    /// The shell reads what is written, whatever the user's options hold.
    #[cfg(unix)]
    #[test]
    fn every_script_is_one_that_a_shell_reads_and_holds_options_as_words() {
        let hostile =
            ["--comment=it's $(touch canary)", "--x=`touch canary`;\n#SBATCH y"];
        let folder = tempfile::tempdir().unwrap();
        for scheduler in &SCHEDULERS {
            for script in scripts(scheduler, &hostile) {
                let path = folder.path().join(script.path.file_name().unwrap());
                std::fs::write(&path, &script.text).unwrap();
                let check = Command::new("sh").arg("-n").arg(&path).output().unwrap();
                assert!(check.status.success(), "{}: {check:?}", script.text);
            }
            run_with_fakes(folder.path(), scheduler, &hostile);
        }
        assert!(!Path::new("canary").exists() && !folder.path().join("canary").exists());
    }

    /// Runs a scheduler's script with commands that print their words, one per line.
    #[cfg(unix)]
    fn run_with_fakes(folder: &Path, scheduler: &Scheduler, options: &[&str]) {
        use std::os::unix::fs::PermissionsExt;
        for name in ["sbatch", "hq", "parallel"] {
            let fake = folder.join(name);
            std::fs::write(&fake, "#!/bin/sh\nprintf '<%s>\\n' \"$@\" >&2\necho 7\n")
                .unwrap();
            std::fs::set_permissions(&fake, PermissionsExt::from_mode(0o755)).unwrap();
        }
        let all = scripts(scheduler, options);
        let text = all[0].text.replace("/data/my runs", &folder.display().to_string());
        let text = text.replace("'/opt/my tools/stratagram'", "true");
        let script = folder.join("script.sh");
        std::fs::write(&script, text).unwrap();
        let path = format!("{}:{}", folder.display(), std::env::var("PATH").unwrap());
        let mut shell = Command::new("sh");
        let output =
            shell.arg(&script).env("PATH", path).current_dir(folder).output().unwrap();
        let words = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{words}");
        for option in options {
            assert!(
                words.contains(&format!("<{option}>\n")),
                "{option} is not in {words}"
            );
        }
    }
}
