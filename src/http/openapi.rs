//! `/openapi.json`: the interface described for programs, made of the tables of routes.

use std::sync::LazyLock;

use axum::body::Bytes;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse as _, Response};
use schemas::access::{Form, JSON_MEDIA_TYPE, Param, Place, Right, Route};
use schemas::problem::PROBLEM_MEDIA_TYPE;
use serde_json::{Map, Value as Json, json};

use super::table;

/// The description (OpenAPI 3.1), the same for every server of this version.
pub(crate) fn document() -> Json {
    let mut paths = Map::new();
    for route in table::all() {
        let path = template(route.path);
        let operations = paths.entry(path).or_insert_with(|| json!({}));
        if let Some(operations) = operations.as_object_mut() {
            operations.insert(route.method.to_lowercase(), operation(route));
        }
    }
    paths.sort_keys();
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "sworn",
            "version": env!("CARGO_PKG_VERSION"),
            "summary": "The audit ledger for AI agents",
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
        },
        "paths": paths,
        "components": {
            "securitySchemes": { "token": { "type": "http", "scheme": "bearer" } },
            "schemas": schemas(),
            "responses": {
                "Problem": {
                    "description": "What went wrong (RFC 9457); `type` is explained on the server itself",
                    "content": { PROBLEM_MEDIA_TYPE: { "schema": { "$ref": "#/components/schemas/Problem" } } },
                },
            },
        },
    })
}

/// In memory once, however many clients take their time with it.
static TEXT: LazyLock<Bytes> = LazyLock::new(|| document().to_string().into());

/// The description, served.
pub(super) async fn served() -> Response {
    ([(CONTENT_TYPE, JSON_MEDIA_TYPE)], TEXT.clone()).into_response()
}

/// The path as the specification writes it: a last segment that takes the rest is a segment like others there.
fn template(path: &str) -> String {
    path.replace("{*", "{")
}

fn operation(route: &Route) -> Json {
    let (status, answer) = done(route);
    let mut operation = json!({
        "operationId": id(route),
        "summary": route.summary,
        "tags": [tag(route.path)],
        "x-right": route.right.as_str(),
        "responses": {
            (status): answer,
            "default": { "$ref": "#/components/responses/Problem" },
        },
    });
    if let Some(operation) = operation.as_object_mut() {
        if !route.params.is_empty() {
            let params: Vec<_> = route.params.iter().map(parameter).collect();
            operation.insert("parameters".to_owned(), params.into());
        }
        if let Some(media) = route.body {
            let content = json!({ media: { "schema": body_schema(media) } });
            let body = json!({ "required": true, "content": content });
            operation.insert("requestBody".to_owned(), body);
        }
        if let Some(responses) = operation.get_mut("responses").and_then(Json::as_object_mut) {
            if route.later {
                responses.insert("202".to_owned(), not_yet());
            }
            for (status, says) in route.also {
                responses.insert(status.to_string(), other(*status, says));
            }
        }
        if route.right != Right::Public {
            operation.insert("security".to_owned(), json!([{ "token": [] }, {}]));
        }
    }
    operation
}

/// The status of success, and what comes with it: nothing where something was removed.
fn done(route: &Route) -> (String, Json) {
    let answer = match route.success {
        204 => json!({ "description": "It is gone" }),
        _ => json!({ "description": "The answer", "content": answers(route) }),
    };
    (route.success.to_string(), answer)
}

/// Neither success nor failure; beside the status, only 202 says something.
fn other(status: u16, says: &str) -> Json {
    let content = json!({ JSON_MEDIA_TYPE: { "schema": { "type": "object" } } });
    match status {
        202 => json!({ "description": says, "content": content }),
        _ => json!({ "description": says }),
    }
}

/// What takes long is made beside the request.
fn not_yet() -> Json {
    json!({
        "description": "It is being made: ask again at `Location`, after `Retry-After` seconds",
        "headers": {
            "Location": { "schema": { "type": "string" } },
            "Retry-After": { "schema": { "type": "integer", "minimum": 0 } },
        },
        "content": { JSON_MEDIA_TYPE: { "schema": { "type": "object" } } },
    })
}

/// `get_entries_by_index` for `GET /api/v1/entries/{index}`.
fn id(route: &Route) -> String {
    let path = route.path.trim_start_matches("/api/v1");
    let words = path.split(['/', '-', '.', '_']).filter(|word| !word.is_empty());
    let word = |word: &str| match word.strip_prefix('{').and_then(|name| name.strip_suffix('}')) {
        Some(name) => format!("by_{}", name.trim_start_matches('*')),
        None => word.to_owned(),
    };
    std::iter::once(route.method.to_lowercase())
        .chain(words.map(word))
        .collect::<Vec<_>>()
        .join("_")
}

/// The first word of the path after the version.
fn tag(path: &str) -> &str {
    let path = path.strip_prefix("/api/v1").unwrap_or(path);
    path.split('/').find(|word| !word.is_empty()).unwrap_or("root")
}

fn parameter(param: &Param) -> Json {
    let place = match param.place {
        Place::Path => "path",
        Place::Query => "query",
        Place::Header => "header",
    };
    let schema = match param.form {
        Form::Text => json!({ "type": "string" }),
        Form::Integer => json!({ "type": "integer", "minimum": 0 }),
        Form::Flag => json!({ "type": "boolean" }),
    };
    json!({
        "name": param.name,
        "in": place,
        "required": param.required,
        "description": param.description,
        "schema": schema,
    })
}

fn answers(route: &Route) -> Json {
    let answers = route.media.iter().map(|media| {
        let schema = if *media == JSON_MEDIA_TYPE { answer_schema(route.path) } else { json!({}) };
        ((*media).to_owned(), json!({ "schema": schema }))
    });
    Json::Object(answers.collect())
}

fn answer_schema(path: &str) -> Json {
    match path {
        "/api/v1/entries" => json!({ "$ref": "#/components/schemas/Page" }),
        "/api/v1/entries/{index}" => json!({ "$ref": "#/components/schemas/Entry" }),
        _ => json!({ "type": "object" }),
    }
}

fn body_schema(media: &str) -> Json {
    if media == JSON_MEDIA_TYPE { json!({ "type": "object" }) } else { json!({}) }
}

fn schemas() -> Json {
    let text = json!({ "type": "string" });
    let uint = json!({ "type": "integer", "minimum": 0 });
    let optional = |kind: &str| json!({ "type": [kind, "null"] });
    let digest = json!({ "type": "string", "pattern": "^[0-9a-f]{64}$" });
    json!({
        "Problem": {
            "type": "object",
            "required": ["type", "title", "status", "detail", "code"],
            "properties": {
                "type": text, "title": text, "detail": text, "param": text,
                "status": { "type": "integer", "minimum": 400, "maximum": 599 },
                "code": { "type": "string", "pattern": "^[a-z0-9-]+$" },
            },
        },
        "AsOf": {
            "type": "object",
            "description": "The tree that an answer speaks of",
            "required": ["size", "root"],
            "properties": { "size": uint, "root": digest },
        },
        "Entry": {
            "type": "object",
            "description": "A leaf and what is kept beside it",
            "required": ["index", "status", "body"],
            "properties": {
                "index": uint, "status": text, "body": optional("object"),
            },
        },
        "Page": {
            "type": "object",
            "required": ["items", "next_cursor", "as_of"],
            "properties": {
                "items": { "type": "array", "items": { "$ref": "#/components/schemas/Entry" } },
                "next_cursor": optional("string"),
                "as_of": { "$ref": "#/components/schemas/AsOf" },
                "window": { "type": "object" },
                "incomplete": { "type": "object" },
            },
        },
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

    use std::collections::HashSet;

    use super::*;

    const COMMITTED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/openapi.json");

    #[tokio::test]
    async fn every_answer_is_the_same_memory() {
        let (one, two) = (served().await.into_body(), served().await.into_body());
        let one = axum::body::to_bytes(one, 1 << 24).await.unwrap();
        let two = axum::body::to_bytes(two, 1 << 24).await.unwrap();
        assert_eq!(one.as_ptr(), two.as_ptr());
    }

    /// After a change of a table: `SWORN_UPDATE=1 cargo test openapi`, and look at the difference.
    #[test]
    fn the_committed_description_is_this_one() {
        let text = format!("{:#}\n", document());
        if std::env::var_os("SWORN_UPDATE").is_some() {
            std::fs::write(COMMITTED, &text).unwrap();
        }
        let committed = std::fs::read_to_string(COMMITTED).unwrap();
        assert!(committed == text, "docs/openapi.json is of another version of the tables");
    }

    #[test]
    fn ends_that_are_no_failure_are_no_problems() {
        let document = document();
        for (path, method, expected) in [
            ("/api/v1/admin/copy", "post", "201 default"),
            ("/api/v1/admin/copy/{number}", "delete", "204 default"),
            ("/api/v1/submissions", "post", "200 202 default"),
            ("/api/v1/tail", "get", "200 204 default"),
            ("/api/v1/entries/{index}/body", "get", "200 304 default"),
            ("/api/v1/bundles", "get", "200 202 default"),
        ] {
            let responses = document["paths"][path][method]["responses"].as_object().unwrap();
            let mut statuses: Vec<_> = responses.keys().map(String::as_str).collect();
            statuses.sort_unstable();
            assert_eq!(statuses.join(" "), expected, "{path}");
        }
    }

    #[test]
    fn every_operation_has_a_name_of_its_own_and_every_segment_a_parameter() {
        let mut names = HashSet::new();
        for route in table::all() {
            assert!(names.insert(id(route)), "{} {}", route.method, route.path);
            let declared = route.params.iter().filter(|param| param.place == Place::Path);
            let declared: Vec<_> = declared.map(|param| param.name).collect();
            let segments = route.path.split('/').filter_map(|part| {
                Some(part.strip_prefix('{')?.strip_suffix('}')?.trim_start_matches('*'))
            });
            assert_eq!(declared, segments.collect::<Vec<_>>(), "{}", route.path);
        }
    }
}
