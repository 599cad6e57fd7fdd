//! Lists and single things of the API, for people and for programs.

use serde_json::Value as Json;

use crate::cli::context::Context;
use crate::cli::failure::Failure;
use crate::cli::incomplete;
use crate::cli::out::Format;
use crate::client::ClientError;
use crate::exit::Exit;
use crate::table::Table;
use schemas::printable::printable;

/// A heading, and the member whose values stand under it.
pub(crate) type Column = (&'static str, &'static str);

/// Lists what `path` answers, page by page.
///
/// # Errors
/// [`Failure::Client`] and those of the output.
pub(crate) fn list<const N: usize>(
    context: &Context,
    path: &str,
    query: &[(&str, &str)],
    columns: [Column; N],
) -> Result<Exit, Failure> {
    let (items, exit) = pages(context, path, query)?;
    let out = context.out();
    if out.format() != Format::Table {
        out.jsons(&items)?;
        return Ok(exit);
    }
    let mut table = Table::new(columns.map(|(heading, _)| heading));
    for item in &items {
        let cells = columns.map(|(_, member)| item.get(member).map(cell).unwrap_or_default());
        table.row(cells.each_ref().map(String::as_str));
    }
    table.lines().try_for_each(|line| out.line(&line))?;
    Ok(exit)
}

/// Says it where there is more than what is shown.
pub(crate) fn ending(answer: &Json) -> Exit {
    incomplete::ending(answer, "there is more than what one answer holds")
}

/// The items of all pages, and whether they are all that there are.
fn pages(
    context: &Context,
    path: &str,
    query: &[(&str, &str)],
) -> Result<(Vec<Json>, Exit), Failure> {
    let client = context.client()?;
    let (mut items, mut after, mut exit) = (Vec::new(), None::<String>, Exit::Ok);
    loop {
        let after_query = after.iter().map(|after| ("after", after.as_str()));
        let query: Vec<_> = query.iter().copied().chain(after_query).collect();
        let mut page = client.json(path, &query)?;
        let Some(Json::Array(found)) = page.get_mut("items").map(Json::take) else {
            let expected = "a list of items";
            return Err(ClientError::Answer { path: path.to_owned(), expected }.into());
        };
        items.extend(found);
        if ending(&page) == Exit::Undecidable {
            exit = Exit::Undecidable;
        }
        after = page.get("next_after").and_then(Json::as_str).map(str::to_owned);
        if after.is_none() {
            return Ok((items, exit));
        }
    }
}

/// One thing: a line for each of its members, or its JSON.
///
/// # Errors
/// Those of the output.
pub(crate) fn show(context: &Context, json: &Json) -> Result<(), Failure> {
    let out = context.out();
    if out.format() != Format::Table {
        return out.json(json);
    }
    let mut fields = Vec::new();
    flatten(json, &mut String::new(), &mut fields);
    let width = fields.iter().map(|(path, _)| path.chars().count()).max().unwrap_or_default();
    let line = |(path, value): &(String, String)| format!("{path:<width$}  {value}");
    fields.iter().try_for_each(|field| out.line(line(field).trim_end()))
}

/// Members by dotted path, with printable values.
fn flatten(json: &Json, path: &mut String, fields: &mut Vec<(String, String)>) {
    let mut below = |name: &str, json: &Json, path: &mut String| {
        let length = path.len();
        if !path.is_empty() {
            path.push('.');
        }
        path.push_str(&printable(name));
        flatten(json, path, fields);
        path.truncate(length);
    };
    match json {
        Json::Object(object) if !object.is_empty() => {
            object.iter().for_each(|(name, json)| below(name, json, path));
        }
        Json::Array(items) if items.iter().any(|item| item.is_object() || item.is_array()) => {
            items.iter().enumerate().for_each(|(n, json)| below(&n.to_string(), json, path));
        }
        json => fields.push((path.clone(), printable(&cell(json)))),
    }
}

/// A value as one cell.
fn cell(json: &Json) -> String {
    match json {
        Json::Null => String::new(),
        Json::String(text) => text.clone(),
        Json::Array(items) => items.iter().map(cell).collect::<Vec<_>>().join(", "),
        // Records in a list are known by who they are of.
        Json::Object(record)
            if ["agent", "operator"].iter().any(|name| record.contains_key(*name)) =>
        {
            let name = record.get("agent").or_else(|| record.get("operator"));
            name.map(cell).unwrap_or_default()
        }
        json => json.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn members_are_named_by_their_path() {
        let json = json!({
            "id": "a", "none": null, "list": ["x", 1], "empty": {},
            "deep": { "er": [{ "k\n": "v\u{1b}" }] },
        });
        let mut fields = Vec::new();
        flatten(&json, &mut String::new(), &mut fields);
        let expected = [
            ("id", "a"),
            ("none", ""),
            ("list", "x, 1"),
            ("empty", "{}"),
            ("deep.er.0.k\\n", "v\\u{1b}"),
        ];
        assert_eq!(fields, expected.map(|(path, value)| (path.to_owned(), value.to_owned())));
    }
}
