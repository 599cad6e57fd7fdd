//! `obo_missing`: an agent that may act for a user only acted for none.

use super::{Flag, Rule, Sorts, View};
use crate::contract::ExecutionMode;

pub(super) static RULE: Rule = Rule::at_entry(
    "obo_missing",
    check,
    "The contract's execution mode is on_behalf_of, and the action names no user. Nobody \
     can say for whom it was done, nor whether that user might have done it. Have the \
     runtime pass the user on, or stop actions that have none.",
).about(Sorts::JUDGED).by_contract();

fn check(view: &View<'_>) -> Option<Flag> {
    let for_users = view.contract?.mode == ExecutionMode::OnBehalfOf;
    // What came of an intent need not say again what that said.
    let is_first = view.is_judged && view.intent().is_none();
    (is_first && for_users && view.facts.user.is_none()).then(Flag::plain)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::rules::tests::testing::*;

    #[test]
    fn a_user_stands_behind_each_action() {
        let mut world = World::new();
        let agent = json!({
            "name": "a", "owner": "owner", "permissions": { "sys": ["*"] },
            "execution_mode": "on_behalf_of",
        });
        world.contract("a", "owner", &json!({ "agent": agent }));
        assert_eq!(world.intent("a", &json!({})), ["obo_missing"]);
        let user = json!({ "mode": "on_behalf_of", "on_behalf_of": "u@example.com" });
        assert_eq!(world.intent("a", &user), NONE);
    }
}
