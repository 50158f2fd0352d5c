//! The nets that there are: one line each in [`ALL`], of which keys, messages, captions and
//! `doctor` are made. What is to be said of a net is said in its own file.

use serde::{Deserialize, Serialize};
use toml::Table;

use super::architecture::Architecture;
use super::node::{Net, Shape};
use super::{cnn5, mlp, resnet_post, resnet18, vit};
use crate::error::Result;
use crate::setting::{Key, Misfit};

/// What a net's file says of it for all settings.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Declared {
    /// `net.kind`.
    pub(crate) name: &'static str,
    /// In captions and sentences.
    pub(crate) title: &'static str,
    /// Its settings, and those of other tables that make sense with it alone.
    pub(crate) keys: &'static [Key],
    /// Fills in settings of the table `[net]` whose defaults depend on others.
    pub(crate) derive: fn(&mut Table) -> std::result::Result<(), Misfit>,
}

/// Makes [`NetConfig`] and [`ALL`] from one line a net: `net.kind`, then its settings.
macro_rules! nets {
    ($($name:literal => $Kind:ident($Settings:ty)),+ $(,)?) => {
        /// Which net to build: the `[net]` table of an experiment file.
        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
        #[serde(tag = "kind")]
        #[allow(missing_docs)] // Their settings say what they are.
        pub enum NetConfig {
            $(#[serde(rename = $name)] $Kind($Settings),)+
        }

        /// Every net, in the order in which they are listed to users.
        pub(crate) const ALL: &[Declared] = &[$(Declared {
            name: $name,
            title: <$Settings>::TITLE,
            keys: <$Settings>::KEYS,
            derive: <$Settings>::derive,
        }),+];

        /// The values of `net.kind`.
        pub(crate) const NAMES: &[&str] = &[$($name),+];

        impl NetConfig {
            /// The value of `net.kind`.
            pub(crate) fn name(&self) -> &'static str {
                match self { $(Self::$Kind(_) => $name,)+ }
            }

            /// The title with the net's sizes, such as "CNN5 of width 16".
            pub(crate) fn describe(&self) -> String {
                match self { $(Self::$Kind(net) => net.describe(),)+ }
            }

            /// That settings, each within its range, fit together.
            pub(crate) fn check(&self) -> std::result::Result<(), Misfit> {
                match self { $(Self::$Kind(net) => net.check(),)+ }
            }

            /// That the net can be built for such images.
            ///
            /// # Errors
            /// A usage error that says which images suit it.
            pub(crate) fn check_input(&self, input: Shape) -> Result<()> {
                match self { $(Self::$Kind(net) => net.check_input(input),)+ }
            }

            /// What can be done about weights that do not fit.
            pub(crate) fn advice(&self, any: &dyn Fn(&str) -> bool) -> Option<&'static str> {
                match self { $(Self::$Kind(net) => net.advice(any),)+ }
            }

            fn some_side(&self) -> usize {
                match self { $(Self::$Kind(net) => net.some_side(),)+ }
            }

            /// The net for images of the given shape.
            ///
            /// # Panics
            /// If a setting is out of its range, or the images do not suit the net: the
            /// experiment's checks exclude these.
            pub fn build(&self, input: Shape, n_classes: usize) -> Net {
                match self { $(Self::$Kind(net) => net.build(input, n_classes),)+ }
            }
        }
    };
}

nets! {
    "cnn5" => Cnn5(cnn5::Cnn5),
    "resnet18" => Resnet18(resnet18::Resnet18),
    "resnet18-post" => Resnet18Post(resnet_post::Resnet18Post),
    "resnet-cifar" => ResnetCifar(resnet_post::ResnetCifar),
    "vit" => Vit(vit::VitConfig),
    "mlp" => Mlp(mlp::Mlp),
}

/// The title of the net that `net.kind` names.
pub(crate) fn title(name: &str) -> Option<&'static str> {
    ALL.iter().find(|net| net.name == name).map(|net| net.title)
}

impl NetConfig {
    /// The 5-layer CNN of width k.
    pub fn cnn5(width: usize) -> Self {
        Self::Cnn5(cnn5::Cnn5 { width })
    }

    /// The pre-activation ResNet-18 of width k.
    pub fn resnet18(width: usize) -> Self {
        Self::Resnet18(resnet18::Resnet18 { width })
    }

    /// The post-activation ResNet-18 of width k.
    pub fn resnet18_post(width: usize) -> Self {
        Self::Resnet18Post(resnet_post::Resnet18Post { width })
    }

    /// The post-activation ResNet-n of width k for CIFAR.
    pub fn resnet_cifar(depth: usize, width: usize) -> Self {
        Self::ResnetCifar(resnet_post::ResnetCifar { depth, width })
    }

    /// What the net's file says of it.
    pub(crate) fn declared(&self) -> &'static Declared {
        let own = ALL.iter().find(|net| net.name == self.name());
        own.expect("every net is in the list")
    }

    /// The net for some small images, from which names and kinds of nodes can be told; none
    /// where a setting is out of its range, as in a file that was edited by hand.
    fn example(&self) -> Option<Net> {
        let table = Table::try_from(self).ok()?;
        let in_range = |key: &Key| match key.name.strip_prefix("net.") {
            Some(name) => table.get(name).is_some_and(|v| key.kind.accept(v).is_some()),
            None => true,
        };
        let is_sound = self.declared().keys.iter().all(in_range) && self.check().is_ok();
        is_sound.then(|| {
            let side = self.some_side();
            self.build(Shape { channels: 1, height: side, width: side }, 2)
        })
    }

    /// The nodes' names in order, which do not depend on the images' shape; none where a
    /// setting is out of its range.
    pub(crate) fn node_names(&self) -> Option<Vec<String>> {
        let nodes = self.example()?.nodes;
        Some(nodes.into_iter().map(|node| node.name).collect())
    }

    /// Whether the net normalizes batches; none where a setting is out of its range.
    pub(crate) fn has_batchnorm(&self) -> Option<bool> {
        Some(self.example()?.has_batchnorm())
    }
}

#[cfg(test)]
mod tests {
    use super::super::node::TokenPool;
    use super::*;
    use crate::net::{Mlp, VitConfig};
    use crate::setting::Fallback;

    fn vit(patch: usize, depth: usize) -> NetConfig {
        NetConfig::Vit(VitConfig { patch, depth, ..vit::tests::VIT4 })
    }

    fn mlp(batchnorm: bool) -> NetConfig {
        NetConfig::Mlp(Mlp { width: 4, depth: 2, batchnorm })
    }

    #[test]
    fn names_do_not_depend_on_the_images() {
        let configs = [
            NetConfig::cnn5(4),
            NetConfig::resnet18(2),
            NetConfig::resnet18_post(2),
            NetConfig::resnet_cifar(8, 2),
            vit(7, 6),
            vit(28, 6),
            mlp(true),
            mlp(false),
        ];
        for config in configs {
            let input = Shape { channels: 1, height: 28, width: 28 };
            let nodes = config.build(input, 10).nodes;
            let names: Vec<String> = nodes.into_iter().map(|node| node.name).collect();
            assert_eq!(config.node_names(), Some(names), "{config:?}");
            let has_none = matches!(config, NetConfig::Vit(_)) || config == mlp(false);
            assert_eq!(config.has_batchnorm(), Some(!has_none));
        }
    }

    #[test]
    fn settings_out_of_range_build_no_net() {
        let unsound = [
            NetConfig::cnn5(0),
            NetConfig::resnet18(usize::MAX),
            NetConfig::resnet_cifar(9, 2),
            vit(0, 6),
            vit(4, 1 << 40),
        ];
        for config in unsound {
            assert_eq!(config.node_names(), None, "{config:?}");
        }
    }

    /// A net's line of the table in docs/FORMAT.md.
    fn line(net: &Declared) -> String {
        let default = |key: &Key| match key.fallback {
            Fallback::Required => " (required)".to_owned(),
            Fallback::Absent => String::new(),
            Fallback::Toml(text) => format!(" = {}", text.replace('\'', "\"")),
        };
        let keys: Vec<String> = net
            .keys
            .iter()
            .filter_map(|key| Some((key.name.strip_prefix("net.")?, default(key))))
            .map(|(name, default)| format!("`{name}{default}`"))
            .collect();
        format!("| `{}` | {} | {} |", net.name, net.title, keys.join(", "))
    }

    #[test]
    fn the_documentation_lists_every_net_with_its_settings() {
        let text = include_str!("../../docs/FORMAT.md");
        let lines: Vec<String> = ALL.iter().map(line).collect();
        assert!(text.contains(&lines.join("\n")), "expected\n{}", lines.join("\n"));
    }

    #[test]
    fn every_net_declares_its_settings_and_describes_itself() {
        let mut titles: Vec<&str> = ALL.iter().map(|net| net.title).collect();
        titles.sort_unstable();
        titles.dedup();
        assert_eq!(titles.len(), ALL.len(), "titles differ");
        for net in ALL {
            assert!(net.keys.iter().any(|key| key.name.starts_with("net.")));
            assert_eq!(title(net.name), Some(net.title));
        }
        let pool = TokenPool::Cls;
        let config = NetConfig::Vit(VitConfig { pool, ..vit::tests::VIT4 });
        assert_eq!(config.describe(), "ViT of patch 4, dim 512, depth 6");
        assert_eq!(NetConfig::resnet_cifar(20, 16).describe(), "ResNet-20 of width 16");
    }

    const CIFAR: Shape = Shape { channels: 3, height: 32, width: 32 };

    #[test]
    fn counts_are_those_of_the_formulas() {
        for k in [1, 4, 8, 16, 64] {
            let cnn = NetConfig::cnn5(k).build(CIFAR, 10);
            assert_eq!(cnn.parameter_count(), 378 * k * k + 152 * k + 10);
            assert_eq!(cnn.mac_count(), 55_296 * k * k + 27_728 * k);
            let resnet = NetConfig::resnet18(k).build(CIFAR, 10);
            assert_eq!(resnet.parameter_count(), 2724 * k * k + 213 * k + 10);
            assert_eq!(resnet.mac_count(), 135_168 * k * k + 27_728 * k);
        }
    }

    #[test]
    fn counts_on_signals_are_those_of_the_formulas() {
        let input = Shape { channels: 1, height: 1, width: 40 };
        for k in [1, 4, 8, 16, 64] {
            let cnn = NetConfig::cnn5(k).build(input, 10);
            // 3·(2 + 8 + 32) k², 3k of the first kernel, biases, normalizations, 80k + 10.
            assert_eq!(cnn.parameter_count(), 126 * k * k + 128 * k + 10);
            // 40, 40, 20, 10 positions.
            assert_eq!(cnn.mac_count(), (240 + 480 + 960) * k * k + 120 * k + 80 * k);
            let resnet = NetConfig::resnet18(k).build(input, 10);
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
    fn representations_are_nodes_in_depth_order() {
        for config in [NetConfig::cnn5(4), NetConfig::resnet18(4)] {
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
