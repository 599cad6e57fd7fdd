//! The mark at the broker: a copy of the whole machine from before is refused, and so is a second writer.

use std::path::Path;

use bytes::Bytes;
use ingest::{IngestError, MarkFault};
use schemas::kind::{Kind, Stream};
use schemas::reply::Fate;

use crate::signer::key;
use crate::world::{START, World, deadline, only, receipt, soon};

fn copy(from: &Path, to: &Path) {
    let _absent = std::fs::remove_dir_all(to);
    let copied = std::process::Command::new("cp").arg("-r").args([from, to]).status();
    assert!(copied.unwrap().success());
}

/// Ends [`ingest::run`] with the fault.
async fn fault(running: crate::world::Running) -> MarkFault {
    match soon(running.task).await.unwrap() {
        Err(IngestError::Mark(fault)) => fault,
        end => panic!("{end:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_older_copy_of_the_whole_machine_is_refused_and_goes_on_in_a_new_epoch() {
    let mut world = World::new().await;
    world.marks = true;
    let running = world.up().await;
    world.agent("agent-1", 10).await;
    running.stop().await;
    let path = world.directory.path().to_owned();
    let kept = path.join("kept");
    std::fs::create_dir(&kept).unwrap();
    for part in ["store", "mark"] {
        copy(&path.join(part), &kept.join(part));
    }
    let running = world.up().await;
    world.agent("agent-2", 11).await;
    let lost = running.ledger.head().size;
    running.stop().await;
    for part in ["store", "mark"] {
        copy(&kept.join(part), &path.join(part));
    }
    match fault(world.run()).await {
        MarkFault::Beyond { marked, size, .. } => assert!(marked == lost && size < lost),
        fault => panic!("{fault:?}"),
    }
    // The file says so from now on, and names what was lost.
    let files = World::files(&world.directory);
    let refused = ledger::open(&files, key(1)).map(drop).unwrap_err();
    assert!(matches!(refused, ledger::OpenError::RolledBack { marked, .. } if marked == lost));
    drop(ledger::open_new_epoch(&files, key(1), START, &[]).unwrap());
    let running = world.up().await;
    assert_eq!(running.accepted(Kind::LedgerIncident), 1);
    world.agent("agent-3", 12).await;
    running.stop().await;
    world.audit();
    world.up().await.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_else_raises_the_mark_stops_us_before_the_next_receipt() {
    let mut world = World::new().await;
    world.marks = true;
    let running = world.up().await;
    let (mut agent, publisher) = world.agent("agent-1", 10).await;
    let reply = publisher.publish_until_receipted(agent.act(), Stream::In, deadline()).await;
    receipt(&only(&reply.unwrap()));
    let bucket = world.intruder().await.get_key_value("sworn-marks").await.unwrap();
    let tenant = crate::signer::tenant();
    let ours = bucket.get(tenant.as_str()).await.unwrap().unwrap();
    bucket.put(tenant.as_str(), Bytes::from_static(b"somebody else's")).await.unwrap();
    let message = agent.act();
    let waiting = tokio::spawn(async move {
        publisher.publish_until_receipted(message, Stream::In, deadline()).await
    });
    assert_eq!(fault(running).await, MarkFault::Foreign);
    assert!(!waiting.is_finished(), "nothing was receipted");
    // The ledger itself is sound, and goes on once the mark is its own again.
    bucket.put(tenant.as_str(), ours).await.unwrap();
    let running = world.up().await;
    let outcome = only(&soon(waiting).await.unwrap().unwrap());
    assert!(matches!(outcome.fate, Fate::Duplicate(_)), "{:?}", outcome.fate);
    running.stop().await;
    world.audit();
}
