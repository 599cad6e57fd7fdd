//! `query`: one line per entry that fits, page by page; or how many fit, by a key or in time.

use schemas::limits::{PAGE_ENTRIES_DEFAULT, PAGE_ENTRIES_MAX};
use serde_json::Value as Json;

use crate::cli::actions;
use crate::cli::context::Context;
use crate::cli::failure::Failure;
use crate::cli::incomplete::{self, worst};
use crate::cli::line::line;
use crate::cli::member::{number, text};
use crate::cli::out::{Format, Out, note};
use crate::cli::pages::{self, Pages};
use crate::cli::template::Template;
use crate::cli::{query_text, stats, tail, tally};
use crate::exit::Exit;

/// Arguments of `query`.
#[derive(clap::Args, Debug)]
#[command(group(clap::ArgGroup::new("instead").args(["follow", "count", "by", "histogram"])))]
pub(crate) struct Args {
    /// Query, as in: agent:db-* -env:staging class:destructive
    #[arg(value_name = "QUERY")]
    query: Vec<String>,
    /// From there on: 15m, 2026-04-08, 03:40, #900, checkpoint:900
    #[arg(long, value_name = "WHEN")]
    since: Option<String>,
    /// Up to there, exclusive
    #[arg(long, value_name = "WHEN", conflicts_with = "follow")]
    until: Option<String>,
    /// Most entries
    #[arg(long, value_name = "N", default_value_t = PAGE_ENTRIES_DEFAULT, value_parser = at_least_one, conflicts_with_all = ["count", "by", "histogram"])]
    limit: usize,
    /// Which come first
    #[arg(long, value_enum, default_value_t, conflicts_with = "instead")]
    order: Order,
    /// One line an action: whose it is, what was granted and what was used
    #[arg(long, conflicts_with_all = ["instead", "order", "limit", "template", "explain"])]
    actions: bool,
    /// With `-o template`: a line for each entry, as '{index} {body.agent.id}'
    #[arg(long, value_name = "TEXT", value_parser = Template::parse, conflicts_with = "instead")]
    template: Option<Template>,
    /// Go on with what arrives, after the last of what is there, or from --since
    #[arg(short, long)]
    follow: bool,
    /// Only say how many fit
    #[arg(long)]
    count: bool,
    /// Count by the values of a key, those of most entries first
    #[arg(long, value_name = "KEY")]
    by: Option<String>,
    /// Count by time, in steps as 5m or 1h
    #[arg(long, value_name = "STEP")]
    histogram: Option<String>,
    /// Say which indexes were read
    #[arg(long, conflicts_with = "follow")]
    explain: bool,
}

/// Nobody who asks for none learns whether there are any.
fn at_least_one(text: &str) -> Result<usize, &'static str> {
    text.parse().ok().filter(|limit| *limit > 0).ok_or("expected a number, at least 1")
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

    /// Whether it has no end.
    pub(crate) fn follows(&self) -> bool {
        self.follow
    }

    /// Whether its answer is entries, and nothing that was made of them.
    pub(crate) fn lists_entries(&self) -> bool {
        let counts = self.count || self.by.is_some() || self.histogram.is_some();
        !(self.follow || self.actions || counts)
    }

    /// What every kind of answer is asked for.
    fn params(&self) -> Vec<(&'static str, String)> {
        let mut params = vec![("q", query_text(&self.query))];
        params.extend(self.since.clone().map(|since| ("since", since)));
        params.extend(self.until.clone().map(|until| ("until", until)));
        params.extend(self.explain.then(|| ("explain", "true".to_owned())));
        params
    }
}

/// Prints what fits.
///
/// # Errors
/// [`Failure`] of the server and the output.
pub(crate) fn run(args: &Args, context: &Context) -> Result<Exit, Failure> {
    let mut params = args.params();
    if args.follow {
        return tail::run(&tail::Args::of_query(&args.query, &args.since, args.limit), context);
    }
    if args.count {
        return tally::count(params, context);
    }
    if let Some(by) = &args.by {
        params.push(("by", by.clone()));
        return stats::show(params, context);
    }
    if let Some(step) = &args.histogram {
        params.push(("step", step.clone()));
        return tally::histogram(params, context);
    }
    if args.actions {
        return folded(params, context);
    }
    params.push(("order", args.order.as_str().to_owned()));
    entries(params, args, context)
}

fn entries(
    params: Vec<(&'static str, String)>,
    args: &Args,
    context: &Context,
) -> Result<Exit, Failure> {
    let out = context.out();
    if (out.format() == Format::Template) != args.template.is_some() {
        let (name, expected) = ("--template", "given together with -o template");
        let value = out.format().name();
        return Err(Failure::Argument { name, value, expected });
    }
    let client = context.client()?;
    let mut pages = Pages::new(&client, "/api/v1/entries", params);
    let mut collected = Vec::new();
    let mut left = args.limit;
    let (mut is_first, mut damaged) = (true, 0);
    while left > 0
        && let Some(mut page) = pages.next(Some(left.min(PAGE_ENTRIES_MAX)))?
    {
        let mut items = pages.items(&mut page)?;
        left = left.saturating_sub(items.len());
        damaged += unreadable(&items);
        match out.format() {
            Format::Json => collected.append(&mut items),
            _ => write(args, out, &items, is_first)?,
        }
        is_first = false;
    }
    if out.format() == Format::Json {
        out.jsons(&collected)?;
    }
    if pages.is_cut() {
        note(&format!("there are more; --limit {} shows them", args.limit.saturating_mul(10)));
    }
    Ok(tally::unread(damaged))
}

/// How many of the entries are listed because nothing tells what they say.
fn unreadable(items: &[Json]) -> u64 {
    let is_damaged = |entry: &&Json| {
        text(entry, "status") == Some("damaged") || entry.get("damaged") == Some(&Json::Bool(true))
    };
    items.iter().filter(is_damaged).fold(0, |count, _| count + 1)
}

/// The actions that the entries belong to.
fn folded(params: Vec<(&'static str, String)>, context: &Context) -> Result<Exit, Failure> {
    let (client, out) = (context.client()?, context.out());
    let mut pages = Pages::new(&client, "/api/v1/actions", params);
    let Some(mut page) = pages.next(None)? else { return Ok(Exit::Ok) };
    let items = pages.items(&mut page)?;
    match out.format() {
        Format::Table => items.iter().try_for_each(|item| out.line(&actions::line(item)))?,
        _ => out.jsons(&items)?,
    }
    Ok(ending(&page, &items))
}

/// Whether these are all actions, and all that is known of each.
fn ending(page: &Json, items: &[Json]) -> Exit {
    let damaged = number(page, "damaged");
    worst([
        incomplete::ending(page, "there are older ones; narrow the query or its window"),
        pages::ending(items, "all that stands around it"),
        tally::unread(damaged),
    ])
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_entry_that_cannot_be_read_is_no_success() {
        let whole = json!({ "index": 1, "status": "accepted", "body": {} });
        let erased = json!({ "index": 2, "status": "accepted", "redacted": true, "body": null });
        assert_eq!(unreadable(&[whole.clone(), erased]), 0);
        let damaged = json!({ "index": 3, "status": "accepted", "body": null, "damaged": true });
        let lost = json!({ "index": 4, "status": "damaged", "body": null });
        assert_eq!(unreadable(&[whole, damaged, lost]), 2);
    }

    #[test]
    fn actions_that_are_not_all_are_no_success() {
        let whole = [json!({ "index": 1, "incomplete": false })];
        let cut = [json!({ "index": 1, "incomplete": true })];
        let page = json!({ "incomplete": null, "damaged": 0 });
        assert_eq!(ending(&page, &whole), Exit::Ok);
        assert_eq!(ending(&page, &cut), Exit::Undecidable);
        for page in [json!({ "incomplete": { "scanned_to": 7 } }), json!({ "damaged": 1 })] {
            assert_eq!(ending(&page, &whole), Exit::Undecidable, "{page}");
        }
    }
}
