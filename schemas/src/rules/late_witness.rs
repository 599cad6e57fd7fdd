//! `late_witness`: a witness is received after an agent was stopped, of something before.

use super::{Flag, Rule, Sorts, View};
use crate::kind::Kind;

pub(super) static RULE: Rule = Rule::at_entry(
    "late_witness",
    check,
    "A service reports an action of an agent that was stopped meanwhile, and says that it \
     happened before the stop. Most often the report was merely on its way. The time is \
     the service's own claim: if many such reports arrive, or long after the stop, \
     compare the service's clock and its own log before trusting that nothing ran on.",
).about(Sorts::WITNESS);

fn check(view: &View<'_>) -> Option<Flag> {
    let (at, stop) = view.memory.stopped?;
    let before = view.facts.kind == Kind::WitnessObserved && view.facts.time < at;
    before.then(|| Flag::plain().citing(stop))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::rules::tests::testing::*;

    #[test]
    fn what_was_on_its_way_is_told_apart() {
        let mut world = World::new();
        world.now = time("2026-04-08T03:51:00Z");
        assert_eq!(world.witness("a", "q", &json!({})), NONE, "received before");
        world.now = time("2026-04-08T03:52:00Z");
        world.entry("agent.retired", "op", json!({ "agent": { "id": "a" } }));
        world.now = time("2026-04-08T03:53:00Z");
        let before = world.witness("a", "r", &json!({ "time": "2026-04-08T03:51:59Z" }));
        assert_eq!(before, ["late_witness"]);
    }
}
