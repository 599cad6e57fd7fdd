//! Wherever a connection breaks, history and presence join without a gap or a repetition.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;

const ENTRIES: u64 = 1_001;
const READERS: u64 = 40;
/// Connections that are made at least, all readers together.
const CONNECTS: usize = 1_000;
/// A connection breaks after fewer bytes than this.
const BYTES: u64 = 30_000;

/// A client that reconnects as the standard says, and whose connections break anywhere.
struct Client {
    router: Router,
    parameters: String,
    token: Option<String>,
    random: u64,
    seen: Vec<u64>,
}

impl Client {
    /// One connection, cut in the middle of a line as likely as not.
    async fn connect(&mut self) {
        let response = get(&self.router, &self.parameters, self.token.as_deref()).await;
        assert_eq!(response.status(), StatusCode::OK);
        let mut body = response.into_body().into_data_stream();
        let mut decoder = Decoder::default();
        let mut left = random(&mut self.random, BYTES) as usize;
        while left > 0 && !self.has_finished() {
            let chunk = tokio::time::timeout(DEADLINE, body.next()).await.unwrap().unwrap();
            let chunk = chunk.unwrap();
            let part = &chunk[..chunk.len().min(left)];
            left -= part.len();
            for event in decoder.push(part).unwrap() {
                assert!(!matches!(event.event.as_str(), "reset" | "bye"), "{event:?}");
                if event.event == "entry" {
                    let data: Json = serde_json::from_str(&event.data).unwrap();
                    self.seen.push(data["index"].as_u64().unwrap());
                }
            }
        }
        // What was incomplete is lost, and so is its id.
        self.token = decoder.last_id().map(str::to_owned).or(self.token.take());
    }

    fn has_finished(&self) -> bool {
        self.seen.last().is_some_and(|last| *last == ENTRIES - 1)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_entry_once_in_order_wherever_connections_break() {
    let mut world = World::new(1);
    let router = routes(world.ledger(), CancellationToken::new());
    let connects = Arc::new(AtomicUsize::new(0));
    let clients = (0..READERS).map(|seed| {
        let (router, connects) = (router.clone(), Arc::clone(&connects));
        tokio::spawn(async move {
            // Entry n is about agent n; the last one fits both filters.
            let filter = if seed % 2 == 0 { "" } else { "&agent=agent-1*&agent=agent-77*" };
            let parameters = format!("since={seed}{filter}");
            let (token, seen) = (None, Vec::new());
            let mut client = Client { router, parameters, token, random: seed, seen };
            while !client.has_finished() {
                client.connect().await;
                connects.fetch_add(1, Ordering::Relaxed);
            }
            let fits = |n: &u64| {
                let name = n.to_string();
                filter.is_empty() || *n > 0 && (name.starts_with('1') || name.starts_with("77"))
            };
            assert_eq!(client.seen, (seed..ENTRIES).filter(fits).collect::<Vec<_>>());
        })
    });
    let clients: Vec<_> = clients.collect();
    let ledger = world.ledger();
    let writer = std::thread::spawn(move || {
        let mut state = 42;
        while world.ledger().head().size.0 < ENTRIES {
            let left = ENTRIES - world.ledger().head().size.0;
            let count = (random(&mut state, 12) + 1).min(left);
            world.append(count as usize, 30_000);
        }
        world
    });
    for client in clients {
        client.await.unwrap();
    }
    let _world = writer.join().unwrap();
    assert_eq!(ledger.head().size, TreeSize(ENTRIES));
    let connects = connects.load(Ordering::Relaxed);
    assert!(connects >= CONNECTS, "only {connects} connections");
}
