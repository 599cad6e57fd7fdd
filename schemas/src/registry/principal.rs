//! People and services.

use crate::id::Index;
use crate::kind::Role;

/// A registered person or service.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PrincipalRecord {
    /// Its id.
    pub id: String,
    /// What it may sign.
    pub roles: Vec<Role>,
    /// Where alerts for it go.
    pub route: Option<String>,
    /// False once it has left.
    pub enabled: bool,
    /// Entry that registered it.
    pub registered: Index,
    /// Entry that changed it last.
    pub changed: Index,
}
