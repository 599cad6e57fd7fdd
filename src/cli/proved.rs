//! What a server shows of one entry, held against the bytes that the ledger's key proves.

use schemas::body::Body;
use schemas::checkpoint::NoteKey;
use schemas::id::Index;
use schemas::json::{Content, entry};
use schemas::leaf::{Leaf, Status, chain_hash};
use schemas::outline::Outline;
use schemas::receipt;
use serde_json::Value as Json;

use crate::cli::context::Context;
use crate::cli::failure::Failure;
use crate::cli::prove::logged;
use crate::client::{Client, ClientError};
use crate::exit::Exit;

/// Members of an entry's JSON form that its leaf decides.
const OF_LEAF: [&str; 10] = [
    "index",
    "received_at",
    "status",
    "id",
    "previous",
    "chain",
    "statement",
    "body_digest",
    "position",
    "counts",
];
/// Those that an accepted entry has or lacks, whatever became of its body.
const OF_ACCEPTED: [&str; 4] = ["redacted", "damaged", "cause", "claimed"];

/// What came of checking an entry.
pub(crate) enum Proved {
    /// All that is shown is what was proved.
    Holds(String),
    /// Something does not hold.
    Fails(Exit, String),
    /// A rejection, of which the leaf alone was proved.
    Refused(String),
    /// There is no proof of it yet.
    NotYet(&'static str),
}

/// An entry of which the server is asked for the proof.
pub(crate) struct Prover<'c> {
    context: &'c Context,
    client: &'c Client,
    index: Index,
    key: NoteKey,
}

impl<'c> Prover<'c> {
    /// Of this entry, under the key to trust.
    ///
    /// # Errors
    /// As for [`Context::trust`].
    pub(crate) fn new(
        context: &'c Context,
        client: &'c Client,
        index: Index,
        trust: Option<&String>,
    ) -> Result<Self, Failure> {
        Ok(Self { context, client, index, key: context.trust(trust)? })
    }

    /// Checks here that what is shown is what was proved, so that the server need not be believed.
    ///
    /// # Errors
    /// [`Failure::Otherwise`] when it is shown otherwise; failures of the server.
    pub(crate) fn prove(&self, shown: &Json) -> Result<Proved, Failure> {
        if let Some(fails) = admitted(shown) {
            return Ok(fails);
        }
        let bytes = self.part("leaf", "application/cbor")?;
        match Leaf::decode(&bytes).filter(|leaf| leaf.index == self.index) {
            None => Ok(Proved::Fails(Exit::HashMismatch, "the leaf is another entry's".to_owned())),
            Some(leaf) if leaf.status == Status::Accepted => self.accepted(shown, &leaf, &bytes),
            Some(leaf) => self.refused(shown, &leaf, &bytes),
        }
    }

    fn accepted(&self, shown: &Json, leaf: &Leaf, bytes: &[u8]) -> Result<Proved, Failure> {
        let sent = known(self.part("receipt", "application/scitt-receipt+cose"), 404)?;
        let proved = sent.map(|sent| receipt::verify(&sent, bytes, &self.key.public));
        let proved = match proved.transpose() {
            Ok(proved) => proved,
            Err(fault) => {
                return Ok(Proved::Fails(Exit::BadSignature, format!("receipt: {fault}")));
            }
        };
        let body = known(self.part("body", "application/cbor"), 410)?;
        let content = match &body {
            Some(body) if Body::digest(body) != leaf.body => {
                let text = "the body does not have the digest that the leaf commits to".to_owned();
                return Ok(Proved::Fails(Exit::HashMismatch, text));
            }
            Some(body) => match Outline::admitted(body) {
                Some(body) => Content::Signed(body),
                None => {
                    let text = "this version of sworn cannot read the body".to_owned();
                    return Ok(Proved::Fails(Exit::Undecidable, text));
                }
            },
            None => Content::Redacted(None),
        };
        let stated = entry(leaf, &chain_hash(bytes), &content);
        self.compare(shown, &stated, &OF_LEAF)?;
        self.compare(shown, &stated, &OF_ACCEPTED)?;
        if body.is_some() {
            self.compare(shown, &stated, &["body"])?;
        }
        Ok(match (proved, body.is_some()) {
            (Some(proved), true) => Proved::Holds(format!(
                "the receipt proves it among {} entries of {}, signed by key {}",
                proved.size, self.key.name, proved.kid
            )),
            (Some(proved), false) => Proved::Holds(format!(
                "redacted; the receipt proves its digest among {} entries of {}, what is left of it says \
                 the ledger",
                proved.size, self.key.name
            )),
            (None, _) if self.index == Index(0) => {
                Proved::NotYet("the first entry gets its receipt with the second")
            }
            (None, _) => Proved::NotYet("the server has no receipt for it"),
        })
    }

    /// A rejection has no receipt, but a place in the log as every entry has; what stands beside its leaf is evidence
    /// that nobody receipted.
    fn refused(&self, shown: &Json, leaf: &Leaf, bytes: &[u8]) -> Result<Proved, Failure> {
        let stated = entry(leaf, &chain_hash(bytes), &Content::<Outline<'_>>::Redacted(None));
        self.compare(shown, &stated, &OF_LEAF)?;
        let Some(text) = known(self.part("proof", "text/plain"), 404)? else {
            return Ok(Proved::NotYet("no published checkpoint covers this rejection yet"));
        };
        let text = String::from_utf8_lossy(&text);
        let key_at = |size| self.context.key_at(size, &self.key);
        let (_, checkpoint) = logged(&text, self.index, bytes, key_at)?;
        Ok(Proved::Refused(format!(
            "a rejection has none; its leaf is proved among {} entries of {}, the rest says the ledger",
            checkpoint.size, checkpoint.origin
        )))
    }

    fn part(&self, name: &str, media: &str) -> Result<Vec<u8>, ClientError> {
        self.client.bytes(&format!("/api/v1/entries/{}/{name}", self.index.0), &[], media)
    }

    fn compare(
        &self,
        shown: &Json,
        stated: &Json,
        members: &[&'static str],
    ) -> Result<(), Failure> {
        match members.iter().copied().find(|member| shown.get(*member) != stated.get(*member)) {
            Some(member) => Err(Failure::Otherwise { index: self.index, member }),
            None => Ok(()),
        }
    }
}

/// What there is, unless the server answers with this status that there is nothing.
fn known(part: Result<Vec<u8>, ClientError>, absent: u16) -> Result<Option<Vec<u8>>, ClientError> {
    match part {
        Err(ClientError::Problem { status, .. }) if status == absent => Ok(None),
        part => part.map(Some),
    }
}

/// What the server itself found wrong with it.
fn admitted(shown: &Json) -> Option<Proved> {
    let fails = |exit, what: &str| Some(Proved::Fails(exit, format!("{what}, says the ledger")));
    let is = |pointer: &str, value: Json| shown.pointer(pointer) == Some(&value);
    if is("/damaged", true.into()) || is("/proof/body", "damaged".into()) {
        return fails(Exit::HashMismatch, "the stored body does not have its digest");
    }
    if is("/proof/chain", false.into()) || is("/proof/inclusion", false.into()) {
        return fails(Exit::HashMismatch, "the stored leaf is not the one that was committed");
    }
    if is("/proof/signature", false.into()) {
        return fails(Exit::BadSignature, "the statement does not verify");
    }
    None
}

#[cfg(test)]
mod tests {
    #![allow(clippy::panic, reason = "tests")]

    use serde_json::json;

    use super::*;

    #[test]
    fn what_the_ledger_finds_wrong_itself_is_never_verified() {
        let sound = json!({ "proof": {
            "chain": true, "body": "verified", "signature": null, "inclusion": true,
        }});
        assert!(admitted(&sound).is_none());
        for (member, value, expected) in [
            ("chain", json!(false), Exit::HashMismatch),
            ("body", json!("damaged"), Exit::HashMismatch),
            ("signature", json!(false), Exit::BadSignature),
            ("inclusion", json!(false), Exit::HashMismatch),
        ] {
            let mut shown = sound.clone();
            shown["proof"][member] = value;
            match admitted(&shown) {
                Some(Proved::Fails(exit, _)) => assert_eq!(exit, expected, "{member}"),
                _ => panic!("{member}"),
            }
        }
    }
}
