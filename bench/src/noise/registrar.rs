//! Whatever has to be in order before an agent acts, and stays so: registry, credentials, grants, contracts.

use schemas::detail::Detail;
use schemas::encode::{Value, map};
use schemas::id::{EventId, hex, sha256};
use serde_json::{Value as Json, json};

use super::agent::Agent;
use super::month::{Cast, Emission};
use super::{DAY_US, HOUR_US, Plan, START_US, day};

/// A credential is replaced after so many days, two before it ends.
const CREDENTIAL_DAYS: u64 = 6;
/// A grant is renewed after so many days, four before it ends.
const GRANT_DAYS: u64 = 20;
/// The day on which contracts of a kind are replaced, three days before they end.
const RENEWAL_DAY: u64 = 28;
const ENDS: &str = "2026-04-02";
/// The day on which contracts of a kind are reviewed, two days before it is due.
const REVIEW_DAY: u64 = 16;
const REVIEW_BY: &str = "2026-03-20";

/// An id that follows from a name.
fn id(name: &str, at: u64) -> EventId {
    let [a, b, c, d, e, f, g, h, i, j, ..] = sha256(name.as_bytes());
    EventId::new(at / 1000, &[a, b, c, d, e, f, g, h, i, j])
}

/// The credential that an agent uses at a time: the last one, an hour after it was registered.
pub(crate) fn credential(agent: &str, at: u64) -> String {
    format!("cred-{agent}-{}", day(at.saturating_sub(HOUR_US)) / CREDENTIAL_DAYS)
}

/// The grant that somebody holds from somebody at a time.
pub(crate) fn grant(by: &str, to: &str, at: u64) -> EventId {
    granted(by, to, day(at.saturating_sub(HOUR_US)) / GRANT_DAYS)
}

fn granted(by: &str, to: &str, n: u64) -> EventId {
    id(&format!("grant {by} {to} {n}"), START_US + n * GRANT_DAYS * DAY_US)
}

/// Digest of the text of an agent's contract at a time.
pub(crate) fn contract_digest(agent: &Agent, at: u64) -> String {
    let renewed = agent.number.is_multiple_of(5) && day(at) >= RENEWAL_DAY;
    hex(&sha256(text(&agent.name, u64::from(renewed)).as_bytes()))
}

fn text(agent: &str, version: u64) -> String {
    format!("# contract of {agent}, version {version}\n")
}

/// Everything that is registered, by whom it is about.
pub(crate) fn all(cast: &Cast, agents: &[Agent], plan: Plan) -> Vec<Emission> {
    let mut paper = Paper { all: Vec::new(), now: START_US - 12 * HOUR_US };
    for (id, roles) in [
        ("gate", json!(["gate"])),
        ("proxy", json!(["witness", "service"])),
        ("owner@example.com", json!(["human", "owner"])),
    ] {
        paper.principal(cast, id, &roles);
    }
    for person in &cast.people {
        paper.principal(cast, cast.name(*person), &json!(["human", "approver"]));
    }
    for agent in agents {
        paper.agent(cast, agent);
    }
    for agent in agents {
        paper.lasting(cast, agent, plan.days);
    }
    paper.all
}

struct Paper {
    all: Vec<Emission>,
    now: u64,
}

impl Paper {
    /// A moment later, before anything else happens.
    fn say(&mut self, by: usize, fields: Json) {
        self.now += 200_000;
        self.say_at(self.now, by, fields, None);
    }

    fn say_at(&mut self, at: u64, by: usize, fields: Json, detail: Option<Vec<u8>>) {
        let id = id(&fields.to_string(), at);
        let session = super::month::week_of(by, at);
        self.all.push(Emission { at, by, session, id, fields, detail, is_prompt: true });
    }

    fn principal(&mut self, cast: &Cast, id: &str, roles: &Json) {
        let registry = json!({"id": id, "roles": roles});
        self.say(cast.operator, json!({"kind": "principal.registered", "registry": registry}));
        self.key(cast, id);
    }

    fn key(&mut self, cast: &Cast, id: &str) {
        let key = hex(cast.key(id).as_bytes());
        let registry = json!({"signer": id, "key": key});
        self.say(cast.operator, json!({"kind": "key.enrolled", "registry": registry}));
    }

    fn agent(&mut self, cast: &Cast, agent: &Agent) {
        let registered = json!({
            "kind": "agent.registered", "agent": {"id": agent.name}, "owner": "owner@example.com",
            "registry": {"purpose": agent.trade.name},
        });
        self.say(cast.operator, registered);
        self.key(cast, &agent.name);
        let (ends, review) = match agent.number % 5 {
            0 => (ENDS, None),
            1 => ("2027-01-01", Some(REVIEW_BY)),
            _ => ("2027-01-01", None),
        };
        self.now += 200_000;
        self.contract(cast, agent, 0, (self.now, ends, review));
    }

    fn contract(
        &mut self,
        cast: &Cast,
        agent: &Agent,
        version: u64,
        (at, ends, review): (u64, &str, Option<&str>),
    ) {
        let text = text(&agent.name, version);
        let mut registry =
            agent.trade.contract(&agent.name, "owner@example.com", agent.actions_an_hour());
        if let Some(fields) = registry.as_object_mut() {
            fields.insert("digest".to_owned(), hex(&sha256(text.as_bytes())).into());
            fields.extend(review.map(|date| ("review_by".to_owned(), date.into())));
        }
        if let Some(named) = registry.get_mut("agent").and_then(Json::as_object_mut) {
            named.insert("expiry".to_owned(), ends.into());
        }
        let detail = Detail::encode(&[7; 16], &map([("yaml", Value::from(text.as_str()))]));
        let fields = json!({
            "kind": "contract.registered", "agent": {"id": agent.name},
            "owner": "owner@example.com", "registry": registry, "detail": hex(&sha256(&detail)),
        });
        self.say_at(at, cast.owner, fields, Some(detail));
    }

    /// What is renewed in time.
    fn lasting(&mut self, cast: &Cast, agent: &Agent, days: u64) {
        for n in 0..=days / CREDENTIAL_DAYS {
            let at = (START_US + n * CREDENTIAL_DAYS * DAY_US).max(self.now + 1_000_000);
            self.credential(cast, agent, n, at);
        }
        for n in 0..=days / GRANT_DAYS {
            let at = (START_US + n * GRANT_DAYS * DAY_US).max(self.now + 1_000_000);
            self.grants(cast, agent, n, at);
        }
        if agent.number.is_multiple_of(5) {
            let at = START_US + RENEWAL_DAY * DAY_US;
            self.contract(cast, agent, 1, (at, "2027-01-01", None));
        } else if agent.number % 5 == 1 {
            let at = START_US + REVIEW_DAY * DAY_US;
            let digest = contract_digest(agent, at);
            let reviewed = json!({
                "kind": "contract.reviewed", "agent": {"id": agent.name}, "contract": digest,
            });
            self.say_at(at, cast.owner, reviewed, None);
        }
    }

    /// A new credential; the one before is revoked when nothing uses it any more.
    fn credential(&mut self, cast: &Cast, agent: &Agent, n: u64, at: u64) {
        let of = |n: u64| format!("cred-{}-{n}", agent.name);
        let registered = json!({
            "kind": "credential.registered", "agent": {"id": agent.name},
            "credential": {
                "id": of(n), "type": "token", "scopes": agent.trade.scopes(), "issued": at,
                "expires": at + (CREDENTIAL_DAYS + 2) * DAY_US,
            },
        });
        self.say_at(at, cast.operator, registered, None);
        if let Some(before) = n.checked_sub(1) {
            let revoked = json!({
                "kind": "credential.revoked", "agent": {"id": agent.name},
                "credential": {"id": of(before)},
            });
            self.say_at(at + 12 * HOUR_US, cast.operator, revoked, None);
        }
    }

    /// From its person, or from its person through its peer.
    fn grants(&mut self, cast: &Cast, agent: &Agent, n: u64, at: u64) {
        let person = cast.name(agent.person).to_owned();
        let give = |by: &str, to: &str, parent: Option<EventId>| {
            let mut grant = json!({
                "id": granted(by, to, n).to_string(), "to": to, "scope": agent.trade.scopes(),
                "systems": agent.trade.systems(), "expires": at + (GRANT_DAYS + 4) * DAY_US,
            });
            if let (Some(parent), Some(fields)) = (parent, grant.as_object_mut()) {
                fields.insert("parent".to_owned(), parent.to_string().into());
            }
            json!({"kind": "delegation.granted", "grant": grant})
        };
        self.say_at(at, agent.person, give(&person, &agent.name, None), None);
        if let Some((peer, name)) = &agent.peer {
            // The peer is of the same trade and has the same person.
            let parent = granted(&person, name, n);
            let given = give(name, &agent.name, Some(parent));
            let digest = hex(&sha256(b"pass work on"));
            let start = json!({
                "kind": "session.start", "agent": {"id": name, "name": name, "version": "4.1", "build": "none"},
                "correlation": format!("grants-{n}"), "task": {"digest": digest},
                "model": {"provider": "example", "name": "model-large", "version": "2025-11"},
                "contract": digest, "attestation": "none",
            });
            let end = json!({
                "kind": "session.end", "agent": {"id": name}, "correlation": format!("grants-{n}"),
                "outcome": {"code": "done"},
            });
            for (after, fields) in [(10, start), (11, given), (12, end)] {
                self.say_at(at + after * 1_000_000, *peer, fields, None);
            }
        }
    }
}
