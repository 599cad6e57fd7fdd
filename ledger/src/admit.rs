//! Admission: the impure half of a verdict, in log order, against the registry as of the entry before.

use schemas::body::Body;
use schemas::contract::Contract;
use schemas::id::{BodyDigest, Index, Micros, Tenant};
use schemas::kind::{Kind, Stream};
use schemas::registry::Registry;
use schemas::reject::{Reason, Reject};
use schemas::statement::Statement;

use crate::append::Via;
use crate::error::ReadError;

/// What becomes of one item.
pub(crate) enum Verdict {
    /// A leaf with status 0.
    Commit,
    /// It is in the log already.
    Duplicate(Index),
    /// A leaf with the reason.
    Reject(Reject),
}

/// What is known of everything before the item.
pub(crate) struct Admission<'r> {
    pub(crate) registry: &'r Registry,
    pub(crate) tenant: &'r Tenant,
    pub(crate) received_at: Micros,
}

impl Admission<'_> {
    /// A fault of the whole statement, whose signature is valid.
    pub(crate) fn statement_fault(
        &self,
        statement: &Statement<'_>,
        via: &Via<'_>,
    ) -> Option<Reject> {
        if statement.tenant != *self.tenant {
            let expected = format!("tenant {}", self.tenant);
            return Some(Reject::new(Reason::WrongTenant, "statement.protected.15.2", expected));
        }
        let token = statement.signer.token();
        if via.token.is_some_and(|subject| subject != token) {
            let expected = format!("the subject that ends in {token}");
            return Some(Reject::new(Reason::WrongSubject, "subject", expected));
        }
        None
    }

    /// The verdict on one item: signer, duplicate, key validity, role, disabled.
    pub(crate) fn judge(
        &self,
        statement: &Statement<'_>,
        via: &Via<'_>,
        body: &Body<'_>,
        digest: BodyDigest,
        seen: impl FnOnce() -> Result<Option<(Index, BodyDigest)>, ReadError>,
    ) -> Result<Verdict, ReadError> {
        if let Some(reject) = self.identity_fault(statement, via, body) {
            return Ok(Verdict::Reject(reject));
        }
        match seen()? {
            Some((index, before)) if before == digest => return Ok(Verdict::Duplicate(index)),
            Some((index, _)) => {
                let expected =
                    format!("an id that {} has not used; it is entry {index}", body.signer());
                return Ok(Verdict::Reject(Reject::new(Reason::IdConflict, "id", expected)));
            }
            None => {}
        }
        let permitted = self.registry.permits(body, &statement.kid, self.received_at);
        Ok(match permitted.and_then(|()| zones_are_known(body)) {
            Ok(()) => Verdict::Commit,
            Err(reject) => Verdict::Reject(reject),
        })
    }

    /// A fault in who signs for whom, to which tenant, on which stream.
    pub(crate) fn identity_fault(
        &self,
        statement: &Statement<'_>,
        via: &Via<'_>,
        body: &Body<'_>,
    ) -> Option<Reject> {
        if body.tenant() != self.tenant.as_str() {
            let expected = format!("tenant {}", self.tenant);
            return Some(Reject::new(Reason::WrongTenant, "tenant", expected));
        }
        let owner = self.registry.key(&statement.kid).map(|record| record.signer.as_str());
        let claimed = statement.signer.as_str();
        if body.signer() != claimed || owner.is_some_and(|owner| owner != claimed) {
            let expected = format!("one signer in body, claims and key: {claimed}");
            return Some(Reject::new(Reason::WrongSigner, "signer", expected));
        }
        let stream = body.kind().stream();
        let own = stream == Stream::Own && via.stream.is_some();
        if own || via.stream.is_some_and(|via| via != stream) {
            let expected = match stream {
                Stream::In => "a submission on the signer's in subject",
                Stream::Op => "a submission on the signer's op subject",
                Stream::Own => "a kind that is published, not one of the ledger's own",
            };
            return Some(Reject::new(Reason::WrongSubject, "kind", expected));
        }
        None
    }
}

/// A contract's zones are looked up here and never again, for other tz data than of this time may lack one.
fn zones_are_known(body: &Body<'_>) -> Result<(), Reject> {
    match body.field("registry").filter(|_| body.kind() == Kind::ContractRegistered) {
        Some(registry) => Contract::read(registry).map(drop),
        None => Ok(()),
    }
}
