//! An agent's contract: its fields, and the YAML text that its digest commits to.

use schemas::id::{hex, sha256};
use serde_json::{Map, Value as Json, json};

/// A contract, as its owner registers it.
pub(crate) struct Contract {
    fields: Json,
    text: String,
}

impl Contract {
    pub(crate) fn new(fields: Json) -> Self {
        let mut text = String::new();
        if let Json::Object(map) = &fields {
            block(map, 0, &mut text);
        }
        Self { fields, text }
    }

    /// The YAML text.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// SHA-256 of the text, in hex.
    pub(crate) fn digest(&self) -> String {
        hex(&sha256(self.text.as_bytes()))
    }

    pub(crate) fn owner(&self) -> &str {
        self.of_agent("owner")
    }

    pub(crate) fn purpose(&self) -> &str {
        self.of_agent("purpose")
    }

    fn of_agent(&self, field: &str) -> &str {
        self.fields.get("agent").and_then(|agent| agent.get(field)?.as_str()).unwrap_or_default()
    }

    #[cfg(test)]
    pub(crate) fn to_json(&self) -> Json {
        self.fields.clone()
    }

    /// The fields with the text's digest, as a registry entry holds them.
    pub(crate) fn registry(&self) -> Json {
        let mut registry = json!({ "digest": self.digest() });
        if let (Json::Object(registry), Json::Object(fields)) = (&mut registry, &self.fields) {
            registry.extend(fields.clone());
        }
        registry
    }
}

/// Maps as blocks, everything within a list on one line.
fn block(map: &Map<String, Json>, depth: usize, text: &mut String) {
    for (key, value) in map {
        text.extend(std::iter::repeat_n("  ", depth));
        text.push_str(&scalar(key));
        text.push(':');
        match value {
            Json::Object(inner) => {
                text.push('\n');
                block(inner, depth + 1, text);
            }
            value => {
                text.push(' ');
                text.push_str(&flow(value));
                text.push('\n');
            }
        }
    }
}

fn flow(value: &Json) -> String {
    match value {
        Json::Array(items) => {
            format!("[{}]", items.iter().map(flow).collect::<Vec<_>>().join(", "))
        }
        Json::Object(map) => {
            let pair = |(key, value): (&String, &Json)| format!("{}: {}", scalar(key), flow(value));
            format!("{{{}}}", map.iter().map(pair).collect::<Vec<_>>().join(", "))
        }
        Json::String(text) => scalar(text),
        other => other.to_string(),
    }
}

/// Words stand for themselves, all else in quotes: JSON's strings are YAML's too.
fn scalar(text: &str) -> String {
    let word = |c: char| c.is_ascii_alphanumeric() || " _./@:-*".contains(c);
    let plain = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/')
        && text.chars().all(word)
        && !text.contains(": ")
        && !text.ends_with([':', ' ']);
    if plain { text.to_owned() } else { json!(text).to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_is_yaml_as_people_write_it() {
        let contract = Contract::new(json!({
            "agent": {
                "name": "pr-review-agent",
                "permissions": { "github": ["repo:read", "pull_request:comment"] },
                "expiry": "2026-07-01",
                "kill_switch": "/agents/pr-review-agent/disable",
            },
            "targets": ["postgres:staging/*"],
            "limits": { "caps": [{ "action": "voice.call", "max": 50 }] },
            "actions": { "ALTER TABLE": { "class": "write" } },
        }));
        let expected = "\
agent:
  name: pr-review-agent
  permissions:
    github: [repo:read, pull_request:comment]
  expiry: \"2026-07-01\"
  kill_switch: /agents/pr-review-agent/disable
targets: [postgres:staging/*]
limits:
  caps: [{action: voice.call, max: 50}]
actions:
  ALTER TABLE:
    class: write
";
        assert_eq!(contract.text(), expected);
        let digest = hex(&sha256(expected.as_bytes()));
        assert_eq!(contract.registry().pointer("/digest"), Some(&json!(digest)));
    }
}
