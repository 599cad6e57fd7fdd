//! What a request asked for, in the words under which it is recorded.

use axum::extract::RawPathParams;
use axum::http::Uri;
use schemas::access::{Place, Route};
use schemas::terms::Key;

/// Parameters that are a query, or a term of one.
const QUERIES: [&str; 2] = ["q", "term"];

/// A query, or a path, and the entry that it names.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub(super) struct Asked {
    pub(super) query: String,
    pub(super) index: Option<u64>,
}

impl Asked {
    /// In the words of the query language where there are such, so that `read:corr:W` finds who read a workflow.
    pub(super) fn of(route: &Route, params: Option<&RawPathParams>, uri: &Uri) -> Self {
        let named = |name| {
            let mut all = params.into_iter().flat_map(RawPathParams::iter);
            all.find(|(known, _)| *known == name).map(|(_, value)| value)
        };
        let index = named("index").and_then(|index| index.parse().ok());
        let takes_query = QUERIES.into_iter().any(|name| takes(route, name));
        let terms = terms(route, uri);
        let query = match named("correlation") {
            Some(correlation) => format!("corr:{correlation}"),
            None if takes_query || !terms.is_empty() => terms,
            None => uri.path().trim_start_matches("/api/v1/").to_owned(),
        };
        Self { query, index }
    }
}

fn takes(route: &Route, name: &str) -> bool {
    route.params.iter().any(|param| param.place == Place::Query && param.name == name)
}

/// The terms beside the query, the workflow first, and then the query as it was written.
fn terms(route: &Route, uri: &Uri) -> String {
    let pairs = axum::extract::Query::<Vec<(String, String)>>::try_from_uri(uri);
    let pairs = pairs.map(|axum::extract::Query(pairs)| pairs).unwrap_or_default();
    let of = |name: &'static str| pairs.iter().filter(move |(known, _)| known == name);
    let others = Key::ALL.iter().filter(|key| **key != Key::Corr);
    let keys = std::iter::once(&Key::Corr).chain(others).map(|key| key.as_str());
    // What the route does not take says nothing of what was read.
    let beside = keys.filter(|name| takes(route, name));
    let beside = beside.flat_map(|name| of(name).map(|(name, value)| format!("{name}:{value}")));
    let asked = QUERIES.into_iter().filter(|name| takes(route, name));
    let asked = asked.flat_map(|name| of(name).map(|(_, value)| value.clone()));
    let words: Vec<_> = beside.chain(asked).collect();
    words.join(" ")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::super::table;
    use super::*;

    #[test]
    fn a_read_is_called_what_a_query_would_ask_for() {
        for (path, uri, expected) in [
            (
                "/api/v1/entries",
                "/api/v1/entries?q=env:prod&agent=a&corr=w%201",
                "corr:w 1 agent:a env:prod",
            ),
            ("/api/v1/entries", "/api/v1/entries?limit=3", ""),
            ("/api/v1/entries/{index}/body", "/api/v1/entries/7/body", "entries/7/body"),
            ("/api/v1/bundles", "/api/v1/bundles?q=corr:w&details=true", "corr:w"),
            ("/api/v1/stats", "/api/v1/stats?q=agent:a&by=target", "agent:a"),
            ("/api/v1/impact", "/api/v1/impact?user=bea&since=7d", "user:bea"),
            ("/api/v1/approvals", "/api/v1/approvals?approver=bea", "approver:bea"),
            ("/api/v1/findings", "/api/v1/findings?open=true", "findings"),
            ("/api/v1/admin/copy", "/api/v1/admin/copy?agent=a&q=b", "admin/copy"),
            ("/api/v1/claims", "/api/v1/claims?term=corr:w", "corr:w"),
        ] {
            let route = table::at(path)[0];
            assert_eq!(Asked::of(route, None, &uri.parse().unwrap()).query, expected, "{uri}");
        }
    }
}
