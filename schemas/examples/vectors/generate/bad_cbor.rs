//! Bodies that are not deterministic CBOR, or hold what no body may.

use super::bad::Bad;
use super::forge::{bytes, cbor, text};
use super::raw::{Raw, map};

/// Bodies refused for their encoding, size, secrets or version, and some for one field's sake.
pub(crate) fn bodies() -> Vec<Bad> {
    [encodings(), structures(), values(), sizes(), secrets(), versions()]
        .into_iter()
        .flatten()
        .collect()
}

fn malformed(name: &str, bytes: &[u8]) -> Bad {
    Bad::body(name, bytes, "malformed", "body")
}

/// A note with these bytes as its `ext`.
fn ext(encoded: &[u8]) -> Vec<u8> {
    Raw::note().with("ext", encoded).encode()
}

/// A note whose `ext` holds this value under the key `a`.
fn within(encoded: &[u8]) -> Vec<u8> {
    ext(&[&[0xa1, 0x61, b'a'], encoded].concat())
}

fn encodings() -> Vec<Bad> {
    let note = Raw::note();
    let whole = note.encode();
    let pairs = note.pairs();
    let head = |head: &[u8]| [head, &pairs.concat()].concat();
    let count = u8::try_from(pairs.len()).unwrap();
    let mut indefinite = head(&[0xbf]);
    indefinite.push(0xff);
    let mut swapped = pairs.clone();
    swapped.swap(0, 1);
    let mut bytewise = pairs.clone();
    bytewise.sort_by(|a, b| a[1..].cmp(&b[1..]));
    let mut twice = pairs.clone();
    twice.insert(1, pairs[0].clone());
    let mut trailing = whole.clone();
    trailing.push(0);
    vec![
        malformed("empty", &[]),
        malformed("truncated by one byte", &whole[..whole.len() - 1]),
        malformed("only the head of a map", &whole[..1]),
        malformed("trailing byte", &trailing),
        malformed("twice the same item", &whole.repeat(2)),
        malformed("map length in two bytes", &head(&[0xb8, count])),
        malformed("map length in nine bytes", &head(&[0xbb, 0, 0, 0, 0, 0, 0, 0, count])),
        malformed("indefinite map", &indefinite),
        malformed("first two keys swapped", &map(&swapped)),
        malformed("keys sorted as text, not as encoded", &map(&bytewise)),
        malformed("duplicate key", &map(&twice)),
    ]
}

fn structures() -> Vec<Bad> {
    let deep = |depth: usize| [vec![0x81; depth], vec![0]].concat();
    vec![
        malformed("an array instead of a map", &[0x80]),
        malformed("text instead of a map", &text("body")),
        malformed("a map inside tag 18", &[&[0xd2][..], &Raw::note().encode()].concat()),
        Bad::body("a key that is no text", &map(&[vec![0x01, 0x01]]), "missing_field", "v"),
        malformed("nested one deeper than allowed", &within(&deep(7))),
        malformed("nested 30,000 deep", &deep(30_000)),
        malformed(
            "more items than allowed",
            &within(&[&[0x99, 0x20, 0x00], &[0; 0x2000][..]].concat()),
        ),
        malformed("array that declares 2^63 items", &within(&[0x9b, 0x80, 0, 0, 0, 0, 0, 0, 0])),
        malformed("map that declares 2^63 pairs", &within(&[0xbb, 0x80, 0, 0, 0, 0, 0, 0, 0])),
        malformed("text that declares 2^63 bytes", &within(&[0x7b, 0x80, 0, 0, 0, 0, 0, 0, 0])),
        malformed(
            "bytes that declare 2^64 - 1 bytes",
            &within(&[[0x5b].as_slice(), &[0xff; 8]].concat()),
        ),
        malformed("array that declares 2^32 - 1 items", &within(&[0x9a, 0xff, 0xff, 0xff, 0xff])),
        malformed("indefinite array", &within(&[0x9f, 0x01, 0xff])),
        malformed("indefinite text", &within(&[0x7f, 0x61, b'a', 0xff])),
        malformed("indefinite bytes", &within(&[0x5f, 0x41, 0x00, 0xff])),
        malformed("break alone", &within(&[0xff])),
        malformed("reserved head", &within(&[0x1c])),
        malformed("inner keys out of order", &within(&[0xa2, 0x61, b'b', 0x01, 0x61, b'a', 0x01])),
        malformed("inner keys twice", &within(&[0xa2, 0x61, b'a', 0x01, 0x61, b'a', 0x02])),
    ]
}

fn values() -> Vec<Bad> {
    let cases: &[(&str, &[u8])] = &[
        ("integer 1 in two bytes", &[0x18, 0x01]),
        ("integer 255 in three bytes", &[0x19, 0x00, 0xff]),
        ("integer 65,535 in five bytes", &[0x1a, 0x00, 0x00, 0xff, 0xff]),
        ("integer 2^32 - 1 in nine bytes", &[0x1b, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff]),
        ("negative integer in two bytes", &[0x38, 0x01]),
        ("text length in two bytes", &[0x78, 0x01, b'a']),
        ("bytes length in three bytes", &[0x59, 0x00, 0x01, 0x00]),
        ("half float", &[0xf9, 0x3c, 0x00]),
        ("single float", &[0xfa, 0x3f, 0x80, 0x00, 0x00]),
        ("double float", &[0xfb, 0x3f, 0xf0, 0, 0, 0, 0, 0, 0]),
        ("NaN", &[0xf9, 0x7e, 0x00]),
        ("tag 0", &[0xc0, 0x61, b'a']),
        ("tag 2, a big number", &[0xc2, 0x41, 0x01]),
        ("tag 18 inside", &[0xd2, 0x80]),
        ("undefined", &[0xf7]),
        ("simple value 16", &[0xf0]),
        ("simple value 32", &[0xf8, 0x20]),
        ("lone continuation byte", &[0x61, 0x80]),
        ("overlong UTF-8", &[0x62, 0xc0, 0xaf]),
        ("surrogate in UTF-8", &[0x63, 0xed, 0xa0, 0x80]),
        ("UTF-8 cut off", &[0x62, 0xe2, 0x82]),
        ("UTF-8 beyond U+10FFFF", &[0x64, 0xf4, 0x90, 0x80, 0x80]),
    ];
    cases.iter().map(|(name, value)| malformed(name, &within(value))).collect()
}

fn sizes() -> Vec<Bad> {
    let at = |len: usize| Raw::note().with("zzz", text(&"z".repeat(len))).encode();
    let fixed = at(1000).len() - 1000;
    vec![
        Bad::body("one byte too large", &at((32 << 10) + 1 - fixed), "too_large", "body"),
        Bad::body(
            "the largest size, an unknown field",
            &at((32 << 10) - fixed),
            "unknown_field",
            "zzz",
        ),
    ]
}

fn secrets() -> Vec<Bad> {
    let refused =
        |name: &str, body: Raw, path: &str| Bad::body(name, &body.encode(), "secret_in_body", path);
    let note = Raw::note();
    let aws = format!("AKIA{}", "Q".repeat(16));
    let pem = "-----BEGIN PRIVATE KEY-----";
    let inside = format!("key=sk_live_{} used", "a1".repeat(6));
    let nested = cbor(|ext| {
        ext.map(1).text("headers").array(1).map(1).text("auth").text(&aws);
    });
    let as_key = cbor(|ext| {
        ext.map(1).text(&aws).uint(1);
    });
    vec![
        refused("a vendor's live key", note.with("note", text(&inside)), "note"),
        refused("a private key", note.with("note", text(pem)), "note"),
        refused("deep in ext", note.with("ext", nested), "ext.headers"),
        refused("as a key of ext", note.with("ext", as_key), "ext"),
        refused("in an unknown field", note.with("api_key", text(&aws)), "api_key"),
        refused(
            "beside an unknown version",
            note.with("v", [0x02]).with("note", text(&aws)),
            "note",
        ),
    ]
}

fn versions() -> Vec<Bad> {
    let note = Raw::note();
    let refused =
        |name: &str, body: Raw, reason, path: &str| Bad::body(name, &body.encode(), reason, path);
    let zero = cbor(|seq| {
        seq.map(2).text("n").uint(0).text("prev").bytes(&[0; 32]);
    });
    vec![
        refused("version 2", note.with("v", [0x02]), "unsupported_version", "v"),
        refused("version 0", note.with("v", [0x00]), "unsupported_version", "v"),
        refused("version as text", note.with("v", text("1")), "invalid_field", "v"),
        refused("no version", note.without("v"), "missing_field", "v"),
        refused("no kind", note.without("kind"), "missing_field", "kind"),
        refused("unknown kind", note.with("kind", text("note")), "invalid_field", "kind"),
        refused("unknown field", note.with("human", [0xf5]), "unknown_field", "human"),
        refused("neither signer nor agent", note.without("signer"), "missing_field", "agent.id"),
        refused("sequence from 0", note.with("seq", zero), "invalid_field", "seq.n"),
        refused("causes without a cause", note.with("causes", [0x80]), "invalid_field", "causes"),
        refused("a body of bytes", note.with("note", bytes(b"Seen.")), "invalid_field", "note"),
    ]
}
