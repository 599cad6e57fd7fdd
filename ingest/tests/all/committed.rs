//! Machines follow the log on the broker: every entry at least once, and any loss or repetition shows.

use async_nats::jetstream::consumer::{DeliverPolicy, pull};
use futures_util::StreamExt as _;
use ingest::{Connection, Publisher};
use schemas::kind::Stream;
use schemas::submission;
use serde_json::{Value, json};

use crate::signer::{Signer, tenant};
use crate::world::{World, deadline, only, receipt, soon};

const STREAM: &str = "SWORN_test_COMMITTED";

async fn world() -> World {
    let mut world = World::new().await;
    world.committed = true;
    world
}

async fn act(agent: &mut Signer, publisher: &Publisher, count: usize) {
    for _ in 0..count {
        let sent = publisher.publish_until_receipted(agent.act(), Stream::In, deadline());
        receipt(&only(&sent.await.unwrap()));
    }
}

/// Everything on the stream, once its last message is the entry before `size`.
async fn all(world: &World, size: u64) -> Vec<Value> {
    let intruder = world.intruder().await;
    soon(async {
        loop {
            // The stream may not have been made yet, or be made again.
            let Ok(stream) = intruder.get_stream(STREAM).await else {
                tokio::task::yield_now().await;
                continue;
            };
            let order =
                pull::OrderedConfig { deliver_policy: DeliverPolicy::All, ..Default::default() };
            let mut messages =
                stream.create_consumer(order).await.unwrap().messages().await.unwrap();
            let mut entries = Vec::new();
            while let Some(Ok(message)) = messages.next().await {
                assert_eq!(message.subject.as_str(), "sworn.v1.test.committed");
                let entry: Value = serde_json::from_slice(&message.payload).unwrap();
                let last = entry["index"] == size - 1;
                entries.push(entry);
                if last && message.info().unwrap().pending == 0 {
                    return entries;
                }
            }
        }
    })
    .await
}

/// Returns once the messages up to this sequence are gone from the stream.
async fn emptied(world: &World, last: u64) {
    let intruder = world.intruder().await;
    soon(async {
        loop {
            let stream = intruder.get_stream(STREAM).await.unwrap();
            if stream.cached_info().state.first_sequence > last {
                return;
            }
            tokio::task::yield_now().await;
        }
    })
    .await;
}

/// These entries, each once, each continuing the chain.
fn check(entries: &[Value], from: u64) {
    for (n, entry) in (from..).zip(entries) {
        assert_eq!(entry["index"], n);
    }
    for pair in entries.windows(2) {
        assert_eq!(pair[1]["previous"], pair[0]["chain"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn followers_get_every_entry_once_over_every_restart() {
    let mut world = world().await;
    let mut running = world.up().await;
    let (mut agent, publisher) = world.agent("agent-1", 10).await;
    act(&mut agent, &publisher, 3).await;
    let size = running.ledger.head().size.0;
    let first = all(&world, size).await;
    check(&first, 0);
    assert_eq!(first.len() as u64, size);
    assert_eq!(first[0]["body"]["kind"], "ledger.genesis");
    // The broker goes and comes back; then the ledger does.
    world.stop_server().await;
    running.wait(Connection::Down).await;
    world.start_server().await;
    running.wait(Connection::Up).await;
    act(&mut agent, &publisher, 2).await;
    check(&all(&world, running.ledger.head().size.0).await, 0);
    running.stop().await;
    let running = world.up().await;
    act(&mut agent, &publisher, 2).await;
    let size = running.ledger.head().size.0;
    let entries = all(&world, size).await;
    check(&entries, 0);
    assert_eq!((entries.len() as u64, &entries[..first.len()]), (size, &first[..]));
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_lost_everything_gets_it_again() {
    let mut world = world().await;
    let running = world.up().await;
    let (mut agent, publisher) = world.agent("agent-1", 10).await;
    act(&mut agent, &publisher, 3).await;
    let before = all(&world, running.ledger.head().size.0).await;
    world.intruder().await.delete_stream(STREAM).await.unwrap();
    act(&mut agent, &publisher, 1).await;
    // Whoever followed sees the repetition by the index, and that it is the same history by the chain.
    let after = all(&world, running.ledger.head().size.0).await;
    check(&after, 0);
    assert_eq!(&after[..before.len()], &before[..]);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_others_write_on_the_stream_stops_nothing() {
    let mut world = world().await;
    let running = world.up().await;
    let (mut agent, publisher) = world.agent("agent-1", 10).await;
    act(&mut agent, &publisher, 1).await;
    all(&world, running.ledger.head().size.0).await;
    let intruder = world.intruder().await;
    let sent = intruder.publish("sworn.v1.test.committed", "{}".into()).await.unwrap();
    sent.await.unwrap();
    act(&mut agent, &publisher, 1).await;
    // It is of no history of ours, so everything comes again behind it.
    let entries = all(&world, running.ledger.head().size.0).await;
    let place = entries.iter().position(|entry| *entry == json!({})).unwrap();
    check(&entries[..place], 0);
    check(&entries[place + 1..], 0);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_erased_leaves_the_stream() {
    let mut world = world().await;
    let running = world.up().await;
    let (mut agent, publisher) = world.agent("agent-1", 10).await;
    act(&mut agent, &publisher, 2).await;
    let size = running.ledger.head().size.0;
    let before = all(&world, size).await;
    let target = before.last().unwrap();
    assert_eq!(target["body"]["kind"], "action.intent");
    let index = target["index"].as_u64().unwrap();
    let redact = json!({ "ranges": [[index, index]], "parts": ["body"], "basis": "gdpr-17" });
    let body = world.operator.body(json!({ "kind": "redaction", "redact": redact }));
    let message =
        submission::sign(&world.operator.key, &world.operator.id, &tenant(), &[(body, None)]);
    let operator = world.publisher(&world.operator).await;
    let sent = operator.publish_until_receipted(message, Stream::Op, deadline());
    receipt(&only(&sent.await.unwrap()));
    emptied(&world, before.len() as u64).await;
    let after = all(&world, running.ledger.head().size.0).await;
    let place = before.len() - 1;
    assert_eq!(after[place]["redacted"], true);
    check(&after, 0);
    let erased = &after[place];
    assert_eq!(erased["chain"], target["chain"]);
    assert_ne!(erased["body"], target["body"]);
    running.stop().await;
}
