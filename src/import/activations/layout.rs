//! Which files hold which layer at which epoch: `LAYER/epoch-N.npy`, or `epoch-N.npz` with an
//! array per layer.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::activations::{self, Item, Reading};
use crate::error::{Error, Result};
use crate::import::checkpoint::Beside;
use crate::import::time;
use crate::run_dir::check_name;

/// The saved activations of a training.
pub(super) struct Layout {
    /// In depth order.
    pub(super) layers: Vec<String>,
    /// The epochs that all layers have, rising.
    pub(super) epochs: Vec<Epoch>,
    /// What there is to be said of the files' times.
    pub(super) notes: Vec<String>,
}

/// One epoch: the files that hold its layers.
pub(super) struct Epoch {
    pub(super) epoch: f64,
    pub(super) files: Vec<PathBuf>,
}

/// A layer at one epoch.
pub(super) struct Saved {
    pub(super) layer: String,
    pub(super) item: Item,
}

impl Layout {
    /// Finds the files of a folder.
    ///
    /// # Errors
    /// If it cannot be read, a name has no epoch, a layer lacks an epoch, or a layer's name
    /// does not suit a run directory.
    pub(super) fn find(directory: &Path) -> Result<Self> {
        let folders = activations::layer_folders(directory)?;
        let is_flat = folders.is_empty();
        let places = if is_flat { vec![directory.to_owned()] } else { folders.clone() };
        let mut notes = vec![];
        let epochs = epochs(&places, &mut notes)?;
        if let Some(short) = epochs.iter().find(|one| one.files.len() != places.len()) {
            let Epoch { epoch, files } = short;
            let found = format!("has {} files of epoch {epoch}", files.len());
            let expected = if is_flat { "one" } else { "one in each layer's folder" };
            return Err(Error::data(directory, found).expected(expected));
        }
        let layers: Vec<String> = if is_flat {
            activations::array_names(&epochs[0].files[0])?
        } else {
            folders.iter().map(|folder| activations::name(folder)).collect()
        };
        for layer in &layers {
            check_name(layer).map_err(|error| {
                Error::data(directory, format!("has a layer: {error}"))
            })?;
        }
        Ok(Self { layers, epochs, notes })
    }

    /// The layers' activations at one epoch, in the order of the layers.
    ///
    /// # Errors
    /// If a file cannot be read, or holds other layers than the first epoch.
    pub(super) fn read(&self, epoch: &Epoch, reading: Reading) -> Result<Vec<Saved>> {
        let layers = &self.layers;
        let mut found = vec![];
        for (at, file) in epoch.files.iter().enumerate() {
            let items = activations::read(file, reading)?;
            let is_folder =
                epoch.files.len() > 1 || items.len() == 1 && layers.len() == 1;
            if is_folder && items.len() != 1 {
                return Err(Error::data(file, format!("holds {} arrays", items.len()))
                    .expected("one, as it lies in its layer's folder"));
            }
            for item in items {
                let own = item.examples.origin.member.clone().filter(|_| !is_folder);
                let layer = own.unwrap_or_else(|| layers[at].clone());
                found.push(Saved { layer, item });
            }
        }
        let place = |saved: &Saved| layers.iter().position(|own| *own == saved.layer);
        if found.len() != layers.len() || found.iter().any(|one| place(one).is_none()) {
            let names: Vec<&str> = found.iter().map(|one| one.layer.as_str()).collect();
            let found = format!("holds {}", names.join(", "));
            return Err(Error::data(&epoch.files[0], found).expected(format!(
                "the layers of the first epoch: {}",
                layers.join(", ")
            )));
        }
        found.sort_by_key(place);
        Ok(found)
    }
}

/// The epochs whose files are in some folders, rising.
fn epochs(places: &[PathBuf], notes: &mut Vec<String>) -> Result<Vec<Epoch>> {
    let mut epochs: BTreeMap<u64, Epoch> = BTreeMap::new();
    for place in places {
        let files = activations::files(std::slice::from_ref(place))?;
        for (file, named) in files.iter().zip(time::from_names(&files)?) {
            let [epoch, step] = activations::times(file)?;
            let step = step.map(|step| step as u64);
            let beside = Beside { epoch, step, ..Beside::default() };
            let (time, note) = time::of(file, named, &beside).ok_or_else(|| {
                Error::data(file, "has no epoch in its name")
                    .expected("a name such as epoch-12.npy")
            })?;
            notes.extend(note);
            // Without a training set to count epochs by, a step is a point of the axis.
            let epoch = time.number();
            // Numbers from 0 on are ordered as their bits are.
            let entry =
                epochs.entry(epoch.to_bits()).or_insert(Epoch { epoch, files: vec![] });
            entry.files.push(file.clone());
        }
    }
    Ok(epochs.into_values().collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::activations::Policy;
    use crate::array_file::{Array, NamedArrays, npy_bytes, npz_bytes};

    fn save(path: &Path, values: &[f32]) {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, npy_bytes(&Array::f32(&[2, 1], values.to_vec()))).unwrap();
    }

    fn read(layout: &Layout, at: usize) -> Result<Vec<Saved>> {
        let reading =
            Reading { stacked: false, policy: Policy::default(), may_stream: false };
        layout.read(&layout.epochs[at], reading)
    }

    #[test]
    fn a_folder_per_layer_must_have_every_epoch() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path();
        for name in ["conv/epoch-10.npy", "conv/epoch-9.npy", "fc/e_9.npy"] {
            save(&root.join(name), &[1.0, 2.0]);
        }
        let error = Layout::find(root).err().unwrap().to_string();
        assert!(error.contains("has 1 files of epoch 10"), "{error}");
        save(&root.join("fc/e_10.npy"), &[1.0, 2.0]);
        let layout = Layout::find(root).unwrap();
        let epochs: Vec<f64> = layout.epochs.iter().map(|one| one.epoch).collect();
        assert_eq!(
            (layout.layers.join(" "), epochs),
            ("conv fc".into(), vec![9.0, 10.0])
        );
        let layers = read(&layout, 0).unwrap();
        assert_eq!(layers[1].layer, "fc");
        save(&root.join("fc/last.npy"), &[1.0, 2.0]);
        let error = Layout::find(root).err().unwrap().to_string();
        assert!(error.contains("has no epoch in its name"), "{error}");
    }

    #[test]
    fn an_archive_per_epoch_holds_the_same_layers() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path();
        let archive = |name: &str, layers: [&str; 2]| {
            let mut arrays = NamedArrays::default();
            for layer in layers {
                arrays.push(layer, Array::f32(&[2, 1], vec![0.0, 1.0]));
            }
            std::fs::write(root.join(name), npz_bytes(&arrays)).unwrap();
        };
        archive("epoch-0.npz", ["conv", "fc"]);
        archive("epoch-1.npz", ["fc", "conv"]);
        archive("epoch-2.npz", ["fc", "conv2"]);
        let layout = Layout::find(root).unwrap();
        assert_eq!(layout.layers, ["conv", "fc"]);
        assert_eq!(read(&layout, 1).unwrap()[0].layer, "conv");
        let error = read(&layout, 2).err().unwrap().to_string();
        assert!(error.contains("expected the layers of the first epoch"), "{error}");
    }

    #[test]
    fn an_epoch_inside_an_archive_wins_over_a_bare_number_of_its_name() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path();
        for (name, epoch) in [("acts_1.npz", 0.5), ("acts_2.npz", 2.0)] {
            let mut arrays = NamedArrays::default();
            arrays.push("conv", Array::f32(&[2, 1], vec![0.0, 1.0]));
            arrays.push("epoch", Array::f64(&[], vec![epoch]));
            std::fs::write(root.join(name), npz_bytes(&arrays)).unwrap();
        }
        let layout = Layout::find(root).unwrap();
        let epochs: Vec<f64> = layout.epochs.iter().map(|one| one.epoch).collect();
        assert_eq!((layout.layers.join(" "), epochs), ("conv".into(), vec![0.5, 2.0]));
        assert_eq!(layout.notes.len(), 1, "{:?}", layout.notes);
    }
}
