//! `unchecked_action`: something ran that lacks the verdict of a gate that the contract lists.

use super::{Flag, Rule, Sorts, View};
use crate::mark::mark;

pub(super) static RULE: Rule = Rule::at_entry(
    "unchecked_action",
    check,
    "The contract lists gates for the action, and at least the one named had not decided \
     on its intent when an outcome or a witness told that it ran. The check that the \
     contract relies on did not happen: find the way around the gate, and look for other \
     actions that took it.",
).about(Sorts::EXECUTION).by_contract();

fn check(view: &View<'_>) -> Option<Flag> {
    if !view.facts.is_execution() || !view.is_fresh() {
        return None;
    }
    let heard = |gate: &String| {
        let gate = mark(gate);
        view.intent().is_some_and(|intent| intent.word_of(&gate).is_some())
    };
    view.gates.iter().find(|gate| !heard(gate)).map(|gate| Flag::named(gate))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::rules::tests::testing::*;

    #[test]
    fn each_gate_has_to_speak() {
        for (words, expected) in [
            (vec![], vec!["unchecked_action g"]),
            (vec![("g", "allow")], vec!["unchecked_action h"]),
            (vec![("g", "allow"), ("h", "allow")], vec![]),
            (vec![("g", "allow"), ("h", "deny")], vec!["ran_after_deny"]),
        ] {
            let mut world = World::new();
            world.contract("a", "owner", &json!({ "gates": { "do": ["g", "h"] } }));
            world.intent("a", &json!({}));
            let intent = world.id.clone();
            if !words.is_empty() {
                assert_eq!(world.verdict("a", &intent, &words), NONE);
            }
            assert_eq!(world.outcome("a", &intent, &json!({})), expected);
            assert_eq!(world.witness("a", "r", &json!({ "causes": [intent] })), NONE, "told once");
        }
    }

    #[test]
    fn a_witness_alone_lacks_them_all() {
        let mut world = World::new();
        world.contract("a", "owner", &json!({ "gates": { "do": ["g"] } }));
        assert_eq!(world.witness("a", "r", &json!({})), ["unchecked_action g"]);
    }
}
