//! RocksDB: column families, options, reads, and the one way to write.

use std::fmt;
use std::path::Path;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use rocksdb::{
    BlockBasedOptions, BottommostLevelCompaction, Cache, ColumnFamilyDescriptor, CompactOptions,
    DB, DBCompressionType, DBRawIterator, DBRecoveryMode, Direction, FlushOptions, IteratorMode,
    Options, ReadOptions, SliceTransform, WaitForCompactOptions, WriteBatch, WriteOptions,
};
use schemas::id::Index;

use crate::error::{OpenError, ReadError};
use crate::keys::{self, EVENT_PREFIX_BYTES};
use crate::{places, term_row};

/// The parts of the store.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum ColumnFamily {
    /// What chain and tree commit to.
    Leaves,
    /// Statements with their manifests, and messages refused as a whole.
    Statements,
    /// Event bodies.
    Bodies,
    /// Erasable content.
    Details,
    /// Full tiles of the tree.
    Tiles,
    /// Which entries carry a term.
    Postings,
    /// Which terms there are.
    Terms,
    /// Which events and refusals were seen.
    Ids,
    /// The fold over the log: registry, counters, signer chains.
    State,
    /// Commit boundaries and published notes.
    Checkpoints,
    /// Cursors, format version, repeat counters; each row with its digest.
    Meta,
}

impl ColumnFamily {
    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::Leaves,
        Self::Statements,
        Self::Bodies,
        Self::Details,
        Self::Tiles,
        Self::Postings,
        Self::Terms,
        Self::Ids,
        Self::State,
        Self::Checkpoints,
        Self::Meta,
    ];

    /// Those that a rebuild makes anew from the others.
    pub const DERIVED: [Self; 5] =
        [Self::Tiles, Self::Postings, Self::Terms, Self::Ids, Self::State];

    /// Whether its rows are written in parts, which the store puts together.
    const fn is_merged(self) -> bool {
        matches!(self, Self::Postings | Self::Terms)
    }

    /// Whether its rows are looked up where there may be none, or parts of them in many files, so that a filter saves
    /// more looks than it takes.
    const fn is_filtered(self) -> bool {
        matches!(self, Self::Details | Self::Ids | Self::State | Self::Meta) || self.is_merged()
    }

    /// The name in the store.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Leaves => "leaves",
            Self::Statements => "statements",
            Self::Bodies => "bodies",
            Self::Details => "details",
            Self::Tiles => "tiles",
            Self::Postings => "postings",
            Self::Terms => "terms",
            Self::Ids => "ids",
            Self::State => "state",
            Self::Checkpoints => "checkpoints",
            Self::Meta => "meta",
        }
    }
}

impl fmt::Display for ColumnFamily {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A row to write.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) family: ColumnFamily,
    pub(crate) key: Vec<u8>,
    pub(crate) value: Vec<u8>,
    /// Whether the row goes instead.
    pub(crate) is_gone: bool,
}

impl Row {
    pub(crate) fn new(
        family: ColumnFamily,
        key: impl Into<Vec<u8>>,
        value: impl Into<Vec<u8>>,
    ) -> Self {
        Self { family, key: key.into(), value: value.into(), is_gone: false }
    }

    /// The end of a row.
    pub(crate) fn gone(family: ColumnFamily, key: impl Into<Vec<u8>>) -> Self {
        Self { family, key: key.into(), value: Vec::new(), is_gone: true }
    }
}

/// Bytes of the block cache, unless [`share_block_cache`] says otherwise.
pub const BLOCK_CACHE_BYTES: usize = 128 << 20;
const WRITE_BUFFERS_BYTES: usize = 128 << 20;
const WAL_BYTES_MAX: u64 = 256 << 20;
const BLOB_BYTES_MIN: u64 = 4 << 10;
const OPEN_FILES_MAX: i32 = 512;
/// Threads that open a family's files; RocksDB starts and ends so many for each of them.
const OPENING_THREADS: i32 = 2;
/// Flushed files of a family that are compacted together: every read looks into each of them.
const FILES_APART: i32 = 4;
const SCRATCH_FILES_APART: i32 = 16;
/// Rows below which a walk does not pay for its beginning.
const WALK_MIN: usize = 8;
/// Writes between two flushes of the families whose rows are written in parts: a read puts together as many parts as lie in memory.
const PARTS_MAX: usize = 2048;
/// What a walk reads of a file at once where blocks are not in memory. Left to itself RocksDB has the system read ahead from
/// the third block on, also where all blocks are in memory.
const WALK_READ_AHEAD_BYTES: usize = 32 << 10;
/// Flushed files of a family from which on no more are asked for: at 20 RocksDB lets writes wait.
const FILES_BEHIND: i32 = 12;

/// What all stores of this process share.
static BLOCK_CACHE: OnceLock<Cache> = OnceLock::new();

/// Makes the cache of read blocks, which all stores of this process share, so large. Before the first store is opened:
/// false, and nothing changes, if it is there already.
pub fn share_block_cache(bytes: usize) -> bool {
    BLOCK_CACHE.set(Cache::new_lru_cache(bytes)).is_ok()
}

/// A row as it was read.
pub(crate) type KeyValue = (Box<[u8]>, Box<[u8]>);

pub(crate) struct Store {
    db: DB,
    /// Writes since parts of rows were last put together.
    parts: AtomicUsize,
}

impl Store {
    /// Opens for writing, making missing column families.
    pub(crate) fn open(path: &Path) -> Result<Self, OpenError> {
        Self::open_with(path, FILES_APART)
    }

    /// The same for the rows that verifications derive: compacting these often would take longer than a verification of
    /// what came since the last one.
    pub(crate) fn open_scratch(path: &Path) -> Result<Self, OpenError> {
        Self::open_with(path, SCRATCH_FILES_APART)
    }

    fn open_with(path: &Path, files_apart: i32) -> Result<Self, OpenError> {
        DB::open_cf_descriptors(&options(), path, families(files_apart))
            .map(Self::of)
            .map_err(|error| open_error(path, error))
    }

    /// Opens a copy, or a store that nobody has open, without taking its lock.
    pub(crate) fn open_read_only(path: &Path) -> Result<Self, OpenError> {
        if !path.join("CURRENT").exists() {
            return Err(OpenError::Absent(path.to_owned()));
        }
        DB::open_cf_descriptors_read_only(&options(), path, families(FILES_APART), false)
            .map(Self::of)
            .map_err(|error| open_error(path, error))
    }

    fn of(db: DB) -> Self {
        Self { db, parts: AtomicUsize::new(0) }
    }

    fn family(&self, family: ColumnFamily) -> &rocksdb::ColumnFamily {
        self.db.cf_handle(family.as_str()).expect("every family is opened with the store")
    }

    pub(crate) fn get(
        &self,
        family: ColumnFamily,
        key: &[u8],
    ) -> Result<Option<Vec<u8>>, ReadError> {
        Ok(self.db.get_cf(self.family(family), key)?)
    }

    /// The row of the entry at `index`, which has to be there.
    pub(crate) fn row_at(&self, family: ColumnFamily, index: Index) -> Result<Vec<u8>, ReadError> {
        let row = self.get(family, &keys::index(index))?;
        row.ok_or(ReadError::Missing { family, index })
    }

    /// The rows of the entries at `indexes`, in their order. Where these lie close together, walking over them costs a
    /// fraction of looking each of them up.
    pub(crate) fn rows_at(
        &self,
        family: ColumnFamily,
        indexes: &[Index],
    ) -> Vec<Result<Option<Vec<u8>>, ReadError>> {
        if let [first, .., last] = indexes
            && last < first
        {
            let mut rows = self.rows_at(family, &indexes.iter().copied().rev().collect::<Vec<_>>());
            rows.reverse();
            return rows;
        }
        // Where a walk fails, each row tells for itself whether it can be read.
        if are_close(indexes)
            && let Ok(rows) = self.walk(family, indexes)
        {
            return rows.into_iter().map(Ok).collect();
        }
        let keys: Vec<_> = indexes.iter().map(|index| keys::index(*index)).collect();
        self.get_many(family, &keys)
    }

    /// The rows of the entries at `indexes`, which ascend, in one walk.
    fn walk(
        &self,
        family: ColumnFamily,
        indexes: &[Index],
    ) -> Result<Vec<Option<Vec<u8>>>, ReadError> {
        let mut options = scan_options();
        options.set_readahead_size(WALK_READ_AHEAD_BYTES);
        let mut rows = self.cursor_with(family, options);
        if let Some(first) = indexes.first() {
            rows.seek(keys::index(*first));
        }
        let mut found = Vec::with_capacity(indexes.len());
        for index in indexes {
            let key = keys::index(*index);
            while rows.key().is_some_and(|at| *at < key[..]) {
                rows.next();
            }
            found.push(rows.item().filter(|(at, _)| **at == key).map(|(_, row)| row.to_vec()));
        }
        rows.status()?;
        Ok(found)
    }

    /// The rows under `keys`, in their order: blocks that several are in are read once.
    pub(crate) fn get_many<K: AsRef<[u8]> + PartialOrd>(
        &self,
        family: ColumnFamily,
        keys: &[K],
    ) -> Vec<Result<Option<Vec<u8>>, ReadError>> {
        let rows = self.db.batched_multi_get_cf(self.family(family), keys, keys.is_sorted());
        let owned = |row: Result<Option<rocksdb::DBPinnableSlice<'_>>, rocksdb::Error>| {
            Ok(row?.map(|row| row.to_vec()))
        };
        rows.into_iter().map(owned).collect()
    }

    /// Rows from `key` on, in either direction, until the family ends or reading fails.
    pub(crate) fn scan(
        &self,
        family: ColumnFamily,
        key: &[u8],
        direction: Direction,
    ) -> impl Iterator<Item = Result<KeyValue, ReadError>> + use<'_> {
        let mode = IteratorMode::From(key, direction);
        let rows = self.db.iterator_cf_opt(self.family(family), scan_options(), mode);
        rows.map(|row| row.map_err(ReadError::from))
    }

    /// The rows whose keys begin with `prefix`, in order of key, until reading fails.
    pub(crate) fn scan_prefix(
        &self,
        family: ColumnFamily,
        prefix: &[u8],
    ) -> impl Iterator<Item = Result<KeyValue, ReadError>> + use<'_> {
        let prefix = prefix.to_vec();
        let rows = self.scan(family, &prefix, Direction::Forward);
        rows.take_while(move |row| row.as_ref().map_or(true, |(key, _)| key.starts_with(&prefix)))
    }

    /// A cursor for seeking.
    pub(crate) fn cursor(&self, family: ColumnFamily) -> DBRawIterator<'_> {
        self.cursor_with(family, scan_options())
    }

    fn cursor_with(&self, family: ColumnFamily, options: ReadOptions) -> DBRawIterator<'_> {
        self.db.raw_iterator_cf_opt(self.family(family), options)
    }

    /// A cursor over event ids, which goes from the first key with a prefix of [`EVENT_PREFIX_BYTES`] to the last: files
    /// that have none with it are not looked into.
    pub(crate) fn event_cursor(&self) -> DBRawIterator<'_> {
        let mut options = ReadOptions::default();
        options.set_prefix_same_as_start(true);
        self.cursor_with(ColumnFamily::Ids, options)
    }

    /// One batch, synced: durable or not there at all.
    pub(crate) fn write_synced(&self, rows: &[Row]) -> Result<(), rocksdb::Error> {
        let mut options = WriteOptions::default();
        options.set_sync(true);
        self.write(rows, &options)
    }

    /// One batch that survives this process but not the machine: for what can be made again.
    pub(crate) fn write_unsynced(&self, rows: &[Row]) -> Result<(), rocksdb::Error> {
        self.write(rows, &WriteOptions::default())
    }

    /// Rows of a scratch store, which nobody needs after a crash.
    pub(crate) fn write_scratch(&self, rows: &[Row]) -> Result<(), rocksdb::Error> {
        let mut options = WriteOptions::default();
        options.disable_wal(true);
        self.write(rows, &options)
    }

    fn write(&self, rows: &[Row], options: &WriteOptions) -> Result<(), rocksdb::Error> {
        let mut batch = WriteBatch::default();
        // Found by name, and mostly that of the row before.
        let mut handle: Option<(ColumnFamily, &rocksdb::ColumnFamily)> = None;
        for row in rows {
            let family = match handle {
                Some((of, family)) if of == row.family => family,
                _ => self.family(row.family),
            };
            handle = Some((row.family, family));
            match row.family {
                _ if row.is_gone => batch.delete_cf(family, &row.key),
                of if of.is_merged() => batch.merge_cf(family, &row.key, &row.value),
                _ => batch.put_cf(family, &row.key, &row.value),
            }
        }
        self.db.write_opt(batch, options)?;
        self.merge_parts();
        Ok(())
    }

    /// Now and then, has the parts of rows that lie in memory put together: by writing them to a file. Where that would
    /// have to wait, or is refused, it is asked for again after the next write, which has nothing to do with it.
    fn merge_parts(&self) {
        if self.parts.fetch_add(1, Ordering::Relaxed) + 1 < PARTS_MAX {
            return;
        }
        let families = ColumnFamily::ALL.into_iter().filter(|family| family.is_merged());
        let families: Vec<_> = families.map(|family| self.family(family)).collect();
        if families.iter().any(|family| self.is_behind(family)) {
            return;
        }
        let mut options = FlushOptions::default();
        options.set_wait(false);
        if self.db.flush_cfs_opt(&families, &options).is_ok() {
            self.parts.store(0, Ordering::Relaxed);
        }
    }

    /// Whether files of the family are still to be written or compacted, so that another one would have to wait.
    fn is_behind(&self, family: &rocksdb::ColumnFamily) -> bool {
        let number = |property| {
            let found = self.db.property_value_cf(family, property).ok().flatten();
            found.and_then(|found| found.parse::<i32>().ok())
        };
        number("rocksdb.num-immutable-mem-table") != Some(0)
            || number("rocksdb.num-files-at-level0").is_none_or(|files| files >= FILES_BEHIND)
    }

    /// Rows put as they are, past the merge operator, and keys that go: in one synced batch.
    pub(crate) fn rewrite_synced(
        &self,
        puts: &[Row],
        deletes: &[(ColumnFamily, Vec<u8>)],
    ) -> Result<(), rocksdb::Error> {
        let mut batch = WriteBatch::default();
        // A key that is put anew may have been taken away before.
        deletes.iter().for_each(|(family, key)| batch.delete_cf(self.family(*family), key));
        puts.iter().for_each(|row| batch.put_cf(self.family(row.family), &row.key, &row.value));
        let mut options = WriteOptions::default();
        options.set_sync(true);
        self.db.write_opt(batch, &options)
    }

    /// Rewrites the files of these families, so that no deleted or replaced value is left in any file: tables,
    /// blob files and the log of writes.
    pub(crate) fn purge(&self, families: &[ColumnFamily]) -> Result<(), rocksdb::Error> {
        // With every family flushed, the log of writes before this is not needed and goes.
        self.flush()?;
        let mut options = CompactOptions::default();
        options.set_bottommost_level_compaction(BottommostLevelCompaction::Force);
        options.set_exclusive_manual_compaction(false);
        for family in families {
            let handle = self.family(*family);
            let collect_all = [("blob_garbage_collection_age_cutoff", "1.0")];
            let as_before = [("blob_garbage_collection_age_cutoff", "0.25")];
            self.db.set_options_cf(handle, &collect_all)?;
            self.db.compact_range_cf_opt(handle, None::<&[u8]>, None::<&[u8]>, &options);
            self.db.set_options_cf(handle, &as_before)?;
        }
        Ok(())
    }

    /// Puts one row as it is, synced, past the merge operator.
    pub(crate) fn replace(&self, row: &Row) -> Result<(), rocksdb::Error> {
        let mut options = WriteOptions::default();
        options.set_sync(true);
        self.db.put_cf_opt(self.family(row.family), &row.key, &row.value, &options)
    }

    /// Writes everything in memory to files.
    pub(crate) fn flush(&self) -> Result<(), rocksdb::Error> {
        let families: Vec<_> = ColumnFamily::ALL.into_iter().map(|f| self.family(f)).collect();
        self.db.flush_cfs_opt(&families, &FlushOptions::default())
    }

    /// The same, and waits until no file is left to be compacted: whoever opens the store next finds nothing to do.
    pub(crate) fn settle(&self) -> Result<(), rocksdb::Error> {
        let mut options = WaitForCompactOptions::default();
        options.set_flush(true);
        self.db.wait_for_compact(&options)
    }

    /// Removes every row of `family`.
    pub(crate) fn clear(&self, family: ColumnFamily) -> Result<(), rocksdb::Error> {
        let handle = self.family(family);
        let mut rows = self.db.iterator_cf_opt(handle, scan_options(), IteratorMode::End);
        let Some(last) = rows.next() else { return Ok(()) };
        // What a range ends with is not in it.
        let beyond = [&*last?.0, &[0]].concat();
        let mut options = WriteOptions::default();
        options.set_sync(true);
        self.db.delete_range_cf_opt(handle, Vec::new(), beyond, &options)
    }

    /// A copy of the store as it is now, by hard links where the file system can.
    pub(crate) fn checkpoint(&self, path: &Path) -> Result<(), rocksdb::Error> {
        rocksdb::checkpoint::Checkpoint::new(&self.db)?.create_checkpoint(path)
    }
}

/// Whether no more rows lie between the first and the last of them than are asked for.
fn are_close(indexes: &[Index]) -> bool {
    let ends = indexes.first().zip(indexes.last());
    let between = ends.and_then(|(first, last)| usize::try_from(last.0.checked_sub(first.0)?).ok());
    indexes.len() >= WALK_MIN
        && between.is_some_and(|between| between < 2 * indexes.len())
        && indexes.is_sorted_by(|a, b| a < b)
}

fn open_error(path: &Path, error: rocksdb::Error) -> OpenError {
    let text = error.to_string();
    if text.contains("lock hold by") || text.contains("While lock file") {
        return OpenError::Locked(path.to_owned());
    }
    OpenError::Read(ReadError::Store(error))
}

fn scan_options() -> ReadOptions {
    let mut options = ReadOptions::default();
    options.set_total_order_seek(true);
    options
}

fn options() -> Options {
    let mut options = Options::default();
    options.create_if_missing(true);
    options.create_missing_column_families(true);
    // The default mode drops synced records after a damaged one without a word.
    options.set_wal_recovery_mode(DBRecoveryMode::TolerateCorruptedTailRecords);
    options.set_db_write_buffer_size(WRITE_BUFFERS_BYTES);
    options.set_max_total_wal_size(WAL_BYTES_MAX);
    options.set_max_open_files(OPEN_FILES_MAX);
    options.set_max_file_opening_threads(OPENING_THREADS);
    options.set_keep_log_file_num(4);
    options.set_paranoid_checks(true);
    options
}

/// All families; so many flushed files of one lie apart before they are compacted.
fn families(files_apart: i32) -> Vec<ColumnFamilyDescriptor> {
    let cache = BLOCK_CACHE.get_or_init(|| Cache::new_lru_cache(BLOCK_CACHE_BYTES));
    let describe = |family: ColumnFamily| {
        let mut options = family_options(family, cache);
        options.set_level_zero_file_num_compaction_trigger(files_apart);
        ColumnFamilyDescriptor::new(family.as_str(), options)
    };
    // RocksDB insists on its default family; nothing is kept there.
    let default = ColumnFamilyDescriptor::new("default", Options::default());
    std::iter::once(default).chain(ColumnFamily::ALL.into_iter().map(describe)).collect()
}

fn family_options(family: ColumnFamily, cache: &Cache) -> Options {
    let mut blocks = BlockBasedOptions::default();
    blocks.set_block_cache(cache);
    blocks.set_format_version(5);
    if family.is_filtered() {
        blocks.set_bloom_filter(10.0, false);
    }
    let mut options = Options::default();
    options.set_block_based_table_factory(&blocks);
    options.set_compression_type(DBCompressionType::Lz4);
    options.set_bottommost_compression_type(DBCompressionType::Zstd);
    match family {
        ColumnFamily::Bodies | ColumnFamily::Details => {
            options.set_enable_blob_files(true);
            options.set_min_blob_size(BLOB_BYTES_MIN);
            options.set_blob_compression_type(DBCompressionType::Lz4);
            options.set_enable_blob_gc(true);
        }
        ColumnFamily::Ids => {
            options.set_prefix_extractor(SliceTransform::create_fixed_prefix(EVENT_PREFIX_BYTES));
        }
        ColumnFamily::Postings => options.set_merge_operator_associative("places", places::merge),
        ColumnFamily::Terms => options.set_merge_operator_associative("term", term_row::merge),
        _ => {}
    }
    options
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use schemas::id::sha256;

    use super::*;
    use crate::term_row::{parse_term_row, term_row};

    #[test]
    fn rows_come_in_the_order_in_which_they_are_asked_for_wherever_they_are() {
        let directory = tempfile::tempdir().unwrap();
        let row = |n: u64| Row::new(ColumnFamily::Leaves, n.to_be_bytes(), vec![7; 500]);
        let rows: Vec<_> = (0..600).filter(|n| n % 3 > 0).map(row).collect();
        let (filed, fresh) = rows.split_at(200);
        let store = Store::open(directory.path()).unwrap();
        store.write_synced(filed).unwrap();
        store.flush().unwrap();
        store.write_synced(fresh).unwrap();
        let mut asked: Vec<_> = (0..700u64).rev().map(u64::to_be_bytes).collect();
        for _ in 0..2 {
            let found = store.get_many(ColumnFamily::Leaves, &asked);
            let found = found.into_iter().map(Result::unwrap);
            let expected = asked.iter().map(|key| {
                let row = rows.iter().find(|row| row.key == key);
                row.map(|row| row.value.clone())
            });
            assert!(found.eq(expected));
            asked.reverse();
        }
    }

    #[test]
    fn parts_of_a_row_do_not_pile_up_in_memory() {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(directory.path()).unwrap();
        for n in 0..u64::try_from(PARTS_MAX).unwrap() + 5 {
            store
                .write_unsynced(&[Row::new(ColumnFamily::Terms, "a", term_row([n, n, 1]))])
                .unwrap();
        }
        let terms = store.family(ColumnFamily::Terms);
        let parts = store.db.property_int_value_cf(terms, "rocksdb.num-entries-active-mem-table");
        assert_eq!(parts.unwrap(), Some(5));
        let last = u64::try_from(PARTS_MAX).unwrap() + 4;
        let row = store.get(ColumnFamily::Terms, b"a").unwrap().unwrap();
        assert_eq!(parse_term_row(&row), Some([0, last, last + 1]));
    }

    #[test]
    fn rows_that_lie_close_are_those_that_are_looked_up() {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(directory.path()).unwrap();
        let row = |n: u64| Row::new(ColumnFamily::Leaves, n.to_be_bytes(), n.to_be_bytes());
        store.write_synced(&(0..90).filter(|n| n % 7 > 0).map(row).collect::<Vec<_>>()).unwrap();
        for asked in [vec![], vec![3], (20..60).collect(), (0..120).step_by(2).collect()] {
            for is_back in [false, true] {
                let mut asked: Vec<_> = asked.iter().copied().map(Index).collect();
                asked.sort_by_key(|index| if is_back { u64::MAX - index.0 } else { index.0 });
                let found = store.rows_at(ColumnFamily::Leaves, &asked).into_iter();
                let is_there = |index: &Index| index.0 < 90 && !index.0.is_multiple_of(7);
                let expected =
                    asked.iter().map(|at| is_there(at).then(|| keys::index(*at).to_vec()));
                assert!(found.map(Result::unwrap).eq(expected));
            }
        }
    }

    #[test]
    fn a_damaged_block_takes_nothing_with_it_that_lies_close() {
        let directory = tempfile::tempdir().unwrap();
        let noise =
            |n: u64| (0..16).flat_map(move |part| sha256(&[n.to_be_bytes(), [part; 8]].concat()));
        let row =
            |n: u64| Row::new(ColumnFamily::Leaves, n.to_be_bytes(), noise(n).collect::<Vec<_>>());
        let store = Store::open(directory.path()).unwrap();
        store.write_synced(&(0..400).map(row).collect::<Vec<_>>()).unwrap();
        store.flush().unwrap();
        drop(store);
        let files = std::fs::read_dir(directory.path()).unwrap().map(|file| file.unwrap().path());
        let tables = files.filter(|path| path.extension().is_some_and(|kind| kind == "sst"));
        let table = tables.max_by_key(|path| path.metadata().unwrap().len()).unwrap();
        let mut bytes = std::fs::read(&table).unwrap();
        let middle = bytes.len() / 2;
        *bytes.get_mut(middle).unwrap() ^= 1;
        std::fs::write(&table, bytes).unwrap();
        let store = Store::open(directory.path()).unwrap();
        let asked: Vec<_> = (0..400).map(Index).collect();
        assert!(store.walk(ColumnFamily::Leaves, &asked).is_err());
        let found = store.rows_at(ColumnFamily::Leaves, &asked);
        let readable = found.iter().filter(|row| row.is_ok()).count();
        assert!((350..400).contains(&readable), "{readable}");
        for (index, row) in asked.iter().zip(found) {
            let alone = store.get(ColumnFamily::Leaves, &keys::index(*index));
            assert_eq!(row.ok(), alone.ok(), "{index}");
        }
    }

    #[test]
    fn what_comes_after_a_family_was_cleared_is_there_and_what_came_before_is_not() {
        let directory = tempfile::tempdir().unwrap();
        let term = |key: &str| Row::new(ColumnFamily::Terms, key, term_row([1, 2, 3]));
        let other = Row::new(ColumnFamily::Ids, "a", "beside");
        let store = Store::open(directory.path()).unwrap();
        store.clear(ColumnFamily::Terms).unwrap();
        store.write_synced(&[term("a"), term("y"), other.clone()]).unwrap();
        store.flush().unwrap();
        store.write_synced(&[term("a"), term("z")]).unwrap();
        store.clear(ColumnFamily::Terms).unwrap();
        // Terms are merged with what was there, which is nothing.
        store.write_synced(&[term("a"), term("z")]).unwrap();
        let rows = |store: &Store, family| -> Vec<(Vec<u8>, Vec<u8>)> {
            let rows = store.scan(family, &[], Direction::Forward).map(Result::unwrap);
            rows.map(|(key, value)| (key.into_vec(), value.into_vec())).collect()
        };
        let expected = [term("a"), term("z")].map(|row| (row.key, row.value)).to_vec();
        assert_eq!(rows(&store, ColumnFamily::Terms), expected);
        drop(store);
        let store = Store::open(directory.path()).unwrap();
        assert_eq!(rows(&store, ColumnFamily::Terms), expected, "opened again");
        assert_eq!(rows(&store, ColumnFamily::Ids), [(other.key, other.value)]);
    }
}
