//! Nothing receipted is ever lost: through `kill -9` and a broker restart, every event is there once.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use schemas::body::Body;
use schemas::id::{EventId, Index};
use schemas::kind::Stream;

use crate::harness::{World, deadline, until, verified};
use crate::reader::follow;
use crate::signer::{Signer, intent, tenant};

const AGENTS: usize = 20;
const EVENTS: usize = 20_000;
const WORKFLOWS: usize = 500;
const KILLS: u64 = 5;
/// Events that one agent has under way at a time.
const WINDOW: usize = 40;

/// What a publisher holds after its receipt was verified.
struct Receipted {
    id: EventId,
    body: Vec<u8>,
    index: Index,
}

#[test]
fn every_receipted_event_survives_kills_and_a_broker_restart() {
    let mut world = World::new();
    let agents: Vec<_> = (0..AGENTS).map(|n| world.agent(&format!("agent-{n}"))).collect();
    let receipted = Arc::new(AtomicU64::new(0));
    let total = Arc::new(AtomicU64::new(u64::MAX));
    let readers: Vec<_> = (0..3)
        .map(|_| {
            let total = Arc::clone(&total);
            follow(world.url("/api/v1/tail"), move |last| last + 1 >= total.load(Ordering::SeqCst))
        })
        .collect();
    let tasks: Vec<_> = agents
        .into_iter()
        .enumerate()
        .map(|(n, agent)| {
            let publisher = Arc::new(world.connect(&agent.id));
            let ledger = world.ledger_public();
            world.runtime.spawn(publish(publisher, agent, n, ledger, Arc::clone(&receipted)))
        })
        .collect();
    disturb(&mut world, &receipted);
    let held: Vec<_> =
        tasks.into_iter().flat_map(|task| world.runtime.block_on(task).unwrap()).collect();
    assert_eq!(held.len(), EVENTS);
    let size = world.get("/api/v1/status")["size"].as_u64().unwrap();
    total.store(size, Ordering::SeqCst);
    for reader in readers {
        let (seen, reconnects) = reader.join().unwrap();
        assert!(seen.iter().copied().eq(0..size), "a tail missed or repeated an entry");
        assert!(reconnects >= 1, "the tail was never cut");
    }
    world.stop();
    check_store(&world, &held);
}

async fn publish(
    publisher: Arc<ingest::Publisher>,
    mut agent: Signer,
    number: usize,
    ledger: schemas::key::PublicKey,
    receipted: Arc<AtomicU64>,
) -> Vec<Receipted> {
    let mut held = Vec::new();
    let each = EVENTS / AGENTS;
    for first in (0..each).step_by(WINDOW) {
        let mut window = tokio::task::JoinSet::new();
        for n in first..each.min(first + WINDOW) {
            let workflow = format!("workflow-{}", (number * each + n) % WORKFLOWS);
            let body = agent.body(intent(agent.id.clone().as_str(), &workflow));
            let message = agent.sign(std::slice::from_ref(&body));
            let publisher = Arc::clone(&publisher);
            window.spawn(async move {
                let sent =
                    publisher.publish_until_receipted(message.clone(), Stream::In, deadline());
                let reply = sent.await.unwrap();
                let index = verified(&reply.outcomes[0], &message, &ledger);
                Receipted { id: Body::parse(&body).unwrap().id(), body, index }
            });
        }
        while let Some(done) = window.join_next().await {
            held.push(done.unwrap());
            receipted.fetch_add(1, Ordering::SeqCst);
        }
    }
    held
}

/// Kills the server five times at random points, and restarts the broker once in between.
fn disturb(world: &mut World, receipted: &AtomicU64) {
    let mut byte = [0; KILLS as usize];
    getrandom::fill(&mut byte).unwrap();
    let step = EVENTS as u64 / (KILLS + 1);
    for (kill, jitter) in (0..KILLS).zip(byte) {
        let point = kill * step + u64::from(jitter) * step / 256;
        until("the next point", || (receipted.load(Ordering::SeqCst) >= point).then_some(()));
        world.kill();
        if kill == 2 {
            world.restart_nats();
        }
        world.serve();
    }
}

fn check_store(world: &World, held: &[Receipted]) {
    let report = world.audit();
    assert_eq!(report.divergences, []);
    let ledger = world.open();
    assert_eq!(ledger.identity().tenant, tenant());
    let mut indexes = HashSet::new();
    for event in held {
        assert_eq!(ledger.find(event.id).unwrap(), [event.index], "once, where the receipt says");
        let entry = ledger.entry(event.index).unwrap().unwrap();
        assert_eq!(entry.body.as_deref(), Some(event.body.as_slice()), "byte-identical");
        assert!(indexes.insert(event.index));
    }
    let registrations = 2 * AGENTS as u64 + 1;
    assert_eq!(report.accepted, held.len() as u64 + registrations, "nothing twice");
}
