//! `claim_mismatch`: an intent, an outcome and a witness of one action, or the contract, say different things of it.

use super::{Flag, Rule, View};

pub(super) static RULE: Rule = Rule::at_entry(
    "claim_mismatch",
    check,
    "Class, system, target, scope or environment differ between what was meant, what the \
     agent says it did and what a service saw, or from what the contract's actions say of \
     that action. The witness is the one to believe. Somebody mislabelled the action, the \
     agent was led to do something else than it declared, or its runtime lies: read the \
     chain from the intent down, and the sources that were read before it.",
);

fn check(view: &View<'_>) -> Option<Flag> {
    let own = view.memory.deed?;
    let meant = view.intent().map(|intent| own.differences(&intent.deed));
    // A witness that waited for its outcome is held against it now: before, there was nothing to hold it against.
    let waited = view.memory.reference.witness.filter(|_| view.memory.reference.intent.is_none());
    let seen = waited.filter(|(index, _)| *index < view.facts.index).map(|(_, deed)| deed);
    let seen = seen.map(|deed| own.differences(&deed));
    let known = contradicts(view).into_iter().flatten();
    Flag::each(meant.into_iter().flatten().chain(seen.into_iter().flatten()).chain(known))
}

/// What the contract's `actions` says otherwise, where action rules run.
fn contradicts(view: &View<'_>) -> Option<impl Iterator<Item = &'static str>> {
    let (action, mapped) = (view.facts.action?, view.mapped.filter(|_| view.is_judged)?);
    let differs = |own: Option<&str>, known: Option<&String>| {
        matches!((own, known), (Some(own), Some(known)) if own != known)
    };
    let mut scopes = view.list("scope").peekable();
    let lacks = |scope: &String| scopes.peek().is_some() && !scopes.any(|own| own == scope);
    let ways = [
        ("class", differs(Some(action.class), mapped.class.as_ref())),
        ("system", differs(action.system, mapped.system.as_ref())),
        ("scope", mapped.scope.as_ref().is_some_and(lacks)),
    ];
    Some(ways.into_iter().filter(|(_, differs)| *differs).map(|(name, _)| name))
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
