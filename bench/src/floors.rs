//! The floors: what the work would cost if sworn did nothing but the unavoidable.

use std::time::Instant;

use rayon::prelude::*;
use rocksdb::{DB, Options, WriteBatch, WriteOptions};
use schemas::id::Kid;
use schemas::key::PublicKey;
use schemas::limits::BATCH_MESSAGES_MAX;
use schemas::submission;

use crate::events::{Workload, key};
use crate::round::{Failure, rate};

/// One strict verification for each submission, on every core, and nothing else.
pub(crate) fn verify_strict(workload: &Workload) -> Result<f64, Failure> {
    let keys: std::collections::HashMap<Kid, PublicKey> =
        (0..=u8::MAX).map(|seed| PublicKey::of(&key(seed))).map(|key| (key.kid(), key)).collect();
    let opened: Vec<_> =
        workload.messages.iter().filter_map(|message| submission::open(message).ok()).collect();
    let start = Instant::now();
    let good = opened
        .par_iter()
        .filter(|opened| {
            let statement = opened.statement();
            keys.get(&statement.kid).is_some_and(|key| statement.verifies(key))
        })
        .count();
    let took = start.elapsed();
    if good == workload.messages.len() {
        Ok(rate(good, took))
    } else {
        Err("a signature of the workload does not verify".into())
    }
}

/// The same bytes put into an empty RocksDB, in synced batches of the size that a commit has.
pub(crate) fn raw_rocksdb(workload: &Workload) -> Result<f64, Failure> {
    let directory = tempfile::tempdir()?;
    let mut options = Options::default();
    options.create_if_missing(true);
    let db = DB::open(&options, directory.path())?;
    let mut write = WriteOptions::default();
    write.set_sync(true);
    let start = Instant::now();
    for (chunk, messages) in (0u64..).zip(workload.messages.chunks(BATCH_MESSAGES_MAX)) {
        let mut batch = WriteBatch::default();
        for (place, message) in (0u64..).zip(messages) {
            batch.put((chunk << 32 | place).to_be_bytes(), message);
        }
        db.write_opt(batch, &write)?;
    }
    Ok(rate(workload.messages.len(), start.elapsed()))
}
