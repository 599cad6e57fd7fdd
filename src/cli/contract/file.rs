//! A contract's YAML: read, checked as the ledger will, each fault with its line.

use std::path::{Path, PathBuf};

use schemas::body::Body;
use schemas::contract::Contract;
use schemas::id::{Micros, hex, sha256};
use schemas::reject::Reject;
use schemas::shape::time_json;
use serde_json::{Value as Json, json};

use crate::cli::failure::Failure;
use crate::yaml::{Document, Fault};

/// A contract that the ledger would take, as far as its text says.
#[derive(Debug)]
pub(crate) struct ContractFile {
    text: String,
    fields: Json,
}

/// What a contract says, as the ledger keeps it; hours may stand alone where there is one of them.
pub(super) fn fields(text: &str) -> Result<Json, Fault> {
    Ok(normal(Document::parse(text)?.json))
}

fn normal(mut json: Json) -> Json {
    if let Some(hours) = json.get_mut("hours")
        && hours.is_object()
    {
        *hours = Json::Array(vec![hours.take()]);
    }
    json
}

impl ContractFile {
    /// Reads and checks it; `now` is the ledger's clock.
    ///
    /// # Errors
    /// [`Failure::File`], [`Failure::Contract`].
    pub(crate) fn read(path: &Path, now: Micros) -> Result<Self, Failure> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| Failure::File { path: path.to_owned(), source })?;
        Self::parse(text, now)
            .map_err(|fault| Failure::Contract { path: PathBuf::from(path), fault })
    }

    fn parse(text: String, now: Micros) -> Result<Self, Fault> {
        let document = Document::parse(&text)?;
        let file = Self { fields: normal(document.json.clone()), text };
        // The statement names both itself, so they are missed here first.
        for path in ["agent.name", "agent.owner"] {
            if file.at(path).is_empty() {
                let what = format!("{path}: missing_field, expected text");
                return Err(Fault { line: document.line(path), what });
            }
        }
        let contract = file.check().map_err(|reject| {
            let Reject { reason, cause } = reject;
            let path = cause.path.strip_prefix("registry.").unwrap_or(&cause.path);
            let at = document.line(path);
            Fault { line: at, what: format!("{path}: {reason}, expected {}", cause.expected) }
        })?;
        if let Some(expiry) = contract.expiry.filter(|_| contract.is_expired(now)) {
            let line = document.line("agent.expiry");
            let (expiry, now) = (time_json(expiry), time_json(now));
            let what = format!("agent.expiry: {expiry} is over, the ledger's clock says {now}");
            return Err(Fault { line, what });
        }
        Ok(file)
    }

    /// Reads it as the ledger will.
    fn check(&self) -> Result<Contract, Reject> {
        let mut event = self.event();
        if let Json::Object(event) = &mut event {
            // What every body has; the detail goes beside it.
            event.insert("detail".to_owned(), "00".repeat(32).into());
            let common = json!({
                "v": 1, "id": "019d6b2c-ee80-7001-8002-030405060708", "salt": "00".repeat(16),
                "tenant": "t", "time": 0, "signer": "s", "session": "00".repeat(16),
                "seq": { "n": 1, "prev": "00".repeat(32) },
            });
            event.extend(common.as_object().cloned().unwrap_or_default());
        }
        let bytes = schemas::body::from_json(&event)?;
        let body = Body::parse(&bytes)?;
        match body.field("registry") {
            Some(registry) => Contract::read(registry),
            None => Contract::read(&schemas::deterministic::Item::Null),
        }
    }

    /// Text at a dotted path; empty if there is none.
    fn at(&self, path: &str) -> &str {
        let pointer = format!("/{}", path.replace('.', "/"));
        self.fields.pointer(&pointer).and_then(Json::as_str).unwrap_or_default()
    }

    /// The statement that its owner signs.
    pub(crate) fn event(&self) -> Json {
        let mut registry = self.fields.clone();
        match &mut registry {
            Json::Object(registry) => {
                registry.insert("digest".to_owned(), hex(&sha256(self.text.as_bytes())).into());
            }
            other => *other = json!({}),
        }
        json!({
            "kind": "contract.registered",
            "agent": { "id": self.at("agent.name") },
            "owner": self.at("agent.owner"),
            "registry": registry,
            "detail": { "yaml": self.text },
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    const GOOD: &str = "\
agent:
  name: pr-review-agent
  owner: platform-team@company.com
  purpose: Review pull requests for security and code quality
  permissions:
    github: [repo:read, pull_request:comment]
    jira: [issue:read, issue:transition]
  execution_mode: autonomous
  expiry: 2026-07-01
  kill_switch: /agents/pr-review-agent/disable
hours: {action: pull_request.comment, from: 09:00, to: 18:00, zone: Europe/Berlin}
";
    /// 2026-06-05.
    const NOW: Micros = Micros(1_780_617_600_000_000);

    fn fault(text: &str) -> (usize, String) {
        let fault = ContractFile::parse(text.to_owned(), NOW).unwrap_err();
        (fault.line, fault.what)
    }

    #[test]
    fn a_contract_is_signed_with_the_digest_of_its_text() {
        let file = ContractFile::parse(GOOD.to_owned(), NOW).unwrap();
        let event = file.event();
        let at = |pointer: &str| event.pointer(pointer).and_then(Json::as_str).unwrap().to_owned();
        assert_eq!(at("/agent/id"), "pr-review-agent");
        assert_eq!(at("/owner"), "platform-team@company.com");
        assert_eq!(at("/registry/digest"), hex(&sha256(GOOD.as_bytes())));
        assert_eq!(at("/registry/hours/0/zone"), "Europe/Berlin");
        assert_eq!(at("/detail/yaml"), GOOD);
    }

    #[test]
    fn each_fault_has_its_line_and_reason() {
        let (line, what) = fault(&GOOD.replace("  owner: platform-team@company.com\n", ""));
        assert_eq!((line, what.starts_with("agent.owner: missing_field")), (1, true), "{what}");
        let (line, what) = fault(&format!("{GOOD}colour: blue\n"));
        assert_eq!((line, what.starts_with("colour: unknown_field")), (12, true), "{what}");
        let (line, what) = fault(&GOOD.replace("to: 18:00", "to: 08:00"));
        assert_eq!((line, what.contains("after from")), (11, true), "{what}");
        let (line, what) = fault(&GOOD.replace("2026-07-01", "2026-05-01"));
        assert_eq!((line, what.contains("is over")), (9, true), "{what}");
        let (line, what) = fault(&GOOD.replace("autonomous", "wild"));
        assert_eq!((line, what.contains("execution_mode")), (8, true), "{what}");
        assert_eq!(fault("- a\n").0, 1);
        assert_eq!(fault("agent: [\n").0, 2);
    }
}
