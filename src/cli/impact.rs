//! `impact`: how far a credential, a grant, a person, a tool, a digest or a source reaches.

use schemas::printable::printable;
use serde_json::Value as Json;

use crate::cli::context::Context;
use crate::cli::failure::Failure;
use crate::cli::incomplete::listed;
use crate::cli::member::{cell, number, text};
use crate::cli::out::Format;
use crate::exit::Exit;
use crate::table::Table;

/// Arguments of `impact`.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// What is asked about, as cred:ID, grant:ID, principal:ID, user:ID, tool:NAME, tool_digest:HEX, digest:HEX,
    /// source:TYPE/REF, trigger:TYPE/REF or key:HEX
    #[arg(value_name = "KEY:VALUE", value_parser = thing)]
    thing: (String, String),
    /// From there on: 15m, 2026-04-08, #900
    #[arg(long, value_name = "WHEN")]
    since: Option<String>,
    /// Up to there, exclusive
    #[arg(long, value_name = "WHEN")]
    until: Option<String>,
}

fn thing(text: &str) -> Result<(String, String), &'static str> {
    let parts = text.split_once(':').filter(|(key, value)| !key.is_empty() && !value.is_empty());
    let (key, value) = parts.ok_or("expected a key and a value, as cred:cred-7")?;
    Ok((key.to_owned(), value.to_owned()))
}

/// Shows it.
///
/// # Errors
/// [`Failure`] of the server and the output.
pub(crate) fn run(args: &Args, context: &Context) -> Result<Exit, Failure> {
    let (key, value) = &args.thing;
    let mut query = vec![(key.as_str(), value.as_str())];
    query.extend(args.since.iter().map(|since| ("since", since.as_str())));
    query.extend(args.until.iter().map(|until| ("until", until.as_str())));
    let reach = context.client()?.json("/api/v1/impact", &query)?;
    let out = context.out();
    if out.format() != Format::Table {
        out.json(&reach)?;
        return Ok(listed(&reach, "values", "; --since narrows it"));
    }
    let mut table = Table::new(["REACHES", "", "ENTRIES", "FIRST", "LAST"]);
    for heading in ["agents", "principals", "targets", "workflows", "credentials", "actions"] {
        for row in reach.get(heading).and_then(Json::as_array).into_iter().flatten() {
            let [first, last] = ["first", "last"].map(|name| format!("#{}", number(row, name)));
            let heading = heading.trim_end_matches('s');
            let (value, entries) = (cell(row, "value"), number(row, "entries").to_string());
            table.row([heading, &value, &entries, &first, &last]);
        }
    }
    table.lines().try_for_each(|line| out.line(&line))?;
    out.line(&summary(&reach))?;
    Ok(listed(&reach, "values", "; --since narrows it"))
}

fn summary(reach: &Json) -> String {
    let at = |path: &str| printable(text(reach, path).unwrap_or("-"));
    format!(
        "{} entries, {} of them rejected, {} findings, from {} to {}",
        number(reach, "entries"),
        number(reach, "rejected"),
        number(reach, "findings"),
        at("first.received_at"),
        at("last.received_at"),
    )
}
