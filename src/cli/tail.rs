//! `tail`: one line per entry as it is committed, through every loss of the connection.

use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::time::{Duration, Instant};

use ::tail::Event;
use schemas::limits::{PAGE_ENTRIES_MAX, READ_AHEAD_MAX};
use schemas::query::Query;
use serde_json::Value as Json;

use crate::cli::context::{Context, given};
use crate::cli::continuity::Continuity;
use crate::cli::failure::Failure;
use crate::cli::follow::{News, PATH, Reader};
use crate::cli::hook::Hook;
use crate::cli::line::line;
use crate::cli::member::number;
use crate::cli::out::{Format, note};
use crate::cli::parse;
use crate::cli::query_text;
use crate::cli::witness::Witness;
use crate::client::{Client, ClientError};
use crate::exit::Exit;

/// Arguments of `tail`.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// Query, as in: agent:db-* -env:staging
    #[arg(value_name = "QUERY")]
    query: Vec<String>,
    /// Begin there: 15m, 2026-04-08, #900 [default: now]
    #[arg(long, value_name = "WHEN")]
    since: Option<String>,
    /// Begin with the last N entries that fit
    #[arg(long, value_name = "N", conflicts_with = "since", value_parser = clap::value_parser!(u16).range(1..=1000))]
    tail: Option<u16>,
    /// End after N entries
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    limit: Option<u64>,
    /// End after this long
    #[arg(long = "for", value_name = "SPAN", value_parser = parse::duration)]
    lasting: Option<Duration>,
    /// Run this for each entry, its JSON on standard input
    #[arg(long, value_name = "COMMAND")]
    exec: Option<String>,
    /// Ledger key to check checkpoints with: verifier key, fingerprint or file [env: SWORN_TRUST]
    #[arg(long, value_name = "TRUST")]
    trust: Option<String>,
}

impl Args {
    /// To follow a query from `since`, or from the last `limit` entries that fit.
    pub(crate) fn of_query(query: &[String], since: &Option<String>, limit: usize) -> Self {
        let last = u16::try_from(limit.clamp(1, PAGE_ENTRIES_MAX)).ok();
        Self {
            query: query.to_vec(),
            since: since.clone(),
            tail: last.filter(|_| since.is_none() && !begins(query)),
            limit: None,
            lasting: None,
            exec: None,
            trust: None,
        }
    }

    /// The query's words as the shell parted them.
    #[cfg(test)]
    pub(crate) fn words(&self) -> &[String] {
        &self.query
    }
}

/// Follows the log.
///
/// # Errors
/// [`Failure::Reset`] when the log is no longer the one that was read, [`Failure::Broken`], and those of
/// the server.
pub(crate) fn run(args: &Args, context: &Context) -> Result<Exit, Failure> {
    let client = context.client()?;
    let query = query_text(&args.query);
    let mut params = vec![("q".to_owned(), query.clone())];
    let since = match args.tail {
        Some(count) => last(&client, &args.query, count)?,
        None => args.since.clone(),
    };
    params.extend(since.clone().map(|since| ("since".to_owned(), since)));
    let mut reader = Reader::new(client, params);
    // The first connection is made here: what is wrong from the start is not tried again.
    let Some(stream) = reader.open()? else { return Ok(Exit::Ok) };
    let (sender, news) = sync_channel(READ_AHEAD_MAX);
    std::thread::spawn(move || reader.follow(stream, &sender));
    let key = context.trust(args.trust.as_ref());
    let witness = match given(args.trust.as_ref(), "SWORN_TRUST") {
        Some(_) => Witness::new(Some(key?)),
        None => Witness::new(key.ok()),
    };
    let deadline = args.lasting.and_then(|span| Instant::now().checked_add(span));
    let mut printer = Printer {
        context,
        witness,
        continuity: Continuity::new(&query, since.as_deref()),
        hook: args.exec.as_deref().map(Hook::new),
        left: args.limit,
    };
    printer.print_all(&news, deadline)?;
    Ok(if printer.hook.is_some_and(|hook| hook.has_failed()) { Exit::Other } else { Exit::Ok })
}

/// Whether the query itself says where it begins.
fn begins(query: &[String]) -> bool {
    let parsed = Query::parse(&query_text(query));
    parsed.is_ok_and(|query| query.since.is_some() || query.after.is_some())
}

/// Where the last `count` entries that fit begin: those of all the log, unless the query has a window of its own.
fn last(client: &Client, query: &[String], count: u16) -> Result<Option<String>, Failure> {
    let text = query_text(query);
    let since = (!begins(query)).then_some(("since", "#0"));
    let (mut left, mut oldest, mut cursor) = (usize::from(count), None, None::<String>);
    loop {
        let limit = left.to_string();
        let mut params = vec![("q", text.as_str()), ("limit", limit.as_str())];
        params.extend(since);
        params.extend(cursor.as_deref().map(|cursor| ("cursor", cursor)));
        let page = client.json("/api/v1/entries", &params)?;
        let items = page.get("items").and_then(Json::as_array).map(Vec::as_slice);
        let items = items.unwrap_or_default();
        left = left.saturating_sub(items.len());
        oldest = items.last().and_then(|entry| entry.get("index")?.as_u64()).or(oldest);
        // A page may end early, by its bytes or by what it cost.
        cursor = page.get("next_cursor").and_then(Json::as_str).map(str::to_owned);
        if left == 0 || cursor.is_none() {
            return Ok(oldest.map(|index| format!("#{index}")));
        }
    }
}

/// Prints what comes.
struct Printer<'c> {
    context: &'c Context,
    witness: Witness,
    continuity: Continuity,
    hook: Option<Hook>,
    /// Entries that may still be printed.
    left: Option<u64>,
}

impl Printer<'_> {
    fn print_all(
        &mut self,
        news: &Receiver<News>,
        deadline: Option<Instant>,
    ) -> Result<(), Failure> {
        loop {
            let next = match deadline {
                None => news.recv().map_err(|_gone| RecvTimeoutError::Disconnected),
                // What waits already would be received at any time.
                Some(deadline) => match deadline.checked_duration_since(Instant::now()) {
                    Some(left) if !left.is_zero() => news.recv_timeout(left),
                    _ => return Ok(()),
                },
            };
            match next {
                Ok(News::Event(event)) => self.print(&event)?,
                Ok(News::Resumed { after }) => say(self.continuity.resume(after.as_deref())),
                Ok(News::Failed(failure)) => return Err(failure),
                Ok(News::Finished) | Err(_) => return Ok(()),
            }
            if self.left == Some(0) {
                return Ok(());
            }
        }
    }

    fn print(&mut self, event: &Event) -> Result<(), Failure> {
        match event.event.as_str() {
            "entry" | "checkpoint" | "caught-up" => {}
            // An id without data.
            "message" => {
                say(self.continuity.pass_over());
                return Ok(());
            }
            _ => return Ok(()),
        }
        let data: Json = serde_json::from_str(&event.data).map_err(|_syntax| {
            ClientError::Answer { path: PATH.to_owned(), expected: "a stream of JSON" }
        })?;
        match event.event.as_str() {
            "checkpoint" => {
                let context = self.context;
                return self.witness.see(&data, |key| context.successor(key));
            }
            "caught-up" => {
                say(self.continuity.caught_up(&data, event.id.as_deref()));
                return Ok(());
            }
            _ => say(self.continuity.see(&data)?),
        }
        self.left = self.left.map(|left| left.saturating_sub(1));
        let out = self.context.out();
        if out.format() == Format::Table {
            out.line(&line(&data, out))?;
        } else {
            out.json_line(&data)?;
        }
        if let Some(hook) = &mut self.hook {
            let index = number(&data, "index");
            hook.run(index, &event.data);
        }
        Ok(())
    }
}

fn say(news: Option<String>) {
    if let Some(news) = news {
        note(&news);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

    use serde_json::json;

    use super::*;
    use crate::cli::context::Global;
    use crate::scripted::server;

    fn page(json: &Json) -> String {
        let body = json.to_string();
        let head = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length:";
        format!("{head} {}\r\n\r\n{body}", body.len())
    }

    #[test]
    fn the_time_ends_it_though_more_waits() {
        let context = Context::new(Global::default());
        let mut printer = Printer {
            context: &context,
            witness: Witness::new(None),
            continuity: Continuity::new("", None),
            hook: None,
            left: None,
        };
        let event = || Event { event: "else".to_owned(), data: String::new(), id: None };
        let (sender, news) = sync_channel(2);
        for _ in 0..2 {
            sender.send(News::Event(event())).unwrap();
        }
        printer.print_all(&news, Some(Instant::now())).unwrap();
        assert!(news.try_recv().is_ok(), "nothing was taken");
    }

    #[test]
    fn the_last_entries_are_those_of_all_the_log_over_several_pages() {
        let (url, asked) = server(vec![
            page(&json!({ "items": [{ "index": 9 }], "next_cursor": "c" })),
            page(&json!({ "items": [], "next_cursor": "d" })),
            page(&json!({ "items": [{ "index": 4 }, { "index": 3 }], "next_cursor": "e" })),
            page(&json!({ "items": [{ "index": 9 }], "next_cursor": null })),
        ]);
        let client = Client::new(&url).unwrap();
        let words = |text: &str| vec![text.to_owned()];
        assert_eq!(last(&client, &words("agent:a"), 3).unwrap(), Some("#3".to_owned()));
        let windowed = last(&client, &words("since:1h"), 3).unwrap();
        assert_eq!(windowed, Some("#9".to_owned()), "all that there is");
        let asked = asked.join().unwrap();
        for (asked, params) in asked.iter().zip([
            "limit=3&since=%230 ",
            "limit=2&since=%230&cursor=c ",
            "limit=2&since=%230&cursor=d ",
            "q=since%3A1h&limit=3 ",
        ]) {
            assert!(asked.contains(params), "{params}: {asked}");
        }
    }
}
