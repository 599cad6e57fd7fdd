//! Rows about who gave which authority, and who allowed what.

use serde_json::{Value as Json, json};

use super::Row;
use super::case::{Case, HUMAN, OPERATOR, Way, action, with};

/// A grant of the human to `a`, and its id.
fn granted(c: &mut Case, more: &Json) -> String {
    c.ready("a", &json!({}));
    let grant = c.id();
    c.grant(HUMAN, &grant, "a", more);
    grant
}

fn deleted() -> Json {
    json!({ "action": action("DELETE", "destructive", "sys:x/y") })
}

/// An action that a contract wants allowed, and the decision on it, if there is one, before it is done.
fn allowed(c: &mut Case, decision: Option<&Json>) {
    c.ready("a", &json!({ "approval_required": ["do"] }));
    let intent = c.intent("a", &json!({}));
    if let Some(decision) = decision {
        c.decide(HUMAN, &intent, decision);
    }
    c.wait(120);
    c.outcome("a", &intent, &json!({}));
}

/// A grant and one below it for `scope` on `target`.
fn passed_on(c: &mut Case, scope: &str, target: &str) {
    c.ready("a", &json!({}));
    c.ready("b", &json!({}));
    let (parent, child) = (c.id(), c.id());
    let bounds = json!({ "scope": ["repo:read"], "targets": ["postgres:staging/*"] });
    c.grant(HUMAN, &parent, "b", &bounds);
    let more = json!({ "parent": parent, "scope": [scope], "targets": [target] });
    c.grant("b", &child, "a", &more);
}

pub(super) const ROWS: &[Row] = &[
    Row {
        rule: "approval_missing",
        what: "the allow has expired",
        play: |c| {
            let end = c.now() + 60_000_000;
            let end = jiff::Timestamp::from_microsecond(end.try_into().unwrap()).unwrap();
            let decision = json!({ "decision": "allow", "expires": end.to_string() });
            allowed(c, Some(&decision));
        },
        found: &["approval_missing: action.outcome"],
    },
    Row {
        rule: "approval_missing",
        what: "the contract's mode asks for one, and there is none",
        play: |c| {
            c.ready("a", &json!({ "agent": { "execution_mode": "approval" } }));
            let intent = c.intent("a", &json!({}));
            c.outcome("a", &intent, &json!({}));
        },
        found: &["approval_missing: action.outcome"],
    },
    Row {
        rule: "approval_missing",
        what: "an allow at a lower index",
        play: |c| allowed(c, Some(&json!({ "decision": "allow" }))),
        found: &[],
    },
    Row {
        rule: "self_approval",
        what: "a service that is the agent under another name decides",
        play: |c| {
            c.principal(&c.of("bot"), &["service", "approver"]);
            c.ready("a", &json!({}));
            let names = json!({
                "agent": { "id": c.of("a") }, "registry": { "external": [c.of("bot")] },
            });
            c.say(OPERATOR, "agent.updated", &names);
            let intent = c.tried("a", &json!({ "mode": "approval" }));
            c.decide("bot", &intent, &json!({ "decision": "allow" }));
        },
        found: &["self_approval: approval.decided, action.intent"],
    },
    Row {
        rule: "self_approval",
        what: "another human decides",
        play: |c| {
            c.ready("a", &json!({}));
            let intent = c.intent("a", &json!({ "mode": "approval" }));
            c.decide(HUMAN, &intent, &json!({ "decision": "allow" }));
            c.outcome("a", &intent, &json!({}));
        },
        found: &[],
    },
    Row {
        rule: "unapproved_destructive",
        what: "DELETE alone",
        play: |c| {
            c.ready("a", &json!({}));
            let intent = c.intent("a", &deleted());
            c.outcome("a", &intent, &json!({}));
        },
        found: &["unapproved_destructive: action.outcome"],
    },
    Row {
        rule: "unapproved_destructive",
        what: "an approval at a lower index",
        play: |c| {
            c.ready("a", &json!({}));
            let intent = c.intent("a", &deleted());
            c.decide(HUMAN, &intent, &json!({ "decision": "allow" }));
            c.outcome("a", &intent, &json!({}));
        },
        found: &[],
    },
    Row {
        rule: "grant_late",
        what: "use, then grant",
        play: |c| {
            c.ready("a", &json!({}));
            let grant = c.id();
            c.tried("a", &c.chain(HUMAN, "a", &grant));
            c.grant(HUMAN, &grant, "a", &json!({}));
        },
        found: &[
            "grant_late: action.intent, delegation.granted",
            "grant_missing (unknown): action.intent",
        ],
    },
    Row {
        rule: "grant_late",
        what: "grant, then use",
        play: |c| {
            let grant = granted(c, &json!({}));
            c.tried("a", &c.chain(HUMAN, "a", &grant));
        },
        found: &[],
    },
    Row {
        rule: "grant_missing",
        what: "the grant is taken back",
        play: |c| {
            let grant = granted(c, &json!({}));
            c.say(HUMAN, "delegation.revoked", &json!({ "grant": { "id": grant } }));
            c.tried("a", &c.chain(HUMAN, "a", &grant));
        },
        found: &["grant_missing (revoked): action.intent"],
    },
    Row {
        rule: "grant_missing",
        what: "nobody knows the grant",
        play: |c| {
            c.ready("a", &json!({}));
            c.tried("a", &c.chain(HUMAN, "a", &c.id()));
        },
        found: &["grant_missing (unknown): action.intent"],
    },
    Row {
        rule: "grant_missing",
        what: "the grant has ended",
        play: |c| {
            let grant = granted(c, &json!({ "expires": "2026-06-01T10:01:00Z" }));
            c.wait(120);
            c.tried("a", &c.chain(HUMAN, "a", &grant));
        },
        found: &["grant_missing (expired): action.intent"],
    },
    Row {
        rule: "grant_missing",
        what: "an active grant",
        play: |c| {
            let grant = granted(c, &json!({ "expires": "2026-06-01T10:10:00Z" }));
            c.tried("a", &c.chain(HUMAN, "a", &grant));
        },
        found: &[],
    },
    Row {
        rule: "grantor_inactive",
        what: "who gave the grant has left",
        play: |c| grantor(c, true),
        found: &["grantor_inactive: action.intent"],
    },
    Row {
        rule: "grantor_inactive",
        what: "who gave the grant leaves afterwards",
        play: |c| grantor(c, false),
        found: &[],
    },
    Row {
        rule: "intent_unproven",
        what: "no evidence beside the human",
        play: |c| {
            let grant = granted(c, &json!({}));
            let mut chain = c.chain(HUMAN, "a", &grant);
            chain["principals"][0].as_object_mut().unwrap().remove("evidence");
            c.tried("a", &chain);
        },
        found: &["intent_unproven: action.intent"],
    },
    Row {
        rule: "intent_unproven",
        what: "a human who is called a service",
        play: |c| {
            let grant = granted(c, &json!({}));
            let mut chain = c.chain(HUMAN, "a", &grant);
            chain["principals"][0]["type"] = "service".into();
            chain["principals"][0].as_object_mut().unwrap().remove("evidence");
            c.tried("a", &chain);
        },
        found: &["intent_unproven: action.intent"],
    },
    Row {
        rule: "intent_unproven",
        what: "its digest",
        play: |c| {
            let grant = granted(c, &json!({}));
            c.tried("a", &c.chain(HUMAN, "a", &grant));
        },
        found: &[],
    },
    Row {
        rule: "out_of_scope",
        what: "a grant for staging, a target in production",
        play: |c| scoped(c, "sys:prod/x"),
        found: &["out_of_scope (target): action.intent"],
    },
    Row {
        rule: "out_of_scope",
        what: "a grant for staging, a target in staging",
        play: |c| scoped(c, "sys:staging/x"),
        found: &[],
    },
    Row {
        rule: "principal_mismatch",
        what: "claims one human, the grant says another",
        play: |c| {
            c.principal(&c.of("other"), &["human"]);
            let grant = granted(c, &json!({}));
            c.tried("a", &c.chain("other", "a", &grant));
        },
        found: &["principal_mismatch: action.intent"],
    },
    Row {
        rule: "principal_mismatch",
        what: "leaves out the human who gave the grant",
        play: |c| {
            let grant = granted(c, &json!({}));
            let alone = json!([{ "type": "agent", "id": c.of("a"), "grant_id": grant }]);
            c.tried("a", &json!({ "principals": alone }));
        },
        found: &["principal_mismatch: action.intent"],
    },
    Row {
        rule: "principal_mismatch",
        what: "the human of the grant",
        play: |c| {
            c.principal(&c.of("other"), &["human"]);
            let grant = granted(c, &json!({}));
            c.tried("a", &c.chain(HUMAN, "a", &grant));
        },
        found: &[],
    },
    Row {
        rule: "root_unregistered",
        what: "an unknown human",
        play: |c| {
            let grant = granted(c, &json!({}));
            c.tried("a", &c.chain("nobody@example.com", "a", &grant));
        },
        found: &["principal_mismatch: action.intent", "root_unregistered: action.intent"],
    },
    Row {
        rule: "root_unregistered",
        what: "a registered one",
        play: |c| {
            let grant = granted(c, &json!({}));
            c.tried("a", &c.chain(HUMAN, "a", &grant));
        },
        found: &[],
    },
    Row {
        rule: "scope_widened",
        what: "read, passed on as delete",
        play: |c| passed_on(c, "repo:delete", "postgres:staging/*"),
        found: &["scope_widened (scope) of b: delegation.granted 2"],
    },
    Row {
        rule: "scope_widened",
        what: "staging, passed on as everything",
        play: |c| passed_on(c, "repo:read", "postgres:*"),
        found: &["scope_widened (target) of b: delegation.granted 2"],
    },
    Row {
        rule: "scope_widened",
        what: "read, passed on as read",
        play: |c| passed_on(c, "repo:read", "postgres:staging/*"),
        found: &[],
    },
    Row {
        rule: "principal_mismatch",
        what: "an agent signs in another's name",
        play: |c| {
            c.ready("a", &json!({}));
            c.ready("b", &json!({}));
            let forged = with(c.intent_fields("b", &json!({})), &json!({ "signer": c.of("a") }));
            c.say_as(Way::Sent, "a", "action.intent", &forged);
        },
        found: &["principal_mismatch (signer) of b: action.intent"],
    },
];

/// Somebody gives a grant and leaves before or after it is used.
fn grantor(c: &mut Case, before: bool) {
    c.principal(&c.of("boss"), &["human"]);
    c.ready("a", &json!({}));
    let grant = c.id();
    c.grant("boss", &grant, "a", &json!({}));
    let used = c.chain("boss", "a", &grant);
    let left = json!({ "registry": { "id": c.of("boss") } });
    if before {
        c.say(OPERATOR, "principal.disabled", &left);
        c.tried("a", &used);
    } else {
        c.tried("a", &used);
        c.say(OPERATOR, "principal.disabled", &left);
    }
}

/// An action on a target under a grant for staging.
fn scoped(c: &mut Case, target: &str) {
    let grant = granted(c, &json!({ "targets": ["sys:staging/*"] }));
    let act = json!({ "action": action("do", "read", target) });
    c.tried("a", &with(c.chain(HUMAN, "a", &grant), &act));
}
