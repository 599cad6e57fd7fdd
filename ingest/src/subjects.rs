//! Names on the broker.

use schemas::id::Tenant;
use schemas::kind::Stream;

/// Subjects and streams of one tenant.
///
/// ```text
/// sworn.v1.<tenant>.in.<token>        submissions of agents and services   stream SWORN_<tenant>_IN
/// sworn.v1.<tenant>.op.<token>        registry and control                 stream SWORN_<tenant>_OP
/// sworn.v1.<tenant>.receipt.<token>   replies                              no stream
/// sworn.v1.<tenant>.control           announcements                        no stream
/// sworn.v1.<tenant>.committed         the log, for machines that follow    stream SWORN_<tenant>_COMMITTED
/// ```
#[derive(Clone, Debug)]
pub(crate) struct Subjects {
    tenant: Tenant,
}

/// The word for a stream in subjects. Nothing listens to `own`: the ledger writes those itself.
const fn word(stream: Stream) -> (&'static str, &'static str) {
    match stream {
        Stream::In => ("in", "IN"),
        Stream::Op => ("op", "OP"),
        Stream::Own => ("own", "OWN"),
    }
}

impl Subjects {
    pub(crate) fn new(tenant: &Tenant) -> Self {
        Self { tenant: tenant.clone() }
    }

    pub(crate) fn stream_name(&self, stream: Stream) -> String {
        format!("SWORN_{}_{}", self.tenant, word(stream).1)
    }

    /// What the stream listens to.
    pub(crate) fn wildcard(&self, stream: Stream) -> String {
        self.submit(stream, "*")
    }

    pub(crate) fn submit(&self, stream: Stream, token: &str) -> String {
        format!("sworn.v1.{}.{}.{token}", self.tenant, word(stream).0)
    }

    pub(crate) fn receipt(&self, token: &str) -> String {
        format!("sworn.v1.{}.receipt.{token}", self.tenant)
    }

    pub(crate) fn committed(&self) -> String {
        format!("sworn.v1.{}.committed", self.tenant)
    }

    pub(crate) fn committed_name(&self) -> String {
        format!("SWORN_{}_COMMITTED", self.tenant)
    }

    pub(crate) fn control(&self) -> String {
        format!("sworn.v1.{}.control", self.tenant)
    }
}

/// Prefix of a publisher's inboxes, which no other may read.
pub(crate) fn inbox(token: &str) -> String {
    format!("_INBOX_{token}")
}

/// Last token of a subject, which names the signer.
pub(crate) fn token(subject: &str) -> &str {
    subject.rsplit_once('.').map_or(subject, |(_, token)| token)
}
