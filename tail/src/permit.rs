//! What one reader may see, and until when. Whoever checks authority puts a [`Permit`] into the request's
//! extensions; a request without one may see everything, for as long as it likes.

use std::fmt;
use std::sync::Arc;

use schemas::terms::Term;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// Whether an entry with these terms may be seen. Asked for each entry that fits the query, again and
/// again, by many threads: it must be quick, and must not block.
pub type Allows = Arc<dyn Fn(&[Term<'_>]) -> bool + Send + Sync>;

/// One reader's authority.
///
/// ```
/// use std::sync::Arc;
/// use tail::Permit;
///
/// let own = |terms: &[schemas::terms::Term<'_>]| terms.iter().any(|term| term.value == "pay-bot");
/// let permit = Permit { reader: Some("pay-dashboard".into()), allows: Some(Arc::new(own)), ..Permit::default() };
/// // What a layer in front of the route does for each request:
/// let mut request = axum::http::Request::new(axum::body::Body::empty());
/// request.extensions_mut().insert(permit);
/// ```
#[derive(Clone, Default)]
pub struct Permit {
    /// Who reads, as its open tails are counted; `None` is anybody, and only all tails are counted.
    pub reader: Option<Arc<str>>,
    /// When it ends; the stream then says `bye` with `expiry`.
    pub until: Option<Instant>,
    /// Takes it back; the stream then says `bye` with `revoked`.
    pub revoked: CancellationToken,
    /// Which entries; `None` is all. What it does not allow is passed over as if it did not fit.
    pub allows: Option<Allows>,
}

impl Permit {
    /// Why it holds no longer, as the `bye` says; `None` while it does.
    pub(crate) fn ended(&self) -> Option<&'static str> {
        if self.revoked.is_cancelled() {
            return Some("revoked");
        }
        self.until.filter(|until| *until <= Instant::now()).map(|_passed| "expiry")
    }
}

impl fmt::Debug for Permit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Permit")
            .field("reader", &self.reader)
            .field("until", &self.until)
            .field("revoked", &self.revoked.is_cancelled())
            .field("all", &self.allows.is_none())
            .finish()
    }
}
