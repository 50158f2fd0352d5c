//! Checkpoints that are revisions of a repository of the Hugging Face Hub, such as Pythia's branches
//! `step1000`: from the local cache of `huggingface_hub`, or from the Hub into it.

mod cache;
mod environment;
mod remote;
mod revisions;

use std::path::{Path, PathBuf};

use super::architecture;
use super::folder::{self, Candidate};
use super::time::Named;
use crate::array_file::printable;
use crate::error::{Error, ErrorKind, Result};
use crate::net::NetConfig;
use crate::observer::Observer;
use cache::Cache;
use environment::Environment;
use remote::Remote;
pub use revisions::Hub;
use revisions::{Known, RECORD, Revision};

/// Bytes that a checkpoint may have beside its parameters in f64, such as an optimizer's buffers of
/// a small network.
const FREE_SIZE: u64 = 64 << 20;

/// What the checkpoints are to be: of a net, so large, and accepted by a check of the first of them.
pub(super) struct Expected<'a> {
    pub(super) net: &'a NetConfig,
    pub(super) n_parameters: u64,
    pub(super) fits: &'a dyn Fn(&Path) -> Result<()>,
}

/// Where the files of one repository come from.
struct Files<'a> {
    hub: &'a Hub,
    cache: Cache,
    remote: Option<Remote<'a>>,
    n_parameters: u64,
    observer: &'a dyn Observer,
}

impl Hub {
    /// The checkpoints of the revisions with their times, in the order of time; those that are not
    /// in the cache are fetched, the others only where the first one fits.
    ///
    /// # Errors
    /// If no revision matches, none names a step or epoch, one has no weights, or the first does
    /// not fit; if the Hub cannot be reached or refuses, and the cache does not do.
    pub(super) fn checkpoints(
        &self,
        epoch: Option<f64>,
        expected: &Expected<'_>,
        observer: &dyn Observer,
    ) -> Result<Vec<(Candidate, Option<Named>)>> {
        revisions::check_repository(&self.repository)?;
        let environment = Environment::read(self.offline)?;
        let cache = Cache::of(&environment.cache, &self.repository);
        let remote = environment.remote(&self.repository);
        let n_parameters = expected.n_parameters;
        let mut files = Files { hub: self, cache, remote, n_parameters, observer };
        let known = files.known()?;
        let chosen = revisions::choose(&known, self, epoch, observer)?;
        let mut found = vec![];
        for (revision, time) in chosen {
            let address = format!("{}@{}", self.repository, revision.name);
            let in_revision = |error: Error| error.inside(&address);
            if matches!(expected.net, NetConfig::Vit(_))
                && let Some(config) = files.file(&revision, "config.json")?
            {
                architecture::check(&config, expected.net).map_err(in_revision)?;
            }
            let path = files.weights(&revision).map_err(in_revision)?;
            if found.is_empty() {
                let refuse = |error| in_revision(unless_ours(error, &path));
                (expected.fits)(&path).map_err(refuse)?;
            }
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            let address = Some(format!("{address}/{name}"));
            let named = PathBuf::from(&revision.name);
            found.push((Candidate { path, named, address }, Some(time)));
        }
        Ok(found)
    }
}

/// Adds to the error of weights that do not fit what holds for networks that are none of ours.
fn unless_ours(error: Error, weights: &Path) -> Error {
    let help = error.help().map(|help| format!("{help}; ")).unwrap_or_default();
    let class = architecture::class(weights);
    let class =
        class.map(|class| format!("config.json says {class}; ")).unwrap_or_default();
    error.fix(class + &help + RECORD)
}

impl Files<'_> {
    /// Names and commits of the revisions: those of the Hub, or of the cache where it cannot be
    /// reached.
    fn known(&mut self) -> Result<Known> {
        let cached = self.cache.revisions()?;
        let Some(remote) = &self.remote else {
            return Ok(Known { names: cached, offline: true });
        };
        match remote.revisions() {
            Ok(names) => Ok(Known { names, offline: false }),
            Err(error) if error.kind() == ErrorKind::Io && !cached.is_empty() => {
                let n = cached.len();
                let place = self.cache.root.display();
                self.observer.note(&format!(
                    "{error}: only the {n} revisions in {place} are known"
                ));
                self.remote = None;
                Ok(Known { names: cached, offline: true })
            }
            Err(error) if error.kind() == ErrorKind::Io => Err(error.fix(format!(
                "without a network: copy the repository into {}",
                self.cache.root.display()
            ))),
            Err(error) => Err(error),
        }
    }

    /// The file of a revision's weights, or their index; with all of its files.
    fn weights(&self, revision: &Revision) -> Result<PathBuf> {
        for name in folder::WEIGHTS {
            let Some(path) = self.file(revision, name)? else { continue };
            if name.ends_with(folder::INDEX) {
                for shard in folder::files(&path)? {
                    let shard = shard.file_name().unwrap_or_default().to_string_lossy();
                    if self.file(revision, &shard)?.is_none() {
                        let found =
                            format!("lists `{}`, which is missing", printable(&shard));
                        return Err(Error::data(&path, found).fix(self.elsewhere()));
                    }
                }
            }
            return Ok(path);
        }
        let place = self.cache.snapshot(&revision.commit);
        Err(Error::data(&place, "holds no weights")
            .expected(format!("one of {}", folder::WEIGHTS.join(", ")))
            .fix(self.elsewhere()))
    }

    /// What can be done about a file that is not there.
    fn elsewhere(&self) -> &'static str {
        match self.remote {
            None => {
                "leave --offline and HF_HUB_OFFLINE out to fetch what the cache lacks"
            }
            Some(_) => RECORD,
        }
    }

    /// A file of a revision in the cache, fetched if need be; nothing where the revision has none
    /// of the name.
    fn file(&self, revision: &Revision, name: &str) -> Result<Option<PathBuf>> {
        let here = self.cache.snapshot(&revision.commit).join(name);
        if let Ok(metadata) = here.metadata() {
            self.check_size(&here.display().to_string(), metadata.len())?;
            return Ok(Some(here));
        }
        let Some(remote) = &self.remote else { return Ok(None) };
        let Some(found) = remote.look(&revision.commit, name)? else { return Ok(None) };
        self.check_size(name, found.bytes)?;
        let blob = self.cache.blob(&found.etag);
        remote.get(&found, name, &blob, self.observer)?;
        self.cache.link(&found.etag, &revision.commit, name)?;
        self.cache.note(revision)?;
        Ok(Some(here))
    }

    /// That a file is not so large that it must be of another network.
    fn check_size(&self, name: &str, bytes: u64) -> Result<()> {
        let most = self.n_parameters.saturating_mul(8).saturating_add(FREE_SIZE);
        if bytes <= most {
            return Ok(());
        }
        let repository = &self.hub.repository;
        let found = format!("has {} MB", bytes / 1_000_000);
        Err(Error::new(ErrorKind::Data, printable(name), found)
            .expected(format!(
                "at most {} MB for the {} parameters of this network",
                most / 1_000_000,
                self.n_parameters
            ))
            .fix(format!(
                "check --net; if {repository} is another kind of network: {RECORD}"
            )))
    }
}
