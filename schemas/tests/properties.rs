//! What holds for any bytes, not only for those that somebody thought of.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::as_conversions,
    reason = "tests"
)]

use std::sync::LazyLock;

use proptest::prelude::*;
use schemas::body::{self, Body};
use schemas::checkpoint::{Note, NoteKey, WitnessKey};
use schemas::detail::Detail;
use schemas::deterministic::{Bounds, Item, decode};
use schemas::encode::{Value, encode};
use schemas::id::{
    BodyDigest, ChainHash, Digest, EventId, Index, Micros, TreeHash, TreeSize, unhex,
};
use schemas::key::PublicKey;
use schemas::leaf::{Counts, Leaf, Source, Status};
use schemas::query::Query;
use schemas::reject::{Reason, Reject};
use schemas::reply::{Fate, Outcome, Reply};
use schemas::{json, receipt, statement, submission};
use serde_json::Value as Json;

static GOOD: LazyLock<Json> =
    LazyLock::new(|| serde_json::from_str(include_str!("../vectors/good.json")).unwrap());

fn hexes(list: &Json, name: &str) -> Vec<Vec<u8>> {
    list.as_array().unwrap().iter().map(|one| unhex(one[name].as_str().unwrap()).unwrap()).collect()
}

/// Submissions and the keys that signed them.
static SUBMISSIONS: LazyLock<Vec<(Vec<u8>, PublicKey)>> = LazyLock::new(|| {
    let all = &GOOD["submissions"];
    let keys = hexes(all, "public_key");
    let keys = keys.iter().map(|key| PublicKey::from_bytes(key).unwrap());
    hexes(all, "submission").into_iter().zip(keys).collect()
});

static BODIES: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
    let all = GOOD["submissions"].as_array().unwrap().iter();
    all.flat_map(|one| hexes(&one["items"], "body")).collect()
});

static RECEIPTS: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| hexes(&GOOD["receipts"], "receipt"));
static REPLIES: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| hexes(&GOOD["replies"], "bytes"));

/// One change to bytes: what is done, where, and with what.
#[derive(Clone, Debug)]
enum Edit {
    Set(u8),
    Flip(u8),
    Insert(Vec<u8>),
    Remove(usize),
    Cut,
    Repeat(usize),
}

fn edits() -> impl Strategy<Value = Vec<(prop::sample::Index, Edit)>> {
    // Heads that declare much, and the bytes that CBOR gives a meaning.
    let head = prop::sample::select(vec![
        vec![0x9b, 0x80, 0, 0, 0, 0, 0, 0, 0],
        vec![0xbb, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
        vec![0x5a, 0xff, 0xff, 0xff, 0xff],
        vec![0x81],
        vec![0xa1],
        vec![0xd2],
        vec![0xf6],
        vec![0x61, 0xff],
    ]);
    let bytes = prop::collection::vec(any::<u8>(), 1..9);
    let edit = prop_oneof![
        any::<u8>().prop_map(Edit::Set),
        (0..8_u8).prop_map(|bit| Edit::Flip(1 << bit)),
        prop_oneof![head, bytes].prop_map(Edit::Insert),
        (1..40_usize).prop_map(Edit::Remove),
        Just(Edit::Cut),
        (1..40_usize).prop_map(Edit::Repeat),
    ];
    prop::collection::vec((any::<prop::sample::Index>(), edit), 1..4)
}

fn changed(bytes: &[u8], edits: &[(prop::sample::Index, Edit)]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for (at, edit) in edits {
        if bytes.is_empty() {
            break;
        }
        let at = at.index(bytes.len());
        let to = |len: usize| (at + len).min(bytes.len());
        match edit {
            Edit::Set(byte) => bytes[at] = *byte,
            Edit::Flip(bit) => bytes[at] ^= bit,
            Edit::Insert(more) => drop(bytes.splice(at..at, more.iter().copied())),
            Edit::Remove(len) => drop(bytes.drain(at..to(*len))),
            Edit::Cut => bytes.truncate(at),
            Edit::Repeat(len) => {
                let again = bytes[at..to(*len)].to_vec();
                drop(bytes.splice(at..at, again));
            }
        }
    }
    bytes
}

fn any_of(list: &'static LazyLock<Vec<Vec<u8>>>) -> impl Strategy<Value = Vec<u8>> {
    any::<prop::sample::Index>().prop_map(|index| index.get(list).clone())
}

/// The bytes as they are, changed, or anything at all.
fn hostile(list: &'static LazyLock<Vec<Vec<u8>>>) -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        1 => any_of(list),
        6 => (any_of(list), edits()).prop_map(|(bytes, edits)| changed(&bytes, &edits)),
        2 => prop::collection::vec(any::<u8>(), 0..400),
    ]
}

fn value() -> impl Strategy<Value = Value> {
    let scalar = prop_oneof![
        any::<u64>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        (0..30_u64).prop_map(Value::from),
        prop::collection::vec(any::<u8>(), 0..40).prop_map(Value::Bytes),
        ".{0,30}".prop_map(Value::Text),
        any::<bool>().prop_map(Value::Bool),
        Just(Value::Null),
    ];
    scalar.prop_recursive(4, 64, 8, |inner| {
        let pairs = prop::collection::vec((inner.clone(), inner.clone()), 0..8);
        let unique = pairs.prop_map(|mut pairs| {
            pairs.sort_by_key(|(key, _)| encode(key));
            pairs.dedup_by_key(|(key, _)| encode(key));
            Value::Map(pairs)
        });
        prop_oneof![prop::collection::vec(inner, 0..8).prop_map(Value::Array), unique]
    })
}

/// The same item as another library has it.
fn other(item: &Item<'_>) -> Value {
    match item {
        Item::Uint(number) => Value::from(*number),
        Item::Negative(number) => {
            Value::Integer(ciborium::value::Integer::try_from(-1 - i128::from(*number)).unwrap())
        }
        Item::Bytes(bytes) => Value::Bytes(bytes.to_vec()),
        Item::Text(text) => Value::from(*text),
        Item::Array(items) => Value::Array(items.iter().map(other).collect()),
        Item::Map(pairs) => Value::Map(pairs.iter().map(|(k, v)| (other(k), other(v))).collect()),
        Item::Tag(tag, inner) => Value::Tag(*tag, Box::new(other(inner))),
        Item::Bool(value) => Value::Bool(*value),
        Item::Null => Value::Null,
    }
}

/// Whatever is taken encodes to the same bytes, and another library reads the same in it.
fn check_decoding(bytes: &[u8]) {
    let Ok(item) = decode(bytes, Bounds::WIRE) else { return };
    let value = other(&item);
    assert_eq!(encode(&value), bytes);
    assert_eq!(ciborium::from_reader::<Value, _>(bytes).unwrap(), value);
    let mut written = Vec::new();
    ciborium::into_writer(&value, &mut written).unwrap();
    assert_eq!(written, bytes);
}

fn leaf() -> impl Strategy<Value = Leaf> {
    let hashes = (any::<[u8; 32]>(), any::<[u8; 32]>(), any::<[u8; 32]>());
    let numbers = (any::<u64>(), any::<u64>(), any::<u64>(), any::<[u64; 3]>());
    let reasons = prop::sample::select(Reason::ALL).prop_map(Status::Rejected);
    let status = prop_oneof![Just(Status::Accepted), reasons];
    let id = prop::option::of((0..1_u64 << 48, any::<[u8; 10]>()));
    let source = prop::option::of((any::<[u8; 16]>(), any::<u64>()));
    (hashes, numbers, status, id, source).prop_map(|(hashes, numbers, status, id, source)| Leaf {
        index: Index(numbers.0),
        previous: ChainHash(hashes.0),
        received_at: Micros(numbers.1),
        status,
        statement: Digest(hashes.1),
        body: BodyDigest(hashes.2),
        position: numbers.2,
        id: id.map(|(ms, random)| EventId::new(ms, &random)),
        counts: Counts { agent: numbers.3[0], session: numbers.3[1], correlation: numbers.3[2] },
        source: source.map(|(epoch, sequence)| Source { epoch, sequence }),
    })
}

fn outcome() -> impl Strategy<Value = Outcome> {
    let bytes = || prop::collection::vec(any::<u8>(), 0..60);
    let reject = (prop::sample::select(Reason::ALL), ".{0,300}", ".{0,30}")
        .prop_map(|(reason, path, expected)| Fate::Rejected(Reject::new(reason, path, expected)));
    let fate =
        prop_oneof![bytes().prop_map(Fate::Committed), bytes().prop_map(Fate::Duplicate), reject];
    (fate, leaf()).prop_map(|(fate, leaf)| Outcome {
        fate,
        index: leaf.index,
        id: leaf.id,
        leaf: leaf.encode(),
    })
}

/// Open maps can hold what JSON cannot tell apart.
fn is_closed(body: &Body<'_>) -> bool {
    let known = body::registry_fields(body.kind()).is_some();
    body.field("ext").is_none() && (known || body.field("registry").is_none())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn what_is_encoded_is_decoded(value in value()) {
        let bytes = encode(&value);
        let item = decode(&bytes, Bounds::WIRE).unwrap();
        // Maps come back sorted.
        prop_assert_eq!(encode(&other(&item)), bytes.clone());
        check_decoding(&bytes);
    }

    #[test]
    fn what_is_decoded_encodes_to_the_same(bytes in hostile(&BODIES)) {
        check_decoding(&bytes);
    }

    #[test]
    fn small_inputs_decode_alike_or_not_at_all(bytes in prop::collection::vec(any::<u8>(), 0..12)) {
        check_decoding(&bytes);
    }

    #[test]
    fn bodies_survive_json(bytes in hostile(&BODIES)) {
        if let Ok(body) = Body::parse(&bytes) {
            let again = body::from_json(&body.to_json());
            if is_closed(&body) {
                prop_assert_eq!(again.unwrap(), bytes.clone());
            }
        }
        let _ = Detail::parse(&bytes);
    }

    #[test]
    fn only_what_was_signed_verifies(which in any::<prop::sample::Index>(), edits in edits()) {
        let (intact, key) = which.get(&SUBMISSIONS);
        let signed: Vec<_> = submission::open(intact).unwrap().items().iter()
            .map(|item| Body::digest(item.body)).collect();
        let bytes = changed(intact, &edits);
        let opened = submission::open(&bytes);
        if let Ok(verified) = opened.and_then(|opened| opened.verify(key)) {
            for item in verified.items() {
                prop_assert!(item.body.is_err() || signed.contains(&item.digest));
            }
        }
    }

    #[test]
    fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..2000)) {
        let _ = submission::open(&bytes);
        let _ = submission::parse_manifest(&bytes);
        let _ = statement::Statement::parse(&bytes);
        let _ = Body::parse(&bytes);
        let _ = Detail::parse(&bytes);
        let _ = Leaf::decode(&bytes);
        let _ = Reply::decode(&bytes);
        let _ = schemas::secret::found_in(&bytes);
    }

    #[test]
    fn leaves_are_exact(leaf in leaf(), edits in edits()) {
        let bytes = leaf.encode();
        prop_assert_eq!(Leaf::decode(&bytes), Some(leaf));
        let changed = changed(&bytes, &edits);
        if let Some(leaf) = Leaf::decode(&changed) {
            prop_assert_eq!(leaf.encode(), changed);
        }
    }

    #[test]
    fn replies_are_read_as_written(
        message in any::<[u8; 32]>(),
        outcomes in prop::collection::vec(outcome(), 1..4),
    ) {
        let reply = Reply { message: Digest(message), outcomes };
        prop_assert_eq!(Reply::decode(&reply.encode()), Some(reply.clone()));
        let _ = json::reply(&reply);
    }

    #[test]
    fn changed_replies_and_receipts_do_not_panic(
        reply in hostile(&REPLIES),
        bytes in hostile(&RECEIPTS),
    ) {
        if let Some(reply) = Reply::decode(&reply) {
            let _ = (json::reply(&reply), reply.encode());
        }
        let key = SUBMISSIONS[0].1;
        let _ = receipt::named_kid(&bytes);
        let _ = receipt::verify(&bytes, &bytes, key.verifying_key());
        let _ = receipt::verify_consistency(
            &bytes, TreeSize(100), &TreeHash::ZERO, key.verifying_key(),
        );
    }

    #[test]
    fn queries_do_not_panic(text in ".{0,200}") {
        let _ = Query::parse(&text);
    }

    #[test]
    fn queries_of_tokens_do_not_panic(tokens in prop::collection::vec(prop::sample::select(vec![
        "(", ")", "|", " ", "-", "not:", "agent:", "since:", "on:", "until:", "after:", "\"", "*", "a",
        "é", "#", "9", "99999999999999999999", "2026-04-08", "03:40", "15m", "checkpoint:", "-9999-01-01",
        "T00:00:00Z", "9999-12-31",
    ]), 0..40)) {
        let _ = Query::parse(&tokens.concat());
    }

    #[test]
    fn notes_and_keys_do_not_panic(edits in edits(), text in ".{0,200}") {
        for name in ["cosigned", "vkey"] {
            let intact = GOOD["checkpoint"][name].as_str().unwrap();
            let bytes = changed(intact.as_bytes(), &edits);
            for text in [&*String::from_utf8_lossy(&bytes), &text] {
                let key = NoteKey::parse(text);
                let _ = WitnessKey::parse(text);
                if let (Ok(note), Ok(key)) = (Note::parse(text), key) {
                    let _ = note.verify_checkpoint(&key);
                }
            }
        }
    }
}
