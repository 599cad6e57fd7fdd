//! `admin redact` and `admin hold`: what is erased, and what may not be.

use schemas::limits::{REDACT_ENTRIES_MAX, REDACT_RANGES_MAX};
use schemas::query::Query;
use serde_json::{Value as Json, json};

use crate::cli::context::Context;
use crate::cli::failure::Failure;
use crate::cli::member::{cell, text};
use crate::cli::operator;
use crate::cli::out::{Format, note};
use crate::client::ClientError;
use crate::exit::Exit;

/// Arguments of `admin redact`.
#[derive(clap::Args, Debug)]
#[command(after_long_help = "\
What is erased cannot be had back. The entry's leaf, signature and proofs stay; the body leaves a residue\n\
(kind, signer, session, action name), signed by the ledger. Say no personal data in --basis and --reason.")]
pub(crate) struct Redact {
    /// Entries, as 900 or 900-912; several with commas
    #[arg(long, value_name = "RANGES", value_parser = ranges)]
    entries: Ranges,
    /// What of them: the detail alone, or the body with its detail
    #[arg(long, value_enum)]
    part: Part,
    /// Why it may be: a word, as gdpr-17
    #[arg(long, value_name = "WORD")]
    basis: String,
    /// Show what would go, and erase nothing
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    operator: operator::Args,
}

/// What is erased of an entry.
#[derive(Clone, Copy, PartialEq, Eq, Debug, clap::ValueEnum)]
enum Part {
    /// Prompts, arguments and results.
    Detail,
    /// The body, and its detail.
    Body,
}

/// Ranges of indexes, both ends included.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Ranges(Vec<(u64, u64)>);

fn ranges(text: &str) -> Result<Ranges, String> {
    let expected = || "expected indexes as 900, 900-912 or 900,905-910".to_owned();
    let mut ranges = Vec::new();
    for part in text.split(',') {
        let (from, to) = part.split_once('-').unwrap_or((part, part));
        let index = |text: &str| text.trim().trim_start_matches('#').parse::<u64>().ok();
        let (from, to) = index(from).zip(index(to)).ok_or_else(expected)?;
        if from > to || to == u64::MAX {
            return Err(expected());
        }
        ranges.push((from, to));
    }
    ranges.sort_unstable();
    let apart = ranges.windows(2).all(|pair| matches!(pair, [(_, end), (begin, _)] if end < begin));
    if !apart || ranges.len() > REDACT_RANGES_MAX {
        return Err(format!("expected at most {REDACT_RANGES_MAX} ranges that do not overlap"));
    }
    let entries: u64 = ranges.iter().map(|(from, to)| (to - from).saturating_add(1)).sum();
    if entries > REDACT_ENTRIES_MAX {
        return Err(format!("expected at most {REDACT_ENTRIES_MAX} entries at a time"));
    }
    Ok(Ranges(ranges))
}

/// Records a redaction, which the server carries out, and has the old bytes leave its files.
///
/// # Errors
/// [`Failure`] of key, broker, receipts and server.
pub(crate) fn redact(args: &Redact, context: &Context) -> Result<Exit, Failure> {
    if args.dry_run {
        return preview(args, context);
    }
    let ranges: Vec<_> = args.entries.0.iter().map(|(from, to)| json!([from, to])).collect();
    let parts = match args.part {
        Part::Detail => json!(["detail"]),
        Part::Body => json!(["body", "detail"]),
    };
    let redact = json!({ "ranges": ranges, "parts": parts, "basis": args.basis });
    let event = json!({ "kind": "redaction", "redact": redact });
    let exit = operator::submit(context, &args.operator, vec![event])?;
    if exit == Exit::Ok {
        context.client()?.post("/api/v1/admin/purge")?;
        note("erased, from the files too; older backups hold it until they are gone");
    }
    Ok(exit)
}

fn preview(args: &Redact, context: &Context) -> Result<Exit, Failure> {
    let (client, out) = (context.client()?, context.out());
    let mut entries = Vec::new();
    for (from, to) in &args.entries.0 {
        for index in *from..=*to {
            entries.push(client.json(&format!("/api/v1/entries/{index}"), &[])?);
        }
    }
    if out.format() != Format::Table {
        out.json(&Json::Array(entries))?;
        return Ok(Exit::Ok);
    }
    for entry in &entries {
        out.line(&crate::cli::line::line(entry, out))?;
    }
    note("nothing was erased");
    Ok(Exit::Ok)
}

/// Subcommands of `admin hold`.
#[derive(clap::Subcommand, Debug)]
pub(crate) enum Hold {
    /// Keep what fits a query from being erased
    Place {
        /// The query, as corr:workflow-1
        #[arg(long, value_name = "QUERY", value_parser = query)]
        query: String,
        #[command(flatten)]
        operator: operator::Args,
    },
    /// End a hold
    Lift {
        /// The entry that placed it
        #[arg(value_name = "N")]
        placed: u64,
        #[command(flatten)]
        operator: operator::Args,
    },
    /// List holds in force
    Ls {
        /// With those that were lifted
        #[arg(long)]
        all: bool,
    },
}

fn query(text: &str) -> Result<String, String> {
    let parsed = Query::parse(text).map_err(|fault| fault.to_string())?;
    let windowed = [parsed.since, parsed.until, parsed.after].iter().any(Option::is_some);
    if windowed {
        return Err("a hold has no window: leave since, until and after out".to_owned());
    }
    Ok(text.to_owned())
}

/// Runs a subcommand of `admin hold`.
///
/// # Errors
/// [`Failure`] of key, broker, receipts and server.
pub(crate) fn hold(command: &Hold, context: &Context) -> Result<Exit, Failure> {
    match command {
        Hold::Place { query, operator } => {
            let event = json!({ "kind": "hold.placed", "hold": { "query": query } });
            operator::submit(context, operator, vec![event])
        }
        Hold::Lift { placed, operator } => {
            let path = format!("/api/v1/entries/{placed}");
            let entry = context.client()?.json(&path, &[])?;
            let expected = "an entry that placed a hold";
            let is_hold = text(&entry, "body.kind") == Some("hold.placed");
            let id = text(&entry, "id").filter(|_| is_hold);
            let id = id.ok_or(ClientError::Answer { path, expected })?;
            let event = json!({ "kind": "hold.lifted", "causes": [id] });
            operator::submit(context, operator, vec![event])
        }
        Hold::Ls { all } => list(*all, context),
    }
}

fn list(all: bool, context: &Context) -> Result<Exit, Failure> {
    let pairs: &[(&str, &str)] = if all { &[("all", "true")] } else { &[] };
    let holds = context.client()?.json("/api/v1/holds", pairs)?;
    let out = context.out();
    if out.format() != Format::Table {
        out.json(&holds)?;
        return Ok(Exit::Ok);
    }
    for hold in holds.get("items").and_then(Json::as_array).into_iter().flatten() {
        let index = |name: &str| hold.get(name).and_then(Json::as_u64);
        let placed = index("placed").unwrap_or_default();
        let lifted = index("lifted").map_or_else(String::new, |at| format!("  lifted by #{at}"));
        let query = cell(hold, "query");
        out.line(&format!("#{placed}  {query}{lifted}"))?;
    }
    Ok(Exit::Ok)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn ranges_are_sorted_and_apart() {
        assert_eq!(ranges("9,3-5,#7"), Ok(Ranges(vec![(3, 5), (7, 7), (9, 9)])));
        for wrong in ["", "a", "5-3", "1-5,5", "1-99999", "1-", "-1"] {
            assert!(ranges(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_hold_has_no_window() {
        assert!(query("corr:a agent:b").is_ok());
        assert!(query("corr:a since:1d").is_err() && query("nonsense").is_err());
    }
}
