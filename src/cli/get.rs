//! `get`: one entry with its fields, and its proof checked here.

use schemas::id::{EventId, Index};
use serde_json::Value as Json;

use crate::cli::context::Context;
use crate::cli::failure::Failure;
use crate::cli::line::line;
use crate::cli::listing;
use crate::cli::out::{Format, Tone, note};
use crate::cli::parse;
use crate::cli::proved::{Proved, Prover};
use crate::client::{Client, ClientError};
use crate::exit::Exit;

/// Arguments of `get`.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// Index, as 900 or #900, or event id
    #[arg(value_name = "N|ID", value_parser = place)]
    place: Place,
    /// The body's bytes as they were signed
    #[arg(long, conflicts_with = "cose")]
    raw: bool,
    /// The statement's bytes: COSE_Sign1
    #[arg(long)]
    cose: bool,
    /// Ledger key to check the receipt with: verifier key, fingerprint or file [env: SWORN_TRUST]
    #[arg(long, value_name = "TRUST")]
    trust: Option<String>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Place {
    Index(Index),
    Id(EventId),
}

fn place(text: &str) -> Result<Place, &'static str> {
    let index = parse::index(text).ok();
    let place = index.map(Place::Index).or_else(|| EventId::parse(text).map(Place::Id));
    place.ok_or("expected an index, as 900 or #900, or an event id")
}

/// Shows the entry; several if several signers used the id.
///
/// # Errors
/// [`Failure`] of the server, or [`Failure::Otherwise`] when something else is shown than what is proved.
pub(crate) fn run(args: &Args, context: &Context) -> Result<Exit, Failure> {
    let client = context.client()?;
    let mut exit = Exit::Ok;
    for index in indexes(&client, args.place)? {
        let path = format!("/api/v1/entries/{}", index.0);
        if args.raw || args.cose {
            let (part, media) = if args.raw {
                ("body", "application/cbor")
            } else {
                ("statement", "application/cose")
            };
            context.out().bytes(&client.bytes(&format!("{path}/{part}"), &[], media)?)?;
        } else {
            exit = exit.worst(show(context, &client, index, &path, args)?);
        }
    }
    Ok(exit)
}

fn indexes(client: &Client, place: Place) -> Result<Vec<Index>, Failure> {
    let id = match place {
        Place::Index(index) => return Ok(vec![index]),
        Place::Id(id) => id,
    };
    let path = format!("/api/v1/entries/by-id/{id}");
    let found = client.json(&path, &[])?;
    let items = found.get("items").and_then(Json::as_array);
    let indexes = items.map(|items| {
        items.iter().filter_map(|item| item.get("index")?.as_u64().map(Index)).collect()
    });
    Ok(indexes.ok_or(ClientError::Answer { path, expected: "a list of entries" })?)
}

fn show(
    context: &Context,
    client: &Client,
    index: Index,
    path: &str,
    args: &Args,
) -> Result<Exit, Failure> {
    let entry = client.json(path, &[])?;
    if let Place::Id(id) = args.place
        && entry.get("id") != Some(&Json::from(id.to_string()))
    {
        return Err(Failure::Otherwise { index, member: "id" });
    }
    // First the proof: what is shown otherwise than it is proved is not shown at all.
    let proved = Prover::new(context, client, index, args.trust.as_ref())?.prove(&entry)?;
    let (tone, mark, text, exit) = match proved {
        Proved::Holds(text) => (Tone::Good, "✓ verified", text, Exit::Ok),
        Proved::Fails(exit, text) => (Tone::Bad, "✗ NOT VERIFIED", text, exit),
        Proved::Refused(text) => (Tone::Plain, "- no receipt", text, Exit::Ok),
        Proved::NotYet(text) => {
            (Tone::Notable, "! not verified", text.to_owned(), Exit::Undecidable)
        }
    };
    let out = context.out();
    if out.format() != Format::Table {
        out.json(&entry)?;
        if exit != Exit::Ok {
            note(&format!("{mark}  {text}"));
        }
        return Ok(exit);
    }
    out.line(&line(&entry, out))?;
    out.line("")?;
    listing::show(context, &entry)?;
    out.line("")?;
    out.line(&format!("{}  {text}", out.paint(tone, mark)))?;
    if let Some((tone, text)) = witnessed(client, index)? {
        out.line(&out.paint(tone, &text))?;
    }
    Ok(exit)
}

/// Whether a checkpoint over the entry met the server's witness policy, by the server's own word, since the policy is
/// its own; `None` where it has none.
fn witnessed(client: &Client, index: Index) -> Result<Option<(Tone, String)>, Failure> {
    let witnesses = client.json("/api/v1/witnesses", &[])?;
    let none = witnesses.get("items").and_then(Json::as_array).is_none_or(Vec::is_empty);
    let size = witnesses.get("witnessed").and_then(Json::as_u64).filter(|_| !none);
    Ok(size.map(|size| match size.checked_sub(1).filter(|last| index.0 <= *last) {
        Some(last) => (
            Tone::Plain,
            format!("- witnessed, says the ledger, by enough of its witnesses, up to #{last}"),
        ),
        None => (Tone::Notable, "! not witnessed yet, says the ledger".to_owned()),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_index_or_an_id_is_a_place() {
        assert_eq!(place("900"), Ok(Place::Index(Index(900))));
        assert_eq!(place("#900"), Ok(Place::Index(Index(900))));
        let id = EventId::new(1_775_606_400_000, &[7; 10]);
        assert_eq!(place(&id.to_string()), Ok(Place::Id(id)));
        for text in ["", "#", "-1", "9e3", "019d6a2e"] {
            assert!(place(text).is_err(), "{text}");
        }
    }
}
