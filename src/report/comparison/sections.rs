//! The sections of the page.

use std::fmt::Write as _;

use super::{depth, forest, raster};
use crate::compare::{Finding, PartFound, Results, SeedValues, VariantFound};
use crate::report::figure::svg::Escaped;

/// All sections.
pub(super) fn html(results: &Results) -> String {
    let (exploratory, stated): (Vec<&Finding>, Vec<&Finding>) =
        results.statements.iter().partition(|finding| finding.exploratory);
    let mut html = String::new();
    if !stated.is_empty() {
        html += &section("statements", "Statements", STATED, &statements(&stated));
    }
    if !exploratory.is_empty() {
        html += &section(
            "exploratory",
            "Exploratory",
            EXPLORATORY,
            &statements(&exploratory),
        );
    }
    html += &figures(results);
    html += &section("left-out", "Left out", "", &left_out(results));
    html += &section("settings", "Settings that differ", "", &settings(results));
    html
}

const STATED: &str = "Seeds are the unit. “Consistent with”: the corrected p-value in the claimed \
    direction is at most 0.05; “contradicted”: in the opposite one; “not observed at this scale”: \
    the interval excludes d, the smallest effect of interest; else it “cannot be judged”. \
    Beyond the weights: what is left when the same curve of the weights up to each layer is \
    subtracted.";
const EXPLORATORY: &str = "Numbers that were not declared as statements: intervals, no verdicts. \
    With so many of them some will be far from zero by chance.";

fn section(id: &str, heading: &str, lede: &str, body: &str) -> String {
    let lede = if lede.is_empty() {
        String::new()
    } else {
        format!("<p class=\"lede\">{lede}</p>\n")
    };
    format!("<section id=\"{id}\">\n<h2>{heading}</h2>\n{lede}{body}</section>\n")
}

/// The figures of the runs themselves; nothing where none has findings.
fn figures(results: &Results) -> String {
    let boundaries = raster::figure(&results.arms).map(|(svg, caption)| {
        section("boundaries", "Boundaries over seeds", "", &figure(&svg, &caption))
    });
    let depth = depth::figure(results).map(|(svg, caption)| {
        section("movement", "Movement by depth", "", &figure(&svg, &caption))
    });
    boundaries.into_iter().chain(depth).collect()
}

fn figure(svg: &str, caption: &str) -> String {
    let caption = Escaped(caption);
    format!(
        "<figure class=\"scroll\">\n<div class=\"drawing\">{svg}</div>\n<figcaption>{caption}</figcaption>\n</figure>\n"
    )
}

/// The figure, the table, and what stands behind each line.
fn statements(findings: &[&Finding]) -> String {
    let mut html = String::new();
    if let Some(svg) = forest::drawing(findings) {
        html += &figure(&svg, forest::CAPTION);
    }
    let rows: String = findings.iter().map(|finding| row(finding)).collect();
    let columns: &[&str] = if findings.iter().all(|finding| finding.exploratory) {
        &["", "says", "arms", "effect"]
    } else {
        &["", "says", "arms", "verdict", "effect", "why"]
    };
    html += &table(columns, &rows);
    for finding in findings {
        html += &behind(finding);
    }
    html
}

fn table(columns: &[&str], rows: &str) -> String {
    let head: String =
        columns.iter().map(|name| format!("<th scope=\"col\">{name}</th>")).collect();
    format!(
        "<div class=\"table\"><table class=\"findings\"><thead><tr>{head}</tr></thead>\n<tbody>{rows}</tbody></table></div>\n"
    )
}

fn line(heading: &str, cells: &[String]) -> String {
    let cells: String =
        cells.iter().map(|cell| format!("<td>{}</td>", Escaped(cell))).collect();
    format!("<tr><th scope=\"row\">{}</th>{cells}</tr>\n", Escaped(heading))
}

fn row(finding: &Finding) -> String {
    let reading = finding.reading.map_or(String::new(), |r| format!(", {}", r.name()));
    let [says, arms, effect] = [finding.text.clone(), arms(finding), finding.effect()];
    let cells = match finding.verdict {
        Some(verdict) => {
            vec![says, arms, verdict.name().into(), effect, finding.reason.clone()]
        }
        None => vec![says, arms, effect],
    };
    line(&format!("{}{reading}", finding.title()), &cells)
}

/// The arms in words.
fn arms(finding: &Finding) -> String {
    match (&finding.plus, &finding.minus) {
        (Some(plus), Some(minus)) => format!("{plus} less {minus}"),
        (Some(plus), None) => plus.clone(),
        _ => finding.arms.join(", "),
    }
}

/// Seeds, parts, variants, numbers beside it, and runs without a value.
fn behind(finding: &Finding) -> String {
    let mut body = seeds(finding);
    for (title, rows) in [
        ("part", finding.parts.iter().map(part).collect::<String>()),
        ("variant", finding.variants.iter().map(variant).collect()),
        ("beside", finding.beside.iter().map(part).collect()),
    ] {
        if !rows.is_empty() {
            body += &table(&[title, "mean", "95 % interval", "seeds", ""], &rows);
        }
    }
    for left_out in &finding.left_out {
        let text = format!("Without a value: {}: {}", left_out.run, left_out.why);
        let _ = writeln!(body, "<p class=\"more\">{}</p>", Escaped(&text));
    }
    let reading = finding.reading.map_or(String::new(), |r| format!(", {}", r.name()));
    let summary = format!("{}{reading}: all seeds", finding.title());
    format!("<details><summary>{}</summary>\n{body}</details>\n", Escaped(&summary))
}

/// The values of each seed.
fn seeds(finding: &Finding) -> String {
    let number = |value: Option<f64>| {
        value.map_or("–".to_owned(), |value| format!("{value:.4}"))
    };
    let row = |row: &SeedValues| {
        let values = [row.plus, row.minus, row.difference()].map(number);
        line(&row.seed, &values)
    };
    let rows: String = finding.values.iter().map(row).collect();
    table(&["seed", "first arm", "second arm", "difference"], &rows)
}

fn part(part: &PartFound) -> String {
    let layer = part.layer.as_ref().map_or(String::new(), |layer| format!(" of {layer}"));
    let p = part.p_for.map(|p| format!("p = {p:.4}"));
    let heading = format!("{}{layer}", part.endpoint);
    line(&heading, &effect(part.n, part.mean, part.interval, p))
}

fn variant(variant: &VariantFound) -> String {
    let sign =
        variant.same_sign.map(|same| if same { "same sign" } else { "other sign" });
    let sign = sign.map(str::to_owned);
    line(&variant.name, &effect(variant.n, variant.mean, variant.interval, sign))
}

fn effect(
    n: usize,
    mean: Option<f64>,
    interval: Option<[f64; 2]>,
    last: Option<String>,
) -> [String; 4] {
    let mean = mean.map_or("–".into(), |mean| format!("{mean:+.4}"));
    let interval =
        interval.map_or("–".into(), |[low, high]| format!("{low:.4} to {high:.4}"));
    [mean, interval, n.to_string(), last.unwrap_or_default()]
}

/// Runs that are not done, by arm.
fn left_out(results: &Results) -> String {
    let rows: String = results
        .arms
        .iter()
        .flat_map(|arm| arm.left_out.iter().map(move |run| (arm, run)))
        .map(|(arm, run)| line(&run.run, &[arm.name.clone(), run.why.clone()]))
        .collect();
    if rows.is_empty() {
        return "<p>No run: all are finished and analyzed.</p>\n".into();
    }
    table(&["run", "arm", "why"], &rows)
}

fn settings(results: &Results) -> String {
    if results.settings.is_empty() {
        return "<p>None but the seeds.</p>\n".into();
    }
    let names: Vec<String> = results.settings[0]
        .values
        .iter()
        .map(|(arm, _)| Escaped(arm).to_string())
        .collect();
    let mut columns = vec!["setting"];
    columns.extend(names.iter().map(String::as_str));
    let rows: String = results
        .settings
        .iter()
        .map(|setting| {
            let values: Vec<String> =
                setting.values.iter().map(|(_, value)| value.clone()).collect();
            line(&setting.key, &values)
        })
        .collect();
    table(&columns, &rows)
}
