//! Rows about sessions, their numbers, ids and times.

use serde_json::{Value as Json, json};

use super::Row;
use super::case::{Case, Way};

/// The second event of a session, an annotation that bears on nothing, in some way.
fn second(c: &mut Case, way: Way) {
    c.ready("a", &json!({}));
    c.say_as(way, "a", "scope.requested", &asks(c));
}

fn asks(c: &Case) -> Json {
    json!({
        "agent": { "id": c.of("a") }, "correlation": c.name, "scope": ["x"],
        "task": { "digest": "05".repeat(32) },
    })
}

pub(super) const ROWS: &[Row] = &[
    Row {
        rule: "undeclared_session",
        what: "an intent comes first",
        play: |c| {
            c.agent("a", &json!({}));
            c.tried("a", &json!({}));
        },
        found: &["undeclared_session: action.intent"],
    },
    Row {
        rule: "undeclared_session",
        what: "declared, then an intent",
        play: |c| {
            c.ready("a", &json!({}));
            c.tried("a", &json!({}));
        },
        found: &[],
    },
    Row {
        rule: "session_unended",
        what: "24 hours of silence",
        play: |c| {
            c.ready("a", &json!({}));
            c.leave_open("a");
        },
        found: &["session_unended: session.start"],
    },
    Row { rule: "session_unended", what: "an end", play: |c| c.ready("a", &json!({})), found: &[] },
    Row {
        rule: "seq_gap",
        what: "1, 3",
        play: |c| {
            second(c, Way::Lost);
            c.say("a", "scope.requested", &asks(c));
        },
        found: &["seq_gap (2): scope.requested 2"],
    },
    Row {
        rule: "seq_gap",
        what: "1, 3, late 2",
        play: |c| {
            second(c, Way::Held);
            c.say("a", "scope.requested", &asks(c));
            c.wait(120);
            c.again("a", Way::Released);
        },
        found: &[],
    },
    Row {
        rule: "seq_gap",
        what: "1, 3 declares 2 as lost",
        play: |c| {
            second(c, Way::Lost);
            let lost = json!({ "agent": { "id": c.of("a") }, "gap": { "from": 2, "to": 2 } });
            c.say("a", "gap.declared", &lost);
        },
        found: &[],
    },
    Row {
        rule: "seq_fork",
        what: "two twos: a cloned key",
        play: |c| {
            second(c, Way::Sent);
            c.say_as(Way::Copied, "a", "scope.requested", &asks(c));
        },
        found: &["seq_fork: scope.requested 2"],
    },
    Row {
        rule: "seq_fork",
        what: "the same bytes twice",
        play: |c| {
            second(c, Way::Sent);
            c.again("a", Way::Repeated);
        },
        found: &[],
    },
    Row {
        rule: "id_reused",
        what: "the same id by two signers",
        play: |c| {
            c.ready("a", &json!({}));
            c.ready("b", &json!({}));
            let id = c.tried("a", &json!({}));
            c.intent("b", &json!({ "id": id }));
        },
        found: &["id_reused of b: action.intent 2"],
    },
    Row {
        rule: "id_reused",
        what: "an id each",
        play: |c| {
            c.ready("a", &json!({}));
            c.ready("b", &json!({}));
            c.tried("a", &json!({}));
            c.tried("b", &json!({}));
        },
        found: &[],
    },
    Row {
        rule: "clock_skew",
        what: "ten years ahead",
        play: |c| {
            c.ready("a", &json!({}));
            c.end("a", &json!({ "time": "2036-06-01T10:00:00Z" }));
        },
        found: &["clock_skew (ahead): session.end"],
    },
    Row {
        rule: "clock_skew",
        what: "backwards in its session",
        play: |c| {
            let began = c.now();
            c.wait(600);
            c.ready("a", &json!({}));
            c.end("a", &json!({ "time": began }));
        },
        found: &["clock_skew (backwards): session.end"],
    },
    Row {
        rule: "clock_skew",
        what: "ten minutes in a spool",
        play: |c| {
            let began = c.now();
            c.ready("a", &json!({}));
            c.wait(600);
            c.end("a", &json!({ "time": began }));
        },
        found: &[],
    },
];
