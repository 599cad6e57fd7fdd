//! Every submission ends as exactly one of committed, duplicate and rejected, and its publisher is told.

use futures_util::StreamExt as _;
use schemas::checkpoint::Note;
use schemas::id::{Digest, sha256};
use schemas::kind::{Kind, Stream};
use schemas::leaf::Leaf;
use schemas::limits::SUBMISSION_BYTES_MAX;
use schemas::reply::{Fate, Reply};
use serde_json::Value;

use crate::signer::Signer;
use crate::world::{World, deadline, only, reason, receipt, soon};

#[tokio::test(flavor = "multi_thread")]
async fn events_are_committed_and_receipted() {
    let mut world = World::new().await;
    let running = world.up().await;
    let (mut agent, publisher) = world.agent("agent-1", 10).await;
    let intent = agent.intent();
    let bodies = (0..256).map(|_| agent.body(intent.clone())).collect();
    let many = agent.sign(bodies);
    let sent: Vec<_> = (0..20).map(|_| agent.act()).chain([many]).collect();
    let replies = sent
        .iter()
        .map(|message| publisher.publish_until_receipted(message.clone(), Stream::In, deadline()));
    let replies = futures_util::future::try_join_all(replies).await.unwrap();
    assert_eq!(replies.last().unwrap().outcomes.len(), 256);
    for outcome in replies.iter().flat_map(|reply| &reply.outcomes) {
        receipt(outcome);
        let source = Leaf::decode(&outcome.leaf).unwrap().source.unwrap();
        assert!(source.sequence > 0 && source.epoch != [0; 16]);
    }
    assert_eq!(running.accepted(Kind::ActionIntent), 20 + 256);
    running.stop().await;
    world.audit();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_duplicate_gets_the_original_receipt_also_after_a_restart() {
    let mut world = World::new().await;
    let running = world.up().await;
    let (mut agent, publisher) = world.agent("agent-1", 10).await;
    let message = agent.act();
    let send = || publisher.publish_until_receipted(message.clone(), Stream::In, deadline());
    let first = only(&send().await.unwrap());
    assert!(matches!(first.fate, Fate::Committed(_)));
    let again = only(&send().await.unwrap());
    assert!(matches!(again.fate, Fate::Duplicate(_)));
    assert_eq!(receipt(&again), receipt(&first));
    let size = running.ledger.head().size;
    running.stop().await;

    let running = world.up().await;
    let later = only(&send().await.unwrap());
    assert!(matches!(later.fate, Fate::Duplicate(_)));
    assert_eq!((receipt(&later), &later.leaf), (receipt(&first), &first.leaf));
    assert_eq!(running.ledger.head().size, size, "no second entry");
    assert_eq!(running.incidents(), []);
    running.stop().await;
    world.audit();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_refused_is_told_why() {
    let mut world = World::new().await;
    let running = world.up().await;
    let (mut agent, publisher) = world.agent("agent-1", 10).await;
    let mut forged = agent.act();
    let statement = schemas::submission::open(&forged).unwrap().statement().bytes().to_vec();
    let at = forged.windows(statement.len()).position(|part| part == statement).unwrap();
    forged[at + statement.len() - 1] ^= 1;
    let stranger = Signer::new("stranger", 40).act();
    let cases = [
        (forged, Stream::In, "bad_signature"),
        (b"junk".to_vec(), Stream::In, "malformed"),
        (stranger, Stream::In, "unregistered_key"),
        (agent.act(), Stream::Op, "wrong_subject"),
        (world.operator.disable(&agent), Stream::In, "wrong_subject"),
    ];
    for (message, stream, expected) in cases {
        let reply = publisher.publish_until_receipted(message, stream, deadline()).await.unwrap();
        let outcome = only(&reply);
        assert_eq!(reason(&outcome), expected);
        let leaf = running.ledger.leaf(outcome.index).unwrap();
        assert_eq!((leaf.status.as_str(), leaf.source.is_some()), (expected, true));
    }
    // Too large for the format and not for the broker: recorded all the same.
    let subject = format!("sworn.v1.test.in.{}", agent.id.token());
    let large = vec![0; SUBMISSION_BYTES_MAX + 1];
    let digest = Digest(sha256(&large));
    let mut replies = publisher.replies();
    let intruder = world.intruder().await;
    intruder.publish(subject, large.into()).await.unwrap().await.unwrap();
    let reply = loop {
        let reply = soon(replies.next()).await.unwrap();
        if reply.message == digest {
            break reply;
        }
    };
    assert_eq!(reason(&only(&reply)), "too_large");
    running.stop().await;
    world.audit();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_changes_a_signers_rights_is_announced_to_all() {
    let mut world = World::new().await;
    let running = world.up().await;
    let client = world.intruder().await.client();
    let mut control = client.subscribe("sworn.v1.test.control").await.unwrap();
    client.flush().await.unwrap();
    let (agent, _publisher) = world.agent("agent-1", 10).await;
    let operator = world.publisher(&world.operator).await;
    let disable = world.operator.disable(&agent);
    let reply = operator.publish_until_receipted(disable, Stream::Op, deadline()).await.unwrap();
    let disabled = only(&reply);
    let announced = loop {
        let message = soon(control.next()).await.unwrap();
        let json: Value = serde_json::from_slice(&message.payload).unwrap();
        if json["entry"]["body"]["kind"] == "agent.disabled" {
            break json;
        }
    };
    assert_eq!(announced["index"], disabled.index.0);
    assert_eq!(announced["receipt"], schemas::id::hex(&receipt(&disabled)));
    assert_eq!(announced["entry"]["body"]["agent"]["id"], "agent-1");
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn checkpoints_are_announced_to_all() {
    let mut world = World::new().await;
    let running = world.up().await;
    let client = world.intruder().await.client();
    let mut control = client.subscribe("sworn.v1.test.control").await.unwrap();
    client.flush().await.unwrap();
    let (mut agent, publisher) = world.agent("agent-1", 10).await;
    let message = agent.act();
    let reply = publisher.publish_until_receipted(message, Stream::In, deadline()).await.unwrap();
    let (mut last, committed) = (0, only(&reply).index.0);
    // Published once a second at most, and never an older one than before.
    while last <= committed {
        let message = soon(control.next()).await.unwrap();
        let json: Value = serde_json::from_slice(&message.payload).unwrap();
        let Some(announced) = json.get("checkpoint") else { continue };
        let note = Note::parse(announced["note"].as_str().unwrap()).unwrap();
        let checkpoint = note.verify_checkpoint(&running.ledger.identity().note_key()).unwrap();
        assert_eq!(announced["size"], checkpoint.size.0);
        assert!(checkpoint.size.0 > last, "{last}, {announced}");
        last = checkpoint.size.0;
    }
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_reply_comes_before_the_broker_forgets() {
    let mut world = World::new().await;
    let running = world.up().await;
    let client = world.intruder().await.client();
    // Replies and acknowledgements as the server passes them on, in its order.
    let (mut agent, publisher) = world.agent("agent-1", 10).await;
    let receipts = format!("sworn.v1.test.receipt.{}", agent.id.token());
    let mut all = client.subscribe(">").await.unwrap();
    client.flush().await.unwrap();
    let message = agent.act();
    publisher.publish_until_receipted(message, Stream::In, deadline()).await.unwrap();
    let mut replied = false;
    loop {
        let message = soon(all.next()).await.unwrap();
        if *message.subject == *receipts {
            Reply::decode(&message.payload).unwrap();
            replied = true;
        }
        if message.subject.starts_with("$JS.ACK.SWORN_test_IN.") {
            assert!(replied);
            break;
        }
    }
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_or_doubled_by_stopping_under_load() {
    const EVENTS: usize = 3000;
    let mut world = World::new().await;
    let running = world.up().await;
    let (mut agent, publisher) = world.agent("agent-1", 10).await;
    let before = running.ledger.head().size.0;
    let messages: Vec<_> = (0..EVENTS).map(|_| agent.act()).collect();
    let publish = async {
        for message in &messages {
            publisher.publish(message.clone().into(), Stream::In).await.unwrap();
        }
    };
    let stop = async {
        running.reaches(before + 500).await;
        running.stop().await;
    };
    tokio::join!(publish, stop);
    // The rest is at the broker, and comes at once: no delivery to the dead holds it back.
    let started = std::time::Instant::now();
    let running = world.up().await;
    soon(async { running.reaches(before + EVENTS as u64).await }).await;
    assert!(started.elapsed().as_secs() < schemas::limits::ACK_WAIT_S, "waited for redelivery");
    assert_eq!(running.accepted(Kind::ActionIntent), EVENTS);
    assert_eq!(running.incidents(), []);
    running.stop().await;
    world.audit();
}
