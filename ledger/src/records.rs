//! How the registry's records stand in the store: one row each, in the order of their names.

mod agent;
mod chain;
mod contract;
mod credential;
mod freeze;
mod grant;
mod hold;
mod key;
mod policy;
mod principal;
mod proposal;

use schemas::deterministic::{Bounds, Item, decode};
use schemas::encode::Encoder;
use schemas::id::{Index, Micros};
use schemas::registry::Record;

pub(crate) use chain::{check, check_value};

use crate::keys;
use crate::store::{ColumnFamily, Row};

/// The row of a record.
pub(crate) fn row(record: &Record) -> Row {
    let (key, value) = match record {
        Record::Agent(record) => (keys::named(keys::AGENT, &record.id), agent::encode(record)),
        Record::Principal(record) => {
            (keys::named(keys::PRINCIPAL, &record.id), principal::encode(record))
        }
        Record::Key(record) => (keys::key(&record.key.kid()), key::encode(record)),
        Record::Hold(record) => (keys::ordered(keys::HOLD, record.placed), hold::encode(record)),
        Record::Credential(record) => {
            (keys::named(keys::CREDENTIAL, &record.id), credential::encode(record))
        }
        Record::Contract(record) => {
            (keys::named(keys::CONTRACT, &record.contract.agent), contract::encode(record))
        }
        Record::Grant(record) => {
            (keys::identified(keys::GRANT, &record.grant.id.0), grant::encode(record))
        }
        Record::Policy(record) => {
            (keys::identified(keys::POLICY, record.digest.as_bytes()), policy::encode(record))
        }
        Record::Proposal(record) => {
            (keys::identified(keys::PROPOSAL, &record.id.0), proposal::encode(record))
        }
        Record::Freeze(record) => {
            (keys::ordered(keys::FREEZE, record.frozen), freeze::encode(record))
        }
        Record::Quorum(needed) => (vec![keys::QUORUM], needed.to_be_bytes().to_vec()),
        Record::Rules(version) => (vec![keys::RULES], version.to_be_bytes().to_vec()),
    };
    Row::new(ColumnFamily::State, key, value)
}

/// The record of a row; `None` if it is damaged or another thing's.
pub(crate) fn record(key: &[u8], value: &[u8]) -> Option<Record> {
    let (prefix, name) = key.split_first()?;
    let number = || value.try_into().ok().map(u64::from_be_bytes);
    match *prefix {
        keys::QUORUM => return number().map(Record::Quorum),
        keys::RULES => return number().map(Record::Rules),
        _ => {}
    }
    let root = decode(value, Bounds::WIRE).ok()?;
    let fields = root.array()?;
    let text = || std::str::from_utf8(name).ok();
    Some(match *prefix {
        keys::AGENT => Record::Agent(Box::new(agent::decode(text()?, fields)?)),
        keys::PRINCIPAL => Record::Principal(principal::decode(text()?, fields)?),
        keys::HOLD => Record::Hold(hold::decode(keys::parse_index(name)?, fields)?),
        keys::KEY => Record::Key(Box::new(key::decode(fields)?)),
        keys::CREDENTIAL => Record::Credential(credential::decode(text()?, fields)?),
        keys::CONTRACT => Record::Contract(Box::new(contract::decode(fields)?)),
        keys::GRANT => Record::Grant(Box::new(grant::decode(fields)?)),
        keys::POLICY => Record::Policy(policy::decode(name, fields)?),
        keys::PROPOSAL => Record::Proposal(proposal::decode(name, fields)?),
        keys::FREEZE => Record::Freeze(freeze::decode(keys::parse_index(name)?, fields)?),
        _ => return None,
    })
}

/// A number, or null.
fn number(row: &mut Encoder, number: Option<u64>) {
    match number {
        Some(number) => row.uint(number),
        None => row.null(),
    };
}

/// A text, or null.
fn text(row: &mut Encoder, text: Option<&str>) {
    match text {
        Some(text) => row.text(text),
        None => row.null(),
    };
}

fn texts(row: &mut Encoder, texts: &[String]) {
    row.array(texts.len());
    for text in texts {
        row.text(text);
    }
}

fn index(item: &Item<'_>) -> Option<Index> {
    item.uint().map(Index)
}

fn time(item: &Item<'_>) -> Option<Micros> {
    item.uint().map(Micros)
}

fn owned(item: &Item<'_>) -> Option<String> {
    item.text().map(str::to_owned)
}

fn list(item: &Item<'_>) -> Option<Vec<String>> {
    item.array()?.iter().map(owned).collect()
}
