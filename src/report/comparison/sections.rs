//! The sections of the page.

use std::fmt::Write as _;

use super::atlas::Atlas;
use super::table::{line, table};
use super::{curves, depth, forest, raster, settings};
use crate::compare::{Finding, PartFound, Results, SeedValues, VariantFound};
use crate::report::figure::svg::Escaped;
use crate::report::page::figure_html;
use crate::report::panels::Figure;

/// The sections in the list of contents.
pub(super) const CONTENTS: [(&str, &str); 8] = [
    ("settings", "Settings that differ"),
    ("errors", "Errors"),
    ("maps", "Maps side by side"),
    ("statements", "Statements"),
    ("exploratory", "Exploratory"),
    ("boundaries", "Boundaries"),
    ("movement", "Movement by depth"),
    ("left-out", "Left out"),
];

/// What the page shows of a comparison.
pub(super) struct Shown<'a> {
    results: &'a Results,
    /// The maps and what stands around them; none without maps.
    atlas: Option<String>,
    errors: Option<Figure>,
    statements: Vec<&'a Finding>,
    exploratory: Vec<&'a Finding>,
    /// Their effects, stated ones first.
    effects: [Option<Figure>; 2],
    boundaries: Option<Figure>,
    movement: Option<Figure>,
}

impl<'a> Shown<'a> {
    /// Of these results and their maps.
    pub(super) fn of(results: &'a Results, atlas: &Atlas<'_>) -> Self {
        let (exploratory, statements): (Vec<&Finding>, Vec<&Finding>) =
            results.statements.iter().partition(|finding| finding.exploratory);
        Self {
            results,
            atlas: (!atlas.is_empty()).then(|| maps(atlas)),
            errors: curves::figure(&results.arms),
            effects: [
                forest::figure(&statements, "effects"),
                forest::figure(&exploratory, "effects-exploratory"),
            ],
            statements,
            exploratory,
            boundaries: raster::figure(&results.arms),
            movement: depth::figure(results),
        }
    }

    /// All figures.
    pub(super) fn figures(&self) -> Vec<&Figure> {
        let own = [&self.errors, &self.boundaries, &self.movement];
        own.into_iter().chain(&self.effects).flatten().collect()
    }

    /// All sections.
    pub(super) fn html(&self) -> String {
        let [stated, others] = self.effects.each_ref().map(Option::as_ref);
        let figure = |id: &str, heading: &str, figure: Option<&Figure>| {
            let html = figure.map(|figure| figure_html(figure, heading, ""));
            html.map_or(String::new(), |html| section(id, heading, "", &html))
        };
        let findings = |id: &str, heading: &str, lede: &str, (all, effects)| {
            let html = statements(all, effects, id);
            html.map_or(String::new(), |html| section(id, heading, lede, &html))
        };
        let not_compared = self.results.not_compared.as_ref().map(|why| {
            let why = format!("No effects between these arms: {why}.");
            section(
                "not-compared",
                "Effects",
                "",
                &format!("<p class=\"absent\">{}</p>\n", Escaped(&why)),
            )
        });
        let parts = [
            section(
                "settings",
                "Settings that differ",
                "",
                &settings::html(&self.results.arms),
            ),
            figure("errors", "Errors over the epochs", self.errors.as_ref()),
            self.atlas.clone().unwrap_or_default(),
            not_compared.unwrap_or_default(),
            findings("statements", "Statements", STATED, (&self.statements, stated)),
            findings(
                "exploratory",
                "Exploratory",
                EXPLORATORY,
                (&self.exploratory, others),
            ),
            figure("boundaries", "Boundaries over seeds", self.boundaries.as_ref()),
            figure("movement", "Movement by depth", self.movement.as_ref()),
            section("left-out", "Left out", "", &left_out(self.results)),
        ];
        parts.concat()
    }
}

/// The section that the page's script fills with maps.
fn maps(atlas: &Atlas<'_>) -> String {
    let aligned = if atlas.is_of_one_net() {
        "Rows: layers, in the order of depth."
    } else {
        "Rows: layers that all nets have stand beside each other under their name, others by their relative \
         depth between those; each map names its layer."
    };
    let limits = atlas.limits().map(|text| format!(" {text}")).unwrap_or_default();
    let caption = format!(
        "Columns: runs, or the mean over the seeds of an arm that have the same checkpoints (the first seed \
         where they do not). {aligned} Every map stands on the checkpoints of its own run, nothing is \
         interpolated; the cursor goes to the nearest of them. Null: a layer that only drifts has a map that \
         fades evenly from its diagonal.{limits}"
    );
    let body = format!(
        "<noscript><p class=\"absent\">The maps need the page’s script; those of each run are in its report/figures \
         as SVG.</p></noscript>\n<div class=\"maps\" data-maps=\"atlas\">\n<div class=\"atlas\"></div>\n</div>\n\
         <p class=\"caption\">{}</p>\n",
        Escaped(&caption)
    );
    section("maps", "Maps side by side", MAPS, &body)
}

const MAPS: &str = "Each map compares one layer of one run at every checkpoint with the same layer at every \
    other. All maps have the colors of one range, and one cursor.";
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

/// The figure, the table, and what stands behind each line; none without findings.
fn statements(
    findings: &[&Finding],
    effects: Option<&Figure>,
    id: &str,
) -> Option<String> {
    if findings.is_empty() {
        return None;
    }
    let mut html = String::new();
    if let Some(effects) = effects {
        html += &figure_html(effects, "Effects over seeds", "");
    }
    let rows: String = findings.iter().map(|finding| row(finding)).collect();
    let columns: &[&str] = if findings.iter().all(|finding| finding.exploratory) {
        &["endpoint", "says", "arms", "effect"]
    } else {
        &["statement", "says", "arms", "verdict", "effect", "why"]
    };
    html += &table(id, columns, &rows);
    for (order, finding) in findings.iter().enumerate() {
        html += &behind(finding, &format!("{id}-{}", order + 1));
    }
    Some(html)
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
fn behind(finding: &Finding, file: &str) -> String {
    let mut body = seeds(finding, file);
    for (title, last, rows) in [
        ("part", "p", finding.parts.iter().map(part).collect::<String>()),
        ("variant", "sign", finding.variants.iter().map(variant).collect()),
        ("beside", "p", finding.beside.iter().map(part).collect()),
    ] {
        if !rows.is_empty() {
            body += &table(
                &format!("{file}-{title}"),
                &[title, "mean", "95 % interval", "seeds", last],
                &rows,
            );
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
fn seeds(finding: &Finding, file: &str) -> String {
    let number = |value: Option<f64>| {
        value.map_or("–".to_owned(), |value| format!("{value:.4}"))
    };
    let row = |row: &SeedValues| {
        let values = [row.plus, row.minus, row.difference()].map(number);
        line(&row.seed, &values)
    };
    let rows: String = finding.values.iter().map(row).collect();
    let file = format!("{file}-seeds");
    table(&file, &["seed", "first arm", "second arm", "difference"], &rows)
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
    table("left-out", &["run", "arm", "why"], &rows)
}
