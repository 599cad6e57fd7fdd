//! The format can be implemented from `schemas/` alone: the Python publisher signs, sends, and checks its
//! receipts.

use std::io::Write as _;
use std::process::{Command, Stdio};

use schemas::id::hex;
use serde_json::json;

use crate::harness::World;

#[test]
fn the_example_publisher_is_receipted() {
    let python = std::env::var("SWORN_PYTHON").expect("./check sets SWORN_PYTHON");
    let root = env!("CARGO_MANIFEST_DIR");
    let source = std::fs::read_to_string(format!("{root}/clients/python/publisher.py")).unwrap();
    assert!(source.lines().count() <= 120, "an example stays short");
    let mut world = World::new();
    let agent = world.agent("python-agent");
    let key = world.path("python-agent.key");
    agent.save(&key);
    let mut child = Command::new(python)
        .arg(format!("{root}/clients/python/publisher.py"))
        .args(["--nats", &world.nats_url(), "--tenant", "test"])
        .arg("--key")
        .arg(&key)
        .args(["--ledger-key", &hex(world.ledger_public().as_bytes())])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    for n in 0..3 {
        let mut event = crate::signer::intent("python-agent", "workflow-python");
        event["action"]["target"] = json!(format!("customer-{n}@example.com"));
        writeln!(input, "{event}").unwrap();
    }
    drop(input);
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    let text = String::from_utf8(output.stdout).unwrap();
    let committed = text.lines().filter(|line| line.starts_with("committed #")).count();
    assert_eq!(committed, 3, "{text}");
    let workflow = world.get("/api/v1/workflows/workflow-python");
    assert_eq!(workflow["counts"]["entries"], 3, "{workflow}");
    world.stop();
    assert_eq!(world.audit().divergences, []);
}
