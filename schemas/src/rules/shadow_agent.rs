//! `shadow_agent`: a witness names an agent that nobody registered.

use super::{Flag, Rule, Sorts, View};
use crate::kind::Kind;

pub(super) static RULE: Rule = Rule::at_entry(
    "shadow_agent",
    check,
    "A service saw an agent at work whose name, address or external id is not in the \
     registry. Somebody runs agents outside of it. Find out who by the credential and the \
     target; register the agent with an owner and a contract, or have it stopped.",
).about(Sorts::WITNESS);

fn check(view: &View<'_>) -> Option<Flag> {
    let seen = view.facts.agent.is_some() && view.facts.kind == Kind::WitnessObserved;
    (seen && !view.facts.is_known).then(Flag::plain)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::rules::tests::testing::*;

    #[test]
    fn strangers_are_told_and_other_names_are_known() {
        let mut world = World::new();
        assert_eq!(world.witness("a", "r", &json!({})), NONE);
        let found = world.witness("agent-x", "s", &json!({}));
        assert_eq!(found, ["out_of_contract none", "shadow_agent", "unregistered_credential unknown"]);
        let names = json!({ "agent": { "id": "a" }, "registry": { "external": ["entra:7"] } });
        world.entry("agent.updated", "op", names);
        let known = json!({ "credential": { "id": "cred-a" } });
        assert_eq!(world.witness("entra:7", "t", &known), NONE);
    }
}
