//! YAML as JSON, with the line of each value.
//!
//! The subset is what JSON can say: text keys, whole numbers, no tags, no aliases, one document.

use std::collections::BTreeMap;

use saphyr::{LoadableYamlNode as _, MarkedYaml, Scalar, YamlData};
use serde_json::{Map, Value as Json};

/// A document.
#[derive(Debug)]
pub(crate) struct Document {
    /// What it says.
    pub(crate) json: Json,
    /// Line of each value, from 1, by its dotted path.
    lines: BTreeMap<String, usize>,
}

/// What is wrong with a document.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("line {line}: {what}")]
pub(crate) struct Fault {
    /// Where, from 1.
    pub(crate) line: usize,
    /// What, and what was expected.
    pub(crate) what: String,
}

impl Document {
    /// Reads one document.
    ///
    /// # Errors
    /// [`Fault`].
    pub(crate) fn parse(text: &str) -> Result<Self, Fault> {
        let fault = |line: usize, what: &str| Fault { line, what: what.to_owned() };
        let nodes = MarkedYaml::load_from_str(text)
            .map_err(|error| fault(error.marker().line(), error.info()))?;
        let [node] = nodes.as_slice() else {
            return Err(fault(1, "expected one document"));
        };
        let mut lines = BTreeMap::new();
        let json = json(node, &mut String::new(), &mut lines)?;
        Ok(Self { json, lines })
    }

    /// The line of the value at a dotted path, or of the nearest one above it that is there.
    pub(crate) fn line(&self, path: &str) -> usize {
        let mut path = path;
        loop {
            if let Some(line) = self.lines.get(path) {
                return *line;
            }
            match path.rsplit_once('.') {
                Some((above, _)) => path = above,
                None => return 1,
            }
        }
    }
}

fn json(
    node: &MarkedYaml<'_>,
    path: &mut String,
    lines: &mut BTreeMap<String, usize>,
) -> Result<Json, Fault> {
    let line = node.span.start.line();
    let fault = |what: &str| Fault { line, what: what.to_owned() };
    lines.entry(path.clone()).or_insert(line);
    Ok(match &node.data {
        YamlData::Value(Scalar::Null) => Json::Null,
        YamlData::Value(Scalar::Boolean(value)) => Json::Bool(*value),
        YamlData::Value(Scalar::Integer(value)) => Json::from(*value),
        YamlData::Value(Scalar::String(text)) => Json::from(text.as_ref()),
        YamlData::Value(Scalar::FloatingPoint(_)) => {
            return Err(fault("expected a whole number, or text in quotes"));
        }
        YamlData::Sequence(items) => {
            let mut list = Vec::with_capacity(items.len());
            for (place, item) in items.iter().enumerate() {
                list.push(below(path, &place.to_string(), |path| json(item, path, lines))?);
            }
            Json::Array(list)
        }
        YamlData::Mapping(pairs) => {
            let mut map = Map::new();
            for (key, value) in pairs {
                let line = key.span.start.line();
                let YamlData::Value(Scalar::String(name)) = &key.data else {
                    return Err(Fault { line, what: "expected a name that is text".to_owned() });
                };
                let value = below(path, name, |path| {
                    lines.insert(path.clone(), line);
                    json(value, path, lines)
                })?;
                if map.insert(name.to_string(), value).is_some() {
                    return Err(Fault { line, what: format!("{name} is there twice") });
                }
            }
            Json::Object(map)
        }
        _ => return Err(fault("expected no tag, no alias and no other extension")),
    })
}

fn below<T>(path: &mut String, name: &str, then: impl FnOnce(&mut String) -> T) -> T {
    let length = path.len();
    if !path.is_empty() {
        path.push('.');
    }
    path.push_str(name);
    let result = then(path);
    path.truncate(length);
    result
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use serde_json::json;

    use super::*;

    #[test]
    fn values_keep_their_lines() {
        let text = "# a contract\nagent:\n  name: a\n  expiry: 2026-07-01\nhours:\n  - from: 09:00\n    max: 50\nok: true\n";
        let document = Document::parse(text).unwrap();
        let expected = json!({
            "agent": { "name": "a", "expiry": "2026-07-01" },
            "hours": [{ "from": "09:00", "max": 50 }], "ok": true,
        });
        assert_eq!(document.json, expected);
        for (path, line) in [
            ("agent", 2),
            ("agent.name", 3),
            ("agent.owner", 2),
            ("hours.0.max", 7),
            ("none", 1),
            ("ok", 8),
        ] {
            assert_eq!(document.line(path), line, "{path}");
        }
    }

    #[test]
    fn what_json_cannot_say_is_refused_with_its_line() {
        for (text, line) in [
            ("a: 1\nb: 1.5\n", 2),
            ("a: 1\n1: b\n", 2),
            ("a: [\n", 2),
            ("a: !tag b\n", 1),
            ("a: 1\n---\nb: 2\n", 1),
            ("", 1),
            ("a: 1\na: 2\n", 2),
        ] {
            let fault = Document::parse(text).unwrap_err();
            assert_eq!(fault.line, line, "{text:?}: {fault}");
        }
    }
}
