//! Many readers, some of them slow: they cost a bounded amount, disturb nobody, and all are let go.

use futures_util::FutureExt as _;
use futures_util::future::join_all;
use schemas::limits::{TAIL_CHUNK_BYTES, TAIL_EVENT_BYTES_MAX};

use super::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readers_that_take_nothing_hold_nothing_and_disturb_nobody() {
    const OLD: u64 = 100;
    let mut world = World::new(1);
    world.append(OLD as usize, 1);
    let router = routes(world.ledger(), CancellationToken::new());
    let ledger = world.ledger();
    let genesis = ledger.chain(Index(0)).unwrap();
    let token = Token::new(&genesis, Index(9), &ledger.chain(Index(9)).unwrap()).to_string();
    // They asked and do not read.
    let mut slow = Vec::new();
    for _ in 0..100 {
        slow.push(get(&router, "since=0", None).await);
    }
    // They come back all at once with an old token, and read one chunk.
    let storm = (0..1_000).map(|_| async {
        let mut reader = Reader::connect(&router, "", Some(&token)).await;
        while reader.events.is_empty() {
            assert!(reader.any().await.is_some());
        }
        reader
    });
    let mut quick = Reader::connect(&router, "since=0", None).await;
    let (storm, ()) = tokio::join!(join_all(storm), async {
        for _ in 0..20 {
            world.append(100, 1);
        }
        quick.entries(0, OLD + 2_001).await;
    });
    // Whoever does not read is given nothing more, and what it is given at once has a limit.
    for response in slow {
        let mut body = response.into_body().into_data_stream();
        let mut decoder = Decoder::default();
        let mut next = 0;
        for _ in 0..8 {
            let chunk = body.next().await.unwrap().unwrap();
            assert!(chunk.len() <= TAIL_CHUNK_BYTES + TAIL_EVENT_BYTES_MAX);
            for event in decoder.push(&chunk).unwrap() {
                if event.event == "entry" {
                    let data: Json = serde_json::from_str(&event.data).unwrap();
                    assert_eq!(data["index"], next);
                    next += 1;
                }
            }
        }
        assert!(next > OLD, "it is late, and misses nothing");
    }
    drop(storm);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_streams_end_with_the_server_and_resume_without_a_gap() {
    const READERS: u64 = 1_000;
    let mut world = World::new(1);
    world.append(50, 1);
    let shutdown = CancellationToken::new();
    let router = routes(world.ledger(), shutdown.clone());
    let connect = async |n: u64| {
        let since = n % 51;
        (since, Reader::connect(&router, &format!("since={since}"), None).await)
    };
    let mut readers = join_all((0..READERS).map(connect)).await;
    // Some have read what there is, some a part, some nothing; then entries come and the server ends.
    for (n, (since, reader)) in readers.iter_mut().enumerate() {
        match n % 3 {
            0 => reader.entries(*since, 51).await,
            1 => reader.entries(*since, *since + 1).await,
            _ => {}
        }
    }
    world.append(50, 1);
    shutdown.cancel();
    let again = routes(world.ledger(), CancellationToken::new());
    for (n, (since, mut reader)) in readers.into_iter().enumerate() {
        let mut next = match n % 3 {
            0 => 51,
            1 => since + 1,
            _ => since,
        };
        loop {
            let (event, data, _) = reader.next().await.unwrap();
            match event.as_str() {
                "entry" => {
                    assert_eq!(data["index"], next);
                    next += 1;
                }
                "bye" => {
                    assert_eq!(data, json!({ "reason": "shutdown" }));
                    break;
                }
                other => assert!(matches!(other, "caught-up" | "fell-behind"), "{other}"),
            }
        }
        assert_eq!(reader.any().now_or_never(), Some(None), "nothing follows");
        let token = reader.decoder.last_id();
        let parameters = format!("since={since}");
        Reader::connect(&again, &parameters, token).await.entries(next, 101).await;
    }
}
