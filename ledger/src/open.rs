//! Creating a ledger, and opening one: never a shorter or another history than was acknowledged.

use std::fs::{self, DirBuilder};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, RwLock};

use ed25519_dalek::SigningKey;
use rocksdb::Direction;
use schemas::body::{Body, LEDGER_SIGNER};
use schemas::checkpoint::{Checkpoint, valid_name};
use schemas::encode::{Value, bytes, map};
use schemas::era::{Eras, NEW_EPOCH};
use schemas::id::{ChainHash, Index, Micros, SignerId, Tenant, TreeSize};
use schemas::key::PublicKey;
use schemas::kind::Kind;
use schemas::leaf::chain_hash;
use schemas::registry::{Registry, lost_mark};
use tokio::sync::watch;

use crate::append::Writer;
use crate::audit;
use crate::eras::{eras, identity_in};
use crate::error::{OpenError, ReadError};
use crate::flood::Rejections;
use crate::fold::Fold;
use crate::head::Head;
use crate::keys;
use crate::meta;
use crate::proof::published;
use crate::read::{damaged, parse_leaf};
use crate::seal::{Identity, Mark, Marked, Seal};
use crate::state::State;
use crate::store::{ColumnFamily, KeyValue, Store};
use crate::tiles::{Growth, Nodes};
use schemas::rules::RULES_VERSION;

/// Where a ledger lives.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Config {
    /// Directory of the store.
    pub store: PathBuf,
    /// File of the high-water mark, in another directory: better still on another disk.
    pub mark: PathBuf,
}

/// What a new ledger begins with.
#[derive(Clone, Debug)]
pub struct Genesis {
    /// Whose entries it will hold.
    pub tenant: Tenant,
    /// First part of its origin, `<host>/<tenant>`.
    pub host: String,
    /// Id of the first operator.
    pub operator: SignerId,
    /// The first operator's key.
    pub operator_key: PublicKey,
    /// Where a simulated clock begins; `None` for the real one.
    pub clock_start: Option<Micros>,
    /// Whether findings follow what breaks a rule: for ever, so that everybody can recompute them.
    pub finds: bool,
}

/// Makes a ledger with its genesis entry.
///
/// # Errors
/// [`OpenError::Exists`] where there is one already, or a mark of one; [`OpenError::Origin`] when host
/// and tenant make no name; else what failed.
pub fn create(
    config: &Config,
    key: SigningKey,
    genesis: &Genesis,
    now: Micros,
) -> Result<Writer, OpenError> {
    let origin = format!("{}/{}", genesis.host, genesis.tenant);
    if !valid_name(&origin) {
        return Err(OpenError::Origin(origin));
    }
    if config.mark.exists() {
        return Err(OpenError::Exists(config.mark.clone()));
    }
    for directory in [Some(config.store.as_path()), config.mark.parent()].into_iter().flatten() {
        let made = DirBuilder::new().recursive(true).mode(0o700).create(directory);
        made.map_err(|source| OpenError::File { path: directory.to_owned(), source })?;
    }
    let store = Store::open(&config.store)?;
    match last_index(&store)? {
        None => {}
        // A crash before the first mark: nothing was acknowledged, and this is the very same ledger.
        Some(Index(0)) if identity(&store)?.key == PublicKey::of(&key) => {
            let seal = Seal::new(identity(&store)?, key);
            let loaded = Loaded::read(&store, Index(0))?;
            let mut writer = loaded.writer(store, seal, Mark::new(&config.mark));
            let note = writer.head.borrow().note.clone();
            writer.mark.raise(&note)?;
            return Ok(writer);
        }
        Some(_) => return Err(OpenError::Exists(config.store.clone())),
    }
    store.write_synced(&[meta::format_row(meta::FORMAT)]).map_err(ReadError::from)?;
    let identity = Identity {
        tenant: genesis.tenant.clone(),
        origin,
        key: PublicKey::of(&key),
        clock_start: genesis.clock_start,
    };
    let fields = genesis_fields(genesis, &identity);
    let blank = Loaded::empty();
    let mut writer = blank.writer(store, Seal::new(identity, key), Mark::new(&config.mark));
    writer.own_entry(Kind::LedgerGenesis, fields, now)?;
    Ok(writer)
}

fn genesis_fields(genesis: &Genesis, identity: &Identity) -> Vec<(&'static str, Value)> {
    let mut registry = vec![
        ("format", Value::from(meta::LOG_FORMAT)),
        ("origin", Value::from(identity.origin.as_str())),
        ("operator", Value::from(genesis.operator.as_str())),
        ("ledger_key", bytes(identity.key.as_bytes())),
        ("operator_key", bytes(genesis.operator_key.as_bytes())),
    ];
    if genesis.finds {
        registry.push(("rules", Value::from(RULES_VERSION)));
    }
    if let Some(start) = genesis.clock_start {
        registry.push(("clock_start", Value::from(start.0)));
    }
    vec![("code", Value::from("genesis")), ("registry", map(registry))]
}

/// Opens a ledger for writing.
///
/// # Errors
/// [`OpenError`]: in use, absent, of another format, or not the history that the mark vouches for.
pub fn open(config: &Config, key: SigningKey) -> Result<Writer, OpenError> {
    let opened = Opened::at(config)?;
    opened.check_key(&key)?;
    let marked = opened.acknowledged(config)?;
    let mut writer = opened.writer(key)?;
    if marked < writer.fold.growth.size() {
        check_unmarked(&writer, marked)?;
        let note = writer.head.borrow().note.clone();
        writer.mark.raise(&note)?;
    }
    let size = writer.fold.growth.size();
    writer.redact_restored(size)?;
    writer.erase_due(&writer.ledger())?; // A crash may have come between a redaction and what it says.
    Ok(writer)
}

/// What a ledger would be opened as.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Inspected {
    /// Entries in the store.
    pub size: TreeSize,
    /// Entries that the mark vouches for.
    pub marked: TreeSize,
    /// When the last entry was received.
    pub received_at: Micros,
}

/// Whether a ledger would open: nothing is signed or erased, and the mark stays as it is.
///
/// # Errors
/// Those of [`open`], but for a commit beyond the mark, which is verified only there.
pub fn inspect(config: &Config, key: &SigningKey) -> Result<Inspected, OpenError> {
    let opened = Opened::at(config)?;
    opened.check_key(key)?;
    let (size, marked) = (opened.size(), opened.acknowledged(config)?);
    Ok(Inspected { size, marked, received_at: opened.loaded.received_at })
}

/// A store that was opened, with its past read; its mark is not compared yet.
pub(crate) struct Opened {
    store: Store,
    identity: Identity,
    loaded: Loaded,
    pub(crate) eras: Eras,
    pub(crate) mark: Mark,
}

impl Opened {
    pub(crate) fn at(config: &Config) -> Result<Self, OpenError> {
        if !config.store.join("CURRENT").exists() && !config.mark.exists() {
            return Err(OpenError::Absent(config.store.clone()));
        }
        let store = Store::open(&config.store)?;
        check_format(&store)?;
        let Some(last) = last_index(&store)? else {
            let found = TreeSize(0);
            return Err(match config.mark.exists() {
                true => OpenError::RolledBack { found, marked: TreeSize(1) },
                false => OpenError::Absent(config.store.clone()),
            });
        };
        let (eras, fault) = eras(&store, TreeSize(last.0.saturating_add(1)))?;
        if let Some((index, fault)) = fault {
            return Err(OpenError::Era { index, fault });
        }
        let identity = identity_in(eras.current(), &identity(&store)?);
        let loaded = Loaded::read(&store, last)?;
        Ok(Self { store, identity, loaded, eras, mark: Mark::new(&config.mark) })
    }

    pub(crate) fn size(&self) -> TreeSize {
        self.loaded.fold.growth.size()
    }

    pub(crate) fn registry(&self) -> &Registry {
        &self.loaded.fold.state.registry
    }

    /// The size up to which the mark vouches for the log.
    fn marked(&self, config: &Config) -> Result<TreeSize, OpenError> {
        match self.mark.read(&self.eras)? {
            Marked::Known(marked) => self.check_mark(&marked).map(|()| marked.size),
            Marked::Later(marked) => {
                Err(OpenError::RolledBack { found: self.size(), marked: marked.size })
            }
            Marked::Absent => Err(OpenError::MarkMissing(config.mark.clone())),
            Marked::Superseded => Err(OpenError::MarkSuperseded(config.mark.clone())),
            Marked::Forged => Err(OpenError::MarkForged(config.mark.clone())),
        }
    }

    /// The same, also where a new epoch was begun and a crash came before its mark.
    fn acknowledged(&self, config: &Config) -> Result<TreeSize, OpenError> {
        match self.before_unmarked_epoch()? {
            Some(size) => Ok(size),
            None => self.marked(config),
        }
    }

    /// The size before the commit that began the current epoch, if that is the last one and gave up this very mark: a
    /// crash came before it could be replaced.
    pub(crate) fn before_unmarked_epoch(&self) -> Result<Option<TreeSize>, OpenError> {
        let Some(mark) = self.mark.text()? else { return Ok(None) };
        if matches!(self.mark.read(&self.eras)?, Marked::Forged) {
            return Ok(None);
        }
        let from = self.eras.current().from;
        let begun = self.store.get(ColumnFamily::Bodies, &keys::index(from))?;
        let begun = begun.as_deref().and_then(|row| Body::parse(row).ok());
        let begun = begun.filter(|body| body.text("code") == Some(NEW_EPOCH));
        let lost = begun.as_ref().and_then(|body| body.text("registry.lost"));
        if lost != Some(lost_mark(Some(&mark)).as_str()) {
            return Ok(None);
        }
        let [before, end] =
            [from.0, from.0.saturating_add(1)].map(|size| keys::boundary(TreeSize(size)));
        let checkpoints = ColumnFamily::Checkpoints;
        let before = boundary(self.store.scan(checkpoints, &before, Direction::Reverse))?;
        let end = boundary(self.store.scan(checkpoints, &end, Direction::Forward))?;
        Ok(before.filter(|_| end == Some(self.size())))
    }

    fn check_key(&self, key: &SigningKey) -> Result<(), OpenError> {
        let given = PublicKey::of(key);
        if self.identity.key == given {
            return Ok(());
        }
        let (wanted, given) = (self.identity.key.kid(), given.kid());
        Err(OpenError::WrongKey { wanted, given })
    }

    pub(crate) fn check_mark(&self, marked: &Checkpoint) -> Result<(), OpenError> {
        self.loaded.check_mark(&self.store, marked)
    }

    pub(crate) fn writer(self, key: SigningKey) -> Result<Writer, OpenError> {
        self.check_key(&key)?;
        let Self { store, identity, loaded, mark, .. } = self;
        Ok(loaded.writer(store, Seal::new(identity, key), mark))
    }
}

/// What lies beyond the mark was never acknowledged: at most the one commit that a crash cut off from its
/// mark. It is verified before the ledger signs for it, because anyone could have put it there.
fn check_unmarked(writer: &Writer, marked: TreeSize) -> Result<(), OpenError> {
    let size = writer.fold.growth.size();
    let beyond = keys::boundary(TreeSize(marked.0.saturating_add(1)));
    let rows = writer.store.scan(ColumnFamily::Checkpoints, &beyond, Direction::Forward);
    let first = boundary(rows)?;
    let keys = writer.fold.state.registry.public_keys().collect();
    let sound = audit::range_is_sound(&writer.store, &keys, marked.0..size.0)?;
    if first == Some(size) && sound { Ok(()) } else { Err(OpenError::Unmarked { marked, size }) }
}

/// The size that the first of these rows is filed under.
fn boundary(
    mut rows: impl Iterator<Item = Result<KeyValue, ReadError>>,
) -> Result<Option<TreeSize>, ReadError> {
    Ok(rows.next().transpose()?.and_then(|(key, _)| keys::parse_size(&key)))
}

pub(crate) fn check_format(store: &Store) -> Result<(), OpenError> {
    if meta::is_rebuilding(store)? {
        return Err(OpenError::Rebuilding);
    }
    match meta::read_format(store)? {
        Some(meta::FORMAT) => Ok(()),
        found => Err(OpenError::Format { found: found.unwrap_or(0), known: meta::FORMAT }),
    }
}

/// Index of the last entry; `None` in an empty store.
pub(crate) fn last_index(store: &Store) -> Result<Option<Index>, ReadError> {
    let end = u64::MAX.to_be_bytes();
    let mut rows = store.scan(ColumnFamily::Leaves, &end, Direction::Reverse);
    match rows.next().transpose()? {
        None => Ok(None),
        Some((key, _)) => {
            let index = keys::parse_index(&key);
            index.map(Some).ok_or_else(|| damaged(ColumnFamily::Leaves, &key))
        }
    }
}

/// Who the ledger is, as its genesis entry says.
pub(crate) fn identity(store: &Store) -> Result<Identity, ReadError> {
    let row = store.row_at(ColumnFamily::Bodies, Index(0))?;
    parse_genesis(&row).ok_or_else(|| damaged(ColumnFamily::Bodies, &keys::index(Index(0))))
}

fn parse_genesis(row: &[u8]) -> Option<Identity> {
    let body = Body::parse(row).ok()?;
    (body.kind() == Kind::LedgerGenesis && body.signer() == LEDGER_SIGNER).then_some(())?;
    Some(Identity {
        tenant: Tenant::parse(body.tenant())?,
        origin: body.text("registry.origin")?.to_owned(),
        key: PublicKey::from_bytes(body.field("registry.ledger_key")?.bytes()?).ok()?,
        clock_start: body.uint("registry.clock_start").map(Micros),
    })
}

/// What a writer continues from.
struct Loaded {
    fold: Fold,
    chain: ChainHash,
    received_at: Micros,
    published: Option<(TreeSize, String)>,
}

impl Loaded {
    fn empty() -> Self {
        Self {
            fold: Fold::default(),
            chain: ChainHash::ZERO,
            received_at: Micros(0),
            published: None,
        }
    }

    fn read(store: &Store, last: Index) -> Result<Self, ReadError> {
        let size = TreeSize(last.0 + 1);
        let bytes = store.row_at(ColumnFamily::Leaves, last)?;
        let leaf = parse_leaf(last, &bytes)?;
        let fold = Fold { state: State::load(store)?, growth: Growth::load(store, size)? };
        Ok(Self {
            fold,
            chain: chain_hash(&bytes),
            received_at: leaf.received_at,
            published: published(store, TreeSize(u64::MAX))?,
        })
    }

    fn check_mark(&self, store: &Store, marked: &Checkpoint) -> Result<(), OpenError> {
        let size = self.fold.growth.size();
        if size < marked.size {
            return Err(OpenError::RolledBack { found: size, marked: marked.size });
        }
        let root = Nodes::at(store, &self.fold.growth.edge, size).root(marked.size)?;
        if root == marked.root { Ok(()) } else { Err(OpenError::Forked(marked.size)) }
    }

    fn writer(self, store: Store, seal: Seal, mark: Mark) -> Writer {
        let growth = &self.fold.growth;
        let (size, root) = (growth.size(), growth.root());
        let note = seal.note(size, root);
        let keys = self.fold.state.registry.public_keys().collect();
        let head = Head {
            size,
            root,
            chain: self.chain,
            received_at: self.received_at,
            published: self.published.unwrap_or_else(|| (TreeSize(0), String::new())),
            note,
            erased: TreeSize(0),
            edge: Arc::new(growth.edge.clone()),
        };
        Writer {
            store: Arc::new(store),
            seal: Arc::new(seal),
            mark,
            fold: self.fold,
            chain: self.chain,
            received_at: self.received_at,
            published_at: Micros(0),
            head: watch::Sender::new(Arc::new(head)),
            keys: Arc::new(RwLock::new(Arc::new(keys))),
            snapshots: Arc::default(),
            rejections: Rejections::default(),
            refusals: Arc::default(),
            poisoned: false,
        }
    }
}

/// The note that the mark at `path` holds, unverified; `None` if there is no such file.
///
/// # Errors
/// [`OpenError::File`] when it cannot be read.
pub fn read_mark(path: &Path) -> Result<Option<String>, OpenError> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(OpenError::File { path: path.to_owned(), source }),
    }
}
