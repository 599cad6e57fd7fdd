//! What a development server says of itself before it begins.

use std::io::Write as _;
use std::path::Path;

use ingest::OwnServer;
use schemas::terms::Key;

use super::{Args, Dev};
use crate::cli::out::{Out, Tone};
use crate::cli::trust::fingerprint;
use crate::demo;

/// Says what takes a few seconds.
pub(super) fn replaying() {
    say("Replaying the worked example: every signer is a process of its own, with its own key.\n");
}

/// A closed standard output is no reason to stop serving.
fn say(text: &str) {
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

pub(super) fn print(dev: &Dev, nats: &OwnServer, args: &Args, out: Out) {
    say(&banner(dev, nats, args, out));
}

fn banner(dev: &Dev, nats: &OwnServer, args: &Args, out: Out) -> String {
    let version = env!("CARGO_PKG_VERSION");
    let data = dev.place.dir().display();
    let warning = out.paint(
        Tone::Notable,
        "DEVELOPMENT MODE: keys on disk, no TLS, no login. Never use in production.",
    );
    let simulated = if dev.clock.is_simulated() { ", simulated" } else { "" };
    let mut text = format!("sworn {version}  {warning}\n");
    let mut line = |name: &str, value: &str| text.push_str(&format!("  {name:<10}  {value}\n"));
    line("NATS", &format!("{}  (own nats-server; log {data}/nats/nats-server.log)", nats.url()));
    line("API", &format!("{}/api/v1", dev.url));
    line("Data", &format!("{data}  (kept; --fresh wipes)"));
    line("Clock", &format!("{:.19}Z{simulated}", dev.clock.now().to_string()));
    let trust = fingerprint(&dev.ledger.identity().note_key());
    line("Trust", &format!("{trust}  (pin it: sworn verify --trust)"));
    if args.demo {
        let told = demo::AGENTS.iter().map(|agent| agent.id);
        let told: Vec<_> = told.filter(|id| !demo::LOAD.contains(id)).collect();
        line("Agents", &format!("{}, {} load agents", told.join(", "), demo::LOAD.len()));
    }
    line("Operator", &format!("{data}/keys/{}.key", demo::OPERATOR));
    text.push_str(&format!("  export SWORN_URL={}\n", dev.url));
    text.push_str(&format!("  export SWORN_NATS_URL={}\n", dev.nats));
    text.push_str(&path_line());
    text.push_str("  Try, in a new terminal:\n");
    for (command, what) in suggestions(dev, args) {
        text.push_str(&format!("    {command:<32} {what}\n"));
    }
    text.push_str("Ready. Live tail (^C to stop):\n");
    text
}

/// How to find this very program, unless the shell does already.
fn path_line() -> String {
    let program = std::env::current_exe().ok();
    let Some(dir) = program.as_deref().and_then(Path::parent) else { return String::new() };
    let path = std::env::var_os("PATH").unwrap_or_default();
    if std::env::split_paths(&path).any(|found| found == dir) {
        return String::new();
    }
    format!("  export PATH=\"{}:$PATH\"\n", dir.display())
}

fn suggestions(dev: &Dev, args: &Args) -> Vec<(String, &'static str)> {
    let data = match super::is_default(&args.data) {
        true => String::new(),
        false => format!(" --data {}", args.data.display()),
    };
    let verify = ("sworn verify".to_owned(), "every hash, signature, proof, checkpoint");
    let tamper =
        (format!("sworn demo tamper{data}"), "flip one byte in a COPY; watch verify name it");
    if !args.demo {
        return vec![("sworn tail".to_owned(), "follow everything"), verify, tamper];
    }
    let chain = |corr: &str| format!("sworn chain {corr}");
    let mut tried = vec![
        ("sworn tail agent:outreach-*".to_owned(), "follow an agent"),
        (chain(demo::BILLING_WORKFLOW), "rebuild a workflow: 3 steps, 3 verdicts"),
        (chain(demo::RELEASE_WORKFLOW), "who dropped a production table, for whom"),
    ];
    let dropped = dev.ledger.postings(Key::Target, "postgres:prod/sessions").at_or_after(0);
    if let Ok(Some(index)) = dropped {
        tried
            .push((format!("sworn why {}", index.0), "on whose authority, and within what limits"));
    }
    tried.extend([verify, tamper]);
    tried
}
