//! `unclaimed_action`: a service saw an action that the agent had not said it would do.

use super::{Flag, Late, Rule, Ruling, Sorts, View, Wait};
use crate::kind::Kind;

pub(super) static RULE: Rule = Rule::at_deadline(
    "unclaimed_action",
    watch,
    judge,
    "Five minutes after a witness no intent that came before it is joined to it, by its \
     causes, the vendor's reference or the call id. An intent that is recorded afterwards \
     claims nothing. The agent, or somebody with its credential, acts without telling: \
     compare the agent's own log, and rotate the credential if it knows nothing of it.",
).about(Sorts::WITNESS).threshold(300);

fn watch<'v>(view: &View<'v>, put: &mut dyn FnMut(Wait<'v>)) {
    let seen = view.facts.kind == Kind::WitnessObserved && !view.memory.is_repeat;
    if seen && view.memory.intents.is_empty() {
        let mut wait = view.wait(&RULE);
        wait.reference = view.memory.reference_key;
        wait.numbers.0 = view.facts.index.0;
        put(wait);
    }
}

/// An outcome may have joined an intent to it meanwhile; only one that came before it claims it.
fn judge(late: &Late<'_>) -> Ruling {
    let intent = late.reference.as_ref().and_then(|reference| reference.intent);
    match intent {
        Some((_, index)) if index.0 < late.wait.numbers.0 => Ruling::Clear,
        _ => Ruling::Flagged(Flag::plain()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::rules::tests::testing::*;

    #[test]
    fn an_intent_comes_first() {
        let mut world = World::new();
        assert_eq!(world.witness("a", "alone", &json!({})), NONE);
        assert_eq!(world.due_in(299), NONE);
        assert_eq!(world.due_in(1), ["unclaimed_action"]);
        world.intent("a", &json!({}));
        let intent = world.id.clone();
        assert_eq!(world.witness("a", "r", &json!({ "causes": [intent] })), NONE, "intent 39");
        assert_eq!(world.due_in(300), NONE);
    }

    #[test]
    fn a_reference_or_a_call_id_joins_too() {
        let mut world = World::new();
        let tool = json!({ "tool": { "name": "t", "call_id": "call-1" } });
        world.intent("a", &tool);
        let intent = world.id.clone();
        assert_eq!(world.witness("a", "r", &tool), NONE);
        assert_eq!(world.witness("a", "s", &json!({})), NONE);
        let told = json!({ "outcome": { "status": "confirmed", "external_ref": "s" } });
        assert_eq!(world.outcome("a", &intent, &told), NONE, "the outcome joins what waited");
        assert_eq!(world.witness("b", "t", &tool), NONE);
        assert_eq!(world.due_in(300), ["unclaimed_action"], "another agent's call id joins nothing");
        assert_eq!(world.found[0].agent.as_deref(), Some("b"));
    }
}
