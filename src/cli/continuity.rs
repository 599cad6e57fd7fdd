//! Whether a tail missed anything: each entry says what came before it, as far as its query lets one see.

use schemas::query::{Expr, Pattern, Query};
use schemas::terms::Key;
use serde_json::Value as Json;
use tail::Token;

use crate::cli::failure::Failure;
use crate::cli::member::text;
use crate::exit::Exit;

/// What shows that nothing lies between two entries.
enum Proof {
    /// Everything is seen: each entry holds the chain hash of the one before.
    Chain,
    /// All of one agent, session or correlation are seen: the ledger numbers them.
    Count { name: &'static str, field: &'static str, value: String },
    /// Others may lie between, and nothing says how many: because of the filter, or of the reader's authority.
    None { with: &'static str },
}

/// Of a query that lets entries out.
const FILTERED: Proof = Proof::None { with: "filter" };
/// Of a reader who is not shown everything.
const LIMITED: Proof = Proof::None { with: "authority" };

/// The last entry of which the next one has to know.
struct Last {
    index: u64,
    /// Its chain hash, or the beginning of it.
    chain: String,
    /// Its number among those that are counted; 0 is unknown.
    count: u64,
}

/// A tail's way through the log.
pub(crate) struct Continuity {
    proof: Proof,
    /// Whether the first entry is the one after the head at the beginning.
    from_now: bool,
    last: Option<Last>,
    /// The token of the connection that was lost, until it is known what was missed.
    resumed: Option<Option<Token>>,
}

impl Continuity {
    /// For the entries that fit a query and, where that is given besides, do not come before `since`.
    pub(crate) fn new(query: &str, since: Option<&str>) -> Self {
        let query = Query::parse(query).ok();
        let proof = query.as_ref().map_or(FILTERED, |query| proof(&query.expr));
        let begins = |query: &Query| query.since.is_none() && query.after.is_none();
        let from_now = since.is_none() && query.as_ref().is_some_and(begins);
        Self { proof, from_now, last: None, resumed: None }
    }

    /// The connection was lost, and made again after this token; gives what can be said already.
    pub(crate) fn resume(&mut self, after: Option<&str>) -> Option<String> {
        let after = after.and_then(Token::parse);
        if let Proof::None { with } = self.proof {
            return Some(format!("{}, not provable with this {with}", place(after.as_ref())));
        }
        self.resumed = Some(after);
        None
    }

    /// The server passed over entries. Where everything fits, they are such as this reader may not see,
    /// and from now on nothing shows that it sees the others.
    pub(crate) fn pass_over(&mut self) -> Option<String> {
        // Before the first entry, it is only that the beginning has not come yet.
        let (Proof::Chain, Some(last)) = (&self.proof, &self.last) else { return None };
        let known = last.index;
        self.proof = LIMITED;
        Some(match self.resumed.take() {
            Some(after) => format!("{}, not provable with this authority", place(after.as_ref())),
            None => format!("from #{known} on, not provable with this authority"),
        })
    }

    /// History is finished: where nothing came since the connection was lost, this says so.
    pub(crate) fn caught_up(&mut self, event: &Json, id: Option<&str>) -> Option<String> {
        let index = event.get("index").and_then(Json::as_u64)?;
        let known = self.last.as_ref().map(|last| last.index);
        if known.is_none() && self.from_now && matches!(self.proof, Proof::Chain) {
            let token = id.and_then(Token::parse)?.to_string();
            let chain = token.rsplit('.').next().unwrap_or_default().to_owned();
            self.last = Some(Last { index, chain, count: 0 });
        }
        let after = self.resumed.as_ref()?.as_ref();
        let before = known.or(after.map(|token| token.index().0));
        let said = match (&self.proof, before) {
            (Proof::Chain, Some(before)) if before == index => {
                format!("{}, 0 missed", place(after))
            }
            (Proof::Chain, None) => place(None),
            // The next entry will tell.
            _ => return None,
        };
        self.resumed = None;
        Some(said)
    }

    /// Takes the next entry; gives what it shows of a connection that was lost.
    ///
    /// # Errors
    /// [`Failure::Verdict`] when it does not follow the last one: entries are missing, or the chain is
    /// another one.
    pub(crate) fn see(&mut self, entry: &Json) -> Result<Option<String>, Failure> {
        let Some(next) = self.read(entry) else { return Ok(None) };
        if let Some(last) = &self.last {
            self.follows(last, &next, entry)?;
        }
        let proved = self.last.is_some();
        self.last = Some(next);
        let said = self.resumed.take().map(|after| {
            let place = place(after.as_ref());
            if proved { format!("{place}, 0 missed") } else { place }
        });
        Ok(said)
    }

    /// The entry, if it is one of those that follow each other.
    fn read(&mut self, entry: &Json) -> Option<Last> {
        let number = |path: &str| entry.pointer(path).and_then(Json::as_u64);
        let index = number("/index").unwrap_or_default();
        let chain = text(entry, "chain").unwrap_or_default().to_owned();
        match &self.proof {
            Proof::None { .. } => None,
            Proof::Chain => Some(Last { index, chain, count: 0 }),
            Proof::Count { name, field, value } => {
                if entry.get("body").is_none_or(Json::is_null) {
                    // Refused, or erased together with the name that it was counted under.
                    if text(entry, "status") == Some("accepted") {
                        self.last = None;
                    }
                    return None;
                }
                // A term may stand elsewhere in an entry, too, which is counted under another name then.
                let own = entry.pointer(field).and_then(Json::as_str) == Some(value);
                let count = number(&format!("/counts/{name}")).filter(|count| own && *count > 0)?;
                Some(Last { index, chain, count })
            }
        }
    }

    fn follows(&self, last: &Last, next: &Last, entry: &Json) -> Result<(), Failure> {
        let (from, to) = (last.index, next.index);
        let between = |missed: Option<u64>| match missed {
            Some(missed) => format!("{missed} entries are missing between #{from} and #{to}"),
            None => format!("#{to} came again, or too early, after #{from}"),
        };
        let step = |from: u64, to: u64| {
            if from.checked_add(1) == Some(to) {
                return Ok(());
            }
            let missed = to.checked_sub(from).and_then(|distance| distance.checked_sub(1));
            Err(verdict(Exit::Gap, between(missed)))
        };
        if let Proof::Count { .. } = self.proof {
            return step(last.count, next.count);
        }
        step(from, to)?;
        let previous = text(entry, "previous").unwrap_or_default();
        if !last.chain.is_empty() && previous.starts_with(&last.chain) {
            return Ok(());
        }
        let what = format!("#{to} does not continue the chain that #{from} ended");
        Err(verdict(Exit::Conflict, what))
    }
}

fn verdict(exit: Exit, what: String) -> Failure {
    Failure::Verdict { exit, what, details: Vec::new() }
}

fn place(after: Option<&Token>) -> String {
    match after {
        Some(token) => format!("reconnected, resumed after {}", token.index()),
        None => "reconnected; no place to resume from was known yet".to_owned(),
    }
}

fn proof(expr: &Expr) -> Proof {
    let (name, field, value) = match expr {
        Expr::All(parts) => match parts.as_slice() {
            [] => return Proof::Chain,
            [part] => return proof(part),
            _ => return FILTERED,
        },
        Expr::Is(Key::Agent, Pattern::Exact(value)) => ("agent", "/body/agent/id", value),
        Expr::Is(Key::Session, Pattern::Exact(value)) => ("session", "/body/session", value),
        Expr::Is(Key::Corr, Pattern::Exact(value)) => ("correlation", "/body/correlation", value),
        _ => return FILTERED,
    };
    Proof::Count { name, field, value: value.clone() }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use serde_json::json;

    use super::*;

    const TOKEN: &str = "00000000.7.00000007";

    fn chain(n: u64) -> String {
        format!("{n:08}{}", "0".repeat(56))
    }

    /// Entry `n` of an unfiltered tail, and of agent `a` its `count`-th.
    fn entry(n: u64, count: u64) -> Json {
        json!({
            "index": n, "status": "accepted", "previous": chain(n - 1), "chain": chain(n),
            "counts": { "agent": count, "session": count, "correlation": count },
            "body": { "agent": { "id": "a" }, "session": "5e", "correlation": "w" },
        })
    }

    fn exit(seen: Result<Option<String>, Failure>) -> u8 {
        seen.map_or_else(|failure| failure.exit().code(), |_| 0)
    }

    #[test]
    fn an_unfiltered_tail_is_proved_by_the_chain() {
        let mut way = Continuity::new("", Some("5"));
        assert_eq!(way.see(&entry(7, 1)).unwrap(), None);
        assert_eq!(way.resume(Some(TOKEN)), None);
        let said = Some("reconnected, resumed after #7, 0 missed".to_owned());
        assert_eq!(way.see(&entry(8, 2)).unwrap(), said);
        assert_eq!(way.see(&entry(9, 3)).unwrap(), None, "it is said once");
        // Nothing came meanwhile.
        way.resume(Some("00000000.9.00000009"));
        let caught_up = json!({ "index": 9 });
        let said = Some("reconnected, resumed after #9, 0 missed".to_owned());
        assert_eq!(way.caught_up(&caught_up, None), said);
        assert_eq!(exit(way.see(&entry(11, 4))), 12);
        assert_eq!(exit(way.see(&entry(9, 4))), 12);
        let mut forged = entry(10, 4);
        forged["previous"] = chain(3).into();
        assert_eq!(exit(way.see(&forged)), 13);
        assert_eq!(exit(way.see(&json!({ "index": 10 }))), 13);
    }

    #[test]
    fn a_tail_that_saw_no_entry_yet_knows_the_head() {
        for (next, expected) in [(8, 0), (9, 12), (7, 12)] {
            let mut way = Continuity::new("", None);
            assert_eq!(way.caught_up(&json!({ "index": 7 }), Some(TOKEN)), None);
            assert_eq!(exit(way.see(&entry(next, 1))), expected, "{next}");
        }
        let mut way = Continuity::new("", None);
        way.caught_up(&json!({ "index": 7 }), Some("00000000.7.00000009"));
        assert_eq!(exit(way.see(&entry(8, 1))), 13);
        // A beginning that has not come yet.
        for (query, since) in [("since:20", None), ("after:19", None), ("", Some("20"))] {
            let mut way = Continuity::new(query, since);
            way.caught_up(&json!({ "index": 7 }), Some(TOKEN));
            assert_eq!(exit(way.see(&entry(20, 1))), 0);
        }
    }

    #[test]
    fn where_nothing_was_known_nothing_is_claimed() {
        // Not even a place.
        let mut way = Continuity::new("", None);
        way.resume(None);
        let said = "reconnected; no place to resume from was known yet".to_owned();
        assert_eq!(way.caught_up(&json!({ "index": 7 }), Some(TOKEN)), Some(said));
        assert_eq!(way.see(&entry(8, 1)).unwrap(), None);
        // No entry of the window: what came behind the place may belong to it.
        for (index, expected) in [(7, Some("reconnected, resumed after #7, 0 missed")), (9, None)] {
            let mut way = Continuity::new("", Some("1h"));
            way.caught_up(&json!({ "index": 7 }), Some(TOKEN));
            way.resume(Some(TOKEN));
            let said = way.caught_up(&json!({ "index": index }), Some(TOKEN));
            assert_eq!(said.as_deref(), expected);
            let later = way.see(&entry(10, 1)).unwrap();
            assert!(later.is_none_or(|said| !said.ends_with("missed")), "{index}");
        }
    }

    #[test]
    fn one_agent_session_or_correlation_is_proved_by_its_numbers() {
        for query in ["agent:a", "session:5e since:15m", "corr:w"] {
            let mut way = Continuity::new(query, None);
            way.see(&entry(7, 3)).unwrap();
            way.resume(Some(TOKEN));
            assert_eq!(way.caught_up(&json!({ "index": 20 }), None), None, "the next one tells");
            // It carries the term elsewhere, and is counted for another.
            let mut elsewhere = entry(20, 9);
            elsewhere["body"] = json!({ "agent": { "id": "b" }, "claims": { "agent": "a" } });
            assert_eq!(way.see(&elsewhere).unwrap(), None);
            let said = Some("reconnected, resumed after #7, 0 missed".to_owned());
            assert_eq!(way.see(&entry(30, 4)).unwrap(), said, "{query}");
            assert_eq!(exit(way.see(&entry(40, 6))), 12);
            assert_eq!(exit(way.see(&entry(40, 4))), 12);
        }
    }

    #[test]
    fn other_filters_prove_nothing() {
        for query in ["agent:a*", "agent:a agent:b", "agent:a env:prod", "-agent:a", "kind:finding"]
        {
            let mut way = Continuity::new(query, None);
            way.see(&entry(7, 3)).unwrap();
            let said = "reconnected, resumed after #7, not provable with this filter".to_owned();
            assert_eq!(way.resume(Some(TOKEN)), Some(said), "{query}");
            assert_eq!(exit(way.see(&entry(30, 9))), 0);
        }
    }

    #[test]
    fn what_this_reader_may_not_see_is_no_gap_and_proves_nothing() {
        let mut way = Continuity::new("", None);
        way.see(&entry(7, 3)).unwrap();
        let said = "from #7 on, not provable with this authority".to_owned();
        assert_eq!(way.pass_over(), Some(said));
        assert_eq!(exit(way.see(&entry(9, 4))), 0);
        assert_eq!(way.pass_over(), None, "it is said once");
        let said = "reconnected, resumed after #7, not provable with this authority".to_owned();
        assert_eq!(way.resume(Some(TOKEN)), Some(said));
        let mut way = Continuity::new("", None);
        way.see(&entry(7, 3)).unwrap();
        way.resume(Some(TOKEN));
        let said = "reconnected, resumed after #7, not provable with this authority".to_owned();
        assert_eq!(way.pass_over(), Some(said));
        assert_eq!(exit(way.see(&entry(9, 4))), 0);
    }

    #[test]
    fn what_was_erased_with_its_name_ends_the_proof() {
        let mut way = Continuity::new("agent:a", None);
        way.see(&entry(7, 3)).unwrap();
        let mut erased = entry(8, 4);
        erased["body"] = Json::Null;
        way.see(&erased).unwrap();
        way.resume(Some(TOKEN));
        let said = Some("reconnected, resumed after #7".to_owned());
        assert_eq!(way.see(&entry(9, 5)).unwrap(), said);
    }
}
