//! `gaps`: numbers that signers gave their events, where the ledger does not hold all of them in order.

use serde_json::Value as Json;

use crate::cli::context::Context;
use crate::cli::failure::Failure;
use crate::cli::incomplete::worst;
use crate::cli::member::text;
use crate::cli::out::{Format, note};
use crate::cli::pages::Pages;
use crate::cli::query_text;
use crate::cli::tally::unread;
use crate::exit::Exit;
use crate::table::Table;

/// Arguments of `gaps`.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// Signers and sessions of the entries that fit, as in: agent:db-*
    #[arg(value_name = "QUERY")]
    query: Vec<String>,
    /// From there on: 15m, 2026-04-08, #900
    #[arg(long, value_name = "WHEN")]
    since: Option<String>,
    /// Up to there, exclusive
    #[arg(long, value_name = "WHEN")]
    until: Option<String>,
}

/// Lists them; each session is looked through as a whole.
///
/// # Errors
/// [`Failure`] of the server and the output.
pub(crate) fn run(args: &Args, context: &Context) -> Result<Exit, Failure> {
    let mut params = vec![("q", query_text(&args.query))];
    params.extend(args.since.clone().map(|since| ("since", since)));
    params.extend(args.until.clone().map(|until| ("until", until)));
    let (client, out) = (context.client()?, context.out());
    let mut pages = Pages::new(&client, "/api/v1/gaps", params);
    let (mut gaps, mut damaged) = (Vec::<Json>::new(), 0);
    while let Some(mut page) = pages.next(None)? {
        damaged += number(&page, "damaged").unwrap_or_default();
        for gap in pages.items(&mut page)? {
            // A session's entries may be on several pages.
            if !gaps.contains(&gap) {
                gaps.push(gap);
            }
        }
    }
    if out.format() == Format::Table {
        let mut table = Table::new(["STATE", "SIGNER", "SESSION", "NUMBERS", "SEEN AT"]);
        for gap in &gaps {
            let word = |name| text(gap, name).unwrap_or_default();
            let cells = [word("state"), word("signer"), word("session"), &range(gap), &place(gap)];
            table.row(cells);
        }
        table.lines().try_for_each(|line| out.line(&line))?;
    } else {
        out.jsons(&gaps)?;
    }
    let unread = unread(damaged);
    Ok(worst([ended(&gaps), unread]))
}

fn number(gap: &Json, name: &str) -> Option<u64> {
    gap.get(name).and_then(Json::as_u64)
}

fn range(gap: &Json) -> String {
    match (number(gap, "from"), number(gap, "to")) {
        (Some(from), Some(to)) if from == to => from.to_string(),
        (Some(from), Some(to)) => format!("{from} to {to}"),
        (Some(from), None) => format!("from {from} on"),
        (None, _) => String::new(),
    }
}

/// The entry that filled it, declared it, or showed it.
fn place(gap: &Json) -> String {
    let names = ["filled_by", "declared_by", "shown_by", "scanned_to"];
    let found = names.iter().find_map(|name| number(gap, name));
    found.map(|index| format!("#{index}")).unwrap_or_default()
}

/// What is missing, and nobody said so, is a gap; a session that was too long to look through decides nothing.
fn ended(gaps: &[Json]) -> Exit {
    let of = |state: &str| gaps.iter().filter(|gap| text(gap, "state") == Some(state)).count();
    let (open, filled, declared) = (of("open"), of("filled"), of("declared"));
    note(&format!("{open} open, {filled} filled, {declared} declared"));
    if open > 0 {
        return Exit::Gap;
    }
    match of("unchecked") {
        0 => Exit::Ok,
        sessions => {
            note(&format!("{sessions} sessions are too long to look through"));
            Exit::Undecidable
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_open_gap_is_no_success() {
        let gap = |state: &str| json!({ "state": state, "from": 3, "to": 4, "shown_by": 9 });
        assert_eq!((range(&gap("open")), place(&gap("open"))), ("3 to 4".into(), "#9".into()));
        assert_eq!(ended(&[gap("filled"), gap("declared")]), Exit::Ok);
        assert_eq!(ended(&[gap("unchecked"), gap("declared")]), Exit::Undecidable);
        assert_eq!(ended(&[gap("unchecked"), gap("open")]), Exit::Gap);
    }
}
