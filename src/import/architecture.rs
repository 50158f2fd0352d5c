//! What weights do not say of a network, and transformers' `config.json` beside them does: the
//! number of heads, the ε of norms.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::array_file::printable;
use crate::error::{Error, Result};
use crate::net::NetConfig;

/// The largest `config.json` that is read.
const LARGEST: u64 = 1 << 20;

/// Settings of transformers' ViT and ours.
const OF_VIT: [(&str, &str); 7] = [
    ("patch_size", "patch"),
    ("hidden_size", "dim"),
    ("num_hidden_layers", "depth"),
    ("num_attention_heads", "heads"),
    ("intermediate_size", "mlp_dim"),
    ("layer_norm_eps", "norm_eps"),
    ("qkv_bias", "qkv_bias"),
];

/// Compares the settings of a ViT with those that lie beside its weights; what is to be said where
/// there are none.
///
/// # Errors
/// If they differ.
pub(super) fn check(weights: &Path, net: &NetConfig) -> Result<Option<String>> {
    let NetConfig::Vit(vit) = net else { return Ok(None) };
    let path = weights.with_file_name("config.json");
    let config = read(&path).filter(|config| config["model_type"] == "vit");
    let Some(config) = config else {
        return Ok(Some(format!(
            "weights say neither the number of heads nor the ε of norms: net.heads={} and \
             net.norm_eps={:?} are taken",
            vit.heads, vit.norm_eps
        )));
    };
    let own = serde_json::to_value(vit).expect("settings have a JSON form");
    let is_same = |theirs: &Value, ours: &Value| match (theirs.as_f64(), ours.as_f64()) {
        (Some(theirs), Some(ours)) => theirs.total_cmp(&ours).is_eq(),
        _ => theirs == ours,
    };
    let differing: Vec<_> = OF_VIT
        .into_iter()
        .filter(|(theirs, ours)| {
            !config[theirs].is_null() && !is_same(&config[theirs], &own[ours])
        })
        .collect();
    if let Some(other) = config["hidden_act"].as_str().filter(|name| *name != "gelu") {
        return Err(Error::data(
            &path,
            format!("says hidden_act = {}", printable(other)),
        )
        .expected("gelu, which our ViT has")
        .fix("record it in Python: stratagram.record_checkpoints(load, revisions, …)"));
    }
    if differing.is_empty() {
        Ok(None)
    } else {
        Err(differs(&path, &config, &own, &differing))
    }
}

/// The error of settings that differ, with those to give.
fn differs(path: &Path, config: &Value, own: &Value, names: &[(&str, &str)]) -> Error {
    let list = |each: &dyn Fn(&(&str, &str)) -> String, between| {
        names.iter().map(each).collect::<Vec<_>>().join(between)
    };
    let value = |theirs: &str| printable(&config[theirs].to_string());
    let theirs = list(&|(theirs, _)| format!("{theirs} = {}", value(theirs)), ", ");
    let ours = list(&|(_, ours)| format!("net.{ours} = {}", own[ours]), ", ");
    let fix = list(&|(theirs, ours)| format!("net.{ours}={}", value(theirs)), " ");
    Error::data(path, format!("says {theirs}"))
        .expected(format!("the settings {ours}"))
        .fix(format!("add {fix}"))
}

/// The class of a model of transformers whose weights these are.
#[cfg(feature = "fetch")]
pub(super) fn class(weights: &Path) -> Option<String> {
    let config = read(&weights.with_file_name("config.json"))?;
    config["architectures"][0].as_str().map(printable)
}

/// A JSON file that may be there.
fn read(path: &Path) -> Option<Value> {
    let is_small = fs::metadata(path).is_ok_and(|metadata| metadata.len() <= LARGEST);
    let text = is_small.then(|| fs::read_to_string(path).ok()).flatten()?;
    serde_json::from_str(&text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_that_weights_do_not_say_are_compared() {
        let folder = tempfile::tempdir().unwrap();
        let weights = folder.path().join("model.safetensors");
        let table = "kind = 'vit'\npatch = 4\ndim = 48\ndepth = 2\nheads = 3\nhead_dim = 16\n\
                     mlp_dim = 96\npool = 'cls'\ndropout = 0.0\nnorm_eps = 1e-12\nqkv_bias = true";
        let net: NetConfig = toml::from_str(table).unwrap();
        let note = check(&weights, &net).unwrap().unwrap();
        assert!(note.contains("net.heads=3 and net.norm_eps=1e-12"), "{note}");
        let put =
            |text: &str| fs::write(folder.path().join("config.json"), text).unwrap();
        put(r#"{"model_type": "vit", "num_attention_heads": 3, "layer_norm_eps": 1e-12,
                "qkv_bias": true, "hidden_act": "gelu", "architectures": ["Vit"]}"#);
        assert_eq!(check(&weights, &net).unwrap(), None);
        assert_eq!(class(&weights).unwrap(), "Vit");
        put(
            r#"{"model_type": "vit", "num_attention_heads": 12, "layer_norm_eps": 1e-6}"#,
        );
        let error = check(&weights, &net).unwrap_err();
        let said = "says num_attention_heads = 12, layer_norm_eps = 1e-6; expected the settings \
                    net.heads = 3, net.norm_eps = 1e-12";
        assert!(error.to_string().ends_with(said), "{error}");
        assert_eq!(error.help().unwrap(), "add net.heads=12 net.norm_eps=1e-6");
        put(r#"{"model_type": "vit", "hidden_act": "relu"}"#);
        assert!(
            check(&weights, &net).unwrap_err().to_string().contains("hidden_act = relu")
        );
        put(r#"{"model_type": "gpt_neox"}"#);
        assert!(check(&weights, &net).unwrap().is_some());
    }
}
