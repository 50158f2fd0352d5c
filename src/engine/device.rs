//! Where the nets of one run are computed: on the processor, or by a worker of PyTorch. Nothing
//! outside this module knows which.

use std::borrow::Cow;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::inputs::{Asked, Decided, Inputs};
use super::torch::{Client, Steps};
use super::{BatchNormStatistics, ChannelStatistics, Engine, Regularization, Update};
use super::{isa_name, state};
use crate::array_file::{Array, NamedArrays, Values};
use crate::data::{Data, Split};
use crate::error::Result;
use crate::experiment::{Augmentation, EngineConfig};
use crate::net::{Net, Role};

/// A device with the images of one run.
#[derive(Debug, Clone)]
pub struct Device {
    worker: Option<Arc<Mutex<Client>>>,
}

impl Device {
    /// The device that `[engine]` names, with the images of `data` and the `labels` to learn.
    ///
    /// # Errors
    /// If there is no PyTorch or no such device, or `STRATAGRAM_ISA` names instructions that the
    /// machine does not have.
    pub fn open(config: &EngineConfig, data: &Data, labels: &[u8]) -> Result<Self> {
        let worker = match config {
            EngineConfig::Native => None,
            EngineConfig::Torch(config) => {
                let mut client = Client::start(config)?;
                for (split, labels) in
                    Split::ALL.into_iter().zip([labels, &data.test.labels])
                {
                    client.data(split.name(), data.resident(data.of(split)), labels)?;
                }
                Some(Arc::new(Mutex::new(client)))
            }
        };
        Ok(Self { worker })
    }

    /// What it calls itself: the instruction set, or PyTorch's version and device.
    ///
    /// # Errors
    /// As [`isa_name`].
    pub fn title(&self) -> Result<String> {
        match &self.worker {
            None => isa_name().map(str::to_owned),
            Some(worker) => Ok(locked(worker).title.clone()),
        }
    }

    /// A net with `weights` on the data that the device was opened with, whose `frozen` nodes do not move; the rate of each node is
    /// multiplied by its of the `scales`, if there are any.
    ///
    /// # Errors
    /// If the weights do not fit the net; if the worker ends.
    pub fn start<'a>(
        &self,
        (data, labels): (&'a Data, &'a [u8]),
        net: &Net,
        weights: &NamedArrays,
        (frozen, scales): (&[usize], &[f64]),
    ) -> Result<Session<'a>> {
        let held = match &self.worker {
            None => {
                let mut engine = Engine::new(net, weights)?;
                engine.freeze(frozen);
                if !scales.is_empty() {
                    engine.scale_rates(scales);
                }
                Held::Native(Box::new(engine))
            }
            Some(worker) => {
                state::read_weights(&net.parameters(), weights)?;
                let number = {
                    let mut client = locked(worker);
                    let number = client.number();
                    client.net(number, net, weights, (frozen, scales))?;
                    number
                };
                let weights = Some(weights.clone());
                let gradients = NamedArrays::default();
                Held::Torch(Remote { worker: worker.clone(), number, weights, gradients })
            }
        };
        Ok(Session { data, labels, net: net.clone(), held })
    }
}

/// A net on a device.
#[derive(Debug)]
pub struct Session<'a> {
    data: &'a Data,
    /// The labels that are learned.
    labels: &'a [u8],
    net: Net,
    held: Held,
}

#[derive(Debug)]
enum Held {
    Native(Box<Engine>),
    Torch(Remote),
}

/// A net that a worker holds, now or when it is asked for.
#[derive(Debug)]
struct Remote {
    worker: Arc<Mutex<Client>>,
    number: u64,
    /// The weights, until training changes them.
    weights: Option<NamedArrays>,
    /// Those of the last step that was to give them.
    gradients: NamedArrays,
}

/// What several steps of training have in common.
#[derive(Debug, Clone, Copy)]
pub struct Recipe<'a> {
    /// The epoch and seed that augmentation is drawn with.
    pub epoch: u64,
    /// The experiment's seed.
    pub seed: u64,
    /// How images are augmented.
    pub augment: &'a [Augmentation],
    /// The largest norm of the gradients.
    pub clip_norm: Option<f64>,
    /// ε of the smoothed labels.
    pub label_smoothing: f64,
    /// Whether the last step's gradients are kept.
    pub keep_gradients: bool,
}

/// A parameter that is trained.
pub(crate) struct Trained<'s> {
    pub(crate) name: String,
    pub(crate) values: Cow<'s, [f32]>,
    /// None of a frozen one.
    pub(crate) gradient: Option<Cow<'s, [f32]>>,
}

/// One step of training.
#[derive(Debug, Clone, Copy)]
pub struct Step<'a> {
    /// Positions of its images.
    pub batch: &'a [usize],
    /// The update with its rate.
    pub update: Update,
    /// Decides what dropout drops.
    pub dropout_key: u64,
}

impl Session<'_> {
    /// The net.
    pub fn net(&self) -> &Net {
        &self.net
    }

    /// How many steps to ask for at once, so that the program heeds a stop.
    pub fn pace(&self) -> usize {
        match &self.held {
            Held::Native(_) => 1,
            Held::Torch(remote) => locked(&remote.worker).pace,
        }
    }

    /// What the device has to say since it was last asked.
    pub fn notes(&self) -> Vec<String> {
        match &self.held {
            Held::Native(_) => vec![],
            Held::Torch(remote) => std::mem::take(&mut locked(&remote.worker).notes),
        }
    }

    /// Makes steps, and gives the loss before each.
    ///
    /// A loss that is not finite is the caller's to see, before anything is kept of the weights.
    ///
    /// # Errors
    /// If the worker ends.
    pub fn train(&mut self, recipe: &Recipe<'_>, steps: &[Step<'_>]) -> Result<Vec<f64>> {
        let (data, labels) = (self.data, self.labels);
        match &mut self.held {
            Held::Native(engine) => {
                let step = |step| native_step(engine, (data, labels), recipe, step);
                Ok(steps.iter().map(step).collect())
            }
            Held::Torch(remote) => {
                let updates: Vec<Update> = steps.iter().map(|step| step.update).collect();
                let batches: Vec<&[usize]> =
                    steps.iter().map(|step| step.batch).collect();
                let asked = Steps {
                    sizes: batches.iter().map(|batch| batch.len()).collect(),
                    images: placed(data, recipe, &batches.concat()),
                    updates: &updates,
                    keys: steps.iter().map(|step| step.dropout_key).collect(),
                    clip_norm: recipe.clip_norm,
                    label_smoothing: recipe.label_smoothing,
                    gradients: recipe.keep_gradients,
                };
                let mut client = remote.held(&self.net)?;
                let (losses, gradients) = client.train(&asked)?;
                drop(client);
                (remote.weights, remote.gradients) = (None, gradients);
                Ok(losses)
            }
        }
    }

    /// The parameters that are trained, in the net's order, with the gradients of the last step
    /// that was to keep them.
    ///
    /// # Errors
    /// If the worker ends.
    pub(crate) fn trained(&self) -> Result<Vec<Trained<'_>>> {
        match &self.held {
            Held::Native(engine) => {
                let trained =
                    engine.trained().map(|(parameter, values, gradient)| Trained {
                        name: parameter.name.clone(),
                        values: values.into(),
                        gradient: gradient.map(Cow::from),
                    });
                Ok(trained.collect())
            }
            Held::Torch(remote) => {
                let weights = self.weights()?;
                let of = |arrays: &NamedArrays, name: &str| {
                    arrays.get(name).map(|array| Cow::from(array.to_f32()))
                };
                let parameters = self.net.parameters().into_iter();
                let trained =
                    parameters.filter(|p| p.role.is_trained()).map(|p| Trained {
                        values: of(&weights, &p.name).unwrap_or_default(),
                        gradient: of(&remote.gradients, &p.name),
                        name: p.name,
                    });
                Ok(trained.collect())
            }
        }
    }

    /// See [`Engine::weights`].
    ///
    /// # Errors
    /// If the worker ends.
    pub fn weights(&self) -> Result<NamedArrays> {
        match &self.held {
            Held::Native(engine) => Ok(engine.weights()),
            Held::Torch(remote) => remote.held(&self.net)?.weights(&self.net),
        }
    }

    /// See [`Engine::optimizer_state`].
    ///
    /// # Errors
    /// If the worker ends.
    pub fn optimizer_state(&self) -> Result<NamedArrays> {
        match &self.held {
            Held::Native(engine) => Ok(engine.optimizer_state()),
            Held::Torch(remote) => remote.held(&self.net)?.optimizer(),
        }
    }

    /// See [`Engine::set_optimizer_state`].
    ///
    /// # Errors
    /// If a buffer is missing, unexpected or of another shape; if the worker ends.
    pub fn set_optimizer_state(&mut self, buffers: &NamedArrays) -> Result<()> {
        match &mut self.held {
            Held::Native(engine) => engine.set_optimizer_state(buffers),
            Held::Torch(remote) => {
                state::read_optimizer(&self.net.parameters(), buffers)?;
                remote.held(&self.net)?.set_optimizer(buffers)
            }
        }
    }

    /// See [`Engine::running_statistics`].
    ///
    /// # Errors
    /// If the worker ends.
    pub fn running_statistics(&self) -> Result<BatchNormStatistics> {
        if let Held::Native(engine) = &self.held {
            return Ok(engine.running_statistics());
        }
        let weights = self.weights()?;
        let parameters = self.net.parameters();
        let of = |role: Role| {
            let names = parameters.iter().filter(move |parameter| parameter.role == role);
            names.filter_map(|p| weights.get(&p.name).map(Array::to_f32))
        };
        let pairs = of(Role::RunningMean).zip(of(Role::RunningVar));
        let channels = pairs.map(|(mean, var)| ChannelStatistics { mean, var });
        Ok(BatchNormStatistics(channels.collect()))
    }

    /// See [`Engine::recompute_statistics`]: over these ranges of a set.
    ///
    /// # Errors
    /// If the worker ends.
    pub fn recompute_statistics(
        &mut self,
        split: Split,
        batches: &[Range<usize>],
    ) -> Result<BatchNormStatistics> {
        match &mut self.held {
            Held::Native(engine) => {
                let set = Inputs::Set(split);
                let data = self.data;
                let images = batches.iter().map(|range| set.images(data, range.clone()));
                Ok(engine.recompute_statistics(images))
            }
            Held::Torch(remote) => {
                remote.held(&self.net)?.recompute(&self.net, split.name(), batches)
            }
        }
    }

    /// See [`Engine::evaluate_into`]: for a range of inputs.
    ///
    /// # Errors
    /// If the worker ends.
    pub fn evaluate_into(
        &mut self,
        (inputs, range): (&Inputs<'_>, Range<usize>),
        statistics: &BatchNormStatistics,
        wanted: &[(usize, Option<usize>)],
        outputs: &mut Vec<Vec<f32>>,
    ) -> Result<()> {
        match &mut self.held {
            Held::Native(engine) => {
                let images = inputs.images(self.data, range);
                engine.evaluate_into(&images, statistics, wanted, outputs);
            }
            Held::Torch(remote) => {
                let mut client = remote.held(&self.net)?;
                client.set_statistics(&self.net, statistics)?;
                *outputs = client.evaluate((inputs, range), wanted)?;
            }
        }
        Ok(())
    }

    /// What classifiers decide for a range of inputs, where the device decides by itself: only
    /// classes leave it. None on the processor, where the outputs are at hand.
    ///
    /// # Errors
    /// If the worker ends.
    pub fn decide(
        &mut self,
        inputs: (&Inputs<'_>, Range<usize>),
        statistics: &BatchNormStatistics,
        asked: &[Asked<'_>],
    ) -> Result<Option<Vec<Decided>>> {
        let Held::Torch(remote) = &mut self.held else { return Ok(None) };
        let mut client = remote.held(&self.net)?;
        client.set_statistics(&self.net, statistics)?;
        client.decide(inputs, asked).map(Some)
    }

    /// How many inputs there are.
    pub fn count(&self, inputs: &Inputs<'_>) -> usize {
        inputs.len(self.data)
    }
}

impl Remote {
    /// The worker with this net.
    fn held(&self, net: &Net) -> Result<MutexGuard<'_, Client>> {
        let mut client = locked(&self.worker);
        if !client.holds(self.number) {
            let weights = self.weights.as_ref();
            let weights =
                weights.expect("a net in training is the only one on its device");
            client.net(self.number, net, weights, (&[], &[]))?;
        }
        Ok(client)
    }
}

/// One step on the processor: the loss before it.
fn native_step(
    engine: &mut Engine,
    (data, labels): (&Data, &[u8]),
    recipe: &Recipe<'_>,
    step: &Step<'_>,
) -> f64 {
    let &Recipe { epoch, seed, augment, label_smoothing, .. } = recipe;
    let images = data.training_batch(step.batch, epoch, seed, augment);
    let labels: Vec<u8> = step.batch.iter().map(|&i| labels[i]).collect();
    let regularization =
        Regularization { label_smoothing, dropout_key: step.dropout_key };
    let loss = engine.regularized_gradients(&images, &labels, regularization);
    if let Some(max_norm) = recipe.clip_norm {
        engine.clip_gradients(max_norm);
    }
    engine.update(&step.update);
    loss
}

/// Positions of training images, and where their pixels come from.
fn placed(data: &Data, recipe: &Recipe<'_>, batch: &[usize]) -> NamedArrays {
    let &Recipe { epoch, seed, augment, .. } = recipe;
    let index = Values::I64(batch.iter().map(|&i| i as i64).collect());
    let mut arrays = data.placements(batch, epoch, seed, augment);
    arrays.push("index", Array::new(&[batch.len()], index));
    arrays
}

fn locked(worker: &Mutex<Client>) -> MutexGuard<'_, Client> {
    // A panic elsewhere leaves the worker as its last answer left it.
    worker.lock().unwrap_or_else(PoisonError::into_inner)
}
