//! One file for a case: made by the server, judged with neither server nor network.

use std::path::Path;
use std::process::{Command, Output};

use schemas::checkpoint::{Checkpoint, Note, sign_checkpoint};
use schemas::evidence;
use schemas::id::TreeHash;
use schemas::kind::Stream;

use crate::harness::{SWORN, World, published, text, until};
use crate::signer::intent;

/// A world with a case, and the TRUST of its ledger.
fn world() -> (World, String) {
    let mut world = World::new();
    for name in ["first-agent", "second-agent"] {
        let mut agent = world.agent(name);
        let publisher = world.connect(&agent.id);
        for _ in 0..4 {
            let message = agent.event(intent(name, "workflow-case"));
            world.submit(&publisher, &message, Stream::In);
        }
    }
    published(&world);
    let trust = world.get("/api/v1/status")["verifier_key"].as_str().unwrap().to_owned();
    (world, trust)
}

/// `sworn verify` in an empty directory, with nothing to ask.
fn verify(file: &Path, arguments: &[&str]) -> Output {
    let nowhere = tempfile::tempdir().unwrap();
    Command::new(SWORN)
        .args(["verify", file.to_str().unwrap()])
        .args(arguments)
        .env_clear()
        .env("HOME", nowhere.path())
        .env("SWORN_URL", "http://127.0.0.1:1")
        .current_dir(nowhere.path())
        .output()
        .unwrap()
}

fn create(world: &World, name: &str, arguments: &[&str]) -> std::path::PathBuf {
    let file = world.path(name);
    let out = file.display().to_string();
    let made = world.sworn(&[&["bundle", "create", "--out", &out], arguments].concat());
    assert!(made.status.success(), "{}", text(&made));
    file
}

#[test]
fn a_case_is_proved_offline() {
    let (mut world, trust) = world();
    let case = create(&world, "case.zip", &["--corr", "workflow-case"]);
    let agent = create(&world, "agent.zip", &["--agent", "first-agent", "--details"]);
    let range = create(&world, "range.zip", &["--range", "2..6"]);
    let prefix = create(&world, "prefix.zip", &["--query", "agent:first-*"]);
    let again = world.sworn(&["bundle", "create", "--corr", "x", "--out", case.to_str().unwrap()]);
    assert!(!again.status.success(), "a bundle is never written over a file");
    let inspected = world.sworn(&["bundle", "inspect", case.to_str().unwrap()]);
    assert!(text(&inspected).contains("corr:\"workflow-case\""), "{}", text(&inspected));
    // Nothing of the ledger is needed any more.
    world.stop();
    for file in [&case, &agent, &range] {
        let sound = verify(file, &["--trust", &trust, "--explain"]);
        assert_eq!(sound.status.code(), Some(0), "{}", text(&sound));
        for word in ["intact", "complete", "proven", "none", "root from its leaf and proof"] {
            assert!(text(&sound).contains(word), "{word}: {}", text(&sound));
        }
    }
    let open = verify(&prefix, &["--trust", &trust]);
    assert_eq!(open.status.code(), Some(14), "{}", text(&open));
    assert!(text(&open).contains("nothing vouches that no entry is missing at the end"));
    let untrusting = verify(&case, &[]);
    assert_eq!(untrusting.status.code(), Some(14), "{}", text(&untrusting));
    let stranger = "SHA256:".to_owned() + &"07".repeat(32);
    assert_eq!(verify(&case, &["--trust", &stranger]).status.code(), Some(11));
    let json = verify(&case, &["--trust", &trust, "-o", "json"]);
    let json: serde_json::Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!((&json["entries"], &json["exit"]), (&8.into(), &0.into()));
    assert_eq!(json["verdicts"]["completeness"], "complete");
}

#[test]
fn a_bundle_that_nobody_waits_for_is_fetched_later() {
    let (mut world, trust) = world();
    let asked = world.url("/api/v1/bundles?q=corr%3Aworkflow-case&since=%230");
    let later = ureq::get(asked).header("Prefer", "respond-async").call().unwrap();
    assert_eq!(later.status(), 202);
    let location = world.url(later.headers()["location"].to_str().unwrap());
    let bundle = until("the bundle", || {
        let mut answer = ureq::get(&location).call().unwrap();
        (answer.status() == 200).then(|| answer.body_mut().read_to_vec().unwrap())
    });
    let file = world.path("later.zip");
    std::fs::write(&file, &bundle).unwrap();
    world.stop();
    let sound = verify(&file, &["--trust", &trust, "--explain"]);
    assert_eq!(sound.status.code(), Some(0), "{}", text(&sound));
    assert!(
        text(&sound).contains("leaves.cbor: digest that custody.json names"),
        "{}",
        text(&sound)
    );
    let custody = &evidence::open(&bundle).unwrap().rendered["custody.json"];
    let custody: serde_json::Value = serde_json::from_slice(custody).unwrap();
    assert_eq!(custody["made"]["by"], "loopback");
}

#[test]
fn what_is_wrong_with_a_file_is_its_exit_code() {
    let (world, trust) = world();
    let case = create(&world, "case.zip", &["--corr", "workflow-case"]);
    let bytes = std::fs::read(&case).unwrap();
    let sound = evidence::open(&bytes).unwrap();
    let check = |name: &str, bytes: &[u8], more: &[&str]| {
        let file = world.path(name);
        std::fs::write(&file, bytes).unwrap();
        let checked = verify(&file, &[&["--trust", &trust], more].concat());
        (checked.status.code().unwrap(), text(&checked))
    };
    let (code, said) = check("cut.zip", &bytes[..bytes.len() / 2], &[]);
    assert!(code == 10 && said.contains("cut short"), "{code} {said}");
    let mut page = sound.clone();
    let html = page.rendered.get_mut("report.html").unwrap();
    *html = String::from_utf8(html.clone()).unwrap().replace("first-agent", "other-agent").into();
    let (code, said) = check("page.zip", &page.pack(), &[]);
    assert!(code == 10 && said.contains("report.html is not what the evidence says"), "{said}");
    let mut dropped = sound.bundle.clone();
    let last = dropped.leaves.len() - 1;
    let index = schemas::leaf::Leaf::decode(&dropped.leaves.remove(last)).unwrap().index.0;
    dropped.paths.remove(last);
    dropped.bodies.remove(&index);
    dropped.statements.pop();
    let (code, said) = check("dropped.zip", &evidence::pack(&dropped), &[]);
    assert!(code == 12 && said.contains("the ledger claims"), "{code} {said}");
    // A checkpoint kept before, of another tree of that size.
    let known = world.path("known.txt");
    let head = Note::parse(&sound.bundle.head).unwrap().checkpoint().unwrap();
    let other = Checkpoint { root: TreeHash([3; 32]), ..head };
    let forger = ed25519_dalek::SigningKey::from_bytes(&[1; 32]);
    std::fs::write(&known, sign_checkpoint(&other, &forger).unwrap().to_string()).unwrap();
    let (code, said) = check("fork.zip", &bytes, &["--known", known.to_str().unwrap()]);
    assert!(code == 13 && said.contains("the log was forked"), "{code} {said}");
}
