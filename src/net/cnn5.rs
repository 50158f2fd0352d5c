//! The 5-layer CNN of width k: four stages of convolution, BatchNorm, `ReLU` and max-pooling
//! with k, 2k, 4k, 8k channels, then a linear layer (Nakkiran et al. 2019, appendix B.1).

use serde::{Deserialize, Serialize};

use super::architecture::{Architecture, unsuited};
use super::builder::Builder;
use super::node::{Net, Op, Shape};
use crate::error::Result;
use crate::setting::Fallback::Required;
use crate::setting::Kind::Integer;
use crate::setting::{Key, key};

/// The 5-layer CNN of widths k, 2k, 4k, 8k.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cnn5 {
    /// k, at least 1.
    pub width: usize,
}

impl Architecture for Cnn5 {
    const TITLE: &'static str = "CNN5";
    const KEYS: &'static [Key] = &[key("net.width", Integer(1, 4096), Required)];

    fn describe(&self) -> String {
        format!("CNN5 of width {}", self.width)
    }

    fn check_input(&self, input: Shape) -> Result<()> {
        if [1, input.width].contains(&input.height) {
            return Ok(());
        }
        Err(unsuited(input, "square images for the net \"cnn5\"")
            .fix("make them square with `data.size`, or take another net"))
    }

    fn build(&self, input: Shape, n_classes: usize) -> Net {
        build(self.width, input, n_classes)
    }
}

/// Pools of 1, 2, 2 and what is left: 8 at 32×32, 7 at 28×28, 2 at 8×8; on signals they are
/// one row high.
fn build(width: usize, input: Shape, n_classes: usize) -> Net {
    assert!(width > 0, "width must be at least 1");
    assert!(
        [1, input.width].contains(&input.height) && input.width >= 8,
        "CNN5 needs square images of at least 8×8, or signals, not {input:?}"
    );
    let pools = [1, 2, 2, input.width / 4];
    let mut net = Builder::new(input);
    let mut representations = vec![];
    let mut at = 0;
    for (stage, pool) in pools.into_iter().enumerate() {
        let number = stage + 1;
        at = net.conv3(format!("conv{number}"), width << stage, 1, true, at);
        at = net.add(format!("bn{number}"), Op::BatchNorm, &[at]);
        at = net.add(format!("relu{number}"), Op::Relu, &[at]);
        representations.push(format!("relu{number}"));
        if pool > 1 {
            let size = if net.reads_signals() { [1, pool] } else { [pool, pool] };
            at = net.add(format!("pool{number}"), Op::MaxPool { size }, &[at]);
            representations.push(format!("pool{number}"));
        }
    }
    net.add("fc", Op::Linear { out_features: n_classes }, &[at]);
    representations.push("fc".into());
    Net { nodes: net.nodes, representations }
}
