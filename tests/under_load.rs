//! Readers and auditors work while the ledger takes 2,000 events a second.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use schemas::kind::Stream;

use crate::harness::{World, deadline, until, verified};
use crate::signer::intent;

const AGENTS: usize = 10;
/// Every agent signs 20 events at once, ten times a second: 2,000 events a second in all.
const BATCH: usize = 20;
const PERIOD: Duration = Duration::from_millis(100);

#[test]
fn verify_tail_and_chain_work_while_events_come_in() {
    let mut world = World::new();
    let agents: Vec<_> = (0..AGENTS).map(|n| world.agent(&format!("agent-{n}"))).collect();
    let done = Arc::new(AtomicBool::new(false));
    let receipted = Arc::new(AtomicU64::new(0));
    let ledger = world.ledger_public();
    let tasks: Vec<_> = agents
        .into_iter()
        .map(|mut agent| {
            let publisher = Arc::new(world.connect(&agent.id));
            let (done, receipted) = (Arc::clone(&done), Arc::clone(&receipted));
            world.runtime.spawn(async move {
                let mut ticks = tokio::time::interval(PERIOD);
                let mut under_way = tokio::task::JoinSet::new();
                while !done.load(Ordering::SeqCst) {
                    ticks.tick().await;
                    let id = agent.id.to_string();
                    let bodies: Vec<_> =
                        (0..BATCH).map(|_| agent.body(intent(&id, "workflow-load"))).collect();
                    let message = agent.sign(&bodies);
                    let (publisher, receipted) = (Arc::clone(&publisher), Arc::clone(&receipted));
                    under_way.spawn(async move {
                        let sent = publisher.publish_until_receipted(
                            message.clone(),
                            Stream::In,
                            deadline(),
                        );
                        let reply = sent.await.unwrap();
                        for outcome in &reply.outcomes {
                            verified(outcome, &message, &ledger);
                        }
                        receipted.fetch_add(reply.outcomes.len() as u64, Ordering::SeqCst);
                    });
                }
                under_way.join_all().await;
            })
        })
        .collect();
    until("the load", || (receipted.load(Ordering::SeqCst) >= 4_000).then_some(()));
    let begun = std::time::Instant::now();
    let at_first = receipted.load(Ordering::SeqCst);
    for arguments in [
        ["tail", "agent:agent-1", "--since", "0", "--limit", "50"].as_slice(),
        &["chain", "workflow-load"],
        &["verify"],
        &["query", "agent:agent-2", "--limit", "20"],
    ] {
        let output = world.sworn(arguments);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments:?}: {}\n{errors}", output.status);
        assert!(!output.stdout.is_empty(), "{arguments:?}");
    }
    let events = receipted.load(Ordering::SeqCst) - at_first;
    done.store(true, Ordering::SeqCst);
    for task in tasks {
        world.runtime.block_on(task).unwrap();
    }
    assert!(events > 0, "the load went on beside the readers");
    println!("{:.0} events/s beside the readers", events as f64 / begun.elapsed().as_secs_f64());
    world.stop();
    assert_eq!(world.audit().divergences, []);
}
