//! The Vision Transformer for small images: patches, a class token, learned positions,
//! pre-norm encoder blocks. Names are those of timm; the computation is that of lucidrains'
//! `vit.py`, from which dbViz took its ViT4 (Somepalli et al. 2022).
//!
//! A node's tokens are `[channels, tokens, 1]` in [`Shape`]; the class token comes first.

use serde::{Deserialize, Serialize};
use toml::{Table, Value};

use super::architecture::{Architecture, given, unsuited};
use super::builder::Builder;
use super::node::{Net, Op, Shape, TokenPool};
use crate::error::{Error, Result};
use crate::setting::Fallback::{Absent, Toml};
use crate::setting::Kind::{Bool, Choice, Integer};
use crate::setting::{BELOW_ONE, Key, Misfit, POSITIVE, key};

/// The settings of a Vision Transformer; every value is at least 1, `dropout` is below 1.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VitConfig {
    /// Side of a patch in pixels; it divides both sides of the images.
    pub patch: usize,
    /// Features of a token.
    pub dim: usize,
    /// Encoder blocks.
    pub depth: usize,
    /// Attention heads.
    pub heads: usize,
    /// Features of a head.
    pub head_dim: usize,
    /// Features between the two linear layers of a block.
    pub mlp_dim: usize,
    /// What becomes of the tokens after the last block.
    pub pool: TokenPool,
    /// Probability of dropping a value after the embedding, the attention's projection, the
    /// GELU and the second linear layer.
    pub dropout: f64,
    /// Added to the variance in every `LayerNorm`.
    pub norm_eps: f64,
    /// Whether queries, keys and values have a bias, as timm's and torchvision's do.
    #[serde(default)]
    pub qkv_bias: bool,
}

impl Architecture for VitConfig {
    const TITLE: &'static str = "ViT";
    /// The defaults are ViT4's.
    const KEYS: &'static [Key] = &[
        key("net.patch", Integer(1, 1024), Toml("4")),
        key("net.dim", Integer(1, 65_536), Toml("512")),
        key("net.depth", Integer(1, 1000), Toml("6")),
        key("net.heads", Integer(1, 1024), Toml("8")),
        key("net.head_dim", Integer(1, 4096), Absent),
        key("net.mlp_dim", Integer(1, 262_144), Absent),
        key("net.pool", Choice(&["cls", "mean", "patches"]), Toml("'cls'")),
        key("net.dropout", BELOW_ONE, Toml("0.1")),
        key("net.norm_eps", POSITIVE, Toml("1e-5")),
        key("net.qkv_bias", Bool, Toml("false")),
        key("analysis.tokens", Choice(&["mean", "cls", "all"]), Toml("'mean'")),
    ];

    /// Heads share the features of a token; a block's inner layer is as wide as a token.
    fn derive(table: &mut Table) -> std::result::Result<(), Misfit> {
        let dim = given(table, "dim").unwrap_or(512);
        let heads = given(table, "heads").unwrap_or(8);
        if given(table, "head_dim").is_none() && dim % heads != 0 {
            return Err(Misfit {
                key: "net.heads",
                found: format!("is {heads}, which does not divide `net.dim` = {dim}"),
                expected: "a divisor of `net.dim`, or `net.head_dim`".into(),
            });
        }
        table.entry("head_dim").or_insert(Value::Integer(dim / heads));
        table.entry("mlp_dim").or_insert(Value::Integer(dim));
        Ok(())
    }

    fn describe(&self) -> String {
        let Self { patch, dim, depth, .. } = self;
        format!("ViT of patch {patch}, dim {dim}, depth {depth}")
    }

    fn check_input(&self, input: Shape) -> Result<()> {
        let Shape { height, width, .. } = input;
        if height == 1 {
            return Err(Error::usage("`net.kind`", "is \"vit\", which cuts squares")
                .expected(format!("pictures, not signals of 1×{width} points"))
                .fix("take the net \"cnn5\" or \"resnet18\""));
        }
        let patch = self.patch;
        if height.is_multiple_of(patch) && width.is_multiple_of(patch) {
            return Ok(());
        }
        Err(unsuited(input, format!("sides that `net.patch` = {patch} divides"))
            .fix("change `net.patch`, or resize the images with `data.size`"))
    }

    fn some_side(&self) -> usize {
        8_usize.next_multiple_of(self.patch)
    }

    fn advice(&self, any: &dyn Fn(&str) -> bool) -> Option<&'static str> {
        if any("qkv.bias") || any("in_proj_bias") {
            Some(
                "timm's and torchvision's ViTs have a bias of queries, keys and values: add \
                 net.qkv_bias=true (and net.norm_eps=1e-6, which is theirs, too)",
            )
        } else if any("query.bias") || any("q_proj.bias") {
            Some(
                "transformers' ViT has a bias of queries, keys and values: add \
                 net.qkv_bias=true (and net.norm_eps=1e-12, which is its own, too)",
            )
        } else if any("`cls_token` is missing") {
            Some(
                "our ViT has a class token: a net without one is another. Import its \
                 activations with --activations",
            )
        } else if any("`fc_norm.weight`") {
            Some("it averages the patches without the class token: add net.pool=patches")
        } else {
            None
        }
    }

    fn build(&self, input: Shape, n_classes: usize) -> Net {
        build(self, input, n_classes)
    }
}

/// Nodes in order: patches, `embed`, blocks, `pool`, `norm`, `head`. Dropout is a node only
/// where its probability is above 0.
fn build(config: &VitConfig, input: Shape, n_classes: usize) -> Net {
    let VitConfig { patch, dim, depth, pool, .. } = *config;
    assert!(
        input.height.is_multiple_of(patch) && input.width.is_multiple_of(patch),
        "patches of {patch}×{patch} do not divide {input:?}"
    );
    let mut net = Builder::new(input);
    let proj = Op::Conv2d {
        out_channels: dim,
        kernel: [patch, patch],
        stride: patch,
        padding: [0, 0],
        bias: true,
    };
    let proj = net.add("patch_embed.proj", proj, &[0]);
    let embed = net.add("embed", Op::Embed, &[proj]);
    let mut at = dropout(&mut net, "pos_drop", config, embed);
    let mut representations = vec!["embed".to_string()];
    for block in 0..depth {
        at = encoder_block(&mut net, &format!("blocks.{block}"), config, at);
        representations.push(format!("blocks.{block}"));
    }
    at = net.add("pool", Op::TokenPool { pool }, &[at]);
    at = net.add("norm", Op::LayerNorm { eps: config.norm_eps }, &[at]);
    net.add("head", Op::Linear { out_features: n_classes }, &[at]);
    representations.extend(["norm".to_string(), "head".to_string()]);
    Net { nodes: net.nodes, representations }
}

/// `h = x + proj(attention(norm1(x)))`, then `h + fc2(gelu(fc1(norm2(h))))`, which is the
/// node called `name`; `name.attn` is the attention before its projection.
fn encoder_block(net: &mut Builder, name: &str, config: &VitConfig, x: usize) -> usize {
    let VitConfig { dim, heads, head_dim, mlp_dim, norm_eps, qkv_bias, .. } = *config;
    let node = |part: &str| format!("{name}.{part}");
    let norm = Op::LayerNorm { eps: norm_eps };
    let linear = |out_features, bias| Op::TokenLinear { out_features, bias };

    let mut at = net.add(node("norm1"), norm.clone(), &[x]);
    at = net.add(node("attn.qkv"), linear(3 * heads * head_dim, qkv_bias), &[at]);
    at = net.add(node("attn"), Op::Attention { heads }, &[at]);
    at = net.add(node("attn.proj"), linear(dim, true), &[at]);
    at = dropout(net, &node("attn.proj_drop"), config, at);
    let sum = net.add(node("sum"), Op::Add, &[at, x]);

    at = net.add(node("norm2"), norm, &[sum]);
    at = net.add(node("mlp.fc1"), linear(mlp_dim, true), &[at]);
    at = net.add(node("mlp.act"), Op::Gelu, &[at]);
    at = dropout(net, &node("mlp.drop1"), config, at);
    at = net.add(node("mlp.fc2"), linear(dim, true), &[at]);
    at = dropout(net, &node("mlp.drop2"), config, at);
    net.add(name, Op::Add, &[at, sum])
}

fn dropout(net: &mut Builder, name: &str, config: &VitConfig, input: usize) -> usize {
    if config.dropout == 0.0 {
        return input;
    }
    net.add(name, Op::Dropout { p: config.dropout }, &[input])
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// ViT4 of dbViz.
    pub(in crate::net) const VIT4: VitConfig = VitConfig {
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

    #[test]
    fn vit4_has_the_parameters_of_the_published_code() {
        let input = Shape { channels: 3, height: 32, width: 32 };
        let net = build(&VIT4, input, 10);
        assert_eq!(net.parameter_count(), 9_523_722);
        let names: Vec<String> = net.parameters().into_iter().map(|p| p.name).collect();
        assert_eq!(
            names[..8],
            [
                "cls_token",
                "pos_embed",
                "patch_embed.proj.weight",
                "patch_embed.proj.bias",
                "blocks.0.norm1.weight",
                "blocks.0.norm1.bias",
                "blocks.0.attn.qkv.weight",
                "blocks.0.attn.proj.weight",
            ]
        );
        assert_eq!(names.last().unwrap(), "head.bias");
        assert_eq!(net.parameters()[1].shape, [1, 65, 512]);
    }

    #[test]
    fn dropout_nodes_have_no_parameters_and_stand_at_four_places() {
        let input = Shape { channels: 3, height: 16, width: 8 };
        let count = |dropout| {
            let net = build(&VitConfig { depth: 2, dropout, ..VIT4 }, input, 10);
            let drops =
                net.nodes.iter().filter(|n| matches!(n.op, Op::Dropout { .. })).count();
            (drops, net.parameters())
        };
        let (with, without) = (count(0.1), count(0.0));
        assert_eq!((with.0, without.0), (1 + 3 * 2, 0));
        assert_eq!(with.1, without.1);
    }

    #[test]
    fn representations_are_nodes_in_depth_order() {
        let input = Shape { channels: 1, height: 8, width: 8 };
        let net = build(&VitConfig { depth: 3, ..VIT4 }, input, 10);
        assert_eq!(
            net.representations,
            ["embed", "blocks.0", "blocks.1", "blocks.2", "norm", "head"]
        );
        let found: Vec<_> =
            net.representations.iter().map(|n| net.position(n).unwrap()).collect();
        assert!(found.windows(2).all(|pair| pair[0] < pair[1]));
        assert_eq!(found.last(), Some(&(net.nodes.len() - 1)));
        assert!(net.has_tokens(found[0]) && net.has_tokens(found[3]));
        assert!(!net.has_tokens(found[4]));
    }

    #[test]
    fn macs_count_attention() {
        let config = VitConfig { dim: 192, heads: 3, mlp_dim: 768, ..VIT4 };
        let net = build(&config, Shape { channels: 3, height: 32, width: 32 }, 10);
        let token = 192 * 576 + 192 * 192 + 2 * 192 * 768;
        let expected = 64 * 48 * 192 + 6 * (65 * token + 2 * 65 * 65 * 192) + 1920;
        assert_eq!(net.mac_count(), expected);
    }
}
