//! By which names this server answers.

use axum::http::uri::Authority;
use axum::http::{HeaderMap, Uri, header};

/// The names of this machine, and others that were configured.
#[derive(Clone, Default, Debug)]
pub(crate) struct Names(Vec<String>);

impl Names {
    /// These, beside `localhost` and loopback addresses.
    pub(crate) fn new(names: Vec<String>) -> Self {
        Self(names)
    }

    /// Whether a request is meant for one of them. HTTP/2 says so in its URI, HTTP/1.1 in `Host`; whichever is
    /// there has to be right, and one has to be there.
    pub(super) fn are_asked(&self, uri: &Uri, headers: &HeaderMap) -> bool {
        let mut hosts = headers.get_all(header::HOST).iter();
        let host = match (hosts.next(), hosts.next()) {
            (Some(host), None) => Some(host.to_str().is_ok_and(|host| self.has(host))),
            (None, _) => None,
            (Some(_), Some(_)) => Some(false),
        };
        let named = uri.authority().map(|authority| self.has(authority.as_str()));
        let said = [host, named];
        said.iter().any(Option::is_some) && said.into_iter().flatten().all(|right| right)
    }

    fn has(&self, authority: &str) -> bool {
        let Ok(authority) = authority.parse::<Authority>() else { return false };
        if authority.as_str().contains('@') {
            return false;
        }
        let host = authority.host().trim_start_matches('[').trim_end_matches(']');
        host.eq_ignore_ascii_case("localhost")
            || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
            || self.0.iter().any(|name| name.eq_ignore_ascii_case(host))
    }
}
