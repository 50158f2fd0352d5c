//! Nets as values: a configuration becomes a list of named nodes with PyTorch's parameter
//! names, which an engine executes. Nothing here computes.
//!
//! The architectures are those of Nakkiran et al. 2019 (arXiv:1912.02292), which the paper
//! builds on: the 5-layer CNN and the pre-activation ResNet-18, both of width k; the
//! Vision Transformer of dbViz (Somepalli et al. 2022); and the post-activation `ResNets` that
//! most published weights for CIFAR are of; and the multilayer perceptron.

mod architecture;
mod builder;
mod cnn5;
mod init;
mod kind;
mod mlp;
mod node;
mod resnet18;
mod resnet_post;
mod vit;

pub use init::initial_weights;
pub use kind::NetConfig;
pub(crate) use kind::{ALL, NAMES, title};
pub use mlp::Mlp;
pub use node::{Net, Node, Op, Parameter, Role, Shape, TokenPool};
pub use vit::VitConfig;
