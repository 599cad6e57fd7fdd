//! `chain`: a workflow rebuilt, step by step; or what set an entry off, and what it set off.

use schemas::id::Index;
use serde_json::Value as Json;

use crate::cli::context::Context;
use crate::cli::failure::Failure;
use crate::cli::incomplete;
use crate::cli::line::line;
use crate::cli::member::number;
use crate::cli::out::{Format, Out};
use crate::cli::parse;
use crate::client::segment;
use crate::exit::Exit;

/// Arguments of `chain`.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// Correlation id of the workflow
    #[arg(required_unless_present_any = ["up", "down"])]
    correlation: Option<String>,
    /// What set this entry off, from its trigger on
    #[arg(long, value_name = "N", value_parser = parse::index, conflicts_with_all = ["correlation", "down"])]
    up: Option<Index>,
    /// What this entry set off
    #[arg(long, value_name = "N", value_parser = parse::index, conflicts_with = "correlation")]
    down: Option<Index>,
    /// With the workflows that it is linked with, by causes, triggers and threads
    #[arg(long, conflicts_with_all = ["up", "down"])]
    linked: bool,
    /// How long its steps took, the critical path, and who waited for whom
    #[arg(long, conflicts_with_all = ["up", "down"])]
    timing: bool,
}

/// Rebuilds it.
///
/// # Errors
/// [`Failure`] of the server and the output.
pub(crate) fn run(args: &Args, context: &Context) -> Result<Exit, Failure> {
    match (&args.correlation, args.up, args.down) {
        (_, Some(index), _) => causality(index, "causes", context),
        (_, _, Some(index)) => causality(index, "effects", context),
        (correlation, ..) => workflow(correlation.as_deref().unwrap_or_default(), args, context),
    }
}

fn workflow(correlation: &str, args: &Args, context: &Context) -> Result<Exit, Failure> {
    let path = format!("/api/v1/workflows/{}", segment(correlation));
    let query: &[_] = if args.linked { &[("linked", "true")] } else { &[] };
    let chain = context.client()?.json(&path, query)?;
    let out = context.out();
    match out.format() {
        Format::Table => {
            out.line(query::render_chain(&chain).trim_end())?;
            if args.timing {
                out.line(query::render_timing(&chain).trim_end())?;
            }
        }
        Format::Mermaid => out.line(query::render_mermaid(&chain).trim_end())?,
        Format::Dot => out.line(query::render_dot(&chain).trim_end())?,
        _ => out.json(&chain)?,
    }
    Ok(verdict(&chain))
}

/// What does not verify is not shown as if it did.
fn verdict(chain: &Json) -> Exit {
    match chain.pointer("/verified/ok").and_then(Json::as_bool) {
        Some(true) => Exit::Ok,
        Some(false) => Exit::HashMismatch,
        None => Exit::Undecidable,
    }
}

fn causality(index: Index, way: &str, context: &Context) -> Result<Exit, Failure> {
    let out = context.out();
    if matches!(out.format(), Format::Mermaid | Format::Dot) {
        let expected = "table, json or jsonl with --up and --down";
        return Err(Failure::Argument { name: "--output", value: out.format().name(), expected });
    }
    let path = format!("/api/v1/entries/{}/{way}", index.0);
    let found = context.client()?.json(&path, &[])?;
    if out.format() == Format::Table {
        let lines = if way == "causes" { path_lines(&found, out) } else { tree_lines(&found, out) };
        lines.iter().try_for_each(|line| out.line(line))?;
        damage_lines(&found).iter().try_for_each(|line| out.line(line))?;
    } else {
        out.json(&found)?;
    }
    Ok(reached(&found))
}

/// Whether all that there is was reached, as far as anybody can tell.
fn reached(found: &Json) -> Exit {
    let exit =
        incomplete::ending(found, "there are more entries on the way than one answer looks at");
    if damaged(found).is_empty() { exit } else { Exit::Undecidable }
}

fn damaged(found: &Json) -> &[Json] {
    found.get("damaged").and_then(Json::as_array).map(Vec::as_slice).unwrap_or_default()
}

/// Entries beyond which nobody can tell what there was.
fn damage_lines(found: &Json) -> Vec<String> {
    let number = |item: &Json, name: &str| item.get(name).and_then(Json::as_u64);
    let line = |item: &Json| {
        let index = number(item, "index").unwrap_or_default();
        let from = number(item, "from").map(|from| format!(", reached from #{from},"));
        format!("! #{index}{} is damaged: what lies beyond is not known", from.unwrap_or_default())
    };
    damaged(found).iter().map(line).collect()
}

fn items(found: &Json) -> &[Json] {
    found.get("items").and_then(Json::as_array).map(Vec::as_slice).unwrap_or_default()
}

fn entry(item: &Json) -> &Json {
    item.get("entry").unwrap_or(&Json::Null)
}

fn place(item: &Json) -> Option<u64> {
    entry(item).get("index")?.as_u64()
}

/// The entries on the way from the beginning to the one asked for.
fn path_lines(found: &Json, out: Out) -> Vec<String> {
    let path = found.get("path").and_then(Json::as_array).into_iter().flatten();
    let at = |index: &Json| items(found).iter().find(|item| place(item) == index.as_u64());
    let mut lines: Vec<_> = path.filter_map(at).map(|item| line(entry(item), out)).collect();
    let unknown = found.get("unknown").and_then(Json::as_array).into_iter().flatten();
    lines.extend(unknown.map(|gap| {
        let cause = gap.get("cause").and_then(Json::as_str).unwrap_or_default();
        let index = number(gap, "index");
        format!("! #{index} cites {}, which is no entry", schemas::printable::printable(cause))
    }));
    lines
}

/// Each entry under the one that it cites.
fn tree_lines(found: &Json, out: Out) -> Vec<String> {
    let mut lines = Vec::new();
    // Deepest first on a stack, so that children follow their parent in the log's order.
    let root = items(found).iter().filter(|item| item.get("from").is_some_and(Json::is_null));
    let mut waiting: Vec<_> = root.map(|item| (0, item)).collect();
    while let Some((depth, item)) = waiting.pop() {
        lines.push(format!("{}{}", "  ".repeat(depth), line(entry(item), out)));
        let is_child = |child: &&Json| {
            place(item).is_some() && child.get("from").and_then(Json::as_u64) == place(item)
        };
        let children = items(found).iter().filter(is_child).map(|child| (depth + 1, child));
        let mut children: Vec<_> = children.collect();
        // A server that lies must not make this longer than what it sent.
        if lines.len() + waiting.len() + children.len() > items(found).len() {
            break;
        }
        children.reverse();
        waiting.extend(children);
    }
    lines
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_a_verified_chain_is_a_success() {
        for (chain, exit) in [
            (json!({ "verified": { "ok": true } }), Exit::Ok),
            (json!({ "verified": { "ok": false } }), Exit::HashMismatch),
            (json!({ "verified": {} }), Exit::Undecidable),
            (json!(null), Exit::Undecidable),
        ] {
            assert_eq!(verdict(&chain), exit);
        }
    }

    fn item(index: u64, from: Option<u64>) -> Json {
        json!({ "from": from, "entry": { "index": index, "body": { "kind": "k", "signer": "a\u{1b}" } } })
    }

    #[test]
    fn effects_stand_under_what_they_cite() {
        let items = [item(1, None), item(2, Some(1)), item(5, Some(1)), item(3, Some(2))];
        let lines = tree_lines(&json!({ "items": items }), Out::new(None, true));
        let starts: Vec<_> =
            lines.iter().map(|line| line.split(" a").next().unwrap_or_default()).collect();
        assert_eq!(starts, ["- #1", "  - #2", "    - #3", "  - #5"]);
        assert!(lines.iter().all(|line| line.contains("a\\u{1b}")));
    }

    #[test]
    fn a_way_that_ends_in_damage_is_no_success() {
        let whole = json!({ "items": [item(1, None)], "incomplete": false, "damaged": [] });
        assert_eq!((reached(&whole), damage_lines(&whole).len()), (Exit::Ok, 0));
        assert_eq!(reached(&json!({ "items": [], "incomplete": true })), Exit::Undecidable);
        let broken =
            json!({ "damaged": [{ "index": 3, "from": 5 }, { "index": 4, "from": null }] });
        assert_eq!(reached(&broken), Exit::Undecidable);
        let expected = [
            "! #3, reached from #5, is damaged: what lies beyond is not known",
            "! #4 is damaged: what lies beyond is not known",
        ];
        assert_eq!(damage_lines(&broken), expected);
    }

    #[test]
    fn a_circle_of_a_lying_server_ends() {
        let items = [item(1, None), item(1, Some(1)), item(2, Some(1)), item(1, Some(2))];
        assert!(tree_lines(&json!({ "items": items }), Out::new(None, true)).len() <= items.len());
    }
}
