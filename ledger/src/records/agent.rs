//! Rows of agents.

use schemas::contract::ExecutionMode;
use schemas::deterministic::Item;
use schemas::encode::Encoder;
use schemas::id::{Digest, Index};
use schemas::mark::mark;
use schemas::registry::{AgentRecord, AgentState, Profile};

use super::{list, owned, text, texts};

pub(super) fn encode(record: &AgentRecord) -> Vec<u8> {
    let profile = &record.profile;
    let mut row = Encoder::new();
    row.array(11).text(&record.owner).text(record.state.as_str());
    row.uint(record.registered.0).uint(record.owned.0).uint(record.changed.0);
    text(&mut row, profile.purpose.as_deref());
    text(&mut row, profile.mode.map(ExecutionMode::as_str));
    match &profile.build {
        Some(build) => row.bytes(build.as_bytes()),
        None => row.null(),
    };
    text(&mut row, profile.environment.as_deref());
    texts(&mut row, &profile.addresses);
    texts(&mut row, &profile.external);
    row.finish()
}

pub(super) fn decode(id: &str, fields: &[Item<'_>]) -> Option<AgentRecord> {
    let [
        owner,
        state,
        registered,
        since,
        changed,
        purpose,
        mode,
        build,
        environment,
        addresses,
        external,
    ] = <&[Item<'_>; 11]>::try_from(fields).ok()?;
    Some(AgentRecord {
        id: id.to_owned(),
        mark: mark(id),
        owner: owned(owner)?,
        state: AgentState::parse(state.text()?)?,
        registered: Index(registered.uint()?),
        owned: Index(since.uint()?),
        changed: Index(changed.uint()?),
        profile: Profile {
            purpose: owned(purpose),
            mode: mode.text().and_then(ExecutionMode::parse),
            build: build.bytes().and_then(Digest::from_slice),
            environment: owned(environment),
            addresses: list(addresses)?,
            external: list(external)?,
        },
    })
}
