//! Erased is erased: from the store's files, its indexes, the broker's files and later copies; and everything still
//! verifies.

use std::path::Path;

use schemas::kind::Stream;
use serde_json::json;

use crate::harness::{World, published, text, until};
use crate::signer::intent;

const NAME: &str = "jane.doe.marker@example.com";

/// Files below `directory` that hold the marker.
fn holding(directory: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut waiting = vec![directory.to_owned()];
    while let Some(place) = waiting.pop() {
        for file in std::fs::read_dir(place).unwrap() {
            let path = file.unwrap().path();
            if path.is_dir() {
                waiting.push(path);
            } else if std::fs::read(&path)
                .unwrap_or_default()
                .windows(NAME.len())
                .any(|w| w == NAME.as_bytes())
            {
                found.push(path.display().to_string());
            }
        }
    }
    found
}

#[test]
fn a_person_is_erased_and_the_log_still_proves_what_it_was() {
    let mut world = World::new();
    let mut agent = world.agent("mailer");
    let publisher = world.connect(&agent.id);
    // While the server cannot take it in, the broker's files hold it: so the marker can be found at all.
    world.signal("-STOP");
    let mut waiting = intent("mailer", "workflow-mail");
    waiting["on_behalf_of"] = NAME.into();
    let waiting = agent.event(waiting);
    let sent = publisher.publish(waiting.clone().into(), Stream::In);
    world.runtime.block_on(sent).unwrap();
    until("the broker's files hold it", || {
        (!holding(&world.path("nats")).is_empty()).then_some(())
    });
    world.signal("-CONT");
    let reply = world.submit(&publisher, &waiting, Stream::In);
    let mut indexes = vec![reply.outcomes[0].index.0];
    for n in 1..6 {
        let mut event = intent("mailer", "workflow-mail");
        if n % 2 == 0 {
            event["on_behalf_of"] = NAME.into();
            event["action"]["target"] = json!(format!("mailto:{NAME}"));
        }
        let reply = world.submit(&publisher, &agent.event(event), Stream::In);
        if n % 2 == 0 {
            indexes.push(reply.outcomes[0].index.0);
        }
    }
    published(&world);
    let found = |world: &World| {
        let page = world.get(&format!("/api/v1/entries?q=user%3A{NAME}%20since%3A0"));
        page["items"].as_array().unwrap().len()
    };
    assert_eq!(found(&world), 3);
    let trust = world.get("/api/v1/status")["verifier_key"].as_str().unwrap().to_owned();
    let operator = world.path("operator.key").display().to_string();
    let as_operator = |world: &World, arguments: &[&str]| {
        let rest = ["--key", operator.as_str()];
        world.sworn(&[&["admin"], arguments, &rest].concat())
    };
    let entries = indexes.iter().map(u64::to_string).collect::<Vec<_>>().join(",");
    let redact = ["redact", "--entries", &entries, "--part", "body", "--basis", "gdpr-17"];

    let placed = as_operator(&world, &["hold", "place", "--query", "corr:workflow-mail"]);
    assert!(placed.status.success(), "{}", text(&placed));
    let held = as_operator(&world, &redact);
    assert_eq!(held.status.code(), Some(6), "{}", text(&held));
    assert!(text(&held).contains("under hold"), "{}", text(&held));
    let holds = world.get("/api/v1/holds");
    let hold = holds["items"][0]["placed"].to_string();
    assert!(text(&world.sworn(&["admin", "hold", "ls"])).contains("corr:workflow-mail"));
    let lifted = as_operator(&world, &["hold", "lift", &hold]);
    assert!(lifted.status.success(), "{}", text(&lifted));

    let preview = as_operator(&world, &[&redact[..], &["--dry-run"]].concat());
    assert!(text(&preview).contains(NAME) && found(&world) == 3, "{}", text(&preview));
    let redacted = as_operator(&world, &redact);
    assert!(redacted.status.success(), "{}", text(&redacted));

    assert_eq!(found(&world), 0, "found under no name");
    let by =
        world.get("/api/v1/entries?q=kind%3Aredaction%20since%3A0")["items"][0]["index"].clone();
    for index in &indexes {
        let mut response = ureq::get(world.url(&format!("/api/v1/entries/{index}/body")))
            .config()
            .http_status_as_error(false)
            .build()
            .call()
            .unwrap();
        assert_eq!(response.status(), 410);
        let problem: serde_json::Value = response.body_mut().read_json().unwrap();
        assert_eq!((&problem["code"], &problem["redaction"]), (&json!("redacted"), &by));
        let shown = world.sworn(&["get", &index.to_string(), "--trust", &trust]);
        assert!(shown.status.success() && text(&shown).contains("redacted"), "{}", text(&shown));
    }
    let chain = world.sworn(&["chain", "workflow-mail"]);
    assert!(text(&chain).contains("6 entries"), "{}", text(&chain));
    assert!(!text(&chain).contains(NAME));
    published(&world);
    let file = world.path("case.zip").display().to_string();
    let bundle = world.sworn(&["bundle", "create", "--corr", "workflow-mail", "--out", &file]);
    assert!(bundle.status.success(), "{}", text(&bundle));
    let judged = world.sworn(&["verify", &file, "--trust", &trust]);
    assert_eq!(judged.status.code(), Some(0), "{}", text(&judged));
    assert!(text(&judged).contains("3 redacted"), "{}", text(&judged));
    let verified = world.sworn(&["verify", "--trust", &trust]);
    assert!(verified.status.success(), "{}", text(&verified));
    assert!(text(&verified).contains("3 redacted"), "{}", text(&verified));

    assert_eq!(holding(&world.path("data")), Vec::<String>::new(), "the store's files");
    assert!(std::fs::read(&file).unwrap().windows(NAME.len()).all(|w| w != NAME.as_bytes()));
    until("the broker's files hold it no more", || {
        holding(&world.path("nats")).is_empty().then_some(())
    });
    // The agent goes on where it was.
    world.submit(&publisher, &agent.event(intent("mailer", "workflow-mail")), Stream::In);
    world.stop();
    assert_eq!(world.audit().divergences, []);
}
