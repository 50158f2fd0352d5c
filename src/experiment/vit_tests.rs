//! The keys of the Vision Transformer.

use super::*;
use crate::error::{Error, Result};
use crate::net::{TokenPool, VitConfig};

const MINIMAL: &str = "data = { kind = 'digits' }\nnet = { kind = 'vit' }";

fn parse(text: &str, overrides: &[&str]) -> Result<Experiment> {
    let overrides: Vec<String> = overrides.iter().map(|&o| o.to_owned()).collect();
    Experiment::parse("test", text, ".".as_ref(), &overrides)
}

fn refused(overrides: &[&str]) -> Error {
    parse(MINIMAL, overrides).unwrap_err()
}

#[test]
fn the_defaults_are_those_of_vit4() {
    let experiment = parse(MINIMAL, &[]).unwrap();
    let expected = VitConfig {
        patch: 4,
        dim: 512,
        depth: 6,
        heads: 8,
        head_dim: 64,
        mlp_dim: 512,
        pool: TokenPool::Cls,
        dropout: 0.1,
        norm_eps: 1e-5,
        qkv_bias: false,
    };
    assert_eq!(experiment.net, NetConfig::Vit(expected));
    assert_eq!(experiment.analysis.tokens, Some(TokenPolicy::Mean));
    let again = parse(&experiment.to_toml(), &[]).unwrap();
    assert_eq!(again, experiment);
}

#[test]
fn widths_follow_dim_where_they_are_not_given() {
    let net = |overrides: &[&str]| match parse(MINIMAL, overrides).unwrap().net {
        NetConfig::Vit(config) => (config.head_dim, config.mlp_dim),
        other => panic!("{other:?}"),
    };
    assert_eq!(net(&["net.dim=192", "net.heads=3"]), (64, 192));
    assert_eq!(net(&["net.dim=10", "net.heads=3", "net.head_dim=4"]), (4, 10));
    assert_eq!(net(&["net.mlp_dim=768"]), (64, 768));
}

#[test]
fn what_does_not_fit_is_refused_with_its_place() {
    let error = refused(&["net.heads=5"]);
    assert!(error.to_string().contains("`net.heads` is 5"), "{error}");
    assert!(error.to_string().contains("`net.head_dim`"), "{error}");
    for (change, key) in [
        ("net.width=3", "`net.width` belongs to net.kind"),
        ("net.dropout=1", "`net.dropout` is 1"),
        ("net.pool=max", "`net.pool` is \"max\""),
        ("net.norm_eps=0", "`net.norm_eps` is 0"),
        ("net.depth=0", "`net.depth` is 0"),
        ("analysis.tokens=last", "`analysis.tokens`"),
        ("train.label_smoothing=1", "`train.label_smoothing` is 1"),
    ] {
        let error = refused(&[change]).to_string();
        assert!(error.contains(key), "{change}: {error}");
    }
    let error = refused(&["net={kind='cnn5', width=4}", "analysis.tokens=mean"]);
    assert!(error.to_string().contains("belongs to net.kind"), "{error}");
    let cnn5 = "data = { kind = 'digits' }\nnet = { kind = 'cnn5', width = 4 }";
    let experiment = parse(cnn5, &[]).unwrap();
    assert_eq!(experiment.analysis.tokens, None);
    let error = parse("data = { kind = 'digits' }\nnet = { kind = 'cnn5' }", &[]);
    assert!(error.unwrap_err().to_string().contains("`net.width` is missing"));
}
