//! What a server needs, looked at while it runs and before it starts: all that is wrong is said, and nothing is touched.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Output;

use serde_json::Value;

use crate::harness::{World, copy_directory, text};

fn doctor(world: &World, more: &[&str]) -> Output {
    let [data, mark, key] =
        ["data", "mark", "ledger.key"].map(|name| world.path(name).display().to_string());
    let place = ["--data", &data, "--mark", &mark, "--key", &key, "--host", "ledger.example"];
    world.sworn(&[&["admin", "doctor"][..], &place, more].concat())
}

/// What is to stay free on the disk, however little this machine has.
fn reserve(world: &World, mib: u32) {
    let settings = format!("[store]\nreserve_mib = \"{mib}\"\n");
    fs::write(world.path("sworn.toml"), settings).unwrap();
}

#[test]
fn what_a_server_needs_is_looked_at_and_left_as_it_is() {
    let mut world = World::new();
    reserve(&world, 0);
    world.agent("agent-1");
    let served = doctor(&world, &[]);
    assert_eq!(served.status.code(), Some(0), "{}", text(&served));
    assert!(text(&served).contains("served: "), "{}", text(&served));
    world.stop();
    let mark = world.ledger_config().mark;
    let before = fs::read(&mark).unwrap();
    let stopped = doctor(&world, &["-o", "json"]);
    assert_eq!(stopped.status.code(), Some(0), "{}", text(&stopped));
    let rows: Value = serde_json::from_slice(&stopped.stdout).unwrap();
    let states = rows.as_array().unwrap().iter();
    let states: Vec<_> = states.map(|row| (&row["check"], &row["state"])).collect();
    let told = |name: &str| {
        let (_, state) = states.iter().find(|(check, _)| *check == name).unwrap();
        state.as_str().unwrap().to_owned()
    };
    for name in ["key", "ledger", "disk", "broker"] {
        assert_eq!(told(name), "ok", "{rows}");
    }
    // Both are in one directory here, and nobody is asked for a token.
    for name in ["mark", "access"] {
        assert_eq!(told(name), "note", "{rows}");
    }
    assert!(rows[1]["text"].as_str().unwrap().contains("the mark vouches for"), "{rows}");
    assert_eq!(fs::read(&mark).unwrap(), before);
    world.serve();
    world.stop();
    assert_eq!(world.audit().divergences, []);
}

#[test]
fn all_that_is_wrong_is_said_at_once() {
    let mut world = World::new();
    world.stop();
    copy_directory(&world.path("data"), &world.path("older"));
    world.serve();
    world.agent("lost");
    world.stop();
    copy_directory(&world.path("older"), &world.path("data"));
    world.stop_nats();
    reserve(&world, 1 << 30);
    let found = doctor(&world, &[]);
    assert_eq!(found.status.code(), Some(13), "{}", text(&found));
    for expected in ["restore the newest copy", "make room", "cannot be used: "] {
        assert!(text(&found).contains(expected), "{expected}: {}", text(&found));
    }
    let mode = fs::Permissions::from_mode(0o644);
    fs::set_permissions(world.path("ledger.key"), mode).unwrap();
    let exposed = doctor(&world, &[]);
    assert!(!exposed.status.success());
    assert!(text(&exposed).contains("chmod 600 "), "{}", text(&exposed));
}
