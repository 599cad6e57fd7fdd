//! `clock_skew`: an entry's own time is far from when the ledger took it, or runs backwards in its session.

use super::engine::DAY_US;
use super::{Flag, Rule, View};

pub(super) static RULE: Rule = Rule::at_entry(
    "clock_skew",
    check,
    "The time that the signer claims is more than the bound (120 seconds) ahead of the \
     ledger's clock, more than 24 hours behind it, or earlier than that of the entry \
     before in the same session. Nothing here is decided by that time, but readers may be \
     misled by it: set the signer's clock, or find out why it tells another time than it \
     is.",
).threshold(120);

fn check(view: &View<'_>) -> Option<Flag> {
    let (own, at) = (view.facts.time.0, view.facts.at.0);
    let ahead = view.threshold_of_signer(&RULE).saturating_mul(1_000_000);
    let session = &view.memory.session;
    if own > at.saturating_add(ahead) {
        Some(Flag::of("ahead"))
    } else if own.saturating_add(DAY_US) < at {
        Some(Flag::of("behind"))
    } else if view.memory.step.is_highest && session.high > 0 && own < session.claimed.0 {
        Some(Flag::of("backwards"))
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::rules::tests::testing::*;

    #[test]
    fn times_far_off_are_flagged() {
        for (own, expected) in [
            ("2036-04-08T03:00:00Z", vec!["clock_skew ahead"]),
            ("2026-04-08T03:12:01Z", vec!["clock_skew ahead"]),
            ("2026-04-08T03:12:00Z", vec![]),
            ("2026-04-08T03:00:00Z", vec![]),
            ("2026-04-08T02:59:59Z", vec!["clock_skew backwards"]),
            ("2026-04-07T03:09:00Z", vec!["clock_skew behind"]),
        ] {
            let mut world = World::new();
            world.now = time("2026-04-08T03:10:00Z");
            assert_eq!(world.intent("a", &json!({ "time": own })), expected, "{own}");
        }
    }

    #[test]
    fn a_contract_says_how_far_its_agent_may_be_off_and_nobody_else() {
        let mut world = World::new();
        world.contract("a", "owner", &json!({ "thresholds": { "clock_skew": 3600 } }));
        let ahead = json!({ "time": "2026-04-08T03:50:00Z" });
        assert_eq!(world.intent("a", &ahead), NONE);
        let seen = with(json!({ "causes": [world.id.clone()] }), &ahead);
        assert_eq!(world.witness("a", "r", &seen), ["clock_skew ahead"]);
    }
}
