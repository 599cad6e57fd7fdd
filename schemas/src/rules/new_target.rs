//! `new_target`: an agent with many actions reaches a group of targets for the first time.

use super::{Flag, Rule, Sorts, View};

pub(super) static RULE: Rule = Rule::at_entry(
    "new_target",
    check,
    "The agent has at least 100 actions (or its contract's bound) for each group of \
     targets that it is known to reach, and none of them reached this one: what stands \
     before the last slash, the domain of an address, the area of a telephone number. It \
     may be new work; it may be an agent that was led somewhere else. Compare with its \
     task. Who is meant to be somewhere new all the time has a higher bound.",
).about(Sorts::JUDGED).threshold(100);

fn check(view: &View<'_>) -> Option<Flag> {
    let habits = view.memory.habits.as_ref()?;
    // Who knows many groups has seen fewer of them often: it is still learning.
    let least = habits.groups_before?.max(1).saturating_mul(view.threshold(&RULE));
    (habits.total >= least).then(Flag::plain)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::rules::tests::testing::*;

    /// Runs `n` actions, one in 70 seconds.
    fn act(world: &mut World, n: u64, more: &serde_json::Value) {
        for _ in 0..n {
            world.now.0 += 70_000_000;
            assert_eq!(world.intent("a", more), NONE);
        }
    }

    #[test]
    fn the_hundred_and_first_to_a_new_group_is_flagged() {
        let elsewhere = json!({ "action": action("do", "read", "postgres:prod/x") });
        let mut world = World::new();
        act(&mut world, 39, &json!({}));
        assert_eq!(world.intent("a", &elsewhere), NONE, "the 40th");
        let mut world = World::new();
        act(&mut world, 100, &json!({}));
        assert_eq!(world.intent("a", &elsewhere), ["new_target"]);
        assert_eq!(world.intent("a", &elsewhere), NONE, "known from then on");
        let beside = json!({ "action": action("do", "read", "sys:x/another") });
        assert_eq!(world.intent("a", &beside), NONE, "the same group");
    }

    #[test]
    fn who_knows_many_groups_learns_longer() {
        let at = |n: u64| json!({ "action": action("do", "read", &format!("sys:{n}/x")) });
        let mut world = World::new();
        for n in 0..10 {
            act(&mut world, 50, &at(n));
        }
        assert_eq!(world.intent("a", &at(10)), NONE, "500 actions, 10 groups");
        act(&mut world, 599, &at(0));
        assert_eq!(world.intent("a", &at(11)), ["new_target"], "1,100 actions, 11 groups");
    }

    #[test]
    fn what_is_reached_often_is_not_forgotten_for_what_is_reached_once() {
        let at = |n: u64| json!({ "action": action("do", "read", &format!("sys:{n}/x")) });
        let mut world = World::new();
        world.contract("a", "owner", &json!({ "thresholds": { "new_target": u64::MAX } }));
        for n in 0..1000 {
            act(&mut world, 1, &at(n));
            act(&mut world, 1, &at(0));
        }
        world.contract("a", "owner", &json!({ "thresholds": { "new_target": 1 } }));
        act(&mut world, 1, &at(0));
        act(&mut world, 1, &at(999));
        assert_eq!(world.intent("a", &at(1)), ["new_target"], "forgotten");
    }
}
