//! Event bodies: their fields, checked against the table, and typed access to them.

use std::borrow::Cow;

use serde::ser::{self, Serializer};
use serde_json::Value as Json;

use crate::deterministic::{Bounds, Item, decode};
use crate::encode::{self, Value};
pub use crate::fields::{FIELDS, registry_fields};
use crate::id::{BodyDigest, Digest, EventId, Kid, Micros, SessionId, sha256};
use crate::kind::Kind;
use crate::limits::BODY_BYTES_MAX;
use crate::outline::Outline;
use crate::reject::{Reason, Reject};
use crate::secret;
use crate::shape::{Path, Shape, check_record, read_record};
use crate::shown::to_json;

/// Version of the body format.
pub const BODY_VERSION: u64 = 1;
/// Signer id of the ledger's own entries.
pub const LEDGER_SIGNER: &str = "ledger";

/// Fields that every body has, whatever its kind.
const REQUIRED_OF_ALL: &[&str] = &["id", "salt", "tenant", "time"];
/// Fields that every body but the ledger's own has besides.
const REQUIRED_OF_SESSIONS: &[&str] = &["session", "seq.n", "seq.prev"];
/// Fields that an agent's own `session.start` needs besides.
const REQUIRED_OF_AGENT_START: &[&str] =
    &["agent.name", "agent.build", "agent.version", "correlation", "task", "model", "contract"];

/// A body that fits its kind, borrowing from the bytes that were signed.
#[derive(Clone, Debug)]
pub struct Body<'a> {
    root: Item<'a>,
    /// Read once, because admission and indexing ask again and again.
    pub(crate) outline: Outline<'a>,
}

/// The signer's own chain: `n` from 1 and the digest of its previous body.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Seq {
    /// Count within (signer, session), from 1.
    pub n: u64,
    /// Digest of the previous body; zero at first.
    pub prev: BodyDigest,
}

impl Seq {
    /// What `seq` says.
    pub(crate) fn read(seq: &Item<'_>) -> Option<Self> {
        let n = seq.get("n")?.uint()?;
        let prev = BodyDigest::from_slice(seq.get("prev")?.bytes()?)?;
        Some(Self { n, prev })
    }
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
    /// Digest of what proves that a human wanted it.
    pub evidence: Option<Digest>,
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
        Self::of(bytes, root, kind).ok_or_else(|| missing("id"))
    }

    /// Reads a body that was admitted, which its digest in an accepted entry's leaf tells: what [`Body::parse`] looks
    /// at besides the encoding is not looked at again. `None` if it is no body.
    #[must_use]
    pub fn admitted(bytes: &'a [u8]) -> Option<Self> {
        let root = decode(bytes, Bounds::WIRE).ok()?;
        let kind = kind_of(&root).ok()?;
        Self::of(bytes, root, kind)
    }

    fn of(bytes: &'a [u8], root: Item<'a>, kind: Kind) -> Option<Self> {
        let id = EventId::from_slice(root.get("id")?.bytes()?)?;
        let time = Micros(root.get("time")?.uint()?);
        let agent = root.path("agent.id").and_then(Item::text);
        let signer = root.get("signer").and_then(Item::text).or(agent)?;
        let outline = Outline { bytes: Cow::Borrowed(bytes), kind, id, time, agent, signer };
        Some(Self { root, outline })
    }

    /// Reads what is left of an erased body: a map of some of its fields, checked to be nothing else.
    /// `None` if it is anything else.
    #[must_use]
    pub fn residue(bytes: &'a [u8]) -> Option<Self> {
        let root = decode(bytes, Bounds::WIRE).ok()?;
        let kind = kind_of(&root).ok()?;
        crate::residue::is_kept_only(&root).then_some(())?;
        Self::of(bytes, root, kind)
    }

    /// Reads what a proposal proposes: the fields that a statement of its kind would have of its own, proposed by
    /// `signer` as event `id`.
    ///
    /// # Errors
    /// The first fault, at its path within the operation.
    pub(crate) fn operation(root: &Item<'a>, signer: &'a str, id: EventId) -> Result<Self, Reject> {
        let pairs = root.map().ok_or_else(|| missing("registry.operation"))?;
        let kind = kind_of(root)?;
        check_record(FIELDS, pairs, &Path::root("registry.operation"))?;
        check_registry(root, kind)?;
        check_present(root, kind.required())?;
        let agent = root.path("agent.id").and_then(Item::text);
        let bytes = encode::encode(&encode::value(root)).into();
        let outline = Outline { bytes, kind, id, time: Micros(0), agent, signer };
        Ok(Self { root: root.clone(), outline })
    }

    /// Whether a `session.start` that a registered agent signed says what an agent's has to, for itself. That it may
    /// not leave out by naming itself as `signer`: only the registry knows it for an agent then.
    ///
    /// # Errors
    /// The first fault.
    pub(crate) fn declares_its_agent(&self) -> Result<(), Reject> {
        match self.agent() {
            None => return Err(missing("agent.id")),
            Some(agent) if agent != self.signer() => {
                return Err(Reject::new(Reason::InvalidField, "agent.id", "the agent that signs"));
            }
            Some(_) => {}
        }
        // An erased one said it when it was admitted.
        if crate::residue::is_kept_only(&self.root) {
            return Ok(());
        }
        check_present(&self.root, REQUIRED_OF_AGENT_START)
    }

    /// Digest of body bytes.
    #[must_use]
    pub fn digest(bytes: &[u8]) -> BodyDigest {
        BodyDigest(sha256(bytes))
    }

    /// The kind.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.outline.kind
    }

    /// The event id.
    #[must_use]
    pub fn id(&self) -> EventId {
        self.outline.id
    }

    /// When the signer says it happened.
    #[must_use]
    pub fn time(&self) -> Micros {
        self.outline.time
    }

    /// The tenant.
    #[must_use]
    pub fn tenant(&self) -> &'a str {
        self.text("tenant").unwrap_or_default()
    }

    /// The agent that acted, or that a registry entry is about.
    #[must_use]
    pub fn agent(&self) -> Option<&'a str> {
        self.outline.agent
    }

    /// Who signs: `signer`, else the agent.
    #[must_use]
    pub fn signer(&self) -> &'a str {
        self.outline.signer
    }

    /// The signer's session.
    #[must_use]
    pub fn session(&self) -> Option<SessionId> {
        self.field("session")?.bytes().and_then(SessionId::from_slice)
    }

    /// The signer's count and link.
    #[must_use]
    pub fn seq(&self) -> Option<Seq> {
        Seq::read(self.field("seq")?)
    }

    /// The workflow that it belongs to.
    #[must_use]
    pub fn correlation(&self) -> Option<&'a str> {
        self.text("correlation")
    }

    /// Ids of the events that caused it.
    #[must_use]
    pub fn causes(&self) -> Vec<EventId> {
        let causes = self.list("causes");
        causes.iter().filter_map(|id| EventId::from_slice(id.bytes()?)).collect()
    }

    /// The principal chain, the human first.
    #[must_use]
    pub fn principals(&self) -> Vec<Principal<'a>> {
        let hops = self.list("principals");
        let hop = |item: &Item<'a>| {
            Some(Principal {
                id: item.get("id")?.text()?,
                kind: item.get("type")?.text()?,
                task: item.get("task").and_then(Item::text),
                grant: item.get("grant_id").and_then(Item::bytes).and_then(EventId::from_slice),
                evidence: item.get("evidence").and_then(Item::bytes).and_then(Digest::from_slice),
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
    pub(crate) fn registry_kid(&self, name: &str) -> Option<Kid> {
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

    /// The unsigned integer at a dotted path.
    #[must_use]
    pub fn uint(&self, path: &str) -> Option<u64> {
        self.field(path)?.uint()
    }

    /// The event id at a dotted path.
    #[must_use]
    pub fn event_id(&self, path: &str) -> Option<EventId> {
        self.field(path)?.bytes().and_then(EventId::from_slice)
    }

    /// The items of the list at a dotted path; none where there is no list.
    #[must_use]
    pub fn list(&self, path: &str) -> &[Item<'a>] {
        self.field(path).and_then(Item::array).unwrap_or_default()
    }

    /// The JSON form: every field by name.
    #[must_use]
    pub fn to_json(&self) -> Json {
        to_json(self)
    }
}

impl ser::Serialize for Body<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.outline.serialize(serializer)
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
    let item =
        root.get("kind").ok_or_else(|| Reject::new(Reason::MissingField, "kind", expected))?;
    let kind = item.text().and_then(Kind::parse);
    kind.ok_or_else(|| Reject::new(Reason::InvalidField, "kind", expected))
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

fn check_present(root: &Item<'_>, paths: &[&str]) -> Result<(), Reject> {
    let lacking = paths.iter().find(|path| root.path(path).is_none());
    lacking.map_or(Ok(()), |path| Err(missing(path)))
}

fn check_required(root: &Item<'_>, kind: Kind) -> Result<(), Reject> {
    let by_ledger = root.get("signer").and_then(Item::text) == Some(LEDGER_SIGNER);
    let sessions: &[_] = if kind.is_own() || by_ledger { &[] } else { REQUIRED_OF_SESSIONS };
    let by_agent = root.get("signer").is_none();
    let start: &[_] = match kind {
        Kind::SessionStart if by_agent => REQUIRED_OF_AGENT_START,
        _ => &[],
    };
    for paths in [REQUIRED_OF_ALL, sessions, kind.required(), start] {
        check_present(root, paths)?;
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
    let object =
        json.as_object().ok_or_else(|| Reject::new(Reason::Malformed, "body", "a JSON object"))?;
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

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        clippy::indexing_slicing,
        clippy::panic,
        clippy::as_conversions,
        reason = "tests"
    )]

    use serde_json::json;

    use super::*;

    fn intent() -> Json {
        json!({
            "v": 1, "kind": "action.intent", "id": "019d6b2c-ee80-7001-8002-030405060708",
            "salt": "00".repeat(16), "tenant": "acme", "time": "2026-04-08T03:40:00Z",
            "agent": { "id": "agent-1" }, "session": "01".repeat(16),
            "seq": { "n": 2, "prev": "02".repeat(32) }, "correlation": "w-1", "mode": "self",
            "causes": ["019d6b2c-ee80-7001-8002-030405060709"], "scope": [], "environment": "test",
            "action": { "name": "read", "class": "read", "system": "fs", "target": "/" },
            "credential": { "id": "cred-7" }, "prompt": "none", "input": "none",
            "principals": [
                { "type": "human", "id": "h@example.com" },
                { "type": "agent", "id": "agent-1", "grant_id": "019d6b2c-ee80-7001-8002-03040506070a" },
            ],
        })
    }

    #[test]
    fn accessors_read_what_is_there() {
        let bytes = from_json(&intent()).unwrap();
        let body = Body::parse(&bytes).unwrap();
        assert_eq!(
            (body.kind(), body.tenant(), body.time().0),
            (Kind::ActionIntent, "acme", 1_775_619_600_000_000)
        );
        assert_eq!(
            (body.agent(), body.signer(), body.correlation()),
            (Some("agent-1"), "agent-1", Some("w-1"))
        );
        assert_eq!(body.session(), Some(SessionId([1; 16])));
        assert_eq!(body.seq(), Some(Seq { n: 2, prev: BodyDigest([2; 32]) }));
        assert_eq!(body.causes().len(), 1);
        assert_eq!(body.detail(), None);
        assert_eq!(body.text("action.class"), Some("read"));
        let hops = body.principals();
        assert_eq!((hops[0].id, hops[0].kind, hops[0].grant), ("h@example.com", "human", None));
        assert!(hops[1].grant.is_some());
        assert_eq!(body.id().to_string(), intent()["id"]);
    }

    /// Which fault counts when there are several.
    #[test]
    fn faults_have_an_order() {
        let check = |changes: Json, expected: &str| {
            let mut json = intent();
            for (name, value) in changes.as_object().unwrap() {
                json[name] = value.clone();
            }
            json.as_object_mut().unwrap().retain(|_, value| !value.is_null());
            let refused =
                from_json(&json).and_then(|bytes| Body::parse(&bytes).map(drop)).unwrap_err();
            assert_eq!(format!("{} {}", refused.reason, refused.cause.path), expected);
        };
        let secret = "sk-live-0123456789";
        check(json!({ "v": 2, "environment": secret }), "secret_in_body environment");
        check(json!({ "v": 2, "kind": "nothing" }), "unsupported_version v");
        check(json!({ "kind": "nothing", "environment": "" }), "invalid_field kind");
        check(json!({ "environment": "", "agent": null }), "invalid_field environment");
        check(json!({ "agent": null, "prompt": null, "tenant": null }), "missing_field tenant");
        check(json!({ "agent": null, "prompt": null }), "missing_field agent");
        check(json!({ "signer": "x", "prompt": null }), "missing_field prompt");
        check(
            json!({ "kind": "gap.declared", "gap": { "from": 1, "to": 2 }, "agent": null }),
            "missing_field agent.id",
        );
        check(json!({ "seq": { "n": 0, "prev": "02".repeat(32) } }), "invalid_field seq.n");
    }

    #[test]
    fn an_emptied_list_of_causes_is_no_cause() {
        let mut outcome = intent();
        outcome["kind"] = "action.outcome".into();
        outcome["outcome"] = json!({ "status": "failed" });
        assert!(Body::parse(&from_json(&outcome).unwrap()).is_ok());
        outcome["causes"] = json!([]);
        let bytes = from_json(&outcome).unwrap();
        assert_eq!(Body::parse(&bytes).unwrap_err().cause.path, "causes");
        outcome["kind"] = "action.intent".into();
        assert!(Body::parse(&from_json(&outcome).unwrap()).is_ok(), "an intent may have none");
    }
}
