//! `intent_unproven`: the first hop is human, and nothing proves what he wanted.

use super::{Flag, Rule, Sorts, View};

pub(super) static RULE: Rule = Rule::at_entry(
    "intent_unproven",
    check,
    "The chain begins with a person and carries no digest of what that person asked for: \
     a ticket, a message, a signed request. The trust placed in the agent is no evidence \
     of a human's intent. Have the runtime attach the digest of the request.",
).about(Sorts::FAULTY);

fn check(view: &View<'_>) -> Option<Flag> {
    view.faults("intent_unproven").next().map(|_| Flag::plain())
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
    fn evidence_stands_beside_the_human() {
        let mut world = granted(&json!({}));
        assert_eq!(world.intent("a", &chain("human")), NONE);
        let mut bare = chain("human");
        bare["principals"][0].as_object_mut().unwrap().remove("evidence");
        assert_eq!(world.intent("a", &bare), ["intent_unproven"]);
        for kind in ["service", "organization", "workflow", "policy", "agent"] {
            bare["principals"][0]["type"] = json!(kind);
            assert_eq!(world.intent("a", &bare), ["intent_unproven"], "called {kind}");
        }
    }
}
