//! The filter of a page of entries: `q` and its shorthands, as one query.

use schemas::id::{Digest, sha256};
use schemas::query::{Expr, Pattern, Query, QueryError};
use schemas::terms::Key;

use crate::error::Error;
use crate::params::Params;
use crate::source::Order;

/// What `entries` takes.
pub(crate) const PARAMS: &[&str] = &[
    "q",
    "since",
    "until",
    "after",
    "order",
    "limit",
    "cursor",
    "agent",
    "corr",
    "principal",
    "kind",
    "outcome",
];
const WINDOW: [&str; 3] = ["since", "until", "after"];
const SHORTHANDS: [(&str, Key); 5] = [
    ("agent", Key::Agent),
    ("corr", Key::Corr),
    ("principal", Key::Principal),
    ("kind", Key::Kind),
    ("outcome", Key::Outcome),
];

/// Which entries, in which order.
#[derive(Debug)]
pub(crate) struct Filter {
    pub(crate) query: Query,
    pub(crate) order: Order,
    /// What a cursor is bound to: the same for the same parameters, page by page.
    pub(crate) digest: Digest,
}

impl Filter {
    pub(crate) fn of(params: &Params) -> Result<Self, Error> {
        let mut query = query(params)?;
        let mut parts = vec![query.expr];
        for (name, key) in SHORTHANDS {
            if let Some(value) = params.get(name) {
                parts.push(Expr::Is(key, pattern(value)));
            }
        }
        // Beside it and not in it: no parenthesis that a reader writes can reach the scope.
        parts.extend(params.scope().cloned());
        query.expr = if parts.len() == 1 { parts.remove(0) } else { Expr::All(parts) };
        query.expr = canonical(query.expr)?;
        Ok(Self { query, order: order(params)?, digest: digest(params) })
    }
}

/// `q` with the window's parameters, which win over the same words in it.
pub(crate) fn query(params: &Params) -> Result<Query, Error> {
    let text = params.get("q").unwrap_or_default();
    let in_q = |fault| Error::Query { param: "q", fault };
    let mut query = Query::parse(text).map_err(in_q)?;
    for name in WINDOW {
        let Some(value) = params.get(name) else { continue };
        let param = |fault| Error::Query { param: name, fault };
        let plain = |c: char| c.is_ascii_alphanumeric() || "-+:.#".contains(c);
        if value.is_empty() || !value.chars().all(plain) {
            return Err(param(QueryError::BadTime { at: 0, value: value.to_owned() }));
        }
        // `on:` in `q` gives `03:40` its day, so the words are read together.
        let bound = Query::parse(&format!("{text} {name}:{value}")).map_err(param)?;
        match name {
            "since" => query.since = bound.since,
            "until" => query.until = bound.until,
            _ => query.after = bound.after,
        }
    }
    Ok(query)
}

fn pattern(value: &str) -> Pattern {
    match value.strip_suffix('*') {
        Some(prefix) => Pattern::Prefix(prefix.to_owned()),
        None => Pattern::Exact(value.to_owned()),
    }
}

/// Event ids in the one spelling that terms have.
pub(crate) fn canonical(expr: Expr) -> Result<Expr, Error> {
    let expected = "a query whose id, cause and grant are UUIDs";
    expr.canonical().ok_or(Error::InvalidParameter { param: "q", expected })
}

fn order(params: &Params) -> Result<Order, Error> {
    match params.get("order") {
        None | Some("newest") => Ok(Order::Newest),
        Some("oldest") => Ok(Order::Oldest),
        Some(_) => Err(Error::InvalidParameter { param: "order", expected: "newest or oldest" }),
    }
}

fn digest(params: &Params) -> Digest {
    let mut pairs: Vec<_> =
        params.pairs().filter(|(name, _)| !matches!(*name, "cursor" | "limit")).collect();
    pairs.sort_unstable();
    let text: String =
        pairs.iter().map(|(name, value)| format!("{name}={}:{value};", value.len())).collect();
    // A cursor is no way around a scope, nor from one to another.
    let scope = params.scope().map(|scope| format!("{scope:?}")).unwrap_or_default();
    Digest(sha256(format!("{text}{scope}").as_bytes()))
}
