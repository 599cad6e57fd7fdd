//! `prove --complete`: that every entry of a workflow, session or agent is shown, up to a checkpoint.
//!
//! Inside, the ordinals in the leaves leave no gap; at the end, the ledger's signed claim says that nothing
//! follows. Neither needs the server to be believed: whoever signs a false claim has signed his own proof.

use schemas::body::Body;
use schemas::checkpoint::{Checkpoint, NoteKey};
use schemas::claim::Claim;
use schemas::id::Index;
use schemas::leaf::{Leaf, Status};
use schemas::proof::LogProof;
use schemas::terms::Key;
use serde_json::{Value as Json, json};

use crate::cli::context::Context;
use crate::cli::failure::Failure;
use crate::cli::out::{Format, Tone};
use crate::cli::progress::Meter;
use crate::cli::trust::public;
use crate::client::{Client, ClientError};
use crate::exit::Exit;

/// What is to be complete.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Whole {
    key: Key,
    value: String,
}

impl Whole {
    /// The ordinal that the leaf gives the entry.
    fn ordinal(&self, leaf: &Leaf) -> u64 {
        match self.key {
            Key::Agent => leaf.counts.agent,
            Key::Session => leaf.counts.session,
            _ => leaf.counts.correlation,
        }
    }

    /// Whether the entry is counted: what is only about an agent, as the enrolment of its key, is found under
    /// it and not counted as its own.
    fn counts(&self, leaf: &Leaf) -> bool {
        leaf.status == Status::Accepted && self.ordinal(leaf) > 0
    }

    /// Checks that the body which the leaf commits to names this workflow, session or agent: a leaf alone
    /// could be another one's, with the same ordinal.
    fn is_named_by(&self, client: &Client, leaf: &Leaf) -> Result<(), Failure> {
        let index = leaf.index;
        let path = format!("/api/v1/entries/{}/body", index.0);
        let bytes = client.bytes(&path, &[], "application/cbor")?;
        if Body::digest(&bytes) != leaf.body {
            let what = format!("the body shown for entry {index} is not the one in its leaf");
            return Err(verdict(Exit::HashMismatch, what));
        }
        let body = Body::parse(&bytes).ok();
        let named = body.as_ref().and_then(|body| match self.key {
            Key::Agent => body.agent().map(str::to_owned),
            Key::Session => body.session().map(|session| session.to_string()),
            _ => body.correlation().map(str::to_owned),
        });
        if named.as_deref() == Some(self.value.as_str()) {
            return Ok(());
        }
        let what = format!("entry {index} is shown, but is not of {}", self.value);
        Err(verdict(Exit::Gap, what))
    }
}

/// Reads `corr:X`, `session:X` or `agent:X`: only these have ordinals in leaves.
pub(crate) fn whole(text: &str) -> Result<Whole, &'static str> {
    let expected = "expected corr:ID, session:ID or agent:ID";
    let (key, value) = text.split_once(':').ok_or(expected)?;
    let key = Key::parse(key)
        .filter(|key| matches!(key, Key::Corr | Key::Session | Key::Agent))
        .ok_or(expected)?;
    // The query language has no way to write a quote inside quotes.
    if value.is_empty() || value.contains('"') {
        Err(expected)
    } else {
        Ok(Whole { key, value: value.to_owned() })
    }
}

/// Fetches every entry of it with its proof, and the ledger's claim, and judges.
///
/// # Errors
/// [`Failure::Verdict`]: 12 for a gap, 11 for what does not verify; failures of the server.
pub(crate) fn run(
    whole: &Whole,
    trust: Option<&String>,
    context: &Context,
) -> Result<Exit, Failure> {
    let client = context.client()?;
    let key = context.trust(trust)?;
    let claim = claim(&client, whole, &key)?;
    let indexes = indexes(&client, whole, claim.size.0)?;
    let meter = Meter::new("entries");
    let mut leaves = Vec::with_capacity(indexes.len());
    for (done, index) in (1..).zip(&indexes) {
        let leaf = proved(&client, *index, &key)?;
        if whole.counts(&leaf) {
            whole.is_named_by(&client, &leaf)?;
        }
        leaves.push(leaf);
        meter.show(done, claim.count);
    }
    meter.finish();
    judge(whole, &claim, &leaves)?;
    show(whole, &claim, context)
}

fn verdict(exit: Exit, what: String) -> Failure {
    Failure::Verdict { exit, what, details: Vec::new() }
}

/// The claim, over a checkpoint that the ledger published.
fn claim(client: &Client, whole: &Whole, key: &NoteKey) -> Result<Claim, Failure> {
    let term = format!("{}:{}", whole.key.as_str(), whole.value);
    let bytes = client.bytes("/api/v1/claims", &[("term", &term)], "application/cose")?;
    let weak = || verdict(Exit::BadSignature, "the ledger's key is weak".to_owned());
    let claim = Claim::verify(&bytes, &public(key).ok_or_else(weak)?)
        .map_err(|fault| verdict(Exit::BadSignature, format!("the claim: {fault}")))?;
    let asked = [(whole.key, whole.value.clone())];
    if claim.terms != asked || claim.origin != key.name {
        return Err(verdict(Exit::BadSignature, "the claim is for something else".to_owned()));
    }
    let path = format!("/api/v1/checkpoints/{}", claim.size.0);
    let answer = client.json(&path, &[])?;
    let note = answer.get("note").and_then(Json::as_str).unwrap_or_default();
    let checkpoint = schemas::checkpoint::Note::parse(note)
        .and_then(|note| note.verify_checkpoint(key))
        .map_err(|fault| verdict(Exit::BadSignature, format!("its checkpoint: {fault}")))?;
    if (checkpoint.size, checkpoint.root) != (claim.size, claim.root) {
        let what = "the claim and the checkpoint of its size name different trees".to_owned();
        return Err(verdict(Exit::Conflict, what));
    }
    Ok(claim)
}

/// The entries that the server shows, below `size`.
fn indexes(client: &Client, whole: &Whole, size: u64) -> Result<Vec<Index>, Failure> {
    let path = "/api/v1/entries";
    let query = format!("{}:\"{}\" since:0 until:{size}", whole.key.as_str(), whole.value);
    let (mut found, mut cursor) = (Vec::new(), None::<String>);
    loop {
        let mut pairs = vec![("q", query.as_str()), ("limit", "1000"), ("order", "oldest")];
        pairs.extend(cursor.as_deref().map(|cursor| ("cursor", cursor)));
        let page = client.json(path, &pairs)?;
        let items = page.get("items").and_then(Json::as_array);
        let expected = "a page of entries";
        let items = items.ok_or(ClientError::Answer { path: path.to_owned(), expected })?;
        found.extend(items.iter().filter_map(|item| item.get("index")?.as_u64().map(Index)));
        cursor = page.get("next_cursor").and_then(Json::as_str).map(str::to_owned);
        if cursor.is_none() {
            found.sort_unstable();
            found.dedup();
            return Ok(found);
        }
    }
}

/// The leaf of an entry, proved to be in the log.
fn proved(client: &Client, index: Index, key: &NoteKey) -> Result<Leaf, Failure> {
    let path = format!("/api/v1/entries/{}", index.0);
    let bytes = client.bytes(&format!("{path}/leaf"), &[], "application/cbor")?;
    let text = client.bytes(&format!("{path}/proof"), &[], "text/plain")?;
    let proof = LogProof::parse(&String::from_utf8_lossy(&text));
    let checked: Result<Checkpoint, _> = proof.and_then(|proof| proof.verify(&bytes, key));
    checked.map_err(|fault| verdict(Exit::BadSignature, format!("entry {index}: {fault}")))?;
    let leaf = Leaf::decode(&bytes).filter(|leaf| leaf.index == index);
    leaf.ok_or_else(|| verdict(Exit::HashMismatch, format!("the leaf is not entry {index}'s")))
}

/// No gap inside, by the ordinals; nothing after, by the claim.
fn judge(whole: &Whole, claim: &Claim, leaves: &[Leaf]) -> Result<(), Failure> {
    let counted = leaves.iter().filter(|leaf| whole.counts(leaf));
    for (expected, leaf) in (1..).zip(counted) {
        let found = whole.ordinal(leaf);
        if found != expected {
            let what = format!("entry {} is number {found}, and {expected} is missing", leaf.index);
            return Err(verdict(Exit::Gap, what));
        }
    }
    let (shown, last) = (leaves.len(), leaves.last().map(|leaf| leaf.index));
    if u64::try_from(shown) != Ok(claim.count) || last != claim.last {
        let what = format!("{shown} entries are shown, the ledger's claim counts {}", claim.count);
        return Err(verdict(Exit::Gap, what));
    }
    Ok(())
}

fn show(whole: &Whole, claim: &Claim, context: &Context) -> Result<Exit, Failure> {
    let out = context.out();
    let Claim { count, size, origin, .. } = claim;
    if out.format() != Format::Table {
        out.json(&json!({
            "key": whole.key.as_str(), "value": whole.value, "verdict": "complete",
            "count": count, "last": claim.last.map(|index| index.0), "size": size.0,
            "origin": origin,
        }))?;
        return Ok(Exit::Ok);
    }
    let text = format!(
        "{count} entries of {}:{}, no gap inside, none after, up to entry {} of {origin}",
        whole.key.as_str(),
        schemas::printable::printable(&whole.value),
        size.0
    );
    out.line(&format!("{}  {text}", out.paint(Tone::Good, "✓ complete")))?;
    Ok(Exit::Ok)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use schemas::id::{BodyDigest, ChainHash, Digest, Micros, TreeHash, TreeSize};
    use schemas::leaf::Counts;

    use super::*;

    fn leaf(index: u64, ordinal: u64) -> Leaf {
        Leaf {
            index: Index(index),
            previous: ChainHash::ZERO,
            received_at: Micros(1),
            status: Status::Accepted,
            statement: Digest::ZERO,
            body: BodyDigest::ZERO,
            position: 0,
            id: None,
            counts: Counts { correlation: ordinal, ..Counts::default() },
            source: None,
        }
    }

    fn exit(count: u64, last: u64, leaves: &[(u64, u64)]) -> u8 {
        let claim = Claim {
            origin: "o".into(),
            size: TreeSize(100),
            root: TreeHash::ZERO,
            terms: Vec::new(),
            count,
            last: Some(Index(last)),
            time: Micros(1),
        };
        let leaves: Vec<_> = leaves.iter().map(|(index, ordinal)| leaf(*index, *ordinal)).collect();
        let judged = judge(&whole("corr:w").unwrap(), &claim, &leaves);
        judged.map_or_else(|failure| failure.exit().code(), |()| 0)
    }

    #[test]
    fn an_entry_left_out_is_missed_wherever_it_was() {
        assert_eq!(exit(3, 9, &[(4, 1), (7, 2), (9, 3)]), 0);
        assert_eq!(exit(3, 9, &[(7, 2), (9, 3)]), 12, "the first");
        assert_eq!(exit(3, 9, &[(4, 1), (9, 3)]), 12, "inside");
        assert_eq!(exit(3, 9, &[(4, 1), (7, 2)]), 12, "at the end");
        assert_eq!(exit(3, 9, &[]), 12, "all");
        assert_eq!(exit(2, 9, &[(4, 1), (7, 2)]), 12, "another last one");
    }

    #[test]
    fn only_what_has_ordinals_can_be_whole() {
        assert!(whole("corr:a:b").is_ok_and(|whole| whole.value == "a:b"));
        for text in ["", "corr", "corr:", "user:u", "nothing:x"] {
            assert!(whole(text).is_err(), "{text}");
        }
    }
}
