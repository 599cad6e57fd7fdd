//! Who is let in: tokens made and revoked beside a running server, and a log that says who read.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Output, Stdio};

use schemas::kind::Stream;
use serde_json::Value as Json;

use crate::harness::{SWORN, World, until};
use crate::signer::{intent, tenant};

/// A world that asks for tokens, with one workflow in it.
fn world() -> World {
    let mut world = World::new();
    let mut agent = world.agent("pay-bot");
    let message = agent.event(intent("pay-bot", "w"));
    world.submit(&world.connect(&agent.id), &message, Stream::In);
    world.stop();
    std::fs::write(world.path("sworn.toml"), "[http]\nauth = \"required\"\n").unwrap();
    world.serve();
    world
}

fn run(world: &World, token: Option<&str>, arguments: &[&str]) -> Output {
    let mut command = Command::new(SWORN);
    command
        .args(arguments)
        .env("SWORN_URL", world.url(""))
        .env("SWORN_TENANT", tenant().as_str())
        .env("SWORN_DATA", world.path("data"))
        .env("HOME", world.directory.path())
        .current_dir(world.directory.path())
        .stdin(Stdio::null());
    if let Some(token) = token {
        command.env("SWORN_TOKEN", token);
    }
    command.output().unwrap()
}

fn made(world: &World, arguments: &[&str]) -> String {
    let made = run(world, None, &[&["token", "create"], arguments].concat());
    assert!(made.status.success(), "{}", utf8(&made.stderr));
    let token = utf8(&made.stdout).trim().to_owned();
    assert!(token.starts_with("sworn_"), "{token}");
    // The server takes it up by itself.
    let status = world.url("/api/v1/status");
    until("the token", || {
        ureq::get(&status).header("Authorization", format!("Bearer {token}")).call().ok()
    });
    token
}

#[test]
fn who_read_a_workflow_is_in_the_log() {
    let mut world = world();
    let anna = made(&world, &["anna", "--role", "auditor"]);
    let paul = made(&world, &["paul", "--role", "publisher"]);
    for (token, code) in [(Some(&anna), 0), (Some(&paul), 4), (None, 4)] {
        let read = run(&world, token.map(String::as_str), &["query", "corr:w"]);
        assert_eq!(read.status.code(), Some(code), "{}", utf8(&read.stderr));
    }
    let refused = utf8(&run(&world, None, &["query", "corr:w"]).stderr);
    assert!(refused.contains("SW0203") && refused.contains("sworn token create"), "{refused}");
    let listed = utf8(&run(&world, None, &["token", "ls"]).stdout);
    assert!(listed.contains("anna") && !listed.contains(&anna), "{listed}");
    world.stop();
    assert!(
        !world.log().contains(anna.trim_start_matches("sworn_")),
        "a token in the server's log"
    );
    world.serve();
    let asked = ["query", "kind:ledger.access read:corr:w", "-o", "jsonl"];
    let found = run(&world, Some(&anna), &asked);
    let found = utf8(&found.stdout);
    let mut told: Vec<_> = found
        .lines()
        .map(|line| serde_json::from_str::<Json>(line).unwrap()["body"].clone())
        .map(|body| (body["reader"].to_string(), body["code"].to_string()))
        .collect();
    told.sort_unstable();
    let told: Vec<_> = told.iter().map(|(who, code)| (who.as_str(), code.as_str())).collect();
    assert_eq!(told, [("\"anna\"", "null"), ("\"paul\"", "\"denied\"")], "{found}");
    world.stop();
    assert!(world.audit().divergences.is_empty());
}

#[test]
fn a_revoked_token_ends_its_streams() {
    let world = world();
    let token = made(&world, &["soc", "--role", "responder", "--scope", "agent:pay-bot"]);
    let tail = world.url("/api/v1/tail?since=0");
    let bearer = format!("Bearer {token}");
    let stream = ureq::get(&tail).header("Authorization", &bearer).call().unwrap();
    let mut lines = BufReader::new(stream.into_body().into_reader()).lines().map_while(Result::ok);
    let (mut seen, mut event) = (0, String::new());
    while event != "caught-up" {
        let line = lines.next().unwrap();
        match line.split_once(": ") {
            Some(("event", name)) => name.clone_into(&mut event),
            Some(("data", entry)) if event == "entry" => {
                assert!(entry.contains("pay-bot"), "{entry}");
                seen += 1;
            }
            _ => {}
        }
    }
    assert!(seen > 0, "nothing of the scope was seen");
    let revoked = run(&world, None, &["token", "revoke", "soc"]);
    assert!(revoked.status.success(), "{}", utf8(&revoked.stderr));
    let rest: Vec<_> = lines.collect();
    assert!(rest.iter().any(|line| line == "event: bye"), "{rest:?}");
    assert!(rest.iter().any(|line| line.contains("revoked")), "{rest:?}");
    let after = ureq::get(&tail).header("Authorization", &bearer).call();
    assert!(matches!(after, Err(ureq::Error::StatusCode(401))), "{after:?}");
}

#[test]
fn a_hangup_does_not_end_a_service() {
    let world = world();
    world.signal("-HUP");
    until("word of the signal", || world.log().contains("SIGHUP").then_some(()));
    assert!(ureq::get(&world.url("/livez")).call().is_ok());
}

#[test]
fn a_server_for_the_network_has_tls_and_tokens_or_does_not_start() {
    let mut world = World::new();
    world.stop();
    for (settings, expected) in [
        ("listen = \"0.0.0.0:0\"\n", "which is not a loopback address"),
        ("auth = \"maybe\"\n", "expected required or none"),
        ("auth = \"required\"\n[http.tls]\ncert = \"nowhere\"\nkey = \"nowhere\"\n", "nowhere"),
        ("[http.oidc]\nissuer = \"https://i\"\n", "http.oidc.audience"),
    ] {
        std::fs::write(world.path("sworn.toml"), format!("[http]\n{settings}")).unwrap();
        let refused = run(&world, None, &["serve", "--mark", "mark", "--key", "ledger.key"]);
        let why = utf8(&refused.stderr);
        assert!(!refused.status.success() && why.contains(expected), "{settings}: {why}");
    }
}

fn utf8(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
