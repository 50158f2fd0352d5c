//! What the environment says of the Hub, in the variables of `huggingface_hub`.

use std::path::PathBuf;

use super::remote::Remote;
use crate::error::{Error, Result};

/// The Hub and its local cache.
pub(super) struct Environment {
    /// The folder of `models--OWNER--NAME`.
    pub(super) cache: PathBuf,
    endpoint: String,
    token: Option<String>,
    offline: bool,
}

impl Environment {
    /// `HF_HUB_CACHE`, `HF_HOME`, `HF_ENDPOINT`, `HF_TOKEN`, `HF_HUB_OFFLINE`.
    pub(super) fn read(offline: bool) -> Result<Self> {
        let endpoint = text("HF_ENDPOINT").unwrap_or("https://huggingface.co".into());
        if !endpoint.starts_with("https://") && !endpoint.starts_with("http://") {
            return Err(Error::usage(
                "`HF_ENDPOINT`",
                format!("is {}", endpoint.escape_debug()),
            )
            .expected("an address such as https://huggingface.co"));
        }
        let cache = cache().ok_or_else(|| {
            Error::usage("the cache of the Hub", "has no place: no home directory is set")
                .fix("set HF_HOME to a directory")
        })?;
        let is_on = |value: String| {
            ["1", "ON", "YES", "TRUE"].contains(&&*value.to_ascii_uppercase())
        };
        Ok(Self {
            cache,
            endpoint: endpoint.trim_end_matches('/').to_owned(),
            token: text("HF_TOKEN").map(|token| token.trim().to_owned()),
            offline: offline || text("HF_HUB_OFFLINE").is_some_and(is_on),
        })
    }

    /// The repository on the Hub; nothing where only the cache is to be read.
    pub(super) fn remote<'a>(&'a self, repository: &'a str) -> Option<Remote<'a>> {
        let Self { endpoint, token, .. } = self;
        let remote = Remote { endpoint, token: token.as_deref(), repository };
        (!self.offline).then_some(remote)
    }
}

fn text(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

fn cache() -> Option<PathBuf> {
    let folder = |name: &str| text(name).map(PathBuf::from);
    let user = || {
        let cache =
            folder("XDG_CACHE_HOME").or(std::env::home_dir().map(|h| h.join(".cache")));
        cache.map(|cache| cache.join("huggingface"))
    };
    folder("HF_HUB_CACHE")
        .or_else(|| folder("HUGGINGFACE_HUB_CACHE"))
        .or_else(|| folder("HF_HOME").or_else(user).map(|home| home.join("hub")))
}
