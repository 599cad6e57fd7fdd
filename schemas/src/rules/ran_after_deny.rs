//! `ran_after_deny`: something ran though a gate or an approver had denied it.

use super::{Flag, Rule, Sorts, View};

pub(super) static RULE: Rule = Rule::at_entry(
    "ran_after_deny",
    check,
    "The last word of a gate, or of an approver, on the intent was no, and an outcome or \
     a witness tells that it was dispatched or done after. The gate is not in the path of \
     the action, or was passed by: stop the agent, and find the way around the gate \
     before it acts again.",
).about(Sorts::EXECUTION);

fn check(view: &View<'_>) -> Option<Flag> {
    let intent = view.intent()?;
    let ran = view.facts.is_execution() && intent.is_denied();
    (ran && (view.is_fresh() || !intent.is_told)).then(Flag::plain)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::rules::tests::testing::*;

    #[test]
    fn no_means_no() {
        let mut world = World::new();
        world.intent("a", &json!({}));
        let intent = world.id.clone();
        world.verdict("a", &intent, &[("g", "allow"), ("h", "deny")]);
        assert_eq!(world.due_in(60), NONE, "deny only");
        let failed = json!({ "outcome": { "status": "failed" }, "output": null });
        assert_eq!(world.outcome("a", &intent, &failed), NONE);
        let seen = json!({ "causes": [intent] });
        assert_eq!(world.witness("a", "r", &seen), ["ran_after_deny"]);
        assert_eq!(world.outcome("a", &intent, &json!({})), NONE, "the same run, told again");
        assert_eq!(world.outcome("a", &intent, &json!({})), ["ran_after_deny"], "another run");
    }

    #[test]
    fn the_last_word_of_each_gate_counts() {
        let mut world = World::new();
        world.intent("a", &json!({}));
        let intent = world.id.clone();
        world.verdict("a", &intent, &[("g", "deny")]);
        world.verdict("a", &intent, &[("h", "allow")]);
        world.verdict("a", &intent, &[("g", "allow")]);
        assert_eq!(world.outcome("a", &intent, &json!({})), NONE);
        world.decide("human", &intent, "deny", None);
        assert_eq!(world.outcome("a", &intent, &json!({})), ["ran_after_deny"]);
    }
}
