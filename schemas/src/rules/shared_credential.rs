//! `shared_credential`: a credential is registered to, or was witnessed with, two agents.

use super::{Flag, Rule, Sorts, View};
use crate::kind::Kind;

pub(super) static RULE: Rule = Rule::at_entry(
    "shared_credential",
    check,
    "One credential works for two agents, so that what it opened cannot be told to be \
     either's. The finding names the other one. A mere claim is not counted here: it is \
     an unregistered_credential. Issue one to each, and revoke this one.",
).about(Sorts::WITNESS.or(Sorts::CREDENTIAL));

fn check(view: &View<'_>) -> Option<Flag> {
    let agent = view.facts.agent?;
    let credential = match view.facts.kind {
        Kind::WitnessObserved => view.facts.credential?,
        Kind::CredentialRegistered => view.body.text("credential.id")?,
        _ => return None,
    };
    let record = view.registry.credential(credential);
    let other = record.and_then(|record| record.in_force().find(|holder| holder.agent != agent));
    // It may have been seen under another name, before that was known to be one of this agent.
    let id = |met| view.registry.known(met).map_or(met, |known| known.id.as_str());
    let met = view.memory.met.as_deref().map(id).filter(|met| *met != agent);
    other.map(|holder| holder.agent.as_str()).or(met).map(Flag::named)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::rules::tests::testing::*;

    #[test]
    fn registered_to_one_and_seen_with_another() {
        let mut world = World::new();
        let of_a = json!({ "credential": { "id": "cred-a" } });
        assert_eq!(world.witness("b", "r", &of_a), ["shared_credential a"]);
        assert_eq!(world.intent("b", &of_a), ["unregistered_credential another"], "a claim only");
        let registered = json!({ "agent": { "id": "b" }, "credential": { "id": "cred-a" } });
        assert_eq!(world.entry("credential.registered", "op", registered), ["shared_credential a"]);
    }

    #[test]
    fn an_agent_shares_nothing_with_itself_by_another_name() {
        let mut world = World::new();
        let unknown = json!({ "credential": { "id": "c" } });
        world.witness("entra:7", "r", &unknown);
        let names = json!({ "agent": { "id": "a" }, "registry": { "external": ["entra:7"] } });
        assert_eq!(world.entry("agent.updated", "op", names), NONE);
        let seen = world.witness("entra:7", "s", &unknown);
        assert_eq!(seen, ["unregistered_credential unknown"]);
        let registered = json!({ "agent": { "id": "a" }, "credential": { "id": "c" } });
        assert_eq!(world.entry("credential.registered", "op", registered), NONE);
    }

    #[test]
    fn registered_to_nobody_and_seen_with_two() {
        let mut world = World::new();
        let unknown = json!({ "credential": { "id": "c" } });
        assert_eq!(world.witness("a", "r", &unknown), ["unregistered_credential unknown"]);
        assert_eq!(world.witness("a", "s", &unknown), ["unregistered_credential unknown"]);
        let found = world.witness("b", "t", &unknown);
        assert_eq!(found, ["shared_credential a", "unregistered_credential unknown"]);
        for (agent, expected) in [("b", vec!["shared_credential a"]), ("a", vec![])] {
            let mut world = World::new();
            world.witness("a", "r", &unknown);
            let registered = json!({ "agent": { "id": agent }, "credential": { "id": "c" } });
            assert_eq!(world.entry("credential.registered", "op", registered), expected, "{agent}");
        }
    }
}
