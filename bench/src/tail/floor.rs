//! What the tail is held against: a constant frame over the same HTTP stack, and nats-server.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::routing::get;
use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::future::try_join_all;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::reader::Moments;
use super::{offered_at, paced, read_all, serve};
use crate::events::Workload;
use crate::receipts::Latencies;
use crate::round::Failure;

/// Frames that are written at once where as many wait, as many as the tail does.
const TAKE: usize = 64;
/// Silence after which a subscriber has lost what it still lacks: the broker drops what one takes too slowly.
const SILENCE: Duration = Duration::from_secs(5);

/// Bytes of the constant frame: those of an entry's.
fn frame(index: usize) -> String {
    format!("id: 00000000.{index}.00000000\nevent: entry\ndata: {}\n\n", "x".repeat(1_200))
}

/// The index in a frame.
fn index(frame: &[u8]) -> Result<usize, Failure> {
    let index = frame.split(|byte| *byte == b'.').nth(1).ok_or("a frame without an index")?;
    Ok(std::str::from_utf8(index)?.parse()?)
}

/// A server of frames, of which there are as many as the channel says.
fn routes(count: &watch::Receiver<usize>, frames: usize) -> Router {
    let made: Arc<[Bytes]> = (0..frames).map(|index| Bytes::from(frame(index))).collect();
    let count = count.clone();
    Router::new().route(
        "/api/v1/tail",
        get(|| async move {
            let begin = Bytes::from_static(b"event: caught-up\ndata: {}\n\n");
            let begun = futures_util::stream::iter([Ok::<_, Infallible>(begin)]);
            let rest = futures_util::stream::unfold((count, 0), move |(mut count, next)| {
                let made = Arc::clone(&made);
                async move {
                    let size = *count.wait_for(|size| *size > next).await.ok()?;
                    let end = size.min(next + TAKE);
                    Some((Ok(Bytes::from(made.get(next..end)?.concat())), (count, end)))
                }
            });
            Body::from_stream(begun.chain(rest))
        }),
    )
}

/// The constant frame at the rate of the workload.
pub(crate) async fn constant(
    workload: &Workload,
    offered: usize,
    readers: usize,
) -> Result<Latencies, Failure> {
    let (sender, count) = watch::channel(0);
    let shutdown = CancellationToken::new();
    let address = serve(routes(&count, workload.events), &shutdown).await?;
    let moments = Arc::new(Moments::new(workload.events));
    let connected = super::connect(address, readers).await?;
    let reading = tokio::spawn(read_all(connected, Arc::clone(&moments)));
    let events = workload.events;
    tokio::task::spawn_blocking(move || {
        let all: Vec<_> = (0..events).collect();
        for group in paced(&all, offered_at(offered)) {
            let end = group.last().map_or(0, |last| last + 1);
            moments.set(end - group.len()..end);
            sender.send_replace(end);
        }
        sender
    })
    .await?;
    let taken = reading.await??;
    shutdown.cancel();
    Ok(Latencies::new(taken))
}

/// The same number of messages of the same size over nats-server, each subscriber on a connection of its own. Those
/// that the broker dropped are not among what is given.
pub(crate) async fn broker(
    workload: &Workload,
    offered: usize,
    readers: usize,
) -> Result<Latencies, Failure> {
    let directory = tempfile::tempdir()?;
    let binary = ingest::find(None)?;
    let nats = ingest::start(&binary, &directory.path().join("nats"), None).await?;
    let url = nats.url();
    let moments = Arc::new(Moments::new(workload.events));
    let subscribe = |_| async {
        let client = async_nats::connect(&url).await?;
        let subscription = client.subscribe("bench").await?;
        client.flush().await?;
        Ok::<_, Failure>((client, subscription))
    };
    let open = try_join_all((0..readers).map(subscribe)).await?;
    let events = workload.events;
    let reading = open.into_iter().map(|(client, mut subscription)| {
        let moments = Arc::clone(&moments);
        tokio::spawn(async move {
            let mut taken = Vec::with_capacity(events);
            while taken.len() < events {
                let Ok(next) = tokio::time::timeout(SILENCE, subscription.next()).await else {
                    break;
                };
                let message = next.ok_or("the subscription ended")?;
                taken.push(moments.since(index(&message.payload)?));
            }
            drop(client);
            Ok::<Vec<Duration>, Failure>(taken)
        })
    });
    let reading: Vec<_> = reading.collect();
    let client = async_nats::connect(&url).await?;
    let (groups, mut comes) = tokio::sync::mpsc::channel::<std::ops::Range<usize>>(1);
    let pacing = tokio::task::spawn_blocking(move || {
        let all: Vec<_> = (0..events).collect();
        for group in paced(&all, offered_at(offered)) {
            let end = group.last().map_or(0, |last| last + 1);
            if groups.blocking_send(end - group.len()..end).is_err() {
                return;
            }
        }
    });
    while let Some(group) = comes.recv().await {
        moments.set(group.clone());
        for index in group {
            client.publish("bench", frame(index).into()).await?;
        }
        client.flush().await?;
    }
    pacing.await?;
    let mut taken = Vec::new();
    for read in reading {
        taken.extend(read.await??);
    }
    nats.stop().await?;
    Ok(Latencies::new(taken))
}

/// Serves so many constant frames for ever, and prints the address.
pub(crate) async fn serve_constant(frames: usize) -> Result<(), Failure> {
    let (sender, count) = watch::channel(frames);
    let shutdown = CancellationToken::new();
    println!("{}", serve(routes(&count, frames), &shutdown).await?);
    // Whoever started this ends it.
    shutdown.cancelled().await;
    drop(sender);
    Ok(())
}
