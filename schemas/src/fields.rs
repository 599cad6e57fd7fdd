//! The fields of event bodies: one table, from which checking and both directions of JSON follow.
//!
//! IMPORTANT: fields stand in wire order, shorter names first, for records are checked in one walk.

use crate::kind::{Kind, Role};
use crate::limits::{
    ASSERTIONS_MAX, CAP_MAX, CAUSES_MAX, DATA_CLASSES_MAX, EXT_BYTES_MAX, OPERATORS_MAX,
    PRINCIPALS_MAX, QUERY_BYTES_MAX, READER_BYTES_MAX, REDACT_RANGES_MAX, REGISTRY_BYTES_MAX,
    SCOPES_MAX, SIGNER_BYTES_MAX, SOURCES_MAX, VERDICTS_MAX,
};
use crate::shape::{Field, Shape, may, must};

const ANY: u64 = u64::MAX;
const HASH: Shape = Shape::Bytes(32);
const WORD_64: Shape = Shape::Text(64);
/// What an action does to its target.
pub(crate) const CLASSES: &[&str] = &["read", "write", "destructive", "payment", "communication"];
/// On whose account an action runs.
pub(crate) const MODES: &[&str] = &["self", "approval", "on_behalf_of"];
/// What a gate or an approver says.
pub(crate) const DECISIONS: &[&str] = &["allow", "deny"];
/// How far an action came.
pub(crate) const OUTCOMES: &[&str] = &["planned", "dispatched", "confirmed", "failed", "reverted"];
/// What sets an agent going.
pub(crate) const TRIGGER_TYPES: &[&str] = &["mail", "webhook", "schedule", "human", "agent"];
/// What an agent reads.
pub(crate) const SOURCE_TYPES: &[&str] = &["ticket", "message", "file", "page"];
const EXECUTION_MODE: Shape = Shape::Word(&["autonomous", "approval", "on_behalf_of"]);
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
const PREVIOUS: &[Field] =
    &[must("n", Shape::Uint(ANY)), must("digest", HASH), must("session", Shape::Bytes(16))];
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
const MODEL: &[Field] =
    &[must("name", Shape::Text(128)), must("version", WORD_64), must("provider", WORD_64)];
const TASK: &[Field] = &[must("digest", HASH), may("summary", Shape::Text(512))];
const PROMPT: &[Field] = &[must("size", Shape::Uint(ANY)), must("digest", HASH)];
const SOURCE: &[Field] =
    &[must("ref", Shape::Text(256)), must("type", Shape::Word(SOURCE_TYPES)), may("digest", HASH)];
const CREDENTIAL: &[Field] = &[
    must("id", Shape::Text(128)),
    may("type", Shape::Text(32)),
    may("issued", Shape::Time),
    may("scopes", SCOPES),
    may("expires", Shape::Time),
];
const ACTION: &[Field] = &[
    must("name", Shape::Text(128)),
    must("class", Shape::Word(CLASSES)),
    must("system", WORD_64),
    must("target", Shape::Text(512)),
    may("irreversible", Shape::Bool),
];
const TOOL: &[Field] =
    &[must("name", Shape::Text(128)), may("digest", HASH), may("call_id", Shape::Text(128))];
const TRIGGER: &[Field] =
    &[must("ref", Shape::Text(256)), must("type", Shape::Word(TRIGGER_TYPES))];
const BASIS: &[Field] = &[may("as_of", Shape::Time), must("source", WORD_64)];
const VERDICT: &[Field] = &[
    may("at", Shape::Time),
    may("by", WORD_64),
    must("gate", WORD_64),
    may("risk", Shape::Uint(100)),
    may("basis", Shape::Record(BASIS)),
    must("reason", WORD_64),
    must("decision", Shape::Word(DECISIONS)),
    may("policy_digest", HASH),
];
const APPROVAL: &[Field] = &[
    may("expires", Shape::Time),
    must("request", Shape::Id),
    may("decision", Shape::Word(DECISIONS)),
];
const OUTCOME: &[Field] = &[
    may("code", WORD_64),
    may("status", Shape::Word(OUTCOMES)),
    may("external_ref", Shape::Text(256)),
];
const ATTESTATION: &[Field] = &[
    may("type", WORD_64),
    may("build", HASH),
    may("evidence", HASH),
    may("verifier", Shape::Text(256)),
    may("environment", Shape::Text(32)),
];
const TRANSITION: &[Field] =
    &[must("to", WORD_64), must("from", WORD_64), must("applies_to", Shape::Text(256))];
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
    may("mode", Shape::Word(MODES)),
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
    may("reader", Shape::Text(READER_BYTES_MAX)),
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
    may("execution_mode", EXECUTION_MODE),
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

/// `agent` of a contract.
const CONTRACT_AGENT: &[Field] = &[
    must("name", Shape::Text(SIGNER_BYTES_MAX)),
    must("owner", Shape::Text(256)),
    may("expiry", Shape::Text(32)),
    may("purpose", Shape::Text(512)),
    may("kill_switch", Shape::Text(256)),
    must("permissions", Shape::Named { of: &SCOPES, key: 64, pairs: SCOPES_MAX }),
    must("execution_mode", EXECUTION_MODE),
];
const CONTRACT_HOURS: &[Field] = &[
    must("to", Shape::Text(5)),
    must("from", Shape::Text(5)),
    must("zone", WORD_64),
    must("action", Shape::Text(128)),
];
const CONTRACT_CAP: &[Field] = &[
    must("max", Shape::Uint(CAP_MAX)),
    must("per", Shape::Word(&["hour", "day"])),
    must("action", Shape::Text(128)),
];
const CONTRACT_LIMITS: &[Field] =
    &[must("caps", Shape::List { of: &Shape::Record(CONTRACT_CAP), min: 0, max: SCOPES_MAX })];
const CONTRACT_ACTION: &[Field] =
    &[may("class", Shape::Word(CLASSES)), may("scope", Shape::Text(128)), may("system", WORD_64)];
/// `registry` of `contract.registered`: the digest of its text, and every field of it.
pub(crate) const CONTRACT: &[Field] = &[
    may("tier", WORD_64),
    must("agent", Shape::Record(CONTRACT_AGENT)),
    may("build", HASH),
    may("gates", Shape::Named { of: &SCOPES, key: 128, pairs: SCOPES_MAX }),
    may("hours", Shape::List { of: &Shape::Record(CONTRACT_HOURS), min: 0, max: SCOPES_MAX }),
    may("tools", SCOPES),
    must("digest", HASH),
    may("limits", Shape::Record(CONTRACT_LIMITS)),
    may("actions", Shape::Named { of: &Shape::Record(CONTRACT_ACTION), key: 128, pairs: 64 }),
    may("domains", SCOPES),
    may("targets", Shape::List { of: &Shape::Text(512), min: 0, max: SCOPES_MAX }),
    may("retention", Shape::Text(16)),
    may("review_by", Shape::Text(32)),
    may("witnessed", SCOPES),
    may("thresholds", Shape::Named { of: &Shape::Uint(ANY), key: 64, pairs: SCOPES_MAX }),
    may("environment", Shape::Text(32)),
    may("data_classes", SCOPES),
    may("environments", SCOPES),
    may("approval_required", SCOPES),
    may("max_credential_age", Shape::Text(16)),
];
/// `registry` of `policy.registered`.
const REGISTRY_POLICY: &[Field] = &[may("name", Shape::Text(256)), must("digest", HASH)];
/// `registry` of `proposal`: how many operators it needs, and what then happens.
const REGISTRY_PROPOSAL: &[Field] =
    &[must("m", Shape::Uint(OPERATORS_MAX)), must("operation", Shape::Open(REGISTRY_BYTES_MAX))];

/// The fields of `registry` in a kind that knows them; in others it is any map.
#[must_use]
pub const fn registry_fields(kind: Kind) -> Option<&'static [Field]> {
    Some(match kind {
        Kind::AgentRegistered | Kind::AgentUpdated => REGISTRY_AGENT,
        Kind::PrincipalRegistered => REGISTRY_PRINCIPAL,
        Kind::PrincipalDisabled => REGISTRY_LEAVER,
        Kind::KeyEnrolled | Kind::KeyRotated | Kind::KeyRevoked => REGISTRY_KEY,
        Kind::ContractRegistered => CONTRACT,
        Kind::PolicyRegistered => REGISTRY_POLICY,
        Kind::Proposal => REGISTRY_PROPOSAL,
        _ => return None,
    })
}
