//! What a random sequence is made of: submissions in plain words, and their bodies.

use std::sync::LazyLock;

use ed25519_dalek::SigningKey;
use schemas::detail::Detail;
use schemas::encode::{Value, map};
use schemas::id::{EventId, hex, sha256};
use schemas::key::PublicKey;
use serde_json::{Value as Json, json};

/// 2026-04-07T22:00:00Z.
pub(crate) const START: u64 = 1_775_599_200_000_000;
pub(crate) const HOUR: u64 = 3_600_000_000;
pub(crate) const DAY: u64 = 24 * HOUR;

pub(crate) const AGENTS: [&str; 5] = ["agent-0", "agent-1", "agent-2", "agent-3", "agent-4"];
/// The first one is there from the beginning.
pub(crate) const OPERATORS: [&str; 3] = ["operator", "operator-1", "operator-2"];
pub(crate) const OWNERS: [&str; 2] = ["owner-0", "owner-1"];
pub(crate) const PEOPLE: [&str; 5] = ["human-0", "human-1", "auditor", "witness", "authority"];
/// Keys that each name may have.
pub(crate) const KEYS_EACH: u8 = 3;

pub(crate) fn names() -> Vec<&'static str> {
    [&OPERATORS[..], &OWNERS, &PEOPLE, &AGENTS].concat()
}

/// The keys meant for a name; whether they are enrolled is another matter.
pub(crate) fn seeds(name: &str) -> Vec<u8> {
    let place = names().iter().position(|known| *known == name).unwrap_or_default() as u8;
    (0..KEYS_EACH).map(|n| 2 + place * KEYS_EACH + n).collect()
}

/// Signing keys by seed: 1 is the ledger's, 2 the first operator's.
pub(crate) static KEYS: LazyLock<Vec<(SigningKey, PublicKey)>> = LazyLock::new(|| {
    let pair = |seed| {
        let key = SigningKey::from_bytes(&[seed; 32]);
        let public = PublicKey::of(&key);
        (key, public)
    };
    (0..=80).map(pair).collect()
});

pub(crate) fn public(seed: u8) -> &'static PublicKey {
    &KEYS[seed as usize].1
}

/// A submission of one event.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Step {
    /// Microseconds since the step before.
    pub(crate) after: u64,
    pub(crate) signer: String,
    /// Seed of the key that signs.
    pub(crate) key: u8,
    /// Number of the event's id.
    pub(crate) id: u64,
    pub(crate) what: What,
}

#[derive(Clone, PartialEq, Debug)]
pub(crate) struct GrantSpec {
    pub(crate) id: u64,
    pub(crate) to: String,
    pub(crate) parent: Option<u64>,
    pub(crate) scope: Option<Vec<&'static str>>,
    pub(crate) systems: Option<Vec<&'static str>>,
    pub(crate) targets: Option<Vec<&'static str>>,
    pub(crate) data_classes: Option<Vec<&'static str>>,
    pub(crate) environment: Option<&'static str>,
    pub(crate) expires: Option<u64>,
}

#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Hop {
    pub(crate) id: String,
    pub(crate) human: bool,
    pub(crate) evidence: bool,
    pub(crate) grant: Option<u64>,
}

#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Action {
    pub(crate) kind: &'static str,
    pub(crate) agent: String,
    pub(crate) chain: Vec<Hop>,
    pub(crate) scope: Vec<&'static str>,
    pub(crate) system: &'static str,
    pub(crate) target: &'static str,
    pub(crate) environment: Option<&'static str>,
    pub(crate) data_classes: Vec<&'static str>,
}

#[derive(Clone, PartialEq, Debug)]
pub(crate) enum What {
    Register {
        agent: String,
        owner: String,
        addresses: Vec<String>,
        external: Vec<String>,
    },
    Update {
        agent: String,
        owner: Option<String>,
        addresses: Option<Vec<String>>,
    },
    /// `suspended`, `disabled`, `enabled` or `retired`.
    State {
        agent: String,
        to: &'static str,
    },
    Person {
        id: String,
        roles: Vec<&'static str>,
    },
    Leave {
        id: String,
    },
    Enrol {
        signer: String,
        key: u8,
        from: Option<u64>,
        until: Option<u64>,
    },
    Rotate {
        signer: String,
        key: u8,
        replaces: u8,
    },
    Revoke {
        signer: String,
        key: u8,
    },
    Credential {
        id: String,
        agent: String,
        issued: Option<u64>,
        expires: Option<u64>,
    },
    RevokeCredential {
        id: String,
        agent: Option<String>,
    },
    Contract {
        agent: String,
        named: String,
        owner: String,
        says: String,
        text: u8,
        days: Option<u64>,
    },
    Review {
        agent: String,
        text: u8,
    },
    Withdraw {
        agent: String,
        text: u8,
    },
    Policy {
        text: u8,
        name: Option<String>,
    },
    Grant(GrantSpec),
    Ungrant {
        id: u64,
    },
    Transit {
        from: &'static str,
        to: &'static str,
        over: &'static str,
    },
    Propose {
        m: u64,
        operation: Box<What>,
    },
    /// Only as what a proposal proposes.
    Quorum {
        m: u64,
    },
    Approve {
        id: u64,
    },
    Hold {
        query: &'static str,
    },
    Lift {
        id: u64,
    },
    Act(Box<Action>),
}

pub(crate) fn event_id(n: u64) -> EventId {
    let [a, b, c, d, e, f, g, h] = n.to_be_bytes();
    EventId::new(START / 1000 + n, &[a, b, c, d, e, f, g, h, 1, 1])
}

/// Midnight so many days after the first one; contracts end there.
pub(crate) fn midnight(days: u64) -> u64 {
    START + 2 * HOUR + days * DAY
}

fn date(days: u64) -> String {
    let day = 8 + days;
    if day <= 30 { format!("2026-04-{day:02}") } else { format!("2026-05-{:02}", day - 30) }
}

fn text(what: &str, text: u8) -> String {
    format!("{what} number {text}")
}

pub(crate) fn text_digest(what: &str, number: u8) -> String {
    hex(&sha256(text(what, number).as_bytes()))
}

impl What {
    /// The detail that the event needs beside it.
    pub(crate) fn detail(&self) -> Option<Vec<u8>> {
        let (field, text) = match self {
            Self::Contract { text: number, .. } => ("yaml", text("contract", *number)),
            Self::Policy { text: number, .. } => ("text", text("policy", *number)),
            _ => return None,
        };
        Some(Detail::encode(&[7; 16], &map([(field, Value::from(text))])))
    }

    /// Its own fields.
    pub(crate) fn fields(&self) -> Json {
        let kid = |seed: &u8| hex(public(*seed).kid().as_bytes());
        let key = |seed: &u8| hex(public(*seed).as_bytes());
        let causes = |id: &u64| json!([event_id(*id).to_string()]);
        match self {
            Self::Register { agent, owner, addresses, external } => json!({
                "kind": "agent.registered", "agent": {"id": agent}, "owner": owner,
                "registry": {"addresses": addresses, "external": external},
            }),
            Self::Update { agent, owner, addresses } => json!({
                "kind": "agent.updated", "agent": {"id": agent}, "owner": owner,
                "registry": {"addresses": addresses},
            }),
            Self::State { agent, to } => {
                json!({"kind": format!("agent.{to}"), "agent": {"id": agent}})
            }
            Self::Person { id, roles } => {
                json!({"kind": "principal.registered", "registry": {"id": id, "roles": roles}})
            }
            Self::Leave { id } => json!({"kind": "principal.disabled", "registry": {"id": id}}),
            Self::Enrol { signer, key: seed, from, until } => json!({
                "kind": "key.enrolled",
                "registry": {"signer": signer, "key": key(seed), "kid": kid(seed),
                             "not_before": from, "not_after": until},
            }),
            Self::Rotate { signer, key: seed, replaces } => json!({
                "kind": "key.rotated",
                "registry": {"signer": signer, "key": key(seed), "replaces": kid(replaces)},
            }),
            Self::Revoke { signer, key: seed } => {
                json!({"kind": "key.revoked", "registry": {"signer": signer, "kid": kid(seed)}})
            }
            Self::Credential { id, agent, issued, expires } => json!({
                "kind": "credential.registered", "agent": {"id": agent},
                "credential": {"id": id, "issued": issued, "expires": expires},
            }),
            Self::RevokeCredential { id, agent } => json!({
                "kind": "credential.revoked", "credential": {"id": id},
                "agent": agent.as_ref().map(|agent| json!({"id": agent})),
            }),
            Self::Contract { agent, named, owner, says, text, days } => json!({
                "kind": "contract.registered", "agent": {"id": agent}, "owner": owner,
                "registry": {
                    "digest": text_digest("contract", *text),
                    "agent": {"name": named, "owner": says, "execution_mode": "autonomous",
                              "permissions": {"mail": ["email.send"]}, "expiry": days.map(date)},
                },
            }),
            Self::Review { agent, text } => json!({
                "kind": "contract.reviewed", "agent": {"id": agent},
                "contract": text_digest("contract", *text),
            }),
            Self::Withdraw { agent, text } => json!({
                "kind": "contract.withdrawn", "agent": {"id": agent},
                "contract": text_digest("contract", *text),
            }),
            Self::Policy { text, name } => json!({
                "kind": "policy.registered",
                "registry": {"digest": text_digest("policy", *text), "name": name},
            }),
            Self::Grant(grant) => json!({"kind": "delegation.granted", "grant": granted(grant)}),
            Self::Ungrant { id } => json!({
                "kind": "delegation.revoked", "grant": {"id": event_id(*id).to_string()},
            }),
            Self::Transit { from, to, over } => json!({
                "kind": "authz.transition",
                "transition": {"from": from, "to": to, "applies_to": over},
            }),
            Self::Propose { m, operation } => json!({
                "kind": "proposal", "registry": {"m": m, "operation": open(operation.fields())},
            }),
            Self::Quorum { m } => json!({"kind": "quorum", "m": m}),
            Self::Approve { id } => json!({"kind": "proposal.approved", "causes": causes(id)}),
            Self::Hold { query } => json!({"kind": "hold.placed", "hold": {"query": query}}),
            Self::Lift { id } => json!({"kind": "hold.lifted", "causes": causes(id)}),
            Self::Act(action) => acted(action),
        }
    }
}

/// The same where fields have no types of their own: there bytes are said to be bytes.
fn open(mut operation: Json) -> Json {
    for name in ["key", "kid", "replaces"] {
        if let Some(Json::String(text)) = operation["registry"].get(name) {
            operation["registry"][name] = json!({"hex": text});
        }
    }
    operation
}

fn granted(grant: &GrantSpec) -> Json {
    json!({
        "id": event_id(grant.id).to_string(), "to": grant.to,
        "parent": grant.parent.map(|id| event_id(id).to_string()), "scope": grant.scope,
        "systems": grant.systems, "targets": grant.targets, "data_classes": grant.data_classes,
        "environment": grant.environment, "expires": grant.expires,
    })
}

fn acted(action: &Action) -> Json {
    let hop = |hop: &Hop| {
        json!({
            "id": hop.id, "type": if hop.human { "human" } else { "agent" },
            "evidence": hop.evidence.then(|| "05".repeat(32)),
            "grant_id": hop.grant.map(|id| event_id(id).to_string()),
        })
    };
    let chain: Vec<_> = action.chain.iter().map(hop).collect();
    let mut event = json!({
        "kind": action.kind, "agent": {"id": action.agent}, "correlation": "w",
        "action": {"name": "do", "class": "write", "system": action.system,
                   "target": action.target},
        "credential": {"id": "cred-0"}, "scope": action.scope,
        "environment": action.environment, "data_class": action.data_classes,
        "principals": if chain.is_empty() { Json::Null } else { json!(chain) },
    });
    let more = match action.kind {
        "action.intent" => json!({"mode": "self", "prompt": "none", "input": "none"}),
        "action.outcome" => json!({
            "causes": [event_id(1).to_string()], "outcome": {"status": "dispatched"},
        }),
        _ => json!({"outcome": {"external_ref": "ref-1"}}),
    };
    event.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    event
}

/// Without the fields that are null, at any depth.
fn present(json: Json) -> Json {
    match json {
        Json::Object(pairs) => pairs
            .into_iter()
            .filter(|(_, value)| !value.is_null())
            .map(|(name, value)| (name, present(value)))
            .collect(),
        other => other,
    }
}

impl Step {
    /// Bytes of its body: the same step gives the same bytes.
    pub(crate) fn body(&self) -> Vec<u8> {
        let mut event = present(self.what.fields());
        if let Json::Array(hops) = &mut event["principals"] {
            hops.iter_mut().for_each(|hop| *hop = present(hop.take()));
        }
        let common = json!({
            "v": 1, "id": event_id(self.id).to_string(), "salt": "00".repeat(16),
            "tenant": "test", "time": START + self.id, "session": "0a".repeat(16),
            "seq": {"n": self.id + 1, "prev": "00".repeat(32)},
        });
        let fields = event.as_object_mut().unwrap();
        fields.retain(|_, value| !value.is_null());
        fields.extend(common.as_object().unwrap().clone());
        if fields.get("agent").and_then(|agent| agent["id"].as_str()) != Some(&self.signer) {
            fields.insert("signer".to_owned(), json!(self.signer));
        }
        if let Some(detail) = self.what.detail() {
            fields.insert("detail".to_owned(), json!(hex(&sha256(&detail))));
        }
        schemas::body::from_json(&event).unwrap()
    }
}
