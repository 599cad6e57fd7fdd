//! `approval_missing`: something ran that somebody had to allow, and nobody had.

use super::{Flag, Rule, Sorts, View};

pub(super) static RULE: Rule = Rule::at_entry(
    "approval_missing",
    check,
    "The contract's mode is approval, or it lists the action under approval_required, or \
     the intent asked for approval; an outcome or a witness tells that it ran, and no \
     approval that still held came before. Ask the agent's owner why the runtime \
     dispatched it without waiting; if an approval was given elsewhere, have it recorded \
     where the ledger sees it.",
).about(Sorts::EXECUTION);

fn check(view: &View<'_>) -> Option<Flag> {
    let ran = view.facts.is_execution() && view.is_fresh() && view.needs_approval();
    let allowed = view.intent().is_some_and(|intent| intent.allowed > view.facts.at);
    (ran && !allowed).then(Flag::plain)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::rules::tests::testing::*;

    #[test]
    fn an_allow_has_to_come_before_and_to_hold_still() {
        let approval = json!({ "approval_required": ["do"] });
        for (decision, expires, expected) in [
            (None, None, vec!["approval_missing"]),
            (Some("allow"), None, vec![]),
            (Some("allow"), Some("2026-04-08T03:30:00Z"), vec![]),
            (Some("allow"), Some("2026-04-08T03:01:00Z"), vec!["approval_missing"]),
            (Some("deny"), None, vec!["approval_missing", "ran_after_deny"]),
        ] {
            let mut world = World::new();
            world.contract("a", "owner", &approval);
            world.intent("a", &json!({}));
            let intent = world.id.clone();
            if let Some(decision) = decision {
                assert_eq!(world.decide("human", &intent, decision, expires), NONE);
            }
            world.now = time("2026-04-08T03:02:00Z");
            assert_eq!(world.outcome("a", &intent, &json!({})), expected);
        }
    }

    #[test]
    fn the_mode_of_contract_or_intent_asks_for_it_and_failures_are_none() {
        let mut world = World::new();
        world.intent("a", &json!({ "mode": "approval" }));
        let intent = world.id.clone();
        let failed = json!({ "outcome": { "status": "failed" }, "output": null });
        assert_eq!(world.outcome("a", &intent, &failed), NONE);
        assert_eq!(world.outcome("a", &intent, &json!({})), ["approval_missing"]);
        assert_eq!(world.witness("a", "r", &json!({ "causes": [intent] })), NONE, "told once");
        let mut agent = json!({ "name": "a", "owner": "owner", "permissions": { "sys": ["*"] } });
        agent["execution_mode"] = json!("approval");
        world.contract("a", "owner", &json!({ "agent": agent }));
        assert_eq!(world.witness("a", "s", &json!({})), ["approval_missing"], "without an intent too");
    }

    #[test]
    fn a_request_that_calls_itself_by_its_intents_id_says_when_the_approval_ends() {
        let mut world = World::new();
        world.intent("a", &json!({ "mode": "approval" }));
        let intent = world.id.clone();
        let asked = json!({
            "correlation": "w", "causes": [intent],
            "approval": { "request": intent, "expires": "2026-04-08T03:10:00Z" },
        });
        assert_eq!(world.entry("approval.requested", "a", asked), NONE);
        assert_eq!(world.decide("human", &intent, "allow", None), NONE);
        assert_eq!(world.outcome("a", &intent, &json!({})), NONE);
        world.now = time("2026-04-08T03:10:00Z");
        assert_eq!(world.outcome("a", &intent, &json!({})), ["approval_missing"]);
    }

    #[test]
    fn a_request_joins_the_decision_to_the_intent() {
        let mut world = World::new();
        world.intent("a", &json!({ "mode": "approval" }));
        let intent = world.id.clone();
        let request = "019d6b2c-ee80-7001-8002-030405060708";
        let asked = json!({
            "correlation": "w", "causes": [intent],
            "approval": { "request": request, "expires": "2026-04-08T03:10:00Z" },
        });
        assert_eq!(world.entry("approval.requested", "a", asked), NONE);
        let requested = world.id.clone();
        let decided = json!({ "causes": [requested], "approval": { "request": request, "decision": "allow" } });
        assert_eq!(world.entry("approval.decided", "human", decided), NONE);
        assert_eq!(world.outcome("a", &intent, &json!({})), NONE);
        world.now = time("2026-04-08T03:10:00Z");
        let again = world.outcome("a", &intent, &json!({}));
        assert_eq!(again, ["approval_missing"], "it ran again after the request's end");
    }
}
