//! `watch`: who is answered what, and the page of a training that goes on.
#![cfg(unix)]

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command};
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::{quickstart, with_experiment};
use crate::support::runs::command;

/// What takes this long does not end.
const HANGS: Duration = Duration::from_mins(20);

/// A server that is ended with the test.
struct Watched {
    child: Child,
    port: u16,
    token: String,
}

impl Watched {
    fn start(directory: &Path, arguments: &str) -> Self {
        let mut child =
            command(directory, &format!("watch {arguments}")).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        let address = line.trim().strip_prefix("http://127.0.0.1:").unwrap();
        let (port, token) = address.split_once("/?token=").unwrap();
        Self { child, port: port.parse().unwrap(), token: token.to_owned() }
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        stream.set_read_timeout(Some(Duration::from_mins(1))).unwrap();
        stream
    }

    /// The answer to these bytes.
    fn ask(&self, request: &[u8]) -> String {
        let mut stream = self.connect();
        // The server may have refused before it has read all.
        let _ = stream.write_all(request);
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        String::from_utf8_lossy(&answer).into_owned()
    }

    /// The cookie that the address is exchanged for.
    fn cookie(&self) -> String {
        let request = format!(
            "GET /?token={} HTTP/1.1\r\nHost: {}\r\n\r\n",
            self.token,
            self.host()
        );
        let answer = self.ask(request.as_bytes());
        assert!(
            answer.starts_with("HTTP/1.1 303 See Other\r\nLocation: /\r\n"),
            "{answer}"
        );
        let cookie =
            answer.split("Set-Cookie: ").nth(1).unwrap().split("\r\n").next().unwrap();
        let (value, marks) = cookie.split_once("; ").unwrap();
        assert_eq!(marks, "HttpOnly; SameSite=Strict; Path=/");
        assert!(!answer.contains(&self.token), "the address is used once");
        value.to_owned()
    }

    fn host(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    fn page(&self, cookie: &str) -> String {
        let host = self.host();
        self.ask(
            format!("GET / HTTP/1.1\r\nHost: {host}\r\nCookie: {cookie}\r\n\r\n")
                .as_bytes(),
        )
    }

    /// Ctrl-C.
    fn interrupt(&mut self) -> Option<i32> {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
        self.child.wait().unwrap().code()
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn hostile_requests_have_exact_answers() {
    let folder = quickstart();
    let mut watched = Watched::start(folder.path(), "runs/quickstart");
    let (host, cookie) = (watched.host(), watched.cookie());
    let port = watched.port;
    let with =
        |line: &str, headers: &str| format!("{line}\r\nHost: {host}\r\n{headers}\r\n");
    let own = format!("Cookie: {cookie}\r\n");
    let get = |path: &str| with(&format!("GET {path} HTTP/1.1"), &own);
    let method = |method: &str| with(&format!("{method} / HTTP/1.1"), &own);
    let added = |header: &str| with("GET / HTTP/1.1", &format!("{own}{header}\r\n"));
    let to_host = |host: &str| format!("GET / HTTP/1.1\r\nHost: {host}\r\n{own}\r\n");
    let short = &cookie[..cookie.len() - 1];
    let token = &watched.token;
    let cases = [
        (get("/"), 200),
        (with("GET / HTTP/1.0", &own), 200),
        (added("Range: bytes=0-0,1-1,2-2"), 200),
        (added("Sec-Fetch-Site: none"), 200),
        (added(&format!("Origin: http://{host}")), 200),
        (to_host(&format!("localhost:{port}")), 200),
        // Another host: a name that points here, no port, another port, none, two.
        (to_host("evil.example"), 421),
        (to_host(&format!("evil.example:{port}")), 421),
        (to_host("127.0.0.1"), 421),
        (to_host("127.0.0.1:1"), 421),
        (to_host(&format!("127.0.0.1:{port}.evil.example")), 421),
        (to_host("0.0.0.0"), 421),
        (to_host(&format!("[::1]:{port}")), 421),
        (format!("GET / HTTP/1.1\r\n{own}\r\n"), 400),
        (to_host(&format!("{host}\r\nHost: evil.example")), 400),
        // Another origin.
        (added("Origin: http://evil.example"), 403),
        (added("Origin: null"), 403),
        (added(&format!("Origin: https://{host}")), 403),
        (added("Sec-Fetch-Site: cross-site"), 403),
        (added("Sec-Fetch-Site: same-site"), 403),
        // No right.
        (with("GET / HTTP/1.1", ""), 401),
        (with("GET /events HTTP/1.1", ""), 401),
        (with("GET /missing HTTP/1.1", ""), 401),
        (with("GET / HTTP/1.1", "Cookie: other=1\r\n"), 401),
        (with("GET / HTTP/1.1", &format!("Cookie: {short}\r\n")), 403),
        (with("GET / HTTP/1.1", &format!("Cookie: {cookie}0\r\n")), 403),
        (with("GET / HTTP/1.1", &format!("Cookie: stratagram-{port}=\r\n")), 403),
        (with("GET / HTTP/1.1", &format!("Cookie: stratagram-{port}={token}\r\n")), 403),
        (with("GET /?token= HTTP/1.1", ""), 403),
        (with(&format!("GET /?token={} HTTP/1.1", &token[1..]), ""), 403),
        (with(&format!("GET /?token={token}&x=1 HTTP/1.1"), ""), 403),
        // Another path: nothing of the machine is served.
        (get("/x/../run.json"), 404),
        (get("/run.json"), 404),
        (get("/%2e%2e/%2e%2e/etc/passwd"), 404),
        (get("//etc/passwd"), 404),
        (get("/?x"), 404),
        (get("/events/"), 404),
        (get("http://evil.example/"), 400),
        (get("*"), 400),
        // Another method.
        (method("POST"), 405),
        (method("DELETE"), 405),
        (method("HEAD"), 405),
        (method("OPTIONS"), 405),
        (method("PUT"), 405),
        (method("CONNECT"), 405),
        // A body, which could hide a second request.
        (added("Content-Length: 5") + "hello", 400),
        (added("Transfer-Encoding: chunked") + "0\r\n\r\n", 400),
        // Not HTTP, or too much of it.
        ("\r\n\r\nGARBAGE\r\n\r\n".to_owned(), 400),
        ("GET / HTTP/9.9\r\n\r\n".to_owned(), 400),
        ("\u{16}\u{3}\u{1}\u{2}".to_owned(), 400),
        (added("X\u{0}: 1"), 400),
        (get(&format!("/{}", "a".repeat(9000))), 431),
        (added(&format!("X: {}", "a".repeat(9000))), 431),
        (added(&"X: 1\r\n".repeat(70)), 431),
    ];
    assert!(cases.len() >= 40, "{}", cases.len());
    for (request, expected) in cases {
        let answer = watched.ask(request.as_bytes());
        let status = answer.split(' ').nth(1).unwrap_or("none");
        assert_eq!(status, expected.to_string(), "{request:?}: {answer:?}");
        let lower = answer.to_lowercase();
        assert!(
            !lower.contains("access-control"),
            "no other origin may read: {answer:?}"
        );
        assert!(answer.contains("X-Content-Type-Options: nosniff"), "{answer:?}");
    }
    assert_eq!(watched.interrupt(), Some(0));
}

#[test]
fn slow_and_many_connections_end_and_others_are_answered() {
    let folder = quickstart();
    let watched = Watched::start(folder.path(), "runs/quickstart");
    let cookie = watched.cookie();
    let mut slow: Vec<TcpStream> = (0..200).map(|_| watched.connect()).collect();
    for stream in &mut slow {
        let _ = stream.write_all(b"GET / HT");
    }
    // More than are answered at a time are refused; the others have five seconds.
    let answers: Vec<String> = slow
        .iter_mut()
        .map(|stream| {
            let mut answer = Vec::new();
            let _ = stream.read_to_end(&mut answer);
            String::from_utf8_lossy(&answer)
                .split(' ')
                .nth(1)
                .unwrap_or("reset")
                .to_owned()
        })
        .collect();
    let n_late = answers.iter().filter(|answer| *answer == "408").count();
    assert!((1..=64).contains(&n_late), "{answers:?}");
    assert!(
        answers.iter().all(|a| ["408", "503", "reset"].contains(&a.as_str())),
        "{answers:?}"
    );
    // Their places are given back.
    let is_served = || watched.page(&cookie).starts_with("HTTP/1.1 200 OK");
    let is_served_soon = (0..600).any(|_| {
        let is_served = is_served();
        sleep(Duration::from_millis(if is_served { 0 } else { 100 }));
        is_served
    });
    assert!(is_served_soon);
}

#[test]
fn the_page_of_a_training_grows_while_it_is_watched() {
    let folder = with_experiment();
    let root = folder.path();
    let train = "train experiment.toml train.epochs=300 train.checkpoints=[0,1,2,4,8,100,300] --threads 1";
    let mut training = command(root, train).spawn().unwrap();
    let begun = Instant::now();
    let run = root.join("runs/experiment");
    while !run.join("checkpoints/step-000000000.safetensors").exists() {
        sleep(Duration::from_millis(20));
        assert!(begun.elapsed() < HANGS);
    }
    let mut watched = Watched::start(root, "runs/experiment --threads 1");
    let cookie = watched.cookie();
    let mut events = watched.connect();
    let host = watched.host();
    let ask = format!("GET /events HTTP/1.1\r\nHost: {host}\r\nCookie: {cookie}\r\n\r\n");
    events.write_all(ask.as_bytes()).unwrap();
    events.set_read_timeout(None).unwrap();
    let (send, versions) = std::sync::mpsc::channel();
    let reader = std::thread::spawn(move || {
        for line in BufReader::new(events).lines().map_while(Result::ok) {
            if let Some(version) = line.strip_prefix("data: ") {
                send.send(version.parse::<u64>().unwrap()).unwrap();
            }
        }
    });
    let axis = run.join("matrices/axis.csv");
    let rows = || fs::read_to_string(&axis).map_or(0, |text| text.lines().count());
    let (mut seen, mut pages) = (vec![], vec![]);
    let mut is_over = false;
    while begun.elapsed() < HANGS {
        match versions.recv_timeout(Duration::from_secs(12)) {
            Ok(version) => {
                seen.push(version);
                pages.push(watched.page(&cookie));
            }
            // Everything is there, and has been shown.
            Err(_) if is_over => break,
            Err(_) => {}
        }
        is_over =
            training.try_wait().unwrap().is_some() && run.join("findings.json").exists();
    }
    assert!(training.wait().unwrap().success());
    assert!(seen.len() > 2 && seen.is_sorted(), "{seen:?}");
    let version = |page: &String| {
        page.split("<meta name=\"version\" content=\"")
            .nth(1)
            .unwrap()
            .split('"')
            .next()
            .unwrap()
            .to_owned()
    };
    let (first, last) = (pages.first().unwrap(), pages.last().unwrap());
    assert_ne!(version(first), version(last));
    assert!(
        last.contains("connect-src 'self'; script-src 'sha256-"),
        "the script is admitted"
    );
    assert!(last.contains("EventSource"));
    // The matrices came with the checkpoints, and the page with the matrices.
    assert!(rows() > 3 && last.len() > first.len());
    assert_eq!(watched.interrupt(), Some(0), "ended by Ctrl-C");
    drop(versions);
    reader.join().unwrap();
}
