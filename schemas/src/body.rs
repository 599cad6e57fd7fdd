//! Event bodies: their fields, checked against one table, and typed access to them.

use serde_json::Value as Json;

use crate::deterministic::{Bounds, Item, decode};
use crate::encode::{self, Value};
use crate::id::{BodyDigest, Digest, EventId, Kid, Micros, SessionId, sha256};
use crate::kind::{Kind, Role};
use crate::limits::{
    ASSERTIONS_MAX, BODY_BYTES_MAX, CAUSES_MAX, DATA_CLASSES_MAX, EXT_BYTES_MAX, PRINCIPALS_MAX,
    QUERY_BYTES_MAX, REDACT_RANGES_MAX, REGISTRY_BYTES_MAX, SCOPES_MAX, SIGNER_BYTES_MAX,
    SOURCES_MAX, VERDICTS_MAX,
};
use crate::reject::{Reason, Reject};
use crate::secret;
use crate::shape::{Field, Path, Shape, check_record, may, must, read_record, record_json};

/// Version of the body format.
pub const BODY_VERSION: u64 = 1;
/// Signer id of the ledger's own entries.
pub const LEDGER_SIGNER: &str = "ledger";

// Tables name fields in wire order, shorter names first, for records are checked in one walk.

const ANY: u64 = u64::MAX;
const HASH: Shape = Shape::Bytes(32);
const WORD_64: Shape = Shape::Text(64);
const SCOPES: Shape = Shape::List { of: &Shape::Text(128), min: 0, max: SCOPES_MAX };
const HASH_OR_NONE: Shape = Shape::OrNone(&HASH);
const DIGEST: &[Field] =
    &[must("alg", Shape::Text(32)), must("size", Shape::Uint(ANY)), must("digest", HASH)];

const AGENT: &[Field] = &[
    must("id", Shape::Text(SIGNER_BYTES_MAX)),
    may("name", WORD_64),
    may("build", HASH_OR_NONE),
    may("version", WORD_64),
    may("instance", WORD_64),
];
const PREVIOUS: &[Field] = &[must("n", Shape::Uint(ANY)), must("digest", HASH), must("session", Shape::Bytes(16))];
const SEQ: &[Field] = &[must("n", Shape::Uint(ANY)), must("prev", HASH)];
const GAP: &[Field] = &[must("to", Shape::Uint(ANY)), must("from", Shape::Uint(ANY))];
const PRINCIPAL: &[Field] = &[
    must("id", Shape::Text(SIGNER_BYTES_MAX)),
    may("task", Shape::Text(256)),
    must("type", Shape::Word(&["human", "agent", "service", "organization", "workflow", "policy"])),
    may("issuer", Shape::Text(256)),
    may("evidence", HASH),
    may("grant_id", Shape::Id),
    may("authorized_at", Shape::Time),
];
const GRANT: &[Field] = &[
    must("id", Shape::Id),
    may("to", Shape::Text(SIGNER_BYTES_MAX)),
    may("task", Shape::Text(256)),
    may("scope", SCOPES),
    may("parent", Shape::Id),
    may("expires", Shape::Time),
    may("systems", SCOPES),
    may("targets", Shape::List { of: &Shape::Text(512), min: 0, max: SCOPES_MAX }),
    may("environment", Shape::Text(32)),
    may("data_classes", SCOPES),
];
const SUBJECT: &[Field] = &[must("sub", Shape::Text(256)), must("issuer", Shape::Text(256))];
const MODEL: &[Field] = &[must("name", Shape::Text(128)), must("version", WORD_64), must("provider", WORD_64)];
const TASK: &[Field] = &[must("digest", HASH), may("summary", Shape::Text(512))];
const PROMPT: &[Field] = &[must("size", Shape::Uint(ANY)), must("digest", HASH)];
const SOURCE: &[Field] = &[
    must("ref", Shape::Text(256)),
    must("type", Shape::Word(&["ticket", "message", "file", "page"])),
    may("digest", HASH),
];
const CREDENTIAL: &[Field] = &[
    must("id", Shape::Text(128)),
    may("type", Shape::Text(32)),
    may("issued", Shape::Time),
    may("scopes", SCOPES),
    may("expires", Shape::Time),
];
const ACTION: &[Field] = &[
    must("name", Shape::Text(128)),
    must("class", Shape::Word(&["read", "write", "destructive", "payment", "communication"])),
    must("system", WORD_64),
    must("target", Shape::Text(512)),
    may("irreversible", Shape::Bool),
];
const TOOL: &[Field] = &[must("name", Shape::Text(128)), may("digest", HASH), may("call_id", Shape::Text(128))];
const TRIGGER: &[Field] = &[
    must("ref", Shape::Text(256)),
    must("type", Shape::Word(&["mail", "webhook", "schedule", "human", "agent"])),
];
const BASIS: &[Field] = &[may("as_of", Shape::Time), must("source", WORD_64)];
const VERDICT: &[Field] = &[
    may("at", Shape::Time),
    may("by", WORD_64),
    must("gate", WORD_64),
    may("risk", Shape::Uint(100)),
    may("basis", Shape::Record(BASIS)),
    must("reason", WORD_64),
    must("decision", Shape::Word(&["allow", "deny"])),
    may("policy_digest", HASH),
];
const APPROVAL: &[Field] = &[
    may("expires", Shape::Time),
    must("request", Shape::Id),
    may("decision", Shape::Word(&["allow", "deny"])),
];
const OUTCOME: &[Field] = &[
    may("code", WORD_64),
    may("status", Shape::Word(&["planned", "dispatched", "confirmed", "failed", "reverted"])),
    may("external_ref", Shape::Text(256)),
];
const ATTESTATION: &[Field] = &[
    may("type", WORD_64),
    may("build", HASH),
    may("evidence", HASH),
    may("verifier", Shape::Text(256)),
    may("environment", Shape::Text(32)),
];
const TRANSITION: &[Field] = &[must("to", WORD_64), must("from", WORD_64), must("applies_to", Shape::Text(256))];
const REDACT: &[Field] = &[
    must("basis", WORD_64),
    must("parts", Shape::List { of: &Shape::Word(&["body", "detail"]), min: 1, max: 2 }),
    must("ranges", Shape::Ranges(REDACT_RANGES_MAX)),
];
const HOLD: &[Field] = &[must("query", Shape::Text(QUERY_BYTES_MAX))];
const RULE: &[Field] = &[must("name", WORD_64), must("version", Shape::Uint(ANY))];
const RANGE: &[Field] = &[must("to", Shape::Uint(ANY)), must("from", Shape::Uint(ANY))];

/// Every field that a body may have, in wire order: shorter names first, then bytewise.
pub const FIELDS: &[Field] = &[
    may("v", Shape::Uint(ANY)),
    may("id", Shape::Id),
    may("ext", Shape::Open(EXT_BYTES_MAX)),
    may("gap", Shape::Record(GAP)),
    may("seq", Shape::Record(SEQ)),
    may("code", WORD_64),
    may("hold", Shape::Record(HOLD)),
    may("kind", Shape::Text(32)),
    may("mode", Shape::Word(&["self", "approval", "on_behalf_of"])),
    may("note", Shape::Text(2048)),
    may("rule", Shape::Record(RULE)),
    may("salt", Shape::Bytes(16)),
    may("task", Shape::Record(TASK)),
    may("time", Shape::Time),
    may("tool", Shape::Record(TOOL)),
    may("agent", Shape::Record(AGENT)),
    may("count", Shape::Uint(ANY)),
    may("grant", Shape::Record(GRANT)),
    may("input", Shape::OrNone(&Shape::Record(DIGEST))),
    may("model", Shape::Record(MODEL)),
    may("owner", Shape::Text(256)),
    may("query", Shape::Text(QUERY_BYTES_MAX)),
    may("range", Shape::Record(RANGE)),
    may("scope", SCOPES),
    may("action", Shape::Record(ACTION)),
    may("causes", Shape::List { of: &Shape::Id, min: 0, max: CAUSES_MAX }),
    may("detail", HASH),
    may("output", Shape::OrNone(&Shape::Record(DIGEST))),
    may("prompt", Shape::OrNone(&Shape::Record(PROMPT))),
    may("reader", Shape::Text(256)),
    may("reason", WORD_64),
    may("redact", Shape::Record(REDACT)),
    may("signer", Shape::Text(SIGNER_BYTES_MAX)),
    may("tenant", Shape::Text(63)),
    may("outcome", Shape::Record(OUTCOME)),
    may("session", Shape::Bytes(16)),
    may("sources", Shape::List { of: &Shape::Record(SOURCE), min: 0, max: SOURCES_MAX }),
    may("subject", Shape::Record(SUBJECT)),
    may("trigger", Shape::Record(TRIGGER)),
    may("approval", Shape::Record(APPROVAL)),
    may("contract", HASH),
    may("previous", Shape::OrNone(&Shape::Record(PREVIOUS))),
    may("registry", Shape::Open(REGISTRY_BYTES_MAX)),
    may("verdicts", Shape::List { of: &Shape::Record(VERDICT), min: 1, max: VERDICTS_MAX }),
    may("assertions", Shape::Dictionary { pairs: ASSERTIONS_MAX, key: 64, value: 256 }),
    may("credential", Shape::Record(CREDENTIAL)),
    may("data_class", Shape::List { of: &Shape::Text(32), min: 0, max: DATA_CLASSES_MAX }),
    may("principals", Shape::List { of: &Shape::Record(PRINCIPAL), min: 1, max: PRINCIPALS_MAX }),
    may("root_grant", Shape::Id),
    may("transition", Shape::Record(TRANSITION)),
    may("attestation", Shape::OrNone(&Shape::Record(ATTESTATION))),
    may("correlation", Shape::Text(128)),
    may("environment", Shape::Text(32)),
    may("traceparent", Shape::Text(55)),
    may("on_behalf_of", Shape::Text(256)),
    may("parent_grant", Shape::Id),
    may("parent_session", Shape::Bytes(16)),
];

/// `registry` of `agent.registered` and `agent.updated`.
const REGISTRY_AGENT: &[Field] = &[
    may("build", HASH),
    may("purpose", Shape::Text(512)),
    may("external", Shape::List { of: &Shape::Text(256), min: 0, max: 16 }),
    may("addresses", Shape::List { of: &Shape::Text(256), min: 0, max: 16 }),
    may("environment", Shape::Text(32)),
    may("execution_mode", Shape::Word(&["autonomous", "approval", "on_behalf_of"])),
];
/// `registry` of `principal.registered`.
const REGISTRY_PRINCIPAL: &[Field] = &[
    may("id", Shape::Text(SIGNER_BYTES_MAX)),
    may("name", Shape::Text(256)),
    may("roles", Shape::List { of: &Shape::Word(Role::NAMES), min: 1, max: 8 }),
    may("route", Shape::Text(256)),
    may("addresses", Shape::List { of: &Shape::Text(256), min: 0, max: 16 }),
];
/// `registry` of `principal.disabled`.
const REGISTRY_LEAVER: &[Field] = &[may("id", Shape::Text(SIGNER_BYTES_MAX))];
/// `registry` of `key.enrolled`, `key.rotated` and `key.revoked`.
const REGISTRY_KEY: &[Field] = &[
    may("key", HASH),
    may("kid", HASH),
    may("signer", Shape::Text(SIGNER_BYTES_MAX)),
    may("replaces", HASH),
    may("not_after", Shape::Time),
    may("not_before", Shape::Time),
];

/// Fields that every body has, whatever its kind.
const REQUIRED_OF_ALL: &[&str] = &["id", "salt", "tenant", "time"];
/// Fields that every body but the ledger's own has besides.
const REQUIRED_OF_SESSIONS: &[&str] = &["session", "seq.n", "seq.prev"];
/// Fields that an agent's own `session.start` needs besides.
const REQUIRED_OF_AGENT_START: &[&str] = &["correlation", "task", "model", "contract"];

/// A body that fits its kind, borrowing from the bytes that were signed.
#[derive(Clone, Debug)]
pub struct Body<'a> {
    root: Item<'a>,
    kind: Kind,
    id: EventId,
    time: Micros,
}

/// The signer's own chain: `n` from 1 and the digest of its previous body.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Seq {
    /// Count within (signer, session), from 1.
    pub n: u64,
    /// Digest of the previous body; zero at first.
    pub prev: BodyDigest,
}

/// One hop of a principal chain.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Principal<'a> {
    /// Its id.
    pub id: &'a str,
    /// `human`, `agent`, `service`, `organization`, `workflow` or `policy`.
    pub kind: &'a str,
    /// What it was asked to do.
    pub task: Option<&'a str>,
    /// The grant it acts under; the first hop has none.
    pub grant: Option<EventId>,
}

impl<'a> Body<'a> {
    /// Decodes a body and checks it against its kind.
    ///
    /// # Errors
    /// The first fault: size, encoding, secrets, version, kind, then fields. Secrets come early, because
    /// the bytes of a body refused for anything else are kept.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Reject> {
        if bytes.len() > BODY_BYTES_MAX {
            let expected = format!("at most {BODY_BYTES_MAX} bytes");
            return Err(Reject::new(Reason::TooLarge, "body", expected));
        }
        let root = decode(bytes, Bounds::WIRE).map_err(|fault| {
            let expected = format!("deterministic CBOR, not {fault}");
            Reject::new(Reason::Malformed, "body", expected)
        })?;
        let Some(pairs) = root.map() else {
            return Err(Reject::new(Reason::Malformed, "body", "a map"));
        };
        secret::scan(&root)?;
        check_version(&root)?;
        let kind = kind_of(&root)?;
        let path = Path::root("");
        check_record(FIELDS, pairs, &path)?;
        check_registry(&root, kind)?;
        check_required(&root, kind)?;
        let id = root.get("id").and_then(Item::bytes).and_then(EventId::from_slice);
        let time = root.get("time").and_then(Item::uint).map(Micros);
        match (id, time) {
            (Some(id), Some(time)) => Ok(Self { root, kind, id, time }),
            _ => Err(missing("id")),
        }
    }

    /// Digest of body bytes.
    #[must_use]
    pub fn digest(bytes: &[u8]) -> BodyDigest {
        BodyDigest(sha256(bytes))
    }

    /// The kind.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The event id.
    #[must_use]
    pub fn id(&self) -> EventId {
        self.id
    }

    /// When the signer says it happened.
    #[must_use]
    pub fn time(&self) -> Micros {
        self.time
    }

    /// The tenant.
    #[must_use]
    pub fn tenant(&self) -> &'a str {
        self.text("tenant").unwrap_or_default()
    }

    /// The agent that acted, or that a registry entry is about.
    #[must_use]
    pub fn agent(&self) -> Option<&'a str> {
        self.text("agent.id")
    }

    /// Who signs: `signer`, else the agent.
    #[must_use]
    pub fn signer(&self) -> &'a str {
        self.text("signer").or_else(|| self.agent()).unwrap_or_default()
    }

    /// The signer's session.
    #[must_use]
    pub fn session(&self) -> Option<SessionId> {
        self.field("session")?.bytes().and_then(SessionId::from_slice)
    }

    /// The signer's count and link.
    #[must_use]
    pub fn seq(&self) -> Option<Seq> {
        let n = self.field("seq.n")?.uint()?;
        let prev = BodyDigest::from_slice(self.field("seq.prev")?.bytes()?)?;
        Some(Seq { n, prev })
    }

    /// The workflow that it belongs to.
    #[must_use]
    pub fn correlation(&self) -> Option<&'a str> {
        self.text("correlation")
    }

    /// Ids of the events that caused it.
    #[must_use]
    pub fn causes(&self) -> Vec<EventId> {
        let causes = self.field("causes").and_then(Item::array).unwrap_or_default();
        causes.iter().filter_map(|id| EventId::from_slice(id.bytes()?)).collect()
    }

    /// The principal chain, the human first.
    #[must_use]
    pub fn principals(&self) -> Vec<Principal<'a>> {
        let hops = self.field("principals").and_then(Item::array).unwrap_or_default();
        let hop = |item: &Item<'a>| {
            Some(Principal {
                id: item.get("id")?.text()?,
                kind: item.get("type")?.text()?,
                task: item.get("task").and_then(Item::text),
                grant: item.get("grant_id").and_then(Item::bytes).and_then(EventId::from_slice),
            })
        };
        hops.iter().filter_map(hop).collect()
    }

    /// Digest of the detail beside it.
    #[must_use]
    pub fn detail(&self) -> Option<Digest> {
        self.field("detail")?.bytes().and_then(Digest::from_slice)
    }

    /// The kid in `registry.<name>`.
    #[must_use]
    pub fn registry_kid(&self, name: &str) -> Option<Kid> {
        self.field("registry")?.get(name)?.bytes().and_then(Kid::from_slice)
    }

    /// Every field, in wire order.
    #[must_use]
    pub fn fields(&self) -> &[(Item<'a>, Item<'a>)] {
        self.root.map().unwrap_or_default()
    }

    /// The field at a dotted path.
    #[must_use]
    pub fn field(&self, path: &str) -> Option<&Item<'a>> {
        self.root.path(path)
    }

    /// The text at a dotted path.
    #[must_use]
    pub fn text(&self, path: &str) -> Option<&'a str> {
        self.field(path)?.text()
    }

    /// The JSON form: every field by name.
    #[must_use]
    pub fn to_json(&self) -> Json {
        let pairs = self.root.map().unwrap_or_default();
        let mut json = record_json(FIELDS, pairs);
        if let (Some(shape), Some(registry)) = (registry_shape(self.kind), self.field("registry"))
            && let Some(slot) = json.get_mut("registry")
        {
            *slot = shape.to_json(registry);
        }
        json
    }
}

fn missing(path: &str) -> Reject {
    Reject::new(Reason::MissingField, path, expected_at(path))
}

/// What the table asks for at a dotted path.
fn expected_at(path: &str) -> String {
    let mut fields = FIELDS;
    let mut expected = String::from("a value");
    for step in path.split('.') {
        let Some(field) = fields.iter().find(|field| field.name == step) else { break };
        expected = field.shape.expected();
        let mut shape = &field.shape;
        while let Shape::OrNone(inner) = shape {
            shape = inner;
        }
        fields = if let Shape::Record(inner) = shape { inner } else { &[] };
    }
    expected
}

fn check_version(root: &Item<'_>) -> Result<(), Reject> {
    let expected = format!("format version {BODY_VERSION}");
    match root.get("v") {
        Some(Item::Uint(BODY_VERSION)) => Ok(()),
        Some(Item::Uint(_)) => Err(Reject::new(Reason::UnsupportedVersion, "v", expected)),
        Some(_) => Err(Reject::new(Reason::InvalidField, "v", expected)),
        None => Err(Reject::new(Reason::MissingField, "v", expected)),
    }
}

fn kind_of(root: &Item<'_>) -> Result<Kind, Reject> {
    let expected = "the name of a kind";
    let item = root.get("kind").ok_or_else(|| Reject::new(Reason::MissingField, "kind", expected))?;
    let kind = item.text().and_then(Kind::parse);
    kind.ok_or_else(|| Reject::new(Reason::InvalidField, "kind", expected))
}

/// The fields of `registry` in a kind that knows them; in others it is any map.
#[must_use]
pub const fn registry_fields(kind: Kind) -> Option<&'static [Field]> {
    Some(match kind {
        Kind::AgentRegistered | Kind::AgentUpdated => REGISTRY_AGENT,
        Kind::PrincipalRegistered => REGISTRY_PRINCIPAL,
        Kind::PrincipalDisabled => REGISTRY_LEAVER,
        Kind::KeyEnrolled | Kind::KeyRotated | Kind::KeyRevoked => REGISTRY_KEY,
        _ => return None,
    })
}

fn registry_shape(kind: Kind) -> Option<Shape> {
    registry_fields(kind).map(Shape::Record)
}

fn check_registry(root: &Item<'_>, kind: Kind) -> Result<(), Reject> {
    match (registry_shape(kind), root.get("registry")) {
        (Some(shape), Some(registry)) => shape.check(registry, &Path::root("registry")),
        _ => Ok(()),
    }
}

fn check_required(root: &Item<'_>, kind: Kind) -> Result<(), Reject> {
    let sessions: &[_] = if kind.is_own() { &[] } else { REQUIRED_OF_SESSIONS };
    let by_agent = root.get("signer").is_none();
    let start: &[_] = match kind {
        Kind::SessionStart if by_agent => REQUIRED_OF_AGENT_START,
        _ => &[],
    };
    let required = [REQUIRED_OF_ALL, sessions, kind.required(), start];
    if let Some(path) = required.into_iter().flatten().find(|path| root.path(path).is_none()) {
        return Err(missing(path));
    }
    if by_agent && root.get("agent").is_none() {
        return Err(missing("agent.id"));
    }
    let confirmed = root.path("outcome.status").and_then(Item::text) == Some("confirmed");
    if kind == Kind::ActionOutcome && root.path("outcome.status").is_none() {
        return Err(missing("outcome.status"));
    }
    if kind == Kind::ActionOutcome && confirmed && root.get("output").is_none() {
        return Err(missing("output"));
    }
    if kind == Kind::EpochOpened && root.get("model").or_else(|| root.get("contract")).is_none() {
        return Err(missing("model"));
    }
    let caused = kind.required().contains(&"causes");
    if caused && root.get("causes").and_then(Item::array).is_some_and(<[_]>::is_empty) {
        return Err(Reject::new(Reason::InvalidField, "causes", "the event that caused it"));
    }
    if root.path("seq.n").and_then(Item::uint) == Some(0) {
        return Err(Reject::new(Reason::InvalidField, "seq.n", "an unsigned integer from 1"));
    }
    Ok(())
}

/// Body bytes of its JSON form. `kind` must be there; whether the rest fits is [`Body::parse`]'s to say.
///
/// # Errors
/// The first field whose JSON cannot be that field.
pub fn from_json(json: &Json) -> Result<Vec<u8>, Reject> {
    let path = Path::root("");
    let object = json
        .as_object()
        .ok_or_else(|| Reject::new(Reason::Malformed, "body", "a JSON object"))?;
    let Value::Map(mut pairs) = read_record(FIELDS, object, &path)? else {
        return Err(Reject::new(Reason::Malformed, "body", "a JSON object"));
    };
    let kind = object.get("kind").and_then(Json::as_str).and_then(Kind::parse);
    if let (Some(shape), Some(registry)) = (kind.and_then(registry_shape), object.get("registry")) {
        let typed = shape.read_json(registry, &Path::root("registry"))?;
        for (key, value) in &mut pairs {
            if key.as_text() == Some("registry") {
                value.clone_from(&typed);
            }
        }
    }
    Ok(encode::encode(&Value::Map(pairs)))
}
