//! What follows a loss or a change of keys: a new epoch after a rollback, a new key by rotation.

use std::fs;

use ed25519_dalek::SigningKey;
use schemas::body::Body;
use schemas::encode::{Value, bytes, map};
use schemas::era::{KEY_ROTATED, NEW_EPOCH};
use schemas::id::{Digest, Kid, Micros, sha256};
use schemas::key::PublicKey;
use schemas::kind::Kind;
use schemas::registry::{Agreement, Epoch, lost_mark};

use crate::append::{Submission, Via, Writer};
use crate::check::{Checked, check};
use crate::draft::{Draft, End};
use crate::error::{AppendError, OpenError};
use crate::open::{Config, Opened};
use crate::seal::{Identity, Marked};

/// Opens a ledger whose store does not reach its mark, and goes on from what there is: under a new origin,
/// with an entry first that names what was lost. The lost mark is kept in a file beside the new one.
///
/// Where several operators have to agree to dangerous changes, they have to agree to this one: `agreed` are their
/// submissions, each a proposal of this very epoch, and become the entries behind the first, in its commit.
///
/// # Errors
/// [`OpenError::NothingLost`] where the store reaches its mark; [`OpenError::NotAgreed`] where operators are missing;
/// else as for [`crate::open`].
pub fn open_new_epoch(
    config: &Config,
    key: SigningKey,
    now: Micros,
    agreed: &[Vec<u8>],
) -> Result<Writer, OpenError> {
    let opened = Opened::at(config)?;
    if opened.before_unmarked_epoch()?.is_some() {
        return Err(OpenError::NothingLost(opened.size())); // It was begun already: opening raises the mark.
    }
    let mut epoch = opened.eras.epoch();
    match opened.mark.read(&opened.eras)? {
        Marked::Known(marked) => match opened.check_mark(&marked) {
            Ok(()) => return Err(OpenError::NothingLost(opened.size())),
            Err(OpenError::RolledBack { .. } | OpenError::Forked(_)) => {}
            Err(error) => return Err(error),
        },
        // The lost history had epochs of its own, whose names must not come again.
        Marked::Later(marked) => {
            epoch = epoch.max(opened.eras.epoch_of(&marked.origin).unwrap_or(epoch));
        }
        Marked::Absent | Marked::Superseded | Marked::Forged => {}
    }
    let origin = opened.eras.successor(epoch);
    let lost = opened.mark.text()?;
    let size = opened.size();
    let begun = Epoch {
        origin: origin.clone(),
        size: size.0,
        lost: Digest(sha256(lost.as_deref().unwrap_or_default().as_bytes())),
    };
    let agreement = Agreement::to(begun, opened.registry());
    let mut writer = opened.writer(key)?;
    writer.reseal(
        Identity { origin: origin.clone(), ..writer.seal.identity().clone() },
        writer.seal.key().clone(),
    );
    let mut draft = writer.begin(now)?;
    writer.stage_epoch(&mut draft, origin, lost.as_deref())?;
    writer.stage_agreement(&mut draft, agreement, agreed)?;
    if let Some(text) = &lost {
        keep_lost(config, epoch, text)?;
    }
    writer.commit(draft)?;
    // What the journal knows and this copy does not was about the entries before, and about no later ones.
    writer.redact_restored(size)?;
    writer.erase_due(&writer.ledger())?;
    Ok(writer)
}

impl Writer {
    fn stage_epoch(
        &mut self,
        draft: &mut Draft,
        origin: String,
        lost: Option<&str>,
    ) -> Result<(), AppendError> {
        let note = "the log goes on from an older state: what was receipted beyond it is not here";
        let lost = Value::from(lost_mark(lost));
        let fields = vec![
            ("code", Value::from(NEW_EPOCH)),
            ("note", Value::from(note)),
            ("registry", map([("lost", lost), ("origin", Value::from(origin))])),
        ];
        self.stage_own(draft, Kind::LedgerIncident, fields)
    }

    /// Stages what operators agreed with: everybody can see who let the log go on. What is not accepted counts for
    /// nobody.
    fn stage_agreement(
        &mut self,
        draft: &mut Draft,
        mut agreement: Option<Agreement>,
        agreed: &[Vec<u8>],
    ) -> Result<(), OpenError> {
        let keys = self.ledger().key_set();
        let received_at = draft.received_at;
        for message in agreed {
            let checked = check(message, &keys);
            let said = said(&checked);
            self.stage(draft, Submission { message, via: Via::default(), checked })?;
            let Some(agreement) = agreement.as_mut() else { continue };
            let ends = draft.ends.last().map(|(_, ends)| ends.as_slice()).unwrap_or_default();
            for ((kid, body), pending) in said.iter().zip(ends) {
                if let (Some(body), End::Committed) = (body, &pending.end) {
                    agreement.take(body, kid, received_at);
                }
            }
        }
        self.stage_floods(draft)?;
        match agreement.filter(|agreement| !agreement.holds()) {
            None => Ok(()),
            Some(agreement) => Err(OpenError::NotAgreed {
                needed: agreement.needed(),
                found: agreement.found(),
                epoch: Box::new(agreement.epoch().clone()),
            }),
        }
    }
}

/// What the items of a verified submission say, and the key that signed each.
fn said<'a>(checked: &Checked<'a>) -> Vec<(Kid, Option<Body<'a>>)> {
    let Checked::Verified(verified) = checked else { return Vec::new() };
    let kid = verified.statement().kid;
    verified.items().iter().map(|item| (kid, item.body.as_ref().ok().cloned())).collect()
}

/// Beside the mark, before anything replaces it: it is the proof of what was promised.
fn keep_lost(config: &Config, epoch: u64, text: &str) -> Result<(), OpenError> {
    let path = config.mark.with_extension(format!("lost-in-epoch-{epoch}.note"));
    fs::write(&path, text).map_err(|source| OpenError::File { path, source })
}

impl Writer {
    /// Changes the ledger's key. The entry about it is signed by both; from its own commit on, the new key
    /// signs notes, receipts and own entries.
    ///
    /// Handles that were given out before still sign receipts with the old key: rotate with no server
    /// running.
    ///
    /// # Errors
    /// As for [`Writer::append`].
    pub fn rotate_key(&mut self, new: SigningKey, received_at: Micros) -> Result<(), AppendError> {
        let eras = self.ledger().eras()?;
        let key = PublicKey::of(&new);
        let registry = map([
            ("signature", bytes(&eras.sign_rotation(&new))),
            ("ledger_key", bytes(key.as_bytes())),
        ]);
        let fields = vec![("code", Value::from(KEY_ROTATED)), ("registry", registry)];
        self.guarded(|writer| {
            let mut draft = writer.begin(received_at)?;
            writer.stage_own(&mut draft, Kind::LedgerKeyRotated, fields)?;
            writer.reseal(Identity { key, ..writer.seal.identity().clone() }, new);
            writer.commit(draft).map(|_committed| ())
        })
    }
}
