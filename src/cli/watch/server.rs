//! A server for one page: a thread per connection, one request each, with limits of time, size
//! and number.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::request::{Answer, Gate, MOST, Secret, TOO_LATE, TOO_LONG};
use super::work::Shared;

/// Between two looks for a connection.
const PAUSE: Duration = Duration::from_millis(20);
/// A request has this long to arrive, a write to be taken.
const PATIENCE: Duration = Duration::from_secs(5);
/// What is left of a refused request has this long to arrive.
const DRAIN: Duration = Duration::from_millis(200);
/// Between two signs of life in a stream of events.
const HEARTBEAT: Duration = Duration::from_secs(10);
/// Connections at a time, and streams among them.
const MOST_CONNECTIONS: usize = 64;
const MOST_STREAMS: usize = 16;

/// Sent with every answer: nothing is kept, shown inside another page, or sent on.
const HEADERS: &str = "Connection: close\r\nCache-Control: no-store\r\n\
    X-Content-Type-Options: nosniff\r\nX-Frame-Options: DENY\r\n\
    Referrer-Policy: no-referrer\r\nCross-Origin-Resource-Policy: same-origin\r\n\
    Cross-Origin-Opener-Policy: same-origin\r\n";

/// A server on this machine's own address, at a port that the system chooses.
pub(super) struct Server {
    listener: TcpListener,
    gate: Gate,
    connections: AtomicUsize,
    streams: AtomicUsize,
}

impl Server {
    pub(super) fn bind(secret: Secret) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        listener.set_nonblocking(true)?;
        let port = listener.local_addr()?.port();
        Ok(Self {
            listener,
            gate: Gate { secret, port },
            connections: AtomicUsize::new(0),
            streams: AtomicUsize::new(0),
        })
    }

    pub(super) fn port(&self) -> u16 {
        self.gate.port
    }

    /// The address with its secret.
    pub(super) fn address(&self) -> String {
        format!("http://127.0.0.1:{}/?token={}", self.port(), self.gate.secret.token)
    }

    /// Answers until `should_stop` says so; streams end then, too.
    pub(super) fn serve(&self, shared: &Shared, should_stop: &(dyn Fn() -> bool + Sync)) {
        thread::scope(|scope| {
            while !should_stop() {
                let Ok((stream, _)) = self.listener.accept() else {
                    thread::sleep(PAUSE);
                    continue;
                };
                let Some(place) = Place::take(&self.connections, MOST_CONNECTIONS) else {
                    let _ = refuse(&stream, 503);
                    continue;
                };
                scope.spawn(move || {
                    let _place = place;
                    // A reader that has gone away is no error of the server.
                    let _ = self.answer(&stream, shared, should_stop);
                });
            }
        });
    }

    fn answer(
        &self,
        mut stream: &TcpStream,
        shared: &Shared,
        should_stop: &dyn Fn() -> bool,
    ) -> io::Result<()> {
        stream.set_nonblocking(false)?;
        stream.set_write_timeout(Some(PATIENCE))?;
        match self.read(stream)? {
            Answer::Refused(status) => {
                refuse(stream, status)?;
                drain(stream)
            }
            Answer::Page => {
                let page = shared.page();
                let head = format!(
                    "HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\n\
                     Content-Length: {}\r\n{HEADERS}\r\n",
                    page.len()
                );
                stream.write_all(head.as_bytes())?;
                stream.write_all(page.as_bytes())
            }
            Answer::Cookie => {
                let head = format!(
                    "HTTP/1.1 303 See Other\r\nLocation: /\r\n\
                     Set-Cookie: {}={}; HttpOnly; SameSite=Strict; Path=/\r\n\
                     Content-Length: 0\r\n{HEADERS}\r\n",
                    self.gate.cookie_name(),
                    self.gate.secret.cookie
                );
                stream.write_all(head.as_bytes())
            }
            Answer::Events => match Place::take(&self.streams, MOST_STREAMS) {
                None => refuse(stream, 503),
                Some(_place) => send_versions(stream, shared, should_stop),
            },
        }
    }

    /// The answer to the request that arrives, at the latest when its time is over.
    fn read(&self, mut stream: &TcpStream) -> io::Result<Answer> {
        let begun = Instant::now();
        let (mut head, mut part) = (Vec::new(), [0; 1024]);
        loop {
            let Some(left) = PATIENCE.checked_sub(begun.elapsed()) else {
                return Ok(TOO_LATE);
            };
            stream.set_read_timeout(Some(left.max(PAUSE)))?;
            match stream.read(&mut part) {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(n) => head.extend_from_slice(&part[..n]),
                Err(error)
                    if matches!(
                        error.kind(),
                        ErrorKind::WouldBlock | ErrorKind::TimedOut
                    ) =>
                {
                    return Ok(TOO_LATE);
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
            if head.len() > MOST {
                return Ok(TOO_LONG);
            }
            if let Some(answer) = self.gate.answer(&head) {
                return Ok(answer);
            }
        }
    }
}

/// The versions of the page as they come, until the reader has gone.
fn send_versions(
    mut stream: &TcpStream,
    shared: &Shared,
    should_stop: &dyn Fn() -> bool,
) -> io::Result<()> {
    let head =
        format!("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n{HEADERS}\r\n");
    stream.write_all(head.as_bytes())?;
    let (mut sent, mut at) = (None, Instant::now());
    while !should_stop() {
        let version = shared.wait_for_other(sent);
        if sent != Some(version) {
            stream.write_all(format!("data: {version}\n\n").as_bytes())?;
            (sent, at) = (Some(version), Instant::now());
        } else if at.elapsed() > HEARTBEAT {
            stream.write_all(b":\n\n")?;
            at = Instant::now();
        }
    }
    Ok(())
}

fn refuse(mut stream: &TcpStream, status: u16) -> io::Result<()> {
    let reason = match status {
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        421 => "Misdirected Request",
        431 => "Request Header Fields Too Large",
        _ => "Service Unavailable",
    };
    let allow = if status == 405 { "Allow: GET\r\n" } else { "" };
    let head = format!(
        "HTTP/1.1 {status} {reason}\r\nContent-Type: text/plain\r\n\
         Content-Length: {}\r\n{allow}{HEADERS}\r\n{reason}\n",
        reason.len() + 1
    );
    stream.write_all(head.as_bytes())
}

/// Reads what is left of a refused request, within limits: the system takes an answer back that
/// is sent while there is something unread.
fn drain(mut stream: &TcpStream) -> io::Result<()> {
    stream.shutdown(Shutdown::Write)?;
    stream.set_read_timeout(Some(DRAIN))?;
    let mut part = [0; MOST];
    for _ in 0..8 {
        if stream.read(&mut part)? == 0 {
            break;
        }
    }
    Ok(())
}

/// One of a limited number, given back when it is dropped.
struct Place<'a>(&'a AtomicUsize);

impl<'a> Place<'a> {
    fn take(taken: &'a AtomicUsize, most: usize) -> Option<Self> {
        if taken.fetch_add(1, Ordering::SeqCst) < most {
            return Some(Self(taken));
        }
        taken.fetch_sub(1, Ordering::SeqCst);
        None
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}
