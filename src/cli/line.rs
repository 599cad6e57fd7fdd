//! An entry on one line: when, where, who, what, on what, and how it ended.
//!
//! ```text
//! 2026-04-08T16:04:31.204Z #1241 billing-ops-agent voice.call +14155550142 DENIED consent_source_missing
//! ```

use schemas::brief::{Brief, Mood};
use schemas::id::Micros;
use schemas::printable::printable;
use serde_json::Value as Json;

use crate::cli::out::{Out, Tone};
use crate::clock;

/// Characters of one part of the line that are shown.
const PART_CHARS_MAX: usize = 80;

/// An entry's line, from its JSON form. Whatever an agent wrote in it cannot act on the terminal.
pub(crate) fn line(entry: &Json, out: Out) -> String {
    let index = entry.get("index").and_then(Json::as_u64);
    let index = index.map_or_else(|| "#?".to_owned(), |index| format!("#{index}"));
    let brief = Brief::of(entry);
    let mut parts =
        vec![out.paint(Tone::Quiet, &time(entry)), index, shown(&brief.actor), shown(&brief.deed)];
    parts.extend(brief.object.map(|object| shown(&object)));
    if !brief.ending.is_empty() {
        parts.push(out.paint(tone(brief.mood), &printable(&brief.ending)));
    }
    parts.extend(brief.reason.map(|reason| shown(&reason)));
    parts.join(" ")
}

fn tone(mood: Mood) -> Tone {
    match mood {
        Mood::Good => Tone::Good,
        Mood::Bad => Tone::Bad,
        Mood::Notable => Tone::Notable,
        Mood::Plain => Tone::Plain,
    }
}

/// The time of receipt with milliseconds.
pub(crate) fn time(entry: &Json) -> String {
    let received_at = entry.get("received_at");
    let time = received_at.and_then(Json::as_str).and_then(clock::parse);
    match time.or_else(|| received_at.and_then(Json::as_u64).map(Micros)) {
        Some(time) => time.to_string(),
        None => "-".to_owned(),
    }
}

/// Printable and not too long.
fn shown(part: &str) -> String {
    let part = printable(part);
    match part.char_indices().nth(PART_CHARS_MAX) {
        Some((end, _)) => format!("{}…", part.get(..end).unwrap_or_default()),
        None => part,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::needless_pass_by_value, reason = "tests")]

    use serde_json::json;

    use super::*;

    fn check(body: Json, expected: &str) {
        let entry = json!({
            "index": 1241, "received_at": "2026-04-08T16:04:31.204999Z", "status": "accepted",
            "body": body,
        });
        let out = Out::new(None, true);
        assert_eq!(line(&entry, out), format!("2026-04-08T16:04:31.204Z #1241 {expected}"));
    }

    #[test]
    fn each_kind_says_what_matters() {
        let agent = json!({ "id": "billing-ops-agent" });
        let action = json!({ "name": "voice.call", "target": "+14155550142" });
        check(
            json!({
                "kind": "gate.verdict", "agent": agent, "signer": "voice-gate", "action": action,
                "verdicts": [
                    { "gate": "local_hours", "decision": "allow", "reason": "ok" },
                    { "gate": "tcpa_consent", "decision": "deny", "reason": "consent_source_missing" },
                ],
            }),
            "billing-ops-agent voice.call +14155550142 DENIED consent_source_missing",
        );
        check(
            json!({
                "kind": "gate.verdict", "agent": agent,
                "verdicts": [{ "gate": "tcpa_consent", "decision": "allow", "reason": "ok" }],
            }),
            "billing-ops-agent gate.verdict tcpa_consent ALLOWED",
        );
        check(
            json!({ "kind": "action.intent", "agent": agent, "action": action }),
            "billing-ops-agent voice.call +14155550142 intent",
        );
        let failed = json!({ "status": "failed", "code": "busy" });
        check(
            json!({ "kind": "action.outcome", "agent": agent, "action": action, "outcome": failed }),
            "billing-ops-agent voice.call +14155550142 failed busy",
        );
        check(
            json!({ "kind": "agent.disabled", "agent": agent, "signer": "op", "note": "case-42" }),
            "billing-ops-agent agent.disabled ! case-42",
        );
        check(
            json!({ "kind": "finding", "agent": agent, "rule": { "name": "cap_exceeded" } }),
            "billing-ops-agent finding FINDING cap_exceeded",
        );
        check(
            json!({ "kind": "ledger.genesis", "signer": "ledger", "code": "genesis" }),
            "ledger ledger.genesis genesis",
        );
    }

    #[test]
    fn what_was_refused_says_why() {
        let entry = json!({
            "index": 7, "received_at": "2026-04-08T16:04:31.204Z", "status": "bad_signature",
            "cause": { "path": "statement.signature", "expected": "a signature" },
            "claimed": ["mallory"], "body": null,
        });
        let expected = "2026-04-08T16:04:31.204Z #7 mallory submission REJECTED bad_signature \
                        statement.signature";
        assert_eq!(line(&entry, Out::new(None, true)), expected);
    }

    #[test]
    fn hostile_text_stays_text() {
        let evil = "\u{1b}]0;pwned\u{7}\u{1b}[2J\r\nfake #1 line\u{202e}\u{2028}\u{9b}31m";
        let fields = [
            "/body/agent/id",
            "/body/action/name",
            "/body/action/target",
            "/body/outcome/code",
            "/body/outcome/status",
            "/received_at",
            "/status",
            "/cause/path",
        ];
        for field in fields {
            let mut entry = json!({
                "index": 1, "received_at": "2026-04-08T16:04:31.204Z", "status": "accepted",
                "cause": { "path": "p" },
                "body": {
                    "kind": "action.outcome", "agent": { "id": "a" },
                    "action": { "name": "n", "target": "t" },
                    "outcome": { "status": "failed", "code": "c" },
                },
            });
            *entry.pointer_mut(field).unwrap() = evil.into();
            let line = line(&entry, Out::new(None, true));
            assert!(!line.chars().any(char::is_control), "{field}: {line:?}");
            assert!(!line.contains(['\u{202e}', '\u{2028}']), "{field}: {line:?}");
        }
    }

    #[test]
    fn a_long_part_is_cut_and_nonsense_is_survived() {
        let entry = json!({ "body": { "kind": "x".repeat(300) } });
        assert_eq!(line(&entry, Out::new(None, true)).chars().count(), 2 + 2 + 1 + 2 + 81 + 9);
        for nonsense in [json!(null), json!([]), json!({ "body": 1, "status": [] }), json!("x")] {
            assert!(
                line(&nonsense, Out::new(None, true)).starts_with("- #? - submission REJECTED")
            );
        }
    }
}
