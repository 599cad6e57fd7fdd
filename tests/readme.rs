//! README's commands work as they stand there.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::harness::SWORN;

/// The lines of the fenced blocks that are marked `sh <mark>`.
fn commands(mark: &str) -> Vec<String> {
    let text = include_str!("../README.md");
    let mut inside = false;
    let mut found = Vec::new();
    for line in text.lines() {
        match line.strip_prefix("```") {
            Some(info) => inside = info == format!("sh {mark}"),
            None if inside => found.push(line.to_owned()),
            None => {}
        }
    }
    assert!(!found.is_empty(), "README has no block {mark}");
    found
}

fn shell(directory: &Path, line: &str, url: &str) {
    let binaries = Path::new(SWORN).parent().unwrap().display().to_string();
    let output = Command::new("sh")
        .args(["-c", line])
        .current_dir(directory)
        .env("PATH", format!("{binaries}:{}", std::env::var("PATH").unwrap()))
        .env("HOME", directory)
        .env("SWORN_URL", url)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{line}: {}\n{errors}", output.status);
    assert!(!output.stdout.is_empty(), "{line} says nothing");
}

struct Dev(Child);

impl Drop for Dev {
    fn drop(&mut self) {
        let _ = Command::new("kill").args(["-TERM", &self.0.id().to_string()]).status();
        let _ = self.0.wait();
    }
}

#[test]
fn the_commands_beside_the_demo_work() {
    let directory = tempfile::tempdir().unwrap();
    let mut dev = Command::new(SWORN)
        .args(["dev", "--demo", "--clock-start", "2026-04-07T22:00:00Z"])
        .current_dir(directory.path())
        .env("HOME", directory.path())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let output = dev.stdout.take().unwrap();
    let _dev = Dev(dev);
    let mut lines = BufReader::new(output).lines().map_while(Result::ok);
    let mut url = None;
    for line in lines.by_ref() {
        if let Some(said) = line.trim().strip_prefix("export SWORN_URL=") {
            url = Some(said.to_owned());
        }
        if line.contains("Ready") {
            break;
        }
    }
    // Somebody must read what the live tail prints, or it would block.
    std::thread::spawn(move || lines.count());
    let url = url.expect("the banner names SWORN_URL");
    for line in commands("demo") {
        shell(directory.path(), &line, &url);
    }
}

#[test]
fn a_ledger_can_be_made_as_described() {
    let directory = tempfile::tempdir().unwrap();
    for line in commands("serve") {
        shell(directory.path(), &line, "http://127.0.0.1:1");
    }
}
