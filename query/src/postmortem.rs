//! `reports/sessions/{session}`: what a session was asked to do beside what it did, and tried to do.

use std::collections::{BTreeMap, BTreeSet};

use axum::Json;
use axum::extract::State;
use ledger::{Entry, Ledger, ReadError};
use schemas::body::Body;
use schemas::id::{Index, Micros};
use schemas::json::Content;
use schemas::kind::Kind;
use schemas::leaf::Status;
use schemas::limits::WORKFLOW_ENTRIES_MAX;
use schemas::refused;
use schemas::reject::Cause;
use schemas::shape::time_json;
use schemas::statement::Statement;
use schemas::terms::Key;
use serde_json::{Value, json};

use crate::api::{Api, as_of, set};
use crate::error::Error;
use crate::names::Names;
use crate::params::{Params, Segment};
use crate::registry::findings::flagged_entry;
use crate::source::{Order, Seek, Walk};
use crate::terms::term;
use crate::why::state;

/// So long before a session's first entry, in microseconds, a start of it may have been refused.
const START_US: u64 = 3_600_000_000;

/// A session's task beside its actions, each with the findings that flag it.
pub(crate) async fn read(
    State(api): State<Api>,
    session: Segment,
    params: Params,
) -> Result<Json<Value>, Error> {
    params.only(&[])?;
    api.read(move |api| read_session(api, &session.0)).await.map(Json)
}

fn read_session(api: &Api, session: &str) -> Result<Value, Error> {
    let head = api.ledger.head();
    let mut found = Session { is_whole: true, ..Session::default() };
    found.take_known(&mut Names::new(&api.ledger, head.size), session, head.size.0)?;
    let Some((last, _)) = found.entries.last_key_value() else {
        return Err(Error::Unknown("session"));
    };
    let end = if found.has_ended() { last + 1 } else { head.size.0 };
    found.take_unread(&api.ledger, session, end)?;
    found.tell_apart();
    Ok(json!({
        "session": session,
        "signer": found.signer,
        "declared": found.declared(),
        "entries": found.entries.into_values().collect::<Vec<_>>(),
        "incomplete": !found.is_whole,
        "as_of": as_of(&head),
    }))
}

/// What is known of a session.
#[derive(Default)]
struct Session {
    /// Whose it is: the first entry of it that was accepted is this signer's, and others who name its id have no part
    /// in it.
    signer: Option<String>,
    /// What the first start of each signer declares.
    declared: BTreeMap<String, Value>,
    /// Whose last entry ended it.
    ended: BTreeSet<String>,
    /// By index.
    entries: BTreeMap<u64, Value>,
    /// When its first entry was received.
    began: Micros,
    is_whole: bool,
}

impl Session {
    /// The entries below `size` that are indexed under it.
    fn take_known(
        &mut self,
        names: &mut Names<'_>,
        session: &str,
        size: u64,
    ) -> Result<(), ReadError> {
        let ledger = names.ledger;
        let mut postings = ledger.postings(Key::Session, session);
        let mut at = 0;
        while let Some(index) = postings.at_or_after(at)?.filter(|index| index.0 < size) {
            self.is_whole = self.entries.len() < WORKFLOW_ENTRIES_MAX;
            if !self.is_whole {
                break;
            }
            if let Some(entry) = ledger.entry(index)? {
                self.learn(&entry);
                self.entries.insert(index.0, acted(names, &entry)?);
            }
            at = index.0 + 1;
        }
        if self.signer.is_none() {
            // All that there is was refused.
            let signer = |row: &Value| row.get("signer")?.as_str().map(str::to_owned);
            self.signer = self.entries.values().find_map(signer);
        }
        Ok(())
    }

    fn learn(&mut self, entry: &Entry) {
        if self.entries.is_empty() {
            self.began = entry.leaf.received_at;
        }
        let accepted = entry.leaf.status == Status::Accepted;
        let left = || entry.residue().map(|left| left.signer().to_owned());
        let Some(body) = entry.body().filter(|_| accepted) else {
            self.signer = self.signer.take().or_else(left);
            return;
        };
        let signer = body.signer().to_owned();
        if self.signer.is_none() {
            self.signer = Some(signer.clone());
        }
        match body.kind() {
            Kind::SessionEnd => _ = self.ended.insert(signer),
            Kind::SessionStart => {
                let says = body.to_json();
                let part = |name: &str| says.get(name).cloned().unwrap_or_default();
                let declared = json!({
                    "index": entry.leaf.index.0,
                    "signer": signer,
                    "agent": part("agent"),
                    "task": part("task"),
                    "model": part("model"),
                });
                self.declared.entry(signer).or_insert(declared);
            }
            _ => {}
        }
    }

    fn has_ended(&self) -> bool {
        self.signer.as_ref().is_some_and(|signer| self.ended.contains(signer))
    }

    fn declared(&self) -> Option<&Value> {
        self.declared.get(self.signer.as_ref()?)
    }

    /// Says of each entry whether the session's own signer signed it.
    fn tell_apart(&mut self) {
        for entry in self.entries.values_mut() {
            let signer = entry.get("signer").and_then(Value::as_str);
            let is_own = signer.is_some() && signer == self.signer.as_deref();
            set(entry, "own", is_own);
        }
    }

    /// Those that are not, because a body that lacks a field or has a wrong one is not read: what it says of its
    /// session is taken from its bytes, where the session's own signer signed them.
    fn take_unread(&mut self, ledger: &Ledger, session: &str, end: u64) -> Result<(), Error> {
        let mut source = term(ledger, Key::Status, "rejected");
        let mut walk = Walk::of_query(Order::Oldest);
        let from = Micros(self.began.0.saturating_sub(START_US));
        let mut at = ledger.index_at(from)?.0;
        while self.is_whole {
            match source.seek(at, &mut walk)? {
                Seek::At(index) if index < end => {
                    at = index + 1;
                    if !self.entries.contains_key(&index)
                        && let Some(entry) = ledger.entry(Index(index))?
                    {
                        let tried = self.tried(ledger, &entry, session)?;
                        self.entries.extend(tried.map(|tried| (index, tried)));
                        self.is_whole = self.entries.len() < WORKFLOW_ENTRIES_MAX;
                    }
                }
                Seek::At(_) | Seek::End => break,
                Seek::Spent(_) => self.is_whole = false,
            }
        }
        Ok(())
    }

    fn tried(
        &self,
        ledger: &Ledger,
        entry: &Entry,
        session: &str,
    ) -> Result<Option<Value>, ReadError> {
        let Content::Refused { cause, signed: None, .. } = entry.content() else {
            return Ok(None);
        };
        let Some(says) = entry.kept().and_then(|kept| refused::signed_map(&entry.leaf, kept))
        else {
            return Ok(None);
        };
        let of = says.get("session").and_then(|item| item.bytes()).map(schemas::id::hex);
        if of.as_deref() != Some(session) {
            return Ok(None);
        }
        let row = ledger.statement(entry.leaf.index)?;
        let statement = row.as_ref().and_then(|row| Statement::parse(&row.statement).ok());
        let is_own = statement
            .is_some_and(|statement| Some(statement.signer.as_str()) == self.signer.as_deref());
        let text = |path: &str| says.path(path).and_then(|item| item.text()).map(str::to_owned);
        Ok(is_own.then(|| told(entry, Some(&cause), &[], text)))
    }
}

/// What an entry says of an action, and why it does not say it any more.
fn acted(names: &mut Names<'_>, entry: &Entry) -> Result<Value, ReadError> {
    let mut row = known(names, entry)?;
    if entry.leaf.status == Status::Accepted && entry.body().is_none() {
        set(&mut row, state(entry), true);
    }
    Ok(row)
}

fn known(names: &mut Names<'_>, entry: &Entry) -> Result<Value, ReadError> {
    let (content, left) = (entry.content(), entry.residue());
    // What flags an erased entry stands elsewhere than in it.
    let Some(body) = content.said().or(left.as_ref()) else {
        return Ok(told(entry, None, &[], |_path| None));
    };
    let cause = match &content {
        Content::Refused { cause, .. } => Some(cause),
        _ => None,
    };
    let text = |path: &str| body.text(path).map(str::to_owned);
    Ok(told(entry, cause, &flags(names, entry, body)?, text))
}

/// The findings that flag an entry: of several entries with its id, this very one.
fn flags(names: &mut Names<'_>, entry: &Entry, body: &Body<'_>) -> Result<Vec<Value>, ReadError> {
    let ledger = names.ledger;
    let mut flags = Vec::new();
    if entry.leaf.status != Status::Accepted {
        return Ok(flags);
    }
    let mut postings = ledger.postings(Key::Cause, &body.id().to_string());
    let mut at = entry.leaf.index.0;
    while let Some(citing) = postings.at_or_after(at)? {
        at = citing.0 + 1;
        let Some(finding) = ledger.entry(citing)? else { continue };
        let Some(said) = finding.body().filter(|said| said.kind() == Kind::Finding) else {
            continue;
        };
        let flagged = flagged_entry(names, &finding)?;
        if flagged.is_some_and(|flagged| flagged.leaf.index == entry.leaf.index) {
            flags.push(json!({
                "index": citing.0, "rule": said.text("rule.name"), "detail": said.text("reason"),
            }));
        }
    }
    Ok(flags)
}

fn told(
    entry: &Entry,
    cause: Option<&Cause>,
    findings: &[Value],
    text: impl Fn(&str) -> Option<String>,
) -> Value {
    let agent = text("agent.id");
    json!({
        "index": entry.leaf.index.0,
        "received_at": time_json(entry.leaf.received_at),
        "kind": text("kind"),
        "status": entry.leaf.status.as_str(),
        "signer": text("signer").or_else(|| agent.clone()),
        "agent": agent,
        "cause": cause.map(|cause| json!({ "path": cause.path, "expected": cause.expected })),
        "action": text("action.name"),
        "target": text("action.target"),
        "environment": text("environment"),
        "outcome": text("outcome.status"),
        "findings": findings,
    })
}
