//! An entry said in a few words: who, what, on what, and how it ended. One form for the command line and for
//! reports; nothing in it is made safe for a terminal or a page, that is up to whoever shows it.

use serde_json::Value as Json;

/// How an ending is meant.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mood {
    /// As it should be.
    Good,
    /// Refused, denied or wrong.
    Bad,
    /// Worth a look.
    Notable,
    /// Neither.
    Plain,
}

/// An entry in words.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Brief {
    /// Who acted: the agent, else whoever signed, else a name that nobody verified.
    pub actor: String,
    /// The action, else the kind.
    pub deed: String,
    /// What it was done to, by kind.
    pub object: Option<String>,
    /// How it ended, in a word; may be empty.
    pub ending: String,
    /// How that is meant.
    pub mood: Mood,
    /// The reason.
    pub reason: Option<String>,
}

impl Brief {
    /// Of an entry's JSON form.
    #[must_use]
    pub fn of(entry: &Json) -> Self {
        let (mood, ending, reason) = ending(entry);
        Self {
            actor: actor(entry).to_owned(),
            deed: deed(entry).to_owned(),
            object: object(entry),
            ending,
            mood,
            reason: reason.filter(|reason| !reason.is_empty()),
        }
    }
}

/// Text at a dotted path.
#[must_use]
pub fn text<'j>(json: &'j Json, path: &str) -> Option<&'j str> {
    path.split('.').try_fold(json, |json, step| json.get(step))?.as_str()
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
fn ending(entry: &Json) -> (Mood, String, Option<String>) {
    let at = |path: &str| text(entry, path).map(str::to_owned);
    let status = text(entry, "status").unwrap_or_default();
    if status != "accepted" {
        let path = text(entry, "cause.path").unwrap_or_default();
        return (Mood::Bad, "REJECTED".into(), Some(format!("{status} {path}").trim_end().into()));
    }
    match kind(entry) {
        "gate.verdict" => match verdicts(entry, "reason", denies) {
            denied if denied.is_empty() => (Mood::Good, "ALLOWED".into(), None),
            denied => (Mood::Bad, "DENIED".into(), Some(denied)),
        },
        "approval.decided" => match text(entry, "body.approval.decision") {
            Some("allow") => (Mood::Good, "APPROVED".into(), None),
            _ => (Mood::Bad, "DENIED".into(), None),
        },
        "finding" => (Mood::Bad, "FINDING".into(), at("body.rule.name")),
        "action.intent" => (Mood::Plain, "intent".into(), None),
        "action.outcome" | "session.end" => outcome(entry),
        "witness.observed" => (Mood::Good, "witnessed".into(), at("body.outcome.external_ref")),
        "agent.disabled" | "agent.suspended" | "agent.retired" | "key.revoked"
        | "principal.disabled" | "ledger.incident" | "redaction" => {
            let rest = at("body.code").into_iter().chain(at("body.note")).collect::<Vec<_>>();
            (Mood::Notable, "!".into(), Some(rest.join(" ")))
        }
        _ => (Mood::Plain, String::new(), at("body.code").or_else(|| at("body.note"))),
    }
}

fn outcome(entry: &Json) -> (Mood, String, Option<String>) {
    let status = text(entry, "body.outcome.status").map(str::to_owned).unwrap_or_default();
    let tone = match status.as_str() {
        "confirmed" => Mood::Good,
        "failed" | "reverted" => Mood::Notable,
        _ => Mood::Plain,
    };
    (tone, status, text(entry, "body.outcome.code").map(str::to_owned))
}
