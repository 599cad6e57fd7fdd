//! `query`: one line per entry that fits, page by page; or how many fit, by a key or in time.

use schemas::limits::{PAGE_ENTRIES_DEFAULT, PAGE_ENTRIES_MAX};

use crate::cli::context::Context;
use crate::cli::failure::Failure;
use crate::cli::line::line;
use crate::cli::out::{Format, note};
use crate::cli::pages::Pages;
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
    #[arg(long, value_name = "N", default_value_t = PAGE_ENTRIES_DEFAULT)]
    limit: usize,
    /// Which come first
    #[arg(long, value_enum, default_value_t, conflicts_with = "instead")]
    order: Order,
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
    params.push(("order", args.order.as_str().to_owned()));
    entries(params, args.limit, context)
}

fn entries(
    params: Vec<(&'static str, String)>,
    limit: usize,
    context: &Context,
) -> Result<Exit, Failure> {
    let (client, out) = (context.client()?, context.out());
    let mut pages = Pages::new(&client, "/api/v1/entries", params);
    let mut collected = Vec::new();
    let mut left = limit;
    while left > 0
        && let Some(mut page) = pages.next(Some(left.min(PAGE_ENTRIES_MAX)))?
    {
        let mut items = pages.items(&mut page)?;
        left = left.saturating_sub(items.len());
        match out.format() {
            Format::Table => items.iter().try_for_each(|entry| out.line(&line(entry, out)))?,
            Format::Jsonl => out.jsons(&items)?,
            Format::Json => collected.append(&mut items),
        }
    }
    if out.format() == Format::Json {
        out.jsons(&collected)?;
    }
    if pages.is_cut() {
        note(&format!("there are more; --limit {} shows them", limit.saturating_mul(10)));
    }
    Ok(Exit::Ok)
}
