//! The server's HTTP interface, as the command line uses it.

mod credentials;
mod later;
mod submit;

use std::io::Read;
use std::time::Duration;

use schemas::limits::{ANSWER_BYTES_MAX, TAIL_HEARTBEAT_S};
use serde_json::Value as Json;
use ureq::http::header::RETRY_AFTER;
use ureq::http::{Response, Uri};
use ureq::tls::{RootCerts, TlsConfig};
use ureq::{Agent, Body, RequestBuilder};

pub(crate) use credentials::{Bearer, CredentialError, authorities_in, token_in};
pub(crate) use later::Made;

/// The header without which the server changes nothing.
const ADMIN_HEADER: &str = "X-Sworn-Admin";
/// How long connecting may take.
const CONNECT: Duration = Duration::from_secs(5);
/// How long an answer may take to begin.
const ANSWER: Duration = Duration::from_secs(60);
/// Silence after which an open stream counts as lost: two heartbeats and some.
const SILENCE: Duration = Duration::from_secs(TAIL_HEARTBEAT_S * 2 + 5);

/// Why a request has no answer, or not the one hoped for.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ClientError {
    /// The address is none.
    #[error("{url:?} is no address of a server; write http://127.0.0.1:7420")]
    Address {
        /// What was given.
        url: String,
    },
    /// A token would travel in the clear.
    #[error("a token is sent over https or to this machine alone, not to {url}")]
    Insecure {
        /// The address.
        url: String,
    },
    /// No connection, or no answer in time.
    #[error("{url} cannot be reached")]
    Unreachable {
        /// The server.
        url: String,
        /// Why.
        #[source]
        source: Box<ureq::Error>,
    },
    /// The answer ended too soon.
    #[error("the answer of {url} broke off")]
    BrokeOff {
        /// The server.
        url: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The server said no, and why.
    #[error("{title}: {detail}")]
    Problem {
        /// HTTP status.
        status: u16,
        /// What kind of problem.
        title: String,
        /// This one.
        detail: String,
        /// When to ask again, in seconds, where the server says so.
        after_s: Option<u64>,
    },
    /// Not what this path answers.
    #[error("the answer to {path} is not {expected}")]
    Answer {
        /// What was asked.
        path: String,
        /// What was expected.
        expected: &'static str,
    },
}

/// A server at one address.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    base: String,
    agent: Agent,
    bearer: Option<Bearer>,
}

impl Client {
    /// The server at `url`, which is not asked anything yet.
    ///
    /// # Errors
    /// [`ClientError::Address`].
    pub(crate) fn new(url: &str) -> Result<Self, ClientError> {
        Self::with(url, None, None)
    }

    /// The same, to which the token is shown, and which is known by these authorities, else by public ones.
    ///
    /// # Errors
    /// [`ClientError::Address`], [`ClientError::Insecure`].
    pub(crate) fn with(
        url: &str,
        bearer: Option<Bearer>,
        authorities: Option<RootCerts>,
    ) -> Result<Self, ClientError> {
        let base = url.trim_end_matches('/').to_owned();
        let uri = base.parse::<Uri>().ok().filter(|uri| {
            matches!(uri.scheme_str(), Some("http" | "https")) && uri.query().is_none()
        });
        let Some(host) = uri.as_ref().and_then(Uri::host) else {
            return Err(ClientError::Address { url: without_password(url) });
        };
        let is_https = uri.as_ref().and_then(Uri::scheme_str) == Some("https");
        if bearer.is_some() && !is_https && !is_loopback(host) {
            return Err(ClientError::Insecure { url: without_password(url) });
        }
        let mut config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .timeout_connect(Some(CONNECT))
            .timeout_recv_response(Some(ANSWER))
            .timeout_per_read(Some(SILENCE))
            .user_agent(concat!("sworn/", env!("CARGO_PKG_VERSION")));
        if let Some(authorities) = authorities {
            config = config.tls_config(TlsConfig::builder().root_certs(authorities).build());
        }
        if is_loopback(host) {
            // Whatever proxy the environment names, it is not the way to this machine.
            config = config.proxy(None);
        }
        Ok(Self { base, agent: config.build().new_agent(), bearer })
    }

    /// JSON from `path`.
    ///
    /// # Errors
    /// [`ClientError`].
    pub(crate) fn json(&self, path: &str, query: &[(&str, &str)]) -> Result<Json, ClientError> {
        let bytes = self.bytes(path, query, "application/json")?;
        serde_json::from_slice(&bytes).map_err(|_syntax| answer(path, "JSON"))
    }

    /// Bytes from `path`, in the media type `accept`.
    ///
    /// # Errors
    /// [`ClientError`].
    pub(crate) fn bytes(
        &self,
        path: &str,
        query: &[(&str, &str)],
        accept: &str,
    ) -> Result<Vec<u8>, ClientError> {
        let request = self.bearing(self.agent.get(self.url(path))).header("Accept", accept);
        let pairs = query.iter().copied();
        self.read(path, request.query_pairs(pairs).call())
    }

    /// Changes something: `POST` without a body.
    ///
    /// # Errors
    /// [`ClientError`].
    pub(crate) fn post(&self, path: &str) -> Result<Json, ClientError> {
        let request = self.bearing(self.agent.post(self.url(path))).header(ADMIN_HEADER, "1");
        let bytes = self.read(path, request.send_empty())?;
        serde_json::from_slice(&bytes).map_err(|_syntax| answer(path, "JSON"))
    }

    /// Removes something.
    ///
    /// # Errors
    /// [`ClientError`].
    pub(crate) fn delete(&self, path: &str) -> Result<(), ClientError> {
        let request = self.bearing(self.agent.delete(self.url(path))).header(ADMIN_HEADER, "1");
        self.read(path, request.call()).map(|_empty| ())
    }

    /// Opens a stream of server-sent events; `None` where the server says that nothing more will come.
    ///
    /// Reading fails after [`SILENCE`], which a living server breaks with heartbeats.
    ///
    /// # Errors
    /// [`ClientError`].
    pub(crate) fn stream(
        &self,
        path: &str,
        query: &[(&str, &str)],
        last_id: Option<&str>,
    ) -> Result<Option<Box<dyn Read + Send>>, ClientError> {
        let request = self.bearing(self.agent.get(self.url(path)));
        let mut request = request.header("Accept", "text/event-stream");
        if let Some(id) = last_id {
            request = request.header("Last-Event-ID", id);
        }
        let response = self.answered(request.query_pairs(query.iter().copied()).call())?;
        if response.status() == 204 {
            return Ok(None);
        }
        let response = self.successful(path, response)?;
        if response.body().mime_type() != Some("text/event-stream") {
            return Err(answer(path, "a stream of events"));
        }
        Ok(Some(Box::new(response.into_body().into_reader())))
    }

    /// A stream's failure in the middle.
    pub(crate) fn broke_off(&self, source: std::io::Error) -> ClientError {
        ClientError::BrokeOff { url: without_password(&self.base), source }
    }

    fn bearing<B>(&self, request: RequestBuilder<B>) -> RequestBuilder<B> {
        match &self.bearer {
            Some(bearer) => request.header("Authorization", bearer.header().as_str()),
            None => request,
        }
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    fn answered(
        &self,
        result: Result<Response<Body>, ureq::Error>,
    ) -> Result<Response<Body>, ClientError> {
        result.map_err(|source| ClientError::Unreachable {
            url: without_password(&self.base),
            source: Box::new(source),
        })
    }

    fn read(
        &self,
        path: &str,
        result: Result<Response<Body>, ureq::Error>,
    ) -> Result<Vec<u8>, ClientError> {
        let response = self.successful(path, self.answered(result)?)?;
        self.content(response)
    }

    fn content(&self, response: Response<Body>) -> Result<Vec<u8>, ClientError> {
        let body = response.into_body().into_with_config().limit(ANSWER_BYTES_MAX);
        body.read_to_vec().map_err(|error| self.broke_off(error.into_io()))
    }

    fn successful(
        &self,
        path: &str,
        response: Response<Body>,
    ) -> Result<Response<Body>, ClientError> {
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        let after_s = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok());
        let after_s = after_s.and_then(|seconds| seconds.parse().ok());
        let problem: Option<Json> = serde_json::from_slice(&self.content(response)?).ok();
        let text = |name: &str| problem.as_ref()?.get(name)?.as_str().map(str::to_owned);
        Err(ClientError::Problem {
            status: status.as_u16(),
            title: text("title").unwrap_or_else(|| format!("{status}")),
            detail: text("detail").unwrap_or_else(|| path.to_owned()),
            after_s,
        })
    }
}

fn answer(path: &str, expected: &'static str) -> ClientError {
    ClientError::Answer { path: path.to_owned(), expected }
}

/// Whether a host of an address is this machine.
pub(crate) fn is_loopback(host: &str) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost")
        || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// An address as it may be shown.
pub(crate) fn without_password(url: &str) -> String {
    match (url.split_once("://"), url.rsplit_once('@')) {
        (Some((scheme, _)), Some((_, host))) => format!("{scheme}://{host}"),
        _ => url.to_owned(),
    }
}

/// A segment of a path, with everything encoded that could end it or mean something else in it.
pub(crate) fn segment(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'~');
    text.bytes().fold(String::with_capacity(text.len()), |mut path, byte| {
        if plain(byte) {
            path.push(char::from(byte));
        } else {
            path.push_str(&format!("%{byte:02X}"));
        }
        path
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

    use super::*;
    use crate::scripted::server;

    #[test]
    fn an_answer_is_json_or_a_problem() {
        let (url, asked) = server(vec![
            "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 7\r\n\r\n{\"a\":1}",
            "HTTP/1.1 404 Not Found\r\nConnection: close\r\nContent-Length: 33\r\n\r\n{\"title\":\"Gone\",\"detail\":\"it is\"}",
            "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 3\r\n\r\n<p>",
            "HTTP/1.1 201 Created\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}",
        ]);
        let client = Client::new(&format!("{url}/")).unwrap();
        let json = client.json("/api/v1/entries", &[("q", "agent:a* \"b c\"")]).unwrap();
        assert_eq!(json, serde_json::json!({ "a": 1 }));
        match client.json("/x", &[]) {
            Err(ClientError::Problem { status: 404, title, detail, after_s }) => {
                assert_eq!((title.as_str(), detail.as_str(), after_s), ("Gone", "it is", None));
            }
            other => panic!("{other:?}"),
        }
        assert!(matches!(client.json("/x", &[]), Err(ClientError::Answer { .. })));
        client.post("/change").unwrap();
        let asked = asked.join().unwrap();
        assert!(
            asked[0].starts_with("GET /api/v1/entries?q=agent%3Aa*%20%22b%20c%22 HTTP/1.1\r\n"),
            "{}",
            asked[0]
        );
        assert!(!asked[0].to_lowercase().contains("x-sworn-admin"));
        assert!(asked[3].to_lowercase().contains("x-sworn-admin: 1\r\n"));
    }

    #[test]
    fn a_token_goes_to_this_machine_or_over_https() {
        let bearer = || Some("sworn_00".parse::<Bearer>().unwrap());
        let (url, asked) =
            server(vec!["HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}"]);
        Client::with(&url, bearer(), None).unwrap().json("/x", &[]).unwrap();
        assert!(
            asked.join().unwrap()[0].to_lowercase().contains("authorization: bearer sworn_00\r\n")
        );
        for url in ["http://ledger.example", "http://127.0.0.1.evil.example", "http://10.0.0.1"] {
            assert!(matches!(Client::with(url, bearer(), None), Err(ClientError::Insecure { .. })));
        }
        let client = Client::with("https://ledger.example", bearer(), None).unwrap();
        assert!(!format!("{client:?}").contains("sworn_00"), "{client:?}");
    }

    #[test]
    fn nobody_there_is_unreachable() {
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let client = Client::new(&format!("http://127.0.0.1:{port}")).unwrap();
        assert!(matches!(client.json("/x", &[]), Err(ClientError::Unreachable { .. })));
        for url in ["", "127.0.0.1:7420", "ftp://x", "http://", "nats://127.0.0.1:4222"] {
            assert!(matches!(Client::new(url), Err(ClientError::Address { .. })), "{url}");
        }
    }

    #[test]
    fn a_stream_is_read_as_it_comes() {
        let (url, _asked) = server(vec![
            "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\nid: 1\ndata:\n\n",
            "HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n",
            "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Type: text/html\r\nContent-Length: 0\r\n\r\n",
        ]);
        let client = Client::new(&url).unwrap();
        let mut text = String::new();
        let mut stream = client.stream("/tail", &[], Some("a.1.b")).unwrap().unwrap();
        stream.read_to_string(&mut text).unwrap();
        assert_eq!(text, "id: 1\ndata:\n\n");
        assert!(client.stream("/tail", &[], None).unwrap().is_none());
        assert!(matches!(client.stream("/tail", &[], None), Err(ClientError::Answer { .. })));
    }

    #[test]
    fn a_password_is_not_shown() {
        for (url, shown) in [
            ("nats://127.0.0.1:4222", "nats://127.0.0.1:4222"),
            ("nats://user:secret@host:4222", "nats://host:4222"),
            ("nats://user:p@ss@host", "nats://host"),
            ("host:4222", "host:4222"),
        ] {
            assert_eq!(without_password(url), shown);
        }
    }

    #[test]
    fn segments_stay_one_segment() {
        for (text, expected) in [
            ("agent-1_a", "agent-1_a"),
            ("a/b", "a%2Fb"),
            ("..", "%2E%2E"),
            ("U>A ü?#%", "U%3EA%20%C3%BC%3F%23%25"),
        ] {
            assert_eq!(segment(text), expected);
        }
    }
}
