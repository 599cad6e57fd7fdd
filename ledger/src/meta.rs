//! `meta` rows, each with its digest: what the log itself cannot say again.

use schemas::deterministic::{Bounds, Item, decode};
use schemas::encode::Encoder;
use schemas::id::Digest;

use crate::error::ReadError;
use crate::journal::Journaled;
use crate::refusal::{sealed, unsealed};
use crate::retain::{Changes, Retained};
use crate::store::{ColumnFamily, Row, Store};

/// Version of the log's format, which genesis names.
pub(crate) const LOG_FORMAT: u64 = 1;
/// Version of the store's rows. What an older one derived from its log is made anew by a rebuild.
pub(crate) const FORMAT: u64 = 6;
const FORMAT_KEY: &[u8] = b"format";
const REBUILDING_KEY: &[u8] = b"rebuilding";
const ERASED_KEY: &[u8] = b"erased";
const JOURNALED_KEY: &[u8] = b"journaled";
const RETAINED_KEY: &[u8] = b"retained";
const CURSOR_PREFIX: &[u8] = b"cursor/";
const REPEAT_PREFIX: &[u8] = b"repeat/";

/// How far a broker's stream was taken in, and which life of the stream that was.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Cursor {
    /// Name of the stream.
    pub stream: String,
    /// Our random id for this life of the stream.
    pub epoch: [u8; 16],
    /// When the broker says that the stream was created, in nanoseconds.
    pub created_ns: u64,
    /// Last sequence taken in.
    pub sequence: u64,
}

impl Cursor {
    pub(crate) fn row(&self) -> Row {
        let mut value = Encoder::new();
        value.array(3).bytes(&self.epoch).uint(self.created_ns).uint(self.sequence);
        let key = [CURSOR_PREFIX, self.stream.as_bytes()].concat();
        Row::new(ColumnFamily::Meta, key, sealed(value.finish()))
    }

    pub(crate) fn read(store: &Store, stream: &str) -> Result<Option<Self>, ReadError> {
        let key = [CURSOR_PREFIX, stream.as_bytes()].concat();
        let Some(content) = read(store, &key)? else { return Ok(None) };
        let parse = || {
            let root = decode(&content, Bounds::WIRE).ok()?;
            let [epoch, created, sequence] = <&[Item<'_>; 3]>::try_from(root.array()?).ok()?;
            Some(Self {
                stream: stream.to_owned(),
                epoch: epoch.bytes()?.try_into().ok()?,
                created_ns: created.uint()?,
                sequence: sequence.uint()?,
            })
        };
        parse().map(Some).ok_or_else(|| damaged(&key))
    }
}

fn number_row(key: Vec<u8>, number: u64) -> Row {
    Row::new(ColumnFamily::Meta, key, sealed(number.to_be_bytes().to_vec()))
}

fn read_number(store: &Store, key: &[u8]) -> Result<Option<u64>, ReadError> {
    let Some(content) = read(store, key)? else { return Ok(None) };
    let number = content.as_slice().try_into().ok().map(u64::from_be_bytes);
    number.map(Some).ok_or_else(|| damaged(key))
}

pub(crate) fn format_row(format: u64) -> Row {
    number_row(FORMAT_KEY.to_vec(), format)
}

pub(crate) fn read_format(store: &Store) -> Result<Option<u64>, ReadError> {
    read_number(store, FORMAT_KEY)
}

/// Marks the store as being rebuilt, or as done.
pub(crate) fn rebuilding_row(rebuilding: bool) -> Row {
    number_row(REBUILDING_KEY.to_vec(), u64::from(rebuilding))
}

pub(crate) fn is_rebuilding(store: &Store) -> Result<bool, ReadError> {
    Ok(read_number(store, REBUILDING_KEY)? == Some(1))
}

/// That redactions below this index are carried out.
pub(crate) fn erased_row(below: u64) -> Row {
    number_row(ERASED_KEY.to_vec(), below)
}

/// Which lines of the journal of redactions this store knows of.
pub(crate) fn journaled_row(Journaled { lines, digest }: &Journaled) -> Row {
    let mut content = lines.to_be_bytes().to_vec();
    content.extend(digest.iter().flat_map(Digest::as_bytes));
    Row::new(ColumnFamily::Meta, JOURNALED_KEY, sealed(content))
}

pub(crate) fn read_journaled(store: &Store) -> Result<Journaled, ReadError> {
    let Some(content) = read(store, JOURNALED_KEY)? else { return Ok(Journaled::default()) };
    let parse = || {
        let (lines, digest) = content.split_first_chunk::<8>()?;
        let lines = u64::from_be_bytes(*lines);
        if digest.is_empty() {
            return Some(Journaled { lines, digest: None });
        }
        Some(Journaled { lines, digest: Some(Digest::from_slice(digest)?) })
    };
    parse().ok_or_else(|| damaged(JOURNALED_KEY))
}

pub(crate) fn read_erased(store: &Store) -> Result<u64, ReadError> {
    Ok(read_number(store, ERASED_KEY)?.unwrap_or(0))
}

/// How far scheduled retention looked.
pub(crate) fn retained_row(retained: &Retained) -> Row {
    let Retained { detail, body, periods, changes } = retained;
    let mut value = Encoder::new();
    value.array(5).uint(*detail).uint(*body).uint(changes.lifted).uint(changes.contracts);
    value.array(periods.len());
    for (period, place) in periods {
        value.array(2).uint(*period).uint(*place);
    }
    Row::new(ColumnFamily::Meta, RETAINED_KEY, sealed(value.finish()))
}

pub(crate) fn read_retained(store: &Store) -> Result<Retained, ReadError> {
    let Some(content) = read(store, RETAINED_KEY)? else { return Ok(Retained::default()) };
    let parse = || {
        let root = decode(&content, Bounds::WIRE).ok()?;
        let [detail, body, lifted, contracts, periods] =
            <&[Item<'_>; 5]>::try_from(root.array()?).ok()?;
        let pair = |item: &Item<'_>| {
            let [period, place] = <&[Item<'_>; 2]>::try_from(item.array()?).ok()?;
            Some((period.uint()?, place.uint()?))
        };
        Some(Retained {
            detail: detail.uint()?,
            body: body.uint()?,
            periods: periods.array()?.iter().map(pair).collect::<Option<_>>()?,
            changes: Changes { lifted: lifted.uint()?, contracts: contracts.uint()? },
        })
    };
    parse().ok_or_else(|| damaged(RETAINED_KEY))
}

fn repeat_key(refusal: &[u8]) -> Vec<u8> {
    [REPEAT_PREFIX, refusal].concat()
}

/// How often a refusal came again; `refusal` is its key in `ids`.
pub(crate) fn read_repeats(store: &Store, refusal: &[u8]) -> Result<u64, ReadError> {
    Ok(read_number(store, &repeat_key(refusal))?.unwrap_or(0))
}

pub(crate) fn repeats_row(refusal: &[u8], count: u64) -> Row {
    number_row(repeat_key(refusal), count)
}

/// Whether a row of this family is what was written.
pub(crate) fn row_is_sound(row: &[u8]) -> bool {
    unsealed(row).is_some()
}

fn read(store: &Store, key: &[u8]) -> Result<Option<Vec<u8>>, ReadError> {
    let Some(row) = store.get(ColumnFamily::Meta, key)? else { return Ok(None) };
    unsealed(&row).map(|content| Some(content.to_vec())).ok_or_else(|| damaged(key))
}

fn damaged(key: &[u8]) -> ReadError {
    ReadError::Damaged { family: ColumnFamily::Meta, key: schemas::id::hex(key) }
}
