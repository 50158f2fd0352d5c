//! The worker's process: where its interpreter is found, how it is started and how it ends.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, BufWriter, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use serde_json::{Map, Value, json};

use super::frame::{self, Frame};
use crate::array_file::NamedArrays;
use crate::error::{Error, ErrorKind, Result};

/// Names the interpreter.
const PYTHON: &str = "STRATAGRAM_PYTHON";

/// The longest that one answer may take. Compiling a step takes minutes; a hang is for ever.
const PATIENCE: Duration = Duration::from_hours(1);

/// Lines of the worker's messages that an error quotes.
const QUOTED: usize = 12;

/// What the engine is called in errors.
const ENGINE: &str = "the PyTorch engine";

/// A running worker; it ends with the value.
#[derive(Debug)]
pub(super) struct Process {
    child: Child,
    requests: Option<BufWriter<ChildStdin>>,
    answers: Receiver<std::io::Result<Frame>>,
    messages: Arc<Mutex<VecDeque<String>>>,
    /// Ends when the worker has nothing more to say.
    listener: Option<JoinHandle<()>>,
}

impl Process {
    /// Starts the worker of the interpreter that is found.
    ///
    /// # Errors
    /// If there is none.
    pub(super) fn start() -> Result<Self> {
        let python = interpreter();
        let child = Command::new(&python)
            .args(["-m", "stratagram.worker"])
            // Nothing is imported from the working directory, which need not be trusted.
            .env("PYTHONSAFEPATH", "1")
            // glibc gives large blocks back and takes them again, page by page: up to 1.6× the time.
            .env("MALLOC_MMAP_THRESHOLD_", "1073741824")
            .env("MALLOC_TRIM_THRESHOLD_", "4294967296")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn();
        let mut child = child.map_err(|error| {
            let found =
                format!("finds no Python: {} cannot be run ({error})", python.display());
            install(Error::usage(ENGINE, found))
        })?;
        let requests = child.stdin.take().map(BufWriter::new);
        let (send, answers) = channel();
        let mut output = BufReader::new(child.stdout.take().expect("stdout is a pipe"));
        thread::spawn(move || {
            loop {
                let answer = frame::read(&mut output);
                let is_last = answer.is_err();
                if send.send(answer).is_err() || is_last {
                    break;
                }
            }
        });
        let messages = Arc::new(Mutex::new(VecDeque::new()));
        let listener = child.stderr.take().map(|errors| listen(errors, messages.clone()));
        Ok(Self { child, requests, answers, messages, listener })
    }

    /// Sends a request and waits for its answer.
    ///
    /// # Errors
    /// If the worker answers with one, dies, or keeps silent for an hour.
    pub(super) fn call(&mut self, request: Value, arrays: &NamedArrays) -> Result<Frame> {
        let Value::Object(header) = request else { unreachable!("requests are objects") };
        let what = header["do"].as_str().unwrap_or_default().to_owned();
        let sent = self.requests.as_mut().map(|to| frame::write(to, header, arrays));
        if !matches!(sent, Some(Ok(()))) {
            // Its last words say more than a broken pipe.
            return match self.answers.recv_timeout(Duration::from_secs(5)) {
                Ok(Ok((answer, _))) if answer.contains_key("error") => {
                    Err(refusal(&what, &answer))
                }
                _ => Err(self.death(&what)),
            };
        }
        match self.answers.recv_timeout(PATIENCE) {
            Ok(Ok((answer, _))) if answer.contains_key("error") => {
                Err(refusal(&what, &answer))
            }
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(_)) | Err(RecvTimeoutError::Disconnected) => Err(self.death(&what)),
            Err(RecvTimeoutError::Timeout) => {
                let found = format!("has not answered `{what}` for an hour");
                Err(Error::new(ErrorKind::Io, ENGINE, found).fix(AGAIN))
            }
        }
    }

    /// The error of a worker that is no more, with the end of what it said.
    fn death(&mut self, what: &str) -> Error {
        self.requests = None;
        let _ = self.child.kill(); // one that only closed its pipe
        let status = self.child.wait();
        if let Some(listener) = self.listener.take() {
            let _ = listener.join();
        }
        let said: Vec<String> =
            self.messages.lock().map_or_else(|_| vec![], |m| m.iter().cloned().collect());
        let status = status.map_or_else(|error| error.to_string(), |s| s.to_string());
        let said = if said.is_empty() { "nothing".into() } else { said.join("\n  ") };
        let found = format!("ended during `{what}` ({status}); it said:\n  {said}");
        let error = Error::new(ErrorKind::Io, ENGINE, found);
        if said.contains("No module named") { install(error) } else { error.fix(AGAIN) }
    }
}

const AGAIN: &str =
    "repeat the command: what was saved is intact, and it continues there";

impl Drop for Process {
    fn drop(&mut self) {
        // It ends when its input does; one that computes is not waited for.
        self.requests = None;
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// An answer that is an error.
fn refusal(what: &str, answer: &Map<String, Value>) -> Error {
    let text = |key: &str| answer.get(key).and_then(Value::as_str).unwrap_or_default();
    match text("kind") {
        "no-torch" => {
            install(Error::usage(ENGINE, format!("has no PyTorch: {}", text("error"))))
        }
        "memory" => Error::new(
            ErrorKind::Io,
            ENGINE,
            format!("ran out of the device's memory in `{what}`: {}", text("error")),
        )
        .fix("set engine.memory, train.batch_size or net.width lower"),
        _ => Error::usage(ENGINE, format!("cannot do `{what}`: {}", text("error"))),
    }
}

fn install(error: Error) -> Error {
    error.expected("a Python with PyTorch and the package stratagram").fix(format!(
        "pip install 'stratagram[torch]' there, or name another Python with {PYTHON}; \
         --engine native needs none"
    ))
}

/// Keeps the last lines of what the worker says.
fn listen(
    errors: impl Read + Send + 'static,
    messages: Arc<Mutex<VecDeque<String>>>,
) -> JoinHandle<()> {
    thread::spawn(move || {
        for line in BufReader::new(errors).lines().map_while(std::io::Result::ok) {
            let Ok(mut kept) = messages.lock() else { return };
            kept.push_back(line);
            if kept.len() > QUOTED {
                kept.pop_front();
            }
        }
    })
}

/// `STRATAGRAM_PYTHON`, the active environment's, or `python3`.
fn interpreter() -> PathBuf {
    if let Some(named) = std::env::var_os(PYTHON) {
        return named.into();
    }
    let inside = if cfg!(windows) { "Scripts/python.exe" } else { "bin/python" };
    let active = ["VIRTUAL_ENV", "CONDA_PREFIX"].into_iter().filter_map(std::env::var_os);
    let mut found = active.map(|root| Path::new(&root).join(inside));
    found.find(|path| path.exists()).unwrap_or_else(|| "python3".into())
}

/// PyTorch's version and the devices that it sees, one a word; or why there are none.
pub(in crate::engine) fn devices() -> Result<String> {
    let mut process = Process::start()?;
    let (answer, _) =
        process.call(json!({ "do": "devices" }), &NamedArrays::default())?;
    let version = answer["torch"].as_str().unwrap_or_default();
    let devices = answer["devices"].as_object().cloned().unwrap_or_default();
    let named = devices.into_iter().map(|(device, name)| match name.as_str() {
        Some(name) if name != device => format!("{device} ({name})"),
        _ => device,
    });
    Ok(format!("PyTorch {version} on {}", named.collect::<Vec<_>>().join(", ")))
}
