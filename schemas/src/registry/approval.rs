//! Whether a human decided an approval: derived from who signed it, never from what it says of itself.

use super::PrincipalRecord;
use crate::body::Body;
use crate::kind::Role;

/// How far a human stands behind a decision.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum HumanMark {
    /// A person's own key signed it.
    Key,
    /// The API signed it for a person who had logged in.
    Oidc,
    /// Neither.
    No,
}

impl HumanMark {
    /// The mark of a decision by this principal, as it was registered then.
    #[must_use]
    pub fn of(body: &Body<'_>, signer: Option<&PrincipalRecord>) -> Self {
        let has = |role: Role| signer.is_some_and(|signer| signer.roles.contains(&role));
        if has(Role::Api) {
            let login = body.field("subject").is_some() && body.text("on_behalf_of").is_some();
            return if login { Self::Oidc } else { Self::No };
        }
        if has(Role::Human) && !has(Role::Service) { Self::Key } else { Self::No }
    }

    /// Its name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Key => "human:key",
            Self::Oidc => "human:oidc",
            Self::No => "human:no",
        }
    }

    /// Whether a human stands behind it.
    #[must_use]
    pub const fn is_human(self) -> bool {
        !matches!(self, Self::No)
    }
}
