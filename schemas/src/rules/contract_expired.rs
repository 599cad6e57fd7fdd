//! `contract_expired`: an agent acted at or after the end of its contract.

use super::{Flag, Rule, Sorts, View};

pub(super) static RULE: Rule = Rule::at_entry(
    "contract_expired",
    check,
    "The contract of the agent ended at 00:00 UTC of its expiry date, by the ledger's \
     clock, and the agent still acts. Its owner either renews the contract, after looking \
     at what the agent needs, or has the agent stopped.",
).about(Sorts::JUDGED).by_contract();

fn check(view: &View<'_>) -> Option<Flag> {
    let expired = view.contract?.is_expired(view.facts.at);
    (view.is_judged && expired).then(Flag::plain)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::rules::tests::testing::*;

    #[test]
    fn the_first_second_of_the_date_is_too_late() {
        for (at, expected) in [
            ("2026-06-30T23:59:59Z", vec![]),
            ("2026-07-01T00:00:00Z", vec!["contract_expired"]),
        ] {
            let mut world = World::new();
            let agent = json!({
                "name": "a", "owner": "owner", "permissions": { "sys": ["*"] },
                "execution_mode": "autonomous", "expiry": "2026-07-01",
            });
            world.contract("a", "owner", &json!({ "agent": agent }));
            world.now = time(at);
            assert_eq!(world.intent("a", &json!({})), expected, "{at}");
        }
    }
}
