//! `--template`: a line for each entry, with members of its JSON form where the template names them.

use schemas::printable::printable;
use serde_json::Value as Json;

/// `{body.agent.id}` stands for that member; a brace before which a backslash stands is a brace.
#[derive(Clone, Debug)]
pub(crate) struct Template(Vec<Part>);

#[derive(Clone, Debug)]
enum Part {
    Text(String),
    Member(String),
}

impl Template {
    /// Reads it.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(crate) fn parse(text: &str) -> Result<Self, &'static str> {
        let (mut parts, mut plain) = (Vec::new(), String::new());
        let mut rest = text.chars();
        while let Some(c) = rest.next() {
            match c {
                '\\' => match rest.next() {
                    Some('t') => plain.push('\t'),
                    Some('n') => plain.push('\n'),
                    Some(c @ ('{' | '}' | '\\')) => plain.push(c),
                    _ => return Err("a backslash stands before {, }, \\, t or n"),
                },
                '{' => {
                    parts.push(Part::Text(std::mem::take(&mut plain)));
                    parts.push(Part::Member(name(&mut rest)?));
                }
                '}' => return Err("a } stands without its {"),
                c => plain.push(c),
            }
        }
        parts.push(Part::Text(plain));
        Ok(Self(parts))
    }

    /// The line of an entry; what an agent wrote in it cannot act on the terminal.
    pub(crate) fn line(&self, entry: &Json) -> String {
        let part = |part: &Part| match part {
            Part::Text(text) => text.clone(),
            Part::Member(path) => member(entry, path),
        };
        self.0.iter().map(part).collect()
    }
}

/// Up to the closing brace.
fn name(rest: &mut std::str::Chars<'_>) -> Result<String, &'static str> {
    let expected = "braces hold a member, as {body.agent.id}";
    let (name, left) = rest.as_str().split_once('}').ok_or(expected)?;
    if name.is_empty() || name.contains('{') {
        return Err(expected);
    }
    *rest = left.chars();
    Ok(name.to_owned())
}

fn member(entry: &Json, path: &str) -> String {
    let found = path.split('.').try_fold(entry, |json, step| match json {
        Json::Array(_) => json.get(step.parse::<usize>().ok()?),
        json => json.get(step),
    });
    match found {
        None | Some(Json::Null) => String::new(),
        Some(Json::String(text)) => printable(text),
        Some(json) => printable(&json.to_string()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use serde_json::json;

    use super::*;

    #[test]
    fn members_stand_where_they_are_named() {
        let entry =
            json!({ "index": 7, "body": { "agent": { "id": "a\u{1b}[2J\r\n" }, "causes": ["c"] } });
        for (template, line) in [
            ("", ""),
            ("{index} {body.agent.id}", "7 a\\u{1b}[2J\\r\\n"),
            ("{body.causes}|{body.causes.0}|{body.none}", "[\"c\"]|c|"),
            ("\\{x\\}\\\\\\t{index}", "{x}\\\t7"),
        ] {
            assert_eq!(Template::parse(template).unwrap().line(&entry), line, "{template}");
        }
    }

    #[test]
    fn a_broken_template_says_why() {
        for template in ["{", "{a", "{}", "}", "{a{b}", "\\x", "\\"] {
            assert!(Template::parse(template).is_err(), "{template}");
        }
    }
}
