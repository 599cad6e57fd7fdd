//! `unwitnessed`: an agent says that it did something where a witness should have seen it, and none did.

use super::{Flag, Late, Rule, Ruling, Sorts, View, Wait};
use crate::kind::Kind;

pub(super) static RULE: Rule = Rule::at_deadline(
    "unwitnessed",
    watch,
    judge,
    "The contract says that a witness sees actions on this system; the agent confirmed \
     one, and 300 seconds later no witness is joined to it. The claim is weak: the agent \
     may have done nothing, or something else, or the witness is down. Ask the system \
     itself, by the reference that the outcome names.",
).about(Sorts::ACTION).threshold(300).by_contract();

fn watch<'v>(view: &View<'v>, put: &mut dyn FnMut(Wait<'v>)) {
    let told = view.facts.kind == Kind::ActionOutcome && view.facts.status == Some("confirmed");
    let (Some(contract), Some(action)) = (view.contract.filter(|_| told), view.facts.action) else {
        return;
    };
    let known = view.mapped.and_then(|mapped| mapped.system.as_deref());
    let on = |system: &String| [action.system, known].contains(&Some(system.as_str()));
    if contract.allowed.witnessed.iter().any(on) {
        let joined = view.memory.intents.first();
        let mut wait = view.wait(&RULE);
        wait.intent = joined.map(|(id, _)| *id);
        wait.reference = view.memory.reference_key;
        // Each time that it is said to be done takes a witness of its own.
        wait.numbers.0 = joined.map_or(0, |(_, intent)| u64::from(intent.told.confirmed) + 1);
        put(wait);
    }
}

fn judge(late: &Late<'_>) -> Ruling {
    let seen = match &late.intent {
        Some(intent) => u64::from(intent.told.witnessed) >= late.wait.numbers.0,
        None => late.reference.as_ref().is_some_and(|reference| reference.witness.is_some()),
    };
    if seen { Ruling::Clear } else { Ruling::Flagged(Flag::plain()) }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::rules::tests::testing::*;

    fn world() -> World {
        let mut world = World::new();
        world.contract("a", "owner", &json!({ "witnessed": ["sys"] }));
        world
    }

    fn told(reference: &str) -> serde_json::Value {
        json!({ "outcome": { "status": "confirmed", "external_ref": reference } })
    }

    #[test]
    fn a_claim_takes_a_witness() {
        let mut world = world();
        world.intent("a", &json!({}));
        let intent = world.id.clone();
        world.outcome("a", &intent, &told("r"));
        assert_eq!(world.due_in(299), NONE);
        assert_eq!(world.due_in(1), ["unwitnessed"]);
        world.intent("a", &json!({}));
        let intent = world.id.clone();
        world.outcome("a", &intent, &told("s"));
        assert_eq!(world.witness("a", "s", &json!({})), NONE);
        assert_eq!(world.due_in(300), NONE);
    }

    #[test]
    fn a_witness_may_come_before_the_claim_and_counts_once() {
        let mut world = world();
        world.intent("a", &json!({}));
        let intent = world.id.clone();
        world.witness("a", "r", &json!({}));
        world.outcome("a", &intent, &told("r"));
        world.outcome("a", &intent, &told("r"));
        assert_eq!(world.due_in(300), ["unwitnessed"], "two claims, one witness");
    }

    #[test]
    fn failures_and_other_systems_need_none() {
        let mut world = World::new();
        world.contract("a", "owner", &json!({ "witnessed": ["voice"] }));
        world.intent("a", &json!({}));
        let intent = world.id.clone();
        world.outcome("a", &intent, &json!({}));
        assert_eq!(world.due_in(300), NONE);
    }
}
