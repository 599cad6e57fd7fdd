//! Reading the registry: single records as of the head, the whole as of the head or of any earlier index.

use std::ops::Range;
use std::sync::Arc;

use rocksdb::Direction;
use schemas::body::Body;
use schemas::id::{Digest, EventId, Index, TreeSize};
use schemas::kind::Kind;
use schemas::leaf::Status;
use schemas::limits::SNAPSHOT_ENTRIES;
use schemas::registry::{
    AgentRecord, ChainCheck, ContractRecord, CredentialRecord, GrantRecord, HoldRecord, KeyRecord,
    PolicyRecord, PrincipalRecord, ProposalRecord, Record, Registry,
};
use schemas::rules::Baseline;
use schemas::terms::Key;

use crate::error::ReadError;
use crate::keys;
use crate::read::{Ledger, damaged};
use crate::records;
use crate::remember;
use crate::state::State;
use crate::store::ColumnFamily;

impl Ledger {
    /// An agent by its id.
    ///
    /// # Errors
    /// [`ReadError`] when the store fails or the row is damaged.
    pub fn agent(&self, id: &str) -> Result<Option<AgentRecord>, ReadError> {
        self.registry_record(&keys::named(keys::AGENT, id), |record| match record {
            Record::Agent(record) => Some(*record),
            _ => None,
        })
    }

    /// A person or service by its id.
    ///
    /// # Errors
    /// As for [`Ledger::agent`].
    pub fn principal(&self, id: &str) -> Result<Option<PrincipalRecord>, ReadError> {
        self.registry_record(&keys::named(keys::PRINCIPAL, id), |record| match record {
            Record::Principal(record) => Some(record),
            _ => None,
        })
    }

    /// A credential by its id.
    ///
    /// # Errors
    /// As for [`Ledger::agent`].
    pub fn credential(&self, id: &str) -> Result<Option<CredentialRecord>, ReadError> {
        self.registry_record(&keys::named(keys::CREDENTIAL, id), |record| match record {
            Record::Credential(record) => Some(record),
            _ => None,
        })
    }

    /// An agent's newest contract, in force or withdrawn.
    ///
    /// # Errors
    /// As for [`Ledger::agent`].
    pub fn contract(&self, agent: &str) -> Result<Option<ContractRecord>, ReadError> {
        self.registry_record(&keys::named(keys::CONTRACT, agent), |record| match record {
            Record::Contract(record) => Some(*record),
            _ => None,
        })
    }

    /// A grant by its id.
    ///
    /// # Errors
    /// As for [`Ledger::agent`].
    pub fn grant(&self, id: EventId) -> Result<Option<GrantRecord>, ReadError> {
        self.registry_record(&keys::identified(keys::GRANT, &id.0), |record| match record {
            Record::Grant(record) => Some(*record),
            _ => None,
        })
    }

    /// A policy by the digest of its text.
    ///
    /// # Errors
    /// As for [`Ledger::agent`].
    pub fn policy(&self, digest: &Digest) -> Result<Option<PolicyRecord>, ReadError> {
        self.registry_record(&keys::identified(keys::POLICY, digest.as_bytes()), |record| {
            match record {
                Record::Policy(record) => Some(record),
                _ => None,
            }
        })
    }

    /// A proposal by the event that proposed it.
    ///
    /// # Errors
    /// As for [`Ledger::agent`].
    pub fn proposal(&self, id: EventId) -> Result<Option<ProposalRecord>, ReadError> {
        self.registry_record(&keys::identified(keys::PROPOSAL, &id.0), |record| match record {
            Record::Proposal(record) => Some(record),
            _ => None,
        })
    }

    fn registry_record<T>(
        &self,
        key: &[u8],
        of: impl FnOnce(Record) -> Option<T>,
    ) -> Result<Option<T>, ReadError> {
        let Some(value) = self.store.get(ColumnFamily::State, key)? else { return Ok(None) };
        let record = records::record(key, &value).and_then(of);
        record.map(Some).ok_or_else(|| damaged(ColumnFamily::State, key))
    }

    /// Agents whose id comes after `after`, in order of id, at most `limit`.
    ///
    /// # Errors
    /// As for [`Ledger::agent`].
    pub fn agents(&self, after: &str, limit: usize) -> Result<Vec<AgentRecord>, ReadError> {
        self.registry_records(keys::AGENT, after, limit, |record| match record {
            Record::Agent(record) => Some(*record),
            _ => None,
        })
    }

    /// Every enrolled key, revoked ones too, in order of kid.
    ///
    /// # Errors
    /// As for [`Ledger::agent`].
    pub fn key_records(&self) -> Result<Vec<KeyRecord>, ReadError> {
        self.registry_records(keys::KEY, "", usize::MAX, |record| match record {
            Record::Key(record) => Some(*record),
            _ => None,
        })
    }

    /// Legal holds, in the order in which they were placed; `all` with those that were lifted.
    ///
    /// # Errors
    /// As for [`Ledger::agent`].
    pub fn holds(&self, all: bool) -> Result<Vec<HoldRecord>, ReadError> {
        let mut holds =
            self.registry_records(keys::HOLD, "", usize::MAX, |record| match record {
                Record::Hold(record) => Some(record),
                _ => None,
            })?;
        holds.retain(|hold| all || hold.lifted.is_none());
        Ok(holds)
    }

    fn registry_records<T>(
        &self,
        prefix: u8,
        after: &str,
        limit: usize,
        of: impl Fn(Record) -> Option<T>,
    ) -> Result<Vec<T>, ReadError> {
        let from = keys::named(prefix, after);
        let mut found = Vec::new();
        for row in self.store.scan(ColumnFamily::State, &from, Direction::Forward) {
            let (key, value) = row?;
            let Some((_, name)) = key.split_first().filter(|(first, _)| **first == prefix) else {
                break;
            };
            if name == after.as_bytes() && !after.is_empty() {
                continue;
            }
            if found.len() == limit {
                break;
            }
            let record = records::record(&key, &value).and_then(&of);
            found.push(record.ok_or_else(|| damaged(ColumnFamily::State, &key))?);
        }
        Ok(found)
    }

    /// The whole registry as of the head. Takes as long as reading all its records.
    ///
    /// # Errors
    /// As for [`Ledger::agent`].
    pub fn registry(&self) -> Result<Registry, ReadError> {
        Ok(State::load(&self.store)?.registry)
    }

    /// The whole registry as of the entries below `size`, folded from those that changed it since the nearest time
    /// before for which it was folded already. Takes as long as reading these, and as copying its records.
    ///
    /// # Errors
    /// [`ReadError`] when the store fails or one of them is damaged.
    pub fn registry_at(&self, size: TreeSize) -> Result<Arc<Registry>, ReadError> {
        let size = self.registry_changed(size)?;
        let (from, known) = self.snapshots.before(size.0).unwrap_or_default();
        if from == size.0 && from > 0 {
            return Ok(known);
        }
        let entries = self.registry_entries(from..size.0)?;
        let mut registry = (*known).clone();
        for part in entries.chunks(SNAPSHOT_ENTRIES) {
            for index in part {
                self.apply(&mut registry, *index)?;
            }
            // On a long way, stations for whoever asks about what lies between.
            if let Some(last) = part.last().filter(|_| part.len() == SNAPSHOT_ENTRIES) {
                self.snapshots.keep(last.0 + 1, &Arc::new(registry.clone()));
            }
        }
        let registry = Arc::new(registry);
        self.snapshots.keep(size.0, &registry);
        Ok(registry)
    }

    fn apply(&self, registry: &mut Registry, index: Index) -> Result<(), ReadError> {
        let leaf = self.leaf(index)?;
        if leaf.status == Status::Accepted {
            let bytes = self.store.row_at(ColumnFamily::Bodies, index)?;
            let broken = || damaged(ColumnFamily::Bodies, &keys::index(index));
            let body = Body::parse(&bytes).map_err(|_refused| broken())?;
            registry.apply(index, leaf.received_at, &body);
        }
        Ok(())
    }

    /// The size of the log when the registry last changed, as of the entries below `size`.
    fn registry_changed(&self, size: TreeSize) -> Result<TreeSize, ReadError> {
        let Some(newest) = size.0.checked_sub(1) else { return Ok(size) };
        let mut changed = TreeSize(0);
        for kind in Kind::ALL.iter().filter(|kind| kind.changes_registry()) {
            let last = self.postings(Key::Kind, kind.as_str()).at_or_before(newest)?;
            changed = changed.max(TreeSize(last.map_or(0, |last| last.0 + 1)));
        }
        Ok(changed)
    }

    /// The entries of `range` that may have changed the registry, in order.
    ///
    /// # Errors
    /// [`ReadError`] when the store fails.
    pub fn registry_entries(&self, range: Range<u64>) -> Result<Vec<Index>, ReadError> {
        let mut entries = Vec::new();
        for kind in Kind::ALL.iter().filter(|kind| kind.changes_registry()) {
            let mut postings = self.postings(Key::Kind, kind.as_str());
            let mut at = range.start;
            while let Some(index) = postings.at_or_after(at)?.filter(|index| index.0 < range.end) {
                entries.push(index);
                at = index.0 + 1;
            }
        }
        entries.sort_unstable();
        Ok(entries)
    }

    /// What is usual for an agent, and the bound of each rule that has one; `None` of whom nobody registered.
    ///
    /// # Errors
    /// As for [`Ledger::agent`].
    pub fn baseline(&self, agent: &str) -> Result<Option<Baseline>, ReadError> {
        if self.agent(agent)?.is_none() {
            return Ok(None);
        }
        let record = self.contract(agent)?.filter(ContractRecord::is_in_force);
        let contract = record.as_ref().map(|record| &record.contract);
        remember::baseline(&self.store, contract, agent).map(Some)
    }

    /// What was found of the principal chain of the entry at `index`; `None` if it has none, or acts alone and
    /// nothing is wrong.
    ///
    /// # Errors
    /// As for [`Ledger::agent`].
    pub fn chain_check(&self, index: Index) -> Result<Option<ChainCheck>, ReadError> {
        let key = keys::chain_check(index);
        let Some(value) = self.store.get(ColumnFamily::State, &key)? else { return Ok(None) };
        records::check(&value).map(Some).ok_or_else(|| damaged(ColumnFamily::State, &key))
    }
}
