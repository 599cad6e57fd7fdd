//! What verifies: every kind, a log of 300 leaves, its proofs, checkpoint, receipts and replies.

use std::collections::BTreeMap;

use schemas::body::Body;
use schemas::deterministic::{Bounds, Item, decode};
use schemas::id::{BodyDigest, ChainHash, Digest, Index, Micros, TreeHash, hex, sha256};
use schemas::key::PublicKey;
use schemas::leaf::{Counts, Leaf, Source, Status, chain_hash};
use schemas::reject::Reason;
use schemas::residue;
use schemas::tree::leaf_hash;
use schemas::{detail::Detail, json, shape, submission};
use serde_json::{Value as Json, json};

use super::cast::{START_US, Scribe, TENANT, drawn, key, signer_id, tenant};
use super::forge::{self, EVENT, Parts};
use super::log;
use super::story::{Message, story};

/// Leaves in the log.
const SIZE: usize = 300;

/// The document.
pub(crate) fn document() -> Json {
    let mut ledger = Ledger::default();
    let mut scribe = Scribe::default();
    let submissions: Vec<_> =
        story().iter().map(|message| ledger.submission(&mut scribe, message)).collect();
    ledger.refusals();
    while ledger.leaves.len() < SIZE {
        ledger.filler();
    }
    let log = log::document(&ledger.leaves);
    let mut document = json!({
        "about": "Valid bytes of every kind, and a log that holds them. Bytes are lower-case hex. \
                  Seeds are Ed25519 secret keys of nobody. See README.md.",
        "tenant": TENANT,
        "submissions": submissions,
    });
    for (name, part) in log {
        document[name] = part;
    }
    document["residue"] = left_of_an_intent(&document);
    document
}

/// What the ledger leaves of the first intent, if its body is erased.
fn left_of_an_intent(document: &Json) -> Json {
    let submissions = document["submissions"].as_array().unwrap();
    let mut items = submissions.iter().flat_map(|one| one["items"].as_array().unwrap());
    let item = items.find(|item| item["kind"] == "action.intent").unwrap();
    let bytes = |hex: &Json| schemas::id::unhex(hex.as_str().unwrap()).unwrap();
    let (body, leaf) = (bytes(&item["body"]), bytes(&item["leaf"]["bytes"]));
    let fields = residue::fields(&Body::parse(&body).unwrap());
    let ledger = key(schemas::body::LEDGER_SIGNER);
    json!({
        "public_key": hex(PublicKey::of(&ledger).as_bytes()),
        "body": hex(&body),
        "leaf": hex(&leaf),
        "fields": hex(&fields),
        "residue": hex(&residue::leave(&fields, &leaf, &ledger)),
    })
}

/// The log as it grows.
#[derive(Default)]
struct Ledger {
    leaves: Vec<Vec<u8>>,
    previous: Option<ChainHash>,
    counts: BTreeMap<String, u64>,
    commits: u64,
}

impl Ledger {
    fn submission(&mut self, scribe: &mut Scribe, message: &Message) -> Json {
        self.commits += 1;
        let items: Vec<_> =
            message.events.iter().map(|event| item(scribe, message, event)).collect();
        let parts: Vec<Parts> = items.iter().map(|item| item.parts.clone()).collect();
        let bytes = sign(message, &parts);
        let opened = submission::open(&bytes).unwrap();
        let statement = opened.statement().bytes();
        let digest = opened.statement().digest();
        let own = message.events[0].kind.is_own();
        let leaves: Vec<_> = items
            .iter()
            .enumerate()
            .map(|(position, item)| {
                let mut json = item.json.clone();
                json["leaf"] = self.accept(&item.parts.0, position, digest, own);
                json
            })
            .collect();
        let [protected, payload, signature] = sign1(statement);
        let signing = key(message.signer);
        json!({
            "name": message.events[0].label,
            "signer": message.signer,
            "seed": hex(signing.as_bytes()),
            "public_key": hex(PublicKey::of(&signing).as_bytes()),
            "kid": PublicKey::of(&signing).kid().to_string(),
            "alg": if message.eddsa { -8 } else { -19 },
            "items": leaves,
            "manifest": manifest(&bytes).map(hex),
            "payload": hex(payload),
            "protected": hex(protected),
            "to_be_signed": hex(&forge::to_be_signed(protected, payload)),
            "signature": hex(signature),
            "statement": hex(statement),
            "statement_digest": digest.to_string(),
            "submission": hex(&bytes),
            "message_digest": hex(&sha256(&bytes)),
        })
    }

    fn accept(&mut self, body: &[u8], position: usize, statement: Digest, own: bool) -> Json {
        let parsed = Body::parse(body).unwrap();
        let session = parsed.session().map(|session| session.to_string());
        let counts = Counts {
            agent: self.count("agent", parsed.agent()),
            session: self.count("session", session.as_deref()),
            correlation: self.count("correlation", parsed.correlation()),
        };
        let leaf = Leaf {
            statement,
            body: Body::digest(body),
            position: position as u64,
            id: Some(parsed.id()),
            counts,
            source: (!own).then_some(self.source()),
            ..self.blank()
        };
        self.push(&leaf)
    }

    fn count(&mut self, key: &str, value: Option<&str>) -> u64 {
        let Some(value) = value else { return 0 };
        let count = self.counts.entry(format!("{key}:{value}")).or_default();
        *count += 1;
        *count
    }

    fn source(&self) -> Source {
        let mut epoch = [0; 16];
        epoch.copy_from_slice(&drawn("epoch of the stream")[..16]);
        Source { epoch, sequence: self.commits }
    }

    /// A leaf that commits to nothing yet.
    fn blank(&self) -> Leaf {
        Leaf {
            index: Index(self.leaves.len() as u64),
            previous: self.previous.unwrap_or(ChainHash::ZERO),
            received_at: Micros(START_US + self.commits * 250_000),
            status: Status::Accepted,
            statement: Digest::ZERO,
            body: BodyDigest::ZERO,
            position: 0,
            id: None,
            counts: Counts::default(),
            source: None,
        }
    }

    fn push(&mut self, leaf: &Leaf) -> Json {
        let bytes = leaf.encode();
        let chain = chain_hash(&bytes);
        let mut json = json::leaf(leaf, &bytes, &chain);
        json["received_at"] = leaf.received_at.0.into();
        json["tree"] = leaf_hash(&bytes).to_string().into();
        self.previous = Some(chain);
        self.leaves.push(bytes);
        json
    }

    /// An item refused though its signature is valid, and a message refused as a whole.
    fn refusals(&mut self) {
        self.commits += 1;
        let source = Some(self.source());
        let refused = Leaf {
            status: Status::Rejected(Reason::DisabledAgent),
            statement: Digest(drawn("statement of a disabled agent")),
            body: BodyDigest(drawn("body of a disabled agent")),
            position: 3,
            source,
            ..self.blank()
        };
        self.push(&refused);
        let whole = Leaf {
            status: Status::Rejected(Reason::Malformed),
            statement: Digest(sha256(b"not CBOR")),
            source,
            ..self.blank()
        };
        self.push(&whole);
    }

    fn filler(&mut self) {
        self.commits += 1;
        let name = format!("filler {}", self.leaves.len());
        let leaf = Leaf {
            statement: Digest(drawn(&format!("statement of {name}"))),
            body: BodyDigest(drawn(&format!("body of {name}"))),
            source: Some(self.source()),
            ..self.blank()
        };
        self.push(&leaf);
    }
}

/// The bodies of all events, in the order of the log.
pub(crate) fn bodies_of_the_story() -> Vec<Vec<u8>> {
    let mut scribe = Scribe::default();
    let items = |message: &Message| {
        let made = message.events.iter().map(|event| item(&mut scribe, message, event).parts.0);
        made.collect::<Vec<_>>()
    };
    story().iter().flat_map(items).collect()
}

/// An item's bytes and what its vector says of them.
struct Made {
    parts: Parts,
    json: Json,
}

fn item(scribe: &mut Scribe, message: &Message, event: &super::story::Event) -> Made {
    let mut fields = event.fields.clone();
    let detail = event.detail.as_ref().map(|content| {
        let mut salt = [0; 16];
        salt.copy_from_slice(&drawn(&format!("detail salt of {}", event.label))[..16]);
        Detail::encode(&salt, &shape::open_value(content).unwrap())
    });
    if let Some(detail) = &detail {
        fields["detail"] = hex(&sha256(detail)).into();
    }
    let body = scribe.body(event.label, message.signer, event.kind, &fields);
    let mut json = json!({
        "kind": event.kind.as_str(),
        "json": Body::parse(&body).unwrap().to_json(),
        "body": hex(&body),
        "digest": Body::digest(&body).to_string(),
    });
    if let Some(detail) = &detail {
        json["content"] = event.detail.clone().unwrap_or_default();
        json["detail"] = hex(detail).into();
    }
    Made { parts: (body, detail), json }
}

fn sign(message: &Message, items: &[Parts]) -> Vec<u8> {
    let signing = key(message.signer);
    if message.eddsa {
        let headers = forge::headers(&forge::right_headers(message.signer, -8, EVENT));
        return forge::submission(&forge::statement(&signing, &headers, &items[0].0), items, None);
    }
    submission::sign(&signing, &signer_id(message.signer), &tenant(), items)
}

/// Protected headers, payload and signature.
fn sign1(statement: &[u8]) -> [&[u8]; 3] {
    let Item::Tag(_, inner) = decode(statement, Bounds::WIRE).unwrap() else { unreachable!() };
    let part = |at: usize| inner.array().unwrap()[at].bytes().unwrap();
    [part(0), part(2), part(3)]
}

fn manifest(submission: &[u8]) -> Option<&[u8]> {
    let root = decode(submission, Bounds::WIRE).unwrap();
    root.array().unwrap().get(2).and_then(Item::bytes)
}

/// Hex of each hash.
pub(crate) fn hashes(path: &[TreeHash]) -> Vec<String> {
    path.iter().map(ToString::to_string).collect()
}
