//! What is found in a run, in plain words: one screen.

use std::fmt;

use super::boundaries::{Boundary, BoundaryKind, Cause, PERFECT_FIT};
use super::halves::{DoubleDescent, Readout};
use super::perfect_fit::Reading;
use super::summary::{Checkpoints, LayerFindings, Missing, RunFindings, Synchrony};

/// Letters of a line.
const WIDTH: usize = 92;
/// A share of the rise below this is in the readout where its interval is, too; one from here
/// on is in the representation.
const HALF: f64 = 0.5;
/// What the words mean.
const EXPLANATION: &str = "A layer moves: it goes somewhere new, faster than before and after. It \
    settles: it stops shaking from checkpoint to checkpoint. Smooth drift makes blocks in a matrix, \
    too; p is how often a path of the same speed without a boundary shows as much.";

impl fmt::Display for RunFindings {
    /// The boundaries of each layer in the first matrices, then what they have in common; of
    /// other matrices, in how many layers there are boundaries.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kinds = self.kinds();
        let Some((measure, group)) = kinds.first() else {
            return writeln!(f, "no matrices, and so no findings");
        };
        let layers = self.of_kind(measure, group);
        let heading = format!("{measure} on {group}, {}", checkpoints(&self.checkpoints));
        write_wrapped(f, &heading)?;
        write_wrapped(f, &self.events_in_words())?;
        writeln!(f)?;
        let width = layers.iter().map(|layer| layer.layer.len()).max().unwrap_or(0);
        for layer in &layers {
            let start = format!("  {:width$}  ", layer.layer);
            write_hanging(f, &start, &of_layer(layer))?;
        }
        writeln!(f)?;
        write_wrapped(f, &self.at_fit(&layers))?;
        write_wrapped(f, &beside_weights(&layers))?;
        write_wrapped(f, &self.synchrony.first().map_or_else(String::new, in_step))?;
        write_wrapped(f, &measured(&self.double_descent))?;
        for (measure, group) in &kinds[1..] {
            let found = summary(&self.of_kind(measure, group));
            write_wrapped(f, &format!("{measure} on {group}: {found}."))?;
        }
        for Missing { what, reason } in &self.missing {
            write_wrapped(f, &format!("Missing: {what}: {reason}."))?;
        }
        writeln!(f)?;
        write_wrapped(f, EXPLANATION)
    }
}

/// A paragraph in lines; nothing of an empty one.
fn write_wrapped(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    if text.trim().is_empty() { Ok(()) } else { write_hanging(f, "", text) }
}

/// A paragraph in lines that begin below each other, the first behind `start`.
fn write_hanging(f: &mut fmt::Formatter<'_>, start: &str, text: &str) -> fmt::Result {
    let indent = start.chars().count();
    f.write_str(start)?;
    let mut length = indent;
    for word in text.split_whitespace() {
        let own = word.chars().count();
        if length > indent && length + 1 + own > WIDTH {
            write!(f, "\n{:indent$}", "")?;
            length = indent;
        } else if length > indent {
            f.write_str(" ")?;
            length += 1;
        }
        f.write_str(word)?;
        length += own;
    }
    writeln!(f)
}

impl RunFindings {
    /// Every measure with its group, in the order of the file.
    fn kinds(&self) -> Vec<(&str, &str)> {
        let mut kinds: Vec<(&str, &str)> = vec![];
        for layer in &self.layers {
            let kind = (&*layer.measure, &*layer.group);
            if !kinds.contains(&kind) {
                kinds.push(kind);
            }
        }
        kinds
    }

    /// The layers of one measure and group, in the order of depth.
    pub fn of_kind(&self, measure: &str, group: &str) -> Vec<&LayerFindings> {
        let is_of =
            |layer: &&LayerFindings| layer.measure == measure && layer.group == group;
        self.layers.iter().filter(is_of).collect()
    }

    /// The epoch of an event; none if it never happens or is not known.
    pub fn event(&self, name: &str) -> Option<f64> {
        self.events.iter().find(|event| event.name == name)?.epoch
    }

    fn events_in_words(&self) -> String {
        let happened = self.events.iter().filter_map(|event| {
            Some(format!("{} {}", in_words(&event.name), short(event.epoch?)))
        });
        let happened: Vec<String> = happened.collect();
        if happened.is_empty() {
            return String::new();
        }
        format!("Epochs: {}.", happened.join(", "))
    }

    /// What the roughness does at the perfect fit.
    fn at_fit(&self, layers: &[&LayerFindings]) -> String {
        let Some(fit) = self.event(PERFECT_FIT) else { return String::new() };
        let drops: Vec<_> = layers.iter().filter_map(|layer| layer.perfect_fit).collect();
        let falls: Vec<f64> =
            drops.iter().map(|drop| drop.drop).filter(|drop| *drop < 0.0).collect();
        if falls.is_empty() {
            return String::new();
        }
        let steepest: Vec<f64> =
            drops.iter().map(|drop| (fit.ln_1p() + drop.offset).exp_m1()).collect();
        let [most, least] = range(&falls).map(|drop| short((-drop).exp()));
        let steepest = between(range(&steepest).map(short), " to ");
        format!(
            "At the perfect fit (epoch {}) roughness falls in {} of {} layers, {}-fold; it falls most \
             steeply at epoch {steepest}.",
            short(fit),
            falls.len(),
            drops.len(),
            between([least, most], "- to ")
        )
    }
}

/// Whether layers settle beyond the weights up to them.
fn beside_weights(layers: &[&LayerFindings]) -> String {
    let controls = layers.iter().filter_map(|layer| layer.weights?.at_fit);
    let readings: Vec<Reading> = controls.map(|control| control.reading).collect();
    let n = readings.len();
    let beyond = readings.iter().filter(|own| **own == Reading::Representation).count();
    match beyond {
        _ if n == 0 => String::new(),
        0 => "The weights settle as much: it is the optimizer that comes to rest.".into(),
        _ => format!(
            "The weights settle, too; beyond them the representation settles in {beyond} of {n} \
             layers."
        ),
    }
}

fn checkpoints(checkpoints: &Checkpoints) -> String {
    let Checkpoints { used, dropped, epochs } = checkpoints;
    let span = match (epochs.first(), epochs.last()) {
        (Some(first), Some(last)) => {
            format!("{used} checkpoints from epoch {} to {}", short(*first), short(*last))
        }
        _ => "no checkpoints".into(),
    };
    if dropped.is_empty() {
        return span;
    }
    let dropped: Vec<String> = dropped.iter().map(|epoch| short(*epoch)).collect();
    format!("{span} (left out, too near the next: {})", dropped.join(", "))
}

/// The boundaries of a layer, or why there are none.
fn of_layer(layer: &LayerFindings) -> String {
    let Some(boundaries) = &layer.boundaries else {
        let reason = layer.reason.as_deref().unwrap_or("not tested");
        return format!("not judged: {reason}");
    };
    let inner: Vec<String> =
        boundaries.iter().filter(|boundary| !boundary.edge).map(of_boundary).collect();
    if inner.is_empty() { "no boundary".into() } else { inner.join("; ") }
}

fn of_boundary(boundary: &Boundary) -> String {
    let epoch = short(boundary.epoch);
    let fold = short(boundary.size.abs().exp());
    let what = match boundary.kind {
        BoundaryKind::Burst => format!("moves around epoch {epoch}"),
        BoundaryKind::BurstAndSettling => {
            format!("moves and settles around epoch {epoch}")
        }
        BoundaryKind::Settling => format!("settles at epoch {epoch}, {fold}-fold"),
        BoundaryKind::Unsettling => {
            format!("shakes more from epoch {epoch}, {fold}-fold")
        }
    };
    let event = boundary.event.as_deref().filter(|_| boundary.is_at_event());
    let at = event.map(|event| format!(", near {}", in_words(event)));
    let cause = boundary.cause.map(|Cause::Schedule| ", with the learning rate");
    format!(
        "{what} (p {}{}{})",
        p_value(boundary.p),
        at.unwrap_or_default(),
        cause.unwrap_or_default()
    )
}

/// In how many layers there are boundaries.
fn summary(layers: &[&LayerFindings]) -> String {
    let judged: Vec<_> =
        layers.iter().filter_map(|layer| layer.boundaries.as_ref()).collect();
    if judged.is_empty() {
        let reason = layers.iter().find_map(|layer| layer.reason.as_deref());
        return format!("not judged ({})", reason.unwrap_or("not tested"));
    }
    let inner = |own: &&&Vec<Boundary>| own.iter().any(|boundary| !boundary.edge);
    let settles = |own: &&&Vec<Boundary>| {
        own.iter().any(|boundary| !boundary.edge && boundary.kind.settles())
    };
    let [with, settling] =
        [judged.iter().filter(inner).count(), judged.iter().filter(settles).count()];
    format!("boundaries in {with} of {} layers, {settling} of them settle", judged.len())
}

fn in_step(synchrony: &Synchrony) -> String {
    let Some(asynchrony) = synchrony.asynchrony else { return String::new() };
    let se = synchrony.se.map(|se| format!(" ± {se:.3}")).unwrap_or_default();
    let schedule = if synchrony.schedule {
        "; the learning rate changes, which may move them together"
    } else {
        ""
    };
    format!(
        "Layers move {:.2}-fold apart in time (1-fold: in step; asynchrony {asynchrony:.3}{se})\
         {schedule}.",
        asynchrony.exp()
    )
}

fn measured(found: &DoubleDescent) -> String {
    let (Some(n), Some(rise), Some(fall)) = (found.n, found.rise, found.fall) else {
        return String::new();
    };
    let [rises, falls] = [(rise, found.interval_rise), (fall, found.interval_fall)]
        .map(|(mean, interval)| with_interval(mean, interval));
    let is_one = found.measured == Some(true);
    let verdict = if is_one { "a double descent" } else { "no double descent" };
    let readout = found.readout.as_ref().filter(|_| is_one);
    format!(
        "On halves of {n} test images the error rises by {rises} and falls by {falls}: {verdict}; \
         images are the unit, it says nothing about other seeds. {}",
        readout.map_or_else(String::new, in_readout)
    )
}

fn in_readout(readout: &Readout) -> String {
    let Some((share, [low, high])) = readout.share_rise.zip(readout.interval_share_rise)
    else {
        return String::new();
    };
    let place = match share {
        _ if share <= 0.0 && high < HALF => "the rise is in the readout",
        _ if share >= HALF => "the rise is in the representation",
        _ => "the rise is in both",
    };
    format!(
        "A linear probe of {} has {share:.2} of the rise ({low:.2} to {high:.2}): {place}.",
        readout.layer
    )
}

fn with_interval(mean: f64, interval: Option<[f64; 2]>) -> String {
    let interval = interval.map(|[low, high]| format!(" ({low:.3} to {high:.3})"));
    format!("{mean:.3}{}", interval.unwrap_or_default())
}

/// An event's name as one says it.
fn in_words(event: &str) -> String {
    match event {
        "clean-learned" => "clean labels learned".into(),
        "memorizing" => "half of the wrong labels memorized".into(),
        PERFECT_FIT => "the perfect fit".into(),
        "corrupted-fit" => "the fit of the wrong labels".into(),
        "min" => "the first minimum of the test error".into(),
        "peak" => "the peak of the test error".into(),
        "second-min" => "the second minimum of the test error".into(),
        other => other.replace('-', " "),
    }
}

fn range(values: &[f64]) -> [f64; 2] {
    let least = values.iter().copied().fold(f64::INFINITY, f64::min);
    [least, values.iter().copied().fold(f64::NEG_INFINITY, f64::max)]
}

/// A p-value with the digits that 399 draws give.
fn p_value(p: f64) -> String {
    format!("{p:.4}").trim_end_matches(['0', '.']).to_owned()
}

/// Both ends of a range, or the one that they are.
fn between([first, last]: [String; 2], word: &str) -> String {
    if first == last { first } else { format!("{first}{word}{last}") }
}

/// A number with three digits or fewer.
fn short(value: f64) -> String {
    match value {
        _ if value.fract() == 0.0 || value.abs() >= 100.0 => format!("{value:.0}"),
        _ if value.abs() >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Lines(&'static str, &'static str);

    impl fmt::Display for Lines {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write_hanging(f, self.0, self.1)
        }
    }

    #[test]
    fn the_words_of_a_layer_stand_below_each_other() {
        let many = "moves around epoch 4.47 (p 0.0025); moves around epoch 19 (p 0.0025); \
            settles at epoch 93, 3.2-fold (p 0.0025, near the perfect fit)";
        let text = Lines("  layer1.0.conv1  ", many).to_string();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 2, "{text}");
        assert!(lines.iter().all(|line| line.chars().count() <= WIDTH), "{text}");
        assert!(lines[1].starts_with("                  ") && !lines[1].ends_with(' '));
        let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert_eq!(words(&text), format!("layer1.0.conv1 {}", words(many)));
        assert_eq!(Lines("", "one line").to_string(), "one line\n");
    }
}
