//! Somebody who was let in.

use std::sync::Arc;

use schemas::access::{Right, Role};
use schemas::id::Micros;
use schemas::query::Expr;
use tokio_util::sync::CancellationToken;

/// Who it is, what it may, and until when.
#[derive(Clone, Debug)]
pub(crate) struct Identity {
    /// As reads are recorded: a token's name, or `oidc:` and the subject.
    pub(crate) name: Arc<str>,
    /// What it is.
    pub(crate) roles: Vec<Role>,
    /// The condition that everything it sees must fit.
    pub(crate) scope: Option<Arc<Expr>>,
    /// When that ends.
    pub(crate) expires: Micros,
    /// Cancelled when it is taken back before.
    pub(crate) revoked: CancellationToken,
}

impl Identity {
    /// Whether one of its roles holds the right.
    pub(crate) fn may(&self, right: Right) -> bool {
        self.roles.iter().any(|role| role.may(right)) || right == Right::Public
    }
}
