#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::as_conversions,
    reason = "tests"
)]

use super::*;
use crate::id::{Index, Micros, TreeSize};
use crate::kind::Kind;
use crate::rules::RULES;

const ID: &str = "019d6b2c-ee80-7001-8002-030405060708";
/// 2026-04-08T00:00:00Z.
const MIDNIGHT: u64 = 1_775_606_400_000_000;
const MINUTE: u64 = 60_000_000;

fn term(key: Key, value: &str) -> Term<'_> {
    Term { key, value: value.into() }
}

/// Whether an entry of agent `pay-1` in workflow `w 1`, allowed and denied, fits.
fn fits(query: &str) -> bool {
    let terms = [
        term(Key::Agent, "pay-1"),
        term(Key::Corr, "w 1"),
        term(Key::Verdict, "allow"),
        term(Key::Verdict, "deny"),
        term(Key::Target, "a*"),
        term(Key::Reason, "say \"no\" \\ (twice)"),
        term(Key::Cause, ID),
        term(Key::Digest, "00ff"),
        term(Key::Path, "u>a"),
        term(Key::Assertion, "consent=yes"),
        term(Key::Source, "message/m:1"),
        term(Key::Time, "2026-04-08T03:47:12.000500Z"),
    ];
    Query::parse(query).unwrap().matches(&terms)
}

#[test]
fn keys_are_and_and_values_are_or() {
    let yes = [
        "",
        "agent:pay-1",
        "agent:pay-*",
        "agent:*",
        "agent:x agent:pay-1",
        "corr:\"w 1\"",
        "corr:\"w \"*",
        "corr:w\" \"1",
        "agent:pay-1 verdict:deny",
        "-agent:x",
        "not:agent:x",
        "-user:*",
        "-(agent:x | outcome:failed)",
        "not:(agent:pay-1 outcome:failed)",
        "(agent:x | verdict:deny)",
        "agent:x | corr:\"w 1\"",
        "(agent:pay-1 (corr:\"w 1\"))",
        "(agent:pay-1)(verdict:deny)",
        "(agent:pay-1) (agent:pay*)",
        "target:\"a*\"",
        "target:a\\*|target:\"a\"*",
        r#"reason:"say \"no\" \\ (twice)""#,
        r#"reason:"say "*"#,
        "agent:pay-1 since:15m",
        "since:15m (agent:x | agent:pay-1)",
        "cause:019D6B2CEE8070018002030405060708",
        "cause:019D*",
        "digest:00FF",
        "path:\"u>a\" path:u>b",
        "assertion:consent=yes",
        "source:message/m:1",
    ];
    let no = [
        "agent:x",
        "agent:PAY-1",
        "agent:pay-1 outcome:failed",
        "-agent:pay-1",
        "-agent:*",
        "-(agent:x | verdict:deny)",
        "(agent:pay-1) (agent:x)",
        "user:*",
        "agent:\"\"",
        "agent:x agent:y",
        "(agent:x | outcome:failed)",
        "target:\"b*\"",
        "agent:\"pay-*\"",
    ];
    assert_eq!(yes.into_iter().find(|query| !fits(query)), None);
    assert_eq!(no.into_iter().find(|query| fits(query)), None);
}

#[test]
fn a_claimed_time_is_all_that_it_names() {
    let yes = [
        "time:2026-04-08",
        "time:2026-04-08T03:47",
        "time:\"2026-04-08 03:47\"",
        "time:2026-04-08T03:47:12Z",
        "time:2026-04-08T05:47:12+02:00",
        "time:2026-04-08T03:47:12.0005Z",
        "time:2026-04-08T03:4*",
        "time:*",
        "time:2026-04-07..2026-04-08",
        "time:..2026-04-08",
        "time:2026-04-08T03:47:12..",
        "-time:2026-04-09",
    ];
    let no = [
        "time:2026-04-07",
        "time:2026-04-08T03:46",
        "time:2026-04-08T03:47:11Z",
        "time:2026-04-08T03:47:12.000499Z",
        "time:2026-04-08T03:47:13..",
        "time:..2026-04-08T03:47:11",
        "time:2026-04-09..2026-04-07",
    ];
    assert_eq!(yes.into_iter().find(|query| !fits(query)), None);
    assert_eq!(no.into_iter().find(|query| fits(query)), None);
    let beyond = [term(Key::Time, "+2026000000000000000")];
    let matches = |query| Query::parse(query).unwrap().matches(&beyond);
    assert!(matches("time:*") && !matches("time:2026-04-08") && !matches("time:2026-04-08.."));
}

#[test]
fn every_key_has_its_terms() {
    for key in Key::ALL {
        let value = match key {
            Key::Id | Key::Cause | Key::Grant => ID,
            Key::Time => "2026-04-08",
            Key::Kind => "finding",
            Key::Class => "read",
            Key::Mode => "self",
            Key::Verdict => "deny",
            Key::Outcome => "denied",
            Key::Finding => "volume",
            Key::Status => "rejected",
            Key::Trigger => "mail/m",
            Key::Source => "page/p",
            _ => "00",
        };
        for query in [format!("{}:{value}", key.as_str()), format!("-{}:*", key.as_str())] {
            let parsed = Query::parse(&query).unwrap();
            let again = Query::parse(&parsed.expr.to_string()).map(|query| query.expr);
            assert!(*key == Key::Time || again == Ok(parsed.expr), "{query}");
        }
    }
}

#[test]
fn every_word_of_a_closed_list_is_a_value_and_nothing_else_is() {
    let lists: [(&str, &[&str]); 5] = [
        ("class", &["read", "write", "destructive", "payment", "communication"]),
        ("mode", &["self", "approval", "on_behalf_of"]),
        ("verdict", &["allow", "deny"]),
        ("outcome", &["planned", "dispatched", "confirmed", "failed", "reverted", "denied"]),
        ("status", &["accepted", "rejected"]),
    ];
    for (key, words) in lists {
        for word in words {
            assert!(Query::parse(&format!("{key}:{word}")).is_ok(), "{key}:{word}");
            let upper = Query::parse(&format!("{key}:{}", word.to_uppercase()));
            assert!(matches!(upper, Err(QueryError::BadValue { .. })), "{key}:{word}");
        }
    }
    for kind in Kind::ALL {
        assert!(Query::parse(&format!("kind:{kind}")).is_ok(), "{kind}");
    }
    for rule in RULES {
        assert!(Query::parse(&format!("finding:{}", rule.name)).is_ok(), "{}", rule.name);
    }
}

#[test]
fn an_entry_is_accepted_or_rejected() {
    let rejected = [term(Key::Status, "rejected")];
    for (query, accepted, refused) in [
        ("status:accepted", true, false),
        ("status:rejected", false, true),
        ("-status:accepted", false, true),
        ("-status:rejected", true, false),
        ("status:a*", true, false),
        ("status:r*", false, true),
        ("status:*", true, true),
        ("-status:*", false, false),
        ("status:accepted status:rejected", true, true),
        ("status:accepted -status:rejected", true, false),
        ("(status:accepted | agent:x)", true, false),
    ] {
        let query = Query::parse(query).unwrap();
        let found = (query.matches(&[]), query.matches(&rejected));
        assert_eq!(found, (accepted, refused), "{}", query.expr);
        assert_eq!(Query::parse(&query.expr.to_string()).unwrap().expr, query.expr);
    }
}

#[test]
fn what_is_written_is_read_back() {
    for query in [
        "agent:a (agent:b | -corr:\"w 1\")",
        "target:\"a*\" target:b*",
        r#"reason:"\"\\(" -(agent:a kind:*)"#,
        "agent:\"\"",
    ] {
        let expr = Query::parse(query).unwrap().expr;
        assert_eq!(Query::parse(&expr.to_string()).unwrap().expr, expr, "{query}: {expr}");
    }
}

#[test]
fn windows_are_places_or_times() {
    let time = |us| Some(Bound::Time(Micros(us)));
    let at_0340 = MIDNIGHT + 220 * MINUTE;
    let day = 1440 * MINUTE;
    let checkpoint = |size| Some(Bound::Checkpoint(TreeSize(size)));
    let cases = [
        ("since:#900", Some(Bound::Index(900)), None),
        ("since:900 until:checkpoint:950", Some(Bound::Index(900)), checkpoint(950)),
        ("since:15m", Some(Bound::Ago(15 * MINUTE)), None),
        ("since:1d2h until:30s", Some(Bound::Ago(1560 * MINUTE)), Some(Bound::Ago(MINUTE / 2))),
        ("since:2026-04-08", time(MIDNIGHT), None),
        ("since:2026-04-08T03:40:00Z", time(at_0340), None),
        ("since:2026-04-08T05:40:00+02:00", time(at_0340), None),
        ("since:2026-04-08T03:40", time(at_0340), None),
        ("since:\"2026-04-08 03:40\"", time(at_0340), None),
        ("since:03:40", Some(Bound::Clock(220 * MINUTE)), None),
        ("since:3:40:30", Some(Bound::Clock(220 * MINUTE + MINUTE / 2)), None),
        ("on:2026-04-08", time(MIDNIGHT), time(MIDNIGHT + day)),
        ("on:2026-04-08 since:03:40", time(at_0340), time(MIDNIGHT + day)),
        ("on:2026-04-08 since:03:40 until:03:50", time(at_0340), time(at_0340 + 10 * MINUTE)),
    ];
    for (text, since, until) in cases {
        let query = Query::parse(text).unwrap();
        assert_eq!((query.since, query.until), (since, until), "{text}");
        assert_eq!(query.expr, Expr::All(Vec::new()), "{text}");
    }
}

#[test]
fn relative_bounds_count_from_the_ledgers_now() {
    let now = Micros(MIDNIGHT + 600 * MINUTE);
    let place = |text: &str| Bound::parse(text).unwrap().place(now);
    let after = |text: &str| Bound::parse(text).unwrap().place_after(now);
    let (index, time) = (|n| Place::Index(Index(n)), |us| Place::Time(Micros(us)));
    assert_eq!((place("9"), after("9")), (index(9), index(10)));
    assert_eq!((place("checkpoint:9"), after("checkpoint:9")), (index(9), index(9)));
    assert_eq!(place("15m"), time(MIDNIGHT + 585 * MINUTE));
    assert_eq!(place("03:40"), time(MIDNIGHT + 220 * MINUTE));
    assert_eq!(after("2026-04-08"), time(MIDNIGHT + 1));
}

#[test]
fn faults_name_their_place() {
    let error = |text: &str| Query::parse(text).unwrap_err();
    let cases = [
        ("  word", 2, Some("key:value, for example agent:word")),
        ("agent:a OR agent:b", 8, Some("| between alternatives")),
        ("agent:a - corr:b", 8, Some("-key:value")),
        ("agnet:x", 0, Some("agent")),
        ("é:x agnet:x", 0, Some("id")),
        ("agent:é agnet:x", 9, Some("agent")),
        ("correlation:w", 0, Some("corr")),
        ("targ:w", 0, Some("target")),
        ("not:not:agent:w", 0, Some("on")),
        ("agent:a corr:", 8, Some("corr:*")),
        ("agent:a id:7", 8, Some("an event id, a UUIDv7")),
        ("agent:a kind:intent", 8, Some("action.intent")),
        ("kind:Action.Intent", 0, Some("action.intent")),
        ("kind:intent*", 0, Some("action.intent")),
        ("finding:out_scope", 0, Some("out_of_scope")),
        ("class:delete", 0, Some("one of read, write, destructive, payment, communication")),
        ("verdict:\"\"", 0, Some("one of allow, deny")),
        ("-verdict:denied", 0, Some("one of allow, deny")),
        ("mode:autonomous", 0, Some("one of self, approval, on_behalf_of")),
        ("status:ok", 0, Some("one of accepted, rejected")),
        ("status:\"accepted*\"", 0, Some("one of accepted, rejected")),
        ("source:tickets/7", 0, Some("one of ticket, message, file, page, with / and a reference")),
        ("source:page", 0, Some("one of ticket, message, file, page, with / and a reference")),
        ("digest:sha256:00", 0, Some("hex digits")),
        ("session:0x*", 0, Some("hex digits")),
        ("time:yesterday", 0, Some("2026-04-08, RFC 3339, or a span A..B of them")),
        ("time:..", 0, Some("2026-04-08, RFC 3339, or a span A..B of them")),
        ("agent:a since:yesterday", 8, None),
        ("on:15m", 0, None),
        ("agent:a -since:15m", 8, None),
        ("(agent:a since:15m)", 9, None),
        ("agent:a | agent:b since:15m", 18, None),
        ("since:15m | agent:b", 0, None),
        ("since:15m agent:a since:1h", 18, None),
        ("agent:\"a b", 0, None),
        ("(agent:a", 0, None),
        ("agent:a)", 7, None),
        ("agent:a ()", 8, None),
        ("| agent:a", 0, None),
        ("agent:a |", 8, None),
        ("agent:a || agent:b", 8, None),
        ("-(", 0, None),
    ];
    for (text, at, suggestion) in cases {
        let error = error(text);
        let found = (error.at(), error.suggestion());
        assert_eq!(found, (Some(at), suggestion.map(str::to_owned)), "{text}: {error}");
    }
    for value in
        ["25:00", "3:4:5:6", "+3:40", "5y", "-1m", "#", "checkpoint:x", "#checkpoint:9", "+9"]
    {
        let expected = QueryError::BadTime { at: 0, value: value.into() };
        assert_eq!(error(&format!("since:{value}")), expected);
    }
    assert_eq!(error(&"agent:a ".repeat(33)), QueryError::TooManyTerms);
    assert_eq!(error(&"a".repeat(QUERY_BYTES_MAX + 1)), QueryError::TooLong);
    assert!(Query::parse(&format!("{}agent:a{}", "(".repeat(32), ")".repeat(32))).is_ok());
    assert_eq!(error(&"(".repeat(1024)), QueryError::TooManyTerms);
}
