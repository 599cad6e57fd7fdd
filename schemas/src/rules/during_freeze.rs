//! `during_freeze`: something was done that is frozen.

use super::{Flag, Rule, Sorts, View};
use crate::registry::{EVERYTHING, FreezeRecord};
use crate::terms::{self, Key, Term, Whose};

pub(super) static RULE: Rule = Rule::at_entry(
    "during_freeze",
    check,
    "An action matches a freeze that was in force when the ledger took it. A freeze of \
     everything does not concern reading; one that names reading does. Find out who let \
     it through: the freeze is a statement in the ledger that gates can follow, it stops \
     nothing itself.",
).about(Sorts::JUDGED);

fn check(view: &View<'_>) -> Option<Flag> {
    let action = view.facts.action.filter(|_| view.is_judged)?;
    view.registry.freezes().iter().find(|freeze| freeze.lifted.is_none())?;
    let agent = view.facts.agent.and_then(|agent| view.registry.agent(agent));
    let terms = terms::of_entry(view.leaf, view.body, agent.map(Whose::from));
    let known = view.mapped.and_then(|mapped| mapped.class.as_deref());
    let as_known = known.map(|class| of_class(&terms, class));
    let covers = |freeze: &&FreezeRecord| {
        freeze.covers(&terms) || as_known.as_ref().is_some_and(|terms| freeze.covers(terms))
    };
    let reads = action.class == "read" && known.is_none_or(|class| class == "read");
    let freezes = |applies_to: &str| applies_to != EVERYTHING || !reads;
    let mut frozen = view.registry.freezes().iter().filter(covers);
    let freeze = frozen.find(|freeze| freezes(&freeze.applies_to))?;
    Some(Flag::named(&freeze.applies_to))
}

/// The terms of an action if it is of this class, whatever it says itself.
fn of_class<'t>(terms: &[Term<'t>], class: &'t str) -> Vec<Term<'t>> {
    let others = terms.iter().filter(|term| term.key != Key::Class).cloned();
    others.chain([Term { key: Key::Class, value: class.into() }]).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::rules::tests::testing::*;

    #[test]
    fn writing_while_frozen_is_flagged() {
        for (applies_to, class, expected) in [
            ("env:production class:write", "write", true),
            ("env:production class:write", "read", false),
            ("env:staging", "write", false),
            ("*", "write", true),
            ("*", "read", false),
            ("class:read", "read", true),
        ] {
            let mut world = World::new();
            let freeze = json!({ "from": "open", "to": "frozen", "applies_to": applies_to });
            world.entry("authz.transition", "op", json!({ "transition": freeze }));
            let act = json!({ "action": action("do", class, "sys:x/y"), "environment": "production" });
            let found = world.intent("a", &act);
            let frozen = format!("during_freeze {applies_to}");
            assert_eq!(found, if expected { vec![frozen] } else { vec![] });
            let lift = json!({ "from": "frozen", "to": "open", "applies_to": applies_to });
            world.entry("authz.transition", "op", json!({ "transition": lift }));
            assert_eq!(world.intent("a", &act), NONE, "lifted");
        }
    }

    fn freeze(world: &mut World, applies_to: &str) {
        let freeze = json!({ "from": "open", "to": "frozen", "applies_to": applies_to });
        world.entry("authz.transition", "op", json!({ "transition": freeze }));
    }

    #[test]
    fn a_harmless_label_lifts_no_freeze() {
        for applies_to in ["class:write", "env:test not:class:read", "*"] {
            let mut world = World::new();
            let actions = json!({ "do": { "class": "write" } });
            world.contract("a", "owner", &json!({ "actions": actions }));
            freeze(&mut world, applies_to);
            let frozen = format!("during_freeze {applies_to}");
            assert_eq!(world.intent("a", &json!({})), ["claim_mismatch class", &frozen]);
        }
    }

    #[test]
    fn a_freeze_of_an_agent_holds_by_whichever_of_its_names() {
        let mut world = World::new();
        let names = json!({ "agent": { "id": "a" }, "registry": { "external": ["entra:7"] } });
        world.entry("agent.updated", "op", names);
        freeze(&mut world, "agent:a");
        let known = json!({ "credential": { "id": "cred-a" } });
        assert_eq!(world.witness("entra:7", "r", &known), ["during_freeze agent:a"]);
    }
}
