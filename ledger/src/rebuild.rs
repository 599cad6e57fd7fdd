//! Dropping everything derived and making it anew from the log, to identical bytes.

use schemas::body::Body;
use schemas::id::{Index, TreeSize};
use schemas::kind::Kind;
use schemas::leaf::{Counts, Leaf, Status};
use schemas::residue::Residue;
use schemas::rules::Finding;

use crate::error::{OpenError, ReadError};
use crate::fold::{Beside, Derived, Fold, family_beside};
use crate::open::{Config, last_index};
use crate::read::damaged;
use crate::refusal::Refusal;
use crate::replay::{self, Read, Rows};
use crate::store::{ColumnFamily, Row, Store};
use crate::{keys, meta};

/// Rebuilds every derived column family of a ledger that nobody has open. `progress` gets the number of
/// entries done and in all.
///
/// # Errors
/// [`OpenError`]; after one, the rebuild can be run again.
pub fn rebuild(config: &Config, progress: impl Fn(u64, u64)) -> Result<TreeSize, OpenError> {
    if !config.store.join("CURRENT").exists() {
        return Err(OpenError::Absent(config.store.clone()));
    }
    let store = Store::open(&config.store)?;
    match meta::read_format(&store)?.unwrap_or(0) {
        1..=meta::FORMAT => {}
        found => return Err(OpenError::Format { found, known: meta::FORMAT }),
    }
    let last = last_index(&store)?.ok_or_else(|| OpenError::Absent(config.store.clone()))?;
    let size = TreeSize(last.0 + 1);
    store.write_synced(&[meta::rebuilding_row(true)]).map_err(ReadError::from)?;
    for family in ColumnFamily::DERIVED {
        store.clear(family).map_err(ReadError::from)?;
    }
    let mut fold = Fold::default();
    let mut from = 0;
    for boundary in replay::boundaries(&store) {
        let (to, _) = boundary?;
        let folded =
            fold_commit(&mut fold, &store, &store, from, to.0, &mut |_read, _beside| Ok(()))?;
        store.write_scratch(&folded.rows).map_err(ReadError::from)?;
        from = to.0;
        progress(from, size.0);
    }
    if from != size.0 {
        let family = ColumnFamily::Checkpoints;
        return Err(ReadError::Missing { family, index: last }.into());
    }
    // The rows above went past the WAL; flushing makes them durable before the flag is taken back.
    store.flush().map_err(ReadError::from)?;
    let done = [meta::format_row(meta::FORMAT), meta::rebuilding_row(false)];
    store.write_synced(&done).map_err(ReadError::from)?;
    Ok(size)
}

/// Folds the commit of entries `from..to` of `log` and gives its derived rows, and whether its findings follow; counters not yet in memory
/// are read from `derived`. `check` sees each entry before it is folded.
pub(crate) fn fold_commit(
    fold: &mut Fold,
    log: &Store,
    derived: &Store,
    from: u64,
    to: u64,
    check: &mut impl FnMut(&Checking<'_>, &Fold) -> Result<(), ReadError>,
) -> Result<Folded, ReadError> {
    let leaves = replay::leaves(log, from..to)?;
    let bodies = replay::rows(log, ColumnFamily::Bodies, from..to)?;
    let statements = replay::rows(log, ColumnFamily::Statements, from..to)?;
    let mut rows = Derived::default();
    let mut findings = Findings::default();
    if let Some(first) = leaves.first() {
        findings.given = fold.state.due(derived, first.leaf.received_at)?;
    }
    let beside = Neighbours { bodies, statements };
    for read in &leaves {
        fold_entry(fold, derived, read, &beside, &mut rows, &mut findings, check)?;
    }
    Ok(Folded { rows: fold.finish(rows), fault: findings.fault(to) })
}

/// What a commit leaves behind.
pub(crate) struct Folded {
    /// Its derived rows.
    pub(crate) rows: Vec<Row>,
    /// The first entry whose findings are not those that the log gives, and in what way.
    pub(crate) fault: Option<(Index, String)>,
}

/// The findings that a commit's entries give, and those that are among its entries.
#[derive(Default)]
struct Findings {
    given: Vec<Finding>,
    said: usize,
    wrong: Option<(Index, String)>,
}

impl Findings {
    /// Holds an entry that is a finding against the next one that the log gives.
    fn take(&mut self, index: Index, body: &Body<'_>) {
        if body.kind() != Kind::Finding || self.wrong.is_some() {
            return;
        }
        self.wrong = match self.given.get(self.said) {
            None => Some((index, "the log gives no such finding".to_owned())),
            Some(given) if !given.is_said_by(body) => Some((
                index,
                format!("the log gives {} of entry {} here", given.rule.name, given.cited),
            )),
            Some(_) => None,
        };
        self.said += 1;
    }

    /// What is wrong with them in a commit that ends before `to`.
    fn fault(self, to: u64) -> Option<(Index, String)> {
        let last = Index(to.saturating_sub(1));
        let missing = |given: &Finding| {
            (last, format!("the finding {} of entry {} is missing", given.rule.name, given.cited))
        };
        self.wrong.or_else(|| self.given.get(self.said).map(missing))
    }
}

/// An entry about to be folded, and the ordinals that the fold gives it.
pub(crate) struct Checking<'r> {
    pub(crate) read: &'r Read,
    pub(crate) body: Option<&'r Body<'r>>,
    /// What lies at its place among the statements.
    pub(crate) statement: Option<&'r [u8]>,
    pub(crate) counts: Counts,
}

/// The rows of a commit that lie beside its leaves.
struct Neighbours {
    bodies: Rows,
    statements: Rows,
}

impl Neighbours {
    fn row(&self, leaf: &Leaf) -> Option<&[u8]> {
        let rows = match family_beside(leaf) {
            ColumnFamily::Bodies => &self.bodies,
            _ => &self.statements,
        };
        rows.get(&leaf.index.0).map(|row| &**row)
    }
}

fn fold_entry(
    fold: &mut Fold,
    derived: &Store,
    read: &Read,
    beside: &Neighbours,
    rows: &mut Derived,
    findings: &mut Findings,
    check: &mut impl FnMut(&Checking<'_>, &Fold) -> Result<(), ReadError>,
) -> Result<(), ReadError> {
    let Read { leaf, bytes } = read;
    let row = beside.row(leaf);
    let statement = beside.statements.get(&leaf.index.0).map(|row| &**row);
    if leaf.status != Status::Accepted {
        check(&Checking { read, body: None, statement, counts: Counts::default() }, fold)?;
        let refusal = row.and_then(Refusal::decode);
        let refusal = refusal.ok_or_else(|| bad_row(leaf.index, family_beside(leaf)))?;
        fold.take(derived, leaf, bytes, &Beside::Refusal(&refusal), rows)?;
        return Ok(());
    }
    let missing = ReadError::Missing { family: ColumnFamily::Bodies, index: leaf.index };
    let row = row.ok_or(missing)?;
    let bad = || bad_row(leaf.index, ColumnFamily::Bodies);
    let body = match Residue::parse(row) {
        Some(residue) => Body::residue(residue.fields).ok_or_else(bad)?,
        None if Body::digest(row) != leaf.body => return Err(bad()),
        None => Body::parse(row).map_err(|_refused| bad())?,
    };
    let counts = fold.count(derived, &body)?;
    check(&Checking { read, body: Some(&body), statement, counts }, fold)?;
    findings.take(leaf.index, &body);
    let given = fold.take(derived, leaf, bytes, &Beside::Body(&body), rows)?;
    findings.given.extend(given);
    Ok(())
}

fn bad_row(index: Index, family: ColumnFamily) -> ReadError {
    damaged(family, &keys::index(index))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use schemas::body::from_json;
    use schemas::id::EventId;
    use schemas::rules::rule;
    use serde_json::json;

    use super::*;
    use crate::open::open;
    use crate::tests::Ground;

    const FLAGGED: &str = "019d6b2c-ee80-7001-8002-030405060708";

    fn given(name: &str) -> Finding {
        Finding {
            rule: rule(name).unwrap(),
            causes: vec![EventId::parse(FLAGGED).unwrap()],
            cited: Index(7),
            agent: Some("worker".to_owned()),
            correlation: None,
            detail: None,
            contract: None,
            count: None,
        }
    }

    fn said(name: &str, agent: &str) -> Vec<u8> {
        from_json(&json!({
            "v": 1, "kind": "finding", "id": FLAGGED, "salt": "00".repeat(16), "tenant": "t", "time": 1,
            "signer": "ledger", "agent": { "id": agent }, "causes": [FLAGGED],
            "rule": { "name": name, "version": 1 },
        }))
        .unwrap()
    }

    fn fault(given: Vec<Finding>, entries: &[Vec<u8>]) -> Option<String> {
        let mut findings = Findings { given, ..Findings::default() };
        for bytes in entries {
            findings.take(Index(8), &Body::parse(bytes).unwrap());
        }
        findings.fault(9).map(|(_, why)| why)
    }

    #[test]
    fn a_missing_an_extra_and_an_altered_finding_are_told_apart() {
        let sound = || vec![given("out_of_scope"), given("volume")];
        let entries = || vec![said("out_of_scope", "worker"), said("volume", "worker")];
        assert_eq!(fault(sound(), &entries()), None);
        let missing = fault(sound(), &entries()[..1]).unwrap();
        assert_eq!(missing, "the finding volume of entry #7 is missing");
        let extra = fault(vec![given("out_of_scope")], &entries()).unwrap();
        assert_eq!(extra, "the log gives no such finding");
        let altered = [said("out_of_scope", "somebody else"), said("volume", "worker")];
        assert_eq!(
            fault(sound(), &altered).unwrap(),
            "the log gives out_of_scope of entry #7 here"
        );
        let swapped: Vec<_> = entries().into_iter().rev().collect();
        assert_eq!(
            fault(sound(), &swapped).unwrap(),
            "the log gives out_of_scope of entry #7 here"
        );
    }

    #[test]
    fn rows_of_an_older_version_are_refused_until_they_are_made_anew() {
        let ground = Ground::new();
        let (config, key) = (&ground.config, || ground.key.clone());
        drop(ground.found());
        let write = |format| {
            let store = Store::open(&config.store).unwrap();
            store.write_synced(&[meta::format_row(format)]).unwrap();
        };
        let known = meta::FORMAT;
        write(known - 1);
        let refused = open(config, key()).map(drop).unwrap_err();
        assert!(
            matches!(refused, OpenError::Format { found, .. } if found == known - 1),
            "{refused:?}"
        );
        assert_eq!(rebuild(config, |_, _| ()).unwrap(), TreeSize(1));
        assert_eq!(open(config, key()).unwrap().ledger().head().size, TreeSize(1));
        write(known + 1);
        let refused = rebuild(config, |_, _| ()).unwrap_err();
        assert!(
            matches!(refused, OpenError::Format { found, .. } if found == known + 1),
            "{refused:?}"
        );
    }
}
