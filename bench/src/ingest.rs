//! The ingest core: bytes in, synced and marked commit with receipts out. Verification of the next batch
//! runs beside the commit of this one, as it does behind the broker.

use std::path::Path;
use std::sync::mpsc::sync_channel;
use std::time::Instant;

use ledger::{Checked, Config, Genesis, Submission, Via, Writer, check};
use rayon::prelude::*;
use schemas::id::Micros;
use schemas::key::PublicKey;
use schemas::limits::{BATCH_BYTES_MAX, BATCH_MESSAGES_MAX};
use schemas::reply::Fate;

use crate::events::{START_US, Workload, key, operator, tenant};
use crate::round::{Failure, rate};

/// Checked batches that may wait for the writer.
const WAITING_BATCHES: usize = 1;

/// Events a second; `finds` with the rules, and the findings that follow.
pub(crate) fn core(workload: &Workload, finds: bool) -> Result<f64, Failure> {
    let directory = tempfile::tempdir()?;
    let mut writer = create(directory.path(), finds)?;
    let keys = writer.ledger().key_set();
    let registrations = checked(&workload.registrations, &keys);
    writer.append(registrations, Micros(START_US), &[])?;
    let keys = writer.ledger().key_set();
    let batches = batches(&workload.messages);
    let start = Instant::now();
    let (send, receive) = sync_channel(WAITING_BATCHES);
    let committed = std::thread::scope(|scope| {
        let keys = &keys;
        scope.spawn(move || {
            for batch in batches {
                if send.send(checked(batch, keys)).is_err() {
                    return;
                }
            }
        });
        let mut committed = 0;
        for (tick, batch) in (1u64..).zip(receive) {
            let now = Micros(START_US + tick * 10_000);
            let done = writer.append(batch, now, &[])?;
            let outcomes = done.replies.iter().flat_map(|reply| &reply.outcomes);
            committed += outcomes.filter(|end| matches!(end.fate, Fate::Committed(_))).count();
        }
        Ok::<_, Failure>(committed)
    })?;
    let took = start.elapsed();
    if committed == workload.events {
        Ok(rate(committed, took))
    } else {
        Err(format!("{committed} of {} events were committed", workload.events).into())
    }
}

pub(crate) fn create(directory: &Path, finds: bool) -> Result<Writer, Failure> {
    create_for(directory, PublicKey::of(&operator().1), finds, Micros(START_US))
}

/// The same, begun at another time for an operator with another key.
pub(crate) fn create_for(
    directory: &Path,
    operator_key: PublicKey,
    finds: bool,
    at: Micros,
) -> Result<Writer, Failure> {
    let config = Config { store: directory.join("store"), mark: directory.join("mark/bench.note") };
    let genesis = Genesis {
        tenant: tenant(),
        host: "bench.example".to_owned(),
        operator: operator().0,
        operator_key,
        clock_start: None,
        finds,
    };
    Ok(ledger::create(&config, key(1), &genesis, at)?)
}

/// Batches as the ingest makes them: bounded in messages and in bytes.
pub(crate) fn batches(messages: &[Vec<u8>]) -> Vec<&[Vec<u8>]> {
    let mut batches = Vec::new();
    let mut rest = messages;
    while !rest.is_empty() {
        let mut bytes = 0;
        let fits = rest.iter().take(BATCH_MESSAGES_MAX).take_while(|message| {
            bytes += message.len();
            bytes <= BATCH_BYTES_MAX
        });
        let (batch, after) = rest.split_at(fits.count().max(1));
        batches.push(batch);
        rest = after;
    }
    batches
}

pub(crate) fn checked<'a>(messages: &'a [Vec<u8>], keys: &ledger::KeySet) -> Vec<Submission<'a>> {
    let check = |message: &'a Vec<u8>| -> Checked<'a> { check(message, keys) };
    let checked: Vec<_> = messages.par_iter().map(check).collect();
    let submission = |(message, checked): (&'a Vec<u8>, Checked<'a>)| Submission {
        message,
        via: Via::default(),
        checked,
    };
    messages.iter().zip(checked).map(submission).collect()
}
