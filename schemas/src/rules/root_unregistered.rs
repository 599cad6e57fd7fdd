//! `root_unregistered`: the first hop of the principal chain is nobody who is registered.

use super::{Flag, Rule, Sorts, View};

pub(super) static RULE: Rule = Rule::at_entry(
    "root_unregistered",
    check,
    "The chain begins with a person, service or agent that the registry does not know, so \
     nobody can be asked. Register who it is, or find out who made the name up.",
).about(Sorts::FAULTY);

fn check(view: &View<'_>) -> Option<Flag> {
    view.faults("root_unregistered").next().map(|_| Flag::plain())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::rules::tests::testing::*;

    const GRANT: &str = "019d6b2c-ee80-7001-8002-030405060708";

    fn chain(first: &str) -> serde_json::Value {
        json!({ "principals": [
            { "type": "human", "id": first, "evidence": "09".repeat(32) },
            { "type": "agent", "id": "a", "grant_id": GRANT },
        ] })
    }

    fn granted(more: &serde_json::Value) -> World {
        let mut world = World::new();
        let grant = with(json!({ "id": GRANT, "to": "a" }), more);
        assert_eq!(world.entry("delegation.granted", "human", json!({ "grant": grant })), NONE);
        world
    }

    #[test]
    fn who_begins_a_chain_is_known() {
        let mut world = granted(&json!({}));
        assert_eq!(world.intent("a", &chain("human")), NONE);
        let unknown = world.intent("a", &chain("stranger"));
        assert_eq!(unknown, ["principal_mismatch", "root_unregistered"]);
    }
}
