//! `sworn verify --resume` through `kill -9`: whenever it strikes, the next run goes on and finds the same.

use std::path::Path;
use std::process::{Command, Output, Stdio};

use schemas::kind::Stream;
use serde_json::Value;

use crate::harness::{SWORN, World, text, until};
use crate::signer::{Signer, intent};

const EVENTS: usize = 6000;
const KILLS: usize = 4;

fn publish(world: &World, agent: &mut Signer, events: usize) {
    let publisher = world.connect(&agent.id);
    for first in (0..events).step_by(200) {
        let body = |n| {
            let event = intent(agent.id.clone().as_str(), &format!("workflow-{}", n % 50));
            agent.body(event)
        };
        let bodies: Vec<_> = (first..events.min(first + 200)).map(body).collect();
        world.submit(&publisher, &agent.sign(&bodies), Stream::In);
    }
}

fn command(world: &World, more: &[&str]) -> Command {
    let config = world.ledger_config();
    let mut command = Command::new(SWORN);
    command.args(["verify", "--store"]).arg(config.store);
    command.arg("--mark").arg(config.mark).args(more).env("HOME", world.directory.path());
    command.current_dir(world.directory.path()).stdin(Stdio::null());
    command
}

fn verify(world: &World, more: &[&str]) -> Output {
    command(world, more).args(["-o", "json"]).output().unwrap()
}

fn verify_table(world: &World, more: &[&str]) -> Output {
    command(world, more).args(["-o", "table"]).output().unwrap()
}

fn json(output: &Output) -> Value {
    assert!(output.status.success(), "{}", text(output));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// The one ledger's place in the state directory, once a verification has begun to write there.
fn begun(state: &Path) -> Option<()> {
    let place = std::fs::read_dir(state).ok()?.next()?.ok()?.path();
    place.join("CURRENT").exists().then_some(())
}

#[test]
fn without_a_directory_what_was_verified_is_kept_in_the_users_cache() {
    let mut world = World::new();
    world.stop();
    let cache = world.path("cache");
    let resumed = || {
        let mut run = command(&world, &["--resume"]);
        json(&run.args(["-o", "json"]).env("XDG_CACHE_HOME", &cache).output().unwrap())
    };
    let whole = resumed();
    assert_eq!(whole["verified_before"], 0);
    assert_eq!(resumed()["verified_before"], whole["size"]);
    assert!(begun(&cache.join("sworn/verified")).is_some());
}

#[test]
fn a_killed_verification_goes_on_and_a_later_one_reads_only_what_came_since() {
    let mut world = World::new();
    let mut agent = world.agent("verified-agent");
    publish(&world, &mut agent, EVENTS);
    world.stop();
    let state = world.path("state");
    let resume = ["--resume", state.to_str().unwrap()];
    let whole = json(&verify(&world, &[]));
    assert_eq!(whole["verified_before"], 0);
    for _ in 0..KILLS {
        let mut run = command(&world, &resume);
        let mut run = run.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        until("the kept state", || begun(&state));
        let _ended_already = run.kill();
        run.wait().unwrap();
    }
    let resumed = json(&verify(&world, &resume));
    for field in ["size", "root", "accepted", "rejected", "signatures", "checkpoints", "valid"] {
        assert_eq!(resumed[field], whole[field], "{field}");
    }

    world.serve();
    publish(&world, &mut agent, 100);
    world.stop();
    let later = json(&verify(&world, &resume));
    assert_eq!(later["verified_before"], whole["size"], "{later}");
    assert!(later["verified_before_at"].is_string(), "{later}");
    let said = text(&verify_table(&world, &resume));
    assert!(said.contains("before that as verified at"), "{said}");

    let place = std::fs::read_dir(&state).unwrap().next().unwrap().unwrap().path();
    std::fs::write(place.join("CURRENT"), "nonsense\n").unwrap();
    let damaged = verify(&world, &resume);
    assert!(!damaged.status.success());
    assert!(text(&damaged).contains("remove it to verify everything anew"), "{}", text(&damaged));
    std::fs::remove_dir_all(&place).unwrap();
    assert_eq!(json(&verify(&world, &resume))["verified_before"], 0);
}
