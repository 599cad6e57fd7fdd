//! `impact`: how far a credential, a grant, a person, a tool, a digest or a source reaches: which agents, targets and workflows.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use ledger::{Entry, Ledger, ReadError};
use schemas::id::{EventId, Micros};
use schemas::kind::Kind;
use schemas::leaf::Status;
use schemas::limits::{REACH_ENTRIES_MAX, STATS_GROUPS_MAX};
use schemas::shape::time_json;
use schemas::terms::Key;
use serde_json::{Value, json};

use crate::accepted::each_newest_first;
use crate::api::{Api, as_of, scanned_to};
use crate::error::Error;
use crate::filter;
use crate::names::Names;
use crate::params::Params;
use crate::source::{Order, Source, Walk};
use crate::terms::term;

const PARAMS: &[&str] = &[
    "cred",
    "grant",
    "principal",
    "user",
    "tool",
    "tool_digest",
    "digest",
    "source",
    "trigger",
    "key",
    "since",
    "until",
];
/// What of each entry is counted, and under which heading.
const HEADINGS: [(&str, Key); 7] = [
    ("agents", Key::Agent),
    ("principals", Key::Principal),
    ("targets", Key::Target),
    ("workflows", Key::Corr),
    ("credentials", Key::Cred),
    ("actions", Key::Action),
    ("outcomes", Key::Outcome),
];

/// `?cred=`, `?grant=`, `?principal=`, …: exactly one of them; `?since=`, `?until=`: else the whole log.
pub(crate) async fn read(State(api): State<Api>, params: Params) -> Result<Json<Value>, Error> {
    let params = params.only(PARAMS)?;
    api.read(move |api| read_reach(api, &params)).await.map(Json)
}

fn read_reach(api: &Api, params: &Params) -> Result<Value, Error> {
    let (key, value) = asked(params)?;
    let head = api.ledger.head();
    let range = filter::range(api, params, head.size)?;
    let mut reach = Reach::default();
    // An agent may be called by any of its names.
    let mut names = Names::new(&api.ledger, head.size);
    let all = match key {
        Key::Principal => names.all(&value)?,
        _ => vec![value.clone()],
    };
    let source = Source::any(all.iter().map(|name| term(&api.ledger, key, name)));
    let walk = &mut Walk::new(Order::Newest, REACH_ENTRIES_MAX);
    let reached = each_newest_first(&api.ledger, source, range, walk, |entry| {
        if all.len() == 1 || is_under(&mut names, &entry, &value)? {
            reach.add(&api.ledger, &entry)?;
        }
        Ok(true)
    })?;
    let mut answer = json!({
        "by": key.as_str(),
        "value": value,
        "entries": reach.entries,
        "rejected": reach.rejected,
        "findings": reach.findings,
        "first": reach.first.map(end_json),
        "last": reach.last.map(end_json),
        "others": reach.others,
        "incomplete": scanned_to(reached),
        "as_of": as_of(&head),
    });
    if let Value::Object(answer) = &mut answer {
        let heading = |(name, key): &(&str, Key)| ((*name).to_owned(), reach.rows(*key));
        answer.extend(HEADINGS.iter().map(heading));
        if key == Key::Grant {
            answer.insert("grants".to_owned(), children(&api.ledger, &value)?);
        }
    }
    Ok(answer)
}

/// Whether one of the principals in an entry was called so then.
fn is_under(names: &mut Names<'_>, entry: &Entry, id: &str) -> Result<bool, ReadError> {
    let named = entry.terms(names.ledger, |terms| {
        let named = terms.iter().filter(|term| term.key == Key::Principal);
        named.map(|term| term.value.to_string()).collect::<Vec<_>>()
    })?;
    for name in named {
        if names.is(&name, id, entry.leaf.index)? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The one thing that is asked about, in the spelling that terms have.
fn asked(params: &Params) -> Result<(Key, String), Error> {
    let mut things = params.pairs().filter_map(|(name, value)| match (name, Key::parse(name)) {
        ("since" | "until", _) | (_, None) => None,
        (_, Some(key)) => Some((key, value)),
    });
    let one = "cred, grant, principal, user, tool, tool_digest, digest, source, trigger or key, exactly one of them";
    let none = Error::InvalidParameter { param: "cred", expected: one };
    let (Some((key, value)), None) = (things.next(), things.next()) else { return Err(none) };
    match key {
        Key::Grant => {
            let expected = "a grant's id, as 019d6a2e-…: a UUIDv7";
            let invalid = Error::InvalidParameter { param: "grant", expected };
            EventId::parse(value).map(|id| (key, id.to_string())).ok_or(invalid)
        }
        Key::Digest | Key::ToolDigest | Key::SigningKey => Ok((key, value.to_ascii_lowercase())),
        _ => Ok((key, value.to_owned())),
    }
}

/// Grants that rest on this one, over any number of hops.
fn children(ledger: &Ledger, grant: &str) -> Result<Value, Error> {
    let registry = ledger.registry()?;
    let rests = |record: &&schemas::registry::GrantRecord| {
        registry.lineage(record).skip(1).any(|above| above.grant.id.to_string() == grant)
    };
    let below = registry.grants().into_iter().filter(rests);
    let row = |record: &schemas::registry::GrantRecord| {
        json!({
            "id": record.grant.id.to_string(),
            "by": record.by,
            "to": record.grant.to,
            "granted": record.granted.0,
            "revoked": record.revoked.map(|index| index.0),
        })
    };
    Ok(below.map(row).collect())
}

fn end_json((index, at): (u64, Micros)) -> Value {
    json!({ "index": index, "received_at": time_json(at) })
}

/// How many entries, and which are the ends.
#[derive(Clone, Copy)]
struct Tally {
    entries: u64,
    first: u64,
    last: u64,
}

/// What was reached so far; entries come newest first.
#[derive(Default)]
struct Reach {
    entries: u64,
    rejected: u64,
    findings: u64,
    first: Option<(u64, Micros)>,
    last: Option<(u64, Micros)>,
    tallies: BTreeMap<(Key, String), Tally>,
    /// Entries of values beyond those that one answer holds.
    others: u64,
    /// Values under each key.
    values: BTreeMap<Key, usize>,
}

impl Reach {
    fn add(&mut self, ledger: &Ledger, entry: &Entry) -> Result<(), ReadError> {
        let index = entry.leaf.index.0;
        let end = (index, entry.leaf.received_at);
        self.first = Some(end);
        self.last.get_or_insert(end);
        self.entries += 1;
        let kind = entry.body().or_else(|| entry.residue()).map(|body| body.kind());
        if entry.leaf.status == Status::Accepted {
            self.findings += u64::from(kind == Some(Kind::Finding));
        } else {
            self.rejected += 1;
        }
        let mut told: Vec<(Key, String)> = entry.terms(ledger, |terms| {
            let counted =
                terms.iter().filter(|term| HEADINGS.iter().any(|(_, key)| *key == term.key));
            counted.map(|term| (term.key, term.value.to_string())).collect()
        })?;
        told.sort_unstable();
        told.dedup();
        let mut all = true;
        for term in told {
            all &= self.count(term, index);
        }
        self.others += u64::from(!all);
        Ok(())
    }

    /// False where there is no room for another value.
    fn count(&mut self, term: (Key, String), index: u64) -> bool {
        if let Some(tally) = self.tallies.get_mut(&term) {
            tally.entries += 1;
            tally.first = index;
            return true;
        }
        let values = self.values.entry(term.0).or_default();
        let has_room = *values < STATS_GROUPS_MAX;
        if has_room {
            *values += 1;
            self.tallies.insert(term, Tally { entries: 1, first: index, last: index });
        }
        has_room
    }

    fn rows(&self, key: Key) -> Value {
        let of = self.tallies.iter().filter(|((of, _), _)| *of == key);
        let row = |((_, value), tally): (&(Key, String), &Tally)| json!({ "value": value, "entries": tally.entries, "first": tally.first, "last": tally.last });
        of.map(row).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_there_is_no_room_for_is_said() {
        let mut reach = Reach::default();
        let kept = |reach: &mut Reach, n: usize| reach.count((Key::Target, n.to_string()), 7);
        assert!((0..STATS_GROUPS_MAX).all(|n| kept(&mut reach, n)));
        assert!(!kept(&mut reach, STATS_GROUPS_MAX), "beyond the last");
        assert!(kept(&mut reach, 0), "one that is known counts on");
        assert!(reach.count((Key::Agent, "a".to_owned()), 7), "another key has its own room");
    }
}
