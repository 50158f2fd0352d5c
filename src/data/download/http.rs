//! Requests over HTTP and HTTPS: time-outs, cryptography in Rust alone, and a token that only the
//! first server sees.

use std::time::Duration;

use ureq::Error;

/// A server that says nothing for this long is given up.
const SILENCE: Duration = Duration::from_secs(30);

/// An answer, whose body is still to be read.
pub(crate) type Response = ureq::http::Response<ureq::Body>;

/// Where something is asked for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Address<'a> {
    pub(crate) url: &'a str,
    /// Who asks; servers that the first one redirects to do not see it.
    pub(crate) token: Option<&'a str>,
}

impl Address<'_> {
    /// Asks for the bytes from `from` on, following redirections.
    pub(crate) fn get(&self, from: u64) -> Result<Response, Error> {
        let mut request = self.agent(10).get(self.url);
        if from > 0 {
            request = request.header("Range", format!("bytes={from}-"));
        }
        if let Some(token) = self.token {
            request = request.header("Authorization", format!("Bearer {token}"));
        }
        request.call()
    }

    /// Asks for the headers alone, which may be those of a redirection.
    pub(crate) fn head(&self) -> Result<Response, Error> {
        let mut request = self.agent(0).head(self.url);
        if let Some(token) = self.token {
            request = request.header("Authorization", format!("Bearer {token}"));
        }
        request.call()
    }

    fn agent(&self, redirections: u32) -> ureq::Agent {
        let cryptography = std::sync::Arc::new(rustls_graviola::default_provider());
        let tls = ureq::tls::TlsConfig::builder()
            .unversioned_rustls_crypto_provider(cryptography)
            .build();
        ureq::Agent::config_builder()
            .tls_config(tls)
            .timeout_connect(Some(SILENCE))
            .timeout_recv_response(Some(SILENCE))
            .timeout_per_read(Some(SILENCE))
            .max_redirects(redirections)
            // A redirection from https leads to https.
            .https_only(self.url.starts_with("https://"))
            .http_status_as_error(false)
            .build()
            .into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn https_stays_https_and_no_silence_lasts() {
        for (url, is_https_only) in [("https://a.b/c", true), ("http://a.b/c", false)] {
            let agent = Address { url, token: None }.agent(10);
            let config = agent.config();
            assert_eq!(config.https_only(), is_https_only, "{url}");
            let timeouts = config.timeouts();
            for limit in
                [timeouts.connect, timeouts.recv_response, config.timeout_per_read()]
            {
                assert_eq!(limit, Some(SILENCE));
            }
        }
    }
}
