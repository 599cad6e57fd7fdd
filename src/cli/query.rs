//! `query`: one line per entry that fits, page by page.

use schemas::limits::{PAGE_ENTRIES_DEFAULT, PAGE_ENTRIES_MAX};
use serde_json::Value as Json;

use crate::cli::actions;
use crate::cli::context::Context;
use crate::cli::failure::Failure;
use crate::cli::line::{line, text};
use crate::cli::out::{Format, Out, note};
use crate::cli::query_text;
use crate::cli::template::Template;
use crate::client::{Client, ClientError};
use crate::exit::Exit;

const PATH: &str = "/api/v1/entries";

/// Arguments of `query`.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// Query, as in: agent:db-* -env:staging class:destructive
    #[arg(value_name = "QUERY")]
    query: Vec<String>,
    /// From there on: 15m, 2026-04-08, #900
    #[arg(long, value_name = "WHEN")]
    since: Option<String>,
    /// Up to there, exclusive
    #[arg(long, value_name = "WHEN")]
    until: Option<String>,
    /// Most entries
    #[arg(long, value_name = "N", default_value_t = PAGE_ENTRIES_DEFAULT)]
    limit: usize,
    /// Which come first
    #[arg(long, value_enum, default_value_t)]
    order: Order,
    /// One line an action: whose it is, what was granted and what was used
    #[arg(long, conflicts_with_all = ["order", "limit", "template"])]
    actions: bool,
    /// With `-o template`: a line for each entry, as '{index} {body.agent.id}'
    #[arg(long, value_name = "TEXT", value_parser = Template::parse)]
    template: Option<Template>,
}

/// Which entries come first.
#[derive(Clone, Copy, Debug, Default, clap::ValueEnum)]
enum Order {
    /// The last ones.
    #[default]
    Newest,
    /// The first ones.
    Oldest,
}

impl Order {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Newest => "newest",
            Self::Oldest => "oldest",
        }
    }
}

impl Args {
    /// The query's words as the shell parted them.
    #[cfg(test)]
    pub(crate) fn words(&self) -> &[String] {
        &self.query
    }
}

/// Prints what fits.
///
/// # Errors
/// [`Failure`] of the server and the output.
pub(crate) fn run(args: &Args, context: &Context) -> Result<Exit, Failure> {
    let out = context.out();
    if (out.format() == Format::Template) != args.template.is_some() {
        let (name, expected) = ("--template", "given together with -o template");
        let value = out.format().name();
        return Err(Failure::Argument { name, value, expected });
    }
    let client = context.client()?;
    if args.actions {
        return folded(args, &client, out);
    }
    let mut pages = Pages::new(args);
    let mut collected = Vec::new();
    let mut left = args.limit;
    while left > 0
        && let Some(page) = pages.next(&client, left.min(PAGE_ENTRIES_MAX))?
    {
        let items = page.get("items").and_then(Json::as_array);
        let items = items.ok_or(Failure::from(ClientError::Answer {
            path: PATH.to_owned(),
            expected: "a page of entries",
        }))?;
        left = left.saturating_sub(items.len());
        match out.format() {
            Format::Json => collected.extend_from_slice(items),
            _ => write(args, out, items, pages.number == 1)?,
        }
        if pages.number == 1 {
            window(&page);
        }
    }
    if out.format() == Format::Json {
        out.jsons(&collected)?;
    }
    if pages.cursor.is_some() {
        note(&format!("there are more; --limit {} shows them", args.limit.saturating_mul(10)));
    }
    Ok(Exit::Ok)
}

/// The actions that the entries belong to.
fn folded(args: &Args, client: &Client, out: Out) -> Result<Exit, Failure> {
    let pages = Pages::new(args);
    let params = pages.params.iter().filter(|(name, _)| *name != "order");
    let params: Vec<_> = params.map(|(name, value)| (*name, value.as_str())).collect();
    let found = client.json("/api/v1/actions", &params)?;
    let items = found.get("items").and_then(Json::as_array).map(Vec::as_slice).unwrap_or_default();
    match out.format() {
        Format::Table => items.iter().try_for_each(|item| out.line(&actions::line(item)))?,
        Format::Json | Format::Jsonl => out.jsons(items)?,
        format => {
            let (name, expected) = ("--output", "table, json or jsonl with --actions");
            return Err(Failure::Argument { name, value: format.name(), expected });
        }
    }
    window(&found);
    if found.get("incomplete").is_some_and(|incomplete| !incomplete.is_null()) {
        note("there are older ones; narrow the query or its window");
    }
    Ok(Exit::Ok)
}

/// A page of entries as it is asked for.
fn write(args: &Args, out: Out, items: &[Json], is_first: bool) -> Result<(), Failure> {
    match (out.format(), &args.template) {
        (Format::Csv, _) => out.text(&query::entries_csv(items, is_first)),
        (Format::Raw, _) => items.iter().try_for_each(|entry| out.bytes(&query::json_cbor(entry))),
        (Format::Template, Some(template)) => {
            items.iter().try_for_each(|entry| out.line(&template.line(entry)))
        }
        (Format::Table, _) => items.iter().try_for_each(|entry| out.line(&line(entry, out))),
        _ => out.jsons(items),
    }
}

/// What was looked at, so that nothing found is not mistaken for nothing there.
fn window(page: &Json) {
    let number = |path: &str| page.pointer(path).and_then(Json::as_u64).unwrap_or_default();
    let (from, to, size) = (number("/window/from"), number("/window/to"), number("/as_of/size"));
    let time = |name: &str| text(page, name).map(schemas::printable::printable);
    let since = time("window.since").map(|since| format!(" since {since}")).unwrap_or_default();
    let until = time("window.until").map(|until| format!(" until {until}")).unwrap_or_default();
    let range = match to.checked_sub(1).filter(|last| *last >= from) {
        Some(last) => format!("entries #{from} to #{last}"),
        None => "no entries".to_owned(),
    };
    note(&format!("window: {range}{since}{until}, of {size}"));
}

/// The pages of one query, all of the same state of the log.
struct Pages {
    params: Vec<(&'static str, String)>,
    cursor: Option<String>,
    number: u64,
}

impl Pages {
    fn new(args: &Args) -> Self {
        let mut params =
            vec![("q", query_text(&args.query)), ("order", args.order.as_str().to_owned())];
        params.extend(args.since.clone().map(|since| ("since", since)));
        params.extend(args.until.clone().map(|until| ("until", until)));
        Self { params, cursor: None, number: 0 }
    }

    /// The next page; `None` after the last.
    fn next(&mut self, client: &Client, limit: usize) -> Result<Option<Json>, Failure> {
        if self.number > 0 && self.cursor.is_none() {
            return Ok(None);
        }
        let limit = limit.to_string();
        let mut params: Vec<_> = self.params.iter().map(|(k, v)| (*k, v.as_str())).collect();
        params.push(("limit", &limit));
        params.extend(self.cursor.as_deref().map(|cursor| ("cursor", cursor)));
        let page = client.json(PATH, &params)?;
        self.cursor = page.get("next_cursor").and_then(Json::as_str).map(str::to_owned);
        self.number += 1;
        Ok(Some(page))
    }
}
