//! Checkpoints extend each other, also from one connection to the next.

use schemas::checkpoint::{Checkpoint, Note};
use schemas::id::TreeHash;
use schemas::tree::verify_consistency;

use super::*;

impl Reader {
    /// The next checkpoint: which one it extends, what it says, and the path between them.
    async fn checkpoint(&mut self, world: &World) -> (Json, Checkpoint, Vec<TreeHash>) {
        let event = loop {
            let event = self.any().await.unwrap();
            if event.event == "checkpoint" {
                break event;
            }
        };
        assert_eq!(event.id, None);
        let data: Json = serde_json::from_str(&event.data).unwrap();
        let note = Note::parse(data["note"].as_str().unwrap()).unwrap();
        let key = world.ledger().identity().note_key();
        let checkpoint = note.verify_checkpoint(&key).unwrap();
        assert_eq!(data["size"], checkpoint.size.0);
        assert_eq!(data["root"], checkpoint.root.to_string());
        let path = data["consistency"].as_array().unwrap().iter();
        let path = path.map(|hash| TreeHash::from_hex(hash.as_str().unwrap()).unwrap()).collect();
        (data["from"].clone(), checkpoint, path)
    }

    /// The next checkpoint, which proves that it extends `last`.
    async fn extends(&mut self, world: &World, last: &Checkpoint) -> Checkpoint {
        let (from, new, path) = self.checkpoint(world).await;
        assert_eq!(from, last.size.0);
        verify_consistency(last.size, &last.root, new.size, &new.root, &path).unwrap();
        new
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn checkpoints_extend_each_other() {
    let mut world = World::new(1);
    let router = routes(world.ledger(), CancellationToken::new());
    let mut reader = Reader::connect(&router, "", None).await;
    let (from, mut last, path) = reader.checkpoint(&world).await;
    assert_eq!((from, path.len()), (Json::Null, 0));
    for round in 0..6usize {
        // Several are published while the reader does not read: it gets one proof over all of them.
        for _ in 0..=round % 3 {
            world.append(3 + round, 2_000_000);
        }
        last = reader.extends(&world, &last).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_first_checkpoint_of_a_connection_extends_the_readers_own() {
    let mut world = World::new(1);
    let router = routes(world.ledger(), CancellationToken::new());
    let mut reader = Reader::connect(&router, "", None).await;
    let (_, mut last, _) = reader.checkpoint(&world).await;
    for round in 0..6usize {
        let before = last.clone();
        for _ in 0..round % 3 {
            world.append(7 + round, 2_000_000);
        }
        // Nothing but the size is known of the connection before. Where nothing was published since,
        // the same checkpoint comes again.
        let parameters = format!("checkpoint={}", last.size.0);
        reader = Reader::connect(&router, &parameters, None).await;
        last = reader.extends(&world, &last).await;
        assert!(round > 0 || last == before);
        world.append(1, 2_000_000);
        last = reader.extends(&world, &last).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_checkpoint_that_this_log_cannot_have_is_a_reset() {
    let world = World::new(1);
    let router = routes(world.ledger(), CancellationToken::new());
    let size = world.ledger().head().size.0 + 1;
    let mut reader = Reader::connect(&router, &format!("checkpoint={size}"), None).await;
    assert_eq!(reader.expect("reset").await["reason"], "shorter");
    assert_eq!(reader.any().await, None);
}
