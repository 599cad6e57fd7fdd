//! Submissions that are refused, as a whole or in one item.

use ed25519_dalek::Signer as _;
use schemas::id::{hex, sha256};
use schemas::key::PublicKey;
use serde_json::{Value as Json, json};

use super::cast::key;
use super::forge::{
    self, EVENT, FORGER, MANIFEST, Parts, bytes, cbor, claims, headers, int, manifest,
    right_headers, sign1, single, statement, submission, text, to_be_signed,
};
use super::packed::packed;
use super::raw::Raw;

/// A fault: reason and path.
type Fault = (&'static str, &'static str);

/// Every vector, to be checked under [`FORGER`]'s key.
pub(crate) fn submissions() -> Json {
    let faults = [structures(), statements(), protected_headers(), signatures(), manifests()];
    let mut all: Vec<_> = faults.into_iter().flatten().collect();
    all.extend(items());
    all.into()
}

fn vector(name: &str, message: &[u8]) -> Json {
    let public = PublicKey::of(&key(FORGER));
    json!({ "name": name, "bytes": packed(message), "public_key": hex(public.as_bytes()) })
}

/// Refused as a whole.
fn whole(name: &str, message: &[u8], (reason, path): Fault) -> Json {
    let mut json = vector(name, message);
    json["reason"] = reason.into();
    json["path"] = path.into();
    json
}

/// Good as a whole; `faults` has one place an item.
fn by_item(name: &str, message: &[u8], faults: &[Option<Fault>]) -> Json {
    let fault = |fault: &Option<Fault>| {
        fault.map(|(reason, path)| json!({ "reason": reason, "path": path }))
    };
    let mut json = vector(name, message);
    json["items"] = faults.iter().map(fault).collect::<Vec<_>>().into();
    json
}

fn body() -> Vec<u8> {
    Raw::note().with("signer", text(FORGER)).encode()
}

/// The bodies of a batch.
fn three() -> Vec<Vec<u8>> {
    (1..4_u8).map(|n| Raw::note().with("note", text(&format!("Note {n}."))).encode()).collect()
}

fn parts(bodies: &[Vec<u8>]) -> Vec<Parts> {
    bodies.iter().map(|body| (body.clone(), None)).collect()
}

/// A statement over the manifest of `bodies`, and the manifest.
fn batch(bodies: &[Vec<u8>]) -> (Vec<u8>, Vec<u8>) {
    let digests: Vec<_> = bodies.iter().map(Vec::as_slice).collect();
    let manifest = manifest(&digests);
    (over_manifest(&manifest), manifest)
}

fn over_manifest(manifest: &[u8]) -> Vec<u8> {
    statement(&key(FORGER), &headers(&right_headers(FORGER, -19, MANIFEST)), manifest)
}

fn good_statement() -> Vec<u8> {
    statement(&key(FORGER), &headers(&right_headers(FORGER, -19, EVENT)), &body())
}

fn structures() -> Vec<Json> {
    let malformed = ("malformed", "submission");
    let good = forge::signed(&body(), None);
    let item = bytes(&body());
    let statement = bytes(&good_statement());
    let items = |items: &[u8]| [&[0x82][..], &statement, items].concat();
    let fixed = good.len() - body().len();
    let huge = forge::signed(&vec![0; (1 << 20) + 1 - fixed - 2], None);
    vec![
        whole("empty", &[], malformed),
        whole("not CBOR", b"GET / HTTP/1.1", malformed),
        whole("trailing byte", &[&good[..], &[0]].concat(), malformed),
        whole("truncated", &good[..good.len() - 1], malformed),
        whole("array length in two bytes", &[&[0x98, 0x02], &good[1..]].concat(), malformed),
        whole("indefinite array", &[&[0x9f], &good[1..], &[0xff]].concat(), malformed),
        whole("a map", &[0xa0], malformed),
        whole("only a statement", &[&[0x81][..], &statement].concat(), malformed),
        whole("four parts", &[&[0x84][..], &good[1..], &[0x40, 0x40]].concat(), malformed),
        whole(
            "statement not wrapped in bytes",
            &[&[0x82][..], &good_statement(), &[0x80]].concat(),
            malformed,
        ),
        whole("items that are no array", &items(&item), malformed),
        whole("no item", &items(&[0x80]), ("too_large", "items")),
        whole(
            "257 items",
            &items(&[&[0x99, 0x01, 0x01][..], &[0x81, 0x40].repeat(257)].concat()),
            ("too_large", "items"),
        ),
        whole("an empty item", &items(&[0x81, 0x80]), ("malformed", "items")),
        whole(
            "an item that is no array",
            &items(&[&[0x81][..], &item].concat()),
            ("malformed", "items"),
        ),
        whole(
            "an item of three parts",
            &items(&[&[0x81, 0x83][..], &item, &[0x40, 0x40]].concat()),
            ("malformed", "items"),
        ),
        whole("a body that is no byte string", &items(&[0x81, 0x81, 0xa0]), ("malformed", "items")),
        whole("nested 200,000 deep", &vec![0x81; 200_000], malformed),
        whole("one byte too large", &huge, ("too_large", "submission")),
    ]
}

fn statements() -> Vec<Json> {
    let right = headers(&right_headers(FORGER, -19, EVENT));
    let payload = sha256(&body());
    let signature = key(FORGER).sign(&to_be_signed(&right, &payload)).to_bytes();
    let of = |name: &str, statement: &[u8], fault| {
        whole(name, &submission(statement, &parts(&[body()]), None), fault)
    };
    let malformed = ("malformed", "statement");
    let good = good_statement();
    let detached = cbor(|statement| {
        statement.tag(18).array(4).bytes(&right).map(0).null().bytes(&signature);
    });
    let three = cbor(|statement| {
        statement.tag(18).array(3).bytes(&right).map(0).bytes(&payload);
    });
    let map_header = cbor(|statement| {
        statement.tag(18).array(4).raw(&right).map(0).bytes(&payload).bytes(&signature);
    });
    let with_kid = [&[0xa1, 0x04][..], &bytes(&[0; 32])].concat();
    let long = sign1(&[0; 4096], &[0xa0], &payload, &signature);
    vec![
        of("no tag", &good[1..], malformed),
        of("tag 98, COSE_Sign", &[&[0xd8, 98][..], &good[1..]].concat(), malformed),
        of("statement with a trailing byte", &[&good[..], &[0]].concat(), malformed),
        of("empty statement", &[], malformed),
        of("detached payload", &detached, malformed),
        of("no signature", &three, malformed),
        of("protected headers not wrapped in bytes", &map_header, malformed),
        of("statement of more than 4 KiB", &long, ("too_large", "statement")),
        of(
            "non-empty unprotected headers",
            &sign1(&right, &with_kid, &payload, &signature),
            ("malformed", "statement.unprotected"),
        ),
        of(
            "payload of 31 bytes",
            &sign1(&right, &[0xa0], &payload[1..], &signature),
            ("malformed", "statement.payload"),
        ),
        of(
            "signature of 63 bytes",
            &sign1(&right, &[0xa0], &payload, &signature[1..]),
            ("malformed", "statement.signature"),
        ),
    ]
}

fn protected_headers() -> Vec<Json> {
    let right = right_headers(FORGER, -19, EVENT);
    let of = |name: &str, headers: &[u8], path| {
        whole(name, &single(headers, &body(), None), ("malformed", path))
    };
    let with = |label: i64, value: Vec<u8>| {
        let pair =
            |(l, v): &(i64, Vec<u8>)| (*l, if *l == label { value.clone() } else { v.clone() });
        headers(&right.iter().map(pair).collect::<Vec<_>>())
    };
    let more = |at: usize, label: i64, value: Vec<u8>| {
        let mut pairs = right.clone();
        pairs.insert(at, (label, value));
        headers(&pairs)
    };
    let mut vectors = vec![
        of("protected headers of no bytes", &[], "statement.protected"),
        of(
            "protected headers with keys out of order",
            &headers(&right.iter().rev().cloned().collect::<Vec<_>>()),
            "statement.protected",
        ),
        of("label 3, content type, present", &more(1, 3, text(EVENT)), "statement.protected"),
        of(
            "label 2, critical headers, present",
            &more(1, 2, vec![0x81, 0x04]),
            "statement.protected",
        ),
        of("algorithm -7, ES256", &with(1, int(-7)), "statement.protected.1"),
        of("algorithm by name", &with(1, text("Ed25519")), "statement.protected.1"),
        of("kid of 31 bytes", &with(4, bytes(&[0; 31])), "statement.protected.4"),
        of(
            "claims with one more",
            &with(
                15,
                cbor(|c| {
                    c.map(3).int(1).text(FORGER).int(2).text("acme").int(6).int(0);
                }),
            ),
            "statement.protected.15.1",
        ),
        of("claims that are no map", &with(15, int(0)), "statement.protected.15.1"),
        of("empty signer", &with(15, claims("", "acme")), "statement.protected.15.1"),
        of(
            "signer of 257 bytes",
            &with(15, claims(&"a".repeat(257), "acme")),
            "statement.protected.15.1",
        ),
        of(
            "signer with a line feed",
            &with(15, claims("a\nb", "acme")),
            "statement.protected.15.1",
        ),
        of("signer with U+0085", &with(15, claims("a\u{85}b", "acme")), "statement.protected.15.1"),
        of("tenant in capitals", &with(15, claims(FORGER, "Acme")), "statement.protected.15.2"),
        of(
            "tenant of 64 bytes",
            &with(15, claims(FORGER, &"a".repeat(64))),
            "statement.protected.15.2",
        ),
        of("empty tenant", &with(15, claims(FORGER, "")), "statement.protected.15.2"),
        of("hash algorithm SHA-512", &with(258, int(-44)), "statement.protected.258"),
        of("another content type", &with(259, text("application/cbor")), "statement.protected.259"),
    ];
    for (label, _) in &right {
        let rest: Vec<_> = right.iter().filter(|(l, _)| l != label).cloned().collect();
        vectors.push(of(&format!("without label {label}"), &headers(&rest), "statement.protected"));
    }
    vectors
}

fn signatures() -> Vec<Json> {
    let right = headers(&right_headers(FORGER, -19, EVENT));
    let payload = sha256(&body());
    let signature = key(FORGER).sign(&to_be_signed(&right, &payload)).to_bytes();
    let of = |name: &str, protected: &[u8], payload: &[u8], signature: &[u8]| {
        let statement = sign1(protected, &[0xa0], payload, signature);
        whole(
            name,
            &submission(&statement, &parts(&[body()]), None),
            ("bad_signature", "statement.signature"),
        )
    };
    let flipped = |at: usize| {
        let mut flipped = signature;
        flipped[at] ^= 1;
        flipped
    };
    let foreign = key("orchestrator-v2").sign(&to_be_signed(&right, &payload)).to_bytes();
    let bare = key(FORGER).sign(&payload).to_bytes();
    let other = headers(&right_headers("orchestrator-v2", -19, EVENT));
    let by_other = key("orchestrator-v2").sign(&to_be_signed(&other, &payload)).to_bytes();
    let swapped = headers(&right_headers(FORGER, -8, EVENT));
    vec![
        of("first byte of the signature flipped", &right, &payload, &flipped(0)),
        of("last byte of the signature flipped", &right, &payload, &flipped(63)),
        of("S not canonical", &right, &payload, &super::bad_log::plus_order(&signature)),
        of("all zero", &right, &payload, &[0; 64]),
        of("by another key than the kid's", &right, &payload, &foreign),
        of("right, but by a key that is not the one at hand", &other, &payload, &by_other),
        of("over the payload alone", &right, &payload, &bare),
        of("over other headers", &swapped, &payload, &signature),
        of("over another payload", &right, &sha256(b"other"), &signature),
    ]
}

fn manifests() -> Vec<Json> {
    let three = three();
    let (over, manifest) = batch(&three);
    let mismatch = ("digest_mismatch", "manifest");
    let malformed = ("malformed", "manifest");
    let raw = |name: &str, manifest: &[u8], fault| {
        whole(name, &submission(&over_manifest(manifest), &parts(&three), Some(manifest)), fault)
    };
    let event = good_statement();
    let short = cbor(|manifest| {
        manifest.array(3).bytes(&[0; 31]).bytes(&[0; 32]).bytes(&[0; 32]);
    });
    let mut altered = manifest.clone();
    altered[10] ^= 1;
    vec![
        whole("a batch without its manifest", &submission(&over, &parts(&three), None), malformed),
        whole(
            "an event with a manifest",
            &submission(&event, &parts(&[body()]), Some(&manifest)),
            malformed,
        ),
        whole("an event with two items", &submission(&event, &parts(&three[..2]), None), malformed),
        whole("altered manifest", &submission(&over, &parts(&three), Some(&altered)), mismatch),
        whole(
            "one item missing",
            &submission(&over, &parts(&three[..2]), Some(&manifest)),
            mismatch,
        ),
        raw("manifest that is no CBOR", &[0xff], malformed),
        raw("manifest that is no array", &[0xa0], malformed),
        raw("empty manifest", &[0x80], malformed),
        raw("digest of 31 bytes", &short, malformed),
        raw(
            "257 digests",
            &[&[0x99, 0x01, 0x01][..], &bytes(&[0; 32]).repeat(257)].concat(),
            malformed,
        ),
    ]
}

fn items() -> Vec<Json> {
    let three = three();
    let (over, manifest) = batch(&three);
    let of = |bodies: &[Vec<u8>]| submission(&over, &parts(bodies), Some(&manifest));
    let mut altered = three.clone();
    *altered[1].last_mut().unwrap() ^= 1;
    let mut swapped = three.clone();
    swapped.swap(0, 2);
    let body_mismatch = Some(("digest_mismatch", "body"));
    let invalid = vec![three[0].clone(), Raw::note().with("human", [0xf5]).encode()];
    let (over_invalid, invalid_manifest) = batch(&invalid);
    let unknown = submission(&over_invalid, &parts(&invalid), Some(&invalid_manifest));
    let detail = [&[0x82, 0x50][..], &[1; 16], &[0xa0]].concat();
    let with_detail = |digest: &[u8]| Raw::note().with("detail", bytes(digest)).encode();
    let committed = with_detail(&sha256(&detail));
    let other = [&[0x82, 0x50][..], &[2; 16], &[0xa0]].concat();
    let one = |name, body: &[u8], detail: Option<&[u8]>, fault| {
        by_item(name, &forge::signed(body, detail), &[fault])
    };
    let altered_one = submission(&good_statement(), &parts(&[three[0].clone()]), None);
    vec![
        by_item("one body of three altered", &of(&altered), &[None, body_mismatch, None]),
        by_item("two bodies swapped", &of(&swapped), &[body_mismatch, None, body_mismatch]),
        by_item("one body of two invalid", &unknown, &[None, Some(("unknown_field", "human"))]),
        by_item("another body than the signed one", &altered_one, &[body_mismatch]),
        one("a body that is no CBOR", &[0xff], None, Some(("malformed", "body"))),
        one("an empty body", &[], None, Some(("malformed", "body"))),
        one(
            "a detail that the body does not name",
            &body(),
            Some(&detail),
            Some(("missing_field", "detail")),
        ),
        one(
            "another detail than the named one",
            &committed,
            Some(&other),
            Some(("digest_mismatch", "detail")),
        ),
        one(
            "a detail that is malformed",
            &with_detail(&sha256(&[0x80])),
            Some(&[0x80]),
            Some(("malformed", "detail")),
        ),
        one("good, with its detail", &committed, Some(&detail), None),
        one("good, its detail not there", &committed, None, None),
    ]
}
