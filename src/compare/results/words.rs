//! A comparison in text: one line per statement.

use std::fmt::Write as _;

use super::found::{Finding, Results};

impl Results {
    /// One line per statement, then the runs that are left out.
    pub fn lines(&self) -> String {
        let title = |finding: &Finding| finding.title();
        let width = self.statements.iter().map(|f| title(f).chars().count()).max();
        let width = width.unwrap_or(0);
        let mut text = String::new();
        for finding in &self.statements {
            let _ = writeln!(text, "{:<width$}  {}", title(finding), finding.line());
        }
        if let Some(why) = &self.not_compared {
            let _ = writeln!(text, "no effects between these arms: {why}");
        }
        let several = |arm: &&super::found::ArmFound| !arm.left_out.is_empty();
        for left_out in self.arms.iter().filter(several).flat_map(|arm| &arm.left_out) {
            let _ = writeln!(text, "left out: {}: {}", left_out.run, left_out.why);
        }
        text
    }
}

impl Finding {
    /// The verdict, the effect, and what decided, in one line.
    pub fn line(&self) -> String {
        let arms = match (&self.plus, &self.minus) {
            (Some(plus), Some(minus)) => format!("{plus} less {minus}"),
            (Some(plus), None) => plus.clone(),
            _ => self.arms.join(", "),
        };
        let verdict = self.verdict.map_or("exploratory", |verdict| verdict.name());
        let reading = self.reading.map_or(String::new(), |r| format!(" ({})", r.name()));
        let reason = match self.verdict {
            Some(_) => format!("; {}", self.reason),
            None => String::new(),
        };
        format!("{verdict}{reading}: {}; {arms}: {}{reason}", self.text, self.effect())
    }

    /// The mean effect with its interval, or with least and greatest where there is none.
    pub fn effect(&self) -> String {
        let unit =
            if self.unit.is_empty() { String::new() } else { format!(" {}", self.unit) };
        let seeds = format!("{} {}", self.n, if self.n == 1 { "seed" } else { "seeds" });
        let Some(mean) = self.mean else {
            let why =
                self.left_out.first().map(|run| format!("{}: {}", run.run, run.why));
            return format!("no value ({})", why.unwrap_or(seeds));
        };
        let spread = match (self.interval, self.range) {
            (Some([low, high]), _) => format!("95 % {low:.3} to {high:.3}"),
            (None, Some([least, most])) => format!("{least:.3} to {most:.3}"),
            (None, None) => String::new(),
        };
        let [above, all] = self.above_zero;
        format!("{mean:+.3}{unit} ({spread}; {seeds}, {above} of {all} above zero)")
    }
}
