//! Which requests are answered: GET of two paths, by whoever holds the secret, under the name
//! that this server has. A page of another origin can do nothing here, also not when it has
//! made its own name point to this machine: the host's name is compared.

use std::io;

/// Bytes of a request's head at most.
pub(super) const MOST: usize = 8192;
/// Headers of a request at most.
const HEADERS: usize = 64;

/// What a request is answered with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    /// The page.
    Page,
    /// The stream of versions.
    Events,
    /// The cookie, and the address without the secret.
    Cookie,
    /// Nothing, with this status.
    Refused(u16),
}

/// What is refused: not understood, no right, not allowed, not there, not by this method, too
/// long.
const MALFORMED: Answer = Answer::Refused(400);
const NO_COOKIE: Answer = Answer::Refused(401);
const FORBIDDEN: Answer = Answer::Refused(403);
const MISSING: Answer = Answer::Refused(404);
const NO_METHOD: Answer = Answer::Refused(405);
pub(super) const TOO_LATE: Answer = Answer::Refused(408);
const MISDIRECTED: Answer = Answer::Refused(421);
pub(super) const TOO_LONG: Answer = Answer::Refused(431);

/// Two secrets of 256 bits in hexadecimal: one stands in the printed address, the other in the
/// cookie that it is exchanged for.
pub(super) struct Secret {
    pub(super) token: String,
    pub(super) cookie: String,
}

impl Secret {
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self { token: random()?, cookie: random()? })
    }
}

fn random() -> io::Result<String> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(io::Error::other)?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Who asks for what.
pub(super) struct Gate {
    pub(super) secret: Secret,
    pub(super) port: u16,
}

impl Gate {
    /// The name of the cookie; those of two runs differ.
    pub(super) fn cookie_name(&self) -> String {
        format!("stratagram-{}", self.port)
    }

    /// The answer to the head of a request; none while it is not whole.
    pub(super) fn answer(&self, head: &[u8]) -> Option<Answer> {
        let mut headers = [httparse::EMPTY_HEADER; HEADERS];
        let mut request = httparse::Request::new(&mut headers);
        match request.parse(head) {
            Ok(httparse::Status::Partial) if head.len() >= MOST => Some(TOO_LONG),
            Ok(httparse::Status::Partial) => None,
            Ok(httparse::Status::Complete(_)) => Some(self.answer_whole(&request)),
            Err(httparse::Error::TooManyHeaders) => Some(TOO_LONG),
            Err(_) => Some(MALFORMED),
        }
    }

    fn answer_whole(&self, request: &httparse::Request) -> Answer {
        let headers = Headers(request.headers);
        let (Some(method), Some(target)) = (request.method, request.path) else {
            return MALFORMED;
        };
        // A request without a body ends with its head; no other is read.
        let has_body = headers.all("transfer-encoding").next().is_some()
            || headers.all("content-length").any(|length| length != b"0");
        if has_body || !target.starts_with('/') {
            return MALFORMED;
        }
        if let Some(refused) = self.refuse_foreign(&headers) {
            return refused;
        }
        if method != "GET" {
            return NO_METHOD;
        }
        if let Some(token) = target.strip_prefix("/?token=") {
            let is_right = is_same(token.as_bytes(), self.secret.token.as_bytes());
            return if is_right { Answer::Cookie } else { FORBIDDEN };
        }
        match (self.holds_cookie(&headers), target) {
            (None, _) => NO_COOKIE,
            (Some(false), _) => FORBIDDEN,
            (Some(true), "/") => Answer::Page,
            (Some(true), "/events") => Answer::Events,
            (Some(true), _) => MISSING,
        }
    }

    /// Refuses what was meant for another host, or is sent by the page of another origin.
    fn refuse_foreign(&self, headers: &Headers) -> Option<Answer> {
        let names =
            ["127.0.0.1", "localhost"].map(|name| format!("{name}:{}", self.port));
        let is_ours = |host: &[u8]| names.iter().any(|name| name.as_bytes() == host);
        let mut hosts = headers.all("host");
        match (hosts.next(), hosts.next()) {
            (Some(host), None) if is_ours(host) => {}
            (Some(_), None) => return Some(MISDIRECTED),
            _ => return Some(MALFORMED),
        }
        let of_page =
            |origin: &[u8]| origin.strip_prefix(b"http://").is_some_and(is_ours);
        let of_site = |site: &[u8]| site == b"same-origin" || site == b"none";
        let is_foreign = !headers.all("origin").all(of_page)
            || !headers.all("sec-fetch-site").all(of_site);
        is_foreign.then_some(FORBIDDEN)
    }

    /// Whether the cookie of that name is the secret; none where there is no such cookie.
    fn holds_cookie(&self, headers: &Headers) -> Option<bool> {
        let name = format!("{}=", self.cookie_name());
        let cookies =
            headers.all("cookie").flat_map(|line| line.split(|byte| *byte == b';'));
        let mut own = cookies
            .filter_map(|cookie| cookie.trim_ascii().strip_prefix(name.as_bytes()));
        own.next().map(|value| is_same(value, self.secret.cookie.as_bytes()))
    }
}

struct Headers<'a>(&'a [httparse::Header<'a>]);

impl<'a> Headers<'a> {
    fn all(&self, name: &'static str) -> impl Iterator<Item = &'a [u8]> {
        let named = self.0.iter().filter(move |own| own.name.eq_ignore_ascii_case(name));
        named.map(|header| header.value)
    }
}

/// Compares in a time that tells nothing of where two texts differ.
fn is_same(given: &[u8], secret: &[u8]) -> bool {
    let differs = given.iter().zip(secret).fold(0, |found, (a, b)| found | (a ^ b));
    std::hint::black_box(differs) == 0 && given.len() == secret.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gate() -> Gate {
        Gate {
            secret: Secret { token: "a1b2".into(), cookie: "c3d4".into() },
            port: 8123,
        }
    }

    fn answer(head: &str) -> Option<Answer> {
        gate().answer(head.replace('\n', "\r\n").as_bytes())
    }

    #[test]
    fn the_secret_is_exchanged_for_a_cookie_that_opens_two_paths() {
        let own = "Host: 127.0.0.1:8123\nCookie: x=1; stratagram-8123=c3d4\n\n";
        assert_eq!(answer(&format!("GET / HTTP/1.1\n{own}")), Some(Answer::Page));
        assert_eq!(answer(&format!("GET /events HTTP/1.1\n{own}")), Some(Answer::Events));
        assert_eq!(answer(&format!("GET /x HTTP/1.1\n{own}")), Some(MISSING));
        let first = "GET /?token=a1b2 HTTP/1.1\nHost: localhost:8123\n\n";
        assert_eq!(answer(first), Some(Answer::Cookie));
        assert_eq!(answer("GET / HTTP/1.1\nHost: localhost:8123\n\n"), Some(NO_COOKIE));
        assert_eq!(answer("GET / HTTP/1.1\nHost: local"), None);
    }

    #[test]
    fn secrets_differ_and_are_compared_whole() {
        let (a, b) = (Secret::new().unwrap(), Secret::new().unwrap());
        assert!(a.token.len() == 64 && a.token != b.token && a.token != a.cookie);
        assert!(is_same(b"abc", b"abc"));
        for other in [&b""[..], b"ab", b"abd", b"abcd"] {
            assert!(!is_same(other, b"abc"), "{other:?}");
        }
    }
}
