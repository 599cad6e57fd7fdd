//! Replies checked: an answer counts only if its receipt proves the very bytes that were sent.

use schemas::acknowledgement::{Fault, Sent, acknowledged, repeated};
use schemas::id::{Index, sha256};
use schemas::key::PublicKey;
use schemas::leaf::{Leaf, Status};
use schemas::receipt::ReceiptError;
use schemas::reject::Reject;
use schemas::reply::{Fate, Outcome, Reply};
use schemas::submission;

/// How an item ended, its receipt verified.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Verdict {
    /// In the log at this place.
    Committed(Index),
    /// Was there already.
    Duplicate(Index),
    /// Refused. Nothing but the ledger's word and its leaf stand behind this.
    Rejected(Index, Reject),
}

/// Why a reply proves nothing.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ReplyError {
    /// It answers another message.
    #[error("the reply answers another submission")]
    OtherMessage,
    /// What was sent is no submission, so nothing can be compared.
    #[error("the spooled bytes are no submission: {0}")]
    NotASubmission(Reject),
    /// Neither one outcome for each item nor one refusal for all.
    #[error("the reply has {found} outcomes for {items} items")]
    Outcomes {
        /// In the reply.
        found: usize,
        /// Sent.
        items: usize,
    },
    /// The leaf is not one.
    #[error("item {position}: the leaf cannot be read")]
    Leaf {
        /// Position in the submission, from 0.
        position: usize,
    },
    /// The leaf is another entry's.
    #[error("item {position}: the leaf's {field} is another entry's")]
    OtherEntry {
        /// Position in the submission, from 0.
        position: usize,
        /// What differs.
        field: &'static str,
    },
    /// The receipt does not prove the leaf under the ledger's key.
    #[error("item {position}: {fault}")]
    Receipt {
        /// Position in the submission, from 0.
        position: usize,
        /// Why.
        fault: ReceiptError,
    },
}

/// The verified end of each item of `message`, in order. A refusal of the whole is given for each item.
///
/// # Errors
/// [`ReplyError`] at the first item whose receipt does not prove it; then the fate of all is open.
pub(crate) fn verify_reply(
    reply: &Reply,
    message: &[u8],
    ledger: &PublicKey,
) -> Result<Vec<Verdict>, ReplyError> {
    if reply.message.0 != sha256(message) {
        return Err(ReplyError::OtherMessage);
    }
    let opened = match (submission::open(message), reply.outcomes.as_slice()) {
        (Ok(opened), _) => opened,
        // Whatever this is, the ledger has refused it with good reason.
        (Err(_), [outcome @ Outcome { fate: Fate::Rejected(_), .. }]) => {
            return Ok(vec![refused(outcome)?]);
        }
        (Err(reject), _) => return Err(ReplyError::NotASubmission(reject)),
    };
    let items = opened.items();
    if let [outcome @ Outcome { fate: Fate::Rejected(_), .. }] = reply.outcomes.as_slice() {
        return Ok(vec![refused(outcome)?; items.len()]);
    }
    if reply.outcomes.len() != items.len() {
        return Err(ReplyError::Outcomes { found: reply.outcomes.len(), items: items.len() });
    }
    let sent = Sent::items(&opened);
    let pairs = reply.outcomes.iter().zip(&sent).enumerate();
    pairs
        .map(|(position, (outcome, sent))| verify_outcome(outcome, position, sent, ledger))
        .collect()
}

fn refused(outcome: &Outcome) -> Result<Verdict, ReplyError> {
    if let (Fate::Rejected(reject), []) = (&outcome.fate, outcome.leaf.as_slice()) {
        // One of a flood: counted, without a leaf of its own.
        return Ok(Verdict::Rejected(outcome.index, reject.clone()));
    }
    let leaf = Leaf::decode(&outcome.leaf).ok_or(ReplyError::Leaf { position: 0 })?;
    let differs = |field| Err(ReplyError::OtherEntry { position: 0, field });
    match &outcome.fate {
        Fate::Rejected(reject) if leaf.status == Status::Rejected(reject.reason) => {
            Ok(Verdict::Rejected(outcome.index, reject.clone()))
        }
        _ => differs("status"),
    }
}

/// The verified end of one item.
fn verify_outcome(
    outcome: &Outcome,
    position: usize,
    sent: &Sent,
    ledger: &PublicKey,
) -> Result<Verdict, ReplyError> {
    let (receipt, duplicate) = match &outcome.fate {
        Fate::Committed(receipt) => (receipt, false),
        Fate::Duplicate(receipt) => (receipt, true),
        Fate::Rejected(_) => return refused(outcome),
    };
    let check = if duplicate { repeated } else { acknowledged };
    let found = check(receipt, &outcome.leaf, sent, ledger).map_err(|fault| match fault {
        Fault::Receipt(fault) => ReplyError::Receipt { position, fault },
        Fault::Leaf => ReplyError::Leaf { position },
        Fault::OtherEntry { field } => ReplyError::OtherEntry { position, field },
    })?;
    if found.index != outcome.index {
        return Err(ReplyError::OtherEntry { position, field: "index" });
    }
    Ok(if duplicate { Verdict::Duplicate(found.index) } else { Verdict::Committed(found.index) })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

    use ed25519_dalek::SigningKey;
    use schemas::body::Body;
    use schemas::id::{
        BodyDigest, ChainHash, Digest, Micros, SignerId, Tenant, TreeHash, TreeSize,
    };
    use schemas::leaf::Counts;
    use schemas::receipt::{ReceiptAlg, ReceiptSigner};
    use schemas::reject::Reason;
    use schemas::tree;
    use serde_json::json;

    use super::*;
    use crate::keyfile::KeyFile;
    use crate::sign::EventSigner;

    struct Log {
        key: SigningKey,
        leaves: Vec<Vec<u8>>,
    }

    impl Log {
        fn new() -> Self {
            Self { key: SigningKey::from_bytes(&[9; 32]), leaves: vec![vec![0x80]] }
        }

        fn public(&self) -> PublicKey {
            PublicKey::of(&self.key)
        }

        /// Takes one item of `message` in and answers as the ledger would.
        fn commit(&mut self, message: &[u8], position: usize) -> Outcome {
            let opened = submission::open(message).unwrap();
            let leaf = Leaf {
                index: Index(u64::try_from(self.leaves.len()).unwrap()),
                previous: ChainHash::ZERO,
                received_at: Micros(1),
                status: Status::Accepted,
                statement: opened.statement().digest(),
                body: Body::digest(opened.items()[position].body),
                position: u64::try_from(position).unwrap(),
                id: None,
                counts: Counts::default(),
                source: None,
            };
            self.leaves.push(leaf.encode());
            self.outcome(leaf.index)
        }

        fn outcome(&self, index: Index) -> Outcome {
            let hashes: Vec<_> = self.leaves.iter().map(|leaf| tree::leaf_hash(leaf)).collect();
            let size = TreeSize(u64::try_from(hashes.len()).unwrap());
            let path =
                tree::inclusion_path(index, size, |level, n| -> Result<_, tree::TreeError> {
                    Ok(node(&hashes, u32::from(level), usize::try_from(n).unwrap()))
                });
            let root = root_of(&hashes);
            let signer = ReceiptSigner {
                alg: ReceiptAlg::default(),
                kid: self.public().kid(),
                iss: "host/acme".into(),
                sub: "host/acme".into(),
            };
            let receipt = signer.sign_root(size, &root, &self.key).receipt(index, &path.unwrap());
            let leaf = self.leaves[usize::try_from(index.0).unwrap()].clone();
            Outcome { fate: Fate::Committed(receipt.unwrap()), index, leaf, id: None }
        }
    }

    fn root_of(hashes: &[TreeHash]) -> TreeHash {
        let mut frontier = tree::Frontier::default();
        hashes.iter().for_each(|hash| frontier.push(*hash).unwrap());
        frontier.root()
    }

    fn node(hashes: &[TreeHash], level: u32, n: usize) -> TreeHash {
        root_of(&hashes[n << level..(n + 1) << level])
    }

    fn message(count: usize) -> Vec<u8> {
        let key = KeyFile::generate(SignerId::parse("a").unwrap());
        let mut signer = EventSigner::new(key, Tenant::parse("acme").unwrap());
        let end = json!({
            "kind": "session.end", "agent": { "id": "a" }, "outcome": { "status": "confirmed" },
        });
        let items: Vec<_> =
            (0..count).map(|_| signer.item(end.clone(), Micros(0)).unwrap()).collect();
        signer.submission(&items)
    }

    fn reply(message: &[u8], outcomes: Vec<Outcome>) -> Reply {
        Reply { message: Digest(sha256(message)), outcomes }
    }

    #[test]
    fn a_receipt_of_these_bytes_is_believed() {
        let mut log = Log::new();
        let sent = message(3);
        let outcomes: Vec<_> = (0..3).map(|position| log.commit(&sent, position)).collect();
        let verdicts = verify_reply(&reply(&sent, outcomes.clone()), &sent, &log.public());
        let expected = [1, 2, 3].map(|index| Verdict::Committed(Index(index)));
        assert_eq!(verdicts.unwrap(), expected);
        let again = outcomes.into_iter().map(|outcome| match outcome.fate {
            Fate::Committed(receipt) => Outcome { fate: Fate::Duplicate(receipt), ..outcome },
            _ => panic!("not committed"),
        });
        let verdicts = verify_reply(&reply(&sent, again.collect()), &sent, &log.public());
        assert_eq!(verdicts.unwrap(), [1, 2, 3].map(|index| Verdict::Duplicate(Index(index))));
    }

    #[test]
    fn what_proves_something_else_is_not() {
        let mut log = Log::new();
        let (sent, other) = (message(2), message(2));
        let good: Vec<_> = (0..2).map(|position| log.commit(&sent, position)).collect();
        let foreign = log.commit(&other, 0);
        let check = |outcomes: Vec<Outcome>, ledger: &PublicKey| {
            verify_reply(&reply(&sent, outcomes), &sent, ledger).unwrap_err()
        };
        let stranger = PublicKey::of(&SigningKey::from_bytes(&[8; 32]));
        assert!(matches!(check(good.clone(), &stranger), ReplyError::Receipt { position: 0, .. }));
        let field = |outcomes| match check(outcomes, &log.public()) {
            ReplyError::OtherEntry { field, .. } => field,
            other => panic!("{other}"),
        };
        let [first, second] = [good[0].clone(), good[1].clone()];
        assert_eq!(field(vec![foreign, second.clone()]), "body");
        assert_eq!(field(vec![second.clone(), first.clone()]), "body");
        assert_eq!(
            field(vec![Outcome { index: Index(9), ..first.clone() }, second.clone()]),
            "index"
        );
        let short = check(vec![first.clone()], &log.public());
        assert_eq!(short, ReplyError::Outcomes { found: 1, items: 2 });
        let mut torn = first.clone();
        torn.leaf[3] ^= 1;
        assert!(matches!(check(vec![torn, second], &log.public()), ReplyError::Receipt { .. }));
        let elsewhere = verify_reply(&reply(&other, good), &sent, &log.public());
        assert_eq!(elsewhere.unwrap_err(), ReplyError::OtherMessage);
    }

    #[test]
    fn a_refusal_of_the_whole_is_one_of_each_item() {
        let reject = Reject::new(Reason::BadSignature, "statement.signature", "a signature");
        let sent = message(2);
        let leaf = |status| Leaf {
            index: Index(5),
            previous: ChainHash::ZERO,
            received_at: Micros(1),
            status,
            statement: Digest(sha256(&sent)),
            body: BodyDigest::ZERO,
            position: 0,
            id: None,
            counts: Counts::default(),
            source: None,
        };
        let outcome = |status| Outcome {
            fate: Fate::Rejected(reject.clone()),
            index: Index(5),
            leaf: leaf(status).encode(),
            id: None,
        };
        let key = Log::new().public();
        let refused = outcome(Status::Rejected(Reason::BadSignature));
        let verdicts = verify_reply(&reply(&sent, vec![refused]), &sent, &key).unwrap();
        assert_eq!(verdicts, vec![Verdict::Rejected(Index(5), reject.clone()); 2]);
        let lying = reply(&sent, vec![outcome(Status::Accepted)]);
        assert!(verify_reply(&lying, &sent, &key).is_err());
    }
}
