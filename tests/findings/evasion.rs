//! Rows of attempts to get round the rules: what each leads to all the same.

use serde_json::{Value as Json, json};

use super::Row;
use super::case::{Case, HUMAN, OPERATOR, action, with};

fn drop_table(class: &str) -> Json {
    json!({ "action": action("DROP TABLE", class, "sys:prod/sessions") })
}

fn referred(c: &Case) -> Json {
    json!({ "outcome": { "status": "confirmed", "external_ref": c.of("ref") } })
}

/// An agent that dies, and names as its last session one that nobody ever saw, or more of its own than came.
fn restarted(c: &mut Case, previous: &Json) {
    c.agent("a", &json!({}));
    c.start("a", &json!({ "previous": previous }));
}

pub(super) const ROWS: &[Row] = &[
    Row {
        rule: "unclaimed_action",
        what: "an intent made up after the witness",
        play: |c| {
            c.ready("a", &json!({}));
            c.witness("proxy", "a", &json!({ "outcome": { "external_ref": c.of("ref") } }));
            let intent = c.intent("a", &json!({}));
            c.outcome("a", &intent, &referred(c));
        },
        found: &["unclaimed_action: witness.observed"],
    },
    Row {
        rule: "claim_mismatch",
        what: "an old harmless intent for what was seen",
        play: |c| {
            c.ready("a", &json!({}));
            let intent = c.intent("a", &json!({}));
            let reference = json!({ "outcome": { "external_ref": c.of("ref") } });
            c.witness("proxy", "a", &with(drop_table("destructive"), &reference));
            c.outcome("a", &intent, &referred(c));
        },
        found: &[
            "claim_mismatch (class,target): action.outcome",
            "unapproved_destructive: witness.observed",
        ],
    },
    Row {
        rule: "unapproved_destructive",
        what: "one intent with many outcomes",
        play: |c| {
            let cap = json!({ "action": "DROP TABLE", "per": "hour", "max": 2 });
            c.ready("a", &json!({ "limits": { "caps": [cap] }, "witnessed": ["sys"] }));
            let drop = drop_table("destructive");
            let intent = c.intent("a", &drop);
            for _ in 0..3 {
                c.outcome("a", &intent, &json!({}));
            }
            c.witness("proxy", "a", &with(drop, &json!({ "causes": [intent] })));
        },
        found: &[
            "cap_exceeded (3 of 2): action.outcome 3",
            "unapproved_destructive: action.outcome",
            "unapproved_destructive: action.outcome 2",
            "unapproved_destructive: action.outcome 3",
            "unwitnessed: action.outcome 2",
            "unwitnessed: action.outcome 3",
        ],
    },
    Row {
        rule: "approval_missing",
        what: "done again and again, and told as reverted alone",
        play: |c| {
            c.ready("a", &json!({ "approval_required": ["do"] }));
            let intent = c.intent("a", &json!({}));
            let reverted = json!({ "outcome": { "status": "reverted" }, "output": null });
            for _ in 0..2 {
                c.outcome("a", &intent, &reverted);
            }
        },
        found: &["approval_missing: action.outcome", "approval_missing: action.outcome 2"],
    },
    Row {
        rule: "volume",
        what: "a little more than allowed each day",
        play: |c| {
            c.ready("a", &json!({ "thresholds": { "session_unended": 864_000 } }));
            // The second day is held against 60 for the first is too near, the third against three times 60.
            for times in [60, 61, 181] {
                c.many("a", times, &json!({}));
                c.wait(86_400);
            }
        },
        found: &["volume: action.intent 121", "volume: action.intent 302"],
    },
    Row {
        rule: "claim_mismatch",
        what: "a destructive action labelled harmless, in its contract's spelling and in another",
        play: |c| {
            let known = json!({ "class": "destructive", "scope": "db:drop" });
            c.ready("a", &json!({ "actions": { "DROP TABLE": known } }));
            let intent = c.intent("a", &drop_table("read"));
            c.outcome("a", &intent, &json!({}));
            c.tried("a", &json!({ "action": action("drop table", "read", "sys:prod/x") }));
        },
        found: &[
            "claim_mismatch (class): action.intent",
            "claim_mismatch (class): action.intent 2",
            "unapproved_destructive: action.outcome",
        ],
    },
    Row {
        rule: "claim_mismatch",
        what: "a dangerous intent, a harmless outcome",
        play: |c| {
            c.ready("a", &json!({}));
            let intent = c.intent("a", &drop_table("destructive"));
            c.outcome("a", &intent, &drop_table("read"));
        },
        found: &[
            "claim_mismatch (class): action.outcome",
            "unapproved_destructive: action.outcome",
        ],
    },
    Row {
        rule: "no_outcome",
        what: "silence instead of an outcome",
        play: |c| {
            c.ready("a", &json!({}));
            c.intent("a", &json!({}));
        },
        found: &["no_outcome: action.intent"],
    },
    Row {
        rule: "unchecked_action",
        what: "silence about what gates and people had to allow, and a witness of it",
        play: |c| {
            let drop = drop_table("destructive");
            let terms =
                json!({ "gates": { "DROP TABLE": ["g"] }, "approval_required": ["DROP TABLE"] });
            c.ready("a", &terms);
            let intent = c.intent("a", &drop);
            c.witness("proxy", "a", &with(drop, &json!({ "causes": [intent] })));
        },
        found: &[
            "approval_missing: witness.observed",
            "unapproved_destructive: witness.observed",
            "unchecked_action (g): witness.observed",
        ],
    },
    Row {
        rule: "shared_credential",
        what: "an intent of its own for what it does with another's credential",
        play: |c| {
            c.ready("a", &json!({}));
            c.ready("b", &json!({}));
            let intent = c.intent("a", &json!({}));
            c.outcome("a", &intent, &json!({}));
            let of_b = json!({ "causes": [intent], "credential": { "id": c.cred("b") } });
            c.witness("proxy", "a", &of_b);
        },
        found: &["shared_credential (b): witness.observed"],
    },
    Row {
        rule: "shared_credential",
        what: "seen with one, and registered to the other afterwards",
        play: |c| {
            c.ready("a", &json!({}));
            c.ready("b", &json!({}));
            let intent = c.intent("a", &json!({}));
            c.outcome("a", &intent, &json!({}));
            let key = json!({ "id": c.of("key") });
            c.witness("proxy", "a", &json!({ "causes": [intent], "credential": key }));
            let registered = json!({ "agent": { "id": c.of("b") }, "credential": key });
            c.say(OPERATOR, "credential.registered", &registered);
        },
        found: &[
            "shared_credential (a) of b: credential.registered 3",
            "unregistered_credential (unknown): witness.observed",
        ],
    },
    Row {
        rule: "unapproved_destructive",
        what: "behind another's intent, reference and approval",
        play: |c| {
            c.ready("a", &json!({}));
            c.ready("b", &json!({}));
            let drop = drop_table("destructive");
            let intent = c.intent("b", &drop);
            c.decide(HUMAN, &intent, &json!({ "decision": "allow" }));
            c.outcome("b", &intent, &referred(c));
            let own = json!({
                "principals": [{ "type": "agent", "id": c.of("a") }],
                "credential": { "id": c.cred("a") },
            });
            c.outcome("a", &intent, &with(referred(c), &own));
            let reference = json!({ "outcome": { "external_ref": c.of("ref") } });
            c.witness("proxy", "a", &with(drop, &reference));
        },
        found: &[
            "unapproved_destructive: action.outcome 2",
            "unapproved_destructive: witness.observed",
            "unclaimed_action: witness.observed",
        ],
    },
    Row {
        rule: "unapproved_destructive",
        what: "a request that calls itself by the id of another, harmless intent",
        play: |c| {
            c.ready("a", &json!({}));
            let shown = c.tried("a", &json!({}));
            let drop = drop_table("destructive");
            let meant = c.intent("a", &drop);
            let asked = json!({
                "agent": { "id": c.of("a") }, "correlation": c.name, "causes": [meant],
                "approval": { "request": shown },
            });
            c.say("a", "approval.requested", &asked);
            c.decide(HUMAN, &shown, &json!({ "decision": "allow" }));
            c.outcome("a", &meant, &json!({}));
        },
        found: &["unapproved_destructive: action.outcome 2"],
    },
    Row {
        rule: "seq_gap",
        what: "a suppressed session",
        play: |c| {
            let unseen = json!({ "session": "0d".repeat(16), "n": 9, "digest": "03".repeat(32) });
            restarted(c, &unseen);
        },
        found: &["seq_gap (previous): session.start"],
    },
    Row {
        rule: "seq_gap",
        what: "a suppressed end of the session before",
        play: |c| {
            let first = "0a".repeat(16);
            c.agent("a", &json!({}));
            c.start("a", &json!({ "session": first }));
            c.wait(60);
            let previous = json!({ "session": first, "n": 3, "digest": "03".repeat(32) });
            let seq = json!({ "n": 1, "prev": "00".repeat(32) });
            c.start("a", &json!({ "previous": previous, "seq": seq }));
            c.leave_open("a");
        },
        found: &[
            "seq_gap (previous): session.start 2",
            "session_unended: session.start",
            "session_unended: session.start 2",
        ],
    },
    Row {
        rule: "seq_gap",
        what: "a first session names none",
        play: |c| restarted(c, &json!("none")),
        found: &[],
    },
];
