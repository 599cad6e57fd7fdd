//! Rows about what was meant, checked, told and seen, held against each other.

use serde_json::{Value as Json, json};

use super::Row;
use super::case::{Case, OPERATOR, action};

/// An action that is told as it was meant, and seen as something else perhaps.
fn seen_as(c: &mut Case, class: &str) {
    c.ready("a", &json!({}));
    let intent = c.intent("a", &json!({}));
    c.outcome("a", &intent, &json!({}));
    let seen = json!({ "causes": [intent], "action": action("do", class, "sys:x/y") });
    c.witness("proxy", "a", &seen);
}

/// An agent that did something and has ended its session, and who is going to see more of it.
fn done(c: &mut Case) -> Json {
    c.principal(&c.of("watcher"), &["witness"]);
    c.ready("a", &json!({}));
    let intent = c.intent("a", &json!({}));
    c.outcome("a", &intent, &json!({}));
    c.end("a", &json!({}));
    c.wait(60);
    json!({ "causes": [intent] })
}

fn disable(c: &mut Case) {
    c.say(OPERATOR, "agent.disabled", &json!({ "agent": { "id": c.of("a") } }));
}

/// A denied action, seen or not.
fn denied(c: &mut Case) -> String {
    c.ready("a", &json!({}));
    let intent = c.intent("a", &json!({}));
    c.verdict("a", &intent, &[("g", "deny")]);
    intent
}

/// An action behind two gates, of which these speak.
fn gated(c: &mut Case, words: &[(&str, &str)]) {
    c.ready("a", &json!({ "gates": { "do": ["g", "h"] } }));
    let intent = c.intent("a", &json!({}));
    if !words.is_empty() {
        c.verdict("a", &intent, words);
    }
    c.outcome("a", &intent, &json!({}));
}

/// A confirmed action on a system with witnesses; one sees it, or not.
fn confirmed(c: &mut Case, is_seen: bool) {
    c.ready("a", &json!({ "witnessed": ["sys"] }));
    let intent = c.intent("a", &json!({}));
    let told = json!({ "outcome": { "status": "confirmed", "external_ref": c.of("ref") } });
    c.outcome("a", &intent, &told);
    if is_seen {
        c.witness("proxy", "a", &json!({ "outcome": { "external_ref": c.of("ref") } }));
    }
}

/// An intent, and the last that is said of it.
fn ends(c: &mut Case, status: &str) {
    c.ready("a", &json!({}));
    let intent = c.intent("a", &json!({}));
    c.outcome("a", &intent, &json!({ "outcome": { "status": status }, "output": null }));
}

pub(super) const ROWS: &[Row] = &[
    Row {
        rule: "claim_mismatch",
        what: "a read that is seen to destroy",
        play: |c| seen_as(c, "destructive"),
        found: &[
            "claim_mismatch (class): witness.observed",
            "unapproved_destructive: witness.observed",
        ],
    },
    Row {
        rule: "claim_mismatch",
        what: "DROP declared as a read, which the contract knows better",
        play: |c| {
            c.ready("a", &json!({ "actions": { "DROP TABLE": { "class": "destructive" } } }));
            c.tried("a", &json!({ "action": action("DROP TABLE", "read", "sys:x/y") }));
        },
        found: &["claim_mismatch (class): action.intent"],
    },
    Row {
        rule: "claim_mismatch",
        what: "seen as it was meant",
        play: |c| seen_as(c, "read"),
        found: &[],
    },
    Row {
        rule: "unclaimed_action",
        what: "a gateway alone",
        play: |c| {
            c.agent("a", &json!({}));
            c.witness("proxy", "a", &json!({}));
        },
        found: &["unclaimed_action: witness.observed"],
    },
    Row {
        rule: "unclaimed_action",
        what: "an intent that came before",
        play: |c| seen_as(c, "read"),
        found: &[],
    },
    Row {
        rule: "unwitnessed",
        what: "the agent alone",
        play: |c| confirmed(c, false),
        found: &["unwitnessed: action.outcome"],
    },
    Row { rule: "unwitnessed", what: "both", play: |c| confirmed(c, true), found: &[] },
    Row {
        rule: "shadow_agent",
        what: "a gateway names an agent that nobody registered",
        play: |c| {
            c.witness("proxy", "x", &json!({}));
        },
        found: &[
            "out_of_contract (none) of x: witness.observed",
            "shadow_agent of x: witness.observed",
            "unclaimed_action of x: witness.observed",
            "unregistered_credential (unknown) of x: witness.observed",
        ],
    },
    Row {
        rule: "shadow_agent",
        what: "a registered one",
        play: |c| seen_as(c, "read"),
        found: &[],
    },
    Row {
        rule: "no_outcome",
        what: "dispatched and no more",
        play: |c| ends(c, "dispatched"),
        found: &["no_outcome: action.intent"],
    },
    Row { rule: "no_outcome", what: "failed", play: |c| ends(c, "failed"), found: &[] },
    Row {
        rule: "ran_after_deny",
        what: "denied, then seen",
        play: |c| {
            let intent = denied(c);
            c.witness("proxy", "a", &json!({ "causes": [intent] }));
        },
        found: &["ran_after_deny: witness.observed"],
    },
    Row {
        rule: "ran_after_deny",
        what: "denied, and that was all",
        play: |c| drop(denied(c)),
        found: &[],
    },
    Row {
        rule: "unchecked_action",
        what: "no verdict of one gate",
        play: |c| gated(c, &[("g", "allow")]),
        found: &["unchecked_action (h): action.outcome"],
    },
    Row {
        rule: "unchecked_action",
        what: "no verdict",
        play: |c| gated(c, &[]),
        found: &["unchecked_action (g): action.outcome"],
    },
    Row {
        rule: "unchecked_action",
        what: "a verdict of each",
        play: |c| gated(c, &[("g", "allow"), ("h", "allow")]),
        found: &[],
    },
    Row {
        rule: "acted_after_disable",
        what: "seen at 03:53, disabled at 03:52",
        play: |c| {
            let seen = done(c);
            disable(c);
            c.wait(60);
            c.witness("watcher", "a", &seen);
        },
        found: &["acted_after_disable: witness.observed, agent.disabled"],
    },
    Row {
        rule: "acted_after_disable",
        what: "seen at 03:51, disabled at 03:52",
        play: |c| {
            let seen = done(c);
            c.witness("watcher", "a", &seen);
            c.wait(60);
            disable(c);
        },
        found: &[],
    },
    Row {
        rule: "late_witness",
        what: "of 03:51, received at 03:53",
        play: |c| {
            let mut seen = done(c);
            seen["time"] = c.now().into();
            c.wait(60);
            disable(c);
            c.wait(60);
            c.witness("watcher", "a", &seen);
        },
        found: &["late_witness: witness.observed, agent.disabled"],
    },
    Row {
        rule: "late_witness",
        what: "received at 03:51",
        play: |c| {
            let seen = done(c);
            c.witness("watcher", "a", &seen);
            c.wait(60);
            disable(c);
        },
        found: &[],
    },
];
