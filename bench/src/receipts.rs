//! From publishing an event to holding its verified receipt, through a real nats-server and the real ingest
//! loop, at a steady rate. Beside it, in the same round: the broker's bare acknowledgement at that rate, and
//! one synced write.

use std::fs::File;
use std::io::Write as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_nats::jetstream;
use futures_util::future::ready;
use futures_util::stream::FuturesUnordered;
use futures_util::{StreamExt as _, TryStreamExt as _};
use ingest::{Broker, OwnServer, Publisher};
use ledger::{Submission, Via, check};
use schemas::acknowledgement::{Sent, acknowledged};
use schemas::id::{Micros, SignerId};
use schemas::key::PublicKey;
use schemas::kind::Stream;
use schemas::reply::{Fate, Outcome, Reply};
use schemas::submission;
use tokio_util::sync::CancellationToken;

use crate::events::{START_US, Workload, key, tenant};
use crate::ingest::create;
use crate::round::Failure;

/// Offered rates, in events a second.
const RATES: [usize; 3] = [100, 1_000, 5_000];
/// How long each rate is offered.
const SECONDS: usize = 4;
/// Longest wait for a receipt.
const PATIENCE: Duration = Duration::from_secs(60);
/// Submissions under way at once, where none waits for its moment.
const UNDER_WAY: usize = 256;
/// Synced writes that are measured.
const SYNCS: usize = 200;
/// Bytes of one such write.
const SYNC_BYTES: usize = 4096;

/// Latencies of one run, in order.
pub(crate) struct Latencies(Vec<Duration>);

impl Latencies {
    pub(crate) fn new(mut taken: Vec<Duration>) -> Self {
        taken.sort_unstable();
        Self(taken)
    }

    /// Of so many in a hundred it is at most this, in milliseconds.
    pub(crate) fn at(&self, percent: usize) -> f64 {
        let place = (self.0.len() * percent / 100).min(self.0.len().saturating_sub(1));
        self.0.get(place).map_or(f64::NAN, |took| took.as_secs_f64() * 1000.0)
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn line(&self, name: &str) -> String {
        let (middle, late) = (self.at(50), self.at(99));
        format!("{name:<34} p50 {middle:>8.2} ms   p99 {late:>8.2} ms   of {}", self.0.len())
    }
}

/// Runs every rate once in each round and prints what was seen.
pub(crate) fn run(rounds: usize) -> Result<(), Failure> {
    let runtime = tokio::runtime::Runtime::new()?;
    for round in 1..=rounds {
        println!("round {round}");
        println!("  {}", synced_write()?.line("one synced write of 4 KiB"));
        for rate in RATES {
            let (bare, receipts) = runtime.block_on(at_rate(rate))?;
            println!("  {}", bare.line(&format!("broker's acknowledgement, {rate}/s")));
            println!("  {}", receipts.line(&format!("verified receipt, {rate}/s")));
        }
    }
    Ok(())
}

fn synced_write() -> Result<Latencies, Failure> {
    let directory = tempfile::tempdir()?;
    let mut file = File::create(directory.path().join("file"))?;
    let mut taken = Vec::with_capacity(SYNCS);
    for _ in 0..SYNCS {
        let start = Instant::now();
        file.write_all(&[7; SYNC_BYTES])?;
        file.sync_data()?;
        taken.push(start.elapsed());
    }
    Ok(Latencies::new(taken))
}

async fn at_rate(rate: usize) -> Result<(Latencies, Latencies), Failure> {
    let directory = tempfile::tempdir()?;
    let binary = ingest::find(None)?;
    let nats = ingest::start(&binary, &directory.path().join("nats"), None).await?;
    let workload = Workload::new(rate * SECONDS, 1);
    let bare = acknowledgements(&nats, &workload, rate).await?;
    let receipts = receipts(&nats, directory.path(), &workload, rate).await?;
    nats.stop().await?;
    Ok((bare, receipts))
}

/// Sends each message at its moment; `send` answers when it has what it waits for.
pub(crate) async fn paced<F>(
    messages: &[Vec<u8>],
    rate: usize,
    send: impl Fn(usize, Vec<u8>) -> F,
) -> Result<Latencies, Failure>
where
    F: Future<Output = Result<(), Failure>>,
{
    let start = tokio::time::Instant::now();
    let mut waiting = FuturesUnordered::new();
    let mut taken = Vec::with_capacity(messages.len());
    let timed = |n: usize, message: Vec<u8>| {
        let sent = send(n, message);
        async move {
            let begun = Instant::now();
            sent.await.map(|()| begun.elapsed())
        }
    };
    let rate = u32::try_from(rate)?;
    for (n, message) in messages.iter().enumerate() {
        let due = start + Duration::from_secs(1) / rate * u32::try_from(n)?;
        loop {
            tokio::select! {
                biased;
                Some(took) = waiting.next() => taken.push(took?),
                () = tokio::time::sleep_until(due) => break,
            }
        }
        waiting.push(timed(n, message.clone()));
    }
    while let Some(took) = waiting.next().await {
        taken.push(took?);
    }
    Ok(Latencies::new(taken))
}

async fn acknowledgements(
    nats: &OwnServer,
    workload: &Workload,
    rate: usize,
) -> Result<Latencies, Failure> {
    let client = async_nats::connect(nats.url()).await?;
    let context = jetstream::new(client);
    let config = jetstream::stream::Config {
        name: "BARE".to_owned(),
        subjects: vec!["bare".to_owned()],
        ..Default::default()
    };
    context.create_stream(config).await?;
    let context = &context;
    let taken = paced(&workload.messages, rate, |_n, message| async move {
        context.publish("bare", message.into()).await?.await?;
        Ok(())
    })
    .await?;
    context.delete_stream("BARE").await?;
    Ok(taken)
}

async fn receipts(
    nats: &OwnServer,
    directory: &std::path::Path,
    workload: &Workload,
    rate: usize,
) -> Result<Latencies, Failure> {
    let mut writer = create(directory, false)?;
    let keys = writer.ledger().key_set();
    let registrations = workload
        .registrations
        .iter()
        .map(|message| {
            let checked = check(message, &keys);
            Submission { message, via: Via::default(), checked }
        })
        .collect();
    writer.append(registrations, Micros(START_US), &[])?;
    let broker = Broker::at(&nats.url());
    let shutdown = CancellationToken::new();
    let clock = {
        let began = Instant::now();
        move || {
            let since = u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX);
            Micros(START_US.saturating_add(since))
        }
    };
    let config = ingest::Config::new(broker.clone(), tenant());
    let taken_in = tokio::spawn(ingest::run(writer, config, clock, shutdown.clone()));
    let publishers = connect(&broker, workload).await?;
    let publishers = &publishers;
    let taken = paced(&workload.messages, rate, |n, message| async move {
        receipted(publishers, n, message).await.map(drop)
    })
    .await?;
    shutdown.cancel();
    taken_in.await??;
    Ok(taken)
}

/// One connection for each agent of the workload, in the order in which their messages come.
pub(crate) async fn connect(
    broker: &Broker,
    workload: &Workload,
) -> Result<Vec<Publisher>, Failure> {
    let mut publishers = Vec::new();
    for n in 0..workload.registrations.len() / 2 {
        let agent = SignerId::parse(&format!("agent-{n}")).ok_or("an agent's id is an id")?;
        publishers.push(Publisher::connect(broker, &tenant(), &agent).await?);
    }
    Ok(publishers)
}

/// Publishes the message at this place of a workload until it has its verified receipts; gives the entries.
pub(crate) async fn receipted(
    publishers: &[Publisher],
    n: usize,
    message: Vec<u8>,
) -> Result<Vec<usize>, Failure> {
    let publisher =
        publishers.get(n % publishers.len()).ok_or("there is a publisher for each agent")?;
    let until = tokio::time::Instant::now() + PATIENCE;
    let reply = publisher.publish_until_receipted(message.clone(), Stream::In, until).await?;
    verified(&reply, &message, &PublicKey::of(&key(1)))
}

/// Publishes messages of a workload as fast as it is taken in.
pub(crate) async fn settle(publishers: &[Publisher], messages: &[Vec<u8>]) -> Result<(), Failure> {
    let messages = messages.iter().enumerate();
    let sent = messages.map(|(n, message)| receipted(publishers, n, message.clone()));
    futures_util::stream::iter(sent)
        .buffer_unordered(UNDER_WAY)
        .try_for_each(|_| ready(Ok(())))
        .await
}

fn verified(reply: &Arc<Reply>, message: &[u8], ledger: &PublicKey) -> Result<Vec<usize>, Failure> {
    let opened = submission::open(message).map_err(|refused| refused.to_string())?;
    let sent = Sent::items(&opened);
    if reply.outcomes.len() != sent.len() {
        return Err(format!("{} outcomes of {} events", reply.outcomes.len(), sent.len()).into());
    }
    let one = |(outcome, sent): (&Outcome, &Sent)| match &outcome.fate {
        Fate::Committed(receipt) => {
            acknowledged(receipt, &outcome.leaf, sent, ledger)?;
            Ok(usize::try_from(outcome.index.0)?)
        }
        other => Err(format!("not committed: {other:?}").into()),
    };
    reply.outcomes.iter().zip(&sent).map(one).collect()
}
