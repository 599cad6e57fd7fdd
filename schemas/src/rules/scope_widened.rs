//! `scope_widened`: a grant goes beyond the one that it rests on.

use super::{Flag, Rule, Sorts, View};
use crate::grant::Grant;
use crate::kind::Kind;

pub(super) static RULE: Rule = Rule::at_entry(
    "scope_widened",
    check,
    "A delegator passed on more than it was given: in scope, system, target, data class, \
     environment or time. The grant is flagged when it is given, and each action under \
     it. Revoke it, have it given anew within its parent, and look at what was done under \
     it.",
).about(Sorts::FAULTY.or(Sorts::GRANT));

fn check(view: &View<'_>) -> Option<Flag> {
    if view.facts.kind != Kind::DelegationGranted {
        return Flag::each(view.faults("scope_widened").filter_map(|fault| fault.detail()));
    }
    let grant = view.body.field("grant").and_then(Grant::read)?;
    let parent = view.registry.grant(grant.parent?)?;
    Flag::each(grant.widens(&parent.grant).into_iter().map(|bound| bound.as_str()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::rules::tests::testing::*;

    const PARENT: &str = "019d6b2c-ee80-7001-8002-030405060708";
    const CHILD: &str = "019d6b2c-ee80-7001-8002-030405060709";

    #[test]
    fn a_child_lies_within_its_parent() {
        for (scope, target, expected) in [
            ("repo:read", "postgres:staging/*", vec![]),
            ("repo:delete", "postgres:staging/*", vec!["scope_widened scope"]),
            ("repo:read", "postgres:*", vec!["scope_widened target"]),
            ("repo:delete", "postgres:*", vec!["scope_widened scope,target"]),
        ] {
            let mut world = World::new();
            let parent = json!({
                "id": PARENT, "to": "b", "scope": ["repo:read"], "targets": ["postgres:staging/*"],
            });
            world.entry("delegation.granted", "human", json!({ "grant": parent }));
            let child = json!({
                "id": CHILD, "to": "a", "parent": PARENT, "scope": [scope], "targets": [target],
            });
            let given = world.entry("delegation.granted", "b", json!({ "grant": child }));
            assert_eq!(given, expected);
            let used = json!({ "principals": [
                { "type": "human", "id": "human", "evidence": "09".repeat(32) },
                { "type": "agent", "id": "b", "grant_id": PARENT },
                { "type": "agent", "id": "a", "grant_id": CHILD },
            ], "action": action("do", "read", "postgres:staging/x") });
            assert_eq!(world.intent("a", &used), expected);
        }
    }
}
