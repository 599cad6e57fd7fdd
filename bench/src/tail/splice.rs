//! Wherever connections break while entries come in, every reader has every entry once and in order.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value as Json;
use tail::Event;
use tokio::sync::watch;

use super::process::Sworn;
use super::reader::{Reader, entry};
use crate::events::Workload;
use crate::random::Random;
use crate::receipts::{paced, receipted};
use crate::round::{Failure, rate};

/// Events a second.
const OFFERED: usize = 5_000;
/// Of them, under one signature.
const BATCH: usize = 10;
/// Connections that can be counted on in a second: a server lets thousands in at a pace.
const CONNECTS_A_SECOND: usize = 600;
/// Readers; every tenth of everything, the others of one agent each.
const READERS: usize = 100;
const ALL_EVERY: usize = 10;
/// Bytes of one entry's frame, about.
const FRAME_BYTES: usize = 1_300;

/// What a run shares.
struct Run {
    address: SocketAddr,
    /// The first entry of the workload.
    first: usize,
    /// Its entries.
    entries: usize,
    agents: usize,
    /// Connections to be made by all readers together while events come in.
    wanted: usize,
    /// For how long they come in.
    lasting: Duration,
    made: AtomicUsize,
}

/// One reader, over all its connections.
struct Client {
    run: Arc<Run>,
    number: usize,
    random: Random,
    token: Option<String>,
    /// Where it begins, which may be still to come.
    since: usize,
    seen: Vec<usize>,
    /// Of the first reader: who each entry is of, and the chain hash of the last one.
    agents: HashMap<usize, String>,
    chain: Option<String>,
}

impl Client {
    fn new(run: &Arc<Run>, number: usize) -> Self {
        let mut random = Random(u64::try_from(number).unwrap_or_default());
        // The first one sees everything, and so knows what the others have to see.
        let since = if number == 0 { 0 } else { below(&mut random, run.entries / 2) };
        Self {
            run: Arc::clone(run),
            number,
            random,
            token: None,
            since: run.first + since,
            seen: Vec::new(),
            agents: HashMap::new(),
            chain: None,
        }
    }

    fn agent(&self) -> Option<String> {
        let agent = self.number % self.run.agents;
        (!self.number.is_multiple_of(ALL_EVERY)).then(|| format!("agent-{agent}"))
    }

    fn query(&self) -> String {
        let agent = self.agent().map(|agent| format!("&agent={agent}")).unwrap_or_default();
        format!("?since={}{agent}", self.since)
    }

    /// Bytes and time after whichever comes first its next connection breaks.
    fn breaks(&mut self) -> (usize, Duration) {
        let of_agents = if self.agent().is_some() { self.run.agents } else { 1 };
        let connections = (self.run.wanted / READERS).max(1);
        let bytes = self.run.entries * FRAME_BYTES / of_agents / connections;
        // Half of these bounds is the mean; somewhat less, because connecting takes time, too.
        let time_us =
            usize::try_from(self.run.lasting.as_micros()).unwrap_or_default() / connections;
        let time_us = below(&mut self.random, time_us * 6 / 5);
        let time = Duration::from_micros(u64::try_from(time_us).unwrap_or_default());
        (below(&mut self.random, 2 * bytes) + 1, time)
    }

    /// Connects again and again until it has what there is once `end` is known.
    async fn follow(mut self, mut end: watch::Receiver<Option<usize>>) -> Result<Self, Failure> {
        loop {
            let has_ended = end.borrow_and_update().is_some();
            let mut reader =
                Reader::resume(self.run.address, &self.query(), self.token.as_deref()).await?;
            self.run.made.fetch_add(1, Ordering::Relaxed);
            let finished = if has_ended {
                let last = end.borrow().unwrap_or_default().saturating_sub(1);
                self.finish(&mut reader, last).await?;
                true
            } else {
                let (left, time) = self.breaks();
                tokio::select! {
                    read = self.read(&mut reader, left) => read?,
                    () = tokio::time::sleep(time) => {}
                    changed = end.changed() => changed?,
                }
                false
            };
            if let Some(token) = reader.token() {
                self.token = Some(token.to_owned());
            }
            if finished {
                return Ok(self);
            }
        }
    }

    /// Reads so many bytes, which end anywhere.
    async fn read(&mut self, reader: &mut Reader, mut left: usize) -> Result<(), Failure> {
        while left > 0 {
            let (read, events) = reader.take(left).await?;
            left -= read;
            events.iter().try_for_each(|event| self.see(event).map(drop))?;
        }
        Ok(())
    }

    /// Reads until everything up to `last` was considered.
    async fn finish(&mut self, reader: &mut Reader, last: usize) -> Result<(), Failure> {
        loop {
            let (_, events) = reader.take(usize::MAX).await?;
            for event in &events {
                if self.see(event)?.is_some_and(|index| index >= last) {
                    return Ok(());
                }
            }
        }
    }

    /// Takes an event; gives how far history was finished, where it says so.
    fn see(&mut self, event: &Event) -> Result<Option<usize>, Failure> {
        if let Some(index) = entry(event)? {
            self.entry(event, index)?;
            return Ok(None);
        }
        match event.event.as_str() {
            "caught-up" => {
                let data: Json = serde_json::from_str(&event.data)?;
                let index = data.get("index").and_then(Json::as_u64).ok_or("no index")?;
                Ok(Some(usize::try_from(index)?))
            }
            "reset" | "bye" => Err(format!("a reader got {event:?}").into()),
            _ => Ok(None),
        }
    }

    fn entry(&mut self, event: &Event, index: usize) -> Result<(), Failure> {
        let last = self.seen.last().copied();
        let follows = match (last, self.agent()) {
            (Some(last), None) => index == last + 1,
            (None, None) => index == self.since,
            (last, Some(_)) => index >= self.since && last.is_none_or(|last| index > last),
        };
        if !follows {
            let number = self.number;
            return Err(format!("reader {number} got {index} after {last:?}").into());
        }
        self.seen.push(index);
        if self.number > 0 {
            return Ok(());
        }
        let data: Json = serde_json::from_str(&event.data)?;
        let text = |path| data.pointer(path).and_then(Json::as_str).unwrap_or_default().to_owned();
        if self.chain.as_ref().is_some_and(|chain| *chain != text("/previous")) {
            return Err(format!("{index} does not continue the chain").into());
        }
        self.chain = Some(text("/chain"));
        self.agents.insert(index, text("/body/agent/id"));
        Ok(())
    }

    /// Whether this is exactly what had to come up to `end`, by what the first reader saw.
    fn check(&self, end: usize, agents: &HashMap<usize, String>) -> Result<(), Failure> {
        let agent = self.agent();
        let fits = |index: &usize| agent.as_ref().is_none_or(|one| agents.get(index) == Some(one));
        if self.seen.iter().copied().eq((self.since..end).filter(fits)) {
            return Ok(());
        }
        Err(format!("reader {} lacks entries or has too many", self.number).into())
    }
}

fn below(random: &mut Random, end: usize) -> usize {
    usize::try_from(random.below(u64::try_from(end.max(1)).unwrap_or(1))).unwrap_or_default()
}

/// Makes at least so many connections while events come in for so many seconds, or for as many more as it takes.
pub(crate) async fn run(connects: usize, seconds: usize) -> Result<(), Failure> {
    let seconds = seconds.max(connects.div_ceil(CONNECTS_A_SECOND));
    let workload = Workload::new(OFFERED * seconds, BATCH);
    let sworn = Sworn::start(&workload).await?;
    let run = Arc::new(Run {
        address: sworn.process.address,
        first: sworn.first,
        entries: workload.events,
        agents: sworn.publishers.len(),
        wanted: connects,
        lasting: Duration::from_secs(u64::try_from(seconds)?),
        made: AtomicUsize::new(0),
    });
    let (sender, end) = watch::channel(None);
    let clients = (0..READERS).map(|n| tokio::spawn(Client::new(&run, n).follow(end.clone())));
    let clients: Vec<_> = clients.collect();
    let begun = Instant::now();
    let publishers = &sworn.publishers;
    let receipts = paced(&workload.messages, OFFERED / BATCH, |n, message| async move {
        receipted(publishers, n, message).await.map(drop)
    })
    .await?;
    let (took, during) = (begun.elapsed(), run.made.load(Ordering::Relaxed));
    let size = sworn.size().await?;
    if size != sworn.first + workload.events {
        return Err(format!("{size} entries, not {}", sworn.first + workload.events).into());
    }
    sender.send_replace(Some(size));
    let mut done = Vec::new();
    for client in clients {
        done.push(client.await??);
    }
    let judge = done.first().ok_or("there are readers")?;
    done.iter().try_for_each(|client| client.check(size, &judge.agents))?;
    let (made, seen) =
        (run.made.load(Ordering::Relaxed), done.iter().map(|c| c.seen.len()).sum::<usize>());
    println!(
        "{} events at {:.0} a second, {OFFERED} offered",
        workload.events,
        rate(workload.events, took)
    );
    println!("{}", receipts.line("verified receipt"));
    println!(
        "{READERS} readers, every {ALL_EVERY}th of everything, the others of one agent; {made} connections, {during} of them while events came in; {seen} entries delivered"
    );
    if during < connects {
        return Err(format!("only {during} connections, not {connects}").into());
    }
    println!(
        "every sequence complete, in order, without a repetition; the chain of {size} entries holds"
    );
    Ok(())
}
