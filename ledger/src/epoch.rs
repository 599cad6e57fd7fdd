//! What follows a loss or a change of keys: a new epoch after a rollback, a new key by rotation.

use std::collections::BTreeSet;
use std::fs;

use ed25519_dalek::SigningKey;
use schemas::body::Body;
use schemas::encode::{Value, bytes, map};
use schemas::era::{KEY_ROTATED, NEW_EPOCH};
use schemas::id::{Digest, Micros, sha256};
use schemas::key::PublicKey;
use schemas::kind::Kind;
use schemas::registry::Epoch;

use crate::append::{Submission, Via, Writer};
use crate::check::{Checked, KeySet, check};
use crate::error::{AppendError, OpenError};
use crate::open::{Config, Opened};
use crate::seal::{Identity, Marked};

/// Longest text of a lost mark that the entry about it repeats.
const LOST_BYTES_MAX: usize = 2048;

/// Opens a ledger whose store does not reach its mark, and goes on from what there is: under a new origin,
/// with an entry first that names what was lost. The lost mark is kept in a file beside the new one.
///
/// Where several operators have to agree to dangerous changes, they have to agree to this one: `agreed` are their
/// submissions, each a proposal of this very epoch, and become the entries behind the first.
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
        Marked::Absent | Marked::Forged => {}
    }
    let origin = opened.eras.successor(epoch);
    let lost = opened.mark.text()?;
    let proposed = Epoch {
        origin: origin.clone(),
        size: opened.size().0,
        lost: Digest(sha256(lost.as_deref().unwrap_or_default().as_bytes())),
    };
    opened.check_agreed(proposed, agreed, now)?;
    if let Some(text) = &lost {
        keep_lost(config, epoch, text)?;
    }
    let lost = lost.filter(|text| text.len() <= LOST_BYTES_MAX).unwrap_or("none".to_owned());
    let mut writer = opened.writer(key)?;
    writer.reseal(
        Identity { origin: origin.clone(), ..writer.seal.identity().clone() },
        writer.seal.key().clone(),
    );
    let note = "the log goes on from an older state: what was receipted beyond it is not here";
    let fields = vec![
        ("code", Value::from(NEW_EPOCH)),
        ("note", Value::from(note)),
        ("registry", map([("lost", Value::from(lost)), ("origin", Value::from(origin))])),
    ];
    // What the journal knows and this copy does not was about these entries, and about no later ones.
    let size = writer.fold.growth.size();
    writer.own_entry(Kind::LedgerIncident, fields, now)?;
    writer.take_agreed(agreed, now)?;
    writer.redact_restored(size)?;
    writer.erase_due(&writer.ledger())?;
    Ok(writer)
}

impl Opened {
    /// Whether as many operators as have to agree propose this epoch, each by a key that is valid now.
    fn check_agreed(&self, epoch: Epoch, agreed: &[Vec<u8>], now: Micros) -> Result<(), OpenError> {
        let registry = self.registry();
        let needed = registry.quorum();
        if needed == 1 {
            return Ok(());
        }
        let keys: KeySet = registry.public_keys().collect();
        let mut operators = BTreeSet::new();
        for message in agreed {
            let Checked::Verified(verified) = check(message, &keys) else { continue };
            let kid = verified.statement().kid;
            let tenant = verified.statement().tenant == *self.tenant();
            let bodies = verified.items().iter().filter_map(|item| item.body.as_ref().ok());
            let agrees = |body: &&Body<'_>| {
                tenant
                    && Epoch::proposed(body).as_ref() == Some(&epoch)
                    && registry.key(&kid).is_some_and(|record| record.signer == body.signer())
                    && registry.permits(body, &kid, now).is_ok()
            };
            operators.extend(bodies.filter(agrees).map(|body| body.signer().to_owned()));
        }
        let found = u64::try_from(operators.len()).unwrap_or(u64::MAX);
        if found >= needed {
            return Ok(());
        }
        Err(OpenError::NotAgreed { needed, found, epoch: Box::new(epoch) })
    }
}

impl Writer {
    /// Commits what operators agreed with: everybody can see who let the log go on.
    fn take_agreed(&mut self, agreed: &[Vec<u8>], now: Micros) -> Result<(), AppendError> {
        if agreed.is_empty() {
            return Ok(());
        }
        let keys = self.ledger().key_set();
        let batch = agreed.iter().map(|message| Submission {
            message,
            via: Via::default(),
            checked: check(message, &keys),
        });
        self.append(batch.collect(), now, &[]).map(|_committed| ())
    }
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
