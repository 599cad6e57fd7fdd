//! `during_freeze`: something was done that is frozen.

use super::{Flag, Rule, View};
use crate::registry::EVERYTHING;
use crate::terms::{self, Key, Term};

pub(super) static RULE: Rule = Rule::at_entry(
    "during_freeze",
    check,
    "An action matches a freeze that was in force when the ledger took it. A freeze of \
     everything does not concern reading; one that names reading does. Find out who let \
     it through: the freeze is a statement in the ledger that gates can follow, it stops \
     nothing itself.",
);

fn check(view: &View<'_>) -> Option<Flag> {
    let action = view.facts.action.filter(|_| view.is_judged)?;
    view.registry.freezes().iter().find(|freeze| freeze.lifted.is_none())?;
    let owner = view.facts.agent.and_then(|agent| view.registry.owner(agent));
    let mut terms = terms::of_entry(view.leaf, view.body, owner);
    let known = view.mapped.and_then(|mapped| mapped.class.as_deref());
    terms.extend(known.map(|class| Term { key: Key::Class, value: class.into() }));
    terms.sort_unstable();
    let reads = action.class == "read" && known.is_none_or(|class| class == "read");
    let freezes = |applies_to: &str| applies_to != EVERYTHING || !reads;
    let mut frozen = view.registry.freezes().iter().filter(|freeze| freeze.covers(&terms));
    let freeze = frozen.find(|freeze| freezes(&freeze.applies_to))?;
    Some(Flag::named(&freeze.applies_to))
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
}
