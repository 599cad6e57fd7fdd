//! Clients that others wrote follow the live tail over connections that break: each entry once, in order.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use schemas::kind::Stream;

use crate::harness::{World, until};
use crate::signer::{Signer, intent};

/// Entries that are there when the followers come, and as many come later.
const HALF: usize = 30;
/// After so many bytes of a response each of the first connections is cut: in its head, in its first
/// events, and in the middle of history.
const CUTS: [usize; 4] = [40, 700, 9_000, 30_000];

/// The way to the server, which breaks.
struct Road {
    url: String,
    /// Connections that were made.
    made: Arc<AtomicUsize>,
}

impl Road {
    fn new(world: &World) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/api/v1/tail?since=0", listener.local_addr().unwrap());
        let server = world.url("").trim_start_matches("http://").to_owned();
        let made = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&made);
        std::thread::spawn(move || {
            for client in listener.incoming() {
                let cut = CUTS.get(counter.fetch_add(1, Ordering::SeqCst)).copied();
                let (client, server) = (client.unwrap(), TcpStream::connect(&server).unwrap());
                std::thread::spawn(move || carry(&client, &server, cut.unwrap_or(usize::MAX)));
            }
        });
        Self { url, made }
    }
}

/// Carries the request there and at most `left` bytes back.
fn carry(client: &TcpStream, server: &TcpStream, mut left: usize) {
    let (mut from, mut to) = (client.try_clone().unwrap(), server.try_clone().unwrap());
    std::thread::spawn(move || std::io::copy(&mut from, &mut to));
    let (mut from, mut to) = (server, client);
    let mut buffer = [0; 4096];
    while left > 0 {
        let most = buffer.len().min(left);
        let Ok(read @ 1..) = from.read(&mut buffer[..most]) else { break };
        if to.write_all(&buffer[..read]).is_err() {
            break;
        }
        left -= read;
    }
    // Whoever has gone already does not mind.
    for end in [client, server] {
        end.shutdown(Shutdown::Both).ok();
    }
}

fn publish(world: &World, agent: &mut Signer, count: usize) {
    let id = agent.id.to_string();
    let bodies: Vec<_> = (0..count).map(|_| agent.body(intent(&id, "workflow"))).collect();
    let publisher = world.connect(&agent.id);
    for body in bodies {
        world.submit(&publisher, &agent.sign(&[body]), Stream::In);
    }
}

/// Runs a follower, which prints the index of each entry until the one before `end`.
fn follow(follower: impl FnOnce(&str, &str) -> Command) {
    let mut world = World::new();
    let mut agent = world.agent("agent-1");
    publish(&world, &mut agent, HALF);
    let first = world.get("/api/v1/status")["size"].as_u64().unwrap();
    let end = first + HALF as u64;
    let road = Road::new(&world);
    let mut child = follower(&road.url, &(end - 1).to_string())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()
        .unwrap();
    until("all connections", || (road.made.load(Ordering::SeqCst) > CUTS.len()).then_some(()));
    publish(&world, &mut agent, HALF);
    let mut text = String::new();
    child.stdout.take().unwrap().read_to_string(&mut text).unwrap();
    assert!(child.wait().unwrap().success(), "{text}");
    let seen: Vec<u64> = text.lines().map(|line| line.parse().unwrap()).collect();
    assert!(seen.iter().copied().eq(0..end), "{seen:?}");
    world.stop();
}

fn clients() -> String {
    format!("{}/clients", env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn httpx_sse_follows() {
    let python = std::env::var("SWORN_PYTHON").expect("./check sets SWORN_PYTHON");
    follow(|url, last| {
        let mut command = Command::new(python);
        command.arg(format!("{}/python/tail.py", clients())).args([url, last]);
        command
    });
}

#[test]
fn the_eventsource_package_follows() {
    let node = std::env::var("SWORN_NODE").expect("./check sets SWORN_NODE");
    // Node looks for packages beside the script.
    let directory = tempfile::tempdir().unwrap();
    let script = directory.path().join("tail.mjs");
    std::fs::copy(format!("{}/node/tail.mjs", clients()), &script).unwrap();
    let packages = directory.path().join("node_modules");
    std::os::unix::fs::symlink(format!("{node}/node_modules"), packages).unwrap();
    follow(|url, last| {
        let mut command = Command::new("node");
        command.arg(&script).args([url, last]);
        command
    });
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
