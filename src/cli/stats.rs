//! `stats`: what fits a query, counted by one key.

use serde_json::Value as Json;

use crate::cli::context::Context;
use crate::cli::failure::Failure;
use crate::cli::incomplete::worst;
use crate::cli::member::cell;
use crate::cli::out::{Format, note};
use crate::cli::pages::Pages;
use crate::cli::query_text;
use crate::cli::tally::unread;
use crate::exit::Exit;
use crate::table::Table;

/// Arguments of `stats`.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// Query, as in: agent:db-* class:destructive
    #[arg(value_name = "QUERY")]
    query: Vec<String>,
    /// The key to count by, as model, agent or action
    #[arg(long, value_name = "KEY")]
    by: String,
    /// From there on: 15m, 2026-04-08, #900
    #[arg(long, value_name = "WHEN")]
    since: Option<String>,
    /// Up to there, exclusive
    #[arg(long, value_name = "WHEN")]
    until: Option<String>,
}

/// Counts.
///
/// # Errors
/// [`Failure`] of the server and the output.
pub(crate) fn run(args: &Args, context: &Context) -> Result<Exit, Failure> {
    let mut params = vec![("q", query_text(&args.query)), ("by", args.by.clone())];
    params.extend(args.since.clone().map(|since| ("since", since)));
    params.extend(args.until.clone().map(|until| ("until", until)));
    show(params, context)
}

/// The counts of all pages, those of most entries first.
///
/// # Errors
/// [`Failure`] of the server and the output.
pub(crate) fn show(
    params: Vec<(&'static str, String)>,
    context: &Context,
) -> Result<Exit, Failure> {
    let (client, out) = (context.client()?, context.out());
    let mut pages = Pages::new(&client, "/api/v1/stats", params);
    let (mut answer, mut rows) = (Json::Null, Vec::new());
    while let Some(mut page) = pages.next(None)? {
        pages.items(&mut page)?.into_iter().for_each(|row| add_row(&mut rows, row));
        add(&mut answer, page);
    }
    rows.sort_by_key(|row| std::cmp::Reverse(count(row, "/entries")));
    if out.format() == Format::Table {
        table(&rows).lines().try_for_each(|line| out.line(&line))?;
    } else if let Json::Object(mut whole) = answer.clone() {
        // Of all pages there is no next one.
        whole.retain(|name, _| !matches!(name.as_str(), "next_cursor" | "incomplete" | "explain"));
        whole.insert("items".to_owned(), rows.into());
        out.json(&Json::Object(whole))?;
    }
    Ok(end(&answer))
}

/// What is not listed, or could not be read, was not counted.
fn end(answer: &Json) -> Exit {
    let unread = worst([unread(count(answer, "/damaged")), unfound(count(answer, "/unknown"))]);
    match count(answer, "/others") {
        0 => unread,
        others => {
            note(&format!("{others} entries have values beyond those listed; narrow the query"));
            Exit::Undecidable
        }
    }
}

fn unfound(unknown: u64) -> Exit {
    if unknown == 0 {
        return Exit::Ok;
    }
    note(&format!("of {unknown} entries it takes too long to find what their sessions declared"));
    Exit::Undecidable
}

fn table(rows: &[Json]) -> Table<7> {
    let mut table =
        Table::new(["VALUE", "ENTRIES", "REJECTED", "FINDINGS", "DENIED", "CONFIRMED", "FAILED"]);
    for row in rows {
        let number = |pointer: &str| count(row, pointer).to_string();
        let denied = match row.get("denied_percent").and_then(Json::as_u64) {
            Some(percent) => format!("{} ({percent} %)", number("/verdicts/deny")),
            None => String::new(),
        };
        let cells = [
            cell(row, "value"),
            number("/entries"),
            number("/rejected"),
            number("/findings"),
            denied,
            number("/outcomes/confirmed"),
            number("/outcomes/failed"),
        ];
        table.row(cells.each_ref().map(String::as_str));
    }
    table
}

fn count(json: &Json, pointer: &str) -> u64 {
    json.pointer(pointer).and_then(Json::as_u64).unwrap_or_default()
}

/// Takes in a row of another page.
fn add_row(rows: &mut Vec<Json>, row: Json) {
    let same = rows.iter_mut().find(|known| known.get("value") == row.get("value"));
    let Some(known) = same else {
        rows.push(row);
        return;
    };
    let first = count(known, "/first");
    let last = count(&row, "/last");
    add(known, row);
    let decided = known.get("verdicts").and_then(Json::as_object).into_iter().flatten();
    let decided: u64 = decided.filter_map(|(_, n)| n.as_u64()).sum();
    let denied = count(known, "/verdicts/deny").saturating_mul(100).checked_div(decided);
    if let Json::Object(known) = known {
        known.insert("first".to_owned(), first.into());
        known.insert("last".to_owned(), last.into());
        known.insert("denied_percent".to_owned(), denied.into());
    }
}

/// Adds numbers up, member by member; what is no number stays as it was first.
fn add(sum: &mut Json, more: Json) {
    match (sum, more) {
        (Json::Object(sum), Json::Object(more)) => {
            for (name, value) in more.into_iter().filter(|(name, _)| !is_place(name)) {
                add(sum.entry(name).or_insert(Json::Null), value);
            }
        }
        (sum @ Json::Null, more) => *sum = more,
        (sum, more) => {
            if let Some((a, b)) = sum.as_u64().zip(more.as_u64()) {
                *sum = a.saturating_add(b).into();
            }
        }
    }
}

/// What speaks of the log and is the same on every page.
fn is_place(name: &str) -> bool {
    matches!(name, "as_of" | "window")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

    use serde_json::json;

    use super::*;

    #[test]
    fn what_was_not_counted_is_no_success() {
        for (page, exit) in [
            (json!({ "others": 0, "damaged": 0 }), Exit::Ok),
            (json!({ "others": 2, "damaged": 0 }), Exit::Undecidable),
            (json!({ "others": 0, "unknown": 1, "damaged": 0 }), Exit::Undecidable),
            (json!({ "others": 0, "damaged": 1 }), Exit::Undecidable),
        ] {
            let mut answer = Json::Null;
            add(&mut answer, page.clone());
            add(&mut answer, json!({ "others": 0, "damaged": 0 }));
            assert_eq!(end(&answer), exit, "{page}");
        }
    }

    #[test]
    fn rows_of_several_pages_add_up() {
        let row = |entries: u64, deny: u64, first: u64, last: u64| {
            json!({
                "value": "a", "entries": entries, "kinds": { "k": entries },
                "verdicts": { "deny": deny, "allow": 1 }, "denied_percent": null,
                "first": first, "last": last,
            })
        };
        let mut rows = vec![row(3, 1, 1, 9)];
        add_row(&mut rows, row(4, 2, 10, 12));
        add_row(&mut rows, json!({ "value": "b", "entries": 1 }));
        assert_eq!(
            (rows.len(), rows[0]["entries"].as_u64(), rows[0]["kinds"]["k"].as_u64()),
            (2, Some(7), Some(7))
        );
        let last = (&rows[0]["first"], &rows[0]["last"], &rows[0]["denied_percent"]);
        assert_eq!(last, (&json!(1), &json!(12), &json!(60)));
    }
}
