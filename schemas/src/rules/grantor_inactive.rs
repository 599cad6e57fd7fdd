//! `grantor_inactive`: somebody up the principal chain has left or is stopped.

use super::{Flag, Rule, Sorts, View};

pub(super) static RULE: Rule = Rule::at_entry(
    "grantor_inactive",
    check,
    "A person who gave a grant of this chain was disabled, or an agent in it disabled, \
     suspended or retired, before this action. What they passed on ends with them. Have \
     someone who answers for the work grant it again, or end it.",
).about(Sorts::FAULTY);

fn check(view: &View<'_>) -> Option<Flag> {
    view.faults("grantor_inactive").next().map(|_| Flag::plain())
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
    fn grants_end_with_who_gave_them() {
        let mut world = granted(&json!({}));
        assert_eq!(world.intent("a", &chain("human")), NONE, "29");
        world.entry("principal.disabled", "op", json!({ "registry": { "id": "human" } }));
        assert_eq!(world.intent("a", &chain("human")), ["grantor_inactive"], "31");
    }
}
