//! `claim_mismatch`: an intent, an outcome and a witness of one action, or the contract, say different things of it.

use super::engine::Deed;
use super::{Flag, Rule, Sorts, View};

pub(super) static RULE: Rule = Rule::at_entry(
    "claim_mismatch",
    check,
    "Class, system, target, scope or environment differ between what was meant, what the \
     agent says it did and what a service saw, or from what the contract's actions say of \
     that action. The witness is the one to believe. Somebody mislabelled the action, the \
     agent was led to do something else than it declared, or its runtime lies: read the \
     chain from the intent down, and the sources that were read before it.",
).about(Sorts::ACTION);

fn check(view: &View<'_>) -> Option<Flag> {
    let own = view.memory.deed?;
    let differs = |deed: &Deed| own.differs(deed);
    let meant = view.intent().map(|intent| intent.deed).filter(differs);
    // A witness that waited for its outcome is held against it now: before, there was nothing to hold it against.
    let waited = view.memory.reference.witness.filter(|_| view.memory.reference.intent.is_none());
    let seen = waited.filter(|(index, _)| *index < view.facts.index).map(|(_, deed)| deed);
    let seen = seen.filter(differs);
    // A label that the intent had already was told of there.
    let is_told = !view.is_judged && view.intent().is_some_and(|intent| intent.is_mislabelled);
    let mut known = view.mislabels().filter(|_| !is_told).peekable();
    if meant.is_none() && seen.is_none() && known.peek().is_none() {
        return None;
    }
    let differences = meant.into_iter().chain(seen).flat_map(|deed| own.differences(&deed));
    Flag::each(differences.chain(known))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::rules::tests::testing::*;

    #[test]
    fn a_witness_is_held_against_the_intent() {
        let mut world = World::new();
        world.intent("a", &json!({}));
        let intent = world.id.clone();
        let same = json!({ "causes": [intent] });
        assert_eq!(world.witness("a", "r", &same), NONE);
        let drop = json!({ "causes": [intent], "action": action("do", "destructive", "sys:x/z") });
        let found = world.witness("a", "s", &drop);
        assert_eq!(found, ["claim_mismatch class,target", "unapproved_destructive"]);
    }

    #[test]
    fn the_contract_knows_what_an_action_is() {
        let mut world = World::new();
        let actions = json!({ "DROP TABLE": { "class": "destructive", "system": "sys", "scope": "db:drop" } });
        world.contract("a", "owner", &json!({ "actions": actions }));
        let lie = json!({ "action": action("DROP TABLE", "read", "sys:x/y"), "scope": ["db:read"] });
        assert_eq!(world.intent("a", &lie), ["claim_mismatch class,scope"]);
        let truth = json!({ "action": action("DROP TABLE", "destructive", "sys:x/y"), "scope": ["db:drop"] });
        assert_eq!(world.intent("a", &truth), NONE);
    }

    #[test]
    fn another_action_than_was_meant_is_held_against_the_contract() {
        let mut world = World::new();
        world.contract("a", "owner", &json!({ "actions": { "ALTER TABLE": { "class": "write" } } }));
        for tells in ["outcome", "witness"] {
            world.intent("a", &json!({}));
            let intent = world.id.clone();
            let lie = json!({ "causes": [intent], "action": action("ALTER TABLE", "read", "sys:x/y") });
            let found = match tells {
                "outcome" => world.outcome("a", &intent, &lie),
                _ => world.witness("a", "r", &lie),
            };
            assert_eq!(found, ["claim_mismatch class"], "{tells}");
        }
        let lie = json!({ "action": action("ALTER TABLE", "read", "sys:x/y") });
        assert_eq!(world.intent("a", &lie), ["claim_mismatch class"]);
        let intent = world.id.clone();
        assert_eq!(world.outcome("a", &intent, &lie), NONE, "told at the intent");
        assert_eq!(world.outcome("a", &intent, &lie), ["claim_mismatch class"], "once more");
    }

    #[test]
    fn a_witness_that_came_first_is_held_against_the_outcome() {
        let mut world = World::new();
        world.intent("a", &json!({}));
        let intent = world.id.clone();
        let seen = json!({ "action": action("do", "write", "sys:x/y") });
        assert_eq!(world.witness("a", "r", &seen), NONE);
        let told = json!({ "outcome": { "status": "confirmed", "external_ref": "r" } });
        assert_eq!(world.outcome("a", &intent, &told), ["claim_mismatch class"]);
        assert_eq!(world.due_in(300), NONE, "the witness is claimed");
    }
}
