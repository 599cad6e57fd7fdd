//! A kill switch never waits behind a backlog, nor behind agents that go on.

use std::sync::Arc;
use std::time::Duration;

use ingest::Publisher;
use schemas::kind::Stream;
use schemas::limits::BATCH_MESSAGES_MAX;
use schemas::reply::Fate;
use schemas::terms::Key;
use serde_json::json;

use crate::harness::World;
use crate::signer::{Signer, intent};

const AGENTS: usize = 20;
const WAITING: usize = 50_000;
/// Publishes under way at a time.
const WINDOW: usize = 500;
/// Events that each agent goes on to publish while the backlog is taken in, one every [`PACE`].
const LIVE: usize = 200;
const PACE: Duration = Duration::from_millis(5);

#[test]
fn disabling_takes_effect_in_the_next_commit_before_50_000_waiting_events() {
    let mut world = World::new();
    let agents: Vec<_> = (0..AGENTS).map(|n| world.agent(&format!("agent-{n}"))).collect();
    let before = world.get("/api/v1/status")["size"].as_u64().unwrap();
    let disable =
        world.operator.event(json!({"kind": "agent.disabled", "agent": {"id": "agent-0"}}));
    let operator = world.connect(&world.operator.id);
    let publishers: Vec<_> =
        agents.iter().map(|agent| Arc::new(world.connect(&agent.id))).collect();
    world.signal("-STOP");
    let tasks: Vec<_> = agents
        .into_iter()
        .zip(publishers)
        .map(|(mut agent, publisher)| {
            world.runtime.spawn(async move {
                let mut window = tokio::task::JoinSet::new();
                for n in 0..WAITING / AGENTS {
                    let id = agent.id.to_string();
                    let message = agent.event(intent(&id, &format!("workflow-{}", n % 100)));
                    let publisher = Arc::clone(&publisher);
                    window.spawn(async move {
                        publisher.publish(message.into(), Stream::In).await.unwrap();
                    });
                    if window.len() >= WINDOW {
                        window.join_next().await.unwrap().unwrap();
                    }
                }
                window.join_all().await;
                (agent, publisher)
            })
        })
        .collect();
    let agents: Vec<_> =
        tasks.into_iter().map(|task| world.runtime.block_on(task).unwrap()).collect();
    let live: Vec<_> = agents
        .into_iter()
        .map(|(agent, publisher)| world.runtime.spawn(go_on(agent, publisher)))
        .collect();
    world.runtime.block_on(operator.publish(disable.clone().into(), Stream::Op)).unwrap();
    world.signal("-CONT");
    let reply = world.submit(&operator, &disable, Stream::Op);
    let (Fate::Committed(_) | Fate::Duplicate(_)) = &reply.outcomes[0].fate else {
        panic!("{reply:?}");
    };
    let switched = reply.outcomes[0].index.0;
    // Two batches may have been on their way when the server was stopped: one being committed, one checked.
    let ahead = switched - before;
    assert!(ahead <= 2 * BATCH_MESSAGES_MAX as u64, "{ahead} entries went ahead of the switch");
    for task in live {
        world.runtime.block_on(task).unwrap();
    }
    // What was sent after everything else is answered after it.
    let last = world.operator.event(json!({"kind": "gap.declared", "gap": {"from": 1, "to": 1}}));
    world.submit(&operator, &last, Stream::In);
    world.stop();
    check(&world.open(), before, switched);
}

/// Publishes at its pace.
async fn go_on(mut agent: Signer, publisher: Arc<Publisher>) {
    let mut pace = tokio::time::interval(PACE);
    let mut window = tokio::task::JoinSet::new();
    for n in 0..LIVE {
        pace.tick().await;
        let id = agent.id.to_string();
        let message = agent.event(intent(&id, &format!("workflow-{}", n % 100)));
        let publisher = Arc::clone(&publisher);
        window.spawn(async move {
            publisher.publish(message.into(), Stream::In).await.unwrap();
        });
    }
    window.join_all().await;
}

fn check(ledger: &ledger::Ledger, before: u64, switched: u64) {
    let mut mine = ledger.postings(Key::Agent, "agent-0");
    let mut refused = 0;
    let mut next = mine.at_or_after(switched + 1).unwrap();
    while let Some(index) = next {
        let leaf = ledger.leaf(index).unwrap();
        assert_eq!(leaf.status.as_str(), "disabled_agent", "{index} after the switch");
        refused += 1;
        next = mine.at_or_after(index.0 + 1).unwrap();
    }
    let mine = (WAITING / AGENTS + LIVE) as u64;
    let accepted = ledger.terms(Key::Agent, "agent-0", 1).unwrap()[0].count - refused;
    let counted = flooded(ledger);
    assert!(
        accepted - 3 <= switched - before,
        "its registration, its key, the switch, what went ahead"
    );
    assert_eq!(accepted - 3 + refused + counted, mine, "each of its events left a trace");
    let others = ledger.terms(Key::Reason, "", 10).unwrap();
    assert!(others.iter().all(|row| row.value == "disabled_agent"), "{others:?}");
    assert_eq!(others[0].count, refused + flood_entries(ledger), "nobody else was refused");
}

/// Rejections that were counted instead of making a leaf.
fn flooded(ledger: &ledger::Ledger) -> u64 {
    floods(ledger).iter().map(|(_, count)| count).sum()
}

fn flood_entries(ledger: &ledger::Ledger) -> u64 {
    floods(ledger).len() as u64
}

fn floods(ledger: &ledger::Ledger) -> Vec<(u64, u64)> {
    let mut postings = ledger.postings(Key::Kind, "ledger.flood");
    let mut found = Vec::new();
    let mut next = postings.at_or_after(0).unwrap();
    while let Some(index) = next {
        let entry = ledger.entry(index).unwrap().unwrap();
        let count = entry.body().unwrap().field("count").unwrap().uint().unwrap();
        found.push((index.0, count));
        next = postings.at_or_after(index.0 + 1).unwrap();
    }
    found
}
