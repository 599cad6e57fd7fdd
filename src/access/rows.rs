//! What is kept of a token: whose it is and what for; of its secret only the hash.

use schemas::access::Role;
use schemas::id::{Digest, Micros, Tenant};
use schemas::query::{Expr, Query};
use schemas::shape::time_json;

use crate::clock;

/// Longest name of a token.
const NAME_BYTES_MAX: usize = 63;
/// What a row may say.
const FIELDS: [&str; 7] = ["name", "hash", "role", "tenant", "scope", "created", "expires"];

/// One token.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Row {
    /// Its name, under which reads are recorded.
    pub(crate) name: String,
    /// SHA-256 of its bits.
    pub(crate) hash: Digest,
    /// What its bearer is.
    pub(crate) role: Role,
    /// Whose ledger it is for.
    pub(crate) tenant: Tenant,
    /// The query that bounds what its bearer sees.
    pub(crate) scope: Option<String>,
    /// When it was made.
    pub(crate) created: Micros,
    /// When it ends.
    pub(crate) expires: Micros,
}

/// Which field of a row is wrong, and what belongs there.
pub(crate) type Fault = (&'static str, &'static str);

impl Row {
    /// Whether the name is one: letters, digits, `.`, `_` and `-`.
    pub(crate) fn is_name(text: &str) -> bool {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
        (1..=NAME_BYTES_MAX).contains(&text.len()) && text.bytes().all(allowed)
    }

    /// A scope's condition; `None` where the text is no query, or has a window, which would move with the clock.
    pub(crate) fn condition(scope: &str) -> Option<Expr> {
        let Query { expr, since, until, after, on } = Query::parse(scope).ok()?;
        let bounded = since.is_some() || until.is_some() || after.is_some() || on.is_some();
        let empty = scope.trim().is_empty();
        (!bounded && !empty).then_some(expr)
    }

    pub(super) fn read(table: &toml::Table) -> Result<Self, Fault> {
        if table.keys().any(|key| !FIELDS.contains(&key.as_str())) {
            let expected = "one of name, hash, role, tenant, scope, created and expires";
            return Err(("each line", expected));
        }
        let text = |field| table.get(field).and_then(toml::Value::as_str);
        let time = |field| text(field).and_then(clock::parse);
        let expected = "1 to 63 of a-z, A-Z, 0-9, ., - and _";
        let name = text("name").filter(|name| Self::is_name(name)).ok_or(("name", expected))?;
        let scope = match table.get("scope") {
            None => None,
            Some(scope) => {
                let scope = scope.as_str().filter(|scope| Self::condition(scope).is_some());
                Some(scope.ok_or(("scope", "a query without a window"))?.to_owned())
            }
        };
        Ok(Self {
            name: name.to_owned(),
            hash: text("hash").and_then(Digest::from_hex).ok_or(("hash", "64 hex digits"))?,
            role: text("role")
                .and_then(Role::parse)
                .ok_or(("role", "publisher, auditor, responder or operator"))?,
            tenant: text("tenant").and_then(Tenant::parse).ok_or(("tenant", "[a-z0-9-]{1,63}"))?,
            scope,
            created: time("created").ok_or(("created", "a time"))?,
            expires: time("expires").ok_or(("expires", "a time"))?,
        })
    }

    pub(super) fn to_toml(&self) -> toml::Table {
        let time = |time: Micros| time_json(time).as_str().unwrap_or_default().to_owned();
        let mut table = toml::Table::new();
        let mut put = |field: &str, text: String| table.insert(field.to_owned(), text.into());
        put("name", self.name.clone());
        put("hash", self.hash.to_string());
        put("role", self.role.as_str().to_owned());
        put("tenant", self.tenant.as_str().to_owned());
        if let Some(scope) = &self.scope {
            put("scope", scope.clone());
        }
        put("created", time(self.created));
        put("expires", time(self.expires));
        table
    }
}
