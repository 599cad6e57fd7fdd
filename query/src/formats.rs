//! Forms of a list of entries: JSON, one JSON document a line, rows for spreadsheets, and CBOR.
//!
//! Whatever an agent wrote in an entry is inert in each: JSON and CBOR carry it as a string, and rows hold no character that acts
//! on a terminal and no value that a spreadsheet would compute.

use std::borrow::Cow;

use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use schemas::brief::text;
use schemas::encode::{Value, encode};
use schemas::printable::printable;
use serde::Serialize;
use serde_json::Value as Json;

use crate::entries::EntryPage;
use crate::error::Error;
use crate::negotiate::{Form, choose};
use crate::params::Params;

const NDJSON: Form = Form { name: "ndjson", media: "application/x-ndjson" };
const CSV: Form = Form { name: "csv", media: "text/csv; charset=utf-8; header=present" };
const CBOR: Form = Form { name: "cbor", media: "application/cbor" };
const FORMS: &[Form] = &[Form::JSON, NDJSON, CSV, CBOR];

/// Columns of rows, with the member of an entry's JSON form that stands in each.
pub const COLUMNS: [(&str, &str); 23] = [
    ("index", "index"),
    ("received_at", "received_at"),
    ("status", "status"),
    ("kind", "body.kind"),
    ("id", "id"),
    ("agent", "body.agent.id"),
    ("signer", "body.signer"),
    ("session", "body.session"),
    ("correlation", "body.correlation"),
    ("action", "body.action.name"),
    ("class", "body.action.class"),
    ("system", "body.action.system"),
    ("target", "body.action.target"),
    ("environment", "body.environment"),
    ("outcome", "body.outcome.status"),
    ("code", "body.outcome.code"),
    ("external_ref", "body.outcome.external_ref"),
    ("credential", "body.credential.id"),
    ("on_behalf_of", "body.on_behalf_of"),
    ("rule", "body.rule.name"),
    ("reason", "body.reason"),
    ("statement", "statement"),
    ("body_digest", "body_digest"),
];

/// The form that is asked for, and the parameters without that.
pub(crate) fn asked(headers: &HeaderMap, params: Params) -> Result<(Form, Params), Error> {
    let (format, params) = params.take("format")?;
    Ok((choose(FORMS, headers, format.as_deref())?, params))
}

/// A page of entries in a form. Where only the entries fit in, the rest stands in headers: `sworn-next-cursor`,
/// `sworn-as-of` (size and root) and `sworn-scanned-to`.
pub(crate) fn page(form: Form, page: &EntryPage) -> Response {
    let bytes = match form {
        NDJSON => json_lines(&page.items),
        CSV => {
            let items: Vec<_> = page.items.iter().map(|item| parsed(item)).collect();
            entries_csv(&items, true).into_bytes()
        }
        CBOR => json_cbor(&parsed(&page_json(page))),
        _ => page_json(page),
    };
    let mut response = ([(header::CONTENT_TYPE, form.media)], bytes).into_response();
    let headers = response.headers_mut();
    headers.insert(header::VARY, HeaderValue::from_static("accept"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if matches!(form, NDJSON | CSV) {
        headers.extend(beside(&page.beside));
    }
    response
}

const WHOLE: &str = "views have text keys and no failing parts";

/// JSON text of our own as a value.
pub(crate) fn parsed(text: &[u8]) -> Json {
    serde_json::from_slice(text).expect("what was written is JSON")
}

/// A view as JSON text, behind what is there.
pub(crate) fn write_json(text: &mut Vec<u8>, view: &impl Serialize) {
    serde_json::to_writer(text, view).expect(WHOLE);
}

/// A JSON object that is put together from views and from texts.
#[derive(Debug)]
pub(crate) struct Composed(Vec<u8>);

impl Composed {
    /// With room for so many bytes.
    pub(crate) fn with_room(bytes: usize) -> Self {
        Self(Vec::with_capacity(bytes))
    }

    /// The members of a view, of which there is at least one.
    pub(crate) fn members(&mut self, view: &impl Serialize) {
        let lead = self.lead();
        let start = self.0.len();
        write_json(&mut self.0, view);
        // They stand between braces.
        if let Some(brace) = self.0.get_mut(start) {
            *brace = lead;
        }
        self.0.pop();
    }

    /// A member that is a list, by the texts of its items.
    pub(crate) fn list<'t>(&mut self, name: &'static str, items: impl Iterator<Item = &'t [u8]>) {
        let lead = self.lead();
        self.0.extend_from_slice(&[lead, b'"']);
        self.0.extend_from_slice(name.as_bytes());
        self.0.extend_from_slice(b"\":[");
        for (place, item) in items.enumerate() {
            if place > 0 {
                self.0.push(b',');
            }
            self.0.extend_from_slice(item);
        }
        self.0.push(b']');
    }

    /// The whole text.
    pub(crate) fn end(mut self) -> Vec<u8> {
        self.0.push(b'}');
        self.0
    }

    fn lead(&self) -> u8 {
        if self.0.is_empty() { b'{' } else { b',' }
    }
}

/// More than a page has beside its entries.
const BESIDE_BYTES: usize = 1 << 10;

fn page_json(page: &EntryPage) -> Vec<u8> {
    let items = page.items.iter().map(|item| item.len() + 1).sum::<usize>();
    let mut text = Composed::with_room(items + BESIDE_BYTES);
    text.list("items", page.items.iter().map(Vec::as_slice));
    text.members(&page.beside);
    text.end()
}

fn json_lines(items: &[Vec<u8>]) -> Vec<u8> {
    let lines = items.iter().flat_map(|item| [item.as_slice(), b"\n"]);
    lines.collect::<Vec<_>>().concat()
}

fn beside(page: &Json) -> Vec<(HeaderName, HeaderValue)> {
    let at = |pointer: &str| page.pointer(pointer).filter(|value| !value.is_null());
    let as_of =
        at("/as_of/size").zip(at("/as_of/root")).map(|(size, root)| format!("{size} {root}"));
    let found = [
        ("sworn-next-cursor", at("/next_cursor").map(Json::to_string)),
        ("sworn-as-of", as_of),
        ("sworn-scanned-to", at("/incomplete/scanned_to").map(Json::to_string)),
    ];
    let header = |(name, value): (&'static str, Option<String>)| {
        let value = HeaderValue::from_str(&value?.replace('"', "")).ok()?;
        Some((HeaderName::from_static(name), value))
    };
    found.into_iter().filter_map(header).collect()
}

/// Entries in their JSON form as rows for a spreadsheet, RFC 4180, under [`COLUMNS`].
///
/// ```
/// let entry = serde_json::json!({ "index": 7, "body": { "action": { "target": "+14155550142" } } });
/// let rows = query::entries_csv(&[entry], false);
/// assert!(rows.starts_with("7,") && rows.contains(",'+14155550142,"));
/// ```
#[must_use]
pub fn entries_csv(entries: &[Json], with_heading: bool) -> String {
    let mut rows =
        csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(Vec::new());
    let heading = with_heading.then(|| COLUMNS.map(|(name, _)| name.to_owned()));
    let row = |entry: &Json| COLUMNS.map(|(_, path)| cell(entry, path));
    for cells in heading.into_iter().chain(entries.iter().map(row)) {
        rows.write_record(&cells).expect("rows of one length are written to memory");
    }
    let bytes = rows.into_inner().expect("memory takes all that is written to it");
    String::from_utf8(bytes).expect("cells are text")
}

/// What a spreadsheet shows of a member, and does not compute.
fn cell(entry: &Json, path: &str) -> String {
    let value = match text(entry, path) {
        Some(text) => Cow::Borrowed(text),
        None => match path.split('.').try_fold(entry, |json, step| json.get(step)) {
            Some(Json::Number(number)) => Cow::Owned(number.to_string()),
            _ => Cow::Borrowed(""),
        },
    };
    let shown = printable(&value);
    let begins = value.trim_start_matches(' ').chars().next();
    if begins.is_some_and(is_formula) { format!("'{shown}") } else { shown }
}

/// Whether a spreadsheet may compute what begins like this; East Asian ones read wide characters alike.
fn is_formula(first: char) -> bool {
    matches!(first, '=' | '+' | '-' | '@' | '\t' | '\r' | '\n' | '＝' | '＋' | '－' | '＠')
}

/// JSON as deterministic CBOR (RFC 8949, section 4.2.1): the same members, as text, numbers, lists and maps.
#[must_use]
pub fn json_cbor(json: &Json) -> Vec<u8> {
    encode(&cbor(json))
}

fn cbor(json: &Json) -> Value {
    match json {
        Json::Null => Value::Null,
        Json::Bool(value) => Value::Bool(*value),
        Json::Number(number) => match (number.as_u64(), number.as_i64()) {
            (Some(number), _) => Value::from(number),
            (_, Some(number)) => Value::from(number),
            // No view holds a fraction.
            (None, None) => Value::from(number.to_string()),
        },
        Json::String(text) => Value::from(text.as_str()),
        Json::Array(items) => Value::Array(items.iter().map(cbor).collect()),
        Json::Object(members) => {
            let pair = |(name, value): (&String, &Json)| (Value::from(name.as_str()), cbor(value));
            Value::Map(members.iter().map(pair).collect())
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

    use serde_json::json;

    use super::*;

    #[test]
    fn an_object_is_put_together_from_views_and_texts() {
        let mut object = Composed::with_room(0);
        object.list("none", [].into_iter());
        object.members(&json!({ "a": {}, "b": "}" }));
        object.list("some", [b"1".as_slice(), b"[2,3]"].into_iter());
        object.members(&json!({ "c": null }));
        assert_eq!(object.end(), br#"{"none":[],"a":{},"b":"}","some":[1,[2,3]],"c":null}"#);
    }

    #[test]
    fn what_a_spreadsheet_would_compute_is_text() {
        for (value, shown) in [
            ("a@example.com", "a@example.com"),
            ("=1+1", "'=1+1"),
            ("  =1+1", "'  =1+1"),
            ("+14155550142", "'+14155550142"),
            ("-2", "'-2"),
            ("@SUM(A1)", "'@SUM(A1)"),
            ("\t=1", "'\\t=1"),
            ("\r=1", "'\\r=1"),
            ("＝1", "'＝1"),
            ("a\r\nb\0\u{1b}[2J\u{202e}", "a\\r\\nb\\u{0}\\u{1b}[2J\\u{202e}"),
            ("<script>", "<script>"),
        ] {
            assert_eq!(cell(&json!({ "status": value }), "status"), shown);
        }
        assert_eq!(cell(&json!({ "index": 7 }), "index"), "7");
        assert_eq!(cell(&json!({ "body": null }), "body.kind"), "");
    }

    #[test]
    fn a_row_is_a_row_whatever_stands_in_it() {
        let hostile = "a,b\"\r\n=cmd|' /C calc'!A0;\t\u{1b}";
        let entry = json!({ "index": 1, "body": { "agent": { "id": hostile }, "kind": "=1" } });
        let text = entries_csv(&[entry.clone(), entry], true);
        assert_eq!(text.matches("\r\n").count(), 3);
        let mut reader = csv::Reader::from_reader(text.as_bytes());
        assert_eq!(reader.headers().unwrap().len(), COLUMNS.len());
        for row in reader.records() {
            let row = row.unwrap();
            assert_eq!((&row[0], &row[3]), ("1", "'=1"));
            assert_eq!(&row[5], "a,b\"\\r\\n=cmd|' /C calc'!A0;\\t\\u{1b}");
        }
    }

    #[test]
    fn cbor_is_deterministic_and_holds_the_same() {
        let json = json!({ "bb": [1, -1, true, null], "a": { "hex": "zz" }, "c": "\u{1b}\n<b>" });
        let bytes = json_cbor(&json);
        assert_eq!(strict::read(&bytes), json);
        assert_eq!(bytes[1..3], [0x61, b'a'], "shorter names first");
    }

    /// The strict reader of the log's own bytes, as JSON.
    mod strict {
        use schemas::deterministic::{Bounds, Item, decode};
        use serde_json::Value as Json;

        pub(super) fn read(bytes: &[u8]) -> Json {
            json(&decode(bytes, Bounds::WIRE).unwrap())
        }

        fn json(item: &Item<'_>) -> Json {
            match item {
                Item::Uint(number) => (*number).into(),
                Item::Negative(number) => serde_json::json!(-1 - i64::try_from(*number).unwrap()),
                Item::Text(text) => (*text).into(),
                Item::Bool(yes) => (*yes).into(),
                Item::Array(items) => items.iter().map(json).collect(),
                Item::Map(pairs) => {
                    let pair = |(key, value): &(Item<'_>, Item<'_>)| {
                        (key.text().unwrap().to_owned(), json(value))
                    };
                    Json::Object(pairs.iter().map(pair).collect())
                }
                _ => Json::Null,
            }
        }
    }
}
