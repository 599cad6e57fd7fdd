//! What must be refused, and why.

use schemas::id::{hex, unhex};
use serde_json::{Value as Json, json};

use super::forge::{bytes, cbor, text};
use super::packed::packed;
use super::{bad_cbor, bad_kinds, bad_log, bad_shapes, bad_submissions};

/// Bytes with the reason and the place of their refusal.
pub(crate) struct Bad {
    name: String,
    bytes: Vec<u8>,
    reason: &'static str,
    path: String,
}

impl Bad {
    pub(crate) fn body(
        name: impl Into<String>,
        bytes: &[u8],
        reason: &'static str,
        path: &str,
    ) -> Self {
        Self { name: name.into(), bytes: bytes.to_vec(), reason, path: path.to_owned() }
    }

    fn json(&self) -> Json {
        json!({
            "name": self.name, "bytes": packed(&self.bytes), "reason": self.reason, "path": self.path,
        })
    }
}

/// The document.
pub(crate) fn document() -> Json {
    let bodies = [bad_cbor::bodies(), bad_kinds::bodies(), bad_shapes::bodies()];
    json!({
        "about": "Bytes that must be refused. Long runs are packed: an array of hex texts and pairs \
                  [hex of one byte, times]. See README.md.",
        "submissions": bad_submissions::submissions(),
        "bodies": bodies.iter().flatten().map(Bad::json).collect::<Vec<_>>(),
        "details": details().iter().map(Bad::json).collect::<Vec<_>>(),
        "leaves": bad_log::leaves(),
        "receipts": bad_log::receipts(),
        "public_keys": public_keys(),
        "signatures": bad_log::signatures(),
    })
}

fn details() -> Vec<Bad> {
    let detail = |salt: usize, content: &[u8]| {
        cbor(|detail| {
            detail.array(2).bytes(&vec![7; salt]).raw(content);
        })
    };
    let content = |len: usize| [&[0xa1, 0x61, b'a'][..], &text(&"x".repeat(len))].concat();
    let fixed = detail(16, &content(70_000)).len() - 70_000;
    let bad = |name: &str, bytes: &[u8], reason| Bad::body(name, bytes, reason, "detail");
    let mut trailing = detail(16, &[0xa0]);
    trailing.push(0xf6);
    vec![
        bad("empty", &[], "malformed"),
        bad("salt of 15 bytes", &detail(15, &[0xa0]), "malformed"),
        bad("no salt", &[0x81, 0xa0], "malformed"),
        bad("content that is no map", &detail(16, &[0x80]), "malformed"),
        bad("a key that is no text", &detail(16, &[0xa1, 0x01, 0x01]), "malformed"),
        bad("a float", &detail(16, &[0xa1, 0x61, b'a', 0xf9, 0x3c, 0x00]), "malformed"),
        bad(
            "keys out of order",
            &detail(16, &[0xa2, 0x61, b'b', 0x01, 0x61, b'a', 0x01]),
            "malformed",
        ),
        bad("trailing byte", &trailing, "malformed"),
        bad("bytes", &bytes(&[0; 20]), "malformed"),
        bad("one byte too large", &detail(16, &content((256 << 10) + 1 - fixed)), "too_large"),
    ]
}

/// The points of small order in every encoding that decodes, and what is no point.
fn public_keys() -> Json {
    const WEAK: &[&str] = &[
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0000000000000000000000000000000000000000000000000000000000000080",
        "0100000000000000000000000000000000000000000000000000000000000000",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    ];
    const NO_KEYS: &[&str] = &[
        "0200000000000000000000000000000000000000000000000000000000000000",
        "",
        "8a3b2087f1912f56c3a155f3dab2159ca980a99d0daae0d8bc285eae75ea84",
    ];
    let weak = WEAK.iter().map(|key| json!({ "bytes": key, "fault": "weak" }));
    let none = NO_KEYS.iter().map(|key| json!({ "bytes": key, "fault": "not a key" }));
    let keys: Vec<_> = weak.chain(none).collect();
    debug_assert!(
        keys.iter().all(|key| unhex(key["bytes"].as_str().unwrap()).map(|k| hex(&k)).is_some())
    );
    keys.into()
}
