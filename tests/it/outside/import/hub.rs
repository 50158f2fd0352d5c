//! Revisions of a repository of the Hugging Face Hub: from a Hub on the loopback device, and from a
//! cache as `huggingface_hub` lays it out.

use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex};

use serde_json::json;
use sha2::{Digest, Sha256};
use stratagram::array_file::{Array, NamedArrays, safetensors_bytes};
use stratagram::net::NetConfig;

use super::{SETTINGS, weights};
use crate::support::runs::{assert_same_files, command, promised, texts};

const REPOSITORY: &str = "lab/tiny-cnn5";
const IMPORT: &str = "import --hf lab/tiny-cnn5 --net cnn5 net.width=2";

/// Revisions and their files.
type Revisions = Vec<(&'static str, Vec<(&'static str, Vec<u8>)>)>;

/// A Hub that has one repository.
struct Hub {
    url: String,
    /// `METHOD PATH`, with ` (token)` where a request had one.
    requests: Arc<Mutex<Vec<String>>>,
}

fn hex(bytes: &[u8]) -> String {
    let digest = Sha256::digest(bytes);
    digest.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn commit(revision: &str) -> String {
    hex(revision.as_bytes())[..40].to_owned()
}

impl Hub {
    /// Serves `revisions`; with `damaged`, large files come with other bytes than announced.
    fn serve(revisions: Revisions, damaged: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let requests = Arc::new(Mutex::new(vec![]));
        let (seen, own) = (Arc::clone(&requests), url.clone());
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let _ = answer(stream.unwrap(), &revisions, &own, damaged, &seen);
            }
        });
        Self { url, requests }
    }

    fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }
}

/// Answers one request as the Hub does: large files are elsewhere, small ones in place.
fn answer(
    mut stream: TcpStream,
    revisions: &Revisions,
    url: &str,
    damaged: bool,
    seen: &Mutex<Vec<String>>,
) -> std::io::Result<()> {
    let mut lines = BufReader::new(stream.try_clone()?).lines();
    let first = lines.next().unwrap()?;
    let headers: Vec<String> =
        lines.map_while(Result::ok).take_while(|line| !line.is_empty()).collect();
    let is_token =
        |line: &String| line.eq_ignore_ascii_case("authorization: Bearer secret");
    let request = first.trim_end_matches(" HTTP/1.1").to_owned();
    let with = if headers.iter().any(is_token) { " (token)" } else { "" };
    seen.lock().unwrap().push(format!("{request}{with}"));
    let (method, path) = request.split_once(' ').unwrap();
    let mut reply = |head: String, body: &[u8]| {
        write!(stream, "HTTP/1.1 {head}\r\nConnection: close\r\n\r\n")?;
        stream.write_all(if method == "HEAD" { &[] } else { body })
    };
    if path == format!("/api/models/{REPOSITORY}/refs") {
        let branch = |name: &str| json!({ "name": name, "targetCommit": commit(name) });
        let branches: Vec<_> = revisions.iter().map(|(name, _)| branch(name)).collect();
        let body =
            json!({ "branches": branches, "tags": [], "converts": [] }).to_string();
        return reply(
            format!("200 OK\r\nContent-Length: {}", body.len()),
            body.as_bytes(),
        );
    }
    let files = revisions.iter().flat_map(|(name, files)| {
        let folder = format!("/{REPOSITORY}/resolve/{}/", commit(name));
        files.iter().map(move |(file, bytes)| (format!("{folder}{file}"), bytes))
    });
    for (place, bytes) in files {
        let (sum, n) = (hex(bytes), bytes.len());
        if path == place
            && Path::new(place.as_str()).extension().is_some_and(|own| own == "json")
        {
            let etag = &sum[..40];
            return reply(
                format!("200 OK\r\nETag: \"{etag}\"\r\nContent-Length: {n}"),
                bytes,
            );
        }
        if path == place {
            return reply(
                format!(
                    "302 Found\r\nLocation: {url}/elsewhere/{sum}\r\nContent-Length: 0\r\n\
                     X-Linked-ETag: \"{sum}\"\r\nX-Linked-Size: {n}"
                ),
                &[],
            );
        }
        if path == format!("/elsewhere/{sum}") {
            let mut bytes = bytes.clone();
            bytes[n - 1] ^= u8::from(damaged);
            return reply(format!("200 OK\r\nContent-Length: {n}"), &bytes);
        }
    }
    let status =
        if path.contains(REPOSITORY) { "404 Not Found" } else { "401 Unauthorized" };
    reply(format!("{status}\r\nContent-Length: 0"), &[])
}

/// The program, with a cache in `root` and the Hub at `url`.
fn program(root: &Path, url: &str, arguments: &str) -> Command {
    let mut command = command(root, &format!("{arguments} {SETTINGS}"));
    for name in ["HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "HF_HUB_OFFLINE", "HF_TOKEN"] {
        command.env_remove(name);
    }
    command.env("HF_HOME", root.join("hf")).env("HF_ENDPOINT", url);
    command
}

fn succeed(mut command: Command) -> [String; 2] {
    let output = command.output().unwrap();
    let texts = texts(&output);
    assert!(output.status.success(), "{}", texts[1]);
    texts
}

fn refused(mut command: Command) -> String {
    let output = command.output().unwrap();
    assert!(!output.status.success());
    texts(&output)[1].clone()
}

fn own(seed: u64) -> Vec<u8> {
    safetensors_bytes(&weights(&NetConfig::cnn5(2), seed))
}

fn model(
    revision: &'static str,
    seed: u64,
) -> (&'static str, Vec<(&'static str, Vec<u8>)>) {
    (revision, vec![("model.safetensors", own(seed))])
}

fn steps(run: &Path) -> Vec<String> {
    let history = fs::read_to_string(run.join("history.csv")).unwrap();
    history
        .lines()
        .skip(1)
        .map(|line| line.split(',').next().unwrap().to_owned())
        .collect()
}

#[test]
fn revisions_come_from_the_hub_once_and_from_its_cache_after_that() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path();
    let revisions = vec![
        model("main", 3),
        model("step0", 0),
        model("step100", 2),
        model("step20", 1),
    ];
    let hub = Hub::serve(revisions, false);
    let import = format!("{IMPORT} --revisions step*");
    let mut first = program(root, &hub.url, &format!("{import} --out first"));
    first.env("HF_TOKEN", "secret");
    let [shown, _] = succeed(first);
    assert!(shown.contains(&format!("{REPOSITORY}@step20/model.safetensors")), "{shown}");
    assert_eq!(steps(&root.join("first")), ["0", "20", "100"]);
    let run = fs::read_to_string(root.join("first/run.json")).unwrap();
    assert!(
        run.contains(&format!("\"{REPOSITORY}@step100/model.safetensors\"")),
        "{run}"
    );

    let requests = hub.requests();
    let of = |start: &str| requests.iter().filter(|line| line.starts_with(start)).count();
    assert_eq!((of("GET /api/"), of("HEAD /lab/"), of("GET /elsewhere/")), (1, 3, 3));
    for request in &requests {
        let elsewhere = request.contains("/elsewhere/");
        assert_eq!(request.ends_with("(token)"), !elsewhere, "{request}");
    }

    let cache = root.join("hf/hub/models--lab--tiny-cnn5");
    assert_eq!(fs::read_to_string(cache.join("refs/step20")).unwrap(), commit("step20"));
    let link = cache.join(format!("snapshots/{}/model.safetensors", commit("step20")));
    assert_eq!(fs::read(&link).unwrap(), own(1));
    let blob = Path::new("../../blobs").join(hex(&own(1)));
    assert_eq!(fs::read_link(&link).unwrap(), blob);

    succeed(program(
        root,
        "http://127.0.0.1:9",
        &format!("{import} --offline --out second"),
    ));
    assert_same_files(
        &promised(&root.join("second")),
        &promised(&root.join("first")),
        "offline",
    );
    // Without a word the cache stands in for a Hub that cannot be reached, which is said.
    let third = format!("{import} --out third --dry-run");
    let [_, said] = succeed(program(root, "http://127.0.0.1:9", &third));
    assert!(said.contains("only the 3 revisions in"), "{said}");
    // What is there is not asked for again.
    let n = hub.requests().len();
    succeed(program(root, &hub.url, &third));
    assert_eq!(hub.requests().len(), n + 1);
}

#[test]
fn what_the_hub_has_not_or_has_otherwise_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path();
    let mut other = weights(&NetConfig::cnn5(2), 0);
    other.push("gpt_neox.embed_in.weight", Array::f32(&[1], vec![1.0]));
    let other = vec![("model.safetensors", safetensors_bytes(&other))];
    let revisions = vec![("step1", other), model("step2", 1), ("step3", vec![])];
    let hub = Hub::serve(revisions.clone(), false);
    let refuse = |url: &str, arguments: &str| {
        let message = refused(program(root, url, arguments));
        assert!(!root.join("runs").exists(), "nothing is written");
        message
    };
    let message = refuse("http://127.0.0.1:9", IMPORT);
    assert!(
        message.contains("cannot be fetched") && message.contains("without a network")
    );
    let message = refuse(&hub.url, &format!("{IMPORT} --revisions setp*"));
    assert!(
        message.contains("`--revisions setp*` matches none of the 3 revisions"),
        "{message}"
    );
    assert!(message.contains("such as step1, step2, step3"), "{message}");
    let message = refuse(&hub.url, IMPORT);
    assert!(message.contains("lab/tiny-cnn5@step1: "), "{message}");
    assert!(message.contains("`gpt_neox.embed_in.weight` is unexpected"), "{message}");
    assert!(
        message.contains("stratagram.record_checkpoints(load, revisions"),
        "{message}"
    );
    let fetched = hub.requests().iter().filter(|line| line.contains("elsewhere")).count();
    assert_eq!(fetched, 1, "the others are not fetched");
    let message = refuse(&hub.url, &format!("{IMPORT} --revisions step3"));
    assert!(message.contains("lab/tiny-cnn5@step3: "), "{message}");
    assert!(
        message.contains("holds no weights; expected one of model.safetensors"),
        "{message}"
    );
    let elsewhere = IMPORT.replace("lab/", "lab/not-");
    let message = refuse(&hub.url, &elsewhere);
    assert!(message.contains("answers 401") && message.contains("HF_TOKEN"), "{message}");
    let message = refuse(&hub.url, &format!("{IMPORT} --offline --revisions step2"));
    assert!(
        message.contains("in the local cache") && message.contains("--offline"),
        "{message}"
    );
    let message = refuse(&hub.url, "import --hf ../x --net cnn5 net.width=2");
    assert!(message.contains("expected a repository such as"), "{message}");

    let damaged = Hub::serve(revisions, true);
    let message = refuse(&damaged.url, &format!("{IMPORT} --revisions step2"));
    assert!(message.contains("has SHA-256"), "{message}");
    let blobs = fs::read_dir(root.join("hf/hub/models--lab--tiny-cnn5/blobs")).unwrap();
    assert_eq!(blobs.count(), 1, "nothing of another file is kept");
}

#[test]
fn what_weights_do_not_say_is_compared_with_config_json_before_they_are_fetched() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path();
    let config =
        json!({ "model_type": "vit", "hidden_size": 24, "num_attention_heads": 12 });
    let config = ("config.json", config.to_string().into_bytes());
    let hub =
        Hub::serve(vec![("step1", vec![config, ("model.safetensors", own(0))])], false);
    let vit = "import --hf lab/tiny-cnn5 --net vit net.dim=24 net.heads=4";
    let message = refused(program(root, &hub.url, vit));
    assert!(
        message.contains(
            "says num_attention_heads = 12; expected the settings net.heads = 4"
        )
    );
    assert!(
        message.contains("lab/tiny-cnn5@step1: ") && message.contains("add net.heads=12")
    );
    assert!(!hub.requests().iter().any(|line| line.contains("elsewhere")));
    let message = refused(program(root, &hub.url, "import --hf lab/tiny-cnn5"));
    assert!(message.contains("`--net` is missing for lab/tiny-cnn5"), "{message}");
    assert!(message.contains("stratagram.record_checkpoints"), "{message}");
}

#[test]
fn a_cache_of_huggingface_hub_is_read_as_it_lies() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path();
    let cache = root.join("hf/hub/models--lab--tiny-cnn5");
    let put = |revision: &str, file: &str, bytes: &[u8]| {
        let snapshot = cache.join("snapshots").join(commit(revision));
        fs::create_dir_all(&snapshot).unwrap();
        fs::write(snapshot.join(file), bytes).unwrap();
        let reference = cache.join("refs").join(revision);
        fs::create_dir_all(reference.parent().unwrap()).unwrap();
        fs::write(reference, commit(revision)).unwrap();
    };
    put("step1", "model.safetensors", &own(0));
    put("step1", "config.json", b"{}");
    // In two files with their index, of a branch with a slash.
    let all = weights(&NetConfig::cnn5(2), 1);
    let mut map = serde_json::Map::new();
    for (at, half) in all.0.chunks(all.0.len().div_ceil(2)).enumerate() {
        let name = format!("model-{:05}-of-00002.safetensors", at + 1);
        put("more/step4", &name, &safetensors_bytes(&NamedArrays(half.to_vec())));
        map.extend(half.iter().map(|(tensor, _)| (tensor.clone(), json!(name))));
    }
    let index = json!({ "weight_map": map }).to_string();
    put("more/step4", "model.safetensors.index.json", index.as_bytes());
    fs::create_dir_all(cache.join(".no_exist")).unwrap();

    let mut import = program(root, "http://127.0.0.1:9", &format!("{IMPORT} --out out"));
    import.env("HF_HUB_OFFLINE", "1");
    succeed(import);
    assert_eq!(steps(&root.join("out")), ["1", "4"]);

    put("step9", "config.json", b"{}");
    let import = format!("{IMPORT} --offline --out other");
    let message = refused(program(root, "http://127.0.0.1:9", &import));
    assert!(message.contains("lab/tiny-cnn5@step9: "), "{message}");
    assert!(message.contains("leave --offline"), "{message}");
    let shard = cache.join("snapshots").join(commit("more/step4"));
    fs::remove_file(shard.join("model-00002-of-00002.safetensors")).unwrap();
    let message = refused(program(root, "http://127.0.0.1:9", &import));
    assert!(
        message.contains("lists `model-00002-of-00002.safetensors`, which is missing")
    );
}
