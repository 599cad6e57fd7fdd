//! `out_of_scope`: an action goes beyond the grant that it rests on.

use super::{Flag, Rule, Sorts, View};

pub(super) static RULE: Rule = Rule::at_entry(
    "out_of_scope",
    check,
    "A scope, system, target, environment or data class that the action uses lies outside \
     the grant of its last hop. The agent used an authority for something it was not \
     given for. Compare the task of the grant with the action; revoke the grant if the \
     agent was led astray, or grant what was meant.",
).about(Sorts::FAULTY);

fn check(view: &View<'_>) -> Option<Flag> {
    Flag::each(view.faults("out_of_scope").filter_map(|fault| fault.detail()))
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
    fn what_is_used_lies_within_the_grant() {
        let bounds = json!({ "environment": "staging", "targets": ["sys:staging/*"] });
        for (environment, target, expected) in [
            ("staging", "sys:staging/x", vec![]),
            ("staging", "sys:prod/x", vec!["out_of_scope target"]),
            ("production", "sys:prod/x", vec!["out_of_scope target,environment"]),
        ] {
            let mut world = granted(&bounds);
            let act = json!({ "environment": environment, "action": action("do", "read", target) });
            assert_eq!(world.intent("a", &with(chain("human"), &act)), expected);
        }
    }
}
