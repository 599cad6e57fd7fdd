//! An entry on one line: when, where, who, what, on what, and how it ended.
//!
//! ```text
//! 2026-04-08T16:04:31.204Z #1241 billing-ops-agent voice.call +14155550142 DENIED consent_source_missing
//! ```

use schemas::id::Micros;
use schemas::printable::printable;
use serde_json::Value as Json;

use crate::cli::out::{Out, Tone};

/// Characters of one part of the line that are shown.
const PART_CHARS_MAX: usize = 80;

/// An entry's line, from its JSON form. Whatever an agent wrote in it cannot act on the terminal.
pub(crate) fn line(entry: &Json, out: Out) -> String {
    let index = entry.get("index").and_then(Json::as_u64);
    let index = index.map_or_else(|| "#?".to_owned(), |index| format!("#{index}"));
    let mut parts =
        vec![out.paint(Tone::Quiet, &time(entry)), index, shown(actor(entry)), shown(deed(entry))];
    parts.extend(object(entry).map(|object| shown(&object)));
    let (tone, word, rest) = ending(entry);
    if !word.is_empty() {
        parts.push(out.paint(tone, &word));
    }
    parts.extend(rest.filter(|rest| !rest.is_empty()).map(|rest| shown(&rest)));
    parts.join(" ")
}

/// The time of receipt with milliseconds.
pub(crate) fn time(entry: &Json) -> String {
    let received_at = entry.get("received_at");
    let stamp = received_at.and_then(Json::as_str).and_then(|text| text.parse().ok());
    let us = stamp.and_then(|stamp: jiff::Timestamp| u64::try_from(stamp.as_microsecond()).ok());
    match us.or_else(|| received_at.and_then(Json::as_u64)) {
        Some(us) => Micros(us).to_string(),
        None => "-".to_owned(),
    }
}

/// Text at a dotted path.
pub(crate) fn text<'j>(json: &'j Json, path: &str) -> Option<&'j str> {
    path.split('.').try_fold(json, |json, step| json.get(step))?.as_str()
}

/// Printable and not too long.
fn shown(part: &str) -> String {
    let part = printable(part);
    match part.char_indices().nth(PART_CHARS_MAX) {
        Some((end, _)) => format!("{}…", part.get(..end).unwrap_or_default()),
        None => part,
    }
}

fn kind(entry: &Json) -> &str {
    text(entry, "body.kind").unwrap_or_default()
}

/// Who acted: the agent, else whoever signed, else a name that nobody verified.
fn actor(entry: &Json) -> &str {
    let claimed = || entry.get("claimed")?.get(0)?.as_str();
    text(entry, "body.agent.id")
        .or_else(|| text(entry, "body.signer"))
        .or_else(claimed)
        .unwrap_or("-")
}

fn deed(entry: &Json) -> &str {
    let known = text(entry, "body.action.name").or_else(|| text(entry, "body.kind"));
    known.unwrap_or(if is_redacted(entry) { "redacted" } else { "submission" })
}

fn is_redacted(entry: &Json) -> bool {
    entry.get("redacted").and_then(Json::as_bool).unwrap_or(false)
}

/// What it was done to, by kind.
fn object(entry: &Json) -> Option<String> {
    let at = |path: &str| text(entry, path).map(str::to_owned);
    at("body.action.target").or_else(|| match kind(entry) {
        "trigger.observed" => {
            Some(format!("{}/{}", at("body.trigger.type")?, at("body.trigger.ref")?))
        }
        "session.start" => at("body.task.summary"),
        "gate.verdict" => Some(verdicts(entry, "gate", |_| true)),
        "delegation.granted" => at("body.grant.to"),
        "delegation.revoked" => at("body.grant.id"),
        "principal.registered" => {
            let roles = entry.get("body")?.get("registry")?.get("roles")?.as_array()?;
            let roles: Vec<_> = roles.iter().filter_map(Json::as_str).collect();
            Some(format!("{} ({})", at("body.registry.id")?, roles.join(", ")))
        }
        "principal.disabled" => at("body.registry.id"),
        "key.enrolled" | "key.rotated" | "key.revoked" => at("body.registry.signer"),
        "agent.registered" => Some(format!("owner {}", at("body.owner")?)),
        "credential.registered" | "credential.revoked" => at("body.credential.id"),
        "hold.placed" => at("body.hold.query"),
        "authz.transition" => Some(format!(
            "{} {} -> {}",
            at("body.transition.applies_to")?,
            at("body.transition.from")?,
            at("body.transition.to")?
        )),
        "ledger.access" => at("body.query"),
        _ => None,
    })
}

/// One field of those verdicts that `fits`, joined.
fn verdicts(entry: &Json, field: &str, fits: impl Fn(&Json) -> bool) -> String {
    let verdicts = entry.get("body").and_then(|body| body.get("verdicts")).and_then(Json::as_array);
    let fields = verdicts.into_iter().flatten().filter(|verdict| fits(verdict));
    fields.filter_map(|verdict| verdict.get(field)?.as_str()).collect::<Vec<_>>().join(", ")
}

fn denies(verdict: &Json) -> bool {
    text(verdict, "decision") == Some("deny")
}

/// How it ended, as a word with its tone, and the reason.
fn ending(entry: &Json) -> (Tone, String, Option<String>) {
    let at = |path: &str| text(entry, path).map(str::to_owned);
    let status = text(entry, "status").unwrap_or_default();
    if status != "accepted" {
        let path = text(entry, "cause.path").unwrap_or_default();
        return (Tone::Bad, "REJECTED".into(), Some(format!("{status} {path}").trim_end().into()));
    }
    match kind(entry) {
        "gate.verdict" => match verdicts(entry, "reason", denies) {
            denied if denied.is_empty() => (Tone::Good, "ALLOWED".into(), None),
            denied => (Tone::Bad, "DENIED".into(), Some(denied)),
        },
        "approval.decided" => match text(entry, "body.approval.decision") {
            Some("allow") => (Tone::Good, "APPROVED".into(), None),
            _ => (Tone::Bad, "DENIED".into(), None),
        },
        "finding" => (Tone::Bad, "FINDING".into(), at("body.rule.name")),
        "action.intent" => (Tone::Plain, "intent".into(), None),
        "action.outcome" | "session.end" => outcome(entry),
        "witness.observed" => (Tone::Good, "witnessed".into(), at("body.outcome.external_ref")),
        "agent.disabled" | "agent.suspended" | "agent.retired" | "key.revoked"
        | "principal.disabled" | "ledger.incident" | "redaction" => {
            let rest = at("body.code").into_iter().chain(at("body.note")).collect::<Vec<_>>();
            (Tone::Notable, "!".into(), Some(rest.join(" ")))
        }
        _ => (Tone::Plain, String::new(), at("body.code").or_else(|| at("body.note"))),
    }
}

fn outcome(entry: &Json) -> (Tone, String, Option<String>) {
    let status = text(entry, "body.outcome.status").map(printable).unwrap_or_default();
    let tone = match status.as_str() {
        "confirmed" => Tone::Good,
        "failed" | "reverted" => Tone::Notable,
        _ => Tone::Plain,
    };
    (tone, status, text(entry, "body.outcome.code").map(str::to_owned))
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
