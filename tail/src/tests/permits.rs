//! What a permit does not allow is not said, and a stream ends with its permit.

use std::sync::Arc;

use schemas::limits::TAIL_STREAMS_PER_READER_MAX;
use schemas::terms::Key;
use tokio::time::Instant;

use super::*;

async fn permitted(router: &Router, parameters: &str, permit: Permit) -> Reader {
    Reader::of(ask(router, parameters, None, Some(permit)).await)
}

impl Reader {
    /// These entries, and before each word that others were passed over.
    async fn limited(&mut self, indexes: &[u64]) {
        for index in indexes {
            let (event, data, id) = self.next().await.unwrap();
            assert_eq!((event.as_str(), data), ("message", Json::Null));
            assert_eq!(Token::parse(&id.unwrap()).unwrap().index(), Index(index - 1));
            assert_eq!(self.expect("entry").await["index"], *index);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_allowed_is_passed_over() {
    let mut world = World::new(1);
    let router = routes(world.ledger(), CancellationToken::new());
    world.append(20, 1);
    let permit = Permit {
        allows: Some(Arc::new(|terms| {
            terms.iter().any(|term| term.key == Key::Agent && term.value.ends_with('7'))
        })),
        ..Permit::default()
    };
    // From the store, then from the ring; the query narrows it, and cannot widen it.
    let mut reader = permitted(&router, "since=0", permit.clone()).await;
    let mut narrow = permitted(&router, "since=0&agent=agent-1*", permit).await;
    reader.limited(&[7, 17]).await;
    narrow.limited(&[17]).await;
    let caught_up = reader.expect("caught-up").await;
    assert_eq!(caught_up["index"], 20);
    narrow.expect("caught-up").await;
    world.append(20, 1);
    reader.limited(&[27, 37]).await;
    // Another reader of the same filter sees everything, whatever others may see.
    Reader::connect(&router, "since=0", None).await.entries(0, 41).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_ends_with_its_permit() {
    let world = World::new(1);
    let router = routes(world.ledger(), CancellationToken::new());
    let permit = Permit::default();
    let mut revoked = permitted(&router, "", permit.clone()).await;
    revoked.expect("caught-up").await;
    permit.revoked.cancel();
    assert_eq!(revoked.expect("bye").await, json!({ "reason": "revoked" }));
    assert_eq!(revoked.any().await, None);

    let soon = Instant::now() + Duration::from_millis(200);
    let mut expiring =
        permitted(&router, "", Permit { until: Some(soon), ..Permit::default() }).await;
    expiring.expect("caught-up").await;
    assert_eq!(expiring.expect("bye").await, json!({ "reason": "expiry" }));
    assert!(Instant::now() >= soon);
    assert_eq!(expiring.any().await, None);
    // One that is over already shows nothing at all.
    let mut late =
        permitted(&router, "since=0", Permit { until: Some(soon), ..Permit::default() }).await;
    assert_eq!(late.expect("bye").await, json!({ "reason": "expiry" }));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_has_so_many_tails() {
    let world = World::new(1);
    let router = routes(world.ledger(), CancellationToken::new());
    let of = |name: &str| Permit { reader: Some(name.into()), ..Permit::default() };
    let mut open = Vec::new();
    for _ in 0..TAIL_STREAMS_PER_READER_MAX {
        open.push(permitted(&router, "", of("greedy")).await);
    }
    let refused = ask(&router, "", None, Some(of("greedy"))).await;
    assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(refused.headers().contains_key("retry-after"));
    permitted(&router, "", of("modest")).await.expect("caught-up").await;
    open.pop();
    permitted(&router, "", of("greedy")).await.expect("caught-up").await;
}
