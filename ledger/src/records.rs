//! How the registry's records stand in the store.

use schemas::deterministic::{Bounds, Item, decode};
use schemas::encode::Encoder;
use schemas::id::{EventId, Index, Micros};
use schemas::key::PublicKey;
use schemas::kind::Role;
use schemas::registry::{AgentRecord, AgentState, HoldRecord, KeyRecord, PrincipalRecord, Record};

use crate::keys;
use crate::store::{ColumnFamily, Row};

/// The row of a record.
pub(crate) fn row(record: &Record) -> Row {
    let (key, value) = match record {
        Record::Agent(agent) => (keys::named(keys::AGENT, &agent.id), agent_value(agent)),
        Record::Principal(principal) => {
            (keys::named(keys::PRINCIPAL, &principal.id), principal_value(principal))
        }
        Record::Hold(hold) => (keys::hold(hold.placed), hold_value(hold)),
        Record::Key(key) => (keys::key(&key.key.kid()), key_value(key)),
    };
    Row::new(ColumnFamily::State, key, value)
}

/// The record of a row; `None` if it is damaged or another thing's.
pub(crate) fn record(key: &[u8], value: &[u8]) -> Option<Record> {
    let (prefix, name) = key.split_first()?;
    let text = || std::str::from_utf8(name).ok();
    match *prefix {
        keys::AGENT => agent(text()?, value).map(Record::Agent),
        keys::PRINCIPAL => principal(text()?, value).map(Record::Principal),
        keys::HOLD => hold(name, value).map(Record::Hold),
        keys::KEY => self::key(value).map(|record| Record::Key(Box::new(record))),
        _ => None,
    }
}

fn agent_value(record: &AgentRecord) -> Vec<u8> {
    let mut value = Encoder::new();
    value.array(4).text(&record.owner).text(record.state.as_str());
    value.uint(record.registered.0).uint(record.changed.0);
    value.finish()
}

/// The record in a row.
pub(crate) fn agent(id: &str, value: &[u8]) -> Option<AgentRecord> {
    let root = decode(value, Bounds::WIRE).ok()?;
    let [owner, state, registered, changed] = <&[Item<'_>; 4]>::try_from(root.array()?).ok()?;
    Some(AgentRecord {
        id: id.to_owned(),
        owner: owner.text()?.to_owned(),
        state: AgentState::parse(state.text()?)?,
        registered: Index(registered.uint()?),
        changed: Index(changed.uint()?),
    })
}

fn principal_value(record: &PrincipalRecord) -> Vec<u8> {
    let mut value = Encoder::new();
    value.array(4).array(record.roles.len());
    for role in &record.roles {
        value.text(role.as_str());
    }
    value.bool(record.enabled).uint(record.registered.0).uint(record.changed.0);
    value.finish()
}

/// The record in a row.
pub(crate) fn principal(id: &str, value: &[u8]) -> Option<PrincipalRecord> {
    let root = decode(value, Bounds::WIRE).ok()?;
    let [roles, enabled, registered, changed] = <&[Item<'_>; 4]>::try_from(root.array()?).ok()?;
    let roles = roles.array()?.iter().map(|role| Role::parse(role.text()?));
    Some(PrincipalRecord {
        id: id.to_owned(),
        roles: roles.collect::<Option<_>>()?,
        enabled: enabled.bool()?,
        registered: Index(registered.uint()?),
        changed: Index(changed.uint()?),
    })
}

fn key_value(record: &KeyRecord) -> Vec<u8> {
    let mut value = Encoder::new();
    value.array(6).bytes(record.key.as_bytes()).text(&record.signer).uint(record.enrolled.0);
    let times = [record.not_before.map(|t| t.0), record.not_after.map(|t| t.0)];
    for number in [record.revoked.map(|index| index.0)].into_iter().chain(times) {
        match number {
            Some(number) => value.uint(number),
            None => value.null(),
        };
    }
    value.finish()
}

/// The record in a row.
pub(crate) fn key(value: &[u8]) -> Option<KeyRecord> {
    let root = decode(value, Bounds::WIRE).ok()?;
    let [key, signer, enrolled, revoked, not_before, not_after] =
        <&[Item<'_>; 6]>::try_from(root.array()?).ok()?;
    Some(KeyRecord {
        key: PublicKey::from_bytes(key.bytes()?).ok()?,
        signer: signer.text()?.to_owned(),
        enrolled: Index(enrolled.uint()?),
        revoked: revoked.uint().map(Index),
        not_before: not_before.uint().map(Micros),
        not_after: not_after.uint().map(Micros),
    })
}

fn hold_value(record: &HoldRecord) -> Vec<u8> {
    let mut value = Encoder::new();
    value.array(3).bytes(&record.id.0).text(&record.query);
    match record.lifted {
        Some(index) => value.uint(index.0),
        None => value.null(),
    };
    value.finish()
}

/// The record in a row.
pub(crate) fn hold(placed: &[u8], value: &[u8]) -> Option<HoldRecord> {
    let root = decode(value, Bounds::WIRE).ok()?;
    let [id, query, lifted] = <&[Item<'_>; 3]>::try_from(root.array()?).ok()?;
    let id = EventId::from_slice(id.bytes()?)?;
    HoldRecord::new(id, keys::parse_index(placed)?, lifted.uint().map(Index), query.text()?)
}
