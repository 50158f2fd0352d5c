//! The engine's fixtures: what PyTorch computed, and a report of what differs from it.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;

use safetensors::{Dtype, SafeTensors};
use serde::Deserialize;
use stratagram::array_file::{Array, NamedArrays, Values};
use stratagram::engine::{BatchNormStatistics, ChannelStatistics, Engine, Update};
use stratagram::net::{Mlp, Net, NetConfig, Node, Op, Shape, TokenPool, VitConfig};

const REGENERATE: &str = "python tests/reference/make_engine_fixtures.py";

/// `engine/cases.json`.
#[derive(Deserialize)]
pub(crate) struct Cases {
    pub(crate) steps: usize,
    pub(crate) label_smoothing: f64,
    pub(crate) optimizers: BTreeMap<String, Optimizer>,
    #[serde(rename = "cases")]
    all: Vec<Case>,
}

#[derive(Deserialize)]
pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) kind: String,
    #[serde(default)]
    width: usize,
    #[serde(default)]
    depth: usize,
    vit: Option<VitConfig>,
    mlp: Option<Mlp>,
    shape: [usize; 3],
    pub(crate) trajectories: bool,
}

/// Arguments of the constructors in `torch.optim`.
#[derive(Deserialize)]
pub(crate) struct Optimizer {
    kind: String,
    lr: f64,
    #[serde(default)]
    momentum: f64,
    #[serde(default)]
    nesterov: bool,
    #[serde(default)]
    betas: [f64; 2],
    #[serde(default)]
    eps: f64,
    weight_decay: f64,
    /// The argument of `torch.nn.utils.clip_grad_norm_`.
    pub(crate) clip_norm: Option<f64>,
    /// Nodes that do not move; each net has some of them.
    #[serde(default)]
    pub(crate) freeze: Vec<String>,
}

/// An array of a fixture, in float64.
pub(crate) struct Tensor {
    pub(crate) shape: Vec<usize>,
    pub(crate) values: Vec<f64>,
}

/// One case: its net and everything PyTorch computed for it.
pub(crate) struct Fixture {
    pub(crate) case: Case,
    pub(crate) net: Net,
    tensors: BTreeMap<String, Tensor>,
}

/// Mismatches of one case, one line a tensor.
pub(crate) struct Report {
    case: String,
    compared: usize,
    pub(crate) lines: Vec<String>,
}

pub(crate) fn directory() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/reference/engine")
}

pub(crate) fn read_cases() -> Cases {
    let text = std::fs::read_to_string(directory().join("cases.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

pub(crate) fn fixtures() -> impl Iterator<Item = Fixture> {
    read_cases().all.into_iter().map(Fixture::read)
}

/// The net whose initialization is recorded.
pub(crate) fn initialized(kind: &str, width: usize, shape: [usize; 3]) -> Net {
    let config = VitConfig {
        patch: 4,
        dim: width,
        depth: 1,
        heads: 2,
        head_dim: 4,
        mlp_dim: 8,
        pool: TokenPool::Cls,
        dropout: 0.0,
        norm_eps: 1e-5,
        qkv_bias: false,
    };
    let config = match kind {
        "cnn5" => NetConfig::cnn5(width),
        "resnet18" => NetConfig::resnet18(width),
        "vit" => NetConfig::Vit(config),
        _ => panic!("no initialization of {kind} is recorded"),
    };
    build(&config, shape)
}

fn build(config: &NetConfig, [channels, height, width]: [usize; 3]) -> Net {
    config.build(Shape { channels, height, width }, 10)
}

impl Case {
    fn net(&self) -> Net {
        let Self { width, depth, .. } = *self;
        let config = match self.kind.as_str() {
            "cnn5" => NetConfig::cnn5(width),
            "resnet18" => NetConfig::resnet18(width),
            "resnet18-post" => NetConfig::resnet18_post(width),
            "resnet-cifar" => NetConfig::resnet_cifar(depth, width),
            "vit" => NetConfig::Vit(self.vit.expect("a ViT has settings")),
            "mlp" => NetConfig::Mlp(self.mlp.clone().expect("an MLP has settings")),
            kind => panic!("no net {kind}"),
        };
        build(&config, self.shape)
    }
}

fn decode(view: &safetensors::tensor::TensorView<'_>) -> Vec<f64> {
    let bytes = view.data();
    match view.dtype() {
        Dtype::I8 => bytes.iter().map(|&byte| f64::from(byte.cast_signed())).collect(),
        Dtype::F32 => {
            let (values, _) = bytes.as_chunks::<4>();
            values.iter().map(|&value| f64::from(f32::from_le_bytes(value))).collect()
        }
        Dtype::F64 => {
            let (values, _) = bytes.as_chunks::<8>();
            values.iter().map(|&value| f64::from_le_bytes(value)).collect()
        }
        Dtype::I64 => {
            let (values, _) = bytes.as_chunks::<8>();
            values.iter().map(|&value| i64::from_le_bytes(value) as f64).collect()
        }
        other => panic!("a fixture of type {other:?}"),
    }
}

impl Fixture {
    pub(crate) fn read(case: Case) -> Self {
        let path = directory().join(format!("{}.safetensors", case.name));
        let bytes = std::fs::read(&path).unwrap_or_else(|error| {
            panic!("{}: {error}; make it with {REGENERATE}", path.display())
        });
        let file = SafeTensors::deserialize(&bytes).unwrap();
        let tensor = |view: &_| Tensor {
            shape: safetensors::tensor::TensorView::shape(view).to_vec(),
            values: decode(view),
        };
        let tensors =
            file.iter().map(|(name, view)| (name.to_string(), tensor(&view))).collect();
        let net = case.net();
        Self { case, net, tensors }
    }

    pub(crate) fn get(&self, name: &str) -> &Tensor {
        let found = self.tensors.get(name);
        found.unwrap_or_else(|| panic!("{} has no {name}", self.case.name))
    }

    pub(crate) fn f32s(&self, name: &str) -> Vec<f32> {
        self.get(name).values.iter().map(|&value| value as f32).collect()
    }

    /// Names of the tensors below `prefix/`, without the prefix.
    pub(crate) fn names(&self, prefix: &str) -> Vec<String> {
        let start = format!("{prefix}/");
        let names = self.tensors.keys().filter_map(|name| name.strip_prefix(&start));
        names.map(String::from).collect()
    }

    /// `[n, c, h, w]` images as the engine reads them, `[n, h, w, c]`.
    pub(crate) fn images(&self, name: &str) -> Vec<f32> {
        let tensor = self.get(name);
        let [n, c, h, w] = tensor.shape[..] else { panic!("{name}: {:?}", tensor.shape) };
        let mut out = Vec::with_capacity(n * c * h * w);
        for image in 0..n {
            for position in 0..h * w {
                for channel in 0..c {
                    let at = (image * c + channel) * h * w + position;
                    out.push(tensor.values[at] as f32);
                }
            }
        }
        out
    }

    pub(crate) fn labels(&self, name: &str) -> Vec<u8> {
        self.get(name).values.iter().map(|&label| label as u8).collect()
    }

    pub(crate) fn engine(&self) -> Engine {
        let array = |name: &str| {
            let tensor = self.get(&format!("weights/{name}"));
            let scale =
                self.tensors.get(&format!("scale/{name}")).map_or(1.0, |s| s.values[0]);
            let values = if name.ends_with("num_batches_tracked") {
                Values::I64(tensor.values.iter().map(|&value| value as i64).collect())
            } else {
                Values::F32(tensor.values.iter().map(|&v| (v * scale) as f32).collect())
            };
            Array { shape: tensor.shape.clone(), values }
        };
        // Safetensors files are unordered; the engine takes PyTorch's order.
        let names = self.net.parameters().into_iter().map(|parameter| parameter.name);
        let weights: Vec<_> = names.map(|name| (name.clone(), array(&name))).collect();
        assert_eq!(weights.len(), self.names("weights").len(), "parameters of the net");
        Engine::new(&self.net, &NamedArrays(weights)).unwrap()
    }

    /// Names of the `BatchNorm` nodes, in node order.
    pub(crate) fn batchnorms(&self) -> impl Iterator<Item = &str> {
        let nodes = self.net.nodes.iter().filter(|node| node.op == Op::BatchNorm);
        nodes.map(|node| node.name.as_str())
    }

    pub(crate) fn statistics(
        &self,
        name: impl Fn(&str, &str) -> String,
    ) -> BatchNormStatistics {
        let channels = |node: &str| ChannelStatistics {
            mean: self.f32s(&name(node, "mean")),
            var: self.f32s(&name(node, "var")),
        };
        BatchNormStatistics(self.batchnorms().map(channels).collect())
    }

    /// Biases directly before a `BatchNorm`: the loss does not depend on them, so their
    /// gradient is rounding alone.
    pub(crate) fn is_hidden_bias(&self, name: &str) -> bool {
        let reads = |node: &Node| {
            let input = node.inputs.first().map(|&input| &self.net.nodes[input]);
            node.op == Op::BatchNorm
                && input.is_some_and(|input| {
                    matches!(input.op, Op::Conv2d { bias: true, .. } | Op::Linear { .. })
                        && name == format!("{}.bias", input.name)
                })
        };
        self.net.nodes.iter().any(reads)
    }

    /// Running means that contain a hidden bias.
    pub(crate) fn follows_hidden_bias(&self, name: &str) -> bool {
        let Some(position) = name.strip_suffix(".running_mean") else { return false };
        let node = &self.net.nodes[self.net.position(position).unwrap()];
        self.is_hidden_bias(&format!("{}.bias", self.net.nodes[node.inputs[0]].name))
    }

    pub(crate) fn report(&self) -> Report {
        Report::new(&self.case.name)
    }

    /// Compares with the tensor `name`, of which a fixture may hold only every stride-th
    /// value: max|a − b| ≤ max(relative·max|b|, floor).
    pub(crate) fn compare(
        &self,
        report: &mut Report,
        name: &str,
        actual: &[f64],
        [relative, floor]: [f64; 2],
    ) {
        let expected = &self.get(name).values;
        let one = |prefix: &str| {
            self.tensors.get(&format!("{prefix}/{name}")).map(|t| t.values[0])
        };
        let stride = one("stride").map_or(1, |stride| stride as usize);
        let largest = one("max").unwrap_or_else(|| largest(expected));
        let allowed = (relative * largest).max(floor);
        let sampled: Vec<f64> = actual.iter().copied().step_by(stride).collect();
        report.compare(name, &sampled, expected, allowed);
    }
}

pub(crate) fn largest(values: &[f64]) -> f64 {
    values.iter().fold(0.0, |largest, value| value.abs().max(largest))
}

impl Report {
    pub(crate) fn new(case: &str) -> Self {
        Self { case: case.to_string(), compared: 0, lines: vec![] }
    }

    pub(crate) fn compare(
        &mut self,
        name: &str,
        actual: &[f64],
        expected: &[f64],
        allowed: f64,
    ) {
        self.compared += 1;
        if actual.len() != expected.len() {
            let lengths = (actual.len(), expected.len());
            self.lines
                .push(format!("{name}: {} values, expected {}", lengths.0, lengths.1));
            return;
        }
        // A NaN compares as infinitely far.
        let distance = |(a, b): (&f64, &f64)| {
            let distance = (a - b).abs();
            if distance.is_nan() { f64::INFINITY } else { distance }
        };
        let distances: Vec<f64> = actual.iter().zip(expected).map(distance).collect();
        let far = distances.iter().filter(|&&distance| distance > allowed).count();
        if far > 0 {
            let worst = (0..distances.len())
                .max_by(|&a, &b| distances[a].total_cmp(&distances[b]))
                .unwrap();
            self.lines.push(format!(
                "{name}: {far} of {} values differ; worst at {worst}: {} instead of {}, \
                 max difference {:.2e}, allowed {allowed:.2e}",
                actual.len(),
                actual[worst],
                expected[worst],
                distances[worst],
            ));
        }
    }

    pub(crate) fn assert_clean(&self, at_least: usize) {
        let mut text = String::new();
        for line in &self.lines {
            writeln!(text, "  {line}").unwrap();
        }
        assert!(
            self.lines.is_empty(),
            "{}: {} of {} tensors differ from PyTorch's\n{text}expected values: {REGENERATE}",
            self.case,
            self.lines.len(),
            self.compared,
        );
        assert!(self.compared >= at_least, "only {} tensors compared", self.compared);
    }
}

pub(crate) fn to_f64(values: &[f32]) -> Vec<f64> {
    values.iter().copied().map(f64::from).collect()
}

pub(crate) fn array<'a>(arrays: &'a NamedArrays, name: &str) -> &'a Array {
    let found = arrays.0.iter().find(|(key, _)| key == name);
    &found.unwrap_or_else(|| panic!("the engine gives no {name}")).1
}

pub(crate) fn floats(array: &Array) -> Vec<f64> {
    match &array.values {
        Values::F32(values) => to_f64(values),
        Values::I64(values) => values.iter().map(|&value| value as f64).collect(),
        other => panic!("{other:?}"),
    }
}

impl Optimizer {
    pub(crate) fn update(&self) -> Update {
        let Self { lr, momentum, nesterov, betas, eps, weight_decay, .. } = *self;
        match self.kind.as_str() {
            "sgd" => Update::Sgd { lr, momentum, weight_decay, nesterov },
            kind @ ("adam" | "adamw") => {
                let decoupled = kind == "adamw";
                Update::Adam { lr, betas, eps, weight_decay, decoupled }
            }
            kind => panic!("no optimizer {kind}"),
        }
    }

    pub(crate) fn is_adaptive(&self) -> bool {
        self.kind != "sgd"
    }
}
