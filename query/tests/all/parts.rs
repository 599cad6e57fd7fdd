//! The parts of an entry: the exact bytes where they are asked for, JSON otherwise.

use axum::http::{StatusCode, header};
use schemas::body::Body;
use schemas::id::{hex, unhex};
use schemas::receipt;
use serde_json::json;

use crate::world::{OPERATOR, World, intent, start};

fn world() -> (World, u64) {
    let mut world = World::new();
    world.agent("a");
    let index = world.accept("a", start("a", "w"));
    (world, index)
}

#[test]
fn statements_are_the_signed_bytes() {
    let (world, index) = world();
    let path = format!("/entries/{index}/statement");
    let bytes = world.statement(index);
    let answer = world.json(&path);
    assert_eq!(answer["hex"], hex(&bytes));
    let exact = world.get_as(&path, &[(header::ACCEPT, "text/html, application/cose;q=0.9")]);
    assert_eq!(exact.headers[header::CONTENT_TYPE], "application/cose");
    assert_eq!(exact.body, bytes);
    assert_eq!(exact.headers[header::CACHE_CONTROL], "no-cache");
    let tag = exact.headers[header::ETAG].to_str().unwrap();
    let again =
        world.get_as(&path, &[(header::ACCEPT, "application/cose"), (header::IF_NONE_MATCH, tag)]);
    assert_eq!((again.status, again.body.len()), (StatusCode::NOT_MODIFIED, 0));
    let json = world.get_as(&path, &[(header::IF_NONE_MATCH, tag)]);
    assert_eq!(json.status, StatusCode::OK, "the JSON is another representation");
}

#[test]
fn receipts_verify_under_the_ledgers_key() {
    let (world, index) = world();
    let path = format!("/entries/{index}/receipt");
    let exact = world.get_as(&path, &[(header::ACCEPT, "application/scitt-receipt+cose")]);
    assert_eq!(exact.headers[header::CONTENT_TYPE], "application/scitt-receipt+cose");
    let answer = world.json(&path);
    assert_eq!(answer["hex"], hex(&exact.body));
    let leaf =
        unhex(world.json(&format!("/entries/{index}/leaf"))["bytes"].as_str().unwrap()).unwrap();
    assert_eq!(answer["leaf"], hex(&leaf));
    let key = schemas::key::PublicKey::of(&world.key);
    let verified = receipt::verify(&exact.body, &leaf, key.verifying_key()).unwrap();
    assert_eq!(verified.index.0, index);
}

#[test]
fn genesis_gets_its_receipt_with_the_entry_after_it() {
    let mut world = World::new();
    let none = (404, "no-such-part".to_owned(), None);
    assert_eq!(world.problem("/entries/0/receipt"), none);
    world.agent("a");
    let key = schemas::key::PublicKey::of(&world.key);
    let answer = world.json("/entries/0/receipt");
    let [receipt, leaf] =
        ["hex", "leaf"].map(|name| unhex(answer[name].as_str().unwrap()).unwrap());
    assert_eq!(receipt::verify(&receipt, &leaf, key.verifying_key()).unwrap().index.0, 0);
}

#[test]
fn bodies_and_details_come_whole_or_not_at_all() {
    let (mut world, index) = world();
    let fields = intent("a", "w", "email.send", "x@example.com");
    let detailed = world.submit_detail("a", fields, "Dear customer").index;
    let answer = world.json(&format!("/entries/{detailed}/body"));
    assert_eq!(answer["body"]["action"]["name"], "email.send");
    let exact =
        world.get_as(&format!("/entries/{detailed}/body"), &[(header::ACCEPT, "application/cbor")]);
    assert_eq!(answer["digest"], Body::digest(&exact.body).to_string());
    assert_eq!(exact.headers[header::CACHE_CONTROL], "no-cache");
    let detail = world.json(&format!("/entries/{detailed}/detail"));
    assert_eq!(detail["content"], json!({ "text": "Dear customer" }));
    assert_eq!(detail["digest"], answer["body"]["detail"]);
    let none = (404, "no-such-part".to_owned(), None);
    assert_eq!(world.problem(&format!("/entries/{index}/detail")), none);
}

#[test]
fn refusals_have_neither_receipt_nor_body() {
    let (mut world, _) = world();
    let none = (404, "no-such-part".to_owned(), None);
    let whole = world.send_raw(b"junk")[0].index;
    world.accept(OPERATOR, json!({ "kind": "agent.disabled", "agent": { "id": "a" } }));
    let item = world.submit("a", start("a", "w"), None).index;
    for index in [whole, item] {
        for part in ["receipt", "body", "detail"] {
            assert_eq!(world.problem(&format!("/entries/{index}/{part}")), none, "{part}");
        }
        assert_eq!(world.json(&format!("/entries/{index}/leaf"))["index"], index);
    }
    assert_eq!(world.problem(&format!("/entries/{whole}/statement")), none);
    assert_eq!(
        world.json(&format!("/entries/{item}/statement"))["hex"],
        hex(&world.statement(item))
    );
}
