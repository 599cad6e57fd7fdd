//! `volume`: an agent acts far more often in an hour than it usually does.

use super::{Flag, Rule, Sorts, View};

pub(super) static RULE: Rule = Rule::at_entry(
    "volume",
    check,
    "The actions of this UTC hour are more than 60 (or the contract's bound), and more \
     than three times the 95th percentile of the agent's active hours in the 28 days \
     before the last 24 hours. The last day is left out so that a surge does not explain \
     itself. Look for a loop, a batch that somebody started, or somebody in a hurry.",
).about(Sorts::JUDGED).threshold(60);

fn check(view: &View<'_>) -> Option<Flag> {
    let habits = view.memory.habits.as_ref()?;
    let bound = view.threshold(&RULE).max(u64::from(habits.usual));
    (u64::from(habits.count) > bound).then(Flag::plain)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::rules::tests::testing::*;

    /// Hours of twenty actions each.
    fn usual(hours: u64) -> World {
        let mut world = World::empty("2026-03-01T00:00:00Z");
        world.principal("owner", &["owner"]);
        world.agent("a", "owner");
        world.contract("a", "owner", &json!({}));
        world.start("a", &json!({}));
        for _ in 0..hours {
            for _ in 0..20 {
                assert_eq!(world.intent("a", &json!({})), NONE);
            }
            world.now.0 += 3_600_000_000;
        }
        world
    }

    #[test]
    fn the_sixty_first_is_flagged() {
        let mut world = usual(48);
        for _ in 0..60 {
            assert_eq!(world.intent("a", &json!({})), NONE);
        }
        assert_eq!(world.intent("a", &json!({})), ["volume"]);
        world.now.0 += 3_600_000_000;
        assert_eq!(world.intent("a", &json!({})), NONE, "another hour");
    }

    #[test]
    fn a_contract_sets_its_own_bound() {
        let mut world = World::new();
        world.contract("a", "owner", &json!({ "thresholds": { "volume": 2 } }));
        assert_eq!(world.intent("a", &json!({})), NONE);
        assert_eq!(world.intent("a", &json!({})), NONE);
        assert_eq!(world.intent("a", &json!({})), ["volume"]);
    }
}
