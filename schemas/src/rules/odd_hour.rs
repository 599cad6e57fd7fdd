//! `odd_hour`: a class of actions at an hour at which the agent hardly ever has any.

use super::{Flag, Rule, Sorts, View};

pub(super) static RULE: Rule = Rule::at_entry(
    "odd_hour",
    check,
    "Of the 28 days before, the agent had actions of this class on at least 20 (or its \
     contract's bound), on at most one of them in this hour, UTC, and on less than a \
     quarter of them in an hour beside it. Told at the first action of the class in \
     the hour. Schedules change, and stolen credentials are used \
     at night: ask what set it off, and follow its trigger.",
).about(Sorts::JUDGED).threshold(20);

fn check(view: &View<'_>) -> Option<Flag> {
    view.memory.habits.as_ref()?.is_odd.then(Flag::plain)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::rules::tests::testing::*;

    /// Twenty days with one write each at 11:00.
    fn regular() -> World {
        let mut world = World::empty("2026-03-01T11:00:00Z");
        world.principal("owner", &["owner"]);
        world.agent("a", "owner");
        world.contract("a", "owner", &json!({}));
        world.start("a", &json!({}));
        for _ in 0..20 {
            assert_eq!(world.intent("a", &write()), NONE);
            world.now.0 += 24 * 3_600_000_000;
        }
        world
    }

    fn write() -> serde_json::Value {
        json!({ "action": action("do", "write", "sys:x/y") })
    }

    #[test]
    fn the_hour_of_a_class_is_held_against_its_days() {
        let mut world = regular();
        assert_eq!(world.intent("a", &write()), NONE, "11:00");
        world.now.0 += 15 * 3_600_000_000;
        assert_eq!(world.intent("a", &write()), ["odd_hour"], "02:00");
        assert_eq!(world.intent("a", &write()), NONE, "the first of the hour tells");
        assert_eq!(world.intent("a", &json!({})), NONE, "reading was never regular");
        world.now.0 += 24 * 3_600_000_000;
        assert_eq!(world.intent("a", &write()), ["odd_hour"], "1 of 20");
        world.now.0 += 24 * 3_600_000_000;
        assert_eq!(world.intent("a", &write()), NONE, "2 of 20");
    }

    #[test]
    fn who_creeps_from_hour_to_hour_needs_days_for_each() {
        let mut world = regular();
        world.now.0 += 3_600_000_000;
        for _ in 0..4 {
            assert_eq!(world.intent("a", &write()), NONE, "12:00");
            world.now.0 += 24 * 3_600_000_000;
        }
        world.now.0 += 3_600_000_000;
        assert_eq!(world.intent("a", &write()), ["odd_hour"], "13:00 after four days of 12:00");
    }

    #[test]
    fn nineteen_days_tell_nothing() {
        let mut world = regular();
        // Ten days later the first nine have fallen out of the 28.
        world.now.0 += 10 * 24 * 3_600_000_000 + 15 * 3_600_000_000;
        assert_eq!(world.intent("a", &write()), NONE);
    }
}
