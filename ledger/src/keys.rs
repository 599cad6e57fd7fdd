//! Every key of the store. All integers are big-endian, so that bytes sort as numbers do.
//!
//! ```text
//! leaves       index:8
//! statements   index:8                                 index of the statement's first item
//! bodies       index:8
//! details      index:8
//! tiles        level:1 n:8
//! postings     term:16 first:8                         first index of a span of the log (places.rs)
//! terms        key:1 value:*
//! ids          'e' id:16 signer:16                     an accepted event
//!              'r' refusal:32                          a refusal, so that a repeat makes no second leaf
//! state        'a' agent:*  'p' principal:*  'k' kid:32  'h' placed:8  'c' credential:*  't' agent:*
//!              'g' grant:16  'y' digest:32  'o' proposal:16  'f' frozen:8  'q'  'r'
//!              'w' *                                   what the rules remember (schemas: rules/engine/rows.rs)
//!              'u' agent:16 until:8                    who answered for an agent until an entry gave it to another
//!              'v' index:8                             a principal chain held against the grants
//!              'n' term:16                             accepted entries of an agent, session, workflow
//!              's' signer:16 session:16                the signer's own chain
//! checkpoints  'c' size:8                              a commit boundary
//!              'n' size:8                              a published note
//!              'w' size:8 key:4                        a witness's cosignature of it
//! meta         name:*
//! ```

use std::sync::LazyLock;

use blake3::hazmat::{ContextKey, HasherExt as _, hash_derive_key_context};
use schemas::id::{EventId, Index, Kid, SessionId, TreeSize, sha256};
use schemas::leaf::Leaf;
use schemas::rules::{DEADLINE, Deadline};
use schemas::terms::Key;

/// First 16 bytes of a hash: enough that two names never meet.
pub(crate) type Short = [u8; 16];

pub(crate) fn short(hash: [u8; 32]) -> Short {
    let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, ..] = hash;
    [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p]
}

pub(crate) fn index(index: Index) -> [u8; 8] {
    index.0.to_be_bytes()
}

pub(crate) fn parse_index(key: &[u8]) -> Option<Index> {
    key.try_into().ok().map(u64::from_be_bytes).map(Index)
}

fn joined<const N: usize>(parts: [&[u8]; N]) -> Vec<u8> {
    parts.concat()
}

pub(crate) fn tile(level: u8, n: u64) -> Vec<u8> {
    joined([&[level], &n.to_be_bytes()])
}

/// Key of the derivation context, hashed once.
static TERM_CONTEXT: LazyLock<ContextKey> =
    LazyLock::new(|| hash_derive_key_context("sworn 2026-11 term v1"));

/// Hash of a key and value; what postings and counters are filed under.
pub(crate) fn term_hash(key: Key, value: &str) -> Short {
    row_hash(&term(key, value))
}

/// [`term_hash`] of a row's key in `terms`.
pub(crate) fn row_hash(term: &[u8]) -> Short {
    let mut hasher = blake3::Hasher::new_from_context_key(&TERM_CONTEXT);
    hasher.update(term);
    short(*hasher.finalize().as_bytes())
}

pub(crate) fn posting(term: &Short, first: Index) -> Vec<u8> {
    joined([term, &first.0.to_be_bytes()])
}

pub(crate) fn parse_posting(key: &[u8]) -> Option<(Short, Index)> {
    let (term, first) = key.split_first_chunk::<16>()?;
    Some((*term, parse_index(first)?))
}

pub(crate) fn term(key: Key, value: &str) -> Vec<u8> {
    joined([&[key.code()], value.as_bytes()])
}

pub(crate) fn parse_term(row: &[u8]) -> Option<(Key, &str)> {
    let (code, value) = row.split_first()?;
    Some((Key::from_code(*code)?, std::str::from_utf8(value).ok()?))
}

pub(crate) fn signer_hash(signer: &str) -> Short {
    short(sha256(signer.as_bytes()))
}

pub(crate) fn event(id: EventId, signer: &str) -> Vec<u8> {
    joined([b"e", &id.0, &signer_hash(signer)])
}

/// Bytes of [`event_prefix`].
pub(crate) const EVENT_PREFIX_BYTES: usize = 17;

/// What the keys begin with under which the events with an id are filed.
pub(crate) fn event_prefix(id: EventId) -> Vec<u8> {
    joined([b"e", &id.0])
}

/// A refusal is known again by all that its leaf says of it but when.
pub(crate) fn refusal(leaf: &Leaf) -> Vec<u8> {
    let [statement, body] = [leaf.statement.as_bytes(), leaf.body.as_bytes()];
    let numbers = [leaf.position.to_be_bytes(), leaf.status.code().to_be_bytes()].concat();
    joined([b"r", &sha256(&joined([statement, body, &numbers]))])
}

pub(crate) const AGENT: u8 = b'a';
pub(crate) const PRINCIPAL: u8 = b'p';
pub(crate) const KEY: u8 = b'k';
pub(crate) const HOLD: u8 = b'h';
pub(crate) const CREDENTIAL: u8 = b'c';
pub(crate) const CONTRACT: u8 = b't';
pub(crate) const GRANT: u8 = b'g';
pub(crate) const POLICY: u8 = b'y';
pub(crate) const PROPOSAL: u8 = b'o';
pub(crate) const FREEZE: u8 = b'f';
pub(crate) const QUORUM: u8 = b'q';
pub(crate) const RULES: u8 = b'r';

/// What the rows of the registry begin with.
pub(crate) const RECORDS: [u8; 12] = [
    AGENT, PRINCIPAL, KEY, HOLD, CREDENTIAL, CONTRACT, GRANT, POLICY, PROPOSAL, FREEZE, QUORUM,
    RULES,
];

pub(crate) fn named(prefix: u8, name: &str) -> Vec<u8> {
    joined([&[prefix], name.as_bytes()])
}

pub(crate) fn key(kid: &Kid) -> Vec<u8> {
    joined([&[KEY], kid.as_bytes()])
}

/// Records in the order of the entries that made them.
pub(crate) fn ordered(prefix: u8, made: Index) -> Vec<u8> {
    joined([&[prefix], &index(made)])
}

/// Records by a binary id.
pub(crate) fn identified(prefix: u8, id: &[u8]) -> Vec<u8> {
    joined([&[prefix], id])
}

/// What the keys of rows begin with that the rules remember.
pub(crate) const REMEMBERED: u8 = b'w';

/// A row that the rules remember.
pub(crate) fn remembered(key: &[u8]) -> Vec<u8> {
    joined([&[REMEMBERED], key])
}

/// A row that falls due, by its key in the store.
pub(crate) fn parse_deadline(key: &[u8]) -> Option<Deadline> {
    Deadline::from_slice(key.strip_prefix(&[REMEMBERED])?)
}

/// What the keys of rows begin with that fall due.
pub(crate) const DEADLINES: [u8; 2] = [REMEMBERED, DEADLINE];

/// Whether a row of the state is one that falls due.
pub(crate) fn is_deadline(key: &[u8]) -> bool {
    key.starts_with(&DEADLINES)
}

const COUNT: u8 = b'n';
const CHAIN: u8 = b's';

/// Whether the fold asks for a row of the state again by its key.
pub(crate) fn is_asked_for(key: &[u8]) -> bool {
    matches!(key, [COUNT | CHAIN | REMEMBERED, ..]) && !is_deadline(key)
}

/// Who answered for an agent until the entry at `until`.
pub(crate) fn former_owner(agent: &str, until: Index) -> Vec<u8> {
    joined([&former_owners(agent), &index(until)])
}

/// What the keys of an agent's former owners begin with.
pub(crate) fn former_owners(agent: &str) -> Vec<u8> {
    joined([b"u", &signer_hash(agent)])
}

/// Whom a name of an agent's besides its id leads to from the entry at `from` on.
pub(crate) fn lead(name: &str, from: Index) -> Vec<u8> {
    joined([&leads(name), &index(from)])
}

/// What the keys begin with of whom a name led to.
pub(crate) fn leads(name: &str) -> Vec<u8> {
    joined([b"l", &signer_hash(name)])
}

/// The entry in the key of a name's lead.
pub(crate) fn parse_lead(key: &[u8]) -> Option<Index> {
    let from = key.last_chunk::<8>()?;
    (key.len() == 25).then_some(Index(u64::from_be_bytes(*from)))
}

/// That a name led to an agent at some time.
pub(crate) fn name_of(agent: &str, name: &str) -> Vec<u8> {
    joined([&names_of(agent), name.as_bytes()])
}

/// What the keys of an agent's names begin with, those that it gave up too.
pub(crate) fn names_of(agent: &str) -> Vec<u8> {
    joined([b"m", &signer_hash(agent)])
}

/// What was found of the principal chain of the entry at `index`.
pub(crate) fn chain_check(at: Index) -> Vec<u8> {
    joined([b"v", &index(at)])
}

pub(crate) fn count(key: Key, value: &str) -> Vec<u8> {
    joined([&[COUNT], &term_hash(key, value)])
}

pub(crate) fn chain(signer: &Short, session: &SessionId) -> Vec<u8> {
    joined([&[CHAIN], signer, session.as_bytes()])
}

pub(crate) fn boundary(size: TreeSize) -> Vec<u8> {
    joined([b"c", &size.0.to_be_bytes()])
}

pub(crate) fn note(size: TreeSize) -> Vec<u8> {
    joined([b"n", &size.0.to_be_bytes()])
}

pub(crate) fn cosignature(size: TreeSize, key_id: [u8; 4]) -> Vec<u8> {
    joined([&cosignatures(size), &key_id])
}

/// What the keys of a size's cosignatures begin with.
pub(crate) fn cosignatures(size: TreeSize) -> Vec<u8> {
    joined([b"w", &size.0.to_be_bytes()])
}

/// The size in a cosignature's key.
pub(crate) fn parse_cosignature(key: &[u8]) -> Option<TreeSize> {
    let (size, _key_id) = key.strip_prefix(b"w")?.split_first_chunk::<8>()?;
    (key.len() == 13).then_some(TreeSize(u64::from_be_bytes(*size)))
}

/// The size in a boundary's or a note's key.
pub(crate) fn parse_size(key: &[u8]) -> Option<TreeSize> {
    key.get(1..)?.try_into().ok().map(u64::from_be_bytes).map(TreeSize)
}
