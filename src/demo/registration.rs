//! Everyone registered before the first event: by the operator, and contracts by their owners.

use schemas::id::hex;
use schemas::key::PublicKey;
use serde_json::{Value as Json, json};

use super::cast::{AGENTS, Agent, POLICIES, PRINCIPALS};
use super::event::digest;

/// The registrations that the operator signs, `key` giving each signer's public key.
pub(crate) fn by_operator<E>(key: impl Fn(&str) -> Result<PublicKey, E>) -> Result<Vec<Json>, E> {
    let mut events = Vec::new();
    for principal in PRINCIPALS {
        let registry = json!({ "id": principal.id, "roles": principal.roles });
        events.push(json!({ "kind": "principal.registered", "registry": registry }));
        events.push(enrolment(principal.id, &key(principal.id)?));
    }
    for agent in AGENTS {
        events.push(agent_entry(agent));
        events.push(enrolment(agent.id, &key(agent.id)?));
        events.push(credential_entry(agent));
    }
    for policy in POLICIES {
        let registry = json!({ "name": policy.name, "digest": digest(policy.text) });
        let detail = json!({ "text": policy.text });
        events.push(json!({ "kind": "policy.registered", "registry": registry, "detail": detail }));
    }
    Ok(events)
}

fn enrolment(signer: &str, key: &PublicKey) -> Json {
    let registry = json!({
        "signer": signer, "key": hex(key.as_bytes()), "kid": key.kid().to_string(),
    });
    json!({ "kind": "key.enrolled", "registry": registry })
}

fn agent_entry(agent: &Agent) -> Json {
    let contract = agent.contract();
    json!({
        "kind": "agent.registered",
        "agent": { "id": agent.id },
        "owner": contract.owner(),
        "registry": { "purpose": contract.purpose(), "execution_mode": "autonomous" },
    })
}

fn credential_entry(agent: &Agent) -> Json {
    let credential = json!({
        "id": agent.credential, "type": agent.credential_type, "scopes": agent.scopes,
    });
    json!({
        "kind": "credential.registered",
        "agent": { "id": agent.id },
        "credential": credential,
    })
}

/// The contracts that `owner` signs.
pub(crate) fn by_owner(owner: &str) -> Vec<Json> {
    let contracts = AGENTS.iter().map(|agent| (agent, agent.contract()));
    contracts
        .filter(|(_, contract)| contract.owner() == owner)
        .map(|(agent, contract)| {
            json!({
                "kind": "contract.registered",
                "agent": { "id": agent.id },
                "owner": owner,
                "registry": contract.registry(),
                "detail": { "yaml": contract.text() },
            })
        })
        .collect()
}
