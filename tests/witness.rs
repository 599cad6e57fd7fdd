//! Witnesses cosign what only grows; a dead one holds nobody up, and a forked log is caught with proof.

use std::net::TcpListener;
use std::process::{Child, Command, Stdio};

use ed25519_dalek::SigningKey;
use schemas::checkpoint::{Checkpoint, Note, NoteKey, sign_checkpoint};
use schemas::id::{TreeHash, TreeSize};
use schemas::kind::Stream;
use schemas::policy::Policy;
use schemas::witness::AddCheckpoint;

use crate::harness::{SWORN, World, copy_directory, free_port, text, until};
use crate::signer::{Signer, intent};

/// A witness of its own process.
struct Witness {
    process: Child,
    url: String,
    vkey: String,
    data: String,
}

impl Witness {
    fn start(world: &World, name: &str, log: &str) -> Self {
        let key = world.path(&format!("{name}.key"));
        let path = key.display().to_string();
        let made = world.sworn(&["key", "gen", &format!("witness.example/{name}"), &path]);
        assert!(made.status.success(), "{}", text(&made));
        let vkey = text(&world.sworn(&["witness", "key", &path])).trim().to_owned();
        let port = free_port();
        let data = world.path(&format!("{name}-data")).display().to_string();
        let process = Command::new(SWORN)
            .args(["witness", "serve", "--key", &path, "--data", &data, "--log", log])
            .args(["--listen", &format!("127.0.0.1:{port}")])
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let url = format!("http://127.0.0.1:{port}");
        until("the witness", || ureq::get(format!("{url}/vkey")).call().ok());
        Self { process, url, vkey, data }
    }

    /// Status and text of the answer.
    fn post(&self, body: &str) -> (u16, String) {
        let agent: ureq::Agent =
            ureq::Agent::config_builder().http_status_as_error(false).build().into();
        let mut response = agent.post(format!("{}/add-checkpoint", self.url)).send(body).unwrap();
        (response.status().as_u16(), response.body_mut().read_to_string().unwrap())
    }
}

impl Drop for Witness {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn publish(world: &World, agent: &mut Signer) {
    let publisher = world.connect(&agent.id);
    let message = agent.event(intent("watched", "w"));
    world.submit(&publisher, &message, Stream::In);
}

#[test]
fn two_of_three_witnesses_are_enough_and_a_silent_one_delays_nothing() {
    let mut world = World::new();
    let log = world.get("/api/v1/status")["verifier_key"].as_str().unwrap().to_owned();
    let (one, two) = (Witness::start(&world, "w1", &log), Witness::start(&world, "w2", &log));
    // It takes connections and never answers.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let silent_url = format!("http://{}", silent.local_addr().unwrap());
    let third = SigningKey::from_bytes(&[33; 32]).verifying_key();
    let third =
        schemas::checkpoint::WitnessKey { name: "witness.example/w3".into(), public: third };
    let policy = format!(
        "log {log}\nwitness w1 {} {}\nwitness w2 {} {}\nwitness w3 {} {silent_url}\n\
         group all 2 w1 w2 w3\nquorum all\n",
        one.vkey,
        one.url,
        two.vkey,
        two.url,
        third.vkey(),
    );
    let file = world.path("policy");
    std::fs::write(&file, &policy).unwrap();
    world.stop();
    world.serve_with(&["--policy", file.to_str().unwrap()]);
    let mut agent = world.agent("watched");
    for _ in 0..20 {
        publish(&world, &mut agent);
    }
    let size = world.get("/api/v1/status")["size"].as_u64().unwrap();
    let witnesses = until("two cosignatures", || {
        let witnesses = world.get("/api/v1/witnesses");
        (witnesses["witnessed"].as_u64() == Some(size)).then_some(witnesses)
    });
    assert_eq!(witnesses["items"][2]["size"], 0, "the third never answered: {witnesses}");
    let mut served = ureq::get(world.url("/log/test/checkpoint")).call().unwrap();
    let note = Note::parse(&served.body_mut().read_to_string().unwrap()).unwrap();
    assert_eq!(note.signatures.len(), 3, "the log's and two more: {note}");
    assert!(Policy::parse(&policy).unwrap().witnessed(&note).quorum);
    let listed = world.sworn(&["witness", "ls"]);
    assert!(text(&listed).contains(&format!("witnessed {size} of {size}")), "{}", text(&listed));
    let memory = ["--data", &one.data, "--log", &log];
    let shown = world.sworn(&[&["witness", "show"], &memory[..]].concat());
    assert!(shown.status.success(), "{}", text(&shown));
    std::fs::write(world.path("checkpoint"), note.to_string()).unwrap();
    let agrees = world.sworn(&[&["witness", "check", "checkpoint"], &memory[..]].concat());
    assert!(agrees.status.success(), "{}", text(&agrees));
    let shown = world.sworn(&["get", "1"]);
    assert!(text(&shown).contains("- witnessed, says the ledger"), "{}", text(&shown));
    world.stop();
    assert_eq!(world.audit().divergences, [], "cosignatures are no fault");
    // With no witness to ask, the server still knows how far they were.
    drop((one, two));
    world.serve_with(&["--policy", file.to_str().unwrap()]);
    assert_eq!(world.get("/api/v1/witnesses")["witnessed"], size);
}

#[test]
fn a_witness_that_knows_more_than_a_machine_set_back_is_an_incident() {
    let mut world = World::new();
    let log = world.get("/api/v1/status")["verifier_key"].as_str().unwrap().to_owned();
    let witness = Witness::start(&world, "w1", &log);
    let file = world.path("policy");
    let policy = format!("log {log}\nwitness w1 {} {}\nquorum w1\n", witness.vkey, witness.url);
    std::fs::write(&file, policy).unwrap();
    let mut agent = world.agent("watched");
    world.stop();
    for part in ["data", "mark"] {
        copy_directory(&world.path(part), &world.path(&format!("older-{part}")));
    }
    let arguments = ["--policy", file.to_str().unwrap()];
    world.serve_with(&arguments);
    for _ in 0..20 {
        publish(&world, &mut agent);
    }
    let size = world.get("/api/v1/status")["size"].as_u64().unwrap();
    until("a cosignature", || {
        (world.get("/api/v1/witnesses")["witnessed"].as_u64() == Some(size)).then_some(())
    });
    world.stop();
    for part in ["data", "mark"] {
        copy_directory(&world.path(&format!("older-{part}")), &world.path(part));
    }
    world.serve_with(&arguments);
    let incident = until("the incident", || {
        let found = world.get("/api/v1/entries?q=code%3Awitness_ahead");
        found["items"][0]["body"]["note"].as_str().map(str::to_owned)
    });
    assert!(incident.contains(&format!("it has cosigned {size} entries")), "{incident}");
    world.stop();
    assert_eq!(world.audit().divergences, []);
}

#[test]
fn a_forked_log_is_caught_with_both_checkpoints() {
    let world = World::new();
    let secret = SigningKey::from_bytes(&[44; 32]);
    let origin = "ledger.example/forked".to_owned();
    let log = NoteKey { name: origin.clone(), public: secret.verifying_key() };
    let witness = Witness::start(&world, "w1", &log.vkey());
    let request = |size: u64, root: u8, old: u64| {
        let checkpoint =
            Checkpoint { origin: origin.clone(), size: TreeSize(size), root: TreeHash([root; 32]) };
        let note = sign_checkpoint(&checkpoint, &secret).unwrap();
        AddCheckpoint { old: TreeSize(old), proof: Vec::new(), note }
    };
    let (status, line) = witness.post(&request(5, 1, 0).to_string());
    assert_eq!(status, 200, "{line}");
    assert!(line.starts_with("— witness.example/w1 "), "{line}");
    assert_eq!(witness.post(&request(5, 1, 0).to_string()), (409, "5\n".to_owned()));
    assert_eq!(witness.post(&request(6, 1, 5).to_string()).0, 422, "no proof");
    assert_eq!(witness.post(&request(4, 1, 5).to_string()).0, 400);
    assert_eq!(witness.post("old 1\n").0, 400);
    assert_eq!(witness.post(&request(5, 2, 5).to_string()).0, 422, "another root");
    let stranger = Checkpoint {
        origin: "ledger.example/forked/2".to_owned(),
        size: TreeSize(3),
        root: TreeHash([1; 32]),
    };
    let renamed = sign_checkpoint(&stranger, &secret).unwrap();
    let renamed = AddCheckpoint { old: TreeSize(0), proof: Vec::new(), note: renamed };
    let (status, told) = witness.post(&renamed.to_string());
    assert_eq!(status, 404);
    assert!(told.contains("a new epoch, after a rollback or by fraud"), "{told}");

    let vkey = log.vkey();
    let memory = ["--data", &witness.data, "--log", &vkey];
    let shown = world.sworn(&[&["witness", "show"], &memory[..]].concat());
    assert_eq!(shown.status.code(), Some(13), "{}", text(&shown));
    assert!(text(&shown).contains("CONTRADICTION"), "{}", text(&shown));
    std::fs::write(world.path("other"), request(5, 2, 0).note.to_string()).unwrap();
    let proof = world.sworn(&[&["witness", "check", "other"], &memory[..]].concat());
    assert_eq!(proof.status.code(), Some(13), "{}", text(&proof));
    assert!(text(&proof).contains("proof of fraud"), "{}", text(&proof));
}
