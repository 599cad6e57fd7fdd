//! `new_tool`: an agent uses a tool that its contract does not list, or that it never used in many actions.

use super::{Flag, Rule, Sorts, View};
use crate::grant::covers;

pub(super) static RULE: Rule = Rule::at_entry(
    "new_tool",
    check,
    "Where the contract lists tools, this one is not among them; where it lists none, the \
     agent has at least 100 actions (or its contract's bound) and never used it. See what \
     the tool can do and how the agent came by it, and list its tools in the contract: \
     then each other one is told at once.",
).about(Sorts::JUDGED).threshold(100).by_contract();

fn check(view: &View<'_>) -> Option<Flag> {
    let tool = view.facts.tool.filter(|_| view.is_judged)?;
    if let Some(tools) = view.contract.and_then(|contract| contract.allowed.tools.as_ref()) {
        let listed = tools.iter().any(|known| covers(known, tool));
        return (!listed).then(|| Flag::of("unlisted"));
    }
    let habits = view.memory.habits.as_ref()?;
    (habits.is_new_tool && habits.total >= view.threshold(&RULE)).then(|| Flag::of("new"))
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
    fn an_unlisted_tool_is_told_at_once() {
        let mut world = World::new();
        world.contract("a", "owner", &json!({ "tools": ["git.*"] }));
        assert_eq!(world.intent("a", &json!({ "tool": { "name": "git.log" } })), NONE);
        assert_eq!(world.intent("a", &json!({ "tool": { "name": "net.fetch" } })), ["new_tool unlisted"]);
    }

    #[test]
    fn without_a_list_habit_tells() {
        let (git, net) = (json!({ "tool": { "name": "git" } }), json!({ "tool": { "name": "net.fetch" } }));
        let mut world = World::new();
        act(&mut world, 39, &git);
        assert_eq!(world.intent("a", &net), NONE, "the 40th");
        let mut world = World::new();
        act(&mut world, 100, &git);
        assert_eq!(world.intent("a", &net), ["new_tool new"]);
        assert_eq!(world.intent("a", &net), NONE);
    }
}
