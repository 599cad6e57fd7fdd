//! Rows about what agents act with.

use serde_json::{Value as Json, json};

use super::Row;
use super::case::{Case, OPERATOR};

/// The operator registers a credential of the agent's under the contract, and the agent uses it.
fn registered(c: &mut Case, terms: &Json, credential: &Json) {
    c.ready("a", terms);
    let mut credential = credential.clone();
    credential["id"] = c.of("key").into();
    let registered = json!({ "agent": { "id": c.of("a") }, "credential": credential });
    c.say(OPERATOR, "credential.registered", &registered);
    c.tried("a", &json!({ "credential": { "id": c.of("key") } }));
}

fn lives_until(c: &mut Case, end: &str) {
    let credential = json!({ "issued": "2026-06-01T10:00:00Z", "expires": end });
    registered(c, &json!({ "max_credential_age": "1h" }), &credential);
}

fn opens(c: &mut Case, scope: &str) {
    let terms = json!({ "agent": { "permissions": { "sys": ["repo:read", "do"] } } });
    registered(c, &terms, &json!({ "scopes": [scope] }));
}

fn revoked(c: &mut Case) {
    let credential = json!({ "agent": { "id": c.of("a") }, "credential": { "id": c.cred("a") } });
    c.say(OPERATOR, "credential.revoked", &credential);
}

fn pair(c: &mut Case) -> Json {
    c.ready("a", &json!({}));
    c.ready("b", &json!({}));
    json!({ "credential": { "id": c.cred("a") } })
}

pub(super) const ROWS: &[Row] = &[
    Row {
        rule: "credential_overage",
        what: "90 days where an hour is allowed",
        play: |c| lives_until(c, "2026-08-30T10:00:00Z"),
        found: &[
            "credential_overage (lifetime): action.intent",
            "credential_overage (lifetime): credential.registered 2",
        ],
    },
    Row {
        rule: "credential_overage",
        what: "used past its end",
        play: |c| {
            let credential =
                json!({ "issued": "2026-06-01T10:00:00Z", "expires": "2026-06-01T10:01:00Z" });
            registered(c, &json!({}), &credential);
            c.wait(60);
            c.tried("a", &json!({ "credential": { "id": c.of("key") } }));
        },
        found: &["credential_overage (expired): action.intent 2"],
    },
    Row {
        rule: "credential_overage",
        what: "an hour",
        play: |c| lives_until(c, "2026-06-01T11:00:00Z"),
        found: &[],
    },
    Row {
        rule: "credential_overbroad",
        what: "repo:* where the contract permits repo:read",
        play: |c| opens(c, "repo:*"),
        found: &[
            "credential_overbroad: action.intent",
            "credential_overbroad: credential.registered 2",
        ],
    },
    Row {
        rule: "credential_overbroad",
        what: "the contract's scope",
        play: |c| opens(c, "repo:read"),
        found: &[],
    },
    Row {
        rule: "revoked_credential_use",
        what: "revoked, then used",
        play: |c| {
            c.ready("a", &json!({}));
            revoked(c);
            c.tried("a", &json!({}));
        },
        found: &["revoked_credential_use: action.intent"],
    },
    Row {
        rule: "revoked_credential_use",
        what: "used, revoked, and used once more under the same intent",
        play: |c| {
            c.ready("a", &json!({}));
            let intent = c.intent("a", &json!({}));
            c.outcome("a", &intent, &json!({}));
            revoked(c);
            c.outcome("a", &intent, &json!({}));
        },
        found: &["revoked_credential_use: action.outcome 2"],
    },
    Row {
        rule: "revoked_credential_use",
        what: "used, then revoked",
        play: |c| {
            c.ready("a", &json!({}));
            c.tried("a", &json!({}));
            revoked(c);
        },
        found: &[],
    },
    Row {
        rule: "shared_credential",
        what: "registered to one and seen with the other",
        play: |c| {
            let of_a = pair(c);
            let intent = c.intent("b", &json!({}));
            c.outcome("b", &intent, &json!({}));
            let mut seen = of_a;
            seen["causes"] = json!([intent]);
            c.witness("proxy", "b", &seen);
        },
        found: &["shared_credential (a) of b: witness.observed"],
    },
    Row {
        rule: "shared_credential",
        what: "registered to both",
        play: |c| {
            let mut of_a = pair(c);
            of_a["agent"] = json!({ "id": c.of("b") });
            c.say(OPERATOR, "credential.registered", &of_a);
        },
        found: &["shared_credential (a) of b: credential.registered 3"],
    },
    Row {
        rule: "shared_credential",
        what: "the other only claims it",
        play: |c| {
            let of_a = pair(c);
            c.tried("b", &of_a);
        },
        found: &["unregistered_credential (another) of b: action.intent"],
    },
    Row {
        rule: "unregistered_credential",
        what: "an unknown id",
        play: |c| {
            c.ready("a", &json!({}));
            c.tried("a", &json!({ "credential": { "id": "nobody-issued-it" } }));
        },
        found: &["unregistered_credential (unknown): action.intent"],
    },
    Row {
        rule: "unregistered_credential",
        what: "a registered one",
        play: |c| {
            c.ready("a", &json!({}));
            c.tried("a", &json!({}));
        },
        found: &[],
    },
    Row {
        rule: "unregistered_credential",
        what: "names of another's credential, outcome by outcome",
        play: |c| {
            let of_b = json!({ "credential": { "id": c.cred("b") } });
            pair(c);
            let intent = c.intent("a", &json!({}));
            c.outcome("a", &intent, &of_b);
        },
        found: &["unregistered_credential (another): action.outcome"],
    },
];
