//! Terms: the `(key, value)` pairs under which an entry is found.
//!
//! The same terms feed the ledger's postings and the filters of queries and tails, so both always agree.
//! Values are text: digests and sessions in hex, event ids as UUIDs.

use std::borrow::Cow;

use serde_json::Value as Json;

use crate::body::Body;
use crate::deterministic::Item;
use crate::id::{EventId, Micros, hex};
use crate::kind::Kind;
use crate::leaf::{Leaf, Status};
use crate::registry::AgentRecord;
use crate::shape::time_json;

macro_rules! keys {
    ($($name:ident = $code:literal $text:literal $doc:literal,)*) => {
        /// A key of the query language that has postings. Its code is part of the store's format.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        pub enum Key { $(#[doc = $doc] $name,)* }

        impl Key {
            /// Every key, by code.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// Its code in the store.
            #[must_use]
            pub const fn code(self) -> u8 {
                match self { $(Self::$name => $code,)* }
            }

            /// Its name in queries.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }

            /// What it finds, in words.
            #[must_use]
            pub const fn meaning(self) -> &'static str {
                match self { $(Self::$name => $doc,)* }
            }

            /// Whether its terms have postings: an id is found by itself, a claimed time is looked at.
            #[must_use]
            pub const fn is_indexed(self) -> bool {
                !matches!(self, Self::Id | Self::Time)
            }

            /// The key with this name.
            #[must_use]
            pub fn parse(text: &str) -> Option<Self> {
                match text { $($text => Some(Self::$name),)* _ => None }
            }

            /// The key with this code.
            #[must_use]
            pub fn from_code(code: u8) -> Option<Self> {
                match code { $($code => Some(Self::$name),)* _ => None }
            }
        }
    };
}

keys! {
    Kind = 1 "kind" "kind of event",
    Agent = 2 "agent" "agent that acted, or that the entry is about",
    Signer = 3 "signer" "who signed",
    Session = 4 "session" "session",
    Parent = 5 "parent" "session that spawned it",
    Corr = 6 "corr" "workflow",
    Principal = 7 "principal" "any hop of the principal chain",
    Path = 8 "path" "hops in order, as U>A",
    User = 9 "user" "human on whose behalf",
    Subject = 10 "subject" "subject of a person's login",
    Owner = 11 "owner" "owner of the agent",
    Grant = 12 "grant" "delegation grant",
    Contract = 13 "contract" "contract's digest",
    Cred = 14 "cred" "credential",
    SigningKey = 15 "key" "signing key",
    Claimed = 16 "claimed" "names in unverified rejections",
    Model = 17 "model" "model",
    Tool = 18 "tool" "tool",
    ToolDigest = 19 "tool_digest" "tool's digest",
    System = 20 "system" "system acted on",
    Action = 21 "action" "action's name",
    Target = 22 "target" "what was acted on",
    Class = 23 "class" "class of action",
    Env = 24 "env" "environment",
    Scope = 25 "scope" "scope used",
    Mode = 26 "mode" "execution mode",
    Data = 27 "data" "data class",
    Trigger = 28 "trigger" "trigger, as type/ref",
    Task = 29 "task" "task's digest",
    Source = 30 "source" "what was read before, as type/ref",
    Assertion = 31 "assertion" "assertion, as key=value",
    Digest = 32 "digest" "digest of input, output, prompt or a source",
    Ref = 33 "ref" "vendor's reference or call id",
    Gate = 34 "gate" "gate",
    Verdict = 35 "verdict" "allow or deny",
    Reason = 36 "reason" "reason of a verdict or a rejection",
    Cause = 37 "cause" "event that caused it",
    Outcome = 38 "outcome" "outcome; denied is a deny verdict",
    Finding = 39 "finding" "finding's rule",
    Status = 40 "status" "accepted or rejected",
    Approver = 41 "approver" "who decided",
    Reader = 42 "reader" "who read",
    Read = 43 "read" "what a read covered",
    Id = 44 "id" "event id",
    Code = 45 "code" "code of a ledger's own entry",
    Time = 46 "time" "time that the entry claims: a day, RFC 3339, or A..B",
}

/// One term.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Term<'a> {
    /// The key.
    pub key: Key,
    /// The value.
    pub value: Cow<'a, str>,
}

/// How a term's value stands in a body.
#[derive(Clone, Copy)]
enum Form {
    /// As text.
    Text,
    /// As bytes, shown in hex.
    Hex,
    /// As an event id.
    Id,
    /// As a list of texts.
    List,
}

/// The terms that a field gives: key, the field inside it (empty for the field itself), form. Fields whose
/// terms need more than one value are [`Terms`]' own.
fn rules(field: &str) -> &'static [(Key, &'static str, Form)] {
    use Form::{Hex, Id, List, Text};
    match field {
        "code" => &[(Key::Code, "", Text)],
        "mode" => &[(Key::Mode, "", Text)],
        "rule" => &[(Key::Finding, "name", Text)],
        "task" => &[(Key::Task, "digest", Hex)],
        "tool" => &[
            (Key::Tool, "name", Text),
            (Key::ToolDigest, "digest", Hex),
            (Key::Ref, "call_id", Text),
        ],
        "agent" => &[(Key::Agent, "id", Text)],
        "grant" => &[
            (Key::Grant, "id", Id),
            (Key::Grant, "parent", Id),
            (Key::Principal, "to", Text),
            (Key::Env, "environment", Text),
            (Key::Scope, "scope", List),
        ],
        "input" | "output" | "prompt" => &[(Key::Digest, "digest", Hex)],
        "model" => &[(Key::Model, "name", Text)],
        "scope" => &[(Key::Scope, "", List)],
        "action" => &[
            (Key::System, "system", Text),
            (Key::Action, "name", Text),
            (Key::Target, "target", Text),
            (Key::Class, "class", Text),
        ],
        "reader" => &[(Key::Reader, "", Text)],
        "reason" => &[(Key::Reason, "", Text)],
        "outcome" => &[(Key::Outcome, "status", Text), (Key::Ref, "external_ref", Text)],
        "session" => &[(Key::Session, "", Hex)],
        "subject" => &[(Key::Subject, "sub", Text)],
        "contract" => &[(Key::Contract, "", Hex)],
        "registry" => &[
            (Key::Agent, "signer", Text),
            (Key::Principal, "id", Text),
            (Key::SigningKey, "kid", Hex),
            (Key::SigningKey, "replaces", Hex),
        ],
        "credential" => &[(Key::Cred, "id", Text)],
        "data_class" => &[(Key::Data, "", List)],
        "root_grant" | "parent_grant" => &[(Key::Grant, "", Id)],
        "correlation" => &[(Key::Corr, "", Text)],
        "environment" => &[(Key::Env, "", Text)],
        "on_behalf_of" => &[(Key::User, "", Text)],
        "parent_session" => &[(Key::Parent, "", Hex)],
        _ => &[],
    }
}

/// The owner that an entry states by itself: those do that change whose an agent is, and nobody erases them. In any
/// other, and in what was refused, the field is no more than its signer's word.
#[must_use]
pub fn stated_owner<'a>(leaf: &Leaf, body: &Body<'a>) -> Option<&'a str> {
    let states = matches!(
        body.kind(),
        Kind::AgentRegistered | Kind::AgentUpdated | Kind::ContractRegistered
    );
    body.text("owner").filter(|_| states && leaf.status == Status::Accepted)
}

/// The agent that an entry names, by whichever of its names, as the registry knew it at that index.
#[derive(Clone, Copy, Debug)]
pub struct Whose<'a> {
    /// Its id: the entry is found by it whatever it calls the agent.
    pub agent: &'a str,
    /// Who answered for it; counts where there is no [`stated_owner`].
    pub owner: &'a str,
}

impl<'a> From<&'a AgentRecord> for Whose<'a> {
    fn from(record: &'a AgentRecord) -> Self {
        Self { agent: &record.id, owner: &record.owner }
    }
}

/// The terms of an entry whose signature is valid, sorted, each once.
#[must_use]
pub fn of_entry<'a>(leaf: &Leaf, body: &'a Body<'a>, whose: Option<Whose<'a>>) -> Vec<Term<'a>> {
    let mut terms = told(leaf, body, whose);
    // What was refused has no id in the log: the same one can still be accepted.
    if leaf.status == Status::Accepted {
        terms.add(Key::Id, body.id().to_string());
    }
    terms.add(Key::Time, time_text(body.time()));
    terms.finish()
}

/// Those of [`of_entry`] that have postings: its id is found by itself, and its time is looked at.
#[must_use]
pub fn indexed<'a>(leaf: &Leaf, body: &'a Body<'a>, whose: Option<Whose<'a>>) -> Vec<Term<'a>> {
    told(leaf, body, whose).finish()
}

/// A time as terms have it, so that texts sort as times do: RFC 3339 with microseconds, and `+` before the
/// number where the calendar ends.
pub(crate) fn time_text(time: Micros) -> String {
    match time_json(time) {
        Json::String(text) => text,
        beyond => format!("+{beyond}"),
    }
}

fn told<'a>(leaf: &Leaf, body: &'a Body<'a>, whose: Option<Whose<'a>>) -> Terms<'a> {
    let mut terms = Terms(Vec::with_capacity(32));
    terms.add(Key::Kind, body.kind().as_str());
    terms.add(Key::Signer, body.signer());
    for (field, item) in body.fields() {
        for (key, inner, form) in rules(field.text().unwrap_or_default()) {
            let item = if inner.is_empty() { Some(item) } else { item.get(inner) };
            if let Some(item) = item {
                terms.add_item(*key, item, *form);
            }
        }
    }
    terms.causes(body);
    terms.principals(body);
    terms.verdicts(body);
    terms.origins(body);
    terms.decision(body);
    terms.texts(body);
    terms.add_some(Key::Agent, whose.map(|whose| whose.agent));
    terms.add_some(Key::Owner, stated_owner(leaf, body).or(whose.map(|whose| whose.owner)));
    if let Status::Rejected(reason) = leaf.status {
        terms.add(Key::Status, "rejected");
        terms.add(Key::Reason, reason.as_str());
    }
    terms
}

/// The terms of a rejection of which nothing is verified: its reason, and names as claims.
#[must_use]
pub fn of_refusal<'a>(leaf: &Leaf, claimed: &'a [String]) -> Vec<Term<'a>> {
    let mut terms = Terms(Vec::with_capacity(2 + claimed.len()));
    terms.add(Key::Status, "rejected");
    terms.add(Key::Reason, leaf.status.as_str());
    for name in claimed {
        terms.add(Key::Claimed, name.as_str());
    }
    terms.finish()
}

struct Terms<'a>(Vec<Term<'a>>);

impl<'a> Terms<'a> {
    fn add(&mut self, key: Key, value: impl Into<Cow<'a, str>>) {
        self.0.push(Term { key, value: value.into() });
    }

    fn add_some(&mut self, key: Key, value: Option<impl Into<Cow<'a, str>>>) {
        if let Some(value) = value {
            self.add(key, value);
        }
    }

    fn add_item(&mut self, key: Key, item: &Item<'a>, form: Form) {
        match form {
            Form::Text => self.add_some(key, item.text()),
            Form::Hex => self.add_some(key, item.bytes().map(hex)),
            Form::Id => {
                let id = item.bytes().and_then(EventId::from_slice);
                self.add_some(key, id.map(|id| id.to_string()));
            }
            Form::List => {
                for item in item.array().unwrap_or_default() {
                    self.add_some(key, item.text());
                }
            }
        }
    }

    fn causes(&mut self, body: &Body<'a>) {
        for id in body.causes() {
            self.add(Key::Cause, id.to_string());
        }
        self.add_some(Key::Cause, body.event_id("approval.request").map(|id| id.to_string()));
    }

    fn principals(&mut self, body: &Body<'a>) {
        let hops = body.principals();
        for (place, hop) in hops.iter().enumerate() {
            self.add(Key::Principal, hop.id);
            self.add_some(Key::Grant, hop.grant.map(|grant| grant.to_string()));
            for earlier in hops.iter().take(place) {
                self.add(Key::Path, format!("{}>{}", earlier.id, hop.id));
            }
        }
        if hops.len() > 2 {
            let ids: Vec<_> = hops.iter().map(|hop| hop.id).collect();
            self.add(Key::Path, ids.join(">"));
        }
    }

    fn verdicts(&mut self, body: &Body<'a>) {
        for verdict in body.list("verdicts") {
            let text = |name| verdict.get(name).and_then(Item::text);
            self.add_some(Key::Gate, text("gate"));
            self.add_some(Key::Verdict, text("decision"));
            self.add_some(Key::Reason, text("reason"));
            if text("decision") == Some("deny") {
                self.add(Key::Outcome, "denied");
            }
        }
    }

    fn origins(&mut self, body: &Body<'a>) {
        let joined = |item: &Item<'a>| {
            Some(format!("{}/{}", item.get("type")?.text()?, item.get("ref")?.text()?))
        };
        self.add_some(Key::Trigger, body.field("trigger").and_then(joined));
        for source in body.list("sources") {
            self.add_some(Key::Source, joined(source));
            self.add_some(Key::Digest, source.get("digest").and_then(Item::bytes).map(hex));
        }
        let assertions = body.field("assertions").and_then(Item::map).unwrap_or_default();
        for (key, value) in assertions {
            if let (Some(key), Some(value)) = (key.text(), value.text()) {
                self.add(Key::Assertion, format!("{key}={value}"));
            }
        }
    }

    /// What a registered text is known by.
    fn texts(&mut self, body: &Body<'a>) {
        let key = match body.kind() {
            Kind::ContractRegistered => Key::Contract,
            Kind::PolicyRegistered => Key::Digest,
            _ => return,
        };
        self.add_some(key, body.field("registry.digest").and_then(Item::bytes).map(hex));
    }

    fn decision(&mut self, body: &Body<'a>) {
        if body.kind() == Kind::ApprovalDecided {
            self.add(Key::Approver, body.signer());
            self.add_some(Key::Verdict, body.text("approval.decision"));
        }
        if body.kind() == Kind::LedgerAccess {
            self.add_some(Key::Read, body.text("query"));
        }
    }

    fn finish(mut self) -> Vec<Term<'a>> {
        self.0.sort_unstable();
        self.0.dedup();
        self.0
    }
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        clippy::indexing_slicing,
        clippy::panic,
        clippy::as_conversions,
        reason = "tests"
    )]

    use serde_json::{Value as Json, json};

    use super::*;
    use crate::body;
    use crate::id::{BodyDigest, ChainHash, Digest, Index, Micros};
    use crate::leaf::Counts;
    use crate::reject::Reason;

    fn leaf(status: Status) -> Leaf {
        Leaf {
            index: Index(0),
            previous: ChainHash::ZERO,
            received_at: Micros(0),
            status,
            statement: Digest::ZERO,
            body: BodyDigest::ZERO,
            position: 0,
            id: None,
            counts: Counts::default(),
            source: None,
        }
    }

    const ID: &str = "019d6b2c-ee80-7001-8002-030405060708";

    fn event(kind: &str, fields: &Json) -> Vec<u8> {
        let mut json = json!({
            "v": 1, "kind": kind, "id": ID, "salt": "00".repeat(16), "tenant": "acme", "time": 1,
            "session": "01".repeat(16), "seq": { "n": 1, "prev": "00".repeat(32) },
        });
        for (name, value) in fields.as_object().unwrap() {
            json[name] = value.clone();
        }
        body::from_json(&json).unwrap()
    }

    /// The terms beyond kind, session and id, as `key:value`.
    fn terms(bytes: &[u8], status: Status) -> Vec<String> {
        let body = Body::parse(bytes).unwrap();
        let agent = body.agent();
        let whose = agent.map(|agent| Whose { agent, owner: "team" });
        let terms = of_entry(&leaf(status), &body, whose);
        assert!(terms.is_sorted());
        let common = [Key::Kind, Key::Session, Key::Id, Key::Time];
        let shown = terms.iter().filter(|term| !common.contains(&term.key));
        shown.map(|term| format!("{}:{}", term.key.as_str(), term.value)).collect()
    }

    #[test]
    fn an_entry_is_found_by_what_it_says() {
        let verdict = event(
            "gate.verdict",
            &json!({
                "signer": "gate-1", "agent": { "id": "a" }, "correlation": "w", "causes": [ID],
                "principals": [
                    { "type": "human", "id": "h" }, { "type": "agent", "id": "o", "grant_id": ID },
                    { "type": "agent", "id": "a" },
                ],
                "verdicts": [
                    { "gate": "g1", "decision": "allow", "reason": "listed" },
                    { "gate": "g2", "decision": "deny", "reason": "late" },
                ],
                "sources": [{ "type": "ticket", "ref": "OPS-77" }],
                "assertions": { "consent": "yes" },
            }),
        );
        let cause = format!("cause:{ID}");
        let grant = format!("grant:{ID}");
        let expected = [
            "agent:a",
            "signer:gate-1",
            "corr:w",
            "principal:a",
            "principal:h",
            "principal:o",
            "path:h>a",
            "path:h>o",
            "path:h>o>a",
            "path:o>a",
            "owner:team",
            &grant,
            "source:ticket/OPS-77",
            "assertion:consent=yes",
            "gate:g1",
            "gate:g2",
            "verdict:allow",
            "verdict:deny",
            "reason:late",
            "reason:listed",
            &cause,
            "outcome:denied",
        ];
        assert_eq!(terms(&verdict, Status::Accepted), expected);
    }

    #[test]
    fn a_decision_names_its_approver_and_its_request() {
        let decided = event(
            "approval.decided",
            &json!({
                "signer": "h", "causes": [ID], "approval": { "request": ID, "decision": "deny" },
            }),
        );
        let cause = format!("cause:{ID}");
        let expected = ["signer:h", "verdict:deny", &cause, "approver:h"];
        assert_eq!(terms(&decided, Status::Accepted), expected);
    }

    #[test]
    fn a_refusal_is_found_under_its_agent_only_if_signed() {
        let end =
            event("session.end", &json!({ "agent": { "id": "a" }, "outcome": { "code": "done" } }));
        let refused = Status::Rejected(Reason::DisabledAgent);
        let expected =
            ["agent:a", "signer:a", "owner:team", "reason:disabled_agent", "status:rejected"];
        assert_eq!(terms(&end, refused), expected);
        let claimed = ["b".to_owned(), "a".to_owned()];
        let leaf = leaf(Status::Rejected(Reason::BadSignature));
        let claims = of_refusal(&leaf, &claimed);
        let shown: Vec<_> =
            claims.iter().map(|t| format!("{}:{}", t.key.as_str(), t.value)).collect();
        assert_eq!(shown, ["claimed:a", "claimed:b", "reason:bad_signature", "status:rejected"]);
    }

    #[test]
    fn an_owner_is_the_registrys_word_and_not_the_signers() {
        let rejected = Status::Rejected(Reason::RoleNotAllowed);
        let registered = json!({ "signer": "op", "agent": { "id": "a" }, "owner": "own" });
        let end = json!({ "agent": { "id": "a" }, "outcome": { "code": "done" }, "owner": "own" });
        for (kind, fields, status, expected) in [
            ("agent.registered", &registered, Status::Accepted, "owner:own"),
            ("agent.registered", &registered, rejected, "owner:team"),
            ("session.end", &end, Status::Accepted, "owner:team"),
        ] {
            let terms = terms(&event(kind, fields), status);
            let owners: Vec<_> = terms.iter().filter(|term| term.starts_with("owner:")).collect();
            assert_eq!(owners, [expected], "{kind} {status:?}");
        }
    }

    #[test]
    fn codes_and_names_lead_back() {
        for (key, code) in Key::ALL.iter().zip(1..) {
            assert_eq!((key.code(), Key::from_code(code)), (code, Some(*key)));
            assert_eq!(Key::parse(key.as_str()), Some(*key));
        }
    }
}
