//! Problem details: how the HTTP interfaces say what went wrong (RFC 9457).

use std::borrow::Cow;

use serde_json::{Map, Value as Json, json};

/// Media type of [`Problem::to_json`].
pub const PROBLEM_MEDIA_TYPE: &str = "application/problem+json";

/// One problem. The HTTP status is the server's to choose and only passes through.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Problem {
    /// Stable name, `[a-z0-9-]+`; the server explains it under `/problems/<code>`.
    pub code: &'static str,
    /// The same in a few words, alike for every occurrence.
    pub title: &'static str,
    /// What was wrong this time and what would have been right.
    pub detail: Cow<'static, str>,
    /// The parameter or header at fault.
    pub param: Option<Cow<'static, str>>,
    /// Members beyond those of every problem, such as a rejection's `reason` and `cause`.
    pub extra: Map<String, Json>,
}

impl Problem {
    /// A problem without a parameter.
    #[must_use]
    pub fn new(
        code: &'static str,
        title: &'static str,
        detail: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self { code, title, detail: detail.into(), param: None, extra: Map::new() }
    }

    /// The same, of this parameter or header.
    #[must_use]
    pub fn of_param(mut self, param: impl Into<Cow<'static, str>>) -> Self {
        self.param = Some(param.into());
        self
    }

    /// The same with one more member. One that every problem has cannot be replaced so.
    #[must_use]
    pub fn with(mut self, name: &str, value: Json) -> Self {
        self.extra.insert(name.to_owned(), value);
        self
    }

    /// Where the server explains it; the `type` member, relative to the server.
    fn type_path(&self) -> String {
        format!("/problems/{}", self.code)
    }

    /// The JSON form, with the HTTP status that the response carries.
    #[must_use]
    pub fn to_json(&self, status: u16) -> Json {
        let mut object = self.extra.clone();
        let standard = [
            ("type", json!(self.type_path())),
            ("title", json!(self.title)),
            ("status", json!(status)),
            ("detail", json!(self.detail)),
            ("code", json!(self.code)),
            ("param", json!(self.param)),
        ];
        for (name, value) in standard {
            // An absent parameter is an absent member, but a foreign `param` is not let in either.
            object.shift_remove(name);
            if !value.is_null() {
                object.insert(name.to_owned(), value);
            }
        }
        Json::Object(object)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_problem_has_the_standard_members() {
        let problem = Problem::new("bad-query", "The query cannot be read", "at 0: unknown key")
            .of_param("q")
            .with("status", json!("forged"))
            .with("reason", json!("malformed"));
        let expected = json!({
            "type": "/problems/bad-query",
            "title": "The query cannot be read",
            "status": 400,
            "detail": "at 0: unknown key",
            "code": "bad-query",
            "param": "q",
            "reason": "malformed",
        });
        assert_eq!(problem.to_json(400), expected);
        assert_eq!(Problem::new("gone", "Gone", "it is").to_json(410).get("param"), None);
    }
}
