//! The evidence itself, and how its members are written.

use std::collections::BTreeMap;

use super::archive::Members;
use super::fault::Fault;
use crate::deterministic::{Bounds, Item, decode};
use crate::encode::{Encoder, Value, encode, map};
use crate::id::{Micros, TreeHash};
use crate::limits::BUNDLE_NODES_MAX;

const VERSION: u64 = 1;
const MANIFEST: &str = "manifest.cbor";
const LEAVES: &str = "leaves.cbor";
const INCLUSION: &str = "proofs/inclusion.cbor";
const STATEMENTS: &str = "statements.cose";
const BODIES: &str = "bodies.cbor";
const DETAILS: &str = "details.cbor";
const CLAIMS: &str = "claims/claims.cbor";
const HEAD: &str = "checkpoints/head.txt";
/// Members hold arrays of arrays of scalars.
const BOUNDS: Bounds = Bounds { depth: 4, nodes: BUNDLE_NODES_MAX };

/// What was asked for, and by which program it was answered. Its time, tool and maker are the exporter's word.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Manifest {
    /// The condition, in the query language; the window is below.
    pub query: String,
    /// First index of the window.
    pub since: u64,
    /// End of the window, exclusive: at most the size of the checkpoint's tree.
    pub until: u64,
    /// When it was made.
    pub created: Micros,
    /// Name and version of the program that made it.
    pub tool: String,
    /// Version of what people read in it: [`super::RENDERER`] of that program.
    pub renderer: u64,
    /// Whether details were asked for.
    pub details: bool,
    /// Who had it made, as the server knows its readers; `None` where nobody says.
    pub maker: Option<String>,
}

/// A statement, with its manifest where it covers several bodies.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Signed {
    /// `COSE_Sign1` bytes.
    pub statement: Vec<u8>,
    /// Manifest bytes.
    pub manifest: Option<Vec<u8>>,
}

/// A ledger's claim, with the proof that its tree is a beginning of the checkpoint's; none where both are one.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Claimed {
    /// Claim bytes.
    pub claim: Vec<u8>,
    /// Consistency path.
    pub path: Vec<TreeHash>,
}

/// Evidence, nothing of it verified.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Bundle {
    /// What was asked for.
    pub manifest: Manifest,
    /// The checkpoint's note, with cosignatures.
    pub head: String,
    /// Leaves, ascending by index.
    pub leaves: Vec<Vec<u8>>,
    /// For each leaf its inclusion path in the checkpoint's tree.
    pub paths: Vec<Vec<TreeHash>>,
    /// Statements, each once.
    pub statements: Vec<Signed>,
    /// Bodies by index; of refused entries what was kept.
    pub bodies: BTreeMap<u64, Vec<u8>>,
    /// Details by index.
    pub details: BTreeMap<u64, Vec<u8>>,
    /// Claims of completeness.
    pub claims: Vec<Claimed>,
}

impl Bundle {
    /// The members that hold it.
    pub(super) fn members(&self) -> Members {
        let leaves = self.leaves.iter().map(|leaf| bytes(leaf));
        let paths = self.paths.iter().map(|path| hashes(path));
        let statements = self.statements.iter().map(|signed| {
            let manifest = signed.manifest.as_deref().map_or(Value::Null, bytes);
            Value::Array(vec![bytes(&signed.statement), manifest])
        });
        let claims = self
            .claims
            .iter()
            .map(|claimed| Value::Array(vec![bytes(&claimed.claim), hashes(&claimed.path)]));
        [
            (MANIFEST, self.manifest.encode()),
            (LEAVES, array(leaves)),
            (INCLUSION, array(paths)),
            (STATEMENTS, array(statements)),
            (BODIES, by_index(&self.bodies)),
            (DETAILS, by_index(&self.details)),
            (CLAIMS, array(claims)),
            (HEAD, self.head.clone().into_bytes()),
        ]
        .map(|(name, content)| (name.to_owned(), content))
        .into()
    }

    /// Takes the evidence out of `members`; what is left are other members.
    pub(super) fn take(members: &mut Members) -> Result<Self, Fault> {
        let mut take = |name: &'static str| members.remove(name).ok_or(Fault::Member(name));
        let manifest = Manifest::decode(&take(MANIFEST)?)?;
        let leaves = read(LEAVES, &take(LEAVES)?, |leaf| Some(leaf.bytes()?.to_vec()))?;
        let paths = read(INCLUSION, &take(INCLUSION)?, read_hashes)?;
        let statements = read(STATEMENTS, &take(STATEMENTS)?, |item| {
            let [statement, manifest] = <&[Item<'_>; 2]>::try_from(item.array()?).ok()?;
            let manifest = match manifest {
                Item::Null => None,
                manifest => Some(manifest.bytes()?.to_vec()),
            };
            Some(Signed { statement: statement.bytes()?.to_vec(), manifest })
        })?;
        let claims = read(CLAIMS, &take(CLAIMS)?, |item| {
            let [claim, path] = <&[Item<'_>; 2]>::try_from(item.array()?).ok()?;
            Some(Claimed { claim: claim.bytes()?.to_vec(), path: read_hashes(path)? })
        })?;
        let bodies = indexed(BODIES, &take(BODIES)?)?;
        let details = indexed(DETAILS, &take(DETAILS)?)?;
        let head = String::from_utf8(take(HEAD)?).map_err(|_no_text| Fault::Malformed(HEAD))?;
        if leaves.len() != paths.len() {
            return Err(Fault::Malformed(INCLUSION));
        }
        Ok(Self { manifest, head, leaves, paths, statements, bodies, details, claims })
    }
}

impl Manifest {
    fn encode(&self) -> Vec<u8> {
        let maker = self.maker.as_deref().map(|maker| ("maker", Value::from(maker)));
        let always = [
            ("v", Value::from(VERSION)),
            ("tool", Value::from(self.tool.as_str())),
            ("query", Value::from(self.query.as_str())),
            ("since", Value::from(self.since)),
            ("until", Value::from(self.until)),
            ("created", Value::from(self.created.0)),
            ("details", Value::from(self.details)),
            ("renderer", Value::from(self.renderer)),
        ];
        encode(&map(always.into_iter().chain(maker)))
    }

    fn decode(bytes: &[u8]) -> Result<Self, Fault> {
        let malformed = || Fault::Malformed(MANIFEST);
        let item = decode(bytes, BOUNDS).map_err(|_fault| malformed())?;
        let uint = |name| item.get(name).and_then(Item::uint).ok_or_else(malformed);
        let text = |name| item.get(name).and_then(Item::text).map(str::to_owned);
        if uint("v")? != VERSION {
            return Err(Fault::Version);
        }
        let manifest = Self {
            query: text("query").ok_or_else(malformed)?,
            since: uint("since")?,
            until: uint("until")?,
            created: Micros(uint("created")?),
            tool: text("tool").ok_or_else(malformed)?,
            renderer: uint("renderer")?,
            details: item.get("details").and_then(Item::bool).ok_or_else(malformed)?,
            maker: text("maker"),
        };
        if manifest.encode() == bytes { Ok(manifest) } else { Err(malformed()) }
    }
}

fn bytes(bytes: &[u8]) -> Value {
    Value::Bytes(bytes.to_vec())
}

fn hashes(path: &[TreeHash]) -> Value {
    Value::Array(path.iter().map(|hash| bytes(hash.as_bytes())).collect())
}

fn array(items: impl Iterator<Item = Value>) -> Vec<u8> {
    let items: Vec<_> = items.collect();
    let mut member = Encoder::new();
    member.value(&Value::Array(items));
    member.finish()
}

fn by_index(rows: &BTreeMap<u64, Vec<u8>>) -> Vec<u8> {
    array(rows.iter().map(|(index, row)| Value::Array(vec![Value::from(*index), bytes(row)])))
}

fn read<T>(
    name: &'static str,
    member: &[u8],
    each: impl Fn(&Item<'_>) -> Option<T>,
) -> Result<Vec<T>, Fault> {
    let malformed = || Fault::Malformed(name);
    let item = decode(member, BOUNDS).map_err(|_fault| malformed())?;
    let items = item.array().ok_or_else(malformed)?;
    items.iter().map(each).collect::<Option<_>>().ok_or_else(malformed)
}

fn read_hashes(item: &Item<'_>) -> Option<Vec<TreeHash>> {
    item.array()?.iter().map(|hash| TreeHash::from_slice(hash.bytes()?)).collect()
}

fn indexed(name: &'static str, member: &[u8]) -> Result<BTreeMap<u64, Vec<u8>>, Fault> {
    let rows = read(name, member, |item| {
        let [index, row] = <&[Item<'_>; 2]>::try_from(item.array()?).ok()?;
        Some((index.uint()?, row.bytes()?.to_vec()))
    })?;
    let ascending = rows.windows(2).all(|pair| matches!(pair, [(a, _), (b, _)] if a < b));
    if ascending { Ok(rows.into_iter().collect()) } else { Err(Fault::Malformed(name)) }
}
