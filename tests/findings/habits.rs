//! Rows about what an agent usually does.

use serde_json::{Value as Json, json};

use super::Row;
use super::case::{Case, action, micros};

const DAY_S: u64 = 86_400;

/// So many actions, fifty an hour at most, and then one of another kind.
fn after(c: &mut Case, times: usize, usual: &Json, other: &Json) {
    c.ready("a", &json!({}));
    let mut left = times;
    while left > 0 {
        let now = left.min(50);
        c.many("a", now, usual);
        c.wait(3600);
        left -= now;
    }
    c.tried("a", other);
}

fn elsewhere() -> Json {
    json!({ "action": action("do", "read", "postgres:prod/x") })
}

/// Twenty days with one write each, so many of them at eleven; then one at an hour of the day after.
fn regular(c: &mut Case, at_eleven: u64, hour: u64) {
    let write = json!({ "action": action("do", "write", "sys:x/y") });
    let midnight = micros("2026-06-02T00:00:00Z");
    let time = |day: u64, hour: u64| midnight + (day * DAY_S + hour * 3600) * 1_000_000;
    c.agent("a", &json!({ "thresholds": { "session_unended": 30 * DAY_S } }));
    for day in 0..=20 {
        let hour = match day {
            20 => hour,
            day if day < at_eleven => 11,
            _ => 16,
        };
        c.wait((time(day, hour) - c.now()) / 1_000_000);
        if day == 0 {
            c.start("a", &json!({}));
        }
        c.tried("a", &write);
    }
}

/// Thirty hours of twenty actions each, then so many within one.
fn busy(c: &mut Case, times: usize) {
    c.ready("a", &json!({}));
    for _ in 0..30 {
        c.many("a", 20, &json!({}));
        c.wait(3600);
    }
    c.many("a", times, &json!({}));
}

pub(super) const ROWS: &[Row] = &[
    Row {
        rule: "new_tool",
        what: "a first action, with a tool that is not listed",
        play: |c| {
            c.ready("a", &json!({ "tools": ["git.*"] }));
            c.tried("a", &json!({ "tool": { "name": "net.fetch" } }));
        },
        found: &["new_tool (unlisted): action.intent"],
    },
    Row {
        rule: "new_tool",
        what: "the 101st, the first net.fetch",
        play: |c| {
            let (git, net) =
                (json!({ "tool": { "name": "git" } }), json!({ "tool": { "name": "net.fetch" } }));
            after(c, 100, &git, &net);
        },
        found: &["new_tool (new): action.intent 101"],
    },
    Row {
        rule: "new_tool",
        what: "the 40th, without a list",
        play: |c| {
            let (git, net) =
                (json!({ "tool": { "name": "git" } }), json!({ "tool": { "name": "net.fetch" } }));
            after(c, 39, &git, &net);
        },
        found: &[],
    },
    Row {
        rule: "new_target",
        what: "the 101st, the first in postgres:prod",
        play: |c| after(c, 100, &json!({}), &elsewhere()),
        found: &["new_target: action.intent 101"],
    },
    Row {
        rule: "new_target",
        what: "the 40th",
        play: |c| after(c, 39, &json!({}), &elsewhere()),
        found: &[],
    },
    Row {
        rule: "odd_hour",
        what: "a write at 02:00, 0 of 20 days",
        play: |c| regular(c, 20, 2),
        found: &["odd_hour: action.intent 21"],
    },
    Row {
        rule: "odd_hour",
        what: "a write at 11:00, 15 of 20 days",
        play: |c| regular(c, 15, 11),
        found: &[],
    },
    Row {
        rule: "volume",
        what: "61 within an hour, usually 20",
        play: |c| busy(c, 61),
        found: &["volume: action.intent 661"],
    },
    Row { rule: "volume", what: "60 within an hour", play: |c| busy(c, 60), found: &[] },
];
