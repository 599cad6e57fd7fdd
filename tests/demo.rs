//! A newcomer's first minutes: the demo plays, checks itself, and its ledger notices a changed byte.

use std::process::Command;

use crate::harness::SWORN;

#[test]
fn the_demo_rebuilds_the_billing_workflow_and_tampering_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("dev");
    let run = |arguments: &[&str]| {
        Command::new(SWORN)
            .args(arguments)
            .arg("--data")
            .arg(&data)
            .current_dir(directory.path())
            .env("HOME", directory.path())
            .env_remove("SWORN_URL")
            .output()
            .unwrap()
    };
    let demo = run(&[
        "dev",
        "--demo",
        "--clock-start",
        "2026-04-07T22:00:00Z",
        "--for",
        "5s",
        "--listen",
        "127.0.0.1:0",
    ]);
    let text = String::from_utf8_lossy(&demo.stdout);
    let errors = String::from_utf8_lossy(&demo.stderr);
    assert!(demo.status.success(), "{text}\n{errors}");
    for line in [
        "mail in",
        "email.send",
        "voice.call",
        "local_hours allow",
        "reassigned_number allow",
        "tcpa_consent allow",
        "9 entries (8 counted, 1 joined)",
        "complete, verified at checkpoint",
    ] {
        assert!(text.contains(line), "{line:?} is missing in:\n{text}");
    }
    let tamper = run(&["demo", "tamper"]);
    let text = String::from_utf8_lossy(&tamper.stdout);
    assert!(tamper.status.success(), "{text}\n{}", String::from_utf8_lossy(&tamper.stderr));
    assert!(text.contains("entry #"), "verify names the entry:\n{text}");
}
