//! The worked example, replayed once on a development server that nobody works on afterwards.

use std::collections::BTreeMap;

use serde_json::Value as Json;

use crate::dev::Dev;
use crate::harness::until;

/// The server, and what stands for words in braces.
pub(super) struct Replay {
    dev: Dev,
    words: BTreeMap<&'static str, String>,
}

/// What questions name, and the query whose oldest entry it is of.
const NAMED: [(&str, &str, &str); 9] = [
    ("{mail}", "index", "corr:mail-a1ee17c948c506a6"),
    ("{G1}", "body.grant.id", "signer:oncall@example.com kind:delegation.granted"),
    ("{G2}", "body.grant.id", "signer:orchestrator-v2 kind:delegation.granted"),
    ("{drop}", "index", "action:\"DROP TABLE\" kind:action.intent"),
    ("{dropped}", "index", "action:\"DROP TABLE\" kind:action.outcome"),
    ("{kill}", "index", "kind:agent.disabled"),
    ("{digest}", "body.input.digest", "corr:mail-a1ee17c948c506a6"),
    ("{review}", "index", "corr:pr-4521"),
    ("{session}", "body.session", "agent:db-migration-agent kind:session.start"),
];

impl Replay {
    /// Replays it, and waits until everything is published.
    pub(super) fn start() -> Self {
        let dev = Dev::start(&["--demo", "--no-load", "--clock-start", "2026-04-07T22:00:00Z"]);
        let mut replay = Self { dev, words: BTreeMap::new() };
        for (word, member, query) in NAMED {
            let encoded: String = query.bytes().map(|byte| format!("%{byte:02X}")).collect();
            let page =
                replay.get(&format!("/entries?q={encoded}%20since%3A0&order=oldest&limit=1"));
            replay.words.insert(word, super::member(&page["items"][0], member));
        }
        let leaf = replay.get("/entries/{drop}/leaf");
        replay.words.insert("{leaf}", super::member(&leaf, "bytes"));
        let size = until("the newest checkpoint", || {
            let size = replay.get("/status")["size"].as_u64().unwrap();
            (replay.get("/checkpoints")["size"].as_u64() == Some(size)).then_some(size)
        });
        let old = (1..size)
            .find(|size| ureq::get(replay.address(&format!("/checkpoints/{size}"))).call().is_ok());
        replay.words.insert("{new}", size.to_string());
        replay.words.insert("{old}", old.unwrap().to_string());
        replay
    }

    /// Text with its words in braces replaced.
    pub(super) fn fill(&self, text: &str) -> String {
        let replace = |text: String, (word, value): (&&str, &String)| text.replace(word, value);
        self.words.iter().fold(text.to_owned(), replace)
    }

    fn address(&self, path: &str) -> String {
        format!("{}/api/v1{path}", self.dev.url)
    }

    /// The answer at an address: JSON, the data of a stream's events, or text as the member `text`.
    pub(super) fn get(&self, path: &str) -> Json {
        let (method, path) = path.split_once(' ').unwrap_or(("GET", path));
        let url = self.address(&self.fill(path));
        let answer = match method {
            "POST" => ureq::post(&url).header("X-Sworn-Admin", "1").send_empty(),
            _ => ureq::get(&url).call(),
        };
        let mut answer = answer.unwrap_or_else(|error| panic!("{url}: {error}"));
        let text = answer.body_mut().read_to_string().unwrap();
        if path.starts_with("/tail") {
            return events(&text);
        }
        serde_json::from_str(&text).unwrap_or_else(|_text| serde_json::json!({ "text": text }))
    }

    /// What a command prints as JSON.
    pub(super) fn run(&self, command: &[&str]) -> Json {
        let output = self.print(&[command, &["-o", "json"]].concat());
        if command.first() == Some(&"tail") {
            let lines = output.lines().map(|line| serde_json::from_str::<Json>(line).unwrap());
            return lines.collect();
        }
        serde_json::from_str(&output)
            .unwrap_or_else(|error| panic!("{command:?}: {error}: {output}"))
    }

    /// What a command prints.
    pub(super) fn print(&self, command: &[&str]) -> String {
        let command: Vec<_> = command.iter().map(|word| self.fill(word)).collect();
        self.dev.run(&command)
    }
}

/// Entries of a stream that has ended.
fn events(text: &str) -> Json {
    let mut entries = Vec::new();
    for event in text.split("\n\n") {
        let field = |name: &str| event.lines().find_map(|line| line.strip_prefix(name));
        if field("event: ") == Some("entry") {
            entries.push(serde_json::from_str(field("data: ").unwrap()).unwrap());
        }
    }
    Json::Array(entries)
}
