//! One valid event of every kind, with every field somewhere: a release that goes wrong.

use schemas::body::LEDGER_SIGNER;
use schemas::id::{Kid, hex};
use schemas::key::PublicKey;
use schemas::kind::Kind;
use serde_json::{Value as Json, json};

use super::cast::{AGENTS, ORIGIN, START_US, digest, id, key, session};

/// An event before its common fields are filled in.
pub(crate) struct Event {
    pub(crate) label: &'static str,
    pub(crate) kind: Kind,
    pub(crate) fields: Json,
    /// Content of its detail.
    pub(crate) detail: Option<Json>,
}

/// Events under one signature.
pub(crate) struct Message {
    pub(crate) signer: &'static str,
    pub(crate) events: Vec<Event>,
    /// Whether the statement names algorithm -8.
    pub(crate) eddsa: bool,
}

const WORKER: &str = AGENTS[0];
const ORCHESTRATOR: &str = AGENTS[1];
const HUMAN: &str = "oncall@example.com";
const OPERATOR: &str = "operator-1";
const OWNER: &str = "platform-team@company.com";
const AUDITOR: &str = "auditor-1";
const WORKFLOW: &str = "release-2026-04-08";

fn one(signer: &'static str, label: &'static str, kind: Kind, fields: Json) -> Message {
    let event = Event { label, kind, fields, detail: None };
    Message { signer, events: vec![event], eddsa: false }
}

fn with_detail(mut message: Message, content: Json) -> Message {
    message.events[0].detail = Some(content);
    message
}

/// The whole story, in the order of the log.
pub(crate) fn story() -> Vec<Message> {
    [registry(), contracts(), authority(), work(), gates(), control(), oversight(), own()]
        .into_iter()
        .flatten()
        .collect()
}

fn public(name: &str) -> String {
    hex(PublicKey::of(&key(name)).as_bytes())
}

fn kid(name: &str) -> Kid {
    PublicKey::of(&key(name)).kid()
}

fn registry() -> Vec<Message> {
    let genesis = json!({
        "code": "genesis",
        "registry": {
            "format": 1, "origin": ORIGIN, "clock_start": START_US,
            "ledger_key": { "hex": public(LEDGER_SIGNER) },
            "operator": OPERATOR, "operator_key": { "hex": public(OPERATOR) },
        },
    });
    let human = json!({
        "registry": {
            "id": HUMAN, "name": "On call", "roles": ["human", "approver"],
            "route": "pager/oncall", "addresses": ["mailto:oncall@example.com"],
        },
    });
    let worker = json!({
        "agent": { "id": WORKER, "name": "Migrations", "version": "2.3" },
        "owner": OWNER,
        "registry": {
            "build": digest("build"), "purpose": "Runs pending migrations",
            "external": ["spiffe://example.com/db-migration-agent"],
            "addresses": ["tel:+14155550142"], "environment": "staging",
            "execution_mode": "autonomous",
        },
    });
    let enrolled = json!({
        "registry": {
            "signer": WORKER, "key": public(WORKER),
            "not_before": "2026-04-01T00:00:00Z", "not_after": "2027-04-01T00:00:00Z",
        },
    });
    let rotated = json!({
        "registry": {
            "signer": WORKER, "key": public("db-migration-agent, second key"),
            "replaces": kid(WORKER).to_string(),
        },
    });
    let revoked = json!({ "registry": { "signer": WORKER, "kid": kid(WORKER).to_string() } });
    vec![
        one(LEDGER_SIGNER, "genesis", Kind::LedgerGenesis, genesis),
        one(OPERATOR, "human", Kind::PrincipalRegistered, human),
        one(OPERATOR, "worker", Kind::AgentRegistered, worker),
        one(OPERATOR, "enrolled", Kind::KeyEnrolled, enrolled),
        one(OPERATOR, "rotated", Kind::KeyRotated, rotated),
        one(OPERATOR, "revoked", Kind::KeyRevoked, revoked),
    ]
}

/// What stands in for a contract's YAML: only its digest counts here.
const CONTRACT: &str = "agent: {name: db-migration-agent}";
const POLICY: &str = "A destructive action needs an approval.";

fn contracts() -> Vec<Message> {
    let agent = json!({ "id": WORKER });
    let contract = json!({
        "agent": agent, "owner": OWNER, "data_class": ["internal"],
        "registry": {
            "digest": digest(CONTRACT),
            "agent": {
                "name": WORKER, "owner": OWNER, "purpose": "Runs pending migrations",
                "permissions": { "postgres": ["db:migrate"] }, "execution_mode": "autonomous",
                "expiry": "2026-07-01", "kill_switch": "/agents/db-migration-agent/disable",
            },
            "targets": ["postgres:staging/*"], "environments": ["staging"],
            "limits": { "caps": [{ "action": "ALTER TABLE", "per": "hour", "max": 50 }] },
            "hours": [{ "action": "ALTER TABLE", "from": "07:00", "to": "19:00", "zone": "Europe/Berlin" }],
            "gates": { "ALTER TABLE": ["change_window"] },
            "actions": { "DROP TABLE": { "class": "destructive", "system": "postgres", "scope": "db:drop" } },
            "max_credential_age": "1h", "retention": "7y", "review_by": "2026-06-01",
            "thresholds": { "volume": 100 },
        },
        "ext": { "offset": -7, "gated": false, "tier": null },
    });
    let credential = json!({
        "agent": agent,
        "credential": {
            "id": "cred-db-07", "type": "postgres-role", "scopes": ["db:migrate"],
            "issued": "2026-04-08T03:00:00Z", "expires": "2026-04-08T04:00:00Z",
        },
    });
    let policy = json!({ "registry": { "name": "destructive actions", "digest": digest(POLICY) } });
    let reviewed = json!({ "agent": agent, "contract": digest(CONTRACT) });
    let policy = one(OWNER, "policy", Kind::PolicyRegistered, policy);
    vec![
        with_detail(
            one(OWNER, "contract", Kind::ContractRegistered, contract),
            json!({ "yaml": CONTRACT }),
        ),
        one(OPERATOR, "credential", Kind::CredentialRegistered, credential),
        with_detail(policy, json!({ "text": POLICY })),
        one(OWNER, "reviewed", Kind::ContractReviewed, reviewed),
    ]
}

fn authority() -> Vec<Message> {
    let trigger = json!({
        "correlation": WORKFLOW, "trigger": { "type": "webhook", "ref": "release/4521" },
        "input": { "alg": "sha-256", "digest": digest("release request"), "size": 2048 },
    });
    let grant = json!({
        "correlation": WORKFLOW,
        "grant": {
            "id": id("G1"), "to": ORCHESTRATOR, "scope": ["deploy", "db:migrate"],
            "systems": ["deploy", "postgres"], "environment": "staging",
            "task": "deploy staging release", "expires": "2026-04-08T06:00:00Z",
        },
    });
    let start = json!({
        "correlation": WORKFLOW, "contract": digest("orchestrator's contract"),
        "agent": {
            "id": ORCHESTRATOR, "name": "Orchestrator", "version": "2.0.1", "build": "none",
            "instance": "pod-7",
        },
        "model": { "provider": "example", "name": "model-1", "version": "2026-03" },
        "task": { "digest": digest("task"), "summary": "deploy staging release" },
        "attestation": "none", "previous": "none",
    });
    let narrower = json!({
        "correlation": WORKFLOW, "causes": [id("start")], "root_grant": id("G1"),
        "grant": {
            "id": id("G2"), "parent": id("G1"), "to": WORKER, "scope": ["db:migrate"],
            "systems": ["postgres"], "targets": ["postgres:staging/*"],
            "data_classes": ["internal"], "environment": "staging",
        },
    });
    let revoked = json!({ "grant": { "id": id("G1") } });
    vec![
        one("mail-gateway", "trigger", Kind::TriggerObserved, trigger),
        one(HUMAN, "granted", Kind::DelegationGranted, grant),
        one(ORCHESTRATOR, "start", Kind::SessionStart, start),
        one(ORCHESTRATOR, "narrower", Kind::DelegationGranted, narrower),
        one(HUMAN, "revoked grant", Kind::DelegationRevoked, revoked),
    ]
}

fn action(name: &str, class: &str, target: &str) -> Json {
    json!({ "name": name, "class": class, "system": "postgres", "target": target })
}

fn principals() -> Json {
    json!([
        {
            "type": "human", "id": HUMAN, "issuer": "https://login.example.com",
            "authorized_at": "2026-04-08T03:40:00Z", "evidence": digest("evidence"),
        },
        { "type": "agent", "id": ORCHESTRATOR, "grant_id": id("G1"), "task": "deploy staging release" },
        { "type": "agent", "id": WORKER, "grant_id": id("G2"), "task": "run pending migrations" },
    ])
}

fn work() -> Vec<Message> {
    let start = json!({
        "correlation": WORKFLOW, "contract": digest(CONTRACT), "parent_session": session(ORCHESTRATOR),
        "agent": { "id": WORKER, "name": "Migrations", "version": "2.3", "build": digest("build") },
        "model": { "provider": "example", "name": "model-1", "version": "2026-03" },
        "task": { "digest": digest("worker's task") },
        "attestation": {
            "type": "tpm", "build": digest("build"), "environment": "staging",
            "evidence": digest("quote"), "verifier": "attester-1",
        },
        "previous": { "session": session("before"), "n": 41, "digest": digest("last body") },
    });
    let altered = action("ALTER TABLE", "write", "postgres:staging/sessions");
    let intent = json!({
        "correlation": WORKFLOW, "causes": [id("worker start")], "action": altered, "mode": "self",
        "credential": { "id": "cred-db-07" }, "principals": principals(), "scope": ["db:migrate"],
        "environment": "staging", "root_grant": id("G1"), "parent_grant": id("G2"),
        "prompt": { "digest": digest("prompt"), "size": 1200 },
        "input": { "alg": "hmac-sha-256", "digest": digest("arguments"), "size": 310 },
        "tool": { "name": "psql", "digest": digest("psql"), "call_id": "call-1" },
        "sources": [
            { "type": "ticket", "ref": "OPS-77", "digest": digest("ticket") },
            { "type": "page", "ref": "https://wiki.example.com/migrations" },
        ],
        "assertions": { "consent_source": "business-relationship", "reviewed": "yes" },
        "data_class": ["internal"], "on_behalf_of": HUMAN,
        "traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
    });
    let outcome = json!({
        "correlation": WORKFLOW, "causes": [id("intent")], "action": altered,
        "credential": { "id": "cred-db-07" }, "principals": principals(),
        "outcome": { "status": "confirmed", "external_ref": "tx-9917" },
        "output": { "alg": "sha-256", "digest": digest("result"), "size": 64 },
    });
    let epoch = json!({
        "correlation": WORKFLOW, "model": { "provider": "example", "name": "model-2", "version": "1" },
    });
    let asked = json!({
        "correlation": WORKFLOW, "scope": ["db:drop"],
        "task": { "digest": digest("worker's task"), "summary": "run pending migrations" },
    });
    let mut dropped = action("DROP TABLE", "destructive", "postgres:prod/sessions");
    dropped["irreversible"] = true.into();
    let risky = json!({
        "correlation": WORKFLOW, "action": dropped, "mode": "on_behalf_of",
        "credential": { "id": "cred-db-07" }, "principals": principals(), "scope": ["db:drop"],
        "environment": "production", "prompt": "none", "input": "none", "on_behalf_of": HUMAN,
        "ext": {
            "retries": [0, 1], "bytes": { "hex": "00ff" }, "deep": { "a": { "b": [true, null, -1] } },
            "large": 18_446_744_073_709_551_615_u64,
        },
    });
    let failed = json!({
        "correlation": WORKFLOW, "causes": [id("risky")], "action": dropped,
        "credential": { "id": "cred-db-07" }, "principals": principals(),
        "outcome": { "status": "failed", "code": "permission_denied" }, "output": "none",
    });
    let event = |label, kind, fields, detail| Event { label, kind, fields, detail };
    let batch = vec![
        event("outcome", Kind::ActionOutcome, outcome, Some(json!({ "rows": 12 }))),
        event("epoch", Kind::EpochOpened, epoch, None),
        event("asked", Kind::ScopeRequested, asked, None),
    ];
    let arguments =
        json!({ "sql": "ALTER TABLE sessions ADD COLUMN region text", "dry_run": false });
    let intent = one(WORKER, "intent", Kind::ActionIntent, intent);
    vec![
        one(WORKER, "worker start", Kind::SessionStart, start),
        with_detail(intent, arguments),
        Message { signer: WORKER, events: batch, eddsa: false },
        Message { eddsa: true, ..one(WORKER, "risky", Kind::ActionIntent, risky) },
        one(WORKER, "failed", Kind::ActionOutcome, failed),
    ]
}

fn gates() -> Vec<Message> {
    let agent = json!({ "id": WORKER });
    let verdict = json!({
        "agent": agent, "correlation": WORKFLOW, "causes": [id("risky")],
        "verdicts": [
            { "gate": "environment", "decision": "allow", "reason": "listed" },
            {
                "gate": "destructive", "decision": "deny", "reason": "approval_missing", "risk": 97,
                "basis": { "source": "policy", "as_of": "2026-04-08T03:47:00Z" },
                "policy_digest": digest(POLICY), "by": "policy-gate/3", "at": "2026-04-08T03:47:10Z",
            },
        ],
    });
    let requested = json!({
        "agent": agent, "correlation": WORKFLOW, "causes": [id("risky")],
        "approval": { "request": id("request"), "expires": "2026-04-08T04:00:00Z" },
    });
    let decided = json!({
        "agent": agent, "correlation": WORKFLOW, "causes": [id("requested")],
        "approval": { "request": id("request"), "decision": "deny" },
        "subject": { "issuer": "https://login.example.com", "sub": "248289761001" },
    });
    let witnessed = json!({
        "agent": agent, "action": action("DROP TABLE", "destructive", "postgres:prod/sessions"),
        "credential": { "id": "cred-db-07" }, "outcome": { "external_ref": "pg-log-81" },
    });
    let attested = json!({
        "agent": agent, "attestation": { "build": digest("build"), "environment": "staging" },
    });
    vec![
        one("policy-gate", "verdict", Kind::GateVerdict, verdict),
        one("policy-gate", "requested", Kind::ApprovalRequested, requested),
        one(HUMAN, "decided", Kind::ApprovalDecided, decided),
        one("db-proxy", "witnessed", Kind::WitnessObserved, witnessed),
        one("attester-1", "attested", Kind::AttestationPresented, attested),
        one("db-proxy", "gap", Kind::GapDeclared, json!({ "gap": { "from": 7, "to": 9 } })),
        one(WORKER, "end", Kind::SessionEnd, json!({ "outcome": { "code": "done" } })),
    ]
}

fn control() -> Vec<Message> {
    let agent = || json!({ "agent": { "id": WORKER }, "reason": "case-42" });
    let freeze = json!({
        "transition": { "from": "open", "to": "frozen", "applies_to": "environment:production" },
    });
    let updated = json!({ "agent": { "id": WORKER }, "registry": { "environment": "production" } });
    let proposal = json!({
        "registry": {
            "m": 2,
            "operation": { "kind": "principal.disabled", "registry": { "id": HUMAN } },
        },
    });
    let left = json!({ "registry": { "id": HUMAN } });
    let credential = json!({ "credential": { "id": "cred-db-07" }, "note": "leaked" });
    let withdrawn = json!({ "agent": { "id": WORKER }, "contract": digest(CONTRACT) });
    vec![
        one("change-board", "freeze", Kind::AuthzTransition, freeze),
        one("responder-1", "suspended", Kind::AgentSuspended, agent()),
        one(OPERATOR, "enabled", Kind::AgentEnabled, agent()),
        one("responder-1", "disabled", Kind::AgentDisabled, agent()),
        one(OPERATOR, "updated", Kind::AgentUpdated, updated),
        one(OPERATOR, "retired", Kind::AgentRetired, agent()),
        one(OPERATOR, "left", Kind::PrincipalDisabled, left),
        one(OPERATOR, "credential revoked", Kind::CredentialRevoked, credential),
        one(OWNER, "withdrawn", Kind::ContractWithdrawn, withdrawn),
        one(OPERATOR, "proposal", Kind::Proposal, proposal),
        one(OPERATOR, "approved", Kind::ProposalApproved, json!({ "causes": [id("proposal")] })),
    ]
}

fn oversight() -> Vec<Message> {
    let hold = json!({ "hold": { "query": "corr:release-2026-04-08" } });
    let note = json!({ "causes": [id("risky")], "note": "Seen; the owner was told." });
    let resolved = json!({
        "causes": [id("finding")], "note": "The grant was narrowed.", "reason": "fixed",
    });
    let redaction = json!({
        "redact": { "basis": "gdpr-17", "parts": ["body", "detail"], "ranges": [[3, 3], [5, 9]] },
    });
    vec![
        one(AUDITOR, "hold", Kind::HoldPlaced, hold),
        one(AUDITOR, "lifted", Kind::HoldLifted, json!({ "causes": [id("hold")] })),
        one(AUDITOR, "note", Kind::Annotation, note),
        one("responder-1", "resolved", Kind::FindingResolved, resolved),
        one(OPERATOR, "redaction", Kind::Redaction, redaction),
    ]
}

fn own() -> Vec<Message> {
    let finding = json!({
        "agent": { "id": WORKER }, "correlation": WORKFLOW, "causes": [id("risky")],
        "rule": { "name": "out_of_contract", "version": 1 }, "reason": "environment",
    });
    let access = json!({
        "reader": AUDITOR, "query": "corr:release-2026-04-08", "range": { "from": 0, "to": 42 },
        "count": 17,
    });
    let rotated = json!({
        "code": "rotated",
        "registry": {
            "old": { "hex": kid(LEDGER_SIGNER).to_string() },
            "new": { "hex": public("ledger, second key") },
        },
    });
    let delivery = json!({ "causes": [id("finding")], "code": "delivered" });
    let flood = json!({ "reason": "malformed", "count": 812 });
    vec![
        one(LEDGER_SIGNER, "finding", Kind::Finding, finding),
        one(LEDGER_SIGNER, "delivery", Kind::Delivery, delivery),
        one(LEDGER_SIGNER, "flood", Kind::LedgerFlood, flood),
        one(LEDGER_SIGNER, "access", Kind::LedgerAccess, access),
        one(LEDGER_SIGNER, "incident", Kind::LedgerIncident, json!({ "code": "mark_missing" })),
        one(LEDGER_SIGNER, "ledger rotated", Kind::LedgerKeyRotated, rotated),
    ]
}
