//! `self_approval`: who approved is the agent that acts, or one of its chain.

use super::{Flag, Rule, Sorts, View};
use super::engine::is_self;
use crate::kind::Kind;

pub(super) static RULE: Rule = Rule::at_entry(
    "self_approval",
    check,
    "An approval was given by the agent that it allows to act, or by an agent that \
     delegated to it. It counts for nothing. Take the approver's role from whoever is an \
     agent, and have a person who is not in the chain decide again.",
).about(Sorts::MEANT);

fn check(view: &View<'_>) -> Option<Flag> {
    let allows = view.facts.kind == Kind::ApprovalDecided
        && view.body.text("approval.decision") == Some("allow");
    let mut intents = view.memory.intents.iter().filter(|_| allows);
    let (id, _) = intents.find(|(_, intent)| is_self(view, intent))?;
    Some(Flag::plain().citing(*id))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::rules::tests::testing::*;

    #[test]
    fn an_agent_allows_itself_nothing() {
        let mut world = World::new();
        world.intent("a", &json!({ "mode": "approval" }));
        let intent = world.id.clone();
        assert_eq!(world.decide("a", &intent, "allow", None), ["self_approval"]);
        assert_eq!(world.found[0].causes[1].to_string(), intent);
        assert_eq!(world.outcome("a", &intent, &json!({})), ["approval_missing"]);
        assert_eq!(world.decide("human", &intent, "allow", None), NONE, "another human");
        assert_eq!(world.decide("a", &intent, "deny", None), NONE, "it may stop itself");
    }

    #[test]
    fn nor_where_another_agent_has_its_id_as_a_name() {
        let mut world = World::new();
        let names = json!({ "agent": { "id": "b" }, "registry": { "external": ["a"] } });
        assert_eq!(world.entry("agent.updated", "op", names), NONE);
        world.intent("a", &json!({ "mode": "approval" }));
        let intent = world.id.clone();
        assert_eq!(world.decide("a", &intent, "allow", None), ["self_approval"]);
    }

    #[test]
    fn nor_does_one_up_its_chain() {
        let mut world = World::new();
        let grant = "019d6b2c-ee80-7001-8002-030405060708";
        world.entry("delegation.granted", "b", json!({ "grant": { "id": grant, "to": "a" } }));
        let chain = json!([
            { "type": "agent", "id": "b" }, { "type": "agent", "id": "a", "grant_id": grant },
        ]);
        assert_eq!(world.intent("a", &json!({ "principals": chain })), NONE);
        let intent = world.id.clone();
        assert_eq!(world.decide("b", &intent, "allow", None), ["self_approval"]);
    }
}
