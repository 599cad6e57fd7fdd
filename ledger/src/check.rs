//! The pure part of taking a submission in: bytes and keys go in, a verdict comes out. Runs on any
//! number of threads, before anything is known of the log.

use std::collections::HashMap;

use schemas::id::Kid;
use schemas::key::PublicKey;
use schemas::reject::Reject;
use schemas::submission::{self, Opened, Verified};

/// Keys under which statements may verify: whatever was ever enrolled. Whether a key is still valid is
/// admission's question.
#[derive(Clone, Default, Debug)]
pub struct KeySet {
    keys: HashMap<Kid, PublicKey>,
}

impl KeySet {
    /// The key with this id.
    #[must_use]
    pub fn get(&self, kid: &Kid) -> Option<&PublicKey> {
        self.keys.get(kid)
    }

    /// Number of keys.
    #[must_use]
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether there is no key.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }
}

impl FromIterator<PublicKey> for KeySet {
    fn from_iter<I: IntoIterator<Item = PublicKey>>(keys: I) -> Self {
        Self { keys: keys.into_iter().map(|key| (key.kid(), key)).collect() }
    }
}

/// What the bytes alone say of a submission.
#[derive(Debug)]
pub enum Checked<'a> {
    /// Signed by the key that it names.
    Verified(Verified<'a>),
    /// Its key is not known yet; an entry before it may enrol it.
    Undecided(Opened<'a>),
    /// Refused as a whole.
    Refused(Reject),
}

/// Takes a submission apart and checks its signature and every digest.
#[must_use]
pub fn check<'a>(message: &'a [u8], keys: &KeySet) -> Checked<'a> {
    let opened = match submission::open(message) {
        Ok(opened) => opened,
        Err(reject) => return Checked::Refused(reject),
    };
    match keys.get(&opened.statement().kid) {
        Some(key) => verified(opened, key),
        None => Checked::Undecided(opened),
    }
}

pub(crate) fn verified<'a>(opened: Opened<'a>, key: &PublicKey) -> Checked<'a> {
    match opened.verify(key) {
        Ok(verified) => Checked::Verified(verified),
        Err(reject) => Checked::Refused(reject),
    }
}
