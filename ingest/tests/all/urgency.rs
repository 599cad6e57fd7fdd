//! Registry and control statements do not wait behind events.

use schemas::kind::{Kind, Stream};
use schemas::leaf::Status;
use schemas::limits::BATCH_MESSAGES_MAX;
use schemas::reject::Reason;

use crate::signer::Signer;
use crate::world::{World, deadline, only, receipt};

/// More than several commits hold.
const BACKLOG: u64 = 8 * BATCH_MESSAGES_MAX as u64;

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_switch_overtakes_a_backlog() {
    let mut world = World::new().await;
    let running = world.up().await;
    let (mut agent, publisher) = world.agent("agent-1", 10).await;
    let operator = world.publisher(&world.operator).await;
    let before = running.ledger.head().size.0;
    let messages: Vec<_> = (0..BACKLOG).map(|_| agent.act()).collect();
    let acks = messages.iter().map(|message| publisher.publish(message.clone().into(), Stream::In));
    let disable = world.operator.disable(&agent);
    let kill = async {
        running.reaches(before + 1).await;
        let reply = operator.publish_until_receipted(disable, Stream::Op, deadline()).await;
        only(&reply.unwrap())
    };
    let (sent, killed) = tokio::join!(futures_util::future::try_join_all(acks), kill);
    sent.unwrap();
    receipt(&killed);
    assert!(killed.index.0 < before + BACKLOG, "it waited behind every event");
    running.reaches(before + BACKLOG + 1).await;
    for index in killed.index.0 + 1..before + BACKLOG + 1 {
        let leaf = running.ledger.leaf(schemas::id::Index(index)).unwrap();
        assert_eq!(leaf.status, Status::Rejected(Reason::DisabledAgent), "#{index}");
    }
    running.stop().await;
    world.audit();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backlog_of_registrations_comes_before_the_events_that_need_them() {
    const AGENTS: u16 = 400;
    let mut world = World::new().await;
    world.up().await.stop().await; // The streams are there now.
    let mut agents: Vec<_> =
        (0..AGENTS).map(|n| Signer::new(&format!("agent-{n}"), 100 + n)).collect();
    // The events come first.
    for agent in &mut agents {
        let publisher = world.publisher(agent).await;
        publisher.publish(agent.act().into(), Stream::In).await.unwrap();
    }
    let operator = world.publisher(&world.operator).await;
    for agent in &agents {
        for message in world.operator.register(agent) {
            operator.publish(message.into(), Stream::Op).await.unwrap();
        }
    }
    let running = world.up().await;
    running.reaches(1 + 3 * u64::from(AGENTS)).await;
    assert_eq!(running.accepted(Kind::ActionIntent), usize::from(AGENTS));
    running.stop().await;
    world.audit();
}
