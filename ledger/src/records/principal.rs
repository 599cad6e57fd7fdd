//! Rows of people and services.

use schemas::deterministic::Item;
use schemas::encode::Encoder;
use schemas::id::Index;
use schemas::kind::Role;
use schemas::registry::PrincipalRecord;

use super::{owned, text};

pub(super) fn encode(record: &PrincipalRecord) -> Vec<u8> {
    let mut row = Encoder::new();
    row.array(5).array(record.roles.len());
    for role in &record.roles {
        row.text(role.as_str());
    }
    text(&mut row, record.route.as_deref());
    row.bool(record.enabled).uint(record.registered.0).uint(record.changed.0);
    row.finish()
}

pub(super) fn decode(id: &str, fields: &[Item<'_>]) -> Option<PrincipalRecord> {
    let [roles, route, enabled, registered, changed] = <&[Item<'_>; 5]>::try_from(fields).ok()?;
    let roles = roles.array()?.iter().map(|role| Role::parse(role.text()?));
    Some(PrincipalRecord {
        id: id.to_owned(),
        roles: roles.collect::<Option<_>>()?,
        route: owned(route),
        enabled: enabled.bool()?,
        registered: Index(registered.uint()?),
        changed: Index(changed.uint()?),
    })
}
