//! Long output through a pager: on a terminal, of the user's choice, and nowhere else.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use crate::harness::{SWORN, World, until};

/// Runs a command on a terminal of its own and ends as that did.
const ON_TERMINAL: &str =
    "import os, pty, sys; sys.exit(os.waitstatus_to_exitcode(pty.spawn(sys.argv[1:])))";
const MARK: &str = "-- paged --";

/// A server, and a pager that says so at the end of what it shows.
struct Stage {
    world: World,
    pager: PathBuf,
}

impl Stage {
    fn new() -> Self {
        let world = World::new();
        let ready = ureq::Agent::config_builder().http_status_as_error(false).build().new_agent();
        until("the API", || ready.get(world.url("/readyz")).call().ok());
        let pager = world.directory.path().join("pager");
        fs::write(&pager, format!("#!/bin/sh\ncat\necho '{MARK}' \"$@\"\n")).unwrap();
        fs::set_permissions(&pager, fs::Permissions::from_mode(0o755)).unwrap();
        Self { world, pager }
    }

    /// What a person sees, with these variables set.
    fn seen(&self, arguments: &[&str], variables: &[(&str, &str)]) -> String {
        let python = std::env::var("SWORN_PYTHON").expect("./check sets SWORN_PYTHON");
        let output = Command::new(python)
            .args(["-c", ON_TERMINAL, SWORN])
            .args(arguments)
            .env_remove("PAGER")
            .env("TERM", "xterm")
            .env("SWORN_URL", self.world.url(""))
            .env("HOME", self.world.directory.path())
            .envs(variables.iter().copied())
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let shown = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success(), "{arguments:?}: {shown}");
        assert!(shown.contains("ledger.genesis"), "{arguments:?}: {shown}");
        shown
    }
}

#[test]
fn long_output_is_paged_on_a_terminal_alone() {
    let stage = Stage::new();
    let pager = stage.pager.to_str().unwrap();
    let with_word = format!("{pager} word");
    let query = ["query", "kind:ledger.genesis"];
    let unpaged = [&query[..], &["--no-pager"]].concat();
    let paged = |arguments: &[&str], variables: &[(&str, &str)]| {
        stage.seen(arguments, variables).contains(MARK)
    };
    assert!(paged(&query, &[("SWORN_PAGER", pager)]));
    assert!(paged(&query, &[("PAGER", pager)]));
    assert!(paged(&["stats", "--by", "kind"], &[("PAGER", pager)]));
    let shown = stage.seen(&query, &[("SWORN_PAGER", &with_word), ("PAGER", "false")]);
    assert!(shown.contains(&format!("{MARK} word")), "the program's own variable wins: {shown}");
    let entry = shown.find("ledger.genesis");
    assert!(entry < shown.find(MARK), "the pager was given it: {shown}");
    assert!(!paged(&unpaged, &[("SWORN_PAGER", pager)]));
    assert!(!paged(&query, &[("SWORN_PAGER", ""), ("PAGER", pager)]), "none is wanted");
    assert!(!paged(&query, &[("PAGER", pager), ("TERM", "dumb")]));
    assert!(!paged(&["tail", "--limit", "1", "since:0"], &[("PAGER", pager)]));
    assert!(!paged(&query, &[("PAGER", "/nowhere/pager")]), "data comes without it, too");
    // Into a pipe there is nothing but the data.
    let piped = Command::new(SWORN)
        .args(query)
        .env("SWORN_PAGER", pager)
        .env("TERM", "xterm")
        .env("SWORN_URL", stage.world.url(""))
        .env("HOME", stage.world.directory.path())
        .output()
        .unwrap();
    let piped = String::from_utf8(piped.stdout).unwrap();
    assert!(piped.contains("ledger.genesis") && !piped.contains(MARK), "{piped}");
}
