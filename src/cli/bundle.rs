//! `bundle`: evidence made by the server, checked here, written to one file.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use schemas::evidence::{self, View};
use schemas::printable::printable;
use serde_json::{Value as Json, json};

use crate::cli::context::Context;
use crate::cli::evidence as checked;
use crate::cli::failure::Failure;
use crate::cli::interrupt::Interrupt;
use crate::cli::out::{Format, note};
use crate::cli::progress::Meter;
use crate::client::{Client, Made};
use crate::exit::Exit;

/// Subcommands of `bundle`.
#[derive(clap::Subcommand, Debug)]
pub(crate) enum Command {
    /// Make a bundle for a workflow, a session, an agent, a person, a query or a range of entries
    Create(Create),
    /// Show what a bundle says of itself, without checking it
    Inspect {
        /// The bundle
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
}

/// Arguments of `bundle create`.
#[derive(clap::Args, Debug)]
#[command(after_long_help = "\
A case:        sworn bundle create --corr release-2026-04-08\n\
An agent's day: sworn bundle create --agent db-migration-agent --since 24h --details\n\
Check offline: sworn verify release-2026-04-08.evidence.zip --trust TRUST --explain")]
#[command(group = clap::ArgGroup::new("scope").required(true))]
pub(crate) struct Create {
    /// A workflow
    #[arg(long, value_name = "ID", group = "scope")]
    corr: Option<String>,
    /// A session
    #[arg(long, value_name = "ID", group = "scope")]
    session: Option<String>,
    /// An agent
    #[arg(long, value_name = "ID", group = "scope")]
    agent: Option<String>,
    /// A person or service anywhere in the principal chains
    #[arg(long, value_name = "ID", group = "scope")]
    principal: Option<String>,
    /// What fits a query
    #[arg(long, value_name = "QUERY", group = "scope")]
    query: Option<String>,
    /// All entries from the first index to before the second
    #[arg(long, value_name = "A..B", group = "scope", value_parser = range)]
    range: Option<(u64, u64)>,
    /// From there on: 15m, 2026-04-08, #900
    #[arg(long, value_name = "WHEN", conflicts_with = "range")]
    since: Option<String>,
    /// Up to there, exclusive
    #[arg(long, value_name = "WHEN", conflicts_with = "range")]
    until: Option<String>,
    /// Put prompts, arguments and results in as well
    #[arg(long)]
    details: bool,
    /// Where to write it [default: its name and .evidence.zip, here]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

fn range(text: &str) -> Result<(u64, u64), &'static str> {
    let expected = "expected two indexes, as 900..1200, the second not included";
    let (from, to) = text.split_once("..").ok_or(expected)?;
    let index = |text: &str| text.trim_start_matches('#').parse().ok();
    let range = index(from).zip(index(to)).ok_or(expected)?;
    if range.0 < range.1 { Ok(range) } else { Err(expected) }
}

impl Create {
    /// The query, and a name for it.
    fn query(&self) -> Result<(String, String), Failure> {
        let terms = [
            ("corr", &self.corr),
            ("session", &self.session),
            ("agent", &self.agent),
            ("principal", &self.principal),
        ];
        for (key, value) in terms {
            let Some(value) = value else { continue };
            if value.is_empty() || value.contains('"') {
                // The query language has no way to write a quote inside quotes.
                let (name, expected) = ("bundle create", "an id without quotes");
                return Err(Failure::Argument { name, value: value.clone(), expected });
            }
            return Ok((format!("{key}:\"{value}\""), value.clone()));
        }
        Ok(match (&self.query, self.range) {
            (Some(query), _) => (query.clone(), "query".to_owned()),
            (None, Some((from, to))) => (String::new(), format!("entries-{from}-{to}")),
            (None, None) => (String::new(), "everything".to_owned()),
        })
    }

    fn window(&self) -> [Option<String>; 2] {
        match self.range {
            Some((from, to)) => [Some(format!("#{from}")), Some(format!("#{to}"))],
            // A scope that names no window is the whole log's, not its last day's.
            None => [self.since.clone().or_else(|| Some("#0".to_owned())), self.until.clone()],
        }
    }
}

/// A file name of what may hold anything.
fn slug(name: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '-' };
    let slug: String = name.chars().take(80).map(plain).collect();
    match slug.trim_start_matches(['.', '-']) {
        "" => "case".to_owned(),
        slug => slug.to_owned(),
    }
}

/// Runs a subcommand.
///
/// # Errors
/// [`Failure`] of the server, the file, or of a bundle that is none.
pub(crate) fn run(command: &Command, context: &Context) -> Result<Exit, Failure> {
    match command {
        Command::Create(args) => create(args, context),
        Command::Inspect { file } => inspect(file, context),
    }
}

fn create(args: &Create, context: &Context) -> Result<Exit, Failure> {
    let (query, name) = args.query()?;
    let file = args.out.clone().unwrap_or_else(|| PathBuf::from(slug(&name) + ".evidence.zip"));
    if file.exists() {
        let source = std::io::ErrorKind::AlreadyExists.into();
        return Err(Failure::File { path: file, source });
    }
    let window = args.window();
    let details = if args.details { "true" } else { "false" };
    let mut pairs = vec![("q", query.as_str()), ("details", details)];
    for (name, value) in ["since", "until"].into_iter().zip(&window) {
        pairs.extend(value.as_deref().map(|value| (name, value)));
    }
    let bytes = made(&context.client()?, &pairs)?;
    let opened = evidence::open(&bytes).map_err(|fault| Failure::Verdict {
        exit: checked::exit(&fault),
        what: format!("the server's bundle: {fault}"),
        details: Vec::new(),
    })?;
    write(&file, &bytes)?;
    let view = View::of(&opened.bundle);
    let (asked, all) = (view.asked().count(), view.entries.len());
    if asked == 0 {
        note("nothing fits: the bundle proves that, up to its checkpoint");
    }
    let out = context.out();
    if out.format() != Format::Table {
        out.json(&json!({
            "file": file.display().to_string(), "bytes": bytes.len(), "entries": asked,
            "supporting": all - asked, "size": opened.bundle.manifest.until,
        }))?;
        return Ok(Exit::Ok);
    }
    out.line(&format!(
        "{}: {asked} entries, {} more that make their signatures valid",
        file.display(),
        all - asked
    ))?;
    out.line(&format!("check it with: sworn verify {} --trust TRUST", file.display()))?;
    Ok(Exit::Ok)
}

/// The server's bundle, however long it takes. ^C ends its making, and this process.
///
/// # Errors
/// [`Failure`] of the server.
pub(crate) fn made(client: &Client, pairs: &[(&str, &str)]) -> Result<Vec<u8>, Failure> {
    match made_unless(&Interrupt::catch()?, client, pairs)? {
        Some(bytes) => Ok(bytes),
        None => Interrupt::end(),
    }
}

/// The same; `None` if it was interrupted. The server keeps nothing of it either way.
fn made_unless(
    interrupt: &Interrupt,
    client: &Client,
    pairs: &[(&str, &str)],
) -> Result<Option<Vec<u8>>, Failure> {
    const MEDIA: &str = "application/zip";
    let meter = Meter::new("entries proved");
    let mut asked = client.made("/api/v1/bundles", pairs, MEDIA)?;
    let mut job = None;
    let bytes = loop {
        let (path, progress) = match asked {
            Made::Whole(bytes) => break Some(bytes),
            Made::Later { path, progress } => (path, progress),
        };
        let path = &*job.insert(path);
        if interrupt.is_set() {
            break None;
        }
        let count = |name: &str| progress.get(name).and_then(Json::as_u64).unwrap_or_default();
        meter.show(count("packed"), count("gathered"));
        // The server answers once it is made, or after a second.
        asked = client.made(path, &[], MEDIA)?;
    };
    meter.finish();
    if let Some(Err(error)) = job.map(|path| client.delete(&path)) {
        note(&format!("the server may go on with the bundle, or keep it for a while: {error}"));
    }
    Ok(bytes.filter(|_| !interrupt.is_set()))
}

fn write(file: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let failed = |source| Failure::File { path: file.to_owned(), source };
    let mut created =
        fs::OpenOptions::new().write(true).create_new(true).open(file).map_err(failed)?;
    created.write_all(bytes).and_then(|()| created.sync_all()).map_err(failed)
}

fn inspect(file: &Path, context: &Context) -> Result<Exit, Failure> {
    let opened = checked::open(file)?.map_err(|fault| Failure::Verdict {
        exit: checked::exit(&fault),
        what: fault.to_string(),
        details: vec![format!("in {}", file.display())],
    })?;
    let view = View::of(&opened.bundle);
    let summary = opened.rendered.get("summary.json").map(Vec::as_slice).unwrap_or_default();
    let summary: serde_json::Value = serde_json::from_slice(summary).unwrap_or_default();
    let out = context.out();
    if out.format() != Format::Table {
        out.json(&summary)?;
        return Ok(Exit::Ok);
    }
    note("nothing of this is checked; sworn verify FILE --trust TRUST does");
    let manifest = &opened.bundle.manifest;
    let asked: Vec<_> = view.asked().collect();
    out.line(&format!("query       {}", printable(&manifest.query)))?;
    out.line(&format!("window      #{} to #{}", manifest.since, manifest.until.saturating_sub(1)))?;
    out.line(&format!("made        {} by {}", manifest.created, printable(&manifest.tool)))?;
    out.line(&format!("renderer    {}", manifest.renderer))?;
    out.line(&format!("entries     {}", asked.len()))?;
    out.line(&format!("supporting  {}", view.entries.len() - asked.len()))?;
    out.line(&format!("details     {}", opened.bundle.details.len()))?;
    out.line(&format!("claims      {}", opened.bundle.claims.len()))?;
    out.line("checkpoint")?;
    for line in opened.bundle.head.lines() {
        out.line(&format!("  {}", printable(line)))?;
    }
    Ok(Exit::Ok)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use crate::scripted::server;

    const LATER: &str = "HTTP/1.1 202 Accepted\r\nLocation: /api/v1/bundles/7\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}";
    const WHOLE: &str = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nPK";
    const GONE: &str = "HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n";

    #[test]
    fn an_interrupt_cancels_the_job() {
        let (url, asked) = server(vec![LATER, GONE]);
        let client = Client::new(&url).unwrap();
        let interrupt = Interrupt::default();
        interrupt.set();
        assert_eq!(made_unless(&interrupt, &client, &[("q", "a")]).unwrap(), None);
        let asked = asked.join().unwrap();
        assert!(asked[1].starts_with("DELETE /api/v1/bundles/7 HTTP/1.1\r\n"), "{}", asked[1]);
    }

    #[test]
    fn what_was_fetched_is_not_left_with_the_server() {
        let (url, asked) = server(vec![LATER, LATER, WHOLE, GONE]);
        let client = Client::new(&url).unwrap();
        let bytes = made_unless(&Interrupt::default(), &client, &[]).unwrap();
        assert_eq!(bytes.as_deref(), Some(&b"PK"[..]));
        let asked = asked.join().unwrap();
        assert!(asked[2].starts_with("GET /api/v1/bundles/7 HTTP/1.1\r\n"), "{}", asked[2]);
        assert!(asked[3].starts_with("DELETE /api/v1/bundles/7 HTTP/1.1\r\n"), "{}", asked[3]);
    }

    #[test]
    fn names_become_file_names() {
        for (name, file) in [
            ("release-2026-04-08", "release-2026-04-08"),
            ("../../etc/passwd", "etc-passwd"),
            ("a b\u{1b}[2J", "a-b--2J"),
            ("-rf", "rf"),
            ("…", "case"),
        ] {
            assert!(slug(name).ends_with(file) && !slug(name).contains('/'), "{name}");
        }
    }

    #[test]
    fn a_range_is_two_indexes() {
        assert_eq!(range("900..1200"), Ok((900, 1200)));
        assert_eq!(range("#900..#1200"), Ok((900, 1200)));
        for wrong in ["", "9", "9..", "..9", "9..9", "9..8", "a..b", "-1..3"] {
            assert!(range(wrong).is_err(), "{wrong}");
        }
    }
}
