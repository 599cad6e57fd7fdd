//! `finding`: what broke a rule, and what was done about it.

use schemas::id::Index;
use schemas::printable::printable;
use serde_json::{Value as Json, json};

use crate::cli::context::Context;
use crate::cli::failure::Failure;
use crate::cli::line::line;
use crate::cli::member::{cell, number, text};
use crate::cli::out::Format;
use crate::cli::pages::{self, Pages};
use crate::cli::{operator, parse};
use crate::exit::Exit;

/// Commands about findings.
#[derive(clap::Subcommand, Debug)]
pub(crate) enum Command {
    /// List findings, the newest first
    Ls {
        /// Of this rule
        #[arg(long)]
        rule: Option<String>,
        /// Of this agent
        #[arg(long)]
        agent: Option<String>,
        /// Those that nobody resolved
        #[arg(long)]
        open: bool,
    },
    /// Show one finding: what its rule means, the entries that it rests on, what was done about it
    Show {
        /// The finding's entry
        #[arg(value_name = "N", value_parser = parse::index)]
        index: Index,
    },
    /// Record that a finding is dealt with; it stays
    Resolve {
        /// The finding's entry
        #[arg(value_name = "N", value_parser = parse::index)]
        index: Index,
        #[command(flatten)]
        by: operator::Args,
    },
}

impl Command {
    /// Whether it only shows something.
    pub(crate) fn shows(&self) -> bool {
        matches!(self, Self::Ls { .. } | Self::Show { .. })
    }
}

/// Runs it.
///
/// # Errors
/// [`Failure`] of the server, or of key, broker and receipts.
pub(crate) fn run(command: &Command, context: &Context) -> Result<Exit, Failure> {
    match command {
        Command::Ls { rule, agent, open } => {
            let texts = [("rule", rule), ("agent", agent)];
            let texts = texts.into_iter().filter_map(|(name, text)| Some((name, text.as_deref()?)));
            let texts = texts.map(|(name, text)| (name, text.to_owned()));
            let mut query: Vec<_> = texts.collect();
            query.extend(open.then(|| ("open", "true".to_owned())));
            list(context, query)
        }
        Command::Show { index } => show(context, *index),
        Command::Resolve { index, by } => {
            let path = format!("/api/v1/entries/{}", index.0);
            let entry = context.client()?.json(&path, &[])?;
            let is_finding = text(&entry, "body.kind") == Some("finding");
            let id = text(&entry, "id").filter(|_| is_finding);
            let id = id.ok_or_else(|| Failure::Argument {
                name: "N",
                value: index.to_string(),
                expected: "the entry of a finding",
            })?;
            // The reason given on the command line is the entry's note, which it needs.
            let event = json!({ "kind": "finding.resolved", "causes": [id] });
            operator::submit(context, by, vec![event])
        }
    }
}

fn list(context: &Context, query: Vec<(&'static str, String)>) -> Result<Exit, Failure> {
    let client = context.client()?;
    let findings = Pages::new(&client, "/api/v1/findings", query).whole()?;
    let out = context.out();
    let items = findings.get("items").and_then(Json::as_array).map(Vec::as_slice);
    let items = items.unwrap_or_default();
    let exit = pages::ending(items, "how it was dealt with");
    if out.format() != Format::Table {
        out.json(&findings)?;
        return Ok(exit);
    }
    let routes = client.json("/api/v1/routes", &[])?;
    for finding in items {
        out.line(&row(finding, &routes))?;
        if let Some(resolution) = resolution(finding) {
            out.line(&format!("    {resolution}"))?;
        }
    }
    Ok(exit)
}

/// One finding, for a person who has to decide what to do about it.
fn show(context: &Context, index: Index) -> Result<Exit, Failure> {
    let client = context.client()?;
    let finding = client.json(&format!("/api/v1/findings/{}", index.0), &[])?;
    let out = context.out();
    let exit = pages::ending(std::slice::from_ref(&finding), "how it was dealt with");
    if out.format() != Format::Table {
        out.json(&finding)?;
        return Ok(exit);
    }
    let routes = client.json("/api/v1/routes", &[])?;
    out.line(&row(&finding, &routes))?;
    let cited = finding.get("cited").and_then(Json::as_array).into_iter().flatten();
    for (n, entry) in cited.enumerate() {
        let mark = if n == 0 { "flags" } else { "cites" };
        out.line(&format!("{mark}  {}", line(entry, out)))?;
    }
    out.line(&format!("\n{}\n", cell(&finding, "text")))?;
    let open = || "open: sworn finding resolve records what was done".to_owned();
    out.line(&resolution(&finding).unwrap_or_else(open))?;
    Ok(exit)
}

/// What it says and where it went; whether one that is gone was delivered, nobody can tell any more.
fn row(finding: &Json, routes: &Json) -> String {
    gone(finding).unwrap_or_else(|| format!("{}{}", head(finding), delivery(finding, routes)))
}

fn head(finding: &Json) -> String {
    let detail = cell(finding, "detail");
    let detail = if detail.is_empty() { detail } else { format!(" ({detail})") };
    let flags = finding.get("flags").and_then(Json::as_u64);
    format!(
        "#{} {}{detail}  {}{}",
        number(finding, "index"),
        cell(finding, "rule"),
        cell(finding, "agent"),
        flags.map(|index| format!("  flags #{index}")).unwrap_or_default(),
    )
}

/// Why no more than its place is known of an entry that a list holds.
pub(super) fn gone(item: &Json) -> Option<String> {
    let is = |name: &str| item.get(name).and_then(Json::as_bool) == Some(true);
    let index = number(item, "index");
    match (is("redacted"), is("damaged")) {
        (true, _) => Some(format!("#{index} is erased")),
        (false, true) => Some(format!("#{index} is damaged")),
        (false, false) => None,
    }
}

/// Who resolved it, and how; nothing while it is open.
fn resolution(finding: &Json) -> Option<String> {
    let resolved = finding.get("resolved").filter(|resolved| resolved.is_object())?;
    let (by, note) = (cell(resolved, "by"), cell(resolved, "note"));
    Some(format!("resolved by {by} at #{}: {note}", number(resolved, "index")))
}

/// How the delivery to its owner's route ended, or that it has not yet; nothing where there are no routes.
fn delivery(finding: &Json, routes: &Json) -> String {
    if let Some(code) = text(finding, "delivery.code") {
        return format!("  {}", printable(&code.replace('_', " ")));
    }
    let has_routes =
        routes.get("items").and_then(Json::as_array).is_some_and(|all| !all.is_empty());
    let number = |json: &Json, name: &str| json.get(name).and_then(Json::as_u64);
    let routed = number(finding, "index") >= number(routes, "began");
    if has_routes && routed { "  pending".to_owned() } else { String::new() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_known_is_not_made_up() {
        let finding = json!({ "index": 7, "rule": "volume", "agent": "a", "flags": 3 });
        assert_eq!(head(&finding), "#7 volume  a  flags #3");
        let of_none = json!({ "index": 7, "rule": "volume", "agent": "a", "flags": null });
        assert_eq!(head(&of_none), "#7 volume  a");
        let routes = json!({ "items": [{ "name": "pager" }], "began": 3 });
        assert_eq!(row(&finding, &routes), "#7 volume  a  flags #3  pending");
        assert_eq!(row(&json!({ "index": 7, "redacted": true }), &routes), "#7 is erased");
        assert_eq!(row(&json!({ "index": 7, "damaged": true }), &routes), "#7 is damaged");
    }
}
