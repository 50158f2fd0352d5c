//! Nets as values: a configuration becomes a list of named nodes with PyTorch's parameter
//! names, which an engine executes. Nothing here computes.
//!
//! The architectures are those of Nakkiran et al. 2019 (arXiv:1912.02292), which the paper
//! builds on: the 5-layer CNN and the pre-activation ResNet-18, both of width k; the
//! Vision Transformer of dbViz (Somepalli et al. 2022); and the post-activation `ResNets` that
//! most published weights for CIFAR are of.

mod cnn5;
mod init;
mod resnet18;
mod resnet_post;
mod vit;

use serde::{Deserialize, Serialize};

pub use init::initial_weights;
pub use vit::{TokenPool, VitConfig};

/// Which net to build: the `[net]` table of an experiment file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
pub enum NetConfig {
    /// The 5-layer CNN of widths k, 2k, 4k, 8k.
    Cnn5 {
        /// k, at least 1.
        width: usize,
    },
    /// The pre-activation ResNet-18 of widths k, 2k, 4k, 8k.
    Resnet18 {
        /// k, at least 1; 64 is the standard ResNet-18.
        width: usize,
    },
    /// The post-activation ResNet-18 of widths k, 2k, 4k, 8k with a 3×3 stem.
    #[serde(rename = "resnet18-post")]
    Resnet18Post {
        /// k, at least 1; 64 is the standard ResNet-18.
        width: usize,
    },
    /// The post-activation ResNet-n for CIFAR of widths k, 2k, 4k (He et al. 2016a).
    #[serde(rename = "resnet-cifar")]
    ResnetCifar {
        /// n = 6b + 2 for b blocks a stage.
        depth: usize,
        /// k, at least 1; 16 is the standard.
        width: usize,
    },
    /// The Vision Transformer.
    Vit(VitConfig),
}

/// Widths and depths of [`NetConfig::node_names`], above those of any experiment.
const LARGEST: usize = 262_144;
const DEEPEST: usize = 1000;

/// Channels, height and width of one example's activation; a vector is `[features, 1, 1]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shape {
    /// Channels (features of a vector).
    pub channels: usize,
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
}

impl Shape {
    /// The number of values.
    pub fn size(&self) -> usize {
        self.channels * self.height * self.width
    }
}

/// What a node computes. Convolutions and pools are 2-D; those of a net on signals, images of
/// one row, are one row high.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "op", rename_all = "snake_case")]
pub enum Op {
    /// The images.
    Input,
    /// `torch.nn.Conv2d(…, out_channels, kernel, stride, padding, bias=bias)`.
    Conv2d {
        /// Output channels.
        out_channels: usize,
        /// Height and width of the kernel.
        kernel: [usize; 2],
        /// Step between windows.
        stride: usize,
        /// Zeros above and below the input, and on either side.
        padding: [usize; 2],
        /// Whether a bias is added.
        bias: bool,
    },
    /// `torch.nn.BatchNorm2d` with eps 1e-5 and momentum 0.1.
    BatchNorm,
    /// max(x, 0).
    Relu,
    /// `torch.nn.MaxPool2d(size)`: windows do not overlap.
    MaxPool {
        /// Height and width of the window.
        size: [usize; 2],
    },
    /// Every `stride`-th row and column, with channels of zeros before and behind (rounded down
    /// before): the shortcut without parameters of He et al. 2016a.
    Subsample {
        /// Output channels, at least as many as the input has.
        out_channels: usize,
        /// Step between pixels.
        stride: usize,
    },
    /// Mean over all positions.
    GlobalAvgPool,
    /// `torch.nn.Linear(…, out_features)` with bias.
    Linear {
        /// Output features.
        out_features: usize,
    },
    /// Sum of two nodes.
    Add,
    /// The learned class token, then a map's positions in row-major order as tokens, plus
    /// learned positions: `cls_token` `[1, 1, dim]`, `pos_embed` `[1, tokens, dim]`.
    Embed,
    /// `torch.nn.LayerNorm` over the channels of each token, or of a vector.
    LayerNorm {
        /// Added to the variance.
        eps: f64,
    },
    /// `torch.nn.Linear(…, out_features, bias=bias)` on each token.
    TokenLinear {
        /// Output features.
        out_features: usize,
        /// Whether a bias is added.
        bias: bool,
    },
    /// x·Φ(x), the exact GELU.
    Gelu,
    /// softmax(q·kᵀ/√d)·v of each head, without projections; the channels are
    /// `[3 (q, k, v), heads, d]`, those of the output `[heads, d]`.
    Attention {
        /// Heads.
        heads: usize,
    },
    /// `torch.nn.Dropout(p)`: nothing outside training.
    Dropout {
        /// Probability of a zero.
        p: f64,
    },
    /// One vector from all tokens.
    TokenPool {
        /// Which.
        pool: TokenPool,
    },
}

/// One named step of a net.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Node {
    /// Its name; parameters are `name.weight`, `name.bias`, ….
    pub name: String,
    /// What it computes.
    #[serde(flatten)]
    pub op: Op,
    /// Positions of the nodes it reads.
    pub inputs: Vec<usize>,
    /// Shape of its output for one example.
    pub shape: Shape,
}

/// A net: nodes in an order in which each reads only earlier ones. The last node gives the
/// logits.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Net {
    /// The nodes.
    pub nodes: Vec<Node>,
    /// Names of the representations that `analysis.layers = "all"` stands for, in depth
    /// order.
    pub representations: Vec<String>,
}

/// What a parameter is for, which decides its initialization and whether it is trained.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Weight or bias of a convolution or linear layer with this many inputs a unit.
    Dense {
        /// Inputs of one output unit.
        fan_in: usize,
    },
    /// A normalization's scale, initially 1.
    Scale,
    /// A normalization's shift, initially 0.
    Shift,
    /// BatchNorm's running mean, initially 0; not trained.
    RunningMean,
    /// BatchNorm's running variance, initially 1; not trained.
    RunningVar,
    /// BatchNorm's count of training batches (i64 scalar), initially 0; not trained.
    BatchesTracked,
    /// A class token or positions, initially normal with variance 1.
    Token,
}

/// One entry of PyTorch's `state_dict`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parameter {
    /// PyTorch's name.
    pub name: String,
    /// PyTorch's shape.
    pub shape: Vec<usize>,
    /// What it is for.
    pub role: Role,
}

impl Role {
    /// Whether the optimizer changes it.
    pub fn is_trained(self) -> bool {
        matches!(self, Role::Dense { .. } | Role::Scale | Role::Shift | Role::Token)
    }
}

impl NetConfig {
    /// The net for images of the given shape.
    ///
    /// # Panics
    /// If the width is 0, or the images are smaller than 8×8 (signals: than 1×8) or (for CNN5)
    /// not square or (for the ViT) not whole patches: the experiment file's check excludes
    /// these.
    pub fn build(&self, input: Shape, n_classes: usize) -> Net {
        match self {
            &NetConfig::Cnn5 { width } => cnn5::build(width, input, n_classes),
            &NetConfig::Resnet18 { width } => resnet18::build(width, input, n_classes),
            &NetConfig::Resnet18Post { width } => {
                resnet_post::build_18(width, input, n_classes)
            }
            &NetConfig::ResnetCifar { depth, width } => {
                resnet_post::build_cifar(depth, width, input, n_classes)
            }
            NetConfig::Vit(config) => vit::build(config, input, n_classes),
        }
    }

    /// The nodes' names in order, which do not depend on the images' shape; none where a
    /// setting lies outside its range, as in a file that was edited by hand.
    pub(crate) fn node_names(&self) -> Option<Vec<String>> {
        let in_range = |values: &[usize], largest| {
            values.iter().all(|value| (1..=largest).contains(value))
        };
        let (is_sound, side) = match self {
            Self::Cnn5 { width }
            | Self::Resnet18 { width }
            | Self::Resnet18Post { width } => (in_range(&[*width], LARGEST), 8),
            Self::ResnetCifar { depth, width } => {
                let is_depth = (8..=DEEPEST).contains(depth) && depth % 6 == 2;
                (is_depth && in_range(&[*width], LARGEST), 8)
            }
            Self::Vit(VitConfig {
                patch, dim, depth, heads, head_dim, mlp_dim, ..
            }) => {
                let widths = [*patch, *dim, *heads, *head_dim, *mlp_dim];
                let is_sound = in_range(&widths, LARGEST) && in_range(&[*depth], DEEPEST);
                (is_sound, 8_usize.next_multiple_of((*patch).max(1)))
            }
        };
        is_sound.then(|| {
            let input = Shape { channels: 1, height: side, width: side };
            let nodes = self.build(input, 2).nodes;
            nodes.into_iter().map(|node| node.name).collect()
        })
    }
}

impl Net {
    /// Shape of the images.
    pub fn input(&self) -> Shape {
        self.nodes[0].shape
    }

    /// Number of classes.
    pub fn n_classes(&self) -> usize {
        self.nodes.last().map_or(0, |node| node.shape.channels)
    }

    /// Position of the node called `name`.
    pub fn position(&self, name: &str) -> Option<usize> {
        self.nodes.iter().position(|node| node.name == name)
    }

    /// Every entry of the `state_dict`, in PyTorch's order: a module's own parameters come
    /// before those of its parts.
    pub fn parameters(&self) -> Vec<Parameter> {
        let mut all: Vec<_> =
            self.nodes.iter().flat_map(|node| self.node_parameters(node)).collect();
        all.sort_by_key(|parameter| parameter.name.contains('.'));
        all
    }

    /// Whether any node is a `BatchNorm`.
    pub fn has_batchnorm(&self) -> bool {
        self.nodes.iter().any(|node| matches!(node.op, Op::BatchNorm))
    }

    /// Whether a node's value is a sequence of tokens, `[channels, tokens, 1]`; PyTorch's
    /// layout of it is `[tokens, channels]`.
    pub fn has_tokens(&self, node: usize) -> bool {
        let Node { op, inputs, .. } = &self.nodes[node];
        match op {
            Op::Embed | Op::TokenLinear { .. } | Op::Attention { .. } => true,
            Op::LayerNorm { .. } | Op::Gelu | Op::Dropout { .. } | Op::Add | Op::Relu => {
                self.has_tokens(inputs[0])
            }
            _ => false,
        }
    }

    /// The entries of the `state_dict` that belong to one node.
    pub(crate) fn node_parameters(&self, node: &Node) -> Vec<Parameter> {
        let entry = |suffix: &str, shape: Vec<usize>, role| Parameter {
            name: format!("{}.{suffix}", node.name),
            shape,
            role,
        };
        let inputs = || self.nodes[node.inputs[0]].shape.channels;
        match node.op {
            Op::Conv2d { out_channels, kernel: [height, width], bias, .. } => {
                let role = Role::Dense { fan_in: inputs() * height * width };
                let shape = vec![out_channels, inputs(), height, width];
                let mut entries = vec![entry("weight", shape, role)];
                if bias {
                    entries.push(entry("bias", vec![out_channels], role));
                }
                entries
            }
            Op::Linear { out_features } => {
                let role = Role::Dense { fan_in: inputs() };
                vec![
                    entry("weight", vec![out_features, inputs()], role),
                    entry("bias", vec![out_features], role),
                ]
            }
            Op::BatchNorm => {
                let channels = vec![node.shape.channels];
                vec![
                    entry("weight", channels.clone(), Role::Scale),
                    entry("bias", channels.clone(), Role::Shift),
                    entry("running_mean", channels.clone(), Role::RunningMean),
                    entry("running_var", channels, Role::RunningVar),
                    entry("num_batches_tracked", vec![], Role::BatchesTracked),
                ]
            }
            Op::TokenLinear { out_features, bias } => {
                let role = Role::Dense { fan_in: inputs() };
                let mut entries =
                    vec![entry("weight", vec![out_features, inputs()], role)];
                if bias {
                    entries.push(entry("bias", vec![out_features], role));
                }
                entries
            }
            Op::LayerNorm { .. } => {
                let channels = vec![node.shape.channels];
                vec![
                    entry("weight", channels.clone(), Role::Scale),
                    entry("bias", channels, Role::Shift),
                ]
            }
            Op::Embed => {
                let Shape { channels, height, .. } = node.shape;
                let token = |name: &str, tokens| Parameter {
                    name: name.into(),
                    shape: vec![1, tokens, channels],
                    role: Role::Token,
                };
                vec![token("cls_token", 1), token("pos_embed", height)]
            }
            Op::Input
            | Op::Relu
            | Op::MaxPool { .. }
            | Op::Subsample { .. }
            | Op::GlobalAvgPool
            | Op::Add
            | Op::Gelu
            | Op::Attention { .. }
            | Op::Dropout { .. }
            | Op::TokenPool { .. } => vec![],
        }
    }

    /// Number of trained scalars.
    ///
    /// # Example
    /// ```
    /// use stratagram::net::{NetConfig, Shape};
    /// let input = Shape { channels: 3, height: 32, width: 32 };
    /// let net = NetConfig::Cnn5 { width: 64 }.build(input, 10);
    /// assert_eq!(net.parameter_count(), 1_558_026); // 378k² + 152k + 10
    /// ```
    pub fn parameter_count(&self) -> usize {
        let trained = self.parameters().into_iter().filter(|p| p.role.is_trained());
        trained.map(|p| p.shape.iter().product::<usize>()).sum()
    }

    /// Multiply-accumulates of one example's forward pass through convolutions, linear
    /// layers and attention.
    pub fn mac_count(&self) -> usize {
        self.nodes.iter().map(|node| self.node_macs(node)).sum()
    }

    fn node_macs(&self, node: &Node) -> usize {
        match node.op {
            Op::Conv2d { kernel: [height, width], .. } => {
                let inputs = self.nodes[node.inputs[0]].shape.channels;
                node.shape.size() * inputs * height * width
            }
            Op::Linear { out_features } => {
                out_features * self.nodes[node.inputs[0]].shape.channels
            }
            Op::TokenLinear { .. } => {
                node.shape.size() * self.nodes[node.inputs[0]].shape.channels
            }
            // Every pair of tokens, once for its score and once for its value.
            Op::Attention { .. } => 2 * node.shape.height * node.shape.size(),
            _ => 0,
        }
    }
}

/// Appends nodes to a net, tracking shapes.
struct Builder {
    nodes: Vec<Node>,
}

impl Builder {
    fn new(input: Shape) -> Self {
        let node =
            Node { name: "input".into(), op: Op::Input, inputs: vec![], shape: input };
        Self { nodes: vec![node] }
    }

    /// Adds a node and returns its position.
    fn add(&mut self, name: impl Into<String>, op: Op, inputs: &[usize]) -> usize {
        let from = self.nodes[inputs[0]].shape;
        let shape = match op {
            Op::Conv2d { out_channels, kernel, stride, padding, .. } => {
                let side = |axis: usize, length: usize| {
                    (length + 2 * padding[axis] - kernel[axis]) / stride + 1
                };
                Shape {
                    channels: out_channels,
                    height: side(0, from.height),
                    width: side(1, from.width),
                }
            }
            Op::MaxPool { size: [height, width] } => Shape {
                channels: from.channels,
                height: from.height / height,
                width: from.width / width,
            },
            Op::Subsample { out_channels, stride } => Shape {
                channels: out_channels,
                height: from.height.div_ceil(stride),
                width: from.width.div_ceil(stride),
            },
            Op::GlobalAvgPool => Shape { channels: from.channels, height: 1, width: 1 },
            Op::Linear { out_features } => {
                Shape { channels: out_features, height: 1, width: 1 }
            }
            Op::Embed => Shape {
                channels: from.channels,
                height: 1 + from.height * from.width,
                width: 1,
            },
            Op::TokenLinear { out_features, .. } => {
                Shape { channels: out_features, ..from }
            }
            Op::Attention { .. } => Shape { channels: from.channels / 3, ..from },
            Op::TokenPool { .. } => {
                Shape { channels: from.channels, height: 1, width: 1 }
            }
            Op::Input
            | Op::BatchNorm
            | Op::Relu
            | Op::Add
            | Op::LayerNorm { .. }
            | Op::Gelu
            | Op::Dropout { .. } => from,
        };
        self.nodes.push(Node { name: name.into(), op, inputs: inputs.to_vec(), shape });
        self.nodes.len() - 1
    }

    /// Whether the net is one of signals.
    fn reads_signals(&self) -> bool {
        self.nodes[0].shape.height == 1
    }

    /// Adds a 3×3 convolution with padding 1, or 1×3 on signals.
    fn conv3(
        &mut self,
        name: impl Into<String>,
        out_channels: usize,
        stride: usize,
        bias: bool,
        input: usize,
    ) -> usize {
        let [kernel, padding] =
            if self.reads_signals() { [[1, 3], [0, 1]] } else { [[3, 3], [1, 1]] };
        let op = Op::Conv2d { out_channels, kernel, stride, padding, bias };
        self.add(name, op, &[input])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CIFAR: Shape = Shape { channels: 3, height: 32, width: 32 };

    #[test]
    fn counts_are_those_of_the_formulas() {
        for k in [1, 4, 8, 16, 64] {
            let cnn = NetConfig::Cnn5 { width: k }.build(CIFAR, 10);
            assert_eq!(cnn.parameter_count(), 378 * k * k + 152 * k + 10);
            assert_eq!(cnn.mac_count(), 55_296 * k * k + 27_728 * k);
            let resnet = NetConfig::Resnet18 { width: k }.build(CIFAR, 10);
            assert_eq!(resnet.parameter_count(), 2724 * k * k + 213 * k + 10);
            assert_eq!(resnet.mac_count(), 135_168 * k * k + 27_728 * k);
        }
    }

    #[test]
    fn counts_on_signals_are_those_of_the_formulas() {
        let input = Shape { channels: 1, height: 1, width: 40 };
        for k in [1, 4, 8, 16, 64] {
            let cnn = NetConfig::Cnn5 { width: k }.build(input, 10);
            // 3·(2 + 8 + 32) k², 3k of the first kernel, biases, normalizations, 80k + 10.
            assert_eq!(cnn.parameter_count(), 126 * k * k + 128 * k + 10);
            // 40, 40, 20, 10 positions.
            assert_eq!(cnn.mac_count(), (240 + 480 + 960) * k * k + 120 * k + 80 * k);
            let resnet = NetConfig::Resnet18 { width: k }.build(input, 10);
            // A third of the 3×3 kernels' 9·298 k²; the shortcuts' 42 k².
            assert_eq!(resnet.parameter_count(), (3 * 298 + 42) * k * k + 189 * k + 10);
            let weight = |name: &str| {
                let all = resnet.parameters();
                all.into_iter().find(|p| p.name == name).unwrap().shape
            };
            assert_eq!(weight("conv1.weight"), [k, 1, 1, 3]);
            assert_eq!(weight("layer2.0.shortcut.0.weight"), [2 * k, k, 1, 1]);
        }
    }

    #[test]
    fn names_do_not_depend_on_the_images() {
        let vit = vit::tests::VIT4;
        let configs = [
            NetConfig::Cnn5 { width: 4 },
            NetConfig::Resnet18 { width: 2 },
            NetConfig::Resnet18Post { width: 2 },
            NetConfig::ResnetCifar { depth: 8, width: 2 },
            NetConfig::Vit(VitConfig { patch: 7, ..vit }),
            NetConfig::Vit(VitConfig { patch: 28, ..vit }),
        ];
        for config in configs {
            let input = Shape { channels: 1, height: 28, width: 28 };
            let nodes = config.build(input, 10).nodes;
            let names: Vec<String> = nodes.into_iter().map(|node| node.name).collect();
            assert_eq!(config.node_names(), Some(names), "{config:?}");
        }
        let unsound = [
            NetConfig::Cnn5 { width: 0 },
            NetConfig::Resnet18 { width: usize::MAX },
            NetConfig::ResnetCifar { depth: 9, width: 2 },
            NetConfig::Vit(VitConfig { patch: 0, ..vit }),
            NetConfig::Vit(VitConfig { depth: 1 << 40, ..vit }),
        ];
        for config in unsound {
            assert_eq!(config.node_names(), None, "{config:?}");
        }
    }

    #[test]
    fn representations_are_nodes_in_depth_order() {
        for config in [NetConfig::Cnn5 { width: 4 }, NetConfig::Resnet18 { width: 4 }] {
            for side in [8, 10, 16, 28, 32] {
                let input = Shape { channels: 1, height: side, width: side };
                let net = config.build(input, 10);
                let found: Vec<_> =
                    net.representations.iter().map(|n| net.position(n)).collect();
                assert!(found.iter().all(Option::is_some), "{:?}", net.representations);
                assert!(found.windows(2).all(|pair| pair[0] < pair[1]));
                assert_eq!(found.last().copied().flatten(), Some(net.nodes.len() - 1));
            }
        }
    }
}
