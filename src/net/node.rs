//! A net's nodes: what they compute, their shapes and parameters.

use serde::{Deserialize, Serialize};

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
    /// `torch.nn.Flatten()`: a map as a vector, channel by channel, row by row.
    Flatten,
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

/// How the tokens of an image become one vector before the head.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TokenPool {
    /// The class token.
    Cls,
    /// The mean of all tokens, the class token too.
    Mean,
    /// The mean of all tokens but the class token, as timm's `global_pool="avg"`.
    Patches,
}

impl TokenPool {
    /// Those of an image's `count` tokens that it reads; the class token is the first.
    pub(crate) fn tokens(self, count: usize) -> std::ops::Range<usize> {
        match self {
            Self::Cls => 0..1,
            Self::Mean => 0..count,
            Self::Patches => 1..count,
        }
    }
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
            | Op::Flatten
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
    /// let net = NetConfig::cnn5(64).build(input, 10);
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
