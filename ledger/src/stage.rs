//! Staging: what each submission of a batch leaves behind, in log order.

use std::sync::Arc;

use schemas::body::Body;
use schemas::encode::{self, Value, map};
use schemas::id::{BodyDigest, Digest, Index, sha256};
use schemas::kind::Kind;
use schemas::leaf::{Counts, Leaf, Status, chain_hash};
use schemas::registry;
use schemas::reject::{Reason, Reject};
use schemas::rules::Finding;
use schemas::secret;
use schemas::statement::Statement;
use schemas::submission::{self, Verified, VerifiedItem};

use crate::admit::{Admission, Verdict};
use crate::append::{Submission, Via, Writer};
use crate::check::{Checked, verified};
use crate::draft::{Draft, End, Pending, Placed, StatementPlace};
use crate::error::{AppendError, ReadError};
use crate::fold::{Beside, family_beside};
use crate::ids::parse_id_row;
use crate::keys;
use crate::meta;
use crate::own::Author;
use crate::read::damaged;
use crate::refusal::Refusal;
use crate::store::{ColumnFamily, Row};

impl Writer {
    /// Decides one submission and stages what it leaves behind.
    pub(crate) fn stage(
        &mut self,
        draft: &mut Draft,
        submission: Submission<'_>,
    ) -> Result<(), AppendError> {
        let Submission { message, via, checked } = submission;
        let checked = match checked {
            Checked::Undecided(opened) => {
                let kid = opened.statement().kid;
                match self.fold.state.registry.key(&kid) {
                    Some(record) => verified(opened, &record.key),
                    None => Checked::Refused(Reject::new(
                        Reason::UnregisteredKey,
                        "statement.protected.4",
                        format!("an enrolled key; {kid} is not"),
                    )),
                }
            }
            decided => decided,
        };
        let outcomes = match checked {
            Checked::Verified(verified) => {
                match self.admission(draft).statement_fault(verified.statement(), &via) {
                    None => self.stage_items(draft, &verified, &via)?,
                    Some(reject) => vec![self.refuse_whole(draft, message, &via, reject)?],
                }
            }
            Checked::Refused(reject) => vec![self.refuse_whole(draft, message, &via, reject)?],
            Checked::Undecided(_) => Vec::new(),
        };
        draft.ends.push((Digest(sha256(message)), outcomes));
        self.stage_agreed(draft)?;
        let findings = std::mem::take(&mut draft.findings);
        self.stage_findings(draft, findings)
    }

    fn admission(&self, draft: &Draft) -> Admission<'_> {
        Admission {
            registry: &self.fold.state.registry,
            tenant: &self.seal.identity().tenant,
            received_at: draft.received_at,
        }
    }

    fn stage_items(
        &mut self,
        draft: &mut Draft,
        verified: &Verified<'_>,
        via: &Via<'_>,
    ) -> Result<Vec<Pending>, AppendError> {
        let mut outcomes = Vec::with_capacity(verified.items().len());
        let mut place = StatementPlace::new(verified);
        for (position, item) in (0..).zip(verified.items()) {
            outcomes.push(self.stage_item(draft, &mut place, via, position, item)?);
        }
        Ok(outcomes)
    }

    fn stage_item(
        &mut self,
        draft: &mut Draft,
        place: &mut StatementPlace<'_, '_>,
        via: &Via<'_>,
        position: u64,
        item: &VerifiedItem<'_>,
    ) -> Result<Pending, AppendError> {
        let statement = place.verified().statement();
        let verdict = match &item.body {
            Err(reject) => Verdict::Reject(self.item_fault(draft, statement, via, item, reject)),
            Ok(body) => self
                .admission(draft)
                .judge(statement, via, body, item.digest, || self.seen(draft, body))?,
        };
        let verdict = match (verdict, &item.body) {
            (Verdict::Commit, Ok(body)) => match self.content_fault(draft, body, item)? {
                Some(reject) => Verdict::Reject(reject),
                None => Verdict::Commit,
            },
            (verdict, _) => verdict,
        };
        let id = item.body.as_ref().ok().map(Body::id);
        let mut leaf = Leaf {
            statement: statement.digest(),
            body: item.digest,
            position,
            id,
            source: via.source,
            ..self.blank(draft)
        };
        match (verdict, &item.body) {
            (Verdict::Duplicate(index), _) => {
                self.restore_detail(draft, index, item)?;
                Ok(Pending { end: End::Duplicate, index, id, counted: false })
            }
            (Verdict::Reject(reject), _) => {
                self.refuse(draft, leaf, via, item.raw.body, reject, Some(place))
            }
            (Verdict::Commit, Ok(body)) => {
                leaf.counts = self.fold.count(&self.store, body)?;
                place.keep(draft, leaf.index);
                let index = self.push_accepted(draft, &leaf, body, item)?;
                Ok(Pending { end: End::Committed, index, id, counted: false })
            }
            // A body that does not parse is never committed.
            (Verdict::Commit, Err(reject)) => Ok(Pending {
                end: End::Rejected(reject.clone()),
                index: leaf.index,
                id,
                counted: true,
            }),
        }
    }

    /// Why an item is refused that the registry would take, for what lies beside it or what it would erase.
    fn content_fault(
        &self,
        draft: &Draft,
        body: &Body<'_>,
        item: &VerifiedItem<'_>,
    ) -> Result<Option<Reject>, ReadError> {
        if let Some(reject) = registry::text_fault(body, item.raw.detail) {
            return Ok(Some(reject));
        }
        let registry = &self.fold.state.registry;
        match registry.decided(body, |agreed| self.redaction_fault(agreed, draft.first)) {
            Some(fault) => fault,
            None => self.redaction_fault(body, draft.first),
        }
    }

    /// The signature covers a detail's digest but not its presence, so the broker could have delivered the
    /// event without it first: a duplicate that brings it is not for nothing.
    fn restore_detail(
        &self,
        draft: &mut Draft,
        index: Index,
        item: &VerifiedItem<'_>,
    ) -> Result<(), AppendError> {
        let key = keys::index(index);
        if let Some(detail) = item.raw.detail
            && self.store.get(ColumnFamily::Details, &key)?.is_none()
            // What was erased does not come back.
            && self.ledger().redaction_of(index, |_| true)?.is_none()
        {
            draft.rows.push(Row::new(ColumnFamily::Details, key, detail));
        }
        Ok(())
    }

    /// Why an item is refused whose bytes already say so. A name that is not the signer's own comes before
    /// any other fault, or the refusal would be filed under that name.
    fn item_fault(
        &self,
        draft: &Draft,
        statement: &Statement<'_>,
        via: &Via<'_>,
        item: &VerifiedItem<'_>,
        reject: &Reject,
    ) -> Reject {
        if reject.reason == Reason::DigestMismatch {
            return reject.clone();
        }
        let body = Body::parse(item.raw.body).ok();
        let identity =
            body.and_then(|body| self.admission(draft).identity_fault(statement, via, &body));
        identity.unwrap_or_else(|| reject.clone())
    }

    fn push_accepted(
        &mut self,
        draft: &mut Draft,
        leaf: &Leaf,
        body: &Body<'_>,
        item: &VerifiedItem<'_>,
    ) -> Result<Index, AppendError> {
        let key = keys::index(leaf.index);
        draft.redacts |= body.kind() == Kind::Redaction;
        draft.rows.push(Row::new(ColumnFamily::Bodies, key, item.raw.body));
        if let Some(detail) = item.raw.detail {
            draft.rows.push(Row::new(ColumnFamily::Details, key, detail));
        }
        draft.seen.insert(keys::event(body.id(), body.signer()), (leaf.index, leaf.body));
        draft.keys_changed |= matches!(
            body.kind(),
            Kind::KeyEnrolled
                | Kind::KeyRotated
                | Kind::ProposalApproved
                | Kind::LedgerGenesis
                | Kind::LedgerKeyRotated
        );
        let agreed = |body: &Body<'_>| body.field("redact").map(encode::value);
        let agreed = self.fold.state.registry.decided(body, agreed).flatten();
        draft.agreed.extend(agreed.map(|redact| (body.id(), redact)));
        if body.kind().is_announced() {
            draft.control.push(leaf.index);
        }
        self.push(draft, leaf, &Beside::Body(body))
    }

    /// The accepted event with this body's signer and id, in the store or in the open commit.
    fn seen(
        &self,
        draft: &Draft,
        body: &Body<'_>,
    ) -> Result<Option<(Index, BodyDigest)>, ReadError> {
        let key = keys::event(body.id(), body.signer());
        if let Some(found) = draft.seen.get(&key) {
            return Ok(Some(*found));
        }
        match self.store.get(ColumnFamily::Ids, &key)? {
            None => Ok(None),
            Some(row) => {
                parse_id_row(&row).map(Some).ok_or_else(|| damaged(ColumnFamily::Ids, &key))
            }
        }
    }

    fn refuse_whole(
        &mut self,
        draft: &mut Draft,
        message: &[u8],
        via: &Via<'_>,
        reject: Reject,
    ) -> Result<Pending, AppendError> {
        let statement = Digest(sha256(message));
        let leaf = Leaf { statement, source: via.source, ..self.blank(draft) };
        self.refuse(draft, leaf, via, message, reject, None)
    }

    /// Refuses `bytes`, an item or a message as a whole, with the leaf that it would have.
    fn refuse(
        &mut self,
        draft: &mut Draft,
        mut leaf: Leaf,
        via: &Via<'_>,
        bytes: &[u8],
        reject: Reject,
        statement: Option<&mut StatementPlace<'_, '_>>,
    ) -> Result<Pending, AppendError> {
        leaf.status = Status::Rejected(reject.reason);
        let (index, counted) = match self.place_refusal(draft, &leaf, via, reject.reason)? {
            Placed::Before(index) => (index, false),
            Placed::Flooded => (leaf.index, true),
            Placed::Leaf => {
                if let Some(statement) = statement {
                    statement.keep(draft, leaf.index);
                }
                let secret = reject.reason == Reason::SecretInBody || secret::found_in(bytes);
                let refusal = Refusal::new(&reject.cause, bytes, secret);
                let key = keys::index(leaf.index);
                draft.rows.push(Row::new(family_beside(&leaf), key, refusal.encode()));
                (self.push(draft, &leaf, &Beside::Refusal(&refusal))?, false)
            }
        };
        Ok(Pending { end: End::Rejected(reject), index, id: leaf.id, counted })
    }

    /// Whether a refusal makes a leaf: not when the same came before, nor in a flood.
    fn place_refusal(
        &mut self,
        draft: &mut Draft,
        leaf: &Leaf,
        via: &Via<'_>,
        reason: Reason,
    ) -> Result<Placed, AppendError> {
        let key = keys::refusal(leaf);
        let before = match draft.refused.get(&key) {
            Some(index) => Some(*index),
            None => match self.store.get(ColumnFamily::Ids, &key)? {
                None => None,
                Some(row) => {
                    Some(keys::parse_index(&row).ok_or_else(|| damaged(ColumnFamily::Ids, &key))?)
                }
            },
        };
        if let Some(index) = before {
            let stored = match draft.repeats.get(&key) {
                Some(count) => *count,
                None => meta::read_repeats(&self.store, &key)?,
            };
            draft.repeats.insert(key, stored.saturating_add(1));
            return Ok(Placed::Before(index));
        }
        let subject = subject_of(via).to_owned();
        if self.rejections.floods(&subject, draft.received_at) {
            let flood = draft.floods.entry((subject, reason)).or_default();
            *flood += 1;
            return Ok(Placed::Flooded);
        }
        draft.refused.insert(key, leaf.index);
        Ok(Placed::Leaf)
    }

    /// What fell due, before anything else of the commit.
    pub(crate) fn stage_due(&mut self, draft: &mut Draft) -> Result<(), AppendError> {
        let due = self.fold.state.due(&self.store, draft.received_at)?;
        self.stage_findings(draft, due)
    }

    fn stage_findings(
        &mut self,
        draft: &mut Draft,
        findings: Vec<Finding>,
    ) -> Result<(), AppendError> {
        for finding in findings {
            self.stage_own(draft, Kind::Finding, finding.fields())?;
        }
        Ok(())
    }

    /// The redactions that operators have agreed to, each as an own entry that cites the last approval; before anybody
    /// else says anything. What the same submission placed a hold on behind its approval stays, and that is said.
    fn stage_agreed(&mut self, draft: &mut Draft) -> Result<(), AppendError> {
        for (approval, redact) in std::mem::take(&mut draft.agreed) {
            let causes = Value::Array(vec![Value::Bytes(approval.0.to_vec())]);
            self.stage_own(draft, Kind::Redaction, vec![("redact", redact), ("causes", causes)])?;
        }
        Ok(())
    }

    /// One own entry for each subject and reason whose rejections went beyond the bound.
    pub(crate) fn stage_floods(&mut self, draft: &mut Draft) -> Result<(), AppendError> {
        let mut floods: Vec<_> = std::mem::take(&mut draft.floods).into_iter().collect();
        floods.sort_unstable();
        for ((subject, reason), count) in floods {
            let fields = vec![
                ("reason", Value::from(reason.as_str())),
                ("count", Value::from(count)),
                ("ext", map([("subject", Value::from(subject))])),
            ];
            self.stage_own(draft, Kind::LedgerFlood, fields)?;
        }
        let repeats = std::mem::take(&mut draft.repeats);
        draft.rows.extend(repeats.iter().map(|(key, count)| meta::repeats_row(key, *count)));
        Ok(())
    }

    /// Stages an entry that the ledger signs itself.
    pub(crate) fn stage_own(
        &mut self,
        draft: &mut Draft,
        kind: Kind,
        fields: Vec<(&str, Value)>,
    ) -> Result<(), AppendError> {
        let seal = Arc::clone(&self.seal);
        let mut author = Author::new(&seal, self.chain, draft.received_at, draft.own);
        draft.own += 1;
        let message = author.submission(kind, fields);
        let opened = submission::open(&message).expect("the ledger writes its own format");
        let verified =
            opened.verify(&seal.identity().key).expect("the ledger signs with its own key");
        let mut place = StatementPlace::new(&verified);
        for item in verified.items() {
            let body = item.body.as_ref().map_err(|_refused| AppendError::OwnEntry(kind))?;
            // IMPORTANT: a hold that came meanwhile is stronger than what was agreed before it.
            if let Some(fault) = self.redaction_fault(body, draft.first)? {
                let note = Value::from(fault.cause.expected.as_str());
                let fields = vec![("code", Value::from("redaction_held")), ("note", note)];
                return self.stage_own(draft, Kind::LedgerIncident, fields);
            }
            let mut leaf = Leaf {
                statement: verified.statement().digest(),
                body: item.digest,
                id: Some(body.id()),
                ..self.blank(draft)
            };
            leaf.counts = self.fold.count(&self.store, body)?;
            place.keep(draft, leaf.index);
            self.push_accepted(draft, &leaf, body, item)?;
        }
        Ok(())
    }

    fn blank(&self, draft: &Draft) -> Leaf {
        Leaf {
            index: Index(self.fold.growth.size().0),
            previous: self.chain,
            received_at: draft.received_at,
            status: Status::Accepted,
            statement: Digest::ZERO,
            body: BodyDigest::ZERO,
            position: 0,
            id: None,
            counts: Counts::default(),
            source: None,
        }
    }

    fn push(
        &mut self,
        draft: &mut Draft,
        leaf: &Leaf,
        beside: &Beside<'_>,
    ) -> Result<Index, AppendError> {
        let bytes = leaf.encode();
        let findings = self.fold.take(&self.store, leaf, &bytes, beside, &mut draft.derived)?;
        draft.findings.extend(findings);
        self.chain = chain_hash(&bytes);
        draft.rows.push(Row::new(ColumnFamily::Leaves, keys::index(leaf.index), bytes.as_slice()));
        draft.leaves.push(bytes);
        Ok(leaf.index)
    }
}

/// A subject as flood entries name it. Only a signer's token is repeated: any other text is a stranger's.
fn subject_of<'a>(via: &Via<'a>) -> &'a str {
    match via.token {
        None => "direct",
        Some(token) if token.len() == 32 && schemas::id::unhex(token).is_some() => token,
        Some(_) => "other",
    }
}
