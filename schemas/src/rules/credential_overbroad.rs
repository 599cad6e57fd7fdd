//! `credential_overbroad`: a credential opens more than the contract permits.

use super::{Flag, Rule, Sorts, View};
use crate::deterministic::Item;
use crate::grant::covers;
use crate::kind::Kind;

pub(super) static RULE: Rule = Rule::at_entry(
    "credential_overbroad",
    check,
    "The scopes of the credential, as registered or as told at its use, go beyond every \
     operation that the agent's contract permits. Whoever takes over the agent can do all \
     that the credential opens, whatever the contract says. Issue one with the contract's \
     scopes.",
).about(Sorts::USE.or(Sorts::CREDENTIAL)).by_contract();

fn check(view: &View<'_>) -> Option<Flag> {
    let contract = view.contract?;
    let is_registered = view.facts.kind == Kind::CredentialRegistered;
    if !view.uses_credential() && !is_registered {
        return None;
    }
    let permits = |scope: &str| contract.allowed.operations().any(|operation| covers(operation, scope));
    let told = view.facts.credential_told.and_then(|told| told.get("scopes")?.array());
    let mut told = told.unwrap_or_default().iter().filter_map(Item::text);
    let claims_more = told.any(|scope| !permits(scope));
    if is_registered {
        return claims_more.then(Flag::plain);
    }
    let holders = view.credential.map(|record| record.holders.as_slice()).unwrap_or_default();
    let own = holders.iter().filter(|holder| Some(holder.agent.as_str()) == view.facts.agent);
    let opens_more = own.flat_map(|holder| &holder.scopes).any(|scope| !permits(scope));
    (claims_more || opens_more).then(Flag::plain)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::rules::tests::testing::*;

    #[test]
    fn scopes_lie_within_the_permissions() {
        for (scopes, expected) in [
            (json!(["repo:*"]), vec!["credential_overbroad"]),
            (json!(["repo:read"]), vec![]),
            (json!(["repo:read", "repo:write"]), vec!["credential_overbroad"]),
        ] {
            let mut world = World::new();
            let agent = json!({
                "name": "a", "owner": "owner", "permissions": { "sys": ["repo:read", "do"] },
                "execution_mode": "autonomous",
            });
            world.contract("a", "owner", &json!({ "agent": agent }));
            let credential = json!({ "id": "c", "scopes": scopes });
            let registered = json!({ "agent": { "id": "a" }, "credential": credential });
            assert_eq!(world.entry("credential.registered", "op", registered), expected);
            assert_eq!(world.intent("a", &json!({ "credential": { "id": "c" } })), expected);
            let told = json!({ "credential": credential });
            assert_eq!(world.intent("a", &told), expected);
        }
    }
}
