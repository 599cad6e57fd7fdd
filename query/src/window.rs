//! The part of the log that a query looks at.

use ledger::{Ledger, ReadError};
use schemas::id::{Micros, TreeSize};
use schemas::limits::QUERY_WINDOW_S_DEFAULT;
use schemas::query::{Bound, Expr, Pattern, Place, Query};
use schemas::shape::time_json;
use schemas::terms::Key;
use serde_json::{Value as Json, json};

/// Indexes from `from` to before `to`, and the times by which they were asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Window {
    pub(crate) from: u64,
    pub(crate) to: u64,
    pub(crate) since: Option<Micros>,
    pub(crate) until: Option<Micros>,
}

impl Window {
    /// The window of `query` in the log of `size` entries, its last day where it names none.
    pub(crate) fn of(
        ledger: &Ledger,
        query: &Query,
        size: TreeSize,
        now: Micros,
    ) -> Result<Self, ReadError> {
        let mut since = query.since;
        let unbounded = [query.since, query.until, query.after].iter().all(Option::is_none);
        if unbounded && !is_narrow(&query.expr) {
            since = Some(Bound::Ago(QUERY_WINDOW_S_DEFAULT.saturating_mul(1_000_000)));
        }
        let index = |place: Place| match place {
            Place::Index(index) => Ok(index.0),
            Place::Time(time) => ledger.index_at(time).map(|index| index.0),
        };
        let low = since.map_or(Ok(0), |bound| index(bound.place(now)))?;
        let after = query.after.map_or(Ok(0), |bound| index(bound.place_after(now)))?;
        let high = query.until.map_or(Ok(size.0), |bound| index(bound.place(now)))?;
        Ok(Self {
            from: low.max(after),
            to: high.min(size.0),
            since: since.and_then(|bound| time(bound, now)),
            until: query.until.and_then(|bound| time(bound, now)),
        })
    }

    /// Indexes (`to` exclusive), and the times where the window was given by time.
    pub(crate) fn to_json(self) -> Json {
        json!({
            "from": self.from,
            "to": self.to,
            "since": self.since.map(time_json),
            "until": self.until.map(time_json),
        })
    }
}

fn time(bound: Bound, now: Micros) -> Option<Micros> {
    match bound.place(now) {
        Place::Time(time) => Some(time),
        Place::Index(_) => None,
    }
}

/// Whether the query names one thing, or findings or rejections, so that it needs no window.
fn is_narrow(expr: &Expr) -> bool {
    match expr {
        Expr::All(parts) => parts.iter().any(is_narrow),
        Expr::Any(parts) => !parts.is_empty() && parts.iter().all(is_narrow),
        Expr::Not(_) => false,
        Expr::Is(Key::Finding | Key::Status, _) => true,
        Expr::Is(key, Pattern::Exact(_)) => matches!(
            key,
            Key::Id | Key::Corr | Key::Session | Key::Grant | Key::Cred | Key::Ref | Key::Digest
        ),
        Expr::Is(..) => false,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn only_queries_that_name_one_thing_need_no_window() {
        for (query, narrow) in [
            ("", false),
            ("agent:a", false),
            ("corr:w", true),
            ("corr:w*", false),
            ("agent:a corr:w", true),
            ("-corr:w", false),
            ("finding:*", true),
            ("status:rejected", true),
            ("(corr:w | agent:a)", false),
            ("(corr:w | session:00)", true),
        ] {
            assert_eq!(is_narrow(&Query::parse(query).unwrap().expr), narrow, "{query}");
        }
    }
}
