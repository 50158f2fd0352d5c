//! The nodes that `train.freeze`, `train.reinit` and `optimizer.lr_scale` name.

use crate::data::Data;
use crate::error::{Error, Result};
use crate::experiment::{Experiment, OptimizerConfig, TrainConfig};
use crate::net::{Net, Node};
use crate::represent::glob_matches;
use crate::setting::nearest;

/// Checks `train.freeze`, `train.reinit` and `optimizer.lr_scale` against the net that `data`
/// gives.
///
/// # Errors
/// A usage error if a name or glob matches no node with parameters, if nothing is left to
/// train, or if two globs give a node different factors.
pub fn check_nodes(experiment: &Experiment, data: &Data) -> Result<()> {
    let net = experiment.net.build(data.train.shape, data.n_classes);
    frozen(&net, &experiment.train)?;
    named(&net, "train.reinit", &experiment.train.reinit)?;
    rate_scales(&net, &experiment.optimizer)?;
    Ok(())
}

/// Positions of the nodes that do not move.
///
/// # Errors
/// As [`check_nodes`].
pub(super) fn frozen(net: &Net, config: &TrainConfig) -> Result<Vec<usize>> {
    let frozen = named(net, "train.freeze", &config.freeze)?;
    if frozen.len() == with_parameters(net).count() {
        return Err(Error::usage("`train.freeze`", "names every layer")
            .expected("at least one layer that is left to train"));
    }
    Ok(frozen)
}

/// What the rate of each node is multiplied by: the factor of its own name, or else of the
/// globs that match it, or else 1.
///
/// # Errors
/// As [`check_nodes`].
pub(super) fn rate_scales(net: &Net, config: &OptimizerConfig) -> Result<Vec<f64>> {
    const KEY: &str = "optimizer.lr_scale";
    let patterns: Vec<String> = config.lr_scale.keys().cloned().collect();
    named(net, KEY, &patterns)?;
    let of_node = |node: &Node| {
        if let Some(own) = config.lr_scale.get(&node.name) {
            return Ok(*own);
        }
        let matches = |(pattern, _): &(&String, &f64)| glob_matches(pattern, &node.name);
        let mut globs = config.lr_scale.iter().filter(matches);
        let Some((first, factor)) = globs.next() else { return Ok(1.0) };
        match globs.find(|(_, other)| other.total_cmp(factor).is_ne()) {
            None => Ok(*factor),
            Some((second, other)) => Err(Error::usage(
                format!("`{KEY}`"),
                format!(
                    "gives {} {factor} by `{first}` and {other} by `{second}`",
                    node.name
                ),
            )
            .expected("one factor for each layer")
            .fix(format!("name the layer itself: \"{}\" = {factor}", node.name))),
        }
    };
    net.nodes.iter().map(of_node).collect()
}

/// Positions of the nodes with parameters that a list of names and globs means, rising.
pub(super) fn named(net: &Net, key: &str, patterns: &[String]) -> Result<Vec<usize>> {
    let matches =
        |pattern: &str, node: usize| glob_matches(pattern, &net.nodes[node].name);
    for pattern in patterns {
        if !with_parameters(net).any(|node| matches(pattern, node)) {
            let names: Vec<&str> =
                with_parameters(net).map(|node| &net.nodes[node].name[..]).collect();
            let found = format!("names `{pattern}`, which is no layer with parameters");
            let near = nearest(pattern, names.iter().copied());
            let error = Error::usage(format!("`{key}`"), found)
                .expected(format!("names and globs among {}", names.join(" ")));
            return Err(match near {
                Some(near) => error.fix(format!("did you mean `{near}`?")),
                None => error,
            });
        }
    }
    let is_named = |node: &usize| patterns.iter().any(|pattern| matches(pattern, *node));
    Ok(with_parameters(net).filter(is_named).collect())
}

/// Positions of the nodes that have parameters.
fn with_parameters(net: &Net) -> impl Iterator<Item = usize> + '_ {
    (0..net.nodes.len()).filter(|&node| !net.node_parameters(&net.nodes[node]).is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::{NetConfig, Shape};

    fn found(patterns: &[&str]) -> Result<Vec<String>> {
        let input = Shape { channels: 1, height: 8, width: 8 };
        let net = NetConfig::resnet18(1).build(input, 10);
        let patterns: Vec<String> = patterns.iter().map(|&p| p.to_owned()).collect();
        let nodes = named(&net, "train.freeze", &patterns)?;
        Ok(nodes.into_iter().map(|node| net.nodes[node].name.clone()).collect())
    }

    #[test]
    fn names_and_globs_are_layers_with_parameters() {
        assert!(found(&[]).unwrap().is_empty());
        assert_eq!(found(&["linear", "conv1"]).unwrap(), ["conv1", "linear"]);
        let block = ["layer4.1.bn1", "layer4.1.conv1", "layer4.1.bn2", "layer4.1.conv2"];
        assert_eq!(found(&["layer4.1*"]).unwrap(), block);
        for wrong in ["conv9", "avgpool", "layer4.1.relu*"] {
            let error = found(&["linear", wrong]).unwrap_err();
            assert!(error.to_string().contains(&format!("`{wrong}`")), "{error}");
            assert!(error.to_string().contains("layer1.0.conv1"), "{error}");
        }
    }
}
