//! Rows about what the contract says: of the session, of the action, of how often and until when.

use serde_json::{Value as Json, json};

use super::Row;
use super::case::{Case, OPERATOR, action};

const BUILD: &str = "0101010101010101010101010101010101010101010101010101010101010101";
const OTHER: &str = "0202020202020202020202020202020202020202020202020202020202020202";

/// A session with this attestation under a contract with these terms.
fn attested(c: &mut Case, terms: &Json, attestation: &Json) {
    c.agent("a", terms);
    c.start("a", &json!({ "attestation": attestation }));
}

fn capped(c: &mut Case, times: usize) {
    let cap = json!({ "action": "do", "per": "day", "max": 50 });
    c.ready("a", &json!({ "limits": { "caps": [cap] } }));
    c.many("a", times, &json!({}));
}

/// A contract that permits reading a repository, and the use of a scope.
fn used(c: &mut Case, scope: &str) {
    c.ready("a", &json!({ "agent": { "permissions": { "sys": ["repo:read"] } } }));
    c.tried("a", &json!({ "scope": [scope] }));
}

/// A mail to somebody, where one domain is listed.
fn mailed(c: &mut Case, to: &str) {
    c.ready("a", &json!({ "domains": ["example.com"] }));
    c.tried("a", &json!({ "action": action("email.send", "communication", to) }));
}

/// A call to San Francisco, where seven hours less are told, between nine and six there.
fn called(c: &mut Case, at: &str) {
    let hours = json!({
        "action": "voice.call", "from": "09:00", "to": "18:00", "zone": "destination",
    });
    c.agent("a", &json!({ "hours": [hours] }));
    c.at(at);
    c.start("a", &json!({}));
    c.tried("a", &json!({ "action": action("voice.call", "communication", "+14155550142") }));
}

/// An action near the end of June, with which the contract ends.
fn late(c: &mut Case, at: &str) {
    c.agent("a", &json!({ "agent": { "expiry": "2026-07-01" } }));
    c.at(at);
    c.start("a", &json!({}));
    c.tried("a", &json!({}));
}

/// An operator freezes writing in an environment, and an action of this class comes there.
fn frozen(c: &mut Case, class: &str) {
    let environment = c.name.clone();
    c.ready("a", &json!({}));
    let applies = format!("env:{environment} class:write");
    let freeze = json!({ "from": "open", "to": "frozen", "applies_to": applies });
    c.say(OPERATOR, "authz.transition", &json!({ "transition": freeze }));
    c.tried("a", &json!({ "action": action("do", class, "sys:x/y"), "environment": environment }));
}

pub(super) const ROWS: &[Row] = &[
    Row {
        rule: "build_mismatch",
        what: "another build",
        play: |c| attested(c, &json!({ "build": BUILD }), &json!({ "build": OTHER })),
        found: &["build_mismatch: session.start"],
    },
    Row {
        rule: "build_mismatch",
        what: "the contract's",
        play: |c| attested(c, &json!({ "build": BUILD }), &json!({ "build": BUILD })),
        found: &[],
    },
    Row {
        rule: "environment_mismatch",
        what: "staging attested, production expected",
        play: |c| {
            let (expected, attests) =
                (json!({ "environment": "production" }), json!({ "environment": "staging" }));
            attested(c, &expected, &attests);
        },
        found: &["environment_mismatch (attested): session.start"],
    },
    Row {
        rule: "environment_mismatch",
        what: "acts in another than it attested",
        play: |c| {
            attested(c, &json!({}), &json!({ "environment": "staging" }));
            c.tried("a", &json!({ "environment": "production" }));
        },
        found: &["environment_mismatch (action): action.intent"],
    },
    Row {
        rule: "environment_mismatch",
        what: "one and the same",
        play: |c| {
            let same = json!({ "environment": "staging" });
            attested(c, &same, &same);
            c.tried("a", &same);
        },
        found: &[],
    },
    Row {
        rule: "unattested",
        what: "none, where a build is expected",
        play: |c| attested(c, &json!({ "build": BUILD }), &json!("none")),
        found: &["unattested (build): session.start"],
    },
    Row {
        rule: "unattested",
        what: "attested",
        play: |c| {
            let terms = json!({ "build": BUILD, "environment": "test" });
            attested(c, &terms, &json!({ "build": BUILD, "environment": "test" }));
        },
        found: &[],
    },
    Row {
        rule: "cap_exceeded",
        what: "51 of 50",
        play: |c| capped(c, 51),
        found: &["cap_exceeded (51 of 50): action.intent 51"],
    },
    Row { rule: "cap_exceeded", what: "50 of 50", play: |c| capped(c, 50), found: &[] },
    Row {
        rule: "cap_exceeded",
        what: "witnesses without an intent tell of more than the cap",
        play: |c| {
            let cap = json!({ "action": "do", "per": "hour", "max": 2 });
            c.agent("a", &json!({ "limits": { "caps": [cap] } }));
            for _ in 0..3 {
                c.witness("proxy", "a", &json!({}));
            }
        },
        found: &[
            "cap_exceeded (3 of 2): witness.observed 3",
            "unclaimed_action: witness.observed",
            "unclaimed_action: witness.observed 2",
            "unclaimed_action: witness.observed 3",
        ],
    },
    Row {
        rule: "contract_expired",
        what: "on the day",
        play: |c| late(c, "2026-07-01T00:00:00Z"),
        found: &["contract_expired: action.intent"],
    },
    Row {
        rule: "contract_expired",
        what: "within the minute before",
        play: |c| late(c, "2026-06-30T23:59:00Z"),
        found: &[],
    },
    Row {
        rule: "review_overdue",
        what: "the date passes",
        play: |c| c.agent("a", &json!({ "review_by": "2026-06-10" })),
        found: &["review_overdue: contract.registered"],
    },
    Row {
        rule: "review_overdue",
        what: "reviewed before",
        play: |c| {
            c.agent("a", &json!({ "review_by": "2026-06-10" }));
            c.at("2026-06-09T23:00:00Z");
            c.review("a");
        },
        found: &[],
    },
    Row {
        rule: "obo_missing",
        what: "an agent that acts for users acts for none",
        play: |c| {
            c.ready("a", &json!({ "agent": { "execution_mode": "on_behalf_of" } }));
            c.tried("a", &json!({}));
        },
        found: &["obo_missing: action.intent"],
    },
    Row {
        rule: "obo_missing",
        what: "it names the user",
        play: |c| {
            c.ready("a", &json!({ "agent": { "execution_mode": "on_behalf_of" } }));
            let user = json!({ "mode": "on_behalf_of", "on_behalf_of": "u@example.com" });
            c.tried("a", &user);
        },
        found: &[],
    },
    Row {
        rule: "out_of_contract",
        what: "repo:push where repo:read is permitted",
        play: |c| used(c, "repo:push"),
        found: &["out_of_contract (operation): action.intent"],
    },
    Row { rule: "out_of_contract", what: "repo:read", play: |c| used(c, "repo:read"), found: &[] },
    Row {
        rule: "out_of_contract",
        what: "no contract",
        play: |c| {
            c.stranger("a", &json!({}));
            let credential =
                json!({ "agent": { "id": c.of("a") }, "credential": { "id": c.cred("a") } });
            c.say(OPERATOR, "credential.registered", &credential);
            c.start("a", &json!({}));
            c.tried("a", &json!({}));
        },
        found: &["out_of_contract (none): action.intent"],
    },
    Row {
        rule: "out_of_contract",
        what: "a mail to another domain",
        play: |c| mailed(c, "x@other.example"),
        found: &["out_of_contract (domain): action.intent"],
    },
    Row {
        rule: "out_of_contract",
        what: "a mail to the listed one",
        play: |c| mailed(c, "x@example.com"),
        found: &[],
    },
    Row {
        rule: "out_of_contract",
        what: "a call at 18:01 at the destination",
        play: |c| called(c, "2026-06-02T01:01:00Z"),
        found: &["out_of_contract (hours): action.intent"],
    },
    Row {
        rule: "out_of_contract",
        what: "a call at 17:58 at the destination",
        play: |c| called(c, "2026-06-02T00:58:00Z"),
        found: &[],
    },
    Row {
        rule: "during_freeze",
        what: "a write while frozen",
        play: |c| frozen(c, "write"),
        found: &["during_freeze (env:during_freeze.0 class:write): action.intent"],
    },
    Row {
        rule: "during_freeze",
        what: "a read while frozen",
        play: |c| frozen(c, "read"),
        found: &[],
    },
];
