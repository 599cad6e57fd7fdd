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

use super::reader::{Moments, Reader};
use super::{cpu, offered_at, paced, read_all, serve};
use crate::events::Workload;
use crate::receipts::Latencies;
use crate::round::{Failure, rate};

/// Frames that are written at once where as many wait, as many as the tail does.
const TAKE: usize = 64;
/// Subscribers at most: each is a connection of its own at the server.
const SUBSCRIBERS_MAX: usize = 100;

/// Bytes of the constant frame: those of an entry's.
fn frame(index: usize) -> String {
    format!("id: 00000000.{index}.00000000\nevent: entry\ndata: {}\n\n", "x".repeat(1_200))
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

/// The same number of messages of the same size over nats-server, each subscriber on a connection of its own.
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
    let subscribers = readers.min(SUBSCRIBERS_MAX);
    let open = try_join_all((0..subscribers).map(subscribe)).await?;
    let events = workload.events;
    let reading = open.into_iter().map(|(client, mut subscription)| {
        let moments = Arc::clone(&moments);
        tokio::spawn(async move {
            let mut taken = Vec::with_capacity(events);
            while taken.len() < events {
                subscription.next().await.ok_or("the subscription ended")?;
                taken.push(moments.since(taken.len()));
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

/// Constant frames a second of CPU, server and clients together.
pub(crate) async fn fan_out(frames: usize, readers: usize) -> Result<f64, Failure> {
    let (sender, count) = watch::channel(frames);
    let shutdown = CancellationToken::new();
    let address = serve(routes(&count, frames), &shutdown).await?;
    let begun = cpu()?;
    let read = |_| async {
        let mut reader = Reader::connect(address, "").await?;
        reader.count(frames).await
    };
    try_join_all((0..readers).map(read)).await?;
    let rate = rate(frames * readers, cpu()?.saturating_sub(begun));
    drop(sender);
    shutdown.cancel();
    Ok(rate)
}
