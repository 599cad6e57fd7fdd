//! `new_target`: an agent with many actions reaches a group of targets for the first time.

use super::{Flag, Rule, View};

pub(super) static RULE: Rule = Rule::at_entry(
    "new_target",
    check,
    "The agent has at least 100 actions (or its contract's bound), and none of them \
     reached this group of targets: what stands before the last slash, the domain of an \
     address, the area of a telephone number. It may be new work; it may be an agent that \
     was led somewhere else. Compare with its task, and name its targets in the contract.",
).threshold(100);

fn check(view: &View<'_>) -> Option<Flag> {
    let habits = view.memory.habits.as_ref()?;
    (habits.is_new_group && habits.total >= view.threshold(&RULE)).then(Flag::plain)
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
}
