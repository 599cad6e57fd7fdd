//! `grant_missing`: a hop of the principal chain rests on no grant that holds.

use super::{Flag, Rule, Sorts, View};

pub(super) static RULE: Rule = Rule::at_entry(
    "grant_missing",
    check,
    "A hop names no grant, or one that the ledger does not know as of this index, that \
     was taken back or has ended, itself or one up its chain. The agent acts without \
     recorded authority: find the delegator, and have the authority recorded before the \
     next action or the agent stopped.",
).about(Sorts::FAULTY);

fn check(view: &View<'_>) -> Option<Flag> {
    Flag::each(view.faults("grant_missing").filter_map(|fault| fault.detail()))
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
    fn a_grant_has_to_hold() {
        let mut world = granted(&json!({ "expires": "2026-04-08T04:00:00Z" }));
        assert_eq!(world.intent("a", &chain("human")), NONE);
        world.now = time("2026-04-08T04:00:00Z");
        assert_eq!(world.intent("a", &chain("human")), ["grant_missing expired"]);
        let mut world = granted(&json!({}));
        world.entry("delegation.revoked", "human", json!({ "grant": { "id": GRANT } }));
        assert_eq!(world.intent("a", &chain("human")), ["grant_missing revoked"]);
        let mut world = World::new();
        assert_eq!(world.intent("a", &chain("human")), ["grant_missing unknown"]);
        let mut unnamed = chain("human");
        unnamed["principals"][1].as_object_mut().unwrap().remove("grant_id");
        assert_eq!(world.intent("a", &unnamed), ["grant_missing unnamed"]);
    }
}
