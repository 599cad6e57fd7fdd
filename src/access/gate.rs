//! The gate: who is known at this moment. Files of tokens and keys are read again within a second of their change.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use schemas::id::{Digest, Tenant};
use schemas::limits::ACCESS_RELOAD_MS;
use tokio_util::sync::CancellationToken;

use super::identity::Identity;
use super::jwks::{self, JwksError, Key};
use super::oidc::Oidc;
use super::rows::Row;
use super::token::Token;
use super::tokens::{Tokens, TokensError};
use crate::clock::Clock;
use crate::stamp::Stamp;

/// Why nobody can be let in.
#[derive(Debug, thiserror::Error)]
pub(crate) enum GateError {
    /// The file of tokens.
    #[error(transparent)]
    Tokens(#[from] TokensError),
    /// The issuer's keys cannot be read.
    #[error("{path}: {source}", path = path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// They are none.
    #[error("{path}: {source}", path = path.display())]
    Keys {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: JwksError,
    },
}

/// Tells who bears a token.
#[derive(Debug)]
pub(crate) struct Gate {
    tenant: Tenant,
    tokens: Tokens,
    oidc: Option<Oidc>,
    clock: Clock,
    known: RwLock<Arc<Known>>,
}

/// Everybody who may come in.
#[derive(Default, Debug)]
struct Known {
    tokens: HashMap<Digest, (Row, Identity)>,
    /// The issuer's keys, if there is one.
    keys: Option<Arc<Keys>>,
    /// Of the files that this was read from; without them it is read again.
    stamps: Option<Stamps>,
    /// Why nobody is known, as it was logged.
    fault: Option<String>,
}

/// The keys of an issuer, and the text of the file that says them.
#[derive(Debug)]
struct Keys {
    text: Vec<u8>,
    keys: Vec<Key>,
    /// Cancelled when the keys change: whoever came in by the old ones asks again.
    revoked: CancellationToken,
}

/// Of the tokens and of the issuer's keys.
type Stamps = (Option<Stamp>, Option<Stamp>);

impl Known {
    fn keys(&self) -> &[Key] {
        self.keys.as_ref().map(|keys| keys.keys.as_slice()).unwrap_or_default()
    }
}

impl Gate {
    /// A gate that knows who may come in.
    ///
    /// # Errors
    /// [`GateError`].
    pub(crate) fn open(
        tenant: Tenant,
        tokens: Tokens,
        oidc: Option<Oidc>,
        clock: Clock,
    ) -> Result<Self, GateError> {
        let gate = Self { tenant, tokens, oidc, clock, known: RwLock::default() };
        let known = gate.read(&Known::default())?;
        if known.tokens.is_empty() && known.keys().is_empty() {
            tracing::warn!("nobody can be let in yet: sworn token create NAME --role ROLE");
        }
        gate.replace(known);
        Ok(gate)
    }

    /// Who bears this; what is unknown, expired, revoked, another tenant's or forged is `None` alike.
    pub(crate) fn identify(&self, bearer: &str) -> Option<Identity> {
        let (known, now) = (self.known(), self.clock.now());
        let identity = match (Token::parse(bearer), &self.oidc) {
            (Some(token), _) => known.tokens.get(&token.digest()).map(|(_, who)| who.clone()),
            (None, Some(oidc)) => {
                let Keys { keys, revoked, .. } = known.keys.as_deref()?;
                oidc.identify(bearer, keys, &self.tenant, now, revoked)
            }
            (None, None) => None,
        };
        identity.filter(|identity| now < identity.expires && !identity.revoked.is_cancelled())
    }

    /// Looks at the files again and again, until `shutdown`.
    pub(crate) async fn watch(self: Arc<Self>, shutdown: CancellationToken) {
        let mut pace = tokio::time::interval(Duration::from_millis(ACCESS_RELOAD_MS));
        loop {
            tokio::select! {
                () = shutdown.cancelled() => return,
                _ = pace.tick() => {}
            }
            let gate = Arc::clone(&self);
            // Two `stat`s, but of a disk that may hang.
            if let Err(error) = tokio::task::spawn_blocking(move || gate.refresh()).await {
                tracing::error!(%error, "who may come in is not looked at any more");
            }
        }
    }

    /// Takes over what changed. Where that cannot be read, nobody is let in until it can.
    pub(crate) fn refresh(&self) {
        let before = self.known();
        let stamps = self.stamps().ok();
        if stamps.is_some() && stamps == before.stamps {
            return;
        }
        match self.read(&before) {
            Ok(known) => {
                tracing::info!(
                    tokens = known.tokens.len(),
                    keys = known.keys().len(),
                    "who may come in has changed"
                );
                self.replace(known);
            }
            Err(error) => {
                let fault = Some(error.to_string());
                if before.fault != fault {
                    tracing::error!(%error, "nobody is let in until this can be read");
                    self.replace(Known { fault, ..Known::default() });
                }
            }
        }
    }

    fn read(&self, before: &Known) -> Result<Known, GateError> {
        // Before the content: what changes in between is read again.
        let stamps = self.stamps()?;
        let mut tokens = HashMap::new();
        for row in self.tokens.read()?.into_iter().filter(|row| row.tenant == self.tenant) {
            let same = before.tokens.get(&row.hash).filter(|(known, _)| *known == row);
            let identity = same.map_or_else(|| identity(&row), |(_, identity)| identity.clone());
            tokens.insert(row.hash, (row, identity));
        }
        let keys = self.keys(before)?;
        Ok(Known { tokens, keys, stamps: Some(stamps), fault: None })
    }

    /// The issuer's keys. The same as before, if the file says the same, whoever wrote or touched it since.
    fn keys(&self, before: &Known) -> Result<Option<Arc<Keys>>, GateError> {
        let Some(oidc) = &self.oidc else { return Ok(None) };
        let path = oidc.keys.clone();
        let text = match std::fs::read(&path) {
            Ok(text) => text,
            Err(source) => return Err(GateError::File { path, source }),
        };
        if let Some(same) = before.keys.as_ref().filter(|keys| keys.text == text) {
            return Ok(Some(Arc::clone(same)));
        }
        match jwks::read(&text, &oidc.algorithms) {
            Ok(keys) => Ok(Some(Arc::new(Keys { text, keys, revoked: CancellationToken::new() }))),
            Err(source) => Err(GateError::Keys { path, source }),
        }
    }

    fn stamps(&self) -> Result<Stamps, GateError> {
        let keys = match &self.oidc {
            Some(Oidc { keys: path, .. }) => {
                Stamp::of(path).map_err(|source| GateError::File { path: path.clone(), source })?
            }
            None => None,
        };
        Ok((self.tokens.stamp()?, keys))
    }

    fn known(&self) -> Arc<Known> {
        Arc::clone(&self.known.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Whoever is not known any more, or not as the same, is told so.
    fn replace(&self, known: Known) {
        let known = Arc::new(known);
        let before = {
            let mut place = self.known.write().unwrap_or_else(PoisonError::into_inner);
            std::mem::replace(&mut *place, Arc::clone(&known))
        };
        for (hash, (row, identity)) in &before.tokens {
            if known.tokens.get(hash).is_none_or(|(other, _)| other != row) {
                identity.revoked.cancel();
            }
        }
        let kept = known.keys.as_ref().map(Arc::as_ptr);
        if let Some(keys) = &before.keys
            && kept != Some(Arc::as_ptr(keys))
        {
            keys.revoked.cancel();
        }
    }
}

fn identity(row: &Row) -> Identity {
    let scope = row
        .scope
        .as_deref()
        .map(|scope| Row::condition(scope).expect("rows are read with a scope that is one"));
    Identity {
        name: Arc::from(row.name.as_str()),
        roles: vec![row.role],
        scope: scope.map(Arc::new),
        expires: row.expires,
        revoked: CancellationToken::new(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use std::fs;
    use std::io::Write as _;
    use std::os::unix::fs::PermissionsExt as _;

    use schemas::access::Role;
    use schemas::id::Micros;

    use super::*;

    #[test]
    fn a_file_that_others_could_read_is_tried_again_until_they_cannot() {
        let directory = tempfile::tempdir().unwrap();
        let tokens = Tokens::below(directory.path());
        let (token, tenant) = (Token::generate(), Tenant::parse("acme").unwrap());
        let row = Row {
            name: "one".to_owned(),
            hash: token.digest(),
            role: Role::Auditor,
            tenant: tenant.clone(),
            scope: None,
            created: Micros(0),
            expires: Micros(u64::MAX >> 12),
        };
        tokens.add(row).unwrap();
        let gate = Gate::open(tenant, tokens, None, Clock::system()).unwrap();
        let bearer = token.text().to_string();
        let is_known = || {
            gate.refresh();
            gate.identify(&bearer).is_some()
        };
        assert!(is_known());
        let path = directory.path().join("access/tokens.toml");
        let set = |mode| fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        // Longer, so that this is seen however coarsely the file system counts time.
        fs::OpenOptions::new().append(true).open(&path).unwrap().write_all(b"\n").unwrap();
        set(0o644);
        assert!(!is_known());
        assert!(!is_known());
        set(0o600);
        assert!(is_known());
    }
}
