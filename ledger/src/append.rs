//! The commit path: stage, one synced batch, mark, head, replies.

use std::sync::{Arc, PoisonError, RwLock};

use ed25519_dalek::SigningKey;
use schemas::encode::Value;
use schemas::id::{ChainHash, Index, Micros, TreeSize};
use schemas::kind::{Kind, Stream};
use schemas::leaf::Source;
use schemas::reply::Reply;
use tokio::sync::watch;

use crate::answers::Answers;
use crate::check::{Checked, KeySet};
use crate::draft::Draft;
use crate::error::AppendError;
use crate::flood::Rejections;
use crate::fold::Fold;
use crate::head::Head;
use crate::keys;
use crate::memo::Memo;
use crate::meta::Cursor;
use crate::read::Ledger;
use crate::refusals::Refusals;
use crate::seal::{Identity, Mark, Seal};
use crate::snapshots::Snapshots;
use crate::store::{ColumnFamily, Row, Store};

/// A note is published at most this often.
const PUBLISH_US: u64 = 1_000_000;

/// A submission on its way into the log.
pub struct Submission<'a> {
    /// The bytes as received.
    pub message: &'a [u8],
    /// How it came.
    pub via: Via<'a>,
    /// What [`crate::check`] said of it.
    pub checked: Checked<'a>,
}

/// How a submission came; all `None` for a direct one.
#[derive(Clone, Copy, Default, Debug)]
pub struct Via<'a> {
    /// On which stream.
    pub stream: Option<Stream>,
    /// Last token of its subject.
    pub token: Option<&'a str>,
    /// The broker's place for it.
    pub source: Option<Source>,
}

/// What a commit did.
#[derive(Debug)]
pub struct Committed {
    /// The head after it.
    pub head: Arc<Head>,
    /// One reply a submission, in their order.
    pub replies: Vec<Reply>,
    /// Accepted entries that change what a signer may do.
    pub control: Vec<Index>,
    /// Whether redactions in it were carried out: old bytes are in files until these are purged.
    pub erased: bool,
}

/// The one writer of a ledger.
pub struct Writer {
    pub(crate) store: Arc<Store>,
    pub(crate) seal: Arc<Seal>,
    pub(crate) mark: Mark,
    pub(crate) fold: Fold,
    pub(crate) chain: ChainHash,
    pub(crate) received_at: Micros,
    pub(crate) published_at: Micros,
    pub(crate) head: watch::Sender<Arc<Head>>,
    pub(crate) keys: Arc<RwLock<Arc<KeySet>>>,
    pub(crate) snapshots: Arc<Snapshots>,
    pub(crate) rejections: Rejections,
    pub(crate) refusals: Arc<Refusals>,
    pub(crate) poisoned: bool,
}

impl Writer {
    /// A handle for reading.
    #[must_use]
    pub fn ledger(&self) -> Ledger {
        Ledger {
            store: Arc::clone(&self.store),
            head: self.head.subscribe(),
            keys: Arc::clone(&self.keys),
            seal: Arc::clone(&self.seal),
            snapshots: Arc::clone(&self.snapshots),
            refusals: Arc::clone(&self.refusals),
        }
    }

    /// Commits a batch: every submission in it ends committed, duplicate or rejected.
    ///
    /// `received_at` is the ledger's clock; where it stepped back, the last commit's time is repeated.
    /// `cursors` are stored with the batch. Nothing may be acknowledged before this returns.
    ///
    /// # Errors
    /// [`AppendError`]: nothing of the batch is acknowledged, this writer refuses further work, and the
    /// process must end.
    pub fn append(
        &mut self,
        batch: Vec<Submission<'_>>,
        received_at: Micros,
        cursors: &[Cursor],
    ) -> Result<Committed, AppendError> {
        self.guarded(|writer| {
            let mut draft = writer.begin(received_at)?;
            for submission in batch {
                writer.stage(&mut draft, submission)?;
            }
            writer.stage_floods(&mut draft)?;
            draft.rows.extend(cursors.iter().map(Cursor::row));
            writer.commit(draft)
        })
    }

    /// Records something that an auditor must know, as the ledger's own entry.
    ///
    /// # Errors
    /// As for [`Writer::append`].
    pub fn incident(
        &mut self,
        code: &'static str,
        note: &str,
        received_at: Micros,
    ) -> Result<Arc<Head>, AppendError> {
        self.record(&[Memo::Incident { code, note: note.to_owned() }], received_at)
    }

    /// Records memos, in a commit of their own.
    ///
    /// # Errors
    /// As for [`Writer::append`].
    pub fn record(
        &mut self,
        memos: &[Memo],
        received_at: Micros,
    ) -> Result<Arc<Head>, AppendError> {
        self.guarded(|writer| {
            let mut draft = writer.begin(received_at)?;
            for memo in memos {
                writer.stage_own(&mut draft, memo.kind(), memo.fields())?;
            }
            Ok(writer.commit(draft)?.head)
        })
    }

    pub(crate) fn own_entry(
        &mut self,
        kind: Kind,
        fields: Vec<(&str, Value)>,
        received_at: Micros,
    ) -> Result<Arc<Head>, AppendError> {
        self.guarded(|writer| {
            let mut draft = writer.begin(received_at)?;
            writer.stage_own(&mut draft, kind, fields)?;
            Ok(writer.commit(draft)?.head)
        })
    }

    /// Publishes the head's note, if it is newer than the published one; called when the log is idle.
    ///
    /// # Errors
    /// As for [`Writer::append`].
    pub fn publish(&mut self) -> Result<(), AppendError> {
        self.guarded(|writer| {
            let mut head = Head::clone(&writer.head.borrow());
            if head.published.0 < head.size {
                writer.store.write_synced(&[note_row(head.size, &head.note)])?;
                head.published = (head.size, head.note.clone());
                writer.published_at = head.received_at;
                writer.head.send_replace(Arc::new(head));
            }
            Ok(())
        })
    }

    /// A commit, with what fell due.
    pub(crate) fn begin(&mut self, received_at: Micros) -> Result<Draft, AppendError> {
        let received_at = received_at.max(self.received_at);
        let mut draft = Draft::new(received_at, self.fold.growth.size());
        self.stage_due(&mut draft)?;
        Ok(draft)
    }

    /// Whether findings have fallen due, for which an empty batch makes a commit.
    ///
    /// # Errors
    /// As for [`Writer::append`].
    pub fn findings_are_due(&mut self, now: Micros) -> Result<bool, AppendError> {
        self.guarded(|writer| Ok(writer.fold.state.is_due(&writer.store, now)?))
    }

    pub(crate) fn guarded<T>(
        &mut self,
        work: impl FnOnce(&mut Self) -> Result<T, AppendError>,
    ) -> Result<T, AppendError> {
        if self.poisoned {
            return Err(AppendError::Poisoned);
        }
        let result = work(self);
        self.poisoned = result.is_err();
        result
    }

    /// Signs as somebody else from now on.
    pub(crate) fn reseal(&mut self, identity: Identity, key: SigningKey) {
        self.seal = Arc::new(Seal::new(identity, key));
    }

    pub(crate) fn commit(&mut self, mut draft: Draft) -> Result<Committed, AppendError> {
        let grew = !draft.leaves.is_empty();
        if !grew {
            // Whoever rebuilds knows nothing of a commit without entries, so it changes no state.
            self.fold.state.abandon();
        }
        let head = self.seal_head(&mut draft);
        self.store.write_synced(&draft.rows)?; // Crash before: redelivery. After: duplicates are known.
        if grew {
            self.mark.raise(&head.note)?; // Outside the store. Crash before: opening raises it.
            if draft.keys_changed {
                let keys = self.fold.state.registry.public_keys().collect();
                *self.keys.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(keys);
            }
        }
        // Before the bell, so that whoever sees a redaction sees nothing of what it erased. Crash before: opening does it.
        let erased = draft.redacts && self.erase_due(&self.ledger().with_head(&head))?;
        if grew {
            self.head.send_replace(Arc::clone(&head)); // A doorbell; readers go to the store.
        }
        self.refusals.count(draft.ends.iter().flat_map(|(_, items)| items));
        let replies = Answers::new(&draft, &self.ledger(), &head).replies()?;
        Ok(Committed { head, replies, control: draft.control, erased })
    }

    /// The head that the draft leads to, with the rows that belong to the commit as a whole.
    fn seal_head(&mut self, draft: &mut Draft) -> Arc<Head> {
        if draft.leaves.is_empty() {
            return Arc::clone(&self.head.borrow());
        }
        self.received_at = draft.received_at;
        let (size, root) = (self.fold.growth.size(), self.fold.growth.root());
        let note = self.seal.note(size, root);
        let derived = std::mem::take(&mut draft.derived);
        draft.rows.extend(self.fold.finish(derived));
        draft.rows.push(Row::new(
            ColumnFamily::Checkpoints,
            keys::boundary(size),
            draft.received_at.0.to_be_bytes(),
        ));
        let due = draft.received_at.0.saturating_sub(self.published_at.0) >= PUBLISH_US;
        let published = if due || draft.first == 0 {
            self.published_at = draft.received_at;
            draft.rows.push(note_row(size, &note));
            (size, note.clone())
        } else {
            self.head.borrow().published.clone()
        };
        let erased = if draft.redacts { size } else { self.head.borrow().erased };
        Arc::new(Head {
            size,
            root,
            chain: self.chain,
            received_at: draft.received_at,
            note,
            published,
            erased,
            edge: Arc::new(self.fold.growth.edge.clone()),
        })
    }
}

fn note_row(size: TreeSize, note: &str) -> Row {
    Row::new(ColumnFamily::Checkpoints, keys::note(size), note.as_bytes())
}
