//! One file from the network: resumed where it broke off, and never under its name before
//! its checksum is right.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::http::Address;
use crate::data::RemoteFile;
use crate::disk::open_own;
use crate::error::{Error, ErrorKind, Result};
use crate::observer::{Observer, Progress};

/// Connections in a row that bring nothing before a download is given up.
const FRUITLESS: usize = 3;
const BLOCK: usize = 1 << 16;

/// What was necessary.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Download {
    /// The file was there.
    There,
    /// The file came from the network.
    Got,
}

/// A file of the network, and what is known of it before it is here.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wanted<'a> {
    /// In messages.
    pub(crate) name: &'a str,
    pub(crate) address: Address<'a>,
    pub(crate) bytes: u64,
    /// In hexadecimal; nothing where the server does not say it.
    pub(crate) sha256: Option<&'a str>,
}

/// Gets `file` from `url` to `path`. What an earlier attempt got stays in `path`.part and is not
/// asked for again.
///
/// # Errors
/// If the server cannot be reached, sends something other than the file, or the file's length
/// or checksum is wrong (then the part is removed); `Interrupted` if the observer asks to
/// stop; if the operating system refuses.
pub fn download(
    file: &RemoteFile,
    url: &str,
    path: &Path,
    observer: &dyn Observer,
) -> Result<Download> {
    let RemoteFile { name, bytes, sha256, .. } = *file;
    let address = Address { url, token: None };
    obtain(Wanted { name, address, bytes, sha256: Some(sha256) }, path, observer)
}

/// [`download`] of a file of which less is known.
pub(crate) fn obtain(
    file: Wanted<'_>,
    path: &Path,
    observer: &dyn Observer,
) -> Result<Download> {
    if path.exists() {
        return match file.differs(path)? {
            None => Ok(Download::There),
            Some((_, expected)) => {
                Err(Error::data(path, "is there, but not as published")
                    .expected(expected)
                    .fix("remove it to download it again"))
            }
        };
    }
    let folder = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder)
        .map_err(|error| Error::io(folder, "cannot be made", error))?;
    let part = part_of(path);
    let _lock = lock(&part)?;
    if path.exists() {
        // Another process has just got it.
        return obtain(file, path, observer);
    }
    fill(file, &part, observer)?;
    if let Some((found, expected)) = file.differs(&part)? {
        let _ = fs::remove_file(&part);
        let _ = fs::remove_file(lock_of(&part));
        return Err(Error::new(
            ErrorKind::Data,
            file.address.url,
            format!("has {found}"),
        )
        .expected(expected)
        .fix("the file there is another one; it was removed here"));
    }
    fs::rename(&part, path)
        .map_err(|error| Error::io(path, "cannot be written", error))?;
    let _ = fs::remove_file(lock_of(&part));
    Ok(Download::Got)
}

impl Wanted<'_> {
    /// What of the file at `path` is otherwise, and how it is published.
    fn differs(&self, path: &Path) -> Result<Option<(String, String)>> {
        let (found, expected) = match self.sha256 {
            Some(expected) => (sha256(path)?, expected.to_owned()),
            None => (length(path).to_string(), self.bytes.to_string()),
        };
        let what = if self.sha256.is_some() { "SHA-256" } else { "a length of" };
        let differs = found != expected;
        Ok(differs.then(|| (format!("{what} {found}"), format!("{what} {expected}"))))
    }
}

/// Connects again and again until `part` has the file's length.
fn fill(file: Wanted<'_>, part: &Path, observer: &dyn Observer) -> Result<()> {
    let url = file.address.url;
    let mut fruitless = 0;
    let mut had = length(part);
    while had < file.bytes {
        let outcome = transfer(file, part, observer);
        let has = length(part);
        fruitless = if has > had { 0 } else { fruitless + 1 };
        had = has;
        match outcome {
            Err(error) if error.kind() == ErrorKind::Interrupted => return Err(error),
            Err(error) if fruitless >= FRUITLESS || error.kind() != ErrorKind::Io => {
                return Err(error);
            }
            Err(error) => observer.note(&format!("{error}; trying again")),
            Ok(()) if had < file.bytes => {
                observer.note(&format!("{url} broke off at byte {had}; going on there"));
                if fruitless >= FRUITLESS {
                    let end = std::io::ErrorKind::UnexpectedEof.into();
                    return Err(Error::io(part, "gets no more", end));
                }
            }
            Ok(()) => {}
        }
    }
    Ok(())
}

/// The right to fill a part, until the value is dropped.
fn lock(part: &Path) -> Result<File> {
    let name = lock_of(part);
    let cannot = |error| Error::io(&name, "cannot be locked", error);
    let lock = open_own(OpenOptions::new().write(true), &name).map_err(cannot)?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::Error(error)) => Err(cannot(error)),
        Err(TryLockError::WouldBlock) => {
            let found = "is being downloaded by another process";
            Err(Error::new(ErrorKind::Busy, part.display().to_string(), found)
                .fix("wait until it ends"))
        }
    }
}

fn lock_of(part: &Path) -> PathBuf {
    part.with_extension("lock")
}

fn part_of(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".part");
    path.with_file_name(name)
}

fn length(path: &Path) -> u64 {
    fs::metadata(path).map_or(0, |metadata| metadata.len())
}

/// One connection: appends to `part` what the server sends, at most to the file's length.
fn transfer(file: Wanted<'_>, part: &Path, observer: &dyn Observer) -> Result<()> {
    let url = file.address.url;
    let failed = |found: String| {
        let error = std::io::Error::other(found);
        Error::io(Path::new(url), "cannot be fetched", error).fix(format!(
            "without a network: copy the file to {}",
            part.with_extension("").display()
        ))
    };
    let had = length(part);
    let response = file.address.get(had).map_err(|error| failed(error.to_string()))?;
    let range = response.headers().get("content-range").and_then(|v| v.to_str().ok());
    let goes_on = range.is_some_and(|range| range.starts_with(&format!("bytes {had}-")));
    let start = match response.status().as_u16() {
        206 if goes_on => had,
        200 => 0,
        // The part is of another file.
        206 | 416 => {
            let _ = fs::remove_file(part);
            return Err(failed(format!("no bytes from {had} on")));
        }
        status => {
            return Err(Error::new(ErrorKind::Data, url, format!("answers {status}"))
                .expected("200, the file")
                .fix(format!("get {} by other means", file.name)));
        }
    };
    let mut output = open_at(part, start)?;
    let mut body = response.into_body().into_reader().take(file.bytes - start + 1);
    copy(&mut body, &mut output, file, start, observer).map_err(|error| match error {
        Failure::Read(error) => failed(error.to_string()),
        other => other.of(file, part),
    })
}

/// Opens the part to write from `start` on.
fn open_at(part: &Path, start: u64) -> Result<File> {
    let opened = open_own(OpenOptions::new().append(true), part);
    let opened = opened.and_then(|file| {
        if start == 0 {
            file.set_len(0)?;
        }
        Ok(file)
    });
    opened.map_err(|error| Error::io(part, "cannot be written", error))
}

/// Why a connection brought less than the file.
enum Failure {
    Read(std::io::Error),
    Write(std::io::Error),
    Stopped,
    TooLong,
}

impl Failure {
    fn of(self, file: Wanted<'_>, part: &Path) -> Error {
        let url = file.address.url;
        match self {
            Self::Read(error) => Error::io(Path::new(url), "cannot be fetched", error),
            Self::Write(error) => Error::io(part, "cannot be written", error),
            Self::Stopped => Error::new(
                ErrorKind::Interrupted,
                "the download",
                "stopped; its part stays",
            ),
            Self::TooLong => {
                let _ = fs::remove_file(part);
                let found = format!("is longer than {}", file.bytes);
                Error::new(ErrorKind::Data, url, found)
                    .expected(format!("the published file of {} bytes", file.bytes))
            }
        }
    }
}

fn copy(
    body: &mut impl Read,
    output: &mut File,
    file: Wanted<'_>,
    start: u64,
    observer: &dyn Observer,
) -> std::result::Result<(), Failure> {
    let mut block = vec![0; BLOCK];
    let mut done = start;
    loop {
        if observer.should_stop() {
            return Err(Failure::Stopped);
        }
        let n = body.read(&mut block).map_err(Failure::Read)?;
        if n == 0 {
            return output.sync_all().map_err(Failure::Write);
        }
        done += n as u64;
        if done > file.bytes {
            return Err(Failure::TooLong);
        }
        output.write_all(&block[..n]).map_err(Failure::Write)?;
        observer.progress(&Progress {
            stage: "fetch",
            done,
            total: file.bytes,
            detail: file.name.to_owned(),
        });
    }
}

/// SHA-256 of a file, in hexadecimal.
fn sha256(path: &Path) -> Result<String> {
    let cannot = |error| Error::io(path, "cannot be read", error);
    let mut file = File::open(path).map_err(cannot)?;
    let mut hash = Sha256::new();
    let mut block = vec![0; BLOCK];
    loop {
        match file.read(&mut block).map_err(cannot)? {
            0 => break,
            n => hash.update(&block[..n]),
        }
    }
    Ok(hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observer::Silent;
    use std::io::{BufRead, BufReader};
    use std::net::{TcpListener, TcpStream};
    use std::sync::{Arc, Mutex};

    const N: usize = 300_000;

    fn content() -> Vec<u8> {
        (0..N).map(|i| (i * i % 251) as u8).collect()
    }

    fn remote() -> RemoteFile {
        let sha256: String =
            Sha256::digest(content()).iter().map(|byte| format!("{byte:02x}")).collect();
        RemoteFile {
            name: "file.gz",
            url: "",
            bytes: N as u64,
            sha256: Box::leak(sha256.into_boxed_str()),
        }
    }

    /// How a server answers one request.
    #[derive(Clone, Copy)]
    enum Answer {
        /// The range asked for, but no more than this many bytes before it hangs up.
        Range(usize),
        /// Everything, whatever was asked for.
        Whole,
        Status(u16),
        /// Endless zeros.
        Endless,
    }

    /// A server on the loopback device that gives these answers in turn; with the first bytes
    /// that were asked for.
    fn serve(answers: &'static [Answer]) -> (String, Arc<Mutex<Vec<usize>>>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/file.gz", listener.local_addr().unwrap());
        let starts = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&starts);
        std::thread::spawn(move || {
            for (stream, answer) in listener.incoming().zip(answers) {
                let _ = reply(stream.unwrap(), *answer, &seen);
            }
        });
        (url, starts)
    }

    fn reply(
        mut stream: TcpStream,
        answer: Answer,
        starts: &Mutex<Vec<usize>>,
    ) -> std::io::Result<()> {
        let mut start = 0;
        for line in BufReader::new(stream.try_clone()?).lines() {
            let line = line?.to_ascii_lowercase();
            if let Some(range) = line.strip_prefix("range: bytes=") {
                start = range.trim_end_matches('-').parse().unwrap();
            }
            if line.is_empty() {
                break;
            }
        }
        starts.lock().unwrap().push(start);
        let content = content();
        let mut head = |status: &str, headers: &str| {
            write!(stream, "HTTP/1.1 {status}\r\nConnection: close\r\n{headers}\r\n")
        };
        match answer {
            Answer::Status(status) => {
                head(&format!("{status} No"), "Content-Length: 0\r\n")
            }
            Answer::Whole => {
                head("200 OK", &format!("Content-Length: {N}\r\n"))?;
                stream.write_all(&content)
            }
            Answer::Endless => {
                head("200 OK", "")?;
                loop {
                    stream.write_all(&[0; 4096])?;
                }
            }
            Answer::Range(most) => {
                let status = if start > 0 { "206 Partial Content" } else { "200 OK" };
                let range = format!(
                    "Content-Length: {}\r\nContent-Range: bytes {start}-{}/{N}\r\n",
                    N - start,
                    N - 1
                );
                head(status, &range)?;
                stream.write_all(&content[start..N.min(start + most)])
            }
        }
    }

    fn target() -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("set/file.gz");
        (folder, path)
    }

    #[test]
    fn a_broken_download_goes_on_where_it_broke() {
        let (url, starts) =
            serve(&[Answer::Range(100_000), Answer::Range(50_000), Answer::Range(N)]);
        let (_folder, path) = target();
        assert_eq!(download(&remote(), &url, &path, &Silent).unwrap(), Download::Got);
        assert_eq!(fs::read(&path).unwrap(), content());
        assert_eq!(*starts.lock().unwrap(), [0, 100_000, 150_000]);
        assert!(!part_of(&path).exists());
        // A second call asks nobody.
        let again = download(&remote(), "http://127.0.0.1:9/", &path, &Silent);
        assert_eq!(again.unwrap(), Download::There);
    }

    #[test]
    fn a_part_of_an_earlier_process_is_used_and_a_server_without_ranges_starts_over() {
        let (url, starts) = serve(&[Answer::Range(N), Answer::Whole]);
        for _ in 0..2 {
            let (_folder, path) = target();
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(part_of(&path), &content()[..1234]).unwrap();
            download(&remote(), &url, &path, &Silent).unwrap();
            assert_eq!(fs::read(&path).unwrap(), content());
        }
        assert_eq!(*starts.lock().unwrap(), [1234, 1234]);
    }

    #[test]
    fn another_file_is_refused_and_removed() {
        let (url, _) = serve(&[Answer::Whole, Answer::Endless, Answer::Status(404)]);
        let (_folder, path) = target();
        let other = RemoteFile { sha256: "00", ..remote() };
        let refused = |file: &RemoteFile| {
            let error = download(file, &url, &path, &Silent).unwrap_err();
            assert!(!path.exists() && !part_of(&path).exists(), "{error}");
            assert!(error.to_string().starts_with(&url), "{error}");
            error.to_string()
        };
        assert!(refused(&other).contains("has SHA-256"));
        assert!(refused(&remote()).contains("longer than 300000"));
        assert!(refused(&remote()).contains("answers 404"));
    }

    #[test]
    fn without_a_network_the_error_says_what_to_do() {
        let (_folder, path) = target();
        let error = download(&remote(), "http://127.0.0.1:9/file.gz", &path, &Silent)
            .unwrap_err();
        assert!(error.help().unwrap().contains("without a network"), "{error}");
    }

    #[test]
    fn a_stopped_download_keeps_its_part() {
        struct Stop(Mutex<usize>);
        impl Observer for Stop {
            fn progress(&self, _: &Progress) {}
            fn note(&self, _: &str) {}
            fn should_stop(&self) -> bool {
                let mut calls = self.0.lock().unwrap();
                *calls += 1;
                *calls > 2
            }
        }
        let (url, _) = serve(&[Answer::Whole]);
        let (_folder, path) = target();
        let error = download(&remote(), &url, &path, &Stop(Mutex::new(0))).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Interrupted);
        let part = fs::read(part_of(&path)).unwrap();
        assert!(!part.is_empty() && part[..] == content()[..part.len()]);
    }

    #[test]
    fn of_two_processes_one_fetches_and_the_other_is_told() {
        let (url, starts) = serve(&[Answer::Whole]);
        let (_folder, path) = target();
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let held = lock(&part_of(&path)).unwrap();
        let error = download(&remote(), &url, &path, &Silent).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Busy);
        assert!(error.to_string().contains("another process"), "{error}");
        assert!(starts.lock().unwrap().is_empty(), "the server was asked");
        drop(held);
        download(&remote(), &url, &path, &Silent).unwrap();
        assert_eq!(fs::read(&path).unwrap(), content());
    }

    #[cfg(unix)]
    #[test]
    fn links_are_not_followed() {
        for of in [part_of, |path: &Path| lock_of(&part_of(path))] {
            let (url, _) = serve(&[Answer::Whole; 9]);
            let (folder, path) = target();
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            let theirs = folder.path().join("theirs");
            fs::write(&theirs, "theirs").unwrap();
            std::os::unix::fs::symlink(&theirs, of(&path)).unwrap();
            let error = download(&remote(), &url, &path, &Silent).unwrap_err();
            assert!(error.to_string().contains("link"), "{error}");
            assert_eq!(fs::read_to_string(&theirs).unwrap(), "theirs");
            assert!(!path.exists());
        }
    }
}
