//! The Hub over HTTP: a repository's branches and tags, and its files at a commit.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;

use super::revisions::is_commit;
use crate::array_file::printable;
use crate::data::{Address, Response, Wanted, obtain};
use crate::error::{Error, ErrorKind, Result};
use crate::observer::Observer;

/// The longest list of revisions.
const MAX_LIST: u64 = 16 << 20;

/// Redirections within the Hub, as of a repository that was renamed.
const MAX_HOPS: usize = 5;

/// A repository of the Hub.
pub(super) struct Remote<'a> {
    pub(super) endpoint: &'a str,
    pub(super) token: Option<&'a str>,
    pub(super) repository: &'a str,
}

/// A file of the Hub that is not here yet.
pub(super) struct RemoteBlob {
    url: String,
    /// Its name among the blobs.
    pub(super) etag: String,
    pub(super) bytes: u64,
    /// Whether the name is the SHA-256, as of all large files.
    is_sha256: bool,
}

/// What `/api/models/REPOSITORY/refs` answers.
#[derive(Deserialize)]
struct Refs {
    #[serde(default)]
    branches: Vec<Ref>,
    #[serde(default)]
    tags: Vec<Ref>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Ref {
    name: String,
    target_commit: String,
}

impl Remote<'_> {
    /// Names and commits of branches and tags.
    pub(super) fn revisions(&self) -> Result<BTreeMap<String, String>> {
        let url = format!("{}/api/models/{}/refs", self.endpoint, self.repository);
        let address = self.at(&url);
        let mut response = address.get(0).map_err(|error| unreachable(&url, &error))?;
        self.accept(&url, &response)?;
        let text = response.body_mut().with_config().limit(MAX_LIST).read_to_string();
        let text = text.map_err(|error| unreachable(&url, &error))?;
        let refs: Refs = serde_json::from_str(&text).map_err(|error| {
            Error::new(ErrorKind::Data, &url, format!("answers something else ({error})"))
                .expected("branches and tags as JSON")
                .fix("check HF_ENDPOINT")
        })?;
        // Of a branch and a tag of one name the branch.
        let all = refs.tags.into_iter().chain(refs.branches);
        let sound = all.filter(|one| is_commit(&one.target_commit) && is_name(&one.name));
        Ok(sound.map(|one| (one.name, one.target_commit)).collect())
    }

    /// What a file at a commit is; nothing where there is none of the name.
    pub(super) fn look(&self, commit: &str, name: &str) -> Result<Option<RemoteBlob>> {
        if !is_plain(name) {
            return Err(Error::new(
                ErrorKind::Data,
                printable(name),
                "is no name of a file",
            )
            .expected("letters, digits, `-`, `_` and `.`"));
        }
        let mut url =
            format!("{}/{}/resolve/{commit}/{name}", self.endpoint, self.repository);
        for _ in 0..MAX_HOPS {
            let address = self.at(&url);
            let response = address.head().map_err(|error| unreachable(&url, &error))?;
            if response.status().as_u16() == 404 {
                return Ok(None);
            }
            let moved = header(&response, "location").filter(|to| to.starts_with('/'));
            if let (true, Some(to)) = (response.status().is_redirection(), moved) {
                url = format!("{}{to}", self.endpoint);
                continue;
            }
            self.accept(&url, &response)?;
            return blob(url, &response).map(Some);
        }
        Err(Error::new(ErrorKind::Data, url, "redirects again and again"))
    }

    /// Fetches a file to `blob`.
    pub(super) fn get(
        &self,
        file: &RemoteBlob,
        name: &str,
        blob: &Path,
        observer: &dyn Observer,
    ) -> Result<()> {
        let RemoteBlob { url, etag, bytes, is_sha256 } = file;
        let sha256 = is_sha256.then_some(etag.as_str());
        let wanted = Wanted { name, address: self.at(url), bytes: *bytes, sha256 };
        obtain(wanted, blob, observer).map(|_| ())
    }

    fn at<'a>(&'a self, url: &'a str) -> Address<'a> {
        Address { url, token: self.token }
    }

    /// That the Hub does not refuse.
    fn accept(&self, url: &str, response: &Response) -> Result<()> {
        let status = response.status();
        if status.is_success() || status.is_redirection() {
            return Ok(());
        }
        let fix = match (status.as_u16(), self.token) {
            (401 | 403, None) => {
                "check the name; a private or gated repository needs HF_TOKEN"
            }
            (401 | 403, Some(_)) => {
                "check the name and HF_TOKEN: the token may not read this repository"
            }
            (404, _) => "check the name of the repository",
            (429, _) => "wait a few minutes, set HF_TOKEN, or ask for fewer revisions",
            _ => "try again later",
        };
        let is_passing = status.is_server_error() || status.as_u16() == 429;
        let kind = if is_passing { ErrorKind::Io } else { ErrorKind::Data };
        let found = format!("answers {}", status.as_u16());
        Err(Error::new(kind, url, found).expected("200").fix(fix))
    }
}

/// What the headers say of a file: of large ones those that link to it.
fn blob(url: String, response: &Response) -> Result<RemoteBlob> {
    let etag = header(response, "x-linked-etag").or_else(|| header(response, "etag"));
    let bytes =
        header(response, "x-linked-size").or_else(|| header(response, "content-length"));
    let etag =
        etag.map(|etag| etag.trim_start_matches("W/").trim_matches('"').to_owned());
    let bytes = bytes.and_then(|bytes| bytes.parse().ok());
    match (etag.filter(|etag| is_plain(etag)), bytes) {
        (Some(etag), Some(bytes)) => {
            let is_sha256 =
                etag.len() == 64 && etag.bytes().all(|byte| byte.is_ascii_hexdigit());
            Ok(RemoteBlob { url, etag, bytes, is_sha256 })
        }
        _ => Err(Error::new(ErrorKind::Data, url, "does not say what its file is")
            .expected("the headers ETag and Content-Length")
            .fix("check HF_ENDPOINT")),
    }
}

fn header<'a>(response: &'a Response, name: &str) -> Option<&'a str> {
    response.headers().get(name).and_then(|value| value.to_str().ok())
}

fn unreachable(url: &str, error: &ureq::Error) -> Error {
    Error::io(
        Path::new(url),
        "cannot be fetched",
        std::io::Error::other(error.to_string()),
    )
}

/// Whether a text is a file's name that needs no escapes and leaves no folder.
fn is_plain(name: &str) -> bool {
    let is_allowed = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    !name.is_empty()
        && name.len() <= 128
        && !name.starts_with('.')
        && name.chars().all(is_allowed)
}

/// Whether a revision's name can be that of a file below `refs`.
fn is_name(name: &str) -> bool {
    let is_allowed = |c: char| !c.is_control() && !"\\:*?\"<>|".contains(c);
    let is_part = |part: &str| !part.is_empty() && !part.starts_with('.');
    name.len() <= 250 && name.chars().all(is_allowed) && name.split('/').all(is_part)
}
