//! Whatever happens to the broker, submissions come in again by themselves, and a loss is on record.

use std::time::Duration;

use futures_util::TryStreamExt as _;
use ingest::{Connection, IngestError};
use ledger::AppendError;
use schemas::kind::{Kind, Stream};
use schemas::reply::Fate;
use serde_json::json;

use crate::signer::Signer;
use crate::world::{Running, World, deadline, only, receipt, soon};

/// One more event gets its receipt.
async fn works(agent: &mut Signer, publisher: &ingest::Publisher) {
    let message = agent.act();
    let reply = publisher.publish_until_receipted(message, Stream::In, deadline()).await.unwrap();
    receipt(&only(&reply));
}

/// Name of the consumer that the ledger reads with; between two sessions there is none.
async fn consumer(stream: &async_nats::jetstream::stream::Stream) -> String {
    let mut looks = tokio::time::interval(Duration::from_millis(20));
    soon(async {
        loop {
            looks.tick().await;
            if let Some(name) = stream.consumer_names().try_next().await.unwrap() {
                break name;
            }
        }
    })
    .await
}

fn regressions(running: &Running) -> Vec<String> {
    let incidents = running.incidents();
    assert!(incidents.iter().all(|(code, _)| code == "broker_regression"), "{incidents:?}");
    incidents.into_iter().map(|(_, note)| note).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_deleted_live_is_made_again() {
    let mut world = World::new().await;
    let running = world.up().await;
    let (mut agent, publisher) = world.agent("agent-1", 10).await;
    works(&mut agent, &publisher).await;
    let intruder = world.intruder().await;
    intruder.delete_stream("SWORN_test_IN").await.unwrap();
    works(&mut agent, &publisher).await;
    let notes = regressions(&running);
    assert_eq!(notes.len(), 1, "{notes:?}");
    assert!(notes[0].starts_with("SWORN_test_IN: ") && !notes[0].contains("SWORN_test_OP"));
    running.stop().await;
    world.audit();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_consumer_deleted_live_is_made_again() {
    let mut world = World::new().await;
    let running = world.up().await;
    let (mut agent, publisher) = world.agent("agent-1", 10).await;
    let intruder = world.intruder().await;
    for stream in ["SWORN_test_IN", "SWORN_test_OP"] {
        let stream = intruder.get_stream(stream).await.unwrap();
        let name = consumer(&stream).await;
        stream.delete_consumer(&name).await.unwrap();
        works(&mut agent, &publisher).await;
    }
    let (mut other, publisher) = world.agent("agent-2", 11).await;
    works(&mut other, &publisher).await;
    assert_eq!(running.incidents(), []);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_comes_back_is_read_on() {
    let mut world = World::new().await;
    let mut running = world.up().await;
    let (mut agent, publisher) = world.agent("agent-1", 10).await;
    works(&mut agent, &publisher).await;
    world.stop_server().await;
    running.wait(Connection::Down).await;
    let message = agent.act();
    let sent = publisher.publish_until_receipted(message, Stream::In, deadline());
    let (reply, ()) = tokio::join!(sent, world.start_server());
    receipt(&only(&reply.unwrap()));
    assert_eq!(running.incidents(), []);
    running.stop().await;
    world.audit();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_comes_back_empty_is_an_incident_once() {
    let mut world = World::new().await;
    let mut running = world.up().await;
    let (mut agent, publisher) = world.agent("agent-1", 10).await;
    let message = agent.act();
    let sent = publisher.publish_until_receipted(message.clone(), Stream::In, deadline());
    let first = only(&sent.await.unwrap());
    world.stop_server().await;
    running.wait(Connection::Down).await;
    std::fs::remove_dir_all(world.directory.path().join("nats/jetstream")).unwrap();
    world.start_server().await;
    running.wait(Connection::Up).await;
    let notes = regressions(&running);
    assert_eq!(notes.len(), 1, "{notes:?}");
    assert!(notes[0].contains("SWORN_test_IN") && notes[0].contains("SWORN_test_OP"));
    running.stop().await;

    // The new life is remembered even before a message came from it.
    let running = world.up().await;
    assert_eq!(regressions(&running).len(), 1);
    works(&mut agent, &publisher).await;
    // Sequences begin again at the broker; what is in the ledger is known by its own id.
    let sent = publisher.publish_until_receipted(message, Stream::In, deadline());
    let again = only(&sent.await.unwrap());
    assert!(matches!(again.fate, Fate::Duplicate(_)));
    assert_eq!(receipt(&again), receipt(&first));
    running.stop().await;
    world.audit();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_is_not_there_yet_is_waited_for() {
    let mut world = World::new().await;
    world.stop_server().await;
    let mut running = world.run();
    world.start_server().await;
    running.wait(Connection::Up).await;
    let (mut agent, publisher) = world.agent("agent-1", 10).await;
    works(&mut agent, &publisher).await;
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn it_stops_while_the_broker_is_away() {
    let mut world = World::new().await;
    let mut running = world.up().await;
    world.stop_server().await;
    running.wait(Connection::Down).await;
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_consumer_that_stalls_is_noticed() {
    let mut world = World::new().await;
    let running = world.up().await;
    let (mut agent, publisher) = world.agent("agent-1", 10).await;
    let intruder = world.intruder().await;
    let stream = intruder.get_stream("SWORN_test_IN").await.unwrap();
    let name = consumer(&stream).await;
    // A paused consumer sends heartbeats, and no messages.
    let request = format!("CONSUMER.PAUSE.SWORN_test_IN.{name}");
    let until = json!({ "pause_until": "2999-01-01T00:00:00Z" });
    let paused: serde_json::Value = intruder.request(request, &until).await.unwrap();
    assert_eq!(paused["paused"], true);
    works(&mut agent, &publisher).await;
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_freezes_is_left_and_found_again() {
    let mut world = World::new().await;
    let mut running = world.up().await;
    let (mut agent, publisher) = world.agent("agent-1", 10).await;
    let process = world.server.as_ref().unwrap().id().unwrap();
    let signal = |name: &str| {
        let sent = std::process::Command::new("sh")
            .args(["-c", &format!("kill -{name} {process}")])
            .status();
        assert!(sent.unwrap().success());
    };
    signal("STOP");
    running.wait(Connection::Down).await;
    signal("CONT");
    works(&mut agent, &publisher).await;
    assert_eq!(running.incidents(), []);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_commit_ends_it_and_acknowledges_nothing() {
    let mut world = World::new().await;
    let running = world.up().await;
    let (mut agent, publisher) = world.agent("agent-1", 10).await;
    // The mark cannot be written any more.
    let fresh = world.mark().with_extension("new");
    std::fs::create_dir(&fresh).unwrap();
    let message = agent.act();
    let mut replies = publisher.replies();
    publisher.publish(message.clone().into(), Stream::In).await.unwrap();
    let Running { task, ledger, .. } = running;
    let end = soon(task).await.unwrap();
    assert!(matches!(end, Err(IngestError::Append(AppendError::Mark { .. }))), "{end:?}");
    drop(ledger);

    // What reached the store before the failure is a duplicate now; the publisher hears of it once.
    std::fs::remove_dir(&fresh).unwrap();
    let running = world.up().await;
    let reply = soon(replies.next()).await.unwrap();
    receipt(&only(&reply));
    assert!(matches!(only(&reply).fate, Fate::Duplicate(_)));
    assert_eq!(running.accepted(Kind::ActionIntent), 1);
    running.stop().await;
    world.audit();
}
