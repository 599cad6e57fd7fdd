//! One entry on the command line: what is shown is what was proved.

use serde_json::{Value, json};

use crate::harness::{World, text, until};
use crate::liar::{Forged, between};

#[test]
fn what_a_server_shows_otherwise_than_it_is_proved_is_not_shown() {
    let mut world = World::new();
    world.agent("billing");
    let path = "/api/v1/entries/1";
    let entry = world.get(path);
    let with = |pointer: &str, value: Value| {
        let mut forged = entry.clone();
        *forged.pointer_mut(pointer).unwrap() = value;
        forged
    };
    let mut hidden = with("/body", Value::Null);
    hidden["redacted"] = json!(true);
    let cases = [
        (entry.clone(), None),
        (with("/body/agent/id", json!("mallory")), Some("another body")),
        (with("/status", json!("bad_signature")), Some("another status")),
        (with("/received_at", json!("2026-04-08T16:04:31Z")), Some("another received_at")),
        (hidden, Some("another redacted")),
    ];
    for (shown, fault) in cases {
        let forged = Forged::from([(path.to_owned(), shown.to_string().into_bytes())]);
        let url = between(world.url(""), forged);
        for format in ["table", "json", "jsonl"] {
            let got = world.sworn(&["get", "1", "-o", format, "--url", &url]);
            let said = text(&got);
            let Some(fault) = fault else {
                assert_eq!(got.status.code(), Some(0), "{format}: {said}");
                assert_eq!(said.contains("✓ verified"), format == "table", "{said}");
                continue;
            };
            assert_eq!(got.status.code(), Some(10), "{format}, {fault}: {said}");
            assert!(said.contains("error[SW0416]") && said.contains(fault), "{fault}: {said}");
            assert!(got.stdout.is_empty(), "{format}, {fault}: {said}");
        }
    }
}

#[test]
fn what_the_ledger_itself_finds_damaged_is_no_success_in_any_format() {
    let mut world = World::new();
    world.agent("billing");
    let path = "/api/v1/entries/1";
    let mut entry = world.get(path);
    entry["proof"]["body"] = json!("damaged");
    let forged = Forged::from([(path.to_owned(), entry.to_string().into_bytes())]);
    let url = between(world.url(""), forged);
    for format in ["table", "json", "jsonl"] {
        let got = world.sworn(&["get", "1", "-o", format, "--url", &url]);
        assert_eq!(got.status.code(), Some(10), "{format}: {}", text(&got));
        assert!(text(&got).contains("NOT VERIFIED"), "{format}: {}", text(&got));
    }
}

#[test]
fn genesis_alone_is_not_verified_yet() {
    let world = World::new();
    let ready = ureq::Agent::config_builder().http_status_as_error(false).build().new_agent();
    until("the API", || ready.get(world.url("/readyz")).call().ok());
    for format in ["table", "json"] {
        let got = world.sworn(&["get", "0", "-o", format]);
        assert_eq!(got.status.code(), Some(14), "{format}: {}", text(&got));
        assert!(text(&got).contains("! not verified"), "{format}: {}", text(&got));
        assert!(text(&got).contains("ledger.genesis"), "it is shown: {}", text(&got));
    }
}

#[test]
fn a_text_that_is_not_what_it_stands_for_is_no_success_in_any_format() {
    let world = World::new();
    let digest = "ab".repeat(32);
    let contract = json!({
        "digest": digest, "in_force": true, "registered": 1, "contract": { "agent": "a" },
        "yaml": "agent: b\n",
    });
    let forged = [
        (format!("/api/v1/policies/{digest}"), json!({ "digest": digest, "text": "another" })),
        ("/api/v1/contracts/a".to_owned(), contract),
    ];
    let forged = forged.map(|(path, answer)| (path, answer.to_string().into_bytes()));
    let url = between(world.url(""), Forged::from(forged));
    for format in ["table", "json", "jsonl"] {
        for command in [&["policy", "show", &digest][..], &["contract", "a"]] {
            let shown = world.sworn(&[command, &["-o", format, "--url", &url]].concat());
            assert_eq!(shown.status.code(), Some(10), "{command:?} {format}: {}", text(&shown));
        }
    }
}
