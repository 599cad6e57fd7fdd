//! The filter of a page of entries: `q` and its shorthands, as one query.

use std::ops::Range;

use schemas::id::{Digest, TreeSize, sha256};
use schemas::query::{Bound, Expr, Query, QueryError};
use schemas::terms::Key;

use crate::api::Api;
use crate::error::Error;
use crate::params::Params;
use crate::source::Order;
use crate::window::Window;

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
    "explain",
];
/// What may differ from page to page.
const UNBOUND: [&str; 3] = ["cursor", "limit", "explain"];
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
    /// The filter of an answer of this `kind`; in `order`, or as the parameters say.
    pub(crate) fn of(params: &Params, kind: &str, order: Option<Order>) -> Result<Self, Error> {
        let mut query = query(params)?;
        let mut parts = vec![query.expr];
        for (name, key) in SHORTHANDS {
            let Some(value) = params.get(name) else { continue };
            let bad = |fault| Error::Query { param: name, fault };
            parts.push(Expr::term(key, value).map_err(bad)?);
        }
        // Beside it and not in it: no parenthesis that a reader writes can reach the scope.
        parts.extend(params.scope().cloned());
        query.expr = Expr::all(parts);
        let order = order.map_or_else(|| named_order(params), Ok)?;
        Ok(Self { query, order, digest: digest(params, kind) })
    }
}

/// `q` with the window's parameters, which win over the same words in it.
pub(crate) fn query(params: &Params) -> Result<Query, Error> {
    let in_q = |fault| Error::Query { param: "q", fault };
    let mut query = Query::parse(params.get("q").unwrap_or_default()).map_err(in_q)?;
    for name in WINDOW {
        let Some(value) = params.get(name) else { continue };
        let fault = QueryError::BadTime { at: 0, value: value.to_owned() };
        // `on:` in `q` gives `03:40` its day.
        let bound = Bound::parse_on(value, query.on);
        let bound = Some(bound.ok_or(Error::Query { param: name, fault })?);
        match name {
            "since" => query.since = bound,
            "until" => query.until = bound,
            _ => query.after = bound,
        }
    }
    Ok(query)
}

/// Indexes of the entries that `since` and `until` leave; all of the log where neither is given.
pub(crate) fn range(api: &Api, params: &Params, size: TreeSize) -> Result<Range<u64>, Error> {
    if params.get("since").or(params.get("until")).is_none() {
        return Ok(0..size.0);
    }
    let window = Window::of(&api.ledger, &query(params)?, size, api.now())?;
    Ok(window.from..window.to)
}

fn named_order(params: &Params) -> Result<Order, Error> {
    match params.get("order") {
        None | Some("newest") => Ok(Order::Newest),
        Some("oldest") => Ok(Order::Oldest),
        Some(_) => Err(Error::InvalidParameter { param: "order", expected: "newest or oldest" }),
    }
}

/// What a cursor of an answer of this `kind` is bound to.
pub(crate) fn digest(params: &Params, kind: &str) -> Digest {
    let mut pairs: Vec<_> = params.pairs().filter(|(name, _)| !UNBOUND.contains(name)).collect();
    pairs.sort_unstable();
    let pairs = pairs.iter().map(|(name, value)| format!("{name}={}:{value};", value.len()));
    // A cursor is no way around a scope, nor from one to another.
    let scope = params.scope().map(|scope| format!("{scope:?}")).unwrap_or_default();
    Digest(sha256(format!("{kind};{}{scope}", pairs.collect::<String>()).as_bytes()))
}
