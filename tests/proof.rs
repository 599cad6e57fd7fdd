//! What the ledger says can be checked by software that is not its own, and by a reader who does not trust
//! the server.

use std::path::Path;
use std::process::{Command, Output};

use schemas::checkpoint::Note;
use schemas::id::hex;
use schemas::kind::Stream;

use crate::harness::{World, copy_directory, published, text};
use crate::liar::between;
use crate::signer::intent;

const RECEIPT: &str = "application/scitt-receipt+cose";

fn bytes(world: &World, path: &str, accept: &str) -> Vec<u8> {
    let request = ureq::get(world.url(path)).header("Accept", accept);
    request.call().unwrap().body_mut().read_to_vec().unwrap()
}

/// A world with some entries, all of them published.
fn world(events: usize) -> World {
    let mut world = World::new();
    let mut agent = world.agent("prover");
    let publisher = world.connect(&agent.id);
    for _ in 0..events {
        let message = agent.event(intent("prover", "workflow-proof"));
        world.submit(&publisher, &message, Stream::In);
    }
    published(&world);
    world
}

fn python(world: &World, arguments: &[&str]) -> Output {
    let python = std::env::var("SWORN_PYTHON").expect("./check sets SWORN_PYTHON");
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/clients/python/check_receipt.py");
    let key = hex(world.ledger_public().as_bytes());
    Command::new(python)
        .arg(script)
        .args(arguments)
        .args(["--key", &key])
        .current_dir(world.directory.path())
        .output()
        .unwrap()
}

#[test]
fn receipts_verify_in_python_written_from_the_rfcs() {
    let world = world(20);
    let size = published(&world);
    for index in [1, 2, size / 2, size - 1] {
        let path = format!("/api/v1/entries/{index}");
        let receipt = bytes(&world, &format!("{path}/receipt"), RECEIPT);
        let leaf = bytes(&world, &format!("{path}/leaf"), "application/cbor");
        std::fs::write(world.path("receipt"), &receipt).unwrap();
        std::fs::write(world.path("leaf"), &leaf).unwrap();
        let arguments = ["inclusion", "--receipt", "receipt", "--leaf", "leaf"];
        let checked = python(&world, &arguments);
        assert!(
            text(&checked).starts_with(&format!("valid: entry {index} of ")),
            "{}",
            text(&checked)
        );
        let mut altered = leaf.clone();
        *altered.last_mut().unwrap() ^= 1;
        std::fs::write(world.path("leaf"), &altered).unwrap();
        assert_eq!(python(&world, &arguments).status.code(), Some(1));
    }
    for from in [1, 2, 5, size - 1] {
        let path = format!("/api/v1/consistency?from={from}&to={size}");
        std::fs::write(world.path("receipt"), bytes(&world, &path, RECEIPT)).unwrap();
        let root = world.get(&path)["from"]["root"].as_str().unwrap().to_owned();
        let run = |root: &str| {
            python(&world, &["consistency", "--receipt", "receipt", "--from-root", root])
        };
        let checked = text(&run(&root));
        assert!(
            checked.starts_with(&format!("valid: {size} entries extend {from} of")),
            "{checked}"
        );
        assert_eq!(run(&"00".repeat(32)).status.code(), Some(1));
    }
}

#[test]
fn prove_writes_what_others_can_check() {
    let mut world = world(5);
    let size = published(&world);
    let last = (size - 1).to_string();
    let arguments = ["prove", &last, "--out", "e.tlog-proof", "--receipt", "e.receipt"];
    let proved = world.sworn(&arguments);
    assert!(proved.status.success(), "{}", text(&proved));
    assert!(text(&proved).contains("✓ verified"), "{}", text(&proved));
    let proof = std::fs::read_to_string(world.path("e.tlog-proof")).unwrap();
    assert!(proof.starts_with(&format!("c2sp.org/tlog-proof@v1\nindex {last}\n")), "{proof}");
    let trust = world.get("/api/v1/status")["verifier_key"].as_str().unwrap().to_owned();
    let grown = world.sworn(&["prove", "--from", "1", "--to", &last]);
    assert!(!grown.status.success(), "only published checkpoints are proved: {}", text(&grown));
    let mut agent = world.agent("another");
    let publisher = world.connect(&agent.id);
    world.submit(&publisher, &agent.event(intent("another", "w")), Stream::In);
    let (from, to) = (size.to_string(), published(&world).to_string());
    let grown = world.sworn(&["prove", "--from", &from, "--to", &to]);
    let said = format!("{to} entries of ledger.example/test extend the first {from}");
    assert!(grown.status.success() && text(&grown).contains(&said), "{}", text(&grown));
    assert_eq!(world.sworn(&["prove", "--from", &to, "--to", &from]).status.code(), Some(2));
    world.stop();
    let offline = ["prove", "--check", "e.receipt", "--leaf", "e.receipt.leaf", "--trust", &trust];
    let checked = world.sworn(&offline);
    assert!(text(&checked).contains(&format!("the leaf is entry #{last}")), "{}", text(&checked));
    let other = trust.replace("ledger.example", "other.example");
    let parsed = world.sworn(&[&offline[..6], &[other.as_str()]].concat());
    assert_eq!(parsed.status.code(), Some(2), "a key id does not fit another name");
    let receipt = std::fs::read(world.path("e.receipt")).unwrap();
    let mut forged = receipt;
    *forged.last_mut().unwrap() ^= 1;
    std::fs::write(world.path("e.receipt"), forged).unwrap();
    assert_eq!(world.sworn(&offline).status.code(), Some(11));
}

/// The pins that calls without a context keep.
fn pins(world: &World) -> Vec<std::path::PathBuf> {
    let directory = world.path(".config/sworn/pins");
    let files = std::fs::read_dir(directory).into_iter().flatten();
    let notes = files.map(|file| file.unwrap().path());
    notes.filter(|path| path.extension().is_some_and(|extension| extension == "note")).collect()
}

fn pinned(path: &Path) -> u64 {
    let note = std::fs::read_to_string(path).unwrap();
    Note::parse(&note).unwrap().checkpoint().unwrap().size.0
}

#[test]
fn every_call_pins_and_a_rolled_back_ledger_is_noticed_by_the_next() {
    let mut world = world(3);
    assert!(world.sworn(&["query", "agent:prover"]).status.success());
    let pin = pins(&world).pop().expect("a pin for the server's address");
    let before = pinned(&pin);
    world.stop();
    let copy = world.path("older");
    copy_directory(&world.path("data"), &copy.join("data"));
    copy_directory(&world.path("mark"), &copy.join("mark"));
    world.serve();
    let mut agent = world.agent("another");
    let publisher = world.connect(&agent.id);
    world.submit(&publisher, &agent.event(intent("another", "w")), Stream::In);
    assert!(world.sworn(&["agent", "ls"]).status.success());
    assert!(pinned(&pin) > before, "each call raises the pin");
    world.stop();
    // Somebody puts back the store and its mark: the ledger itself cannot know.
    for name in ["data", "mark"] {
        copy_directory(&copy.join(name), &world.path(name));
    }
    world.serve();
    let noticed = world.sworn(&["query", "agent:prover"]);
    assert_eq!(noticed.status.code(), Some(13), "{}", text(&noticed));
    assert!(text(&noticed).contains("is shorter than the one that was verified here before"));
    assert!(pin.with_extension("conflict").exists(), "both notes are kept");
    let sent = world.sworn(&["agent", "disable", "prover", "--key", "operator.key"]);
    assert!(sent.status.success(), "a kill switch is not held up: {}", text(&sent));
    assert!(text(&sent).contains("error[SW0413]"), "but it is said: {}", text(&sent));
    let listed = world.sworn(&["checkpoint", "ls"]);
    assert!(text(&listed).contains("pinned"), "looking is still possible: {}", text(&listed));
}

#[test]
fn a_checkpoint_that_does_not_verify_is_no_success_in_any_format() {
    let world = world(1);
    let path = "/api/v1/checkpoints";
    let mut newest = world.get(path);
    let note = newest["note"].as_str().unwrap().replacen('\n', "x\n", 1);
    newest["note"] = note.into();
    let url = between(world.url(""), [(path.to_owned(), newest.to_string().into_bytes())].into());
    for format in ["table", "json", "jsonl"] {
        for show in ["ls", "show"] {
            let shown = world.sworn(&["checkpoint", show, "-o", format, "--url", &url]);
            assert_eq!(shown.status.code(), Some(11), "{format}: {}", text(&shown));
        }
    }
}

/// Another ledger takes the address: what it says of itself does not lead around the pin.
#[test]
fn another_ledger_at_the_same_address_is_a_conflict_until_it_is_accepted() {
    let (mut world, mut other) = (world(1), World::new());
    assert!(world.sworn(&["agent", "ls"]).status.success());
    world.stop();
    other.stop();
    for name in ["data", "mark", "ledger.key"] {
        copy_directory(&other.path(name), &world.path(name));
    }
    world.serve();
    let noticed = world.sworn(&["query", "agent:prover"]);
    assert_eq!(noticed.status.code(), Some(13), "{}", text(&noticed));
    assert!(text(&noticed).contains("does not have the key of the one verified before"));
    let root = world.get("/api/v1/status")["root"].as_str().unwrap().to_owned();
    let accepted = world.sworn(&["checkpoint", "pin", "--expect-root", &root]);
    assert!(accepted.status.success(), "{}", text(&accepted));
    assert!(world.sworn(&["agent", "ls"]).status.success());
}

#[test]
fn a_context_names_server_and_trust() {
    let world = world(1);
    let trust = world.get("/api/v1/status")["verifier_key"].as_str().unwrap().to_owned();
    let url = world.url("");
    let run = |arguments: &[&str]| world.sworn(arguments);
    assert!(run(&["context", "add", "acme", "--url", &url, "--trust", &trust]).status.success());
    assert_eq!(run(&["context", "add", "acme", "--trust", &trust]).status.code(), Some(2));
    assert!(run(&["context", "select", "acme"]).status.success());
    assert!(text(&run(&["context", "ls"])).contains("acme"));
    assert!(run(&["agent", "ls"]).status.success());
    assert!(world.path(".config/sworn/contexts/acme.note").exists(), "the context's own pin");
    let stranger = ed25519_dalek::SigningKey::from_bytes(&[77; 32]).verifying_key();
    let other =
        schemas::checkpoint::NoteKey { name: "ledger.example/test".to_owned(), public: stranger };
    let wrong = other.vkey();
    assert!(run(&["context", "add", "wrong", "--url", &url, "--trust", &wrong]).status.success());
    assert!(run(&["context", "select", "wrong"]).status.success());
    assert_eq!(run(&["agent", "ls"]).status.code(), Some(11), "the server is another ledger");
    assert!(run(&["context", "select", "-"]).status.success());
    assert!(run(&["agent", "ls"]).status.success());
}

#[test]
fn a_workflow_is_proved_whole_or_its_gap_is_named() {
    let world = world(12);
    let whole = world.sworn(&["prove", "--complete", "corr:workflow-proof"]);
    assert!(whole.status.success(), "{}", text(&whole));
    assert!(text(&whole).contains("✓ complete  12 entries"), "{}", text(&whole));
    let agent = world.sworn(&["prove", "--complete", "agent:prover", "-o", "json"]);
    let judged: serde_json::Value = serde_json::from_slice(&agent.stdout).unwrap();
    assert_eq!(judged["verdict"], "complete", "{judged}");
    let nothing = world.sworn(&["prove", "--complete", "corr:no-such-workflow"]);
    assert!(text(&nothing).contains("✓ complete  0 entries"), "{}", text(&nothing));
    let wrong = world.sworn(&["prove", "--complete", "user:somebody"]);
    assert_eq!(wrong.status.code(), Some(2), "only these have ordinals: {}", text(&wrong));

    let key = world.ledger_public();
    let claim = bytes(&world, "/api/v1/claims?term=corr%3Aworkflow-proof", "application/cose");
    let claim = schemas::claim::Claim::verify(&claim, &key).unwrap();
    let listed = world.get("/api/v1/entries?q=corr%3Aworkflow-proof%20since%3A0");
    assert_eq!(claim.count, listed["items"].as_array().unwrap().len() as u64);
    assert_eq!(claim.last.map(|index| index.0), listed["items"][0]["index"].as_u64());
}
