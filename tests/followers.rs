//! Clients that others wrote follow the live tail over connections that break: each entry once, in order.

mod browser;
mod cli;
mod road;

use std::io::Read as _;
use std::path::Path;
use std::process::{Command, Stdio};

use schemas::kind::Stream;

use crate::harness::{World, until};
use crate::signer::{Signer, intent};
use road::{Fate, Road};

/// Entries that are there when the followers come, and as many come later.
const HALF: usize = 30;
/// The answer of a server that has too many tails.
const BUSY: Fate = Fate::Said(
    "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
);
/// The answer to somebody who asks too often.
const LIMITED: Fate = Fate::Said(
    "HTTP/1.1 429 Too Many Requests\r\nRetry-After: 1\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
);
/// After so many bytes of a response each of the first connections is cut: in its head, in its first
/// events, and in the middle of history. One is not made at all.
const CUTS: [Fate; 5] = [Fate::Cut(40), Fate::Cut(700), BUSY, Fate::Cut(9_000), Fate::Cut(20_000)];

fn publish(world: &World, agent: &mut Signer, count: usize) {
    let id = agent.id.to_string();
    let bodies: Vec<_> = (0..count).map(|_| agent.body(intent(&id, "workflow"))).collect();
    let publisher = world.connect(&agent.id);
    for body in bodies {
        world.submit(&publisher, &agent.sign(&[body]), Stream::In);
    }
}

/// A ledger with a past, which will have as much again.
struct Course {
    world: World,
    agent: Signer,
    /// Number of entries that there will be.
    end: u64,
}

impl Course {
    fn new() -> Self {
        let mut world = World::new();
        let mut agent = world.agent("agent-1");
        publish(&world, &mut agent, HALF);
        let first = world.get("/api/v1/status")["size"].as_u64().unwrap();
        Self { world, agent, end: first + HALF as u64 }
    }

    /// What is to come comes, once every connection was made that breaks.
    fn go_on(&mut self, road: &Road) {
        road.wait_for(CUTS.len() + 1);
        publish(&self.world, &mut self.agent, HALF);
    }

    fn finish(mut self, seen: &[u64]) {
        assert!(seen.iter().copied().eq(0..self.end), "{seen:?}");
        self.world.stop();
    }
}

/// Runs a follower, which prints the index of each entry until the one before `end`.
fn follow(follower: impl FnOnce(&str, &str) -> Command) {
    let mut course = Course::new();
    let road = Road::new(&course.world, &CUTS);
    let url = road.url("/api/v1/tail?since=0");
    let mut child = follower(&url, &(course.end - 1).to_string())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()
        .unwrap();
    course.go_on(&road);
    let mut text = String::new();
    child.stdout.take().unwrap().read_to_string(&mut text).unwrap();
    assert!(child.wait().unwrap().success(), "{text}");
    let seen: Vec<u64> = text.lines().map(|line| line.parse().unwrap()).collect();
    course.finish(&seen);
}

fn clients() -> String {
    format!("{}/clients", env!("CARGO_MANIFEST_DIR"))
}

/// Makes the command that follows an address up to an index.
type Follower<'f> = &'f dyn Fn(&str, &str) -> Command;

fn python_tail(url: &str, last: &str) -> Command {
    let python = std::env::var("SWORN_PYTHON").expect("./check sets SWORN_PYTHON");
    let mut command = Command::new(python);
    command.arg(format!("{}/python/tail.py", clients())).args([url, last]);
    command
}

/// Node looks for packages beside the script, which therefore stands in a directory of its own.
fn node_tail(directory: &Path, url: &str, last: &str) -> Command {
    let node = std::env::var("SWORN_NODE").expect("./check sets SWORN_NODE");
    let (script, packages) = (directory.join("tail.mjs"), directory.join("node_modules"));
    std::fs::copy(format!("{}/node/tail.mjs", clients()), &script).unwrap();
    if !packages.exists() {
        std::os::unix::fs::symlink(format!("{node}/node_modules"), packages).unwrap();
    }
    let mut command = Command::new("node");
    command.arg(&script).args([url, last]);
    command
}

#[test]
fn httpx_sse_follows() {
    follow(python_tail);
}

#[test]
fn the_eventsource_package_follows() {
    let directory = tempfile::tempdir().unwrap();
    follow(|url, last| node_tail(directory.path(), url, last));
}

#[test]
fn followers_stop_where_there_is_nothing_to_come_back_for() {
    const ENDS: [&[Fate]; 4] = [
        &[Fate::Said("HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n")],
        &[Fate::Said(
            "HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
        )],
        &[Fate::Said(
            "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n\
             event: bye\ndata: {\"reason\":\"until\"}\n\n",
        )],
        &[BUSY, Fate::Said("HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n")],
    ];
    let (mut world, directory) = (World::new(), tempfile::tempdir().unwrap());
    let node = |url: &str, last: &str| node_tail(directory.path(), url, last);
    let followers: [Follower<'_>; 2] = [&python_tail, &node];
    for follower in followers {
        for fates in ENDS {
            let road = Road::new(&world, fates);
            // Whoever came back all the same would find the first entry, and end with 0.
            let output = follower(&road.url("/api/v1/tail?since=0"), "0").output().unwrap();
            let said = String::from_utf8_lossy(&output.stderr);
            assert_eq!(output.status.code(), Some(3), "{said}");
        }
    }
    world.stop();
}

#[test]
fn followers_show_their_token_and_come_back_where_they_are_told_to_wait() {
    const FATES: &[Fate] = &[LIMITED];
    let (mut world, directory) = (World::new(), tempfile::tempdir().unwrap());
    world.stop();
    std::fs::write(world.path("sworn.toml"), "[http]\nauth = \"required\"\n").unwrap();
    world.serve();
    let data = world.path("data").display().to_string();
    let made =
        world.sworn(&["token", "create", "soc", "--role", "responder", "--data", data.as_str()]);
    let token = String::from_utf8(made.stdout).unwrap().trim().to_owned();
    let status = world.url("/api/v1/status");
    until("the token", || {
        ureq::get(&status).header("Authorization", format!("Bearer {token}")).call().ok()
    });
    let node = |url: &str, last: &str| node_tail(directory.path(), url, last);
    let followers: [Follower<'_>; 2] = [&python_tail, &node];
    for follower in followers {
        let road = Road::new(&world, FATES);
        let url = road.url("/api/v1/tail?since=0");
        for (shown, code) in [(token.as_str(), 0), ("", 3)] {
            let output = follower(&url, "0").env("SWORN_TOKEN", shown).output().unwrap();
            let said = String::from_utf8_lossy(&output.stderr);
            assert_eq!(output.status.code(), Some(code), "{said}");
        }
    }
    world.stop();
}

#[test]
fn curl_follows() {
    // What a person would write: the last complete id goes into the next request.
    const LOOP: &str = r#"
        file=$(mktemp); token=; last=
        while [ "$last" != "$2" ]; do
            curl -sN --max-time 5 ${token:+-H "Last-Event-ID: $token"} "$1" >"$file" || :
            awk -v end="$2" -v token="$token" '
                /^id: / { id = substr($0, 5) }
                /^event: / { name = substr($0, 8) }
                /^data: / { data = $0 }
                /^$/ {
                    if (id != "") token = id
                    if (name == "entry") { split(id, part, "."); print part[2] >"/dev/stderr" }
                    id = name = data = ""
                }
                END { print token }
            ' "$file" 2>"$file.seen" >"$file.token"
            cat "$file.seen"
            token=$(cat "$file.token"); last=${token#*.}; last=${last%.*}
        done
        rm -f "$file" "$file.seen" "$file.token"
    "#;
    follow(|url, last| {
        let mut command = Command::new("sh");
        command.args(["-c", LOOP, "sh", url, last]);
        command
    });
}
